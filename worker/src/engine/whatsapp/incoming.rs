//! From the library's words to ours: what happens on the connection, and messages that arrive.
//!
//! Nothing here may panic or block: the library calls on its own tasks, and a panic in a chat's worker would leave that chat dead.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use shared::address::Address;
use shared::content::MessageKey;
use shared::message::MessageStatus;
use shared::store::records::Account;
use wacore::types::events::{ConnectFailureReason, Event, EventHandler, GroupUpdate, LazyHistorySync};
use wacore::types::message::MessageSource;
use wacore::types::presence::{ChatPresence, ChatPresenceMedia, ReceiptType};
use wacore_binary::JidExt as _;
use whatsapp_rust::store::persistence_manager::PersistenceManager;
use whatsapp_rust::types::durability_hook::{InboundDurabilityHook, InboundMessage};
use whatsapp_rust::{Client, Jid, Server};

use super::foreign::foreign;
use super::groups::Me;
use super::tasks::SessionTasks;
use super::transport::GatedTransportFactory;
use crate::engine::{EndReason, EngineEvent, Listener, Person, PresenceChange, Receipt};

mod chats;
mod content;
mod groups;
mod history;
mod people;
mod reading;
mod statuses;

use history::{Own, Transfer};
use people::Sightings;
pub(super) use people::{Habits, known_person};

/// What a message of `source` says, as far as it can be read without the account's keys.
pub(super) fn content_of(
    message: &waproto::whatsapp::Message,
    source: &MessageSource,
) -> Option<shared::content::Content> {
    let view = content::View {
        source,
        own: &[],
        by_admin: false,
    };
    content::of(message, &view)
}

/// Makes arrived messages durable before WhatsApp is told that they arrived.
pub(super) struct Hook {
    listener: Arc<dyn Listener>,
    sightings: Sightings,
}

impl Hook {
    pub(super) fn new(listener: Arc<dyn Listener>) -> Self {
        Self {
            listener,
            sightings: Sightings::default(),
        }
    }
}

#[async_trait]
impl InboundDurabilityHook for Hook {
    async fn on_messages(&self, client: Arc<Client>, batch: &[InboundMessage]) -> anyhow::Result<()> {
        for timer in batch.iter().filter_map(|item| chats::timer(&item.message, &item.info)) {
            self.listener.event(timer);
        }
        let messages = reading::all(&client, batch).await;
        if !messages.is_empty() {
            self.listener.messages(messages).await?;
        }
        self.sightings.note(batch, &*self.listener);
        Ok(())
    }
}

/// Hears everything that happens on a session's connection.
pub(super) struct Handler {
    client: Weak<Client>,
    persistence: Arc<PersistenceManager>,
    listener: Arc<dyn Listener>,
    transports: Arc<GatedTransportFactory>,
    closing: Arc<AtomicBool>,
    tasks: SessionTasks,
    habits: Arc<Habits>,
}

impl Handler {
    pub(super) fn new(
        client: Weak<Client>,
        persistence: Arc<PersistenceManager>,
        listener: Arc<dyn Listener>,
        transports: Arc<GatedTransportFactory>,
        closing: Arc<AtomicBool>,
        tasks: SessionTasks,
        habits: Arc<Habits>,
    ) -> Self {
        Self {
            client,
            persistence,
            listener,
            transports,
            closing,
            tasks,
            habits,
        }
    }

    fn history(&self, history: &LazyHistorySync) {
        let own = {
            let device = self.persistence.get_device_snapshot();
            Own {
                phone: device.pn.as_ref().map(Jid::to_non_ad),
                lid: device.lid.as_ref().map(Jid::to_non_ad),
            }
        };
        if let Some(transfer) = Transfer::of(history, self.habits.history_days, own) {
            self.tasks.spawn(transfer.store(Arc::clone(&self.listener)));
        }
    }

    fn connected(&self) {
        self.transports.succeeded();
        self.listener.event(EngineEvent::Connected(
            super::account(&self.persistence).unwrap_or_default(),
        ));
        // The library says at every login that the account is online; its owner's phone then stays silent.
        if self.habits.stay_offline
            && let Some(client) = self.client.upgrade()
        {
            self.tasks.spawn(async move {
                if let Err(error) = client.presence().set_unavailable().await {
                    tracing::debug!(%error, "could not go offline");
                }
            });
        }
    }

    fn paired(&self, jid: &Jid, lid: &Jid) {
        self.listener.event(EngineEvent::Paired(Account {
            jid: jid.to_string(),
            phone: Some(jid.user.to_string()),
            lid: Some(lid.user.to_string()),
            push_name: None,
        }));
        // WhatsApp counts us as linked already; without this a crash in the next minute would leave a device that nobody has the keys of.
        let persistence = Arc::clone(&self.persistence);
        self.tasks.spawn(async move {
            if let Err(error) = persistence.flush().await {
                tracing::error!(%error, "the keys of a freshly linked device could not be stored yet");
            }
        });
    }

