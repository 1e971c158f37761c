//! A network of its own for each test, and its HTTP interface.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use buffa::Message as _;
use network::{Config, Network, Running};
use reqwest::StatusCode;
use serde_json::{Value, json};
use waproto::whatsapp::Message;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// A running network, in this process or in one of its own.
pub(crate) struct World {
    running: Option<Running>,
    http_url: String,
    protocol_url: String,
    root_key: String,
    media_authority: String,
    http: reqwest::Client,
}

/// A person in the network.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// The phone number.
    pub(crate) number: String,
    /// The LID.
    pub(crate) lid: String,
}

impl Person {
    /// The address by phone number.
    pub(crate) fn by_number(&self) -> String {
        format!("{}@s.whatsapp.net", self.number)
    }

    /// The address by LID.
    pub(crate) fn by_lid(&self) -> String {
        format!("{}@lid", self.lid)
    }
}

impl World {
    /// A network with the usual settings.
    pub(crate) async fn start() -> Self {
        Self::start_with(Config::default()).await
    }

    /// A network with other settings.
    pub(crate) async fn start_with(config: Config) -> Self {
        let running = Network::start(config).await.unwrap();
        let (http_url, protocol_url) = (running.http_url(), running.protocol_url());
        let root_key = running.root_key();
        Self {
            media_authority: running.network().media_authority().to_owned(),
            running: Some(running),
            ..Self::at(http_url, protocol_url, root_key)
        }
    }

    /// A network that runs elsewhere.
    #[expect(clippy::disallowed_methods, reason = "it talks to a loopback address of its own")]
    pub(crate) fn at(http_url: String, protocol_url: String, root_key: String) -> Self {
        Self {
            running: None,
            http_url,
            protocol_url,
            root_key,
            media_authority: String::new(),
            http: reqwest::Client::new(),
        }
    }

    /// The network, when it runs in this process.
    pub(crate) fn network(&self) -> &Arc<Network> {
        self.running
            .as_ref()
            .expect("the network runs in this process")
            .network()
    }

    /// Where everything is on one port with TLS, when the network runs in this process and was told to.
    pub(crate) fn upstream_address(&self) -> std::net::SocketAddr {
        let running = self.running.as_ref().expect("the network runs in this process");
        running.upstream_address().expect("it was told to")
    }

    /// Where clients connect.
    pub(crate) fn protocol_url(&self) -> &str {
        &self.protocol_url
    }

    /// The certificate root's public key.
    pub(crate) fn root_key(&self) -> &str {
        &self.root_key
    }

    /// The certificate that the media store is signed by, when the network runs in this process.
    pub(crate) fn media_authority(&self) -> &str {
        &self.media_authority
    }

