//! Sessions: what they can be, what is wanted of them, how they are set.
//!
//! The path of a session is `stopped → starting → qr | passkey → connecting → connected`, and from there `disconnected`, `logged_out`,
//! `banned` or `failed`, each with a reason. This module owns the words; who changes them and when is the worker's business.

use serde::{Deserialize, Serialize};

/// The text is not one of the words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a word of this version")]
pub struct UnknownWord(pub String);

/// Declares an enum whose variants have one stable spelling in the API, in events and in the database.
macro_rules! words {
    ($(#[doc = $doc:literal])* $name:ident { $($(#[doc = $variant_doc:literal])* $variant:ident = $word:literal,)* }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[doc = $variant_doc])* #[serde(rename = $word)] $variant,)*
        }

        // By hand: the derive does not see a spelling that comes from a macro.
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                let description = concat!($($doc, "\n",)* $("\n- `", $word, "`:", $($variant_doc,)*)*);
                utoipa::openapi::schema::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some(Self::ALL.iter().map(|word| word.as_str())))
                    .description(Some(description.trim()))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
        }

        impl $name {
            /// Every variant, in the order of its declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in the API, in events and in the database.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::session::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    other => Err($crate::session::UnknownWord(other.to_owned())),
                }
            }
        }
    };
}
pub(crate) use words;

words! {
    /// What a session is.
    SessionStatus {
        /// Nobody holds it, and nobody should.
        Stopped = "stopped",
        /// A worker has claimed it and builds its connection.
        Starting = "starting",
        /// Waits for a person to scan the QR code or to enter the pairing code.
        Qr = "qr",
        /// Waits for a person to confirm with a passkey.
        Passkey = "passkey",
        /// Linked, and on its way to WhatsApp.
        Connecting = "connecting",
        /// Linked and live.
        Connected = "connected",
        /// Linked, but the connection is lost; the holder connects again by itself.
        Disconnected = "disconnected",
        /// The account has unlinked us: it must be paired again.
        LoggedOut = "logged_out",
        /// WhatsApp has blocked the account.
        Banned = "banned",
        /// It cannot go on without a person; the reason says why.
        Failed = "failed",
    }
}

words! {
    /// What is wanted of a session. A worker claims every session whose goal is not [`Goal::Stopped`].
    Goal {
        /// Nothing: no worker holds it.
        Stopped = "stopped",
        /// Hold and connect it.
        Started = "started",
        /// Close its connection, then [`Goal::Stopped`].
        Stopping = "stopping",
        /// Unlink the account and forget its credentials, then [`Goal::Stopped`].
        LoggingOut = "logging_out",
        /// Unlink the account and remove the session.
        Deleting = "deleting",
    }
}

words! {
    /// Whether the account shows as online.
    Presence {
        /// Online: the phone stops notifying its owner.
        Available = "available",
        /// Offline: the phone goes on notifying.
        Unavailable = "unavailable",
    }
}

/// How a session behaves. Every field has a default, so `{}` is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SessionSettings {
    /// What happens to media of received messages.
    pub media: MediaSettings,
    /// How much history to take over at pairing.
    pub history: HistorySettings,
    /// Whether the account shows as online.
    pub presence: Presence,
    /// The proxy through which the session connects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxySettings>,
    /// Whether senders are told that their messages were read.
    pub read_receipts: bool,
    /// Whether incoming calls are rejected at once.
    pub reject_calls: bool,
    /// What makes no events.
    pub ignore: IgnoreSettings,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            media: MediaSettings::default(),
            history: HistorySettings::default(),
            // A gateway that shows as online silences the owner's phone, which users take for a fault.
            presence: Presence::Unavailable,
            proxy: None,
            read_receipts: true,
            reject_calls: false,
            ignore: IgnoreSettings::default(),
        }
    }
}

/// What happens to media of received messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MediaSettings {
    /// Whether media are downloaded into our storage.
    pub download: bool,
}

impl Default for MediaSettings {
    fn default() -> Self {
        Self { download: true }
    }
}

/// How much history to take over at pairing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HistorySettings {
    /// Days back; 0: none.
    pub days: u32,
}

/// The proxy through which a session connects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxySettings {
    /// `http://[user:password@]host:port` or `socks5://…`. Answers never show the password.
    #[schema(example = "socks5://user@proxy.example:1080")]
    pub url: String,
}

/// What makes no events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IgnoreSettings {
    /// Messages in groups.
    pub groups: bool,
    /// Status posts.
    pub statuses: bool,
    /// Newsletters.
    pub newsletters: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        for status in SessionStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
        }
        assert_eq!("asleep".parse::<Goal>(), Err(UnknownWord("asleep".into())));
    }

    #[test]
    fn the_documentation_spells_words_as_they_are() {
        let schema = serde_json::to_value(<Presence as utoipa::PartialSchema>::schema()).unwrap();
        assert_eq!(schema["enum"], serde_json::json!(["available", "unavailable"]));
        let description = schema["description"].as_str().unwrap();
        assert!(description.contains("- `available`: Online"), "{description}");
    }

    #[test]
    fn empty_settings_are_complete_and_a_misspelt_one_is_refused() {
        let settings: SessionSettings = serde_json::from_str("{}").unwrap();
        assert_eq!(settings, SessionSettings::default());
        let refused = serde_json::from_str::<SessionSettings>(r#"{"reject_call": true}"#).unwrap_err();
        assert!(refused.to_string().contains("reject_call"), "{refused}");
    }
}
