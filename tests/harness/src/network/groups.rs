//! What people do with groups and status posts on their phones, and groups as the network sees them.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{Network, Phone};

impl Network {
    /// Everything about a group: `subject`, `members` with their roles, settings, the invitation code.
    ///
    /// # Errors
    /// When there is no such group.
    pub async fn group(&self, id: &str) -> anyhow::Result<Value> {
        self.get(&format!("/groups/{id}")).await?.expect(200)?.json()
    }

    /// Everything about a newsletter: `name`, `followers`, `messages` with their reactions.
    ///
    /// # Errors
    /// When there is no such newsletter.
    pub async fn newsletter(&self, id: &str) -> anyhow::Result<Value> {
        self.get(&format!("/newsletters/{id}")).await?.expect(200)?.json()
    }
}

impl Phone {
    /// Founds a group of these people (or with `"community": true` a community); returns its JID.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn create_group(&self, group: &Value) -> anyhow::Result<String> {
        let made = self.does("groups", group).await?;
        Ok(made["id"].as_str().context("a group without an id")?.to_owned())
    }

    /// Does something in a group: `participants`, `settings`, `leave`, `invite`, `requests`, `linked-groups`, with the body that the network's
    /// documentation gives each.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn in_group(&self, group: &str, action: &str, body: &Value) -> anyhow::Result<Value> {
        self.does(&format!("groups/{group}/{action}"), body).await
    }

    /// Founds a newsletter; returns its JID. What the phone then sends to it is published there.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn create_newsletter(&self, name: &str) -> anyhow::Result<String> {
        let made = self.does("newsletters", &json!({ "name": name })).await?;
        Ok(made["id"].as_str().context("a newsletter without an id")?.to_owned())
    }

    /// Joins a group by its code.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn join_group(&self, code: &str) -> anyhow::Result<Value> {
        self.does("join-group", &json!({ "code": code })).await
    }

    /// Lets others add the person to groups, or only invite them.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn open_to_groups(&self, open: bool) -> anyhow::Result<()> {
        self.does("group-privacy", &json!({ "open": open })).await?;
        Ok(())
    }

    /// Shows a text to these people as a status; returns its id.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn post_status(&self, to: &[&str], text: &str) -> anyhow::Result<String> {
        let shown = self.does("status", &json!({ "to": to, "text": text })).await?;
        Ok(shown["id"].as_str().context("a status without an id")?.to_owned())
    }

    async fn does(&self, action: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = self.act(action, body).await?;
        if answer.status == 204 {
            return Ok(Value::Null);
        }
        answer.expect(200)?.json()
    }
}
