//! What a phone itself can change in the app state, each change in its collection, with its index and its version.
//!
//! Sources: wacore-appstate src/schemas.rs (collections, versions and index parts); Baileys Utils/chat-utils.ts
//! (`chatModificationToAppPatch`), which agrees except for stars: it puts them into `regular_low`, the schema into
//! `regular_high`.

use buffa::MessageField;
use serde::Deserialize;
use waproto::whatsapp::SyncActionValue;
use waproto::whatsapp::sync_action_value::{
    ArchiveChatAction, ClearChatAction, ContactAction, DeleteChatAction, DeleteMessageForMeAction,
    LabelAssociationAction, LabelEditAction, MarkChatAsReadAction, MuteAction, PinAction, PushNameSetting, StarAction,
    SyncActionMessageRange,
};

/// A change, ready to be encrypted.
#[derive(Clone, Debug)]
pub struct Change {
    /// The collection it belongs to.
    pub collection: &'static str,
    /// The version of the action's schema.
    pub version: i32,
    /// What it is about.
    pub index: Vec<String>,
    /// The new value.
    pub value: SyncActionValue,
    /// True when the entry is to be removed.
    pub removes: bool,
}

fn yes() -> bool {
    true
}

/// What a person does on the phone; `on: false` takes it back. Chats and people are JIDs in either spelling.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Archives a chat.
    Archive {
        /// The chat.
        chat: String,
        /// False to fetch it back.
        #[serde(default = "yes")]
        on: bool,
    },
    /// Pins a chat.
    Pin {
        /// The chat.
        chat: String,
        /// False to unpin it.
        #[serde(default = "yes")]
        on: bool,
    },
    /// Mutes a chat.
    Mute {
        /// The chat.
        chat: String,
        /// False to unmute it.
        #[serde(default = "yes")]
        on: bool,
        /// Until when, in milliseconds since 1970; -1 or nothing means for ever.
        until: Option<i64>,
    },
    /// Marks a chat as read.
    Read {
        /// The chat.
        chat: String,
        /// False to mark it as unread.
        #[serde(default = "yes")]
        on: bool,
    },
    /// Stars a message.
    Star {
        /// The message.
        #[serde(flatten)]
        message: MessageIndex,
        /// False to take the star away.
        #[serde(default = "yes")]
        on: bool,
    },
    /// Deletes a message on the own devices only.
    DeleteMessage {
        /// The message.
        #[serde(flatten)]
        message: MessageIndex,
        /// Whether downloaded media goes too.
        #[serde(default = "yes")]
        delete_media: bool,
        /// When the message was sent, in seconds since 1970.
        timestamp: Option<i64>,
    },
    /// Deletes a chat.
    DeleteChat {
        /// The chat.
        chat: String,
    },
    /// Empties a chat.
    ClearChat {
        /// The chat.
        chat: String,
        /// Whether starred messages go too.
        #[serde(default = "yes")]
        delete_starred: bool,
    },
    /// Saves a person in the address book, or renames one.
    Contact {
        /// The person's number or JID.
        who: String,
        /// The whole name.
        #[serde(default)]
        name: String,
        /// The first name.
        first_name: Option<String>,
        /// The person's LID, if it is to be told.
        lid: Option<String>,
        /// False to remove the person.
        #[serde(default = "yes")]
        on: bool,
    },
    /// Creates or changes a label.
    Label {
        /// The label's identifier.
        id: String,
        /// Its name.
        #[serde(default)]
        name: String,
        /// Its colour, 0 to 19.
        #[serde(default)]
        color: i32,
        /// False to delete it.
        #[serde(default = "yes")]
        on: bool,
    },
    /// Puts a label on a chat.
    LabelChat {
        /// The label.
        label: String,
        /// The chat.
        chat: String,
        /// False to take it off.
        #[serde(default = "yes")]
        on: bool,
    },
    /// Puts a label on a message.
    LabelMessage {
        /// The label.
        label: String,
        /// The message.
        #[serde(flatten)]
        message: MessageIndex,
        /// False to take it off.
        #[serde(default = "yes")]
        on: bool,
    },
    /// Sets the push name.
    PushName {
        /// The name.
        name: String,
    },
}

/// Which message a change is about.
#[derive(Clone, Debug, Deserialize)]
pub struct MessageIndex {
    chat: String,
    id: String,
    #[serde(default)]
    from_me: bool,
    participant: Option<String>,
}

impl MessageIndex {
    fn parts(&self) -> [String; 4] {
        [
            self.chat.clone(),
            self.id.clone(),
            flag(self.from_me),
            self.participant.clone().unwrap_or_else(|| "0".to_owned()),
        ]
    }
}

fn flag(on: bool) -> String {
    if on { "1" } else { "0" }.to_owned()
}

fn range() -> MessageField<SyncActionMessageRange> {
    let now = i64::try_from(crate::clock::unix_seconds()).unwrap_or(i64::MAX);
    MessageField::some(SyncActionMessageRange {
        last_message_timestamp: Some(now),
        ..Default::default()
    })
}

