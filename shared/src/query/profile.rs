//! What WhatsApp's server can be asked about the account itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::address::Party;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum ProfileLookup {
    /// Everything. Answers [`ProfileDetails`].
    Everything,
}

/// What the account shows of itself, and to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileDetails {
    /// The name that contacts see.
    pub name: Option<String>,
    /// The about.
    pub about: Option<String>,
    /// The picture's id.
    pub picture_id: Option<String>,
    /// Who may see and do what: a category's word and its value's. Those that this version does not know carry WhatsApp's own words.
    pub privacy: BTreeMap<String, String>,
    /// By category: whom its value `contact_blacklist` leaves out.
    pub privacy_exceptions: BTreeMap<String, Vec<Party>>,
}
