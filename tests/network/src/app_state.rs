//! App state: settings and marks that an account's devices share, such as muted chats, as lists of encrypted patches.
//!
//! The server reads none of it. Per account and collection it keeps the patches in order; a collection's version is their
//! number. A writer names the version it knows: if that is not the newest, it gets what it lacks and must try again.
//! Sources: wacore-appstate src/patch_decode.rs:145-206 and src/processor.rs:184-205; Baileys Socket/chats.ts:386-560, 903.

use std::sync::Arc;

use buffa::{Message, MessageField};
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use waproto::whatsapp::{SyncdPatch, SyncdVersion};

use crate::accounts::{Account, AccountState, Spelling};
use crate::network::Network;
use crate::node::{attribute, bytes_node, child, child_content, children_of, error, result};
use crate::stanza::Session;

pub mod changes;
pub mod phone;
pub mod reading;

pub use phone::seed_push_name;

/// The patches of one collection.
#[derive(Debug, Default)]
pub struct Collection {
    patches: Vec<Vec<u8>>,
    /// Who wrote each patch; 0 is the phone.
    writers: Vec<u16>,
}

impl Collection {
    /// The number of patches.
    pub fn version(&self) -> u64 {
        self.patches.len() as u64
    }

    /// The patches after a version, oldest first: version, writing device and the patch, encoded.
    pub fn after(&self, version: u64) -> Vec<(u64, u16, Vec<u8>)> {
        let numbered = (1..).zip(&self.writers).zip(&self.patches);
        let wanted = numbered.filter(|((number, _), _)| *number > version);
        wanted
            .map(|((number, writer), patch)| (number, *writer, patch.clone()))
            .collect()
    }

    /// Adds a patch that a device wrote. Clients leave the version out and expect the server to fill it in. `None` when it
    /// is not a patch.
    pub fn append(&mut self, patch: &[u8], writer: u16) -> Option<u64> {
        let mut patch = SyncdPatch::decode_from_slice(patch).ok()?;
        let version = self.version() + 1;
        patch.version = MessageField::some(SyncdVersion { version: Some(version) });
        self.patches.push(patch.encode_to_vec());
        self.writers.push(writer);
        Some(version)
    }
}

/// Answers `iq w:sync:app:state`: every collection that was asked for appears in the answer.
pub fn answer(network: &Arc<Network>, session: &Session, iq: &Node) -> Node {
    let Some(sync) = child(iq, "sync") else {
        return error(iq, 400, "bad-request");
    };
    let mut changed = Vec::new();
    let mut collections = Vec::new();
    {
        let mut state = session.account.state();
        for request in children_of(sync, "collection") {
            let Some(name) = attribute(request, "name") else {
                continue;
            };
            let (answer, written) = exchange(&mut state, &name, request, session.device);
            collections.push(answer);
            if let Some(version) = written {
                changed.push((name.into_owned(), version));
            }
        }
    }
    for (name, version) in changed {
        reading::follow(network, &session.account, &name, version);
        notify(network, &session.account, Some(session.device), &name, version);
    }
    let sync = NodeBuilder::new("sync").children(collections).build();
    result(iq).children([sync]).build()
}

/// Reads or writes one collection; answers with the node and, if something was written, the new version.
fn exchange(state: &mut AccountState, name: &str, request: &Node, writer: u16) -> (Node, Option<u64>) {
    let known: u64 = attribute(request, "version")
        .and_then(|version| version.parse().ok())
        .unwrap_or(0);
    let collection = state.collections.entry(name.to_owned()).or_default();
    let builder = NodeBuilder::new("collection").attr("name", name);
    let Some(patch) = child_content(request, "patch") else {
        return (with_patches(builder, collection, known), None);
    };
    if known != collection.version() {
        let conflict = NodeBuilder::new("error")
            .attr("code", 409)
            .attr("text", "conflict")
            .build();
        let mut answer = with_patches(builder.attr("type", "error"), collection, known);
        if let Some(wacore_binary::NodeContent::Nodes(children)) = &mut answer.content {
            children.insert(0, conflict);
        } else {
            answer.content = Some(wacore_binary::NodeContent::Nodes(vec![conflict]));
        }
        return (answer, None);
    }
    match collection.append(patch, writer) {
        Some(version) => (builder.attr("version", version).build(), Some(version)),
        None => {
            let refused = NodeBuilder::new("error")
                .attr("code", 400)
                .attr("text", "bad-request")
                .build();
            (builder.attr("type", "error").children([refused]).build(), None)
        }
    }
}

