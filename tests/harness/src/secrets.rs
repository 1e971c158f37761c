//! The secrets of one stack: generated once, kept in files that only their owner may read. Nothing has a default.

use std::fs;

use anyhow::Context as _;
use rand::RngExt as _;
use secrecy::ExposeSecret as _;
use shared::api_key;
use shared::seal::RegionSecretKey;

use crate::directory::{Directory, write_private};

/// Letters and digits only: the secrets become parts of URLs and configuration files.
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// 32 characters of 62 are 190 bits.
const LENGTH: usize = 32;

/// The secrets of one stack.
pub struct Secrets {
    /// The gateways' administration key.
    pub admin_key: String,
    /// The region's secret key, for workers and dispatchers.
    pub region_secret_key: String,
    /// The region's public key, for gateways.
    pub region_public_key: String,
    /// The password of the database role.
    pub database_password: String,
    /// The user name of the object store, so to speak.
    pub s3_access_key: String,
    /// The object store's password.
    pub s3_secret_key: String,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secrets(…)")
    }
}

impl Secrets {
    /// Reads the secrets of a stack and generates those that are missing.
    ///
    /// # Errors
    /// When a file cannot be read or written, or the region's key is damaged.
    pub fn open(directory: &Directory) -> anyhow::Result<Self> {
        let region_secret_key = read_or_create(directory, "region-secret-key", || {
            RegionSecretKey::generate().to_base64().to_string()
        })?;
        let region_public_key = RegionSecretKey::parse(&region_secret_key)
            .context("the stack's region key is damaged")?
            .public_base64();
        Ok(Self {
            admin_key: read_or_create(directory, "admin-key", || {
                api_key::generate().expose_secret().to_owned()
            })?,
            region_secret_key,
            region_public_key,
            database_password: read_or_create(directory, "database-password", random_text)?,
            s3_access_key: read_or_create(directory, "s3-access-key", random_text)?,
            s3_secret_key: read_or_create(directory, "s3-secret-key", random_text)?,
        })
    }
}

/// One secret, generated when it is missing.
pub(crate) fn read_or_create(
    directory: &Directory,
    name: &str,
    create: impl FnOnce() -> String,
) -> anyhow::Result<String> {
    let path = directory.secrets().join(name);
    if path.exists() {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        return Ok(text.trim().to_owned());
    }
    let secret = create();
    write_private(&path, &format!("{secret}\n"))?;
    Ok(secret)
}

fn random_text() -> String {
    let mut random = rand::rng();
    (0..LENGTH)
        .map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_the_same_for_one_stack_and_different_for_another() {
        let folder = tempfile::tempdir().unwrap();
        let first = Directory::create(&folder.path().join("first")).unwrap();
        let second = Directory::create(&folder.path().join("second")).unwrap();
        let created = Secrets::open(&first).unwrap();
        let again = Secrets::open(&first).unwrap();
        let other = Secrets::open(&second).unwrap();
        assert_eq!(created.region_public_key, again.region_public_key);
        assert_eq!(created.admin_key, again.admin_key);
        assert!(api_key::is_well_formed(&created.admin_key));
        assert_ne!(created.database_password, other.database_password);
        assert_ne!(created.region_secret_key, other.region_secret_key);
        assert_eq!(format!("{created:?}"), "Secrets(…)");
    }
}
