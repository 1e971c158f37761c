//! Reports on the account's own status posts. The library (0.7.0, receipt.rs:443) takes the place of all posts for the person who reports, so these are
//! read from the stanza itself.

use chrono::{DateTime, Utc};
use shared::address::Address;
use shared::message::MessageStatus;
use wacore_binary::{JidExt as _, NodeRef};
use whatsapp_rust::Jid;

use super::super::foreign::foreign;
use super::{address, person};
use crate::engine::{Person, Receipt};

/// WhatsApp's ids in one report, at most: as many as its clients put into one stanza (whatsapp-rust/src/receipt.rs:888).
const MOST_IDS: usize = 256;

/// That somebody has seen posts; `None` for every other stanza.
pub(super) fn receipt(stanza: &NodeRef<'_>) -> Option<Receipt> {
    if stanza.tag.as_ref() as &str != "receipt" {
        return None;
    }
    let mut attributes = stanza.attrs();
    let chat: Jid = attributes.optional_jid("from")?;
    if !chat.is_status_broadcast() {
        return None;
    }
    let status = match attributes.optional_string("type").as_deref() {
        Some("read") => MessageStatus::Read,
        Some("played") => MessageStatus::Played,
        _ => return None,
    };
    let viewer = attributes.optional_jid("participant")?;
    let alternative = attributes.optional_jid("participant_pn");
    let from: Person = person(&viewer, alternative.as_ref())?;
    let at = attributes
        .optional_u64("t")
        .and_then(|seconds| i64::try_from(seconds).ok())
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        .unwrap_or_else(Utc::now);
    let mut wa_message_ids: Vec<String> = attributes
        .optional_string("id")
        .map(|id| foreign(&id))
        .into_iter()
        .collect();
    if let Some(list) = stanza.get_optional_child("list") {
        let more = list.get_children_by_tag("item").filter_map(|item| {
            let id = item.attrs().optional_string("id")?;
            Some(foreign(&id))
        });
        wa_message_ids.extend(more.take(MOST_IDS));
    }
    Some(Receipt {
        chat: Person {
            address: Address::Status,
            alternative: None,
        },
        from,
        wa_message_ids,
        status,
        at,
    })
}

/// Whether the library has lost the person who reports.
pub(super) fn has_lost_its_author(sender: &Jid) -> bool {
    address(sender) == Some(Address::Status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wacore_binary::builder::NodeBuilder;

    #[test]
    fn a_view_names_its_viewer_and_every_post() {
        let item = NodeBuilder::new("item").attr("id", "B").build();
        let list = NodeBuilder::new("list").children([item]).build();
        let stanza = NodeBuilder::new("receipt")
            .attr("from", "status@broadcast")
            .attr("id", "A")
            .attr("type", "read")
            .attr("participant", "100000000001001:2@lid")
            .attr("participant_pn", "15550001001@s.whatsapp.net")
            .attr("t", "1795167000")
            .children([list])
            .build();
        let receipt = receipt(&stanza.as_node_ref()).unwrap();
        assert_eq!(receipt.wa_message_ids, ["A", "B"]);
        assert_eq!(receipt.from.address, Address::Lid("100000000001001".into()));
        assert_eq!(receipt.from.alternative, Some(Address::Phone("15550001001".into())));
        assert_eq!(receipt.at.timestamp(), 1_795_167_000);
    }

    #[test]
    fn other_stanzas_are_none() {
        let of_a_person = NodeBuilder::new("receipt")
            .attr("from", "15550001001@s.whatsapp.net")
            .attr("id", "A")
            .attr("type", "read");
        assert_eq!(receipt(&of_a_person.build().as_node_ref()), None);
        let delivered = NodeBuilder::new("receipt")
            .attr("from", "status@broadcast")
            .attr("participant", "100000000001001@lid")
            .attr("id", "A");
        assert_eq!(receipt(&delivered.build().as_node_ref()), None);
    }
}
