//! What a person does on the phone besides messages: profile, address book, presence, block list, calls.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::Phone;

impl Phone {
    /// Changes what the person shows of themselves: `name`, `about`, `picture` (base64), `business`; null removes.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn change_profile(&self, profile: &Value) -> anyhow::Result<()> {
        self.do_quietly("profile", profile).await
    }

    /// Everything that the network keeps about the person: `name`, `about`, `picture`, `privacy`, `blocked`, `contacts`, ….
    ///
    /// # Errors
    /// When the network does not answer.
    pub async fn profile(&self) -> anyhow::Result<Value> {
        let path = format!("/phones/{}/profile", self.number);
        self.network.get(&path).await?.expect(200)?.json()
    }

    /// Opens the app, or puts it away: what those see who follow the person's presence.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn set_available(&self, available: bool) -> anyhow::Result<()> {
        let state = if available { "available" } else { "unavailable" };
        self.do_quietly("presence", &json!({ "state": state })).await
    }

    /// Changes something that the account's devices share, for example `{"action": "contact", "who": …, "name": …}`.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn change_app_state(&self, action: &Value) -> anyhow::Result<()> {
        self.do_quietly("app-state", action).await
    }

    /// What the account's devices share, as the phone reads it: the entries that are in force, each with `index` and `value`.
    ///
    /// # Errors
    /// When the network does not answer.
    pub async fn app_state(&self) -> anyhow::Result<Vec<Value>> {
        let path = format!("/phones/{}/app-state", self.number);
        let answer: Value = self.network.get(&path).await?.expect(200)?.json()?;
        Ok(answer["present"].as_array().context("an app state without entries")?.clone())
    }

    /// Calls somebody. Returns the call's id.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn call(&self, to: &str, video: bool) -> anyhow::Result<String> {
        let body = json!({ "to": to, "video": video });
        let answer: Value = self.act("calls", &body).await?.expect(200)?.json()?;
        Ok(answer["id"].as_str().context("a call without an id")?.to_owned())
    }

    /// Does something about a call: `{"action": "end" | "accept" | "reject"}`.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn about_call(&self, call: &str, action: &Value) -> anyhow::Result<()> {
        self.do_quietly(&format!("calls/{call}"), action).await
    }

    /// A call as the network sees it, with its `state`.
    ///
    /// # Errors
    /// When the network does not answer.
    pub async fn call_state(&self, call: &str) -> anyhow::Result<Value> {
        let path = format!("/phones/{}/calls/{call}", self.number);
        self.network.get(&path).await?.expect(200)?.json()
    }
}
