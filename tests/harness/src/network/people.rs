//! What a person tells about itself, whom it blocks, what it changes in its app state, and its history.

use anyhow::ensure;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Phone;

/// What the network keeps about a person. Fields that no story needs are left out.
#[derive(Debug, Clone, Deserialize)]
pub struct Profile {
    /// The push name.
    pub name: String,
    /// The about text.
    pub about: String,
    /// The picture, if there is one.
    pub picture: Option<ProfilePicture>,
    /// The business profile, if it is a business.
    pub business: Option<Value>,
    /// The privacy settings: value by category.
    pub privacy: std::collections::BTreeMap<String, String>,
    /// The numbers of blocked people.
    pub blocked: Vec<String>,
    /// The timer for new chats, in seconds; 0 means that messages stay.
    pub disappearing_seconds: u32,
    /// The address book: name by number.
    pub contacts: std::collections::BTreeMap<String, String>,
}

/// A profile picture.
#[derive(Debug, Clone, Deserialize)]
pub struct ProfilePicture {
    /// The identifier.
    pub id: String,
    /// The bytes, in base64.
    pub data: String,
}

/// An account's app state as its phone reads it.
#[derive(Debug, Clone, Deserialize)]
pub struct AppState {
    /// All changes, by collection and in the order of their versions.
    pub mutations: Vec<AppStateMutation>,
    /// What is in force.
    pub present: Vec<AppStateMutation>,
}

/// A change of the app state.
#[derive(Debug, Clone, Deserialize)]
pub struct AppStateMutation {
    /// The collection.
    pub collection: String,
    /// The collection's version that it came with.
    pub version: u64,
    /// The device that wrote it; 0 is the phone.
    pub device: u16,
    /// False when the entry was removed.
    pub set: bool,
    /// What it is about, such as `["archive", "15550001001@s.whatsapp.net"]`.
    pub index: Vec<String>,
    /// The value; fields are named as in WhatsApp's protobuf, in snake case.
    pub value: Value,
}

impl AppState {
    /// The entry in force with this index, if there is one.
    #[must_use]
    pub fn entry(&self, index: &[&str]) -> Option<&AppStateMutation> {
        self.present.iter().find(|entry| entry.index == index)
    }
}

impl Phone {
    /// What the network keeps about this person.
    ///
    /// # Errors
    /// When the network does not answer.
    pub async fn profile(&self) -> anyhow::Result<Profile> {
        let path = format!("/phones/{}/profile", self.number);
        self.network.get(&path).await?.expect(200)?.json()
    }

    /// Changes the profile: `{name?, about?, picture?, business?}`; `null` removes.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn change_profile(&self, change: &Value) -> anyhow::Result<()> {
        self.do_quietly("profile", change).await
    }

    /// Sets one privacy category, with the numbers of people who are left out from now on.
    ///
    /// # Errors
    /// When there is no such category or value.
    pub async fn set_privacy(&self, category: &str, value: &str, without: &[&str]) -> anyhow::Result<()> {
        let body = json!({ "category": category, "value": value, "add": without });
        self.do_quietly("privacy", &body).await
    }

    /// Blocks or unblocks somebody.
    ///
    /// # Errors
    /// When there is no such person.
    pub async fn block(&self, who: &str, blocked: bool) -> anyhow::Result<()> {
        self.do_quietly("block", &json!({ "who": who, "blocked": blocked }))
            .await
    }

    /// Sets the timer for new chats, in seconds; 0 turns it off.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn set_default_disappearing(&self, seconds: u32) -> anyhow::Result<()> {
        self.do_quietly("disappearing", &json!({ "seconds": seconds })).await
    }

    /// Makes this account one that strangers cannot write to without a privacy token, or opens it again.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn restrict(&self, restricted: bool) -> anyhow::Result<()> {
        self.do_quietly("privacy-tokens", &json!({ "restricted": restricted }))
            .await
    }

    /// Changes something on the phone that all devices share, such as `{"action": "archive", "chat": "…"}`; see the network's
    /// documentation for the actions.
    ///
    /// # Errors
    /// When the network does not know the action, or there is nothing to remove.
    pub async fn change_app_state(&self, action: &Value) -> anyhow::Result<()> {
        self.do_quietly("app-state", action).await
    }

    /// The app state as this phone reads it: also what companions changed.
    ///
    /// # Errors
    /// When the network does not answer.
    pub async fn app_state(&self) -> anyhow::Result<AppState> {
        let path = format!("/phones/{}/app-state", self.number);
        self.network.get(&path).await?.expect(200)?.json()
    }

    /// Gives the phone a history, which companions get that are linked from now on.
    ///
    /// # Errors
    /// When the network cannot read it.
    pub async fn give_history(&self, history: &Value) -> anyhow::Result<()> {
        self.do_quietly("history", history).await
    }

    /// Shows the person as available, or not.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn set_available(&self, available: bool) -> anyhow::Result<()> {
        let state = if available { "available" } else { "unavailable" };
        self.do_quietly("presence", &json!({ "state": state })).await
    }

    /// Types to somebody: `composing`, `recording` or `paused`.
    ///
    /// # Errors
    /// When there is no such state.
    pub async fn type_to(&self, to: &str, state: &str) -> anyhow::Result<()> {
        ensure!(
            ["composing", "recording", "paused"].contains(&state),
            "there is no typing state {state:?}"
        );
        self.do_quietly("typing", &json!({ "to": to, "state": state })).await
    }
}
