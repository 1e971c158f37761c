//! A phone's history: chats with messages from before a companion was linked, and how companions get them.
//!
//! At its first login a companion gets all chats with their newest messages (`INITIAL_BOOTSTRAP`), then more messages in
//! parts (`RECENT`), the names of people (`PUSH_NAME`) and what is nice to have (`NON_BLOCKING_DATA`). What is older stays on
//! the phone until the companion asks for it (`ON_DEMAND`). Sources: Baileys Utils/history.ts, Utils/process-message.ts,
//! Socket/messages-recv.ts (`fetchMessageHistory`); whatsapp-rust src/history_sync.rs, src/pdo.rs:209-250.

use buffa::MessageField;
use wacore_binary::Jid;
use waproto::whatsapp::conversation::EndOfHistoryTransferType;
use waproto::whatsapp::history_sync::HistorySyncType;
use waproto::whatsapp::message::peer_data_operation_request_message::HistorySyncOnDemandRequest;
use waproto::whatsapp::{Conversation, HistorySync, HistorySyncMsg, PhoneNumberToLIDMapping, Pushname, WebMessageInfo};

use crate::accounts::{Account, Spelling};
use crate::network::Network;

/// Everything a phone has from before.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The chats.
    pub chats: Vec<Chat>,
    /// The push names of people, by address.
    pub names: Vec<(String, String)>,
    /// How it is cut into parts.
    pub parts: Parts,
}

/// How a history is cut into parts.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// How many messages of each chat come with the bootstrap.
    pub initial: usize,
    /// How many messages of each chat a companion gets unasked, those of the bootstrap included.
    pub unasked: usize,
    /// How many messages fit into one later part.
    pub size: usize,
    /// How many compressed bytes of a part may ride inside the message that announces it; larger parts go through the media
    /// store.
    pub inline: usize,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            initial: 1,
            unasked: 50,
            size: 200,
            inline: 64 * 1024,
        }
    }
}

/// A chat with its messages, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct Chat {
    /// What it is, without messages.
    pub conversation: Box<Conversation>,
    /// Its messages.
    pub messages: Vec<WebMessageInfo>,
}

impl Chat {
    fn with(&self, messages: &[WebMessageInfo]) -> Conversation {
        // Newest first, as phones send them.
        let numbered = messages.iter().enumerate().rev();
        Conversation {
            messages: numbered
                .map(|(place, message)| HistorySyncMsg {
                    message: MessageField::some(message.clone()),
                    msg_order_id: Some(place as u64 + 1),
                })
                .collect(),
            ..(*self.conversation).clone()
        }
    }
}

