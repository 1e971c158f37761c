//! What proves to a receiver that a request comes from us: Standard Webhooks (specification 1.0.0,
//! `standard-webhooks/spec/standard-webhooks.md`), and the simpler header that older receivers check.
//!
//! | header | key | signed bytes |
//! |---|---|---|
//! | `webhook-signature: v1,<base64> …`, one per live secret | the secret's text after `whsec_`, decoded from base64 | `<webhook-id>.<webhook-timestamp>.<body>` |
//! | `X-Webhook-Signature: sha256=<hex>`, by the newest secret | the secret's whole text with `whsec_`, as UTF-8 | the body |
//!
//! A secret that a dialect's client chose is any text; there the text's bytes are the key of both.
//!
//! The keys differ because receivers of the old kind are configured with one plain string and use its bytes as they are. Both are
//! HMAC-SHA256. Secrets never leave this module except as signatures, and [`SigningSecret::chosen`] for a dialect whose receivers compare the secret itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use sha2::Sha256;

/// What the text of a secret in our own form starts with.
const PREFIX: &str = "whsec_";

/// The bytes are not a signing secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a signing secret: it is empty or no text")]
pub(crate) struct InvalidSecret;

/// A secret that signs. Wiped from memory when dropped, and never shown by `Debug`.
#[derive(Debug)]
pub(crate) struct SigningSecret {
    text: SecretString,
    key: SecretSlice<u8>,
}

impl SigningSecret {
    /// Reads a secret from its text: `whsec_` and base64, or what a dialect's client chose.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, InvalidSecret> {
        let text = std::str::from_utf8(text).map_err(|_| InvalidSecret)?;
        let encoded = text.strip_prefix(PREFIX);
        let decoded = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
        let key = decoded.unwrap_or_else(|| text.as_bytes().to_vec());
        if key.is_empty() {
            return Err(InvalidSecret);
        }
        Ok(Self {
            text: SecretString::from(text),
            key: SecretSlice::from(key),
        })
    }

    /// The text itself, if a dialect's client chose it. A secret in our own form is never told.
    pub(crate) fn chosen(&self) -> Option<&str> {
        let text = self.text.expose_secret();
        (!text.starts_with(PREFIX)).then_some(text)
    }

    /// One entry of `webhook-signature`.
    pub(crate) fn standard_signature(&self, webhook_id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut hmac = hmac(self.key.expose_secret());
        hmac.update(format!("{webhook_id}.{timestamp}.").as_bytes());
        hmac.update(body);
        format!("v1,{}", STANDARD.encode(hmac.finalize().into_bytes()))
    }

    /// The value of `X-Webhook-Signature`.
    pub(crate) fn body_signature(&self, body: &[u8]) -> String {
        let mut hmac = hmac(self.text.expose_secret().as_bytes());
        hmac.update(body);
        format!("sha256={}", hex::encode(hmac.finalize().into_bytes()))
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("invariant: HMAC takes keys of every length")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SigningSecret {
        SigningSecret::parse(text.as_bytes()).unwrap()
    }

    /// Computed with two independent implementations, Python's `hmac` and the official libraries.
    #[test]
    fn the_signatures_are_those_of_the_published_vectors() {
        assert_eq!(
            secret("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").standard_signature(
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                br#"{"email":"test@example.com","username":"test_user"}"#
            ),
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
        );
        assert_eq!(
            secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").standard_signature(
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                br#"{"test": 2432232314}"#
            ),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    /// `printf '{"test": 2432232314}' | openssl dgst -sha256 -hmac whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`
    #[test]
    fn the_older_header_uses_the_secrets_whole_text_as_its_key() {
        assert_eq!(
            secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").body_signature(br#"{"test": 2432232314}"#),
            "sha256=80ec8a89ce3cd22133a1066caecb4d04fea7467657c8514d717ec42c38a5c94c"
        );
    }

    /// `printf '{"test": 2432232314}' | openssl dgst -sha256 -hmac tu_secreto_seguro`, and the same with `msg_1.1614265330.` before it in base64.
    #[test]
    fn a_secret_that_a_client_chose_signs_with_the_bytes_of_its_text() {
        let chosen = secret("tu_secreto_seguro");
        assert_eq!(
            chosen.body_signature(br#"{"test": 2432232314}"#),
            "sha256=aca2b146ef62176a7cb876cc6aa2d1160d895a145a28da1f1ed0f107f0b105c5"
        );
        assert_eq!(
            chosen.standard_signature("msg_1", 1_614_265_330, br#"{"test": 2432232314}"#),
            "v1,MKbgFr0UTrZ2HrUxcDwFyksp1hnaiOcZ/HiJ+bfyKw8="
        );
    }

    #[test]
    fn what_is_not_a_secret_is_refused_and_a_secret_never_shows_itself() {
        for text in ["", "whsec_"] {
            assert_eq!(
                SigningSecret::parse(text.as_bytes()).unwrap_err(),
                InvalidSecret,
                "{text}"
            );
        }
        assert_eq!(SigningSecret::parse(&[0xff, 0xfe]).unwrap_err(), InvalidSecret);
        let shown = format!("{:?}", secret("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"));
        assert!(!shown.contains("C2FVs"), "{shown}");
    }
}
