//! Typed identifiers.
//!
//! An identifier is a UUIDv7 with a type: `msg_01jd…`. The text form is a prefix and the 16 bytes in lower-case base32hex, which keeps
//! the order of the bytes, so identifiers of one type sort by the time they were made. The database stores the plain UUID. Mixing two kinds
//! of identifier does not compile.
//!
//! A session's identifier also names its region (`ses_<region>_…`), so that a gateway of any region can tell which region serves it.

use std::fmt;
use std::str::FromStr;

use data_encoding::{Encoding, Specification};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// The text is not an identifier of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {expected} identifier")]
pub struct InvalidId {
    /// The prefix that was expected, for example `msg`.
    pub expected: &'static str,
}

fn base32() -> &'static Encoding {
    static ENCODING: std::sync::LazyLock<Encoding> = std::sync::LazyLock::new(|| {
        let mut specification = Specification::new();
        specification.symbols.push_str("0123456789abcdefghijklmnopqrstuv");
        specification
            .encoding()
            .expect("invariant: a constant alphabet of 32 symbols")
    });
    &ENCODING
}

fn encode(uuid: Uuid) -> String {
    base32().encode(uuid.as_bytes())
}

fn decode(text: &str) -> Option<Uuid> {
    if text.len() != 26 {
        return None;
    }
    let bytes = base32().decode(text.as_bytes()).ok()?;
    Uuid::from_slice(&bytes).ok()
}

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// What every identifier of this kind starts with, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A fresh identifier, later in order than every earlier one of this process.
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}_{}", Self::PREFIX, encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(Self)
                    .ok_or(InvalidId { expected: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

typed_ids! {
    /// A customer of the operator.
    TenantId = "ten";
    /// An API key (its name, not its secret).
    ApiKeyId = "key";
    /// A person who logs in.
    UserId = "usr";
    /// An intent on a session.
    CommandId = "cmd";
    /// A fact about a session.
    EventId = "evt";
    /// A message, sent or received.
    MessageId = "msg";
    /// A status post.
    StatusId = "sts";
    /// A file that we store.
    MediaId = "med";
    /// A tenant's endpoint for events.
    WebhookId = "whk";
    /// One event for one webhook.
    DeliveryId = "dlv";
    /// A running worker process; a restart makes a new one.
    WorkerId = "wrk";
    /// A running dispatcher process; a restart makes a new one.
    DispatcherId = "dsp";
}

impl MessageId {
    /// An identifier for a message of the past: it stands in the order of identifiers where the message stands in time. A time before 1970 counts as
    /// 1970, one that is yet to come as now.
    #[must_use]
    pub fn written_at(at: chrono::DateTime<chrono::Utc>) -> Self {
        let millis = at.min(chrono::Utc::now()).timestamp_millis();
        let millis = u64::try_from(millis).unwrap_or_default();
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid())
    }
}

/// A region's name: 1 to 12 characters of `a-z0-9`, so that it fits into identifiers, subjects and stream names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region {
    length: u8,
    bytes: [u8; Self::MAX_LENGTH],
}

impl Region {
    /// The longest name, in characters.
    pub const MAX_LENGTH: usize = 12;

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Display for Region {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The text is not a region's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a region is 1 to 12 characters of a-z and 0-9")]
pub struct InvalidRegion;

impl FromStr for Region {
    type Err = InvalidRegion;

    fn from_str(text: &str) -> Result<Self, InvalidRegion> {
        let valid = (1..=Self::MAX_LENGTH).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !valid {
            return Err(InvalidRegion);
        }
        let mut bytes = [0; Self::MAX_LENGTH];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        let length = u8::try_from(text.len()).map_err(|_| InvalidRegion)?;
        Ok(Self { length, bytes })
    }
}

/// One WhatsApp account linked to us as a companion device, and the region that serves it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// The region whose database, broker and workers serve the session.
    pub region: Region,
    /// The identifier within the region, as the database stores it.
    pub uuid: Uuid,
}

impl SessionId {
    /// What every session's identifier starts with, without the underscore.
    pub const PREFIX: &'static str = "ses";

    /// A session of `region` with the identifier that the database stores.
    #[must_use]
    pub const fn new(region: Region, uuid: Uuid) -> Self {
        Self { region, uuid }
    }

    /// A fresh identifier in `region`.
    #[must_use]
    pub fn generate(region: Region) -> Self {
        Self::new(region, Uuid::now_v7())
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}_{}_{}", Self::PREFIX, self.region, encode(self.uuid))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for SessionId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId { expected: Self::PREFIX };
        let rest = text.strip_prefix("ses_").ok_or_else(|| invalid.clone())?;
        let (region, id) = rest.split_once('_').ok_or_else(|| invalid.clone())?;
        let region = region.parse().map_err(|_| invalid.clone())?;
        let uuid = decode(id).ok_or(invalid)?;
        Ok(Self { region, uuid })
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_reads_back_and_keeps_its_order() {
        let first = MessageId::generate();
        let second = MessageId::generate();
        assert_eq!(first.to_string().parse::<MessageId>().unwrap(), first);
        assert!(first < second);
        assert!(
            first.to_string() < second.to_string(),
            "the text sorts like the identifier"
        );
    }

    #[test]
    fn a_session_names_its_region() {
        let region: Region = "eu1".parse().unwrap();
        let session = SessionId::generate(region);
        assert!(session.to_string().starts_with("ses_eu1_"));
        assert_eq!(session.to_string().parse::<SessionId>().unwrap(), session);
    }

    #[test]
    fn nonsense_and_foreign_kinds_are_refused() {
        let message = MessageId::generate().to_string();
        assert!(message.parse::<EventId>().is_err(), "a message is no event");
        for text in [
            "",
            "msg_",
            "msg_0",
            "msg_zzzzzzzzzzzzzzzzzzzzzzzzzz",
            "ses_x",
            "ses_EU_0",
            "ses__",
        ] {
            assert!(text.parse::<MessageId>().is_err(), "{text}");
            assert!(text.parse::<SessionId>().is_err(), "{text}");
        }
        for name in ["", "EU", "eu-1", "averylongregion"] {
            assert_eq!(name.parse::<Region>(), Err(InvalidRegion));
        }
    }
}
