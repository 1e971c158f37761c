//! Passwords: Argon2id, computed away from the threads that answer requests, and never many at once.
//!
//! A hash takes tens of milliseconds and 19 MiB on purpose, so the number that are computed at the same time is bounded; who comes too late is told so.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer};
use shared::problem::Code;
use tokio::sync::Semaphore;

use crate::http::checks::Checks;
use crate::problem::Problem;

/// OWASP's first choice for Argon2id (Password Storage Cheat Sheet): 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Bytes of a hash.
const LENGTH: usize = 32;
/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(3);
/// Verified when there is no such user, so that the answer takes as long as any other. No password has this hash but by accident.
const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$cm9va2VyeSBkZWNveSBzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The shortest password that is taken, in characters (NIST SP 800-63B, 5.1.1.2).
const SHORTEST: usize = 8;
/// The longest password that is taken, in characters.
pub const LONGEST: usize = 256;

/// Computes hashes of passwords.
#[derive(Debug, Clone)]
pub struct Passwords(Arc<Semaphore>);

impl Default for Passwords {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new(processors)))
    }
}

/// A password in a request: never shown.
#[derive(Debug, Clone)]
pub struct GivenPassword(pub SecretString);

impl<'de> Deserialize<'de> for GivenPassword {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(SecretString::from(text)))
    }
}

/// Checks a password that somebody chooses.
pub fn check(checks: &mut Checks, field: &str, password: &SecretString) {
    checks.text(field, password.expose_secret(), SHORTEST..=LONGEST);
}

fn argon2() -> Result<Argon2<'static>, Problem> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(LENGTH)).map_err(failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// The library's words never hold a password.
fn failed(error: impl std::fmt::Display) -> Problem {
    Problem::internal(anyhow::anyhow!("a password could not be hashed: {error}"))
}

impl Passwords {
    /// The hash of a password with a fresh salt, as a PHC string.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when too many are being computed.
    pub async fn hash(&self, password: &SecretString) -> Result<String, Problem> {
        let password = password.clone();
        self.compute(move || {
            let salt: [u8; 16] = rand::random();
            let hash = argon2()?
                .hash_password_with_salt(password.expose_secret().as_bytes(), &salt)
                .map_err(failed)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Whether the password has this hash; `None`: there is nobody to compare with, which takes as long and is never so.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when too many are being computed.
    pub async fn verify(&self, password: &SecretString, hash: Option<&str>) -> Result<bool, Problem> {
        let password = password.clone();
        let known = hash.is_some();
        let hash = hash.unwrap_or(DECOY).to_owned();
        self.compute(move || {
            let hash = PasswordHash::new(&hash).map_err(failed)?;
            // Compares in constant time; the parameters are those of the hash.
            let same = argon2()?
                .verify_password(password.expose_secret().as_bytes(), &hash)
                .is_ok();
            Ok(same && known)
        })
        .await
    }

    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let Ok(Ok(permit)) = tokio::time::timeout(PATIENCE, Arc::clone(&self.0).acquire_owned()).await else {
            return Err(Problem::new(
                Code::Overloaded,
                "Too many people are logging in. The request was not begun and may be repeated.",
            ));
        };
        tokio::task::spawn_blocking(move || {
            // Goes with the work, which goes on when nobody waits for it any more.
            let _permit = permit;
            work()
        })
        .await
        .map_err(failed)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    #[tokio::test]
    async fn only_the_same_password_verifies() {
        let passwords = Passwords::default();
        let hash = passwords.hash(&secret("correct horse battery")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(
            passwords
                .verify(&secret("correct horse battery"), Some(&hash))
                .await
                .unwrap()
        );
        assert!(
            !passwords
                .verify(&secret("correct horse batterz"), Some(&hash))
                .await
                .unwrap()
        );
        assert_ne!(
            hash,
            passwords.hash(&secret("correct horse battery")).await.unwrap(),
            "salted"
        );
    }

    #[tokio::test]
    async fn nobody_is_verified_with_the_same_work() {
        let passwords = Passwords::default();
        assert!(!passwords.verify(&secret("anything"), None).await.unwrap());
        let decoy = PasswordHash::new(DECOY).unwrap();
        let fresh = passwords.hash(&secret("anything")).await.unwrap();
        let fresh = PasswordHash::new(&fresh).unwrap();
        assert_eq!(decoy.params, fresh.params);
        assert_eq!((decoy.algorithm, decoy.version), (fresh.algorithm, fresh.version));
        assert_eq!(decoy.hash.unwrap().len(), fresh.hash.unwrap().len());
    }
}