impl History {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.chats.is_empty() && self.names.is_empty()
    }

    /// What a new companion gets, in order.
    pub fn for_new_companion(&self, network: &Network, account: &Account) -> Vec<HistorySync> {
        let own_name = Pushname {
            id: Some(account.jid(Spelling::Number, 0).to_string()),
            pushname: Some(account.state().name.clone()),
        };
        let experiments = account.state().settings.tokens.experiments;
        let salt = experiments
            .history_has_salt
            .then(|| crate::people::tokens::salt(network, account));
        let mut parts = vec![HistorySync {
            sync_type: HistorySyncType::INITIAL_BOOTSTRAP,
            conversations: self
                .chats
                .iter()
                .map(|chat| chat.with(newest(&chat.messages, self.parts.initial)))
                .collect(),
            pushnames: vec![own_name],
            phone_number_to_lid_mappings: self.mappings(network),
            nct_salt: salt,
            ..Default::default()
        }];
        if !self.is_empty() {
            parts.extend(self.recent());
            parts.push(HistorySync {
                sync_type: HistorySyncType::PUSH_NAME,
                pushnames: self.names.iter().map(push_name).collect(),
                ..Default::default()
            });
            parts.push(HistorySync {
                sync_type: HistorySyncType::NON_BLOCKING_DATA,
                ..Default::default()
            });
        }
        number(&mut parts);
        parts
    }

    /// The messages between those of the bootstrap and those that only come on demand; each part ends with the chats whose
    /// messages are complete.
    fn recent(&self) -> Vec<HistorySync> {
        let size = self.parts.size.max(1);
        let mut parts = Vec::new();
        for chat in &self.chats {
            let unasked = newest(&chat.messages, self.parts.unasked);
            let left = unasked.len().saturating_sub(self.parts.initial);
            let later = &unasked[..left];
            let more = unasked.len() < chat.messages.len();
            // From the newest to the oldest, and at least one part to say where the chat ends.
            let mut pieces: Vec<&[WebMessageInfo]> = later.rchunks(size).collect();
            if pieces.is_empty() {
                pieces.push(&[]);
            }
            let last = pieces.len() - 1;
            for (place, piece) in pieces.into_iter().enumerate() {
                let mut conversation = chat.with(piece);
                if place == last {
                    conversation.end_of_history_transfer = Some(true);
                    conversation.end_of_history_transfer_type = Some(if more {
                        EndOfHistoryTransferType::COMPLETE_BUT_MORE_MESSAGES_REMAIN_ON_PRIMARY
                    } else {
                        EndOfHistoryTransferType::COMPLETE_AND_NO_MORE_MESSAGE_REMAIN_ON_PRIMARY
                    });
                }
                push(&mut parts, conversation, size);
            }
        }
        parts
    }

    fn mappings(&self, network: &Network) -> Vec<PhoneNumberToLIDMapping> {
        let people = self.chats.iter().filter_map(|chat| {
            let jid: Jid = chat.conversation.id.parse().ok()?;
            network.accounts.find(&jid)
        });
        people
            .map(|person| PhoneNumberToLIDMapping {
                pn_jid: Some(person.jid(Spelling::Number, 0).to_string()),
                lid_jid: Some(person.jid(Spelling::Lid, 0).to_string()),
            })
            .collect()
    }

    /// The messages before the oldest one that a companion has, as the answer to its request. `None` for an unknown chat.
    pub fn on_demand(&self, network: &Network, request: &HistorySyncOnDemandRequest) -> Option<HistorySync> {
        let wanted = request.chat_jid.as_deref()?;
        let chat = self
            .chats
            .iter()
            .find(|chat| same_chat(network, &chat.conversation.id, wanted))?;
        let known = request.oldest_msg_id.as_deref();
        let end = chat
            .messages
            .iter()
            .position(|message| message.key.id.as_deref() == known)
            .unwrap_or_else(|| older_than(&chat.messages, request.oldest_msg_timestamp_ms));
        let count = usize::try_from(request.on_demand_msg_count.unwrap_or(50)).unwrap_or(0);
        let start = end.saturating_sub(count);
        let mut conversation = chat.with(&chat.messages[start..end]);
        conversation.id = wanted.to_owned();
        conversation.end_of_history_transfer = Some(true);
        conversation.end_of_history_transfer_type = Some(if start > 0 {
            EndOfHistoryTransferType::COMPLETE_ON_DEMAND_SYNC_BUT_MORE_MSG_REMAIN_ON_PRIMARY
        } else {
            EndOfHistoryTransferType::COMPLETE_AND_NO_MORE_MESSAGE_REMAIN_ON_PRIMARY
        });
        Some(HistorySync {
            sync_type: HistorySyncType::ON_DEMAND,
            conversations: vec![conversation],
            chunk_order: Some(1),
            progress: Some(100),
            ..Default::default()
        })
    }
}

fn push_name((id, name): &(String, String)) -> Pushname {
    Pushname {
        id: Some(id.clone()),
        pushname: Some(name.clone()),
    }
}

fn newest(messages: &[WebMessageInfo], count: usize) -> &[WebMessageInfo] {
    &messages[messages.len().saturating_sub(count)..]
}

fn older_than(messages: &[WebMessageInfo], milliseconds: Option<i64>) -> usize {
    let limit = milliseconds.and_then(|limit| u64::try_from(limit).ok());
    let Some(limit) = limit.filter(|limit| *limit > 0) else {
        return messages.len();
    };
    messages.partition_point(|message| message.message_timestamp.unwrap_or(0).saturating_mul(1_000) < limit)
}

