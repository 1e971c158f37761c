//! Turns what the engine tells, and what the session decides, into facts to store: events, messages, outcomes, status. No I/O.
//!
//! Everything that WhatsApp may tell twice gets a dedupe key, so that a redelivery after a crash becomes no second event.

mod act;
mod arrived;
mod chats;
mod groups;
mod media;
mod people;
mod sent;
mod statuses;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use shared::address::{Address, Party};
use shared::event::{Draft, Event, LinkCode, PresenceUpdated, SessionStatusChanged};
use shared::ids::{CommandId, SessionId, TenantId, WorkerId};
use shared::message::MessageStatus;
use shared::query::LiveStatus;
use shared::session::{IgnoreSettings, SessionSettings, SessionStatus};
use shared::store::known_messages::KnownMessages;
use shared::store::read_model::{Change, MediaChange, MessageChange, MessageChanged, MessageTarget};
use shared::store::records::{Account, CommandOutcome, Facts, MessageProgress};
use tokio::sync::watch;

use super::outgoing::OutgoingMessages;
use crate::engine::{EndReason, EngineEvent, Person, PresenceChange};
use crate::media::intake::Intake;

/// Failed attempts in a row after which a session says that it cannot connect.
const FAILURES_TO_REPORT: u32 = 2;

/// Writes up one session under one claim.
pub struct Scribe {
    tenant: TenantId,
    session: SessionId,
    epoch: i64,
    worker: WorkerId,
    ignore: IgnoreSettings,
    account: Option<Account>,
    view: watch::Sender<LiveStatus>,
    outgoing: Arc<Mutex<OutgoingMessages>>,
    /// How files are taken in; `None`: not at all.
    intake: Option<Intake>,
}

/// Facts in the making, and what to do once they are stored.
#[derive(Default)]
pub struct Writing {
    /// What to store.
    pub facts: Facts,
    /// Commands whose end is among the facts: their numbers.
    pub settled: Vec<i64>,
}

impl Writing {
    /// Whether `other`'s progress could be about a message that this one makes: then they must not be stored by one statement.
    #[must_use]
    pub fn must_precede(&self, wa_message_ids: &[String]) -> bool {
        self.facts
            .messages
            .iter()
            .any(|message| wa_message_ids.contains(&message.wa_message_id))
    }

    /// Whether these facts change a chat: messages that arrive later must not be stored by the same statement, which stores messages first.
    #[must_use]
    pub fn changes_a_chat(&self) -> bool {
        self.facts
            .changes
            .iter()
            .any(|change| matches!(change, Change::Chat(_) | Change::ReadElsewhere(_)))
    }

    /// Whether files wait to be fetched once this is stored.
    #[must_use]
    pub fn awaits_media(&self) -> bool {
        self.facts
            .changes
            .iter()
            .any(|change| matches!(change, Change::Media(MediaChange::Arrived(_))))
    }

    fn progress(&mut self, progress: MessageProgress) {
        let rank = |status| MessageStatus::ALL.iter().position(|other| *other == status);
        match self
            .facts
            .progress
            .iter_mut()
            .find(|other| other.wa_message_id == progress.wa_message_id)
        {
            Some(other) if rank(other.status) < rank(progress.status) => *other = progress,
            Some(_) => {}
            None => self.facts.progress.push(progress),
        }
    }
}

impl Scribe {
    /// A scribe for a session that was `status` when it was claimed.
    #[expect(clippy::too_many_arguments, reason = "everything that identifies the claim")]
    #[must_use]
    pub fn new(
        tenant: TenantId,
        session: SessionId,
        epoch: i64,
        worker: WorkerId,
        ignore: IgnoreSettings,
        account: Option<Account>,
        view: watch::Sender<LiveStatus>,
        outgoing: Arc<Mutex<OutgoingMessages>>,
    ) -> Self {
        Self {
            tenant,
            session,
            epoch,
            worker,
            ignore,
            account,
            view,
            outgoing,
            intake: None,
        }
    }

    /// The same scribe, taking in files.
    #[must_use]
    pub fn taking_media(mut self, intake: Intake) -> Self {
        self.intake = Some(intake);
        self
    }

    /// Follows changed settings from now on.
    pub fn behave(&mut self, settings: &SessionSettings) {
        self.ignore = settings.ignore.clone();
        if let Some(intake) = &mut self.intake {
            intake.download = settings.media.download;
        }
    }

