//! Profile pictures of people and groups.
//!
//! The network's HTTP interface serves the pictures; [`Gallery::address`] is the one place that says where.
//! Sources: wacore src/iq/contacts.rs:134-300; Baileys Socket/chats.ts (`profilePictureUrl`, `updateProfilePicture`,
//! `removeProfilePicture`); the notification: whatsapp-rust src/handlers/notification/profile.rs. A picture that does not
//! exist is answered with 404 and one that the asker may not see with 401, both inside `<picture>`.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::{announce, privacy, tokens};
use crate::accounts::{Account, Spelling};
use crate::groups::messages::members_of;
use crate::network::Network;
use crate::node::{address, attribute, attribute_is, child, content, error, result};
use crate::stanza::Session;

/// The largest picture, in bytes; clients scale theirs down to a fraction of it.
const LARGEST: usize = 2 * 1024 * 1024;

/// Identifiers follow this one.
const IDENTIFIERS_AFTER: u64 = 1_700_000_000;

/// A picture.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The identifier: grows with every picture.
    pub id: u64,
    /// The bytes as they were uploaded; preview and full size are the same here.
    pub bytes: Arc<Vec<u8>>,
}

/// All pictures, by the person's number or the group's address.
#[derive(Default)]
pub struct Gallery {
    base_url: String,
    pictures: Mutex<Pictures>,
}

#[derive(Default)]
struct Pictures {
    current: HashMap<String, Picture>,
    count: u64,
}

impl Gallery {
    /// An empty gallery whose pictures are served under this address.
    pub fn served_at(base_url: String) -> Self {
        Self {
            base_url,
            pictures: Mutex::default(),
        }
    }

    /// The present picture of a person or a group.
    pub fn current(&self, owner: &str) -> Option<Picture> {
        self.pictures.lock().current.get(owner).cloned()
    }

    /// The bytes of a picture that is still somebody's.
    pub fn by_id(&self, id: u64) -> Option<Picture> {
        let pictures = self.pictures.lock();
        pictures.current.values().find(|picture| picture.id == id).cloned()
    }

    /// Hangs a picture, or takes the present one down. Answers with the new picture's identifier.
    pub fn replace(&self, owner: &str, bytes: Option<Vec<u8>>) -> Option<u64> {
        let mut pictures = self.pictures.lock();
        let Some(bytes) = bytes else {
            pictures.current.remove(owner);
            return None;
        };
        pictures.count += 1;
        let picture = Picture {
            id: IDENTIFIERS_AFTER + pictures.count,
            bytes: Arc::new(bytes),
        };
        let id = picture.id;
        pictures.current.insert(owner.to_owned(), picture);
        Some(id)
    }

    /// Where a picture can be fetched: the whole address and the path in it.
    pub fn address(&self, picture: &Picture, kind: &str) -> (String, String) {
        let path = format!("/pictures/{}/{kind}", picture.id);
        (format!("{}{path}", self.base_url), path)
    }
}

/// The key of a person in the gallery.
pub fn owner_key(account: &Account) -> String {
    account.number.to_string()
}

/// Whose picture a request is about.
enum Target {
    Person(Arc<Account>),
    Other(String),
}

impl Target {
    fn of(network: &Network, session: &Session, jid: Option<Jid>) -> Option<Self> {
        let Some(jid) = jid else {
            return Some(Self::Person(Arc::clone(&session.account)));
        };
        if Spelling::of(&jid).is_some() {
            return network.accounts.find(&jid).map(Self::Person);
        }
        Some(Self::Other(jid.to_non_ad().to_string()))
    }

    fn key(&self) -> String {
        match self {
            Self::Person(account) => owner_key(account),
            Self::Other(key) => key.clone(),
        }
    }
}

/// Answers `iq w:profile:picture get`.
pub fn get(network: &Arc<Network>, session: &Session, iq: &Node) -> Node {
    let Some(asked) = child(iq, "picture") else {
        return error(iq, 400, "bad-request");
    };
    let asked_for = address(iq, "target").or_else(|| address(iq, "to").filter(|to| !to.user.is_empty()));
    let Some(target) = Target::of(network, session, asked_for) else {
        return refuse(iq, 404, "item-not-found");
    };
    if let Target::Person(owner) = &target
        && !visible(network, owner, &session.account, asked)
    {
        return refuse(iq, 401, "not-authorized");
    }
    let Some(picture) = network.pictures.current(&target.key()) else {
        return refuse(iq, 404, "item-not-found");
    };
    let id = picture.id.to_string();
    if attribute_is(asked, "id", &id) {
        // The asker has this one already.
        return result(iq).children([NodeBuilder::new("picture").build()]).build();
    }
    let kind = attribute(asked, "type")
        .filter(|kind| kind == "image")
        .map_or("preview", |_| "image");
    let (url, path) = network.pictures.address(&picture, kind);
    let node = NodeBuilder::new("picture")
        .attr("id", id)
        .attr("type", kind)
        .attr("url", url)
        .attr("direct_path", path)
        .build();
    result(iq).children([node]).build()
}

