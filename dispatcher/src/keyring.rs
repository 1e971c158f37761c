//! The signing secrets of webhooks, opened with the region's key.
//!
//! Opening costs a Diffie-Hellman, so what was opened stays for a while, by the row that it comes from: such a row never changes. A secret
//! that has expired or belongs to a deleted webhook is never asked for again and is forgotten.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use shared::seal::{Place, RegionSecretKey, expose};
use shared::store::deliveries::{SealedSecret, Target};
use uuid::Uuid;

use crate::signature::SigningSecret;

/// A secret that nobody has signed with for so long is forgotten.
const MEMORY: Duration = Duration::from_secs(600);

/// Opens secrets and remembers them.
#[derive(Debug)]
pub(crate) struct Keyring {
    key: RegionSecretKey,
    opened: Mutex<Opened>,
}

#[derive(Debug)]
struct Opened {
    secrets: HashMap<Uuid, Remembered>,
    swept: Instant,
}

#[derive(Debug)]
struct Remembered {
    secret: Arc<SigningSecret>,
    used: Instant,
}

impl Keyring {
    /// A keyring of the region whose secret key this is.
    pub(crate) fn new(key: RegionSecretKey) -> Self {
        Self {
            key,
            opened: Mutex::new(Opened {
                secrets: HashMap::new(),
                swept: Instant::now(),
            }),
        }
    }

    /// The secrets that sign for a webhook, the newest first. One that cannot be opened is left out and logged: it was sealed to another
    /// region's key, or somebody moved it.
    pub(crate) fn secrets(&self, target: &Target) -> Vec<Arc<SigningSecret>> {
        target
            .secrets
            .iter()
            .filter_map(|sealed| self.secret(target, sealed))
            .collect()
    }

    fn secret(&self, target: &Target, sealed: &SealedSecret) -> Option<Arc<SigningSecret>> {
        let now = Instant::now();
        if let Some(remembered) = self.opened.lock().secrets.get_mut(&sealed.id) {
            remembered.used = now;
            return Some(Arc::clone(&remembered.secret));
        }
        let place = Place {
            tenant: target.tenant.0,
            session: Uuid::nil(),
            table: "webhook_secret",
            column: "sealed",
            row: sealed.id.as_bytes(),
        };
        let opened = self.key.open(&sealed.sealed, place).map_err(anyhow::Error::from);
        let secret = opened.and_then(|text| Ok(SigningSecret::parse(expose(&text))?));
        match secret {
            Ok(secret) => Some(self.remember(sealed.id, Arc::new(secret), now)),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(webhook.id = %target.webhook, secret.row = %sealed.id, error, "a signing secret cannot be opened");
                None
            }
        }
    }

    fn remember(&self, id: Uuid, secret: Arc<SigningSecret>, now: Instant) -> Arc<SigningSecret> {
        let mut opened = self.opened.lock();
        if now.duration_since(opened.swept) > MEMORY {
            opened
                .secrets
                .retain(|_, remembered| now.duration_since(remembered.used) < MEMORY);
            opened.swept = now;
        }
        let remembered = Remembered {
            secret: Arc::clone(&secret),
            used: now,
        };
        opened.secrets.insert(id, remembered);
        secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::ids::{TenantId, WebhookId};

    const TEXT: &[u8] = b"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    fn target(key: &RegionSecretKey, sealed_for: TenantId, tenant: TenantId) -> Target {
        let id = Uuid::now_v7();
        let place = Place {
            tenant: sealed_for.0,
            session: Uuid::nil(),
            table: "webhook_secret",
            column: "sealed",
            row: id.as_bytes(),
        };
        Target {
            webhook: WebhookId::generate(),
            tenant,
            url: "https://example.com/".into(),
            events: None,
            sessions: None,
            headers: serde_json::json!({}),
            retry_schedule: None,
            format: shared::dialect::WebhookFormat::Rookery,
            enabled: true,
            secrets: vec![SealedSecret {
                id,
                sealed: key.public().seal(TEXT, place),
            }],
        }
    }

    #[test]
    fn what_a_gateway_sealed_is_opened_once_and_remembered() {
        let key = RegionSecretKey::generate();
        let tenant = TenantId::generate();
        let target = target(&key, tenant, tenant);
        let keyring = Keyring::new(key);
        let first = keyring.secrets(&target);
        let second = keyring.secrets(&target);
        assert_eq!(first.len(), 1);
        assert!(Arc::ptr_eq(&first[0], &second[0]));
    }

    #[test]
    fn a_secret_of_another_tenant_or_region_does_not_sign() {
        let key = RegionSecretKey::generate();
        let (theirs, ours) = (TenantId::generate(), TenantId::generate());
        let moved = target(&key, theirs, ours);
        assert!(Keyring::new(key.clone()).secrets(&moved).is_empty());
        let right = target(&key, ours, ours);
        assert!(Keyring::new(RegionSecretKey::generate()).secrets(&right).is_empty());
    }
}