    /// WhatsApp's ids of the messages for which [`Scribe::engine_event`] or [`Scribe::message`] will want our ids.
    #[must_use]
    pub fn references(event: &EngineEvent) -> &[String] {
        match event {
            EngineEvent::Receipt(receipt) => &receipt.wa_message_ids,
            _ => &[],
        }
    }

    /// WhatsApp's ids of the messages that own messages change whose answer `event` is.
    #[must_use]
    pub fn targets(&self, event: &EngineEvent) -> Vec<String> {
        let answered = match event {
            EngineEvent::Acknowledged { wa_message_id, .. } => std::slice::from_ref(wa_message_id),
            other => Self::references(other),
        };
        let outgoing = self.outgoing.lock();
        let target = |id: &String| {
            let (_, outgoing) = outgoing.by_wa_id(id)?;
            Some(outgoing.message.content.target()?.wa_message_id.clone())
        };
        answered.iter().filter_map(target).collect()
    }

    /// Writes up something that happened on the connection.
    pub fn engine_event(&mut self, writing: &mut Writing, event: &EngineEvent, known: &mut KnownMessages) {
        match event {
            EngineEvent::QrCode { code, lifetime } => {
                let expires_at = Utc::now() + TimeDelta::from_std(*lifetime).unwrap_or_default();
                writing.facts.session.qr = Some(Some((code.clone(), expires_at)));
                self.status(writing, SessionStatus::Qr, None);
                self.event(
                    writing,
                    &Event::SessionQr(LinkCode {
                        code: code.clone(),
                        expires_at,
                    }),
                    None,
                );
            }
            EngineEvent::QrCodesExhausted => writing.facts.session.qr = Some(None),
            EngineEvent::PairingCodeExpired => writing.facts.session.pairing_code = Some(None),
            EngineEvent::Paired(account) => {
                self.linked(writing, account);
                self.status(writing, SessionStatus::Connecting, None);
            }
            EngineEvent::Connecting { failures } => self.connecting(writing, *failures),
            EngineEvent::Connected(account) => {
                self.linked(writing, account);
                self.status(writing, SessionStatus::Connected, None);
            }
            EngineEvent::CaughtUp => {}
            EngineEvent::Disconnected { reason } => {
                if self.account.is_some() {
                    self.status(writing, SessionStatus::Disconnected, Some(reason));
                }
            }
            EngineEvent::Ended(reason) => self.ended(writing, reason),
            EngineEvent::Acknowledged { wa_message_id, refused } => {
                self.acknowledged(writing, wa_message_id, refused.as_deref(), known);
            }
            EngineEvent::Receipt(receipt) => self.receipt(writing, receipt, known),
            EngineEvent::Presence(change) => self.presence(writing, change),
            EngineEvent::Chat(event) => self.chat(writing, event),
            EngineEvent::ReadElsewhere {
                chat,
                wa_message_ids,
                at,
            } => self.read_elsewhere(writing, chat.as_ref(), wa_message_ids, *at),
            EngineEvent::Starred { chat, message, starred } => {
                let target = MessageTarget {
                    wa_message_id: message.wa_message_id.clone(),
                    from_me: message.from_me,
                    chat: party(chat),
                    author: None,
                };
                let what = MessageChanged::Starred(*starred);
                writing
                    .facts
                    .changes
                    .push(Change::Message(MessageChange { target, what }));
            }
            EngineEvent::People(event) => self.people(writing, event),
            EngineEvent::GroupKnown(group) => Self::group_known(writing, group.clone()),
            EngineEvent::GroupsKnown(groups) => Self::groups_known(writing, groups),
            EngineEvent::GroupLeft(group) => Self::group_left(writing, group),
            EngineEvent::Group(news) => self.group_news(writing, news),
            EngineEvent::Status(news) => self.status_news(writing, news),
        }
    }

    /// Notes the account that is linked.
    pub fn linked(&mut self, writing: &mut Writing, account: &Account) {
        let known = self.account.as_ref();
        let account = Account {
            push_name: account
                .push_name
                .clone()
                .or_else(|| known.and_then(|known| known.push_name.clone())),
            ..account.clone()
        };
        if known != Some(&account) {
            writing.facts.session.account = Some(Some(account.clone()));
            self.account = Some(account);
        }
        writing.facts.session.qr = Some(None);
        writing.facts.session.pairing_code = Some(None);
    }

    /// Notes that no account is linked any more.
    pub fn unlinked(&mut self, writing: &mut Writing) {
        self.account = None;
        writing.facts.session.account = Some(None);
        writing.facts.session.qr = Some(None);
        writing.facts.session.pairing_code = Some(None);
    }