fn visible(network: &Network, owner: &Account, viewer: &Account, asked: &Node) -> bool {
    privacy::allows(network, owner, "profile", viewer) && tokens::admits(network, viewer, owner, asked)
}

fn refuse(iq: &Node, code: u16, text: &'static str) -> Node {
    let reason = NodeBuilder::new("error").attr("code", code).attr("text", text).build();
    let picture = NodeBuilder::new("picture").children([reason]).build();
    result(iq).children([picture]).build()
}

/// Answers `iq w:profile:picture set`; without a picture the present one is removed.
pub fn set(network: &Arc<Network>, session: &Session, iq: &Node) -> Node {
    let Some(target) = Target::of(network, session, address(iq, "target")) else {
        return error(iq, 404, "item-not-found");
    };
    let bytes = child(iq, "picture").and_then(content).filter(|bytes| !bytes.is_empty());
    if bytes.is_some_and(|bytes| bytes.len() > LARGEST) {
        return error(iq, 406, "not-acceptable");
    }
    let id = match &target {
        Target::Person(owner) if owner.number != session.account.number => return error(iq, 403, "forbidden"),
        Target::Person(owner) => change(network, owner, bytes.map(<[u8]>::to_vec)),
        Target::Other(group) => {
            let Some((_, members)) = group.parse().ok().and_then(|jid| members_of(network, &jid)) else {
                return error(iq, 404, "item-not-found");
            };
            if !members.iter().any(|member| member.number == session.account.number) {
                return error(iq, 403, "forbidden");
            }
            change_of_group(network, group, &members, &session.account, bytes.map(<[u8]>::to_vec))
        }
    };
    match id {
        Some(id) => {
            let picture = NodeBuilder::new("picture").attr("id", id.to_string()).build();
            result(iq).children([picture]).build()
        }
        None => result(iq).build(),
    }
}

/// Changes or removes a person's picture and tells whoever may see it.
pub fn change(network: &Network, account: &Account, bytes: Option<Vec<u8>>) -> Option<u64> {
    let id = network.pictures.replace(&owner_key(account), bytes);
    let jid = account.jid(Spelling::Number, 0);
    let change = match id {
        Some(id) => NodeBuilder::new("set").attr("id", id.to_string()),
        None => NodeBuilder::new("delete"),
    };
    let change = change.attr("jid", &jid).attr("author", &jid).build();
    let notification = network.notification("picture", jid).children([change]).build();
    announce(network, account, "profile", &notification);
    id
}

/// Changes or removes a group's picture and tells the members.
fn change_of_group(
    network: &Network,
    group: &str,
    members: &[Arc<Account>],
    author: &Account,
    bytes: Option<Vec<u8>>,
) -> Option<u64> {
    let id = network.pictures.replace(group, bytes);
    let change = match id {
        Some(id) => NodeBuilder::new("set").attr("id", id.to_string()),
        None => NodeBuilder::new("delete"),
    };
    let author = author.jid(Spelling::Lid, 0);
    let change = change.attr("jid", group).attr("author", &author).build();
    let notification = network.notification("picture", group).children([change]).build();
    for member in members {
        for device in &mut member.state().devices {
            device.deliver(notification.clone());
        }
    }
    id
}

/// `<picture>` of a usync answer: the identifier, for those who may see it.
pub fn picture_node(network: &Network, account: &Account, viewer: &Account) -> Option<Node> {
    if !privacy::allows(network, account, "profile", viewer) {
        return None;
    }
    let picture = network.pictures.current(&owner_key(account))?;
    Some(NodeBuilder::new("picture").attr("id", picture.id.to_string()).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_picture_has_a_new_identifier_and_the_old_one_is_gone() {
        let gallery = Gallery::served_at("http://127.0.0.1:1".to_owned());
        let first = gallery.replace("1", Some(vec![1])).unwrap();
        let second = gallery.replace("1", Some(vec![2])).unwrap();
        assert!(second > first);
        assert!(gallery.by_id(first).is_none());
        let picture = gallery.by_id(second).unwrap();
        assert_eq!(*picture.bytes, vec![2]);
        let (url, path) = gallery.address(&picture, "image");
        assert_eq!(url, format!("http://127.0.0.1:1{path}"));
        assert_eq!(gallery.replace("1", None), None);
        assert!(gallery.current("1").is_none());
    }
}
