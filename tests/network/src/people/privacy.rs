//! Privacy settings: who may see and do what.
//!
//! `contacts` are the people in the owner's address book, `contact_blacklist` all of them but the listed ones.
//! Sources: wacore src/iq/privacy.rs; Baileys Socket/chats.ts (`privacyQuery`, `fetchPrivacySettings`). Not enforced: that
//! whoever hides the own last-seen time cannot see that of others, because no client's source shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::sync_account;
use crate::accounts::{Account, Number};
use crate::app_state::reading;
use crate::network::Network;
use crate::node::{address, attribute, attribute_is, child, children, children_of, error, result};
use crate::stanza::Session;

/// The categories, the values each may have, and the first of them as what a new account has. Without `readreceipts` Baileys
/// would send `read-self` in place of `read` (Socket/messages-send.ts:228).
const CATEGORIES: [(&str, &[&str]); 9] = [
    ("readreceipts", &["all", "none"]),
    ("last", &VISIBILITY),
    ("online", &["all", "match_last_seen"]),
    ("profile", &VISIBILITY),
    ("status", &VISIBILITY),
    ("groupadd", &VISIBILITY),
    ("calladd", &["all", "known", "contacts"]),
    ("messages", &["all", "contacts"]),
    ("defense", &["off", "on_standard"]),
];

const VISIBILITY: [&str; 4] = ["all", "contacts", "contact_blacklist", "none"];

/// The value that comes with a list of people.
const WITH_LIST: &str = "contact_blacklist";

/// One person's settings.
#[derive(Clone, Debug, Default)]
pub struct Privacy {
    values: BTreeMap<&'static str, &'static str>,
    disallowed: BTreeMap<&'static str, BTreeSet<Number>>,
}

/// A change of one category.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The category.
    pub category: String,
    /// Its new value.
    pub value: String,
    /// The hash of the list as the writer knows it, if it says so.
    pub known_list: Option<String>,
    /// People to put on the list.
    pub add: Vec<Number>,
    /// People to take off the list.
    pub remove: Vec<Number>,
}

/// Why a change is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such category or value.
    Unknown,
    /// The list has changed since the writer read it.
    Conflict,
}

impl Privacy {
    /// All categories with their values.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        CATEGORIES.iter().map(|(name, _)| (*name, self.value(name)))
    }

    /// A category's value.
    pub fn value(&self, category: &str) -> &'static str {
        let known = self.values.get(category).copied();
        known.unwrap_or_else(|| {
            let category = CATEGORIES.iter().find(|(name, _)| *name == category);
            category.map_or("all", |(_, values)| values[0])
        })
    }

    /// The people who are left out of a category.
    pub fn disallowed(&self, category: &str) -> BTreeSet<Number> {
        self.disallowed.get(category).cloned().unwrap_or_default()
    }

    /// The hash of that list, by which writers notice that they are behind.
    pub fn list_hash(&self, category: &str) -> String {
        let mut hash = Sha256::new();
        for number in self.disallowed(category) {
            hash.update(number.value().to_be_bytes());
        }
        hex::encode(&hash.finalize()[..8])
    }

    /// Changes a category.
    ///
    /// # Errors
    /// The category or the value does not exist, or the writer's list is out of date.
    pub fn change(&mut self, change: &Change) -> Result<(), Refusal> {
        let (name, values) = CATEGORIES
            .iter()
            .find(|(name, _)| *name == change.category)
            .ok_or(Refusal::Unknown)?;
        let value = values
            .iter()
            .find(|value| **value == change.value)
            .ok_or(Refusal::Unknown)?;
        let known = change
            .known_list
            .as_deref()
            .filter(|known| !known.is_empty() && *known != "none");
        if *value == WITH_LIST && known.is_some_and(|known| known != self.list_hash(name)) {
            return Err(Refusal::Conflict);
        }
        self.values.insert(name, value);
        if *value == WITH_LIST {
            let list = self.disallowed.entry(name).or_default();
            list.extend(change.add.iter().copied());
            list.retain(|number| !change.remove.contains(number));
        }
        Ok(())
    }

    fn category_node(&self, category: &str) -> Node {
        let value = self.value(category);
        let builder = NodeBuilder::new("category").attr("name", category).attr("value", value);
        if value == WITH_LIST {
            return builder.attr("dhash", self.list_hash(category)).build();
        }
        builder.build()
    }
}

/// Whether somebody may see or do what a category is about. People always may with themselves; a blocked person never may.
pub fn allows(network: &Network, owner: &Account, category: &str, viewer: &Account) -> bool {
    if owner.number == viewer.number {
        return true;
    }
    let (value, disallowed, blocked) = {
        let state = owner.state();
        let privacy = &state.settings.privacy;
        (
            privacy.value(category),
            privacy.disallowed(category),
            state.settings.blocked.contains(viewer.number),
        )
    };
    if blocked {
        return false;
    }
    let is_contact = || reading::contacts(network, owner).contains_key(&viewer.number);
    match value {
        "none" => false,
        "contacts" | "known" => is_contact(),
        WITH_LIST => !disallowed.contains(&viewer.number) && is_contact(),
        _ => true,
    }
}