/// Adds a conversation to the last part if it fits, or to a new one.
fn push(parts: &mut Vec<HistorySync>, conversation: Conversation, size: usize) {
    if let Some(last) = parts.last_mut() {
        let held: usize = last.conversations.iter().map(|held| held.messages.len()).sum();
        if held + conversation.messages.len() <= size {
            last.conversations.push(conversation);
            return;
        }
    }
    parts.push(HistorySync {
        sync_type: HistorySyncType::RECENT,
        conversations: vec![conversation],
        ..Default::default()
    });
}

/// Parts of one kind are numbered from 1, and the progress grows over all that carry messages.
fn number(parts: &mut [HistorySync]) {
    let carrying = |part: &HistorySync| {
        matches!(
            part.sync_type,
            HistorySyncType::INITIAL_BOOTSTRAP | HistorySyncType::RECENT
        )
    };
    let all = u32::try_from(parts.iter().filter(|part| carrying(part)).count()).unwrap_or(u32::MAX);
    let mut done = 0;
    let mut recent = 0;
    for part in parts {
        if carrying(part) {
            done += 1;
            part.progress = Some(done * 100 / all.max(1));
        }
        if part.sync_type == HistorySyncType::RECENT {
            recent += 1;
            part.chunk_order = Some(recent);
        } else {
            part.chunk_order = Some(0);
        }
    }
}

fn same_chat(network: &Network, one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let person = |text: &str| network.accounts.find(&text.parse().ok()?).map(|account| account.number);
    person(one).is_some_and(|number| person(other) == Some(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use waproto::whatsapp::MessageKey;

    fn message(id: usize) -> WebMessageInfo {
        WebMessageInfo {
            key: MessageField::some(MessageKey {
                id: Some(id.to_string()),
                ..Default::default()
            }),
            message_timestamp: Some(1_000 + id as u64),
            ..Default::default()
        }
    }

    fn history(messages: usize, parts: Parts) -> History {
        History {
            chats: vec![Chat {
                conversation: Box::new(Conversation {
                    id: "15550001002@s.whatsapp.net".to_owned(),
                    ..Default::default()
                }),
                messages: (1..=messages).map(message).collect(),
            }],
            names: Vec::new(),
            parts,
        }
    }

    fn identifiers(part: &HistorySync) -> Vec<String> {
        let messages = part.conversations.iter().flat_map(|chat| &chat.messages);
        messages.filter_map(|message| message.message.key.id.clone()).collect()
    }

    #[test]
    fn recent_parts_continue_where_the_bootstrap_ends_and_say_whether_there_is_more() {
        let parts = Parts {
            initial: 2,
            unasked: 7,
            size: 3,
            inline: 0,
        };
        let recent = history(10, parts).recent();
        let got: Vec<Vec<String>> = recent.iter().map(identifiers).collect();
        assert_eq!(got, [vec!["8", "7", "6"], vec!["5", "4"]]);
        let end = recent[1].conversations[0].end_of_history_transfer_type;
        assert_eq!(
            end,
            Some(EndOfHistoryTransferType::COMPLETE_BUT_MORE_MESSAGES_REMAIN_ON_PRIMARY)
        );
    }

    #[test]
    fn progress_ends_at_a_hundred() {
        let parts = Parts {
            initial: 1,
            unasked: 10,
            size: 3,
            inline: 0,
        };
        let mut all = history(10, parts).recent();
        number(&mut all);
        let progress: Vec<Option<u32>> = all.iter().map(|part| part.progress).collect();
        assert_eq!(progress, [Some(33), Some(66), Some(100)]);
        assert_eq!(all[2].chunk_order, Some(3));
    }

    #[test]
    fn messages_before_a_time_are_found() {
        let messages: Vec<WebMessageInfo> = (1..=5).map(message).collect();
        assert_eq!(older_than(&messages, Some(1_003_000)), 2);
        assert_eq!(older_than(&messages, None), 5);
    }
}
