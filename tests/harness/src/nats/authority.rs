//! Who may do what at a stack's broker: its operator, its accounts and their users, as keys that are generated once for each stack.
//!
//! | account | holds | may |
//! |---|---|---|
//! | system | nobody | what the server does itself |
//! | `rookery` | gateways, workers, dispatchers | everything, with JetStream; lets others look at consumers of events, read from them and acknowledge |
//! | `tenants` | whoever has a credential from `GET /v1/streams/credentials` | use what the account `rookery` lets others do, within the credential |
//!
//! The tokens are made anew at every start, from the same keys.

use anyhow::{Context as _, ensure};
use nkeys::{KeyPair, KeyPairType};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use shared::broker_token::{credentials_file, sign};
use shared::subject;

use crate::directory::{Directory, write_private};
use crate::secrets::read_or_create;
use crate::site::REGION;

/// The credentials file of gateways, workers and dispatchers, among a stack's secrets.
pub const SERVICES_FILE: &str = "nats.creds";
/// The key that signs tenants' credentials, among a stack's secrets.
pub const SIGNING_KEY_FILE: &str = "nats-stream-signing-key";

/// The keys of one stack's broker.
pub struct Authority {
    operator: KeyPair,
    system: KeyPair,
    rookery: KeyPair,
    tenants: KeyPair,
    signing: KeyPair,
    services: KeyPair,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Authority(…)")
    }
}

impl Authority {
    /// Reads a stack's keys and generates those that are missing.
    ///
    /// # Errors
    /// When a file cannot be read or written, or holds no key.
    pub fn open(directory: &Directory) -> anyhow::Result<Self> {
        let key = |name: &str, kind: KeyPairType| -> anyhow::Result<KeyPair> {
            let fresh = KeyPair::new_from_raw(kind, rand::random())?;
            let fresh = fresh.seed()?;
            let seed = read_or_create(directory, name, || fresh)?;
            KeyPair::from_seed(&seed).with_context(|| format!("the stack's {name} is damaged"))
        };
        Ok(Self {
            operator: key("nats-operator-key", KeyPairType::Operator)?,
            system: key("nats-system-key", KeyPairType::Account)?,
            rookery: key("nats-rookery-key", KeyPairType::Account)?,
            tenants: key("nats-tenants-key", KeyPairType::Account)?,
            signing: key(SIGNING_KEY_FILE, KeyPairType::Account)?,
            services: key("nats-services-key", KeyPairType::User)?,
        })
    }

    /// The public key of the tenants' account.
    #[must_use]
    pub fn tenants_account(&self) -> String {
        self.tenants.public_key()
    }

    /// What the server's configuration says about all this.
    ///
    /// # Errors
    /// When a token cannot be signed.
    pub fn server_configuration(&self) -> anyhow::Result<String> {
        let system = self.system.public_key();
        let operator = sign(
            &self.operator,
            &self.operator.public_key(),
            "rookery-local",
            None,
            &json!({"type": "operator", "version": 2, "system_account": system}),
        )?;
        let accounts = [
            (&self.system, "system", system_claims()),
            (&self.rookery, "rookery", rookery_claims()?),
            (&self.tenants, "tenants", self.tenants_claims()?),
        ];
        let mut text =
            format!("operator: {operator}\nsystem_account: {system}\nresolver: MEMORY\nresolver_preload: {{\n");
        for (key, name, claims) in accounts {
            let token = sign(&self.operator, &key.public_key(), name, None, &claims)?;
            text.push_str(&format!("  {}: {token}\n", key.public_key()));
        }
        text.push_str("}\n");
        Ok(text)
    }

    /// Writes the credentials file of gateways, workers and dispatchers.
    ///
    /// # Errors
    /// When it cannot be signed or written.
    pub fn write_services_file(&self, directory: &Directory) -> anyhow::Result<()> {
        let claims = json!({"type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1});
        let token = sign(&self.rookery, &self.services.public_key(), "services", None, &claims)?;
        let seed = SecretString::from(self.services.seed()?);
        let file = credentials_file(&token, &seed);
        write_private(&directory.secrets().join(SERVICES_FILE), file.expose_secret())
    }

    fn tenants_claims(&self) -> anyhow::Result<Value> {
        let exporter = self.rookery.public_key();
        let imports: Vec<Value> = services()?
            .into_iter()
            .map(|(name, subject, _)| {
                // Every account has a `$JS.API` of its own, which would answer as well.
                let here = match subject.strip_prefix("$JS.API.") {
                    Some(question) => subject::tenants_question(question),
                    None => subject.clone(),
                };
                json!({"name": name, "subject": subject, "local_subject": here, "account": exporter, "type": "service"})
            })
            .collect();
        let mut claims = account_claims();
        claims["imports"] = json!(imports);
        claims["signing_keys"] = json!([self.signing.public_key()]);
        Ok(claims)
    }
}

/// What tenants may use, with the kind of its answer: one, or as many as there are.
fn services() -> anyhow::Result<[(&'static str, String, &'static str); 3]> {
    let region = REGION.parse();
    ensure!(region.is_ok(), "{REGION} is no region");
    let stream = subject::event_stream(region?);
    Ok([
        ("consumers", format!("$JS.API.CONSUMER.INFO.{stream}.*"), "Singleton"),
        ("messages", format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.*"), "Stream"),
        ("acknowledgements", format!("$JS.ACK.{stream}.>"), "Singleton"),
    ])
}

fn rookery_claims() -> anyhow::Result<Value> {
    let exports: Vec<Value> = services()?
        .into_iter()
        .map(|(name, subject, answer)| json!({"name": name, "subject": subject, "type": "service", "response_type": answer}))
        .collect();
    let mut claims = account_claims();
    claims["exports"] = json!(exports);
    for limit in ["mem_storage", "disk_storage", "streams", "consumer"] {
        claims["limits"][limit] = json!(-1);
    }
    Ok(claims)
}

fn system_claims() -> Value {
    account_claims()
}

/// An account without JetStream and without limits.
fn account_claims() -> Value {
    json!({
        "type": "account",
        "version": 2,
        "limits": {
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
        },
        "default_permissions": {"pub": {}, "sub": {}},
    })
}
