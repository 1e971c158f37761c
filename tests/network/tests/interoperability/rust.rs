//! Groups, status and newsletters with a whatsapp-rust client, built as its owners build it.
//!
//! Its account is linked already and it remembers the server's key, so it logs in with the short handshake, which checks
//! no certificate: the client needs no feature that a gateway must not have.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use buffa::Message as _;
use network::keys::public_bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;
use wacore::net::{HttpClient, HttpRequest, HttpResponse};
use wacore::proto_helpers::MessageExt as _;
use wacore::stanza::groups::GroupNotificationAction;
use wacore::store::Device;
use wacore::store::InMemoryBackend;
use wacore::store::device::{CachedNoiseCert, CachedServerCertChain};
use wacore::store::traits::DeviceStore as _;
use wacore::types::events::{Event, EventHandler, EventInterest};
use wacore_binary::Jid;
use wacore_libsignal::protocol::{KeyPair, PrivateKey};
use waproto::whatsapp as wa;
use whatsapp_rust::store::persistence_manager::PersistenceManager;
use whatsapp_rust::transport::TokioWebSocketTransportFactory;
use whatsapp_rust::{Client, GroupCreateOptions, GroupParticipantOptions, StatusSendOptions, TokioRuntime};

use crate::baileys::Baileys;
use crate::world::{PATIENCE, Person, World};

/// A running client and what it told.
struct Rust {
    client: Arc<Client>,
    person: Person,
    events: mpsc::UnboundedReceiver<Arc<Event>>,
    running: tokio::task::JoinHandle<()>,
}

struct NoHttp;

#[async_trait::async_trait]
impl HttpClient for NoHttp {
    async fn execute(&self, _: HttpRequest) -> anyhow::Result<HttpResponse> {
        anyhow::bail!("these tests use no HTTP")
    }
}

struct Forward(mpsc::UnboundedSender<Arc<Event>>);

impl EventHandler for Forward {
    fn handle_event(&self, event: Arc<Event>) {
        let _ = self.0.send(event);
    }
}

fn pair(pair: &Value) -> KeyPair {
    let secret = BASE64.decode(pair["private"].as_str().unwrap()).unwrap();
    KeyPair::try_from(PrivateKey::deserialize(&secret).unwrap()).unwrap()
}

fn bytes(text: &Value) -> Vec<u8> {
    BASE64.decode(text.as_str().unwrap()).unwrap()
}

fn device(world: &World, account: &Value) -> Device {
    let credentials = &account["credentials"];
    let text = |name: &str| account[name].as_str().unwrap().to_owned();
    let certificate = CachedNoiseCert {
        key: public_bytes(&world.network().server_identity().static_key),
        not_before: 0,
        not_after: i64::MAX,
    };
    let mut device = Device::new();
    device.pn = Some(format!("{}:1@s.whatsapp.net", text("number")).parse().unwrap());
    device.lid = Some(format!("{}:1@lid", text("lid")).parse().unwrap());
    device.registration_id = u32::try_from(credentials["registration_id"].as_u64().unwrap()).unwrap();
    device.noise_key = pair(&credentials["noise_key"]);
    device.identity_key = pair(&credentials["identity_key"]);
    device.signed_pre_key = pair(&credentials["signed_pre_key"]);
    device.signed_pre_key_id = 1;
    device.signed_pre_key_signature = bytes(&credentials["signed_pre_key"]["signature"]).try_into().unwrap();
    device.adv_secret_key = bytes(&credentials["adv_secret_key"]).try_into().unwrap();
    let certified = wa::ADVSignedDeviceIdentity::decode_from_slice(&bytes(&credentials["account"])).unwrap();
    device.account = Some(Arc::new(certified));
    device.push_name = "Rust".to_owned();
    device.server_has_prekeys = true;
    device.server_cert_chain = Some(CachedServerCertChain {
        intermediate: certificate.clone(),
        leaf: certificate,
    });
    device
}

