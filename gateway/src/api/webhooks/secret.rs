//! Signing secrets: `whsec_` and 24 to 64 random bytes in base64 (Standard Webhooks 1.0.0). A gateway seals them to the region and forgets them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use shared::ids::WebhookId;
use shared::seal::{Place, RegionPublicKey};
use shared::store::TenantTransaction;
use uuid::Uuid;

use crate::http::checks::Checks;
use crate::problem::Problem;

const PREFIX: &str = "whsec_";
/// Bytes of a generated secret.
const GENERATED_BYTES: usize = 32;
/// The longest secret that a dialect's client may choose, in bytes.
const LONGEST_CHOSEN: usize = 256;

/// A signing secret in its text form.
#[derive(Debug)]
pub(super) struct WebhookSecret(SecretString);

impl WebhookSecret {
    /// A fresh secret.
    pub(super) fn generate() -> Self {
        let bytes: [u8; GENERATED_BYTES] = rand::random();
        Self(SecretString::from(format!("{PREFIX}{}", STANDARD.encode(bytes))))
    }

    /// The secret that a client chose, or a fresh one.
    pub(super) fn given_or_fresh(given: Option<String>, field: &str, checks: &mut Checks) -> Self {
        let Some(text) = given else { return Self::generate() };
        let bytes = text.strip_prefix(PREFIX).and_then(|rest| STANDARD.decode(rest).ok());
        checks.require(
            bytes.is_some_and(|bytes| (24..=64).contains(&bytes.len())),
            field,
            "must be whsec_ and 24 to 64 bytes in base64",
        );
        Self(SecretString::from(text))
    }

    /// The secret that a dialect's client chose: any text of 1 to [`LONGEST_CHOSEN`] bytes, because the older APIs asked for no more.
    pub(super) fn chosen(text: &str, field: &str, checks: &mut Checks) -> Self {
        checks.require(
            (1..=LONGEST_CHOSEN).contains(&text.len()),
            field,
            "must have 1 to 256 bytes",
        );
        Self(SecretString::from(text))
    }

    /// The text, for the one answer that shows it.
    pub(super) fn text(&self) -> &SecretString {
        &self.0
    }

    /// Gives it to a webhook, sealed.
    pub(super) async fn add(
        &self,
        transaction: &mut TenantTransaction,
        key: &RegionPublicKey,
        webhook: WebhookId,
    ) -> Result<(), Problem> {
        let id = Uuid::now_v7();
        let place = Place {
            tenant: transaction.tenant().0,
            session: Uuid::nil(),
            table: "webhook_secret",
            column: "sealed",
            row: id.as_bytes(),
        };
        let sealed = key.seal(self.0.expose_secret().as_bytes(), place);
        Ok(transaction.add_webhook_secret(webhook, id, &sealed).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(text: &str) -> bool {
        let mut checks = Checks::new();
        WebhookSecret::given_or_fresh(Some(text.to_owned()), "secret", &mut checks);
        checks.finish().is_ok()
    }

    #[test]
    fn a_generated_secret_is_one_that_would_be_accepted() {
        let secret = WebhookSecret::generate();
        assert!(accepted(secret.text().expose_secret()));
        assert!(!format!("{secret:?}").contains("whsec_"));
    }

    #[test]
    fn a_weak_or_malformed_secret_is_refused() {
        assert!(accepted("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"));
        for text in [
            "",
            "whsec_",
            "whsec_c2hvcnQ=",
            "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "whsec_not base64 at all, is it?",
        ] {
            assert!(!accepted(text), "{text}");
        }
        assert!(!accepted(&format!("{PREFIX}{}", STANDARD.encode([0; 65]))));
    }
}