    /// Sends a request and expects success.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.try_post(path, body).await;
        assert!(status.is_success(), "POST {path}: {status} {answer}");
        answer
    }

    /// Sends a request.
    pub(crate) async fn try_post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.send_text(path, body.to_string()).await
    }

    /// Sends a request with text as body.
    pub(crate) async fn send_text(&self, path: &str, body: String) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.http_url);
        let response = self.http.post(url).body(body).send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Reads something.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.http_url);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Fetches bytes from an address that somebody was given.
    pub(crate) async fn download(&self, url: &str) -> Option<Vec<u8>> {
        let response = self.http.get(url).send().await.unwrap();
        let found = response.status().is_success();
        found.then_some(response.bytes().await.unwrap().to_vec())
    }

    /// Waits until one person has issued a privacy token to another.
    pub(crate) async fn until_token(&self, issuer: &Person, holder: &Person) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let profile = self.get(&format!("/phones/{}/profile", issuer.number)).await;
            let issued = profile["tokens_issued_to"].as_array().unwrap();
            if issued.iter().any(|number| *number == holder.number) {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "no token was issued: {profile}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Sends a request whose body or answer is a file.
    pub(crate) async fn post_file(&self, path: &str, body: Vec<u8>) -> (StatusCode, Vec<u8>) {
        let url = format!("{}{path}", self.http_url);
        let response = self.http.post(url).body(body).send().await.unwrap();
        let status = response.status();
        (status, response.bytes().await.unwrap().to_vec())
    }

    /// A person's phone uploads a file; answers with what a message must say about it.
    pub(crate) async fn phone_uploads(&self, person: &Person, kind: &str, file: &[u8]) -> Value {
        let path = format!("/phones/{}/media?kind={kind}", person.number);
        let (status, answer) = self.post_file(&path, file.to_vec()).await;
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&answer));
        serde_json::from_slice(&answer).unwrap()
    }

    /// A person's phone sends any message; answers with its identifier.
    pub(crate) async fn phone_sends_message(&self, from: &Person, to: &str, message: &Message) -> String {
        let path = format!("/phones/{}/messages", from.number);
        let protobuf = BASE64.encode(message.encode_to_vec());
        let sent = self.post(&path, json!({ "to": to, "protobuf": protobuf })).await;
        sent["id"].as_str().unwrap().to_owned()
    }

    /// Waits until a person's phone has received the message with this identifier, and reads it.
    pub(crate) async fn phone_reads_message(&self, person: &Person, id: &str) -> (Value, Message) {
        let received = self.phone_has(person, "messages", |message| message["id"] == id).await;
        let bytes = BASE64.decode(received["protobuf"].as_str().unwrap()).unwrap();
        (received, Message::decode_from_slice(&bytes).unwrap())
    }

    /// Deletes all faults.
    pub(crate) async fn clear_faults(&self) {
        let url = format!("{}/faults", self.http_url);
        self.http.delete(url).send().await.unwrap().error_for_status().unwrap();
    }

    /// A new person with a phone.
    pub(crate) async fn person(&self) -> Person {
        let person = self.post("/phones", json!({})).await;
        Person {
            number: person["number"].as_str().unwrap().to_owned(),
            lid: person["lid"].as_str().unwrap().to_owned(),
        }
    }

    /// A person's phone sends a text; answers with the message's identifier.
    pub(crate) async fn phone_sends(&self, from: &Person, to: &str, text: &str) -> String {
        let path = format!("/phones/{}/messages", from.number);
        let sent = self
            .post(&path, json!({ "to": to, "type": "text", "text": text }))
            .await;
        sent["id"].as_str().unwrap().to_owned()
    }

    /// What a person's phone has received so far that fits, waiting for the first such thing. `list` is `messages`,
    /// `receipts` or `typing`.
    pub(crate) async fn phone_has(&self, person: &Person, list: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut after = 0;
        loop {
            let page = self
                .get(&format!("/phones/{}/messages?wait=5&after={after}", person.number))
                .await;
            if let Some(found) = page[list].as_array().unwrap().iter().find(|item| fits(item)) {
                return found.clone();
            }
            after = page["next"].as_u64().unwrap();
            let late = tokio::time::Instant::now() > deadline;
            assert!(!late, "the phone of {} never had such {list}", person.number);
        }
    }

    /// Waits until a person's phone has received a text.
    pub(crate) async fn phone_reads(&self, person: &Person, text: &str) -> Value {
        self.phone_has(person, "messages", |message| message["text"] == text)
            .await
    }

    /// Everything a person's phone has received up to now.
    pub(crate) async fn phone_page(&self, person: &Person) -> Value {
        self.get(&format!("/phones/{}/messages", person.number)).await
    }

    /// The ledger's entries of a person, of one kind.
    pub(crate) async fn ledger(&self, person: &Person, kind: &str) -> Vec<Value> {
        let page = self.get(&format!("/ledger?session={}", person.number)).await;
        let entries = page["entries"].as_array().unwrap().iter();
        entries.filter(|entry| entry["kind"] == kind).cloned().collect()
    }

    /// Waits until something about a person, as `GET /phones/{number}` shows it, is true.
    pub(crate) async fn until(&self, person: &Person, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let description = self.get(&format!("/phones/{}", person.number)).await;
            if fits(&description) {
                return description;
            }
            assert!(tokio::time::Instant::now() < deadline, "{what}: {description}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