impl Rust {
    async fn start(world: &World) -> Self {
        let answer = world.post("/provision", json!({ "count": 1, "prefix": "rust" })).await;
        let account = &answer["accounts"][0];
        let backend = InMemoryBackend::new();
        backend.save(&device(world, account)).await.unwrap();
        let persistence = Arc::new(PersistenceManager::new(Arc::new(backend)).await.unwrap());
        let client = Client::builder()
            .with_runtime(TokioRuntime)
            .with_persistence_manager(persistence)
            .with_transport_factory(TokioWebSocketTransportFactory::new().with_url(world.protocol_url().to_owned()))
            .with_http_client(NoHttp)
            .with_version_override((2, 3000, 1_043_857_760))
            .with_skip_history_sync(true)
            .build()
            .await
            .unwrap()
            .into_client();
        client.set_force_active_delivery_receipts(true);
        let (sender, events) = mpsc::unbounded_channel();
        client.subscribe(EventInterest::ALL, Arc::new(Forward(sender))).detach();
        let running = tokio::spawn({
            let client = Arc::clone(&client);
            async move {
                client.run().await;
            }
        });
        let text = |name: &str| account[name].as_str().unwrap().to_owned();
        let mut rust = Self {
            client,
            person: Person {
                number: text("number"),
                lid: text("lid"),
            },
            events,
            running,
        };
        rust.wait("the connection", |event| {
            matches!(event, Event::Connected(_)).then_some(())
        })
        .await;
        rust
    }

    /// The first event that fits; others before it are gone.
    async fn wait<T>(&mut self, what: &str, fits: impl Fn(&Event) -> Option<T>) -> T {
        let search = async {
            while let Some(event) = self.events.recv().await {
                if let Some(found) = fits(&event) {
                    return found;
                }
            }
            panic!("the client ended before {what}");
        };
        timeout(PATIENCE, search)
            .await
            .unwrap_or_else(|_| panic!("never came: {what}"))
    }

    /// The chat of the next message with this text.
    async fn text(&mut self, text: &str) -> String {
        self.wait(text, |event| match event {
            Event::Messages(batch) => batch
                .into_iter()
                .find(|inbound| inbound.message.text_content() == Some(text))
                .map(|inbound| inbound.info.source.chat.to_string()),
            _ => None,
        })
        .await
    }

    /// The next change of a group.
    async fn change(&mut self, fits: impl Fn(&GroupNotificationAction) -> bool) {
        self.wait("a change of the group", |event| match event {
            Event::GroupUpdate(update) => fits(&update.action).then_some(()),
            _ => None,
        })
        .await;
    }

    async fn send(&self, to: &str, text: &str) -> String {
        let to: Jid = to.parse().unwrap();
        let sent = self.client.send_message(to, message(text)).await.unwrap();
        sent.message_id
    }

    async fn stop(self) {
        self.client.disconnect().await;
        self.running.abort();
    }
}