    fn connecting(&mut self, writing: &mut Writing, failures: u32) {
        let linked = self.account.is_some();
        let current = self.view.borrow().status;
        if failures >= FAILURES_TO_REPORT {
            let status = if linked {
                SessionStatus::Disconnected
            } else {
                SessionStatus::Starting
            };
            self.status(writing, status, Some("cannot_connect"));
        } else if linked && current == SessionStatus::Starting {
            self.status(writing, SessionStatus::Connecting, None);
        }
    }

    fn ended(&mut self, writing: &mut Writing, reason: &EndReason) {
        match reason {
            EndReason::LoggedOut { reason } => {
                self.unlinked(writing);
                self.status(writing, SessionStatus::LoggedOut, Some(reason));
            }
            EndReason::Replaced => self.status(writing, SessionStatus::Failed, Some("replaced")),
            EndReason::Banned { code, lasts } => {
                self.status(
                    writing,
                    SessionStatus::Banned,
                    Some(&format!("banned_{code}_for_{}_s", lasts.as_secs())),
                );
            }
            EndReason::Outdated => self.status(writing, SessionStatus::Failed, Some("client_outdated")),
            EndReason::Refused { code } => {
                self.status(writing, SessionStatus::Failed, Some(&format!("refused_{code}")));
            }
            EndReason::Broken { .. } | EndReason::Closed => {}
        }
    }

    /// Notes what the session is now. Says so only when it changes.
    pub fn status(&mut self, writing: &mut Writing, status: SessionStatus, reason: Option<&str>) {
        let reason = reason.map(str::to_owned);
        let changed = {
            let view = self.view.borrow();
            view.status != status || view.reason != reason
        };
        if !changed {
            return;
        }
        self.view.send_modify(|view| {
            view.connected_since = (status == SessionStatus::Connected).then(Utc::now);
            view.status = status;
            view.reason.clone_from(&reason);
        });
        writing.facts.session.status = Some((status, reason.clone()));
        let event = Event::SessionStatus(SessionStatusChanged {
            status,
            reason,
            account: self.account.as_ref().map(party_of),
            holder: self.worker,
            epoch: self.epoch,
        });
        self.event(writing, &event, None);
    }

    /// Notes a pairing code, and with it the end of the command that asked for it.
    pub fn pairing_code(&mut self, writing: &mut Writing, command: CommandId, code: &str, expires_at: DateTime<Utc>) {
        writing.facts.session.pairing_code = Some(Some((code.to_owned(), expires_at)));
        let link_code = LinkCode {
            code: code.to_owned(),
            expires_at,
        };
        let result = serde_json::to_value(&link_code).ok();
        writing.facts.outcomes.push(CommandOutcome::done(command, result));
        self.event(writing, &Event::SessionPairingCode(link_code), None);
    }

    fn presence(&mut self, writing: &mut Writing, change: &PresenceChange) {
        Self::keep_presence(writing, change);
        let event = Event::PresenceUpdated(PresenceUpdated {
            chat: party(&change.chat),
            from: party(&change.from),
            presence: change.presence.to_owned(),
            last_seen: change.last_seen,
        });
        self.event(writing, &event, None);
    }

    fn event(&self, writing: &mut Writing, event: &Event, dedupe_key: Option<String>) {
        self.event_at(writing, event, Utc::now(), dedupe_key);
    }

    fn event_at(&self, writing: &mut Writing, event: &Event, at: DateTime<Utc>, dedupe_key: Option<String>) {
        // Within one statement the database cannot see what the statement itself writes.
        if dedupe_key.is_some() && writing.facts.events.iter().any(|draft| draft.dedupe_key == dedupe_key) {
            return;
        }
        match Draft::new(self.tenant, self.session, event, at, dedupe_key) {
            Ok(draft) => writing.facts.events.push(draft),
            Err(error) => tracing::error!(session = %self.session, %error, "an event could not be written as JSON"),
        }
        self.view.send_modify(|view| view.last_event_at = Some(Utc::now()));
    }
}

fn party(person: &Person) -> Party {
    Party::new(&person.address, person.alternative.as_ref())
}

fn party_of(account: &Account) -> Party {
    let jid = account.phone.as_ref().map_or_else(
        || account.jid.clone(),
        |phone| Address::Phone(phone.clone()).to_string(),
    );
    Party {
        jid,
        phone: account.phone.clone(),
        lid: account.lid.clone(),
    }
}

#[cfg(test)]
mod tests;