/// Answers `iq privacy get`: all categories, or the people on the lists that are asked for. The child is mandatory for
/// whatsapp-rust.
pub fn get(session: &Session, iq: &Node) -> Node {
    let privacy = session.account.state().settings.privacy.clone();
    let lists: Vec<String> = child(iq, "privacy")
        .map(|asked| {
            children_of(asked, "list")
                .filter_map(|list| Some(attribute(list, "name")?.into_owned()))
                .collect()
        })
        .unwrap_or_default();
    let answer = NodeBuilder::new("privacy");
    if lists.is_empty() {
        let categories = CATEGORIES.iter().map(|(name, _)| privacy.category_node(name));
        return result(iq).children([answer.children(categories).build()]).build();
    }
    let lists = lists.iter().map(|name| list_node(&privacy, name));
    result(iq).children([answer.children(lists).build()]).build()
}

fn list_node(privacy: &Privacy, category: &str) -> Node {
    let users = privacy.disallowed(category).into_iter().map(|number| {
        let jid = wacore_binary::Jid::pn(number.to_string());
        NodeBuilder::new("user").attr("jid", &jid).attr("pn_jid", &jid).build()
    });
    NodeBuilder::new("list")
        .attr("name", category)
        .attr("value", WITH_LIST)
        .attr("dhash", privacy.list_hash(category))
        .children(users)
        .build()
}

/// Answers `iq privacy set`.
pub fn set(network: &Arc<Network>, session: &Session, iq: &Node) -> Node {
    let Some(asked) = child(iq, "privacy") else {
        return error(iq, 400, "bad-request");
    };
    let changes = children_of(asked, "category").map(|category| read(network, category));
    let mut changed = Vec::new();
    for change in changes {
        match apply(network, &session.account, Some(session.device), &change) {
            Ok(node) => changed.push(node),
            Err(Refusal::Unknown) => return error(iq, 400, "bad-request"),
            Err(Refusal::Conflict) => return error(iq, 409, "conflict"),
        }
    }
    result(iq)
        .children([NodeBuilder::new("privacy").children(changed).build()])
        .build()
}

fn read(network: &Network, category: &Node) -> Change {
    let text = |name| attribute(category, name).map(std::borrow::Cow::into_owned);
    let people = |action: &str| {
        children(category)
            .iter()
            .filter(|user| user.tag == "user" && attribute_is(user, "action", action))
            .filter_map(|user| network.accounts.find(&address(user, "jid")?))
            .map(|account| account.number)
            .collect()
    };
    Change {
        category: text("name").unwrap_or_default(),
        value: text("value").unwrap_or_default(),
        known_list: text("dhash"),
        add: people("add"),
        remove: people("remove"),
    }
}

/// Changes a category and tells the account's other companions. Answers with the category as it is now.
///
/// # Errors
/// See [`Privacy::change`].
pub fn apply(network: &Network, account: &Account, by: Option<u16>, change: &Change) -> Result<Node, Refusal> {
    let node = {
        let mut state = account.state();
        let privacy = &mut state.settings.privacy;
        privacy.change(change)?;
        privacy.category_node(&change.category)
    };
    let told = NodeBuilder::new("privacy").children([node.clone()]).build();
    sync_account(network, account, by, told);
    // Who could see the presence before may not see it any more, and the other way round.
    if matches!(change.category.as_str(), "last" | "online") {
        crate::presence::tell_subscribers(network, account);
    }
    Ok(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(category: &str, value: &str) -> Change {
        Change {
            category: category.to_owned(),
            value: value.to_owned(),
            ..Change::default()
        }
    }

    #[test]
    fn only_values_of_the_category_are_taken() {
        let mut privacy = Privacy::default();
        assert_eq!(privacy.value("last"), "all");
        assert_eq!(privacy.value("defense"), "off");
        privacy.change(&change("last", "contacts")).unwrap();
        assert_eq!(privacy.value("last"), "contacts");
        assert_eq!(privacy.change(&change("online", "none")), Err(Refusal::Unknown));
        assert_eq!(privacy.change(&change("shoes", "all")), Err(Refusal::Unknown));
    }

    #[test]
    fn a_writer_with_an_old_list_is_told_so() {
        let mut privacy = Privacy::default();
        let (ada, grace) = (Number::from_value(11_111), Number::from_value(22_222));
        let empty = privacy.list_hash("status");
        let mut add = change("status", WITH_LIST);
        add.known_list = Some(empty.clone());
        add.add = vec![ada];
        privacy.change(&add).unwrap();
        add.add = vec![grace];
        assert_eq!(privacy.change(&add), Err(Refusal::Conflict));
        add.known_list = Some(privacy.list_hash("status"));
        add.remove = vec![ada];
        privacy.change(&add).unwrap();
        assert_eq!(privacy.disallowed("status"), BTreeSet::from([grace]));
        assert_ne!(privacy.list_hash("status"), empty);
    }
}
