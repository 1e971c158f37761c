//! Operations on the account itself: its name, about, picture, presence and privacy.

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::session::{Presence, words};

words! {
    /// Who may see or do something.
    PrivacyCategory {
        /// When the account was last online.
        LastSeen = "last_seen",
        /// Whether it is online now.
        Online = "online",
        /// Its picture.
        Picture = "picture",
        /// Its about.
        About = "about",
        /// Add it to groups.
        GroupAdd = "group_add",
        /// That it has read a message.
        ReadReceipts = "read_receipts",
        /// Call it.
        CallAdd = "call_add",
        /// Write to it.
        Messages = "messages",
        /// WhatsApp's protection against attacks by strangers.
        Defense = "defense",
    }
}

words! {
    /// Who is meant.
    PrivacyValue {
        /// Everybody.
        All = "all",
        /// People whom the account has saved.
        Contacts = "contacts",
        /// The same, with exceptions.
        ContactBlacklist = "contact_blacklist",
        /// Nobody.
        None = "none",
        /// Whoever may see when the account was last online.
        MatchLastSeen = "match_last_seen",
        /// People with whom there was a conversation.
        Known = "known",
        /// Off.
        Off = "off",
        /// On.
        OnStandard = "on_standard",
    }
}

impl PrivacyCategory {
    /// The values that WhatsApp knows for this category (wacore/src/iq/privacy.rs:98).
    #[must_use]
    pub fn values(self) -> &'static [PrivacyValue] {
        use PrivacyValue::{All, ContactBlacklist, Contacts, Known, MatchLastSeen, None, Off, OnStandard};
        match self {
            Self::LastSeen | Self::Picture | Self::About | Self::GroupAdd => &[All, Contacts, ContactBlacklist, None],
            Self::Online => &[All, MatchLastSeen],
            Self::ReadReceipts => &[All, None],
            Self::CallAdd => &[All, Known, Contacts],
            Self::Messages => &[All, Contacts],
            Self::Defense => &[Off, OnStandard],
        }
    }
}

/// One category's new value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivacyChange {
    /// The category.
    pub category: PrivacyCategory,
    /// Its value; one of [`PrivacyCategory::values`].
    pub value: PrivacyValue,
    /// With [`PrivacyValue::ContactBlacklist`]: who becomes an exception.
    #[serde(default)]
    pub exclude: Vec<Address>,
    /// Likewise: who is none any more.
    #[serde(default)]
    pub include: Vec<Address>,
}

/// See the variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum ProfileOperation {
    /// Change what is given, in the order of the fields.
    Update {
        /// The name that contacts see.
        name: Option<String>,
        /// The about; empty: none.
        about: Option<String>,
        /// Who may see and do what.
        #[serde(default)]
        privacy: Vec<PrivacyChange>,
        /// Seconds after which messages of new chats disappear; 0: never.
        default_disappearing_timer: Option<u32>,
    },
    /// Show a picture.
    SetPicture {
        /// A square JPEG, in base64.
        jpeg: String,
    },
    /// Show no picture.
    RemovePicture,
    /// Show the account as online or not, until the connection ends.
    SetPresence {
        /// Which.
        presence: Presence,
    },
}

impl ProfileOperation {
    /// The area and the verb.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Update { .. } => "profile.update",
            Self::SetPicture { .. } => "profile.set_picture",
            Self::RemovePicture => "profile.remove_picture",
            Self::SetPresence { .. } => "profile.set_presence",
        }
    }
}
