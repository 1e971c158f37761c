//! The about text and the business profile.
//!
//! Sources: wacore src/iq/profile.rs, src/iq/business.rs, src/iq/usync/query.rs:1405-1480; Baileys Socket/chats.ts
//! (`updateProfileStatus`, `fetchStatus`, `getBusinessProfile`); the notification: whatsapp-rust
//! src/handlers/notification/profile.rs.

use std::sync::Arc;

use buffa::Message as _;
use serde::{Deserialize, Serialize};
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use waproto::whatsapp::{VerifiedNameCertificate, verified_name_certificate};

use super::{announce, privacy};
use crate::accounts::{Account, Spelling};
use crate::network::Network;
use crate::node::{address, bytes_node, child, children_of, content, empty, error, result};
use crate::stanza::Session;

/// The longest about text, in characters; clients allow no more.
const LONGEST_ABOUT: usize = 139;

/// The text under a person's name.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The text; empty when there is none.
    pub text: String,
    /// When it was set, in seconds since 1970; 0 for never.
    pub since: u64,
}

/// What a business tells about itself.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Business {
    /// The verified name.
    pub verified_name: Option<String>,
    /// What it does.
    pub description: String,
    /// Where it is.
    pub address: Option<String>,
    /// How to write to it.
    pub email: Option<String>,
    /// Its pages.
    pub websites: Vec<String>,
    /// Its categories: identifier and name.
    pub categories: Vec<Category>,
    /// Its time zone, such as `Europe/Berlin`.
    pub timezone: Option<String>,
    /// When it is open.
    pub hours: Vec<Hours>,
}

/// A category of businesses.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Category {
    /// The identifier.
    pub id: String,
    /// The name.
    pub name: String,
}

/// Opening hours of a day.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Hours {
    /// `sun`, `mon`, …
    pub day: String,
    /// `open_24h`, `specific_hours` or `appointment_only`.
    pub mode: String,
    /// Minutes after midnight, for `specific_hours`.
    pub open: Option<u32>,
    /// Minutes after midnight, for `specific_hours`.
    pub close: Option<u32>,
}

/// Answers `iq status set`.
pub fn set_about(network: &Arc<Network>, session: &Session, iq: &Node) -> Node {
    let text = child(iq, "status").map(|status| content(status).unwrap_or_default());
    match text.map(std::str::from_utf8) {
        Some(Ok(text)) if text.chars().count() <= LONGEST_ABOUT => {
            change_about(network, &session.account, text);
            result(iq).build()
        }
        _ => error(iq, 400, "bad-request"),
    }
}

/// Sets the about text and tells whoever may see it.
pub fn change_about(network: &Network, account: &Account, text: &str) {
    let name = {
        let mut state = account.state();
        state.settings.about = About {
            text: text.to_owned(),
            since: crate::clock::unix_seconds(),
        };
        state.name.clone()
    };
    let notification = network
        .notification("status", account.jid(Spelling::Number, 0))
        .attr("notify", name)
        .children([bytes_node("set", text.as_bytes())])
        .build();
    announce(network, account, "status", &notification);
}

/// `<status>` of a usync answer. Who may not see it gets `code="401"`, which clients show as an empty text.
pub fn about_node(network: &Network, account: &Account, viewer: &Account) -> Node {
    if !privacy::allows(network, account, "status", viewer) {
        return NodeBuilder::new("status").attr("code", 401).build();
    }
    let about = account.state().settings.about.clone();
    let builder = NodeBuilder::new("status");
    if about.text.is_empty() {
        return builder.build();
    }
    builder.attr("t", about.since).bytes(about.text.into_bytes()).build()
}

/// `<business>` of a usync answer; `None` for people. The name is inside a certificate, whose signature no client checks.
pub fn business_node(account: &Account) -> Option<Node> {
    let business = account.state().settings.business.clone()?;
    let name = business.verified_name.map(|name| {
        let details = verified_name_certificate::Details {
            serial: Some(account.number.value()),
            issuer: Some("smb:wa".to_owned()),
            verified_name: Some(name),
            ..Default::default()
        };
        let certificate = VerifiedNameCertificate {
            details: Some(details.encode_to_vec()),
            ..Default::default()
        };
        bytes_node("verified_name", certificate.encode_to_vec())
    });
    Some(NodeBuilder::new("business").children(name).build())
}

/// Answers `iq w:biz get`: a business's profile; an empty list for a person.
pub fn business(network: &Network, iq: &Node) -> Node {
    let Some(asked) = child(iq, "business_profile") else {
        return error(iq, 501, "feature-not-implemented");
    };
    let profiles = children_of(asked, "profile").filter_map(|profile| {
        let jid = address(profile, "jid")?;
        let account = network.accounts.find(&jid)?;
        let business = account.state().settings.business.clone()?;
        let profile = NodeBuilder::new("profile").attr("jid", jid.to_non_ad());
        Some(profile.children(describe(&business)).build())
    });
    let answer = NodeBuilder::new("business_profile").children(profiles).build();
    result(iq).children([answer]).build()
}

fn describe(business: &Business) -> Vec<Node> {
    let text = |tag, text: &str| bytes_node(tag, text.as_bytes());
    let mut children = vec![text("description", &business.description)];
    children.extend(business.address.as_ref().map(|address| text("address", address)));
    children.extend(business.email.as_ref().map(|email| text("email", email)));
    children.extend(business.websites.iter().map(|website| text("website", website)));
    let categories = business.categories.iter().map(|category| {
        let builder = NodeBuilder::new("category").attr("id", category.id.as_str());
        builder.bytes(category.name.as_bytes().to_vec()).build()
    });
    children.push(NodeBuilder::new("categories").children(categories).build());
    children.push(match &business.timezone {
        Some(timezone) => NodeBuilder::new("business_hours")
            .attr("timezone", timezone.as_str())
            .children(business.hours.iter().map(hours_node))
            .build(),
        None => empty("business_hours"),
    });
    children
}

fn hours_node(hours: &Hours) -> Node {
    let mut builder = NodeBuilder::new("business_hours_config")
        .attr("day_of_week", hours.day.as_str())
        .attr("mode", hours.mode.as_str());
    if let Some((open, close)) = hours.open.zip(hours.close) {
        builder = builder.attr("open_time", open).attr("close_time", close);
    }
    builder.build()
}