fn message(text: &str) -> wa::Message {
    wa::Message {
        conversation: Some(text.to_owned()),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rust_client_a_baileys_client_and_a_phone_share_groups() {
    let world = World::start().await;
    let (grace, mary) = (world.person().await, world.person().await);
    let (mut of_grace, _credentials) = Baileys::paired(&world, &grace).await;
    let mut rust = Rust::start(&world).await;

    // A group of its own.
    let people = [&grace, &mary].map(|person| GroupParticipantOptions::new(person.by_number().parse().unwrap()));
    let options = GroupCreateOptions::builder()
        .subject("From Rust".to_owned())
        .participants(people.to_vec())
        .build();
    let created = rust.client.groups().create_group(options).await.unwrap();
    let own = created.metadata.id.to_string();
    of_grace.event("group").await;
    let sent = rust.send(&own, "hello from Rust").await;
    assert_eq!(of_grace.text("hello from Rust").await["id"], sent);
    assert_eq!(world.phone_reads(&mary, "hello from Rust").await["retries"], 0);
    of_grace.send(&own, "hello Rust").await;
    assert_eq!(rust.text("hello Rust").await, own);
    world.phone_sends(&mary, &own, "hello from the phone").await;
    assert_eq!(rust.text("hello from the phone").await, own);

    // A group of somebody else, whose changes it reports.
    let group = of_grace
        .invoke("groupCreate", json!(["From Baileys", [rust.person.by_number()]]))
        .await;
    let id = group["id"].as_str().unwrap();
    rust.change(|action| matches!(action, GroupNotificationAction::Create { .. }))
        .await;
    of_grace.invoke("groupUpdateSubject", json!([id, "Renamed"])).await;
    rust.change(|action| matches!(action, GroupNotificationAction::Subject { subject, .. } if subject == "Renamed"))
        .await;
    of_grace
        .invoke(
            "groupParticipantsUpdate",
            json!([id, [rust.person.by_lid()], "promote"]),
        )
        .await;
    rust.change(|action| matches!(action, GroupNotificationAction::Promote { .. }))
        .await;
    of_grace.invoke("groupSettingUpdate", json!([id, "announcement"])).await;
    rust.change(|action| matches!(action, GroupNotificationAction::Announce))
        .await;
    rust.send(id, "an admin may").await;
    of_grace.text("an admin may").await;
    let jid: Jid = id.parse().unwrap();
    let metadata = rust.client.groups().get_metadata(&jid).await.unwrap();
    assert_eq!(metadata.participants.len(), 2);
    of_grace
        .invoke("groupParticipantsUpdate", json!([id, [rust.person.by_lid()], "remove"]))
        .await;
    rust.change(|action| matches!(action, GroupNotificationAction::Remove { .. }))
        .await;
    rust.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rust_client_shows_and_sees_status_and_newsletters() {
    let world = World::start().await;
    let mary = world.person().await;
    let mut rust = Rust::start(&world).await;

    // By LID: this client drops people from the audience whose LID it has not learned yet.
    let audience: Vec<Jid> = vec![mary.by_lid().parse().unwrap()];
    let status = rust.client.status();
    let shown = status
        .send_raw(message("Rusty"), &audience, StatusSendOptions::default())
        .await
        .unwrap();
    let seen = world.phone_reads(&mary, "Rusty").await;
    assert_eq!(
        (&seen["id"], &seen["chat"]),
        (&json!(shown.message_id), &json!("status@broadcast"))
    );
    let path = format!("/phones/{}/status", mary.number);
    world
        .post(&path, json!({ "to": [rust.person.number], "text": "shiny" }))
        .await;
    assert_eq!(rust.text("shiny").await, "status@broadcast");

    let newsletter = rust
        .client
        .newsletter()
        .create("Oxides", Some("Iron and more"))
        .await
        .unwrap();
    let id = newsletter.jid.to_string();
    assert_eq!(newsletter.name, "Oxides");
    let following = format!("/phones/{}/newsletters/{}/following", mary.number, newsletter.jid.user);
    world.post(&following, json!({ "follow": true })).await;
    rust.send(&id, "issue one").await;
    assert_eq!(world.phone_reads(&mary, "issue one").await["chat"], id);

    let other = world
        .post(
            &format!("/phones/{}/newsletters", mary.number),
            json!({ "name": "Copper" }),
        )
        .await;
    let other: Jid = other["id"].as_str().unwrap().parse().unwrap();
    let joined = rust.client.newsletter().join(&other).await.unwrap();
    assert_eq!((joined.name.as_str(), joined.subscriber_count), ("Copper", 2));
    world.phone_sends(&mary, &other.to_string(), "green").await;
    assert_eq!(rust.text("green").await, other.to_string());
    assert_eq!(rust.client.newsletter().list_subscribed().await.unwrap().len(), 2);
    rust.client.newsletter().send_reaction(&other, 100, "👍").await.unwrap();
    let history = rust
        .client
        .newsletter()
        .get_messages(other.clone(), 10, None)
        .await
        .unwrap();
    assert_eq!((history.len(), history[0].server_id), (1, 100));
    assert_eq!(
        (history[0].reactions[0].code.as_str(), history[0].reactions[0].count),
        ("👍", 1)
    );
    rust.stop().await;
}
