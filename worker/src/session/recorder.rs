//! Stores what becomes known about one session, in order and in batches, and passes it on once it is stored.
//!
//! One recorder per claim. It is the only writer of the session's events; it runs apart from the session's other work, because a message on its way
//! out waits at the gate for what came in before it to be stored.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use shared::command::SendMessage;
use shared::ids::{CommandId, SessionId};
use shared::operation::Operation;
use shared::problem::Code;
use shared::session::{SessionSettings, SessionStatus};
use shared::store::Store;
use shared::store::known_messages::KnownMessages;
use shared::store::records::{Account, CommandOutcome, RecordError, RecordedEvent};
use tokio::sync::{Notify, mpsc, oneshot};

use super::outgoing::OutgoingMessages;
use super::scribe::{Scribe, Writing};
use crate::engine::{EngineEvent, HistoryPart, IncomingMessage, Listener, NotRecorded};
use crate::gate::{Claim, Closed, Gate};
use crate::media::MediaOutcome;
use crate::metrics;
use crate::relay::Relay;

/// Items that one statement stores at most.
const BATCH: usize = 128;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Something to store.
pub enum Item {
    /// Something happened on a connection.
    Happened {
        /// What.
        event: EngineEvent,
        /// The gate of the engine that told it, and the number to report there.
        gate: Gate,
        /// See [`Gate::hand_over`].
        ticket: u64,
        /// Which of the session's engines told it.
        engine: u32,
    },
    /// Messages arrived; whoever sent them waits for the answer.
    Arrived {
        /// The messages.
        messages: Vec<IncomingMessage>,
        /// Answered when they are durable.
        durable: oneshot::Sender<()>,
    },
    /// A part of the phone's history came; whoever reads it waits for the answer.
    History {
        /// The part.
        part: Box<HistoryPart>,
        /// Answered when it is durable.
        durable: oneshot::Sender<()>,
    },
    /// The session has decided something.
    Decided {
        /// What.
        decision: Decision,
        /// Answered when it is durable.
        durable: Option<oneshot::Sender<()>>,
    },
}

/// What a session decides by itself.
pub enum Decision {
    /// What it is now, and why.
    Status(SessionStatus, Option<&'static str>),
    /// Messages wait and none gets any further.
    Stalled {
        /// How many.
        waiting: usize,
        /// Since when.
        since: DateTime<Utc>,
    },
    /// Imported credentials were taken over.
    Imported(Account),
    /// No account is linked any more.
    Unlinked,
    /// A command of another kind than a message has ended.
    CommandEnded {
        /// Its number.
        sequence: i64,
        /// How.
        outcome: CommandOutcome,
        /// The operation, if it was one and was carried out.
        performed: Option<Box<Operation>>,
    },
    /// A pairing code was given.
    PairingCode {
        /// The number of the command that asked for it.
        sequence: i64,
        /// The command.
        command: CommandId,
        /// The code.
        code: String,
        /// Until when it works.
        expires_at: DateTime<Utc>,
    },
    /// The session is to behave like this from now on.
    Settings(Box<SessionSettings>),
    /// The fetching of a file has ended.
    MediaEnded(Box<MediaOutcome>),
    /// A message will not be sent.
    MessageFailed {
        /// The number of its command.
        sequence: i64,
        /// The command.
        command: CommandId,
        /// The message.
        message: Box<SendMessage>,
        /// Why.
        code: Code,
        /// The same for people.
        detail: String,
    },
}

/// What the session is told once it is stored.
#[derive(Debug)]
pub struct Notice {
    /// Which of the session's engines it came from.
    pub engine: u32,
    /// What happened.
    pub event: EngineEvent,
}

/// The way into a session's recorder. Cheap to clone.
#[derive(Clone)]
pub struct RecorderHandle {
    items: mpsc::UnboundedSender<Item>,
}

impl RecorderHandle {
    /// Stores a decision some time soon, in order.
    pub fn decide(&self, decision: Decision) {
        // A recorder that is gone has lost its claim: nothing may be stored any more.
        let _gone = self.items.send(Item::Decided {
            decision,
            durable: None,
        });
    }

    /// Stores a decision, and everything before it. Answers whether it is durable.
    pub async fn decide_and_wait(&self, decision: Decision) -> bool {
        let (durable, stored) = oneshot::channel();
        if self
            .items
            .send(Item::Decided {
                decision,
                durable: Some(durable),
            })
            .is_err()
        {
            return false;
        }
        stored.await.is_ok()
    }

    /// The same way, which does not keep the recorder going.
    #[must_use]
    pub fn downgrade(&self) -> WeakRecorderHandle {
        WeakRecorderHandle {
            items: self.items.downgrade(),
        }
    }