impl Change {
    fn new(collection: &'static str, version: i32, name: &str, arguments: impl IntoIterator<Item = String>) -> Self {
        Self {
            collection,
            version,
            index: std::iter::once(name.to_owned()).chain(arguments).collect(),
            value: SyncActionValue {
                timestamp: Some(i64::try_from(crate::clock::unix_milliseconds()).unwrap_or(i64::MAX)),
                ..Default::default()
            },
            removes: false,
        }
    }

    fn with(mut self, fill: impl FnOnce(&mut SyncActionValue)) -> Self {
        fill(&mut self.value);
        self
    }

    /// The push name.
    pub fn push_name(name: &str) -> Self {
        Self::new("critical_block", 1, "setting_pushName", []).with(|value| {
            value.push_name_setting = MessageField::some(PushNameSetting {
                name: Some(name.to_owned()),
            });
        })
    }

    /// The salt for tokens (wacore-appstate src/schemas.rs, `NCT_SALT_SYNC`).
    pub fn salt(salt: &[u8]) -> Self {
        Self::new("regular_high", 1, "nct_salt_sync", []).with(|value| {
            value.nct_salt_sync_action = MessageField::some(waproto::whatsapp::sync_action_value::NctSaltSyncAction {
                salt: Some(salt.to_vec()),
            });
        })
    }
}

impl From<Action> for Change {
    fn from(action: Action) -> Self {
        match action {
            Action::Archive { chat, on } => Self::new("regular_low", 3, "archive", [chat]).with(|value| {
                value.archive_chat_action = MessageField::some(ArchiveChatAction {
                    archived: Some(on),
                    message_range: range(),
                });
            }),
            Action::Pin { chat, on } => Self::new("regular_low", 5, "pin_v1", [chat]).with(|value| {
                value.pin_action = MessageField::some(PinAction { pinned: Some(on) });
            }),
            Action::Mute { chat, on, until } => Self::new("regular_high", 2, "mute", [chat]).with(|value| {
                value.mute_action = MessageField::some(MuteAction {
                    muted: Some(on),
                    mute_end_timestamp: on.then_some(until.unwrap_or(-1)),
                    ..Default::default()
                });
            }),
            Action::Read { chat, on } => Self::new("regular_low", 3, "markChatAsRead", [chat]).with(|value| {
                value.mark_chat_as_read_action = MessageField::some(MarkChatAsReadAction {
                    read: Some(on),
                    message_range: range(),
                });
            }),
            Action::Star { message, on } => Self::new("regular_high", 2, "star", message.parts()).with(|value| {
                value.star_action = MessageField::some(StarAction { starred: Some(on) });
            }),
            Action::DeleteMessage {
                message,
                delete_media,
                timestamp,
            } => Self::new("regular_high", 3, "deleteMessageForMe", message.parts()).with(|value| {
                value.delete_message_for_me_action = MessageField::some(DeleteMessageForMeAction {
                    delete_media: Some(delete_media),
                    message_timestamp: timestamp,
                });
            }),
            Action::DeleteChat { chat } => {
                Self::new("regular_high", 6, "deleteChat", [chat, flag(true)]).with(|value| {
                    value.delete_chat_action = MessageField::some(DeleteChatAction { message_range: range() });
                })
            }
            Action::ClearChat { chat, delete_starred } => {
                let arguments = [chat, flag(delete_starred), flag(false)];
                Self::new("regular_high", 6, "clearChat", arguments).with(|value| {
                    value.clear_chat_action = MessageField::some(ClearChatAction { message_range: range() });
                })
            }
            other => Self::of_names_and_labels(other),
        }
    }
}

impl Change {
    fn of_names_and_labels(action: Action) -> Self {
        match action {
            Action::Contact {
                who,
                name,
                first_name,
                lid,
                on,
            } => {
                let who = if who.contains('@') {
                    who
                } else {
                    format!("{who}@s.whatsapp.net")
                };
                let mut change = Self::new("critical_unblock_low", 2, "contact", [who]).with(|value| {
                    value.contact_action = MessageField::some(ContactAction {
                        full_name: Some(name),
                        first_name,
                        lid_jid: lid,
                        save_on_primary_addressbook: Some(true),
                        ..Default::default()
                    });
                });
                change.removes = !on;
                change
            }
            Action::Label { id, name, color, on } => Self::new("regular", 3, "label_edit", [id]).with(|value| {
                value.label_edit_action = MessageField::some(LabelEditAction {
                    name: Some(name),
                    color: Some(color),
                    deleted: Some(!on),
                    ..Default::default()
                });
            }),
            Action::LabelChat { label, chat, on } => Self::new("regular", 3, "label_jid", [label, chat])
                .with(|value| value.label_association_action = labeled(on)),
            Action::LabelMessage { label, message, on } => {
                let [chat, id, from_me, participant] = message.parts();
                let arguments = [label, chat, id, from_me, participant];
                Self::new("regular", 3, "label_message", arguments)
                    .with(|value| value.label_association_action = labeled(on))
            }
            Action::PushName { name } => Self::push_name(&name),
            other => Self::from(other),
        }
    }
}

fn labeled(on: bool) -> MessageField<LabelAssociationAction> {
    MessageField::some(LabelAssociationAction {
        labeled: Some(on),
        ..Default::default()
    })
}