    /// The stanza may name the viewer by LID alone: the other id is looked up, which cannot be done here at once.
    fn status_seen(&self, mut receipt: Receipt) {
        let (None, Some(client)) = (&receipt.from.alternative, self.client.upgrade()) else {
            return self.listener.event(EngineEvent::Receipt(receipt));
        };
        let listener = Arc::clone(&self.listener);
        self.tasks.spawn(async move {
            let party = super::groups::both_ids(&client, &receipt.from.address).await;
            receipt.from.alternative = match receipt.from.address {
                Address::Lid(_) => party.phone.map(Address::Phone),
                _ => party.lid.map(Address::Lid),
            };
            listener.event(EngineEvent::Receipt(receipt));
        });
    }

    fn group(&self, update: &GroupUpdate) {
        let Some(client) = self.client.upgrade() else { return };
        let me = Me::of(&client);
        let Some(news) = groups::news(update, &me) else { return };
        let unread = groups::adds_me(&news, &me).then(|| update.group_jid.clone());
        self.listener.event(EngineEvent::Group(news));
        if let Some(group) = unread {
            let listener = Arc::clone(&self.listener);
            self.tasks.spawn(async move {
                match super::group_queries::metadata(&client, &group).await {
                    Ok(metadata) => {
                        let group = super::groups::group(&metadata, &Me::of(&client));
                        listener.event(EngineEvent::GroupKnown(Box::new(group)));
                    }
                    // It is read when somebody asks for it.
                    Err(error) => tracing::debug!(%error, "a group that the account has joined could not be read yet"),
                }
            });
        }
    }

    fn end(&self, reason: EndReason) {
        if !self.closing.load(Ordering::Acquire) {
            self.listener.event(EngineEvent::Ended(reason));
        }
    }
}

impl EventHandler for Handler {
    fn handle_event(&self, event: Arc<Event>) {
        match &*event {
            Event::PairingQrCode(qr) => {
                self.transports.succeeded();
                self.listener.event(EngineEvent::QrCode {
                    code: qr.code.clone(),
                    lifetime: qr.timeout,
                });
            }
            Event::PairingQrCodesExhausted(_) => self.listener.event(EngineEvent::QrCodesExhausted),
            Event::PairingCodeRefresh(_) | Event::PairingCodeError(_) => {
                self.listener.event(EngineEvent::PairingCodeExpired);
            }
            Event::PairSuccess(pairing) => self.paired(&pairing.id, &pairing.lid),
            Event::Connected(_) => self.connected(),
            Event::OfflineSyncCompleted(_) => self.listener.event(EngineEvent::CaughtUp),
            Event::Disconnected(disconnected) => {
                let reason = if disconnected.reason.is_clean_shutdown() {
                    "closed_by_server"
                } else {
                    "connection_lost"
                };
                self.listener.event(EngineEvent::Disconnected {
                    reason: reason.to_owned(),
                });
            }
            Event::LoggedOut(logged_out) => self.end(EndReason::LoggedOut {
                reason: logout_reason(&logged_out.reason).to_owned(),
            }),
            Event::StreamReplaced(_) => self.end(EndReason::Replaced),
            Event::TemporaryBan(ban) => self.end(EndReason::Banned {
                code: ban.code.code().to_string(),
                lasts: ban.expire.to_std().unwrap_or_default(),
            }),
            Event::ClientOutdated(_) => self.end(EndReason::Outdated),
            // These two the library retries by itself.
            Event::ConnectFailure(failure) if failure.reason.should_reconnect() => {}
            Event::ConnectFailure(failure) => self.end(EndReason::Refused {
                code: failure.reason.code().to_string(),
            }),
            Event::ServerAck(ack) if ack.class.as_deref() == Some("message") => {
                self.listener.event(EngineEvent::Acknowledged {
                    wa_message_id: ack.id.clone(),
                    refused: ack.error.clone(),
                });
            }
            Event::Receipt(report) if statuses::has_lost_its_author(&report.source.sender) => {}
            Event::RawNode(stanza) => {
                if let Some(receipt) = statuses::receipt(stanza.get()) {
                    self.status_seen(receipt);
                }
            }
            Event::Receipt(report) => {
                if let Some(event) = chats::read_elsewhere(report, &self.persistence) {
                    self.listener.event(event);
                } else if let Some(receipt) = receipt(report) {
                    self.listener.event(EngineEvent::Receipt(receipt));
                }
            }
            Event::ChatPresence(update) => {
                if let (Some(chat), Some(from)) = (chat(&update.source), sender(&update.source)) {
                    let presence = chat_presence(update.state, update.media);
                    self.listener.event(EngineEvent::Presence(PresenceChange {
                        chat,
                        from,
                        presence,
                        last_seen: None,
                    }));
                }
            }
            Event::Presence(update) => {
                if let Some(from) = person(&update.from, None) {
                    let presence = if update.unavailable { "unavailable" } else { "available" };
                    let change = PresenceChange {
                        chat: from.clone(),
                        from,
                        presence,
                        last_seen: update.last_seen,
                    };
                    self.listener.event(EngineEvent::Presence(change));
                }
            }
            // The hook has had these already; what it did not get (recovered from the phone, newsletters) is made durable here.
            Event::Messages(batch) if !batch.hook_committed => {
                let (listener, event) = (Arc::clone(&self.listener), Arc::clone(&event));
                let Some(client) = self.client.upgrade() else { return };
                self.tasks.spawn(async move {
                    let Event::Messages(batch) = &*event else { return };
                    let messages = reading::all(&client, &batch.messages).await;
                    if !messages.is_empty() && listener.messages(messages).await.is_err() {
                        tracing::warn!("recovered messages were not recorded");
                    }
                });
            }
            Event::StarUpdate(update) => {
                if let Some(chat) = person(&update.chat_jid, None) {
                    self.listener.event(EngineEvent::Starred {
                        chat,
                        message: MessageKey {
                            wa_message_id: foreign(&update.message_id),
                            from_me: update.from_me,
                            author: update.participant_jid.as_ref().map(|jid| foreign(&jid.to_string())),
                        },
                        starred: update.action.starred == Some(true),
                    });
                }
            }
            Event::HistorySync(history) => self.history(history),
            Event::GroupUpdate(update) => self.group(update),
            Event::PictureUpdate(update) if update.jid.is_group() => {
                self.listener.event(EngineEvent::Group(groups::picture(update)));
            }
            other => match chats::of(other) {
                Some(event) => self.listener.event(event),
                None => self.about_people(other),
            },
        }
    }
}

