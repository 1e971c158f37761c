//! Credentials with which a tenant reads its events from NATS itself.
//!
//! Rookery's own streams live in one NATS account, tenants' users in another, which imports three services of the first: looking at a consumer, asking it
//! for its next messages, and acknowledging them. A credential allows these for the tenant's own consumers, by their full names, and an inbox of its own;
//! nothing else. The consumers are made here, each with the tenant's filter, because whoever may make a consumer chooses where its messages go. For the
//! same reason it takes two accounts: a client names the subject of the answer to a request, and in Rookery's own account that could be a command.

use std::time::Duration;

use chrono::{DateTime, Utc};
use nkeys::KeyPair;
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::broker_token::{credentials_file, sign};
use shared::ids::{Region, TenantId};
use shared::subject;

use crate::config::StreamOptions;
use crate::problem::Problem;

/// Subscriptions that one connection may have: an inbox for each reader, and some to spare.
const MOST_SUBSCRIPTIONS: i64 = 100;
/// Bytes of the largest message that a tenant may send: requests for messages and acknowledgements are small.
const MOST_BYTES: i64 = 4_096;

/// What signs tenants' credentials.
pub struct Streams {
    account: String,
    signing_key: KeyPair,
    url: String,
    lifetime: Duration,
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Streams({})", self.account)
    }
}

/// What a tenant is given.
#[derive(Debug)]
pub struct StreamCredential {
    /// Where NATS is reached.
    pub url: String,
    /// The credentials file.
    pub credentials: SecretString,
    /// What the inboxes of the client must begin with.
    pub inbox_prefix: String,
    /// When the credential stops working.
    pub expires_at: DateTime<Utc>,
}

impl Streams {
    /// What the operator has configured, if anything.
    ///
    /// # Errors
    /// When it is incomplete or unusable.
    pub fn configured(options: &StreamOptions, nats_url: &str) -> anyhow::Result<Option<Self>> {
        let Some(account) = &options.stream_account else {
            return Ok(None);
        };
        Ok(Some(Self {
            account: account.clone(),
            signing_key: options.signing_key()?,
            url: options.stream_url.clone().unwrap_or_else(|| nats_url.to_owned()),
            lifetime: Duration::from_secs(options.stream_credential_seconds),
        }))
    }

    /// A credential for reading one tenant's events through its consumers.
    ///
    /// # Errors
    /// When it cannot be signed, which no configuration that was accepted can cause.
    pub fn credential(&self, region: Region, tenant: TenantId) -> Result<StreamCredential, Problem> {
        let seed: [u8; 32] = rand::random();
        let user = KeyPair::new_from_raw(nkeys::KeyPairType::User, seed).map_err(|error| unsigned(&error))?;
        let expires_at = Utc::now() + self.lifetime;
        let claims = self.claims(region, tenant);
        let token = sign(
            &self.signing_key,
            &user.public_key(),
            &tenant.to_string(),
            Some(expires_at),
            &claims,
        )
        .map_err(|error| unsigned(&error))?;
        let seed = SecretString::from(user.seed().map_err(|error| unsigned(&error))?);
        Ok(StreamCredential {
            url: self.url.clone(),
            credentials: credentials_file(&token, &seed),
            inbox_prefix: inbox_prefix(tenant),
            expires_at,
        })
    }

    fn claims(&self, region: Region, tenant: TenantId) -> Value {
        let stream = subject::event_stream(region);
        let may_ask: Vec<String> = (1..=subject::TENANT_CONSUMERS)
            .map(|number| subject::tenant_consumer(tenant, number))
            .flat_map(|consumer| {
                [
                    subject::tenants_question(&format!("CONSUMER.INFO.{stream}.{consumer}")),
                    subject::tenants_question(&format!("CONSUMER.MSG.NEXT.{stream}.{consumer}")),
                    format!("$JS.ACK.{stream}.{consumer}.>"),
                ]
            })
            .collect();
        json!({
            "type": "user",
            "version": 2,
            "issuer_account": self.account,
            "pub": { "allow": may_ask },
            "sub": { "allow": [format!("{}.>", inbox_prefix(tenant))] },
            "subs": MOST_SUBSCRIPTIONS,
            "data": -1,
            "payload": MOST_BYTES,
        })
    }
}

/// Answers come to inboxes of the tenant's own, so that nobody else in the account can listen.
fn inbox_prefix(tenant: TenantId) -> String {
    format!("_INBOX_{tenant}")
}

fn unsigned(error: &nkeys::error::Error) -> Problem {
    Problem::internal(anyhow::anyhow!("a stream credential was not signed: {error}"))
}
