//! What WhatsApp's server can be asked about people, and what it answers.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::address::{Address, Party};

/// What can be asked about people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum ContactLookup {
    /// Which of these use WhatsApp. Answers one [`OnWhatsapp`] for each, in order.
    OnWhatsapp {
        /// The people.
        contacts: Vec<Address>,
    },
    /// What a person shows of themselves. Answers [`ContactDetails`].
    Details {
        /// Whom.
        contact: Address,
    },
    /// Where a person's picture is. Answers an optional [`Picture`].
    Picture {
        /// Whom.
        contact: Address,
        /// The small one.
        preview: bool,
    },
    /// What a business says about itself. Answers an optional [`BusinessProfile`].
    BusinessProfile {
        /// Whom.
        contact: Address,
    },
    /// Whom the account has blocked. Answers a list of [`Blocked`].
    BlockList,
    /// The person's other id. Answers a [`Party`].
    Resolve {
        /// Whom.
        contact: Address,
    },
}

/// Whether somebody uses WhatsApp.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnWhatsapp {
    /// Whether they do.
    pub exists: bool,
    /// The phone number under which WhatsApp knows them, which may be written otherwise than it was asked for.
    pub phone: Option<String>,
    /// The LID.
    pub lid: Option<String>,
    /// Whether it is a business.
    pub is_business: bool,
    /// The name that WhatsApp has verified.
    pub verified_name: Option<String>,
}

/// What a person shows of themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactDetails {
    /// Who it is.
    pub contact: Party,
    /// The about; none where it is hidden or empty.
    pub about: Option<String>,
    /// The picture's id; none where it is hidden or there is none.
    pub picture_id: Option<String>,
    /// Whether it is a business.
    pub is_business: bool,
    /// The name that WhatsApp has verified.
    pub verified_name: Option<String>,
}

/// Where a picture is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Picture {
    /// Its id: another one for another picture.
    #[schema(example = "1745912345")]
    pub id: String,
    /// Where WhatsApp offers it, for some days.
    #[schema(example = "https://pps.whatsapp.net/v/t61.24694-24/1.jpg")]
    pub url: String,
}

/// What a business says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BusinessProfile {
    /// What it does.
    pub description: String,
    /// Its address.
    pub address: Option<String>,
    /// Its e-mail address.
    pub email: Option<String>,
    /// Its web sites.
    pub websites: Vec<String>,
    /// Its trades.
    pub categories: Vec<String>,
    /// Its time zone, as `Europe/Berlin`.
    pub timezone: Option<String>,
    /// When it is open.
    pub hours: Vec<BusinessHours>,
}

/// When a business is open on one day of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BusinessHours {
    /// `mon`, `tue`, ….
    #[schema(example = "mon")]
    pub day: String,
    /// `specific_hours`, `open_24h` or `appointment_only`.
    #[schema(example = "specific_hours")]
    pub mode: String,
    /// From when, in minutes of the day.
    #[schema(example = 540)]
    pub open: Option<u32>,
    /// Until when.
    #[schema(example = 1080)]
    pub close: Option<u32>,
}

/// Somebody whom the account has blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Blocked {
    /// Who.
    #[serde(flatten)]
    pub contact: Party,
    /// Since when, where WhatsApp says so.
    #[serde(serialize_with = "crate::timestamp::serialize_option")]
    pub blocked_at: Option<DateTime<Utc>>,
}