fn logout_reason(reason: &ConnectFailureReason) -> &'static str {
    match reason {
        ConnectFailureReason::LoggedOut => "logged_out_by_phone",
        ConnectFailureReason::AccountLocked => "account_locked",
        _ => "logged_out_by_server",
    }
}

fn chat_presence(state: ChatPresence, media: ChatPresenceMedia) -> &'static str {
    match (state, media) {
        (ChatPresence::Composing, ChatPresenceMedia::Audio) => "recording",
        (ChatPresence::Composing, ChatPresenceMedia::Text) => "composing",
        (ChatPresence::Paused, _) => "paused",
    }
}

/// An address of ours, where the library's names a person or a group.
pub(super) fn address(jid: &Jid) -> Option<Address> {
    let user = jid.user.to_string();
    match jid.server {
        Server::Pn | Server::Hosted | Server::Legacy => Some(Address::Phone(user)),
        Server::Lid | Server::HostedLid => Some(Address::Lid(user)),
        Server::Group => Some(Address::Group(user)),
        Server::Newsletter => Some(Address::Newsletter(user)),
        Server::Broadcast if user == "status" => Some(Address::Status),
        _ => None,
    }
}

pub(super) fn person(jid: &Jid, alternative: Option<&Jid>) -> Option<Person> {
    Some(Person {
        address: address(jid)?,
        alternative: alternative.and_then(address),
    })
}

fn sender(source: &MessageSource) -> Option<Person> {
    person(&source.sender, source.sender_alt.as_ref())
}

/// The conversation. In a direct one it is the other person, whose second name the stanza gives as the sender's or the recipient's.
fn chat(source: &MessageSource) -> Option<Person> {
    if source.is_group || !(source.chat.is_pn() || source.chat.is_lid()) {
        return person(&source.chat, None);
    }
    let alternative = if source.is_from_me {
        source.recipient_alt.as_ref()
    } else {
        source.sender_alt.as_ref()
    };
    person(&source.chat, alternative)
}

fn receipt(report: &wacore::types::events::Receipt) -> Option<Receipt> {
    let status = match report.r#type {
        ReceiptType::Delivered | ReceiptType::Inactive => MessageStatus::Delivered,
        ReceiptType::Read => MessageStatus::Read,
        ReceiptType::Played => MessageStatus::Played,
        _ => return None,
    };
    // Our own devices report to each other; people do not care.
    if report.source.is_from_me {
        return None;
    }
    Some(Receipt {
        chat: chat(&report.source)?,
        from: sender(&report.source)?,
        wa_message_ids: report.message_ids.iter().map(|id| foreign(id)).collect(),
        status,
        at: report.timestamp,
    })
}
