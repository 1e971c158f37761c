//! Credentials of an account that is already linked elsewhere, for taking it over without pairing again.
//!
//! A neutral form of what every multi-device client keeps (Baileys calls it `creds.json`). A gateway checks the form and seals it to the
//! region's key; only a worker reads it. The account must not stay connected where it comes from: two clients on one ratchet break it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of a fixed length, in base64 on the wire. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes<const N: usize>(pub [u8; N]);

impl<const N: usize> std::fmt::Debug for SecretBytes<N> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SecretBytes(…)")
    }
}

impl<const N: usize> Serialize for SecretBytes<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(self.0))
    }
}

impl<'de, const N: usize> Deserialize<'de> for SecretBytes<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD
            .decode(text)
            .map_err(|_| serde::de::Error::custom("must be base64"))?;
        let bytes = bytes
            .try_into()
            .map_err(|_| serde::de::Error::custom(format!("must be {N} bytes")))?;
        Ok(Self(bytes))
    }
}

/// An X25519 key pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyPair {
    /// The private key: 32 bytes in base64.
    #[schema(value_type = String)]
    pub private: SecretBytes<32>,
    /// The public key: 32 bytes in base64.
    #[schema(value_type = String)]
    pub public: SecretBytes<32>,
}

/// A signed pre-key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedPreKey {
    /// Its number.
    pub id: u32,
    /// The private key: 32 bytes in base64.
    #[schema(value_type = String)]
    pub private: SecretBytes<32>,
    /// The public key: 32 bytes in base64.
    #[schema(value_type = String)]
    pub public: SecretBytes<32>,
    /// The identity key's signature over it: 64 bytes in base64.
    #[schema(value_type = String)]
    pub signature: SecretBytes<64>,
}

/// What a linked device must know to log in as the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The device's registration id.
    pub registration_id: u32,
    /// The Noise key: authenticates the connection.
    pub noise_key: KeyPair,
    /// The identity key: authenticates messages.
    pub identity_key: KeyPair,
    /// The current signed pre-key.
    pub signed_pre_key: SignedPreKey,
    /// The secret with which the phone vouched for the device: 32 bytes in base64.
    #[schema(value_type = String)]
    pub adv_secret_key: SecretBytes<32>,
    /// The account's phone number in digits.
    pub phone: String,
    /// The account's LID in digits.
    pub lid: String,
    /// The device's number within the account, 1 to 98.
    pub device: u16,
    /// The account's signed statement about the device (`ADVSignedDeviceIdentity`), in base64.
    pub account: String,
    /// The name that contacts see.
    #[serde(default)]
    pub push_name: String,
    /// What kind of phone the account's primary device is.
    #[serde(default)]
    pub platform: String,
}