    /// A listener for one engine of the session.
    #[must_use]
    pub fn listener(&self, gate: Gate, engine: u32) -> Arc<dyn Listener> {
        Arc::new(EngineListener {
            items: self.items.clone(),
            gate,
            engine,
            order: Mutex::new(()),
        })
    }
}

/// The way into a session's recorder for those who outlive the session.
#[derive(Debug, Clone)]
pub struct WeakRecorderHandle {
    items: mpsc::WeakUnboundedSender<Item>,
}

impl WeakRecorderHandle {
    /// The way in; `None` when the session is over.
    #[must_use]
    pub fn upgrade(&self) -> Option<RecorderHandle> {
        let items = self.items.upgrade()?;
        Some(RecorderHandle { items })
    }
}

struct EngineListener {
    items: mpsc::UnboundedSender<Item>,
    gate: Gate,
    engine: u32,
    /// Tickets must enter the queue in their order.
    order: Mutex<()>,
}

#[async_trait]
impl Listener for EngineListener {
    fn event(&self, event: EngineEvent) {
        let _order = self.order.lock();
        let ticket = self.gate.hand_over();
        let _gone = self.items.send(Item::Happened {
            event,
            gate: self.gate.clone(),
            ticket,
            engine: self.engine,
        });
    }

    async fn messages(&self, messages: Vec<IncomingMessage>) -> Result<(), NotRecorded> {
        let (durable, stored) = oneshot::channel();
        self.items
            .send(Item::Arrived { messages, durable })
            .map_err(|_| NotRecorded)?;
        tokio::select! {
            biased;
            stored = stored => stored.map_err(|_| NotRecorded),
            _ = self.gate.wait_until_closed() => Err(NotRecorded),
        }
    }

    async fn history(&self, part: HistoryPart) -> Result<(), NotRecorded> {
        let (durable, stored) = oneshot::channel();
        self.items
            .send(Item::History {
                part: Box::new(part),
                durable,
            })
            .map_err(|_| NotRecorded)?;
        tokio::select! {
            biased;
            stored = stored => stored.map_err(|_| NotRecorded),
            _ = self.gate.wait_until_closed() => Err(NotRecorded),
        }
    }
}

/// Stores what becomes known about one session.
pub struct Recorder {
    /// The database.
    pub store: Store,
    /// Where stored events go.
    pub relay: Relay,
    /// The session.
    pub session: SessionId,
    /// The claim's fencing token.
    pub epoch: i64,
    /// The claim.
    pub claim: Claim,
    /// Writes it up.
    pub scribe: Scribe,
    /// Shared with the session: what is settled once it is stored.
    pub outgoing: Arc<Mutex<OutgoingMessages>>,
    /// Where the session hears of it.
    pub notices: mpsc::UnboundedSender<Notice>,
    /// Rung when files wait to be fetched.
    pub media_bell: Arc<Notify>,
}

impl Recorder {
    /// Starts the recorder. It ends when every handle is gone and everything is stored, or when the claim is lost.
    pub fn start(self) -> (RecorderHandle, tokio::task::JoinHandle<()>) {
        let (items, queue) = mpsc::unbounded_channel();
        // Its session waits for it.
        let task = tokio::spawn(self.run(queue));
        (RecorderHandle { items }, task)
    }

    async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Item>) {
        let mut items = Vec::with_capacity(BATCH);
        while queue.recv_many(&mut items, BATCH).await > 0 {
            if self.store_items(&mut items).await.is_err() {
                // Whoever still waits learns from the closed channel that nothing was stored.
                return;
            }
        }
    }

    async fn store_items(&mut self, items: &mut Vec<Item>) -> Result<(), Fenced> {
        let mut known = self.known_messages(items).await?;
        let mut batch = Batch::default();
        for item in items.drain(..) {
            if batch.must_precede(&item) {
                self.store_batch(std::mem::take(&mut batch)).await?;
            }
            batch.take_in(&mut self.scribe, item, &mut known);
        }
        self.store_batch(batch).await
    }

    /// The stored messages that the items are about.
    async fn known_messages(&self, items: &[Item]) -> Result<KnownMessages, Fenced> {
        let mut wanted: Vec<String> = Vec::new();
        for item in items {
            match item {
                Item::Happened { event, .. } => {
                    wanted.extend_from_slice(Scribe::references(event));
                    wanted.extend(self.scribe.targets(event));
                }
                Item::Arrived { messages, .. } => {
                    wanted.extend(messages.iter().filter_map(Scribe::message_reference).cloned());
                }
                Item::History { .. } | Item::Decided { .. } => {}
            }
        }
        if wanted.is_empty() {
            return Ok(KnownMessages::new());
        }
        let mut pause = FIRST_PAUSE;
        loop {
            match self.store.known_messages(self.session, &wanted).await {
                Ok(known) => return Ok(known),
                Err(error) if error.is_unavailable() => self.pause(&mut pause).await?,
                Err(error) => {
                    // A bug. Events without our ids are worth more than no events.
                    tracing::error!(session = %self.session, error = ?error, "messages could not be looked up");
                    return Ok(KnownMessages::new());
                }
            }
        }
    }

