//! What people in scenarios do beyond writing and reading messages: their profile, their address book, status posts and groups.

use std::time::Duration;

use anyhow::bail;
use harness::network::Phone;
use harness::wait::{NotYet, wait_for};
use serde::Deserialize;
use serde_json::Value;

use super::pattern::{compare, filled};
use super::{PhoneStep, Telling};
use crate::scene::PATIENCE;

/// A status that a person posts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PostStep {
    /// Who may see it.
    to: Vec<String>,
    text: String,
}

/// A reaction that a person sees.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReactionStep {
    /// The message.
    to: String,
    /// The emoji; empty: it was taken back.
    emoji: String,
}

/// A group as WhatsApp has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeenGroup {
    group: String,
    #[serde(rename = "as")]
    looks: Value,
}

impl Telling<'_> {
    pub(super) async fn more(&mut self, phone: &Phone, step: &PhoneStep) -> anyhow::Result<()> {
        if let Some(change) = &step.changes_profile {
            phone.change_profile(&filled(change, &self.variables)).await?;
        }
        if let Some(action) = &step.changes_app_state {
            phone.change_app_state(&filled(action, &self.variables)).await?;
        }
        if let Some(open) = step.opens_to_groups {
            phone.open_to_groups(open).await?;
        }
        if let Some(post) = &step.posts_status {
            let people: Vec<String> = post.to.iter().map(|person| self.text(person)).collect();
            let people: Vec<&str> = people.iter().map(String::as_str).collect();
            let id = phone.post_status(&people, &self.text(&post.text)).await?;
            if let Some(name) = &step.keep {
                self.variables.insert(name.clone(), id);
            }
        }
        if let Some(id) = &step.hears_of_reading {
            hears_of_reading(phone, &self.text(id)).await?;
        }
        if let Some(reaction) = &step.sees_reaction {
            let target = self.text(&reaction.to);
            phone
                .first_message(PATIENCE, |message| {
                    message.kind == "reaction"
                        && message.target.as_deref() == Some(&target)
                        && message.text.as_deref().unwrap_or_default() == reaction.emoji
                })
                .await?;
        }
        if let Some(seen) = &step.sees_group {
            let group = self.scene.network().group(&self.text(&seen.group)).await?;
            let wanted = filled(&seen.looks, &self.variables);
            if let Err(difference) = compare(&wanted, &group) {
                bail!("{difference}\nin {group:#}");
            }
        }
        Ok(())
    }
}

async fn hears_of_reading(phone: &Phone, id: &str) -> anyhow::Result<()> {
    wait_for(format!("{id} to be read"), PATIENCE, async || {
        let page = phone.received(0, Duration::ZERO).await?;
        let read = |kind: &str| ["read", "played"].contains(&kind);
        if page
            .receipts
            .iter()
            .any(|receipt| receipt.id == id && read(&receipt.kind))
        {
            return Ok(());
        }
        Err(NotYet::because(format!("{:?}", page.receipts)))
    })
    .await
}
