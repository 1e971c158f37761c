//! Operations on messages that exist.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use shared::content::MessageKey;
use shared::operation::MessageOperation;
use wacore_binary::JidExt as _;
use wacore_binary::builder::NodeBuilder;
use whatsapp_rust::{Client, Jid};

use super::{failed, jid};
use crate::engine::OperationError;

/// Ids in one receipt, as WhatsApp's web client sends them (whatsapp-rust/src/receipt.rs, `MAX_RECEIPT_IDS_PER_STANZA`).
const IDS_PER_RECEIPT: usize = 256;

pub(super) async fn perform(
    client: &Arc<Client>,
    operation: &MessageOperation,
    read_receipts: bool,
) -> Result<Value, OperationError> {
    match operation {
        MessageOperation::Read { chat, messages } => {
            let chat = jid(chat)?;
            for (author, ids) in by_author(&chat, messages) {
                if read_receipts {
                    client
                        .mark_as_read(&chat, author.as_ref(), &ids)
                        .await
                        .map_err(failed)?;
                } else {
                    tell_own_devices(client, "read-self", &chat, author.as_ref(), &ids).await?;
                }
            }
        }
        MessageOperation::Played { chat, messages } => {
            let chat = jid(chat)?;
            for (author, ids) in by_author(&chat, messages) {
                if read_receipts {
                    client
                        .mark_as_played(&chat, author.as_ref(), &ids)
                        .await
                        .map_err(failed)?;
                } else {
                    tell_own_devices(client, "played-self", &chat, author.as_ref(), &ids).await?;
                }
            }
        }
        MessageOperation::Star { chat, message, starred } => {
            let chat = jid(chat)?;
            let author = author(&chat, message);
            let (id, from_me) = (message.wa_message_id.as_str(), message.from_me);
            let actions = client.chat_actions();
            let done = if *starred {
                actions.star_message(&chat, author.as_ref(), id, from_me).await
            } else {
                actions.unstar_message(&chat, author.as_ref(), id, from_me).await
            };
            done.map_err(failed)?;
        }
    }
    Ok(Value::Null)
}

/// In a group, who wrote somebody else's message; nobody elsewhere.
fn author(chat: &Jid, message: &MessageKey) -> Option<Jid> {
    let others = !message.from_me && (chat.is_group() || chat.is_status_broadcast());
    others.then(|| message.author.as_deref()?.parse().ok()).flatten()
}

/// A receipt names one author.
fn by_author<'a>(chat: &Jid, messages: &'a [MessageKey]) -> Vec<(Option<Jid>, Vec<&'a str>)> {
    let mut authors: BTreeMap<Option<String>, (Option<Jid>, Vec<&str>)> = BTreeMap::new();
    for message in messages {
        let author = author(chat, message);
        let entry = authors
            .entry(author.as_ref().map(ToString::to_string))
            .or_insert((author, Vec::new()));
        entry.1.push(message.wa_message_id.as_str());
    }
    authors.into_values().collect()
}

/// Tells the account's own devices, and nobody else (the receipts `read-self` and `played-self` of WhatsApp's web client).
async fn tell_own_devices(
    client: &Arc<Client>,
    kind: &str,
    chat: &Jid,
    author: Option<&Jid>,
    ids: &[&str],
) -> Result<(), OperationError> {
    for ids in ids.chunks(IDS_PER_RECEIPT) {
        let Some((first, others)) = ids.split_first() else {
            continue;
        };
        let mut receipt = NodeBuilder::new("receipt")
            .attr("to", chat)
            .attr("type", kind)
            .attr("id", *first)
            .attr("t", chrono::Utc::now().timestamp().to_string());
        if let Some(author) = author {
            receipt = receipt.attr("participant", author);
        }
        if !others.is_empty() {
            let items: Vec<_> = others
                .iter()
                .map(|id| NodeBuilder::new("item").attr("id", *id).build())
                .collect();
            receipt = receipt.children([NodeBuilder::new("list").children(items).build()]);
        }
        client.send_node(receipt.build()).await.map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, author: Option<&str>) -> MessageKey {
        MessageKey {
            wa_message_id: id.into(),
            from_me: false,
            author: author.map(Into::into),
        }
    }

    #[test]
    fn in_a_group_every_author_gets_a_receipt_of_their_own_and_elsewhere_there_is_one() {
        let ann = Some("15550001001@s.whatsapp.net");
        let messages = [
            key("A", ann),
            key("B", Some("15550001002@s.whatsapp.net")),
            key("C", ann),
        ];
        let group = "120363021033254949@g.us".parse().unwrap();
        let receipts = by_author(&group, &messages);
        assert_eq!(receipts.len(), 2);
        assert_eq!(receipts[0].1, ["A", "C"]);
        let contact = "15550001001@s.whatsapp.net".parse().unwrap();
        assert_eq!(by_author(&contact, &messages).len(), 1);
    }
}
