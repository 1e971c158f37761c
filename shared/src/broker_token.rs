//! Tokens of the broker's decentralised authentication: JWTs that are signed with NATS keys.
//!
//! Operators, accounts and users are Ed25519 keys; a JWT says what its subject may do and is signed by whoever is above it. The form is that of
//! github.com/nats-io/jwt version 2: the algorithm's name, the claims under `nats`, and a credentials file that holds the JWT and its key.

use chrono::{DateTime, Utc};
use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use uuid::Uuid;

/// Signs what `subject` may do. `claims` is what stands under `nats`.
///
/// # Errors
/// When `issuer` holds no private key.
pub fn sign(
    issuer: &KeyPair,
    subject: &str,
    name: &str,
    expires_at: Option<DateTime<Utc>>,
    claims: &Value,
) -> Result<String, nkeys::error::Error> {
    let mut body = json!({
        "jti": Uuid::now_v7().simple().to_string(),
        "iat": Utc::now().timestamp(),
        "iss": issuer.public_key(),
        "sub": subject,
        "name": name,
        "nats": claims,
    });
    if let Some(expires_at) = expires_at {
        body["exp"] = json!(expires_at.timestamp());
    }
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(&header), part(&body));
    let signature = issuer.sign(signed.as_bytes())?;
    Ok(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature)))
}

/// A credentials file: what every NATS client takes.
#[must_use]
pub fn credentials_file(jwt: &str, seed: &SecretString) -> SecretString {
    SecretString::from(format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        seed.expose_secret()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_signed_by_its_issuer_and_says_what_it_was_told() {
        let issuer = KeyPair::new_account();
        let user = KeyPair::new_user();
        let expires_at = Utc::now();
        let token = sign(
            &issuer,
            &user.public_key(),
            "ten",
            Some(expires_at),
            &json!({"type": "user"}),
        )
        .unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        issuer.verify(signed.as_bytes(), &signature).unwrap();
        assert!(user.verify(signed.as_bytes(), &signature).is_err());
        let body = BASE64URL_NOPAD
            .decode(signed.split_once('.').unwrap().1.as_bytes())
            .unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["exp"], expires_at.timestamp());
        assert_eq!(body["iss"], issuer.public_key());
        assert_eq!(body["nats"]["type"], "user");
    }

    #[test]
    fn without_a_private_key_nothing_is_signed() {
        let public = KeyPair::from_public_key(&KeyPair::new_account().public_key()).unwrap();
        assert!(sign(&public, "U", "name", None, &json!({})).is_err());
    }
}