/// All patches after a version. Nothing is said when there is nothing new; the wrapper `<patches>` is mandatory otherwise.
fn with_patches(builder: NodeBuilder, collection: &Collection, known: u64) -> Node {
    let builder = builder
        .attr("version", collection.version())
        .attr("has_more_patches", "false");
    let known = usize::try_from(known).unwrap_or(usize::MAX);
    let missing = collection.patches.get(known..).unwrap_or_default();
    if missing.is_empty() {
        return builder.build();
    }
    let patches = missing.iter().map(|patch| bytes_node("patch", patch.clone()));
    builder
        .children([NodeBuilder::new("patches").children(patches).build()])
        .build()
}

/// Tells the account's companions, except the one that wrote, that a collection has a new version.
pub fn notify(network: &Network, account: &Account, except: Option<u16>, name: &str, version: u64) {
    let collection = NodeBuilder::new("collection")
        .attr("name", name)
        .attr("version", version)
        .build();
    let notification = network
        .notification("server_sync", account.jid(Spelling::Number, 0))
        .children([collection])
        .build();
    for device in &mut account.state().devices {
        if Some(device.id) != except {
            device.deliver(notification.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::directory::{Directory, NewAccount};
    use crate::keys::Seed;
    use crate::node::{attribute_is, children};

    fn patch() -> Vec<u8> {
        SyncdPatch {
            snapshot_mac: Some(vec![1; 32]),
            ..Default::default()
        }
        .encode_to_vec()
    }

    fn request(version: u64, patch: Option<Vec<u8>>) -> Node {
        let builder = NodeBuilder::new("collection")
            .attr("name", "regular")
            .attr("version", version);
        match patch {
            Some(patch) => builder.children([bytes_node("patch", patch)]).build(),
            None => builder.build(),
        }
    }

    fn account() -> Arc<Account> {
        Directory::default().get_or_create(&Seed::new("app state"), NewAccount::default())
    }

    #[test]
    fn a_written_patch_gets_its_version_and_is_read_by_others() {
        let account = account();
        let mut state = account.state();
        let (answer, written) = exchange(&mut state, "regular", &request(0, Some(patch())), 1);
        assert_eq!(written, Some(1));
        assert!(attribute_is(&answer, "version", "1"));
        let (answer, _) = exchange(&mut state, "regular", &request(0, None), 1);
        let patches = child(&answer, "patches").unwrap();
        let read = SyncdPatch::decode_from_slice(child_content(patches, "patch").unwrap()).unwrap();
        assert_eq!(read.version.into_option().unwrap().version, Some(1));
    }

    #[test]
    fn a_writer_that_is_behind_gets_what_it_lacks_and_nothing_is_stored() {
        let account = account();
        let mut state = account.state();
        exchange(&mut state, "regular", &request(0, Some(patch())), 1);
        let (answer, written) = exchange(&mut state, "regular", &request(0, Some(patch())), 1);
        assert_eq!(written, None);
        assert!(attribute_is(&answer, "type", "error"));
        assert!(attribute_is(child(&answer, "error").unwrap(), "code", "409"));
        assert_eq!(children(child(&answer, "patches").unwrap()).len(), 1);
        assert_eq!(state.collections["regular"].version(), 1);
    }

    #[test]
    fn nothing_new_is_said_without_patches() {
        let account = account();
        let mut state = account.state();
        let (answer, _) = exchange(&mut state, "regular", &request(0, None), 1);
        assert!(child(&answer, "patches").is_none());
        assert!(attribute_is(&answer, "version", "0"));
    }

    #[test]
    fn what_is_no_patch_is_refused() {
        let account = account();
        let (answer, written) = exchange(&mut account.state(), "regular", &request(0, Some(vec![0xFF; 5])), 1);
        assert_eq!(written, None);
        assert!(attribute_is(&answer, "type", "error"));
    }
}