    async fn store_batch(&mut self, batch: Batch) -> Result<(), Fenced> {
        let mut recorded = Vec::new();
        if !batch.writing.facts.is_empty() {
            recorded = self.record(&batch.writing).await?;
        }
        let outcomes: Vec<CommandId> = batch
            .writing
            .facts
            .outcomes
            .iter()
            .map(CommandOutcome::command)
            .collect();
        {
            let mut outgoing = self.outgoing.lock();
            for sequence in &batch.writing.settled {
                outgoing.settle(*sequence);
            }
        }
        for (gate, ticket) in batch.tickets {
            gate.committed(ticket);
        }
        for durable in batch.durable {
            let _nobody_waits = durable.send(());
        }
        if batch.writing.awaits_media() {
            self.media_bell.notify_one();
        }
        metrics::events_recorded(recorded.len());
        self.relay.publish(self.session, recorded).await;
        for command in outcomes {
            self.relay.hint_outcome(command).await;
        }
        for notice in batch.notices {
            let _session_gone = self.notices.send(notice);
        }
        Ok(())
    }

    async fn record(&self, writing: &Writing) -> Result<Vec<RecordedEvent>, Fenced> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.store.record(self.session, self.epoch, &writing.facts).await {
                Ok(recorded) => return Ok(recorded),
                Err(RecordError::Fenced) => {
                    tracing::warn!(session = %self.session, epoch = self.epoch, "the claim is over: stopping the session");
                    self.claim.lose();
                    return Err(Fenced);
                }
                Err(RecordError::Store(error)) if error.is_unavailable() => self.pause(&mut pause).await?,
                Err(RecordError::Store(error)) => {
                    // A bug. Going on without these facts would lose them; giving the session up makes WhatsApp deliver them again, and shows.
                    tracing::error!(session = %self.session, error = ?error, "facts could not be stored: giving the session up");
                    metrics::record_failed();
                    self.claim.lose();
                    return Err(Fenced);
                }
            }
        }
    }

    async fn pause(&self, pause: &mut Duration) -> Result<(), Fenced> {
        tokio::select! {
            () = self.claim.wait_until_lost() => return Err(Fenced),
            () = tokio::time::sleep(*pause) => {}
        }
        *pause = (*pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// The claim is over: nothing may be stored any more.
struct Fenced;

/// What one statement stores, and whom to tell afterwards.
#[derive(Default)]
struct Batch {
    writing: Writing,
    tickets: Vec<(Gate, u64)>,
    durable: Vec<oneshot::Sender<()>>,
    notices: Vec<Notice>,
}

impl Batch {
    /// Whether this batch must be stored before `item` can be written up: one statement does not see the messages that it inserts itself.
    fn must_precede(&self, item: &Item) -> bool {
        match item {
            Item::Happened { event, .. } => self.writing.must_precede(Scribe::references(event)),
            Item::Arrived { .. } | Item::History { .. } => self.writing.changes_a_chat(),
            Item::Decided { .. } => false,
        }
    }

    fn take_in(&mut self, scribe: &mut Scribe, item: Item, known: &mut KnownMessages) {
        match item {
            Item::Happened {
                event,
                gate,
                ticket,
                engine,
            } => {
                // What an engine says after its gate is closed is about a connection that is gone; only its end still counts.
                if gate.closed().is_none_or(|closed| closed == Closed::Poisoned) {
                    scribe.engine_event(&mut self.writing, &event, known);
                }
                self.tickets.push((gate, ticket));
                self.notices.push(Notice { engine, event });
            }
            Item::Arrived { messages, durable } => {
                for message in &messages {
                    scribe.message(&mut self.writing, message, known);
                }
                self.durable.push(durable);
            }
            Item::History { part, durable } => {
                scribe.history(&mut self.writing, &part);
                self.durable.push(durable);
            }
            Item::Decided { decision, durable } => {
                self.decided(scribe, decision);
                self.durable.extend(durable);
            }
        }
    }

    fn decided(&mut self, scribe: &mut Scribe, decision: Decision) {
        let writing = &mut self.writing;
        match decision {
            Decision::Status(status, reason) => scribe.status(writing, status, reason),
            Decision::Imported(account) => {
                scribe.linked(writing, &account);
                writing.facts.session.credentials_imported = true;
            }
            Decision::Stalled { waiting, since } => scribe.stalled(writing, waiting, since),
            Decision::Unlinked => scribe.unlinked(writing),
            Decision::CommandEnded {
                sequence,
                outcome,
                performed,
            } => {
                if let Some(operation) = performed {
                    scribe.performed(writing, &operation);
                }
                writing.facts.outcomes.push(outcome);
                writing.settled.push(sequence);
            }
            Decision::PairingCode {
                sequence,
                command,
                code,
                expires_at,
            } => {
                scribe.pairing_code(writing, command, &code, expires_at);
                writing.settled.push(sequence);
            }
            Decision::Settings(settings) => scribe.behave(&settings),
            Decision::MediaEnded(outcome) => scribe.media_ended(writing, &outcome),
            Decision::MessageFailed {
                sequence,
                command,
                message,
                code,
                detail,
            } => {
                scribe.failed(writing, sequence, command, &message, code, &detail);
            }
        }
    }
}
