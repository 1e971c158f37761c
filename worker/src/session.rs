//! One session under one claim: from taking it up to giving it back.
//!
//! A session is one task with a mailbox. It opens an engine, keeps it open, executes commands in their order and stops when the goal is reached,
//! when it is asked to hand over, or when the claim is lost. What happens on the connection goes to the [`recorder`] first and comes here once it is
//! stored. A panic here ends this session and no other.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use shared::command::Envelope;
use shared::ids::{CommandId, SessionId, WorkerId};
use shared::query::LiveStatus;
use shared::seal::{DataKey, RegionSecretKey};
use shared::session::{Goal, SessionStatus};
use shared::store::Store;
use shared::store::backlog::HeldSession;
use shared::store::leases::{Lease, Release};
use shared::store::records::Account;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::Instant;

use crate::authority::Authority;
use crate::engine::{EndReason, Engine, EngineEvent, EngineFactory, NoEngine, SendError};
use crate::gate::{Claim, Closed, Gate};
use crate::media::MediaOutcome;
use crate::media::intake::Intake;
use crate::relay::Relay;

mod commands;
mod ending;
mod opening;
mod operations;
pub mod outgoing;
pub mod recorder;
pub mod scribe;
mod settings;
mod stall;

use operations::Operations;
use outgoing::OutgoingMessages;
use recorder::{Decision, Notice, Recorder, RecorderHandle, WeakRecorderHandle};
use scribe::Scribe;
use stall::Stall;

/// Letters that wait for a session, at most. A command that finds it full is read from the database later.
const MAILBOX: usize = 64;
/// How often timers are looked at.
const TICK: Duration = Duration::from_millis(500);
/// After a login, how long doubtful messages wait for a sign that WhatsApp has them, if it does not say that nothing more is coming.
const EVIDENCE_PATIENCE: Duration = Duration::from_secs(3);
/// After WhatsApp has delivered what had waited, reports may still be on their way for so long.
const EVIDENCE_MARGIN: Duration = Duration::from_millis(300);
/// How long the recorder may take to store what it was given before the session is gone.
const RECORDER_PATIENCE: Duration = Duration::from_secs(30);
/// Pauses before a broken engine is opened again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// What all sessions of a worker share.
pub struct Context {
    /// The database.
    pub store: Store,
    /// Opens engines.
    pub engines: Arc<dyn EngineFactory>,
    /// Where stored events go.
    pub relay: Relay,
    /// Opens what gateways have sealed.
    pub region_key: RegionSecretKey,
    /// Whether this worker may act.
    pub authority: Authority,
    /// This worker.
    pub worker: WorkerId,
    /// Engines that are opened at once, at most.
    pub openings: Semaphore,
    /// Connections on which a session shows QR codes before it gives up; each shows six of them.
    pub qr_rounds: u32,
    /// How long messages may wait without any of them getting further before the session says so.
    pub stalled_after: Duration,
    /// Days for which received files are kept; 0: for ever.
    pub media_days: i32,
    /// Rung when files wait to be fetched.
    pub media_bell: Arc<Notify>,
}

/// What a session can be told.
#[derive(Debug)]
pub enum Letter {
    /// A command that the broker carried.
    Command(Box<Envelope>),
    /// Commands wait in the database.
    Behind,
    /// Give the session to somebody else.
    HandOver,
}

/// The way to a session. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SessionHandle {
    /// What is held.
    pub lease: Lease,
    /// Ends the claim at once.
    pub claim: Claim,
    letters: mpsc::Sender<Letter>,
    view: watch::Receiver<LiveStatus>,
    current: CurrentEngine,
    recorder: CurrentRecorder,
}

/// The engine that a session has open, if it lives. Whoever looks keeps it no longer than its answer takes.
type CurrentEngine = Arc<Mutex<Weak<dyn Engine>>>;

/// The way into the session's recorder, once it has one.
type CurrentRecorder = Arc<OnceLock<WeakRecorderHandle>>;

impl SessionHandle {
    /// Puts a letter into the mailbox. Answers whether there was room.
    #[must_use]
    pub fn tell(&self, letter: Letter) -> bool {
        self.letters.try_send(letter).is_ok()
    }

    /// How the session is right now.
    #[must_use]
    pub fn status(&self) -> LiveStatus {
        self.view.borrow().clone()
    }

    /// The engine that is open, if one is.
    #[must_use]
    pub fn engine(&self) -> Option<Arc<dyn Engine>> {
        self.current.lock().upgrade()
    }

    /// Stores how the fetching of a file has ended. Answers whether it is durable.
    pub async fn media_ended(&self, outcome: MediaOutcome) -> bool {
        let Some(recorder) = self.recorder.get().and_then(WeakRecorderHandle::upgrade) else {
            return false;
        };
        recorder.decide_and_wait(Decision::MediaEnded(Box::new(outcome))).await
    }
}

/// Prepares a session. The future is its whole life; it answers how the lease is to be given back, `None` if it is lost.
pub fn start(
    context: Arc<Context>,
    lease: Lease,
) -> (SessionHandle, impl Future<Output = Option<Release>> + Send + 'static) {
    let claim = Claim::default();
    let (letters, mailbox) = mpsc::channel(MAILBOX);
    let (view_sender, view) = watch::channel(LiveStatus {
        status: SessionStatus::Stopped,
        reason: None,
        holder: context.worker,
        epoch: lease.epoch,
        connected_since: None,
        last_event_at: None,
    });
    let nothing: Weak<NoEngine> = Weak::new();
    let current: CurrentEngine = Arc::new(Mutex::new(nothing));
    let recorder = CurrentRecorder::default();
    let handle = SessionHandle {
        lease,
        claim: claim.clone(),
        letters,
        view,
        current: Arc::clone(&current),
        recorder: Arc::clone(&recorder),
    };
    let life = hold(context, lease, claim, mailbox, view_sender, current, recorder);
    (handle, life)
}

async fn hold(
    context: Arc<Context>,
    lease: Lease,
    claim: Claim,
    mailbox: mpsc::Receiver<Letter>,
    view: watch::Sender<LiveStatus>,
    current: CurrentEngine,
    current_recorder: CurrentRecorder,
) -> Option<Release> {
    let held = match context.store.held_session(lease.session).await {
        Ok(Some(held)) => held,
        // Removed by hand: there is nothing to hold.
        Ok(None) => return Some(Release::Stop { reached: lease.goal }),
        Err(error) => {
            tracing::warn!(session = %lease.session, %error, "a claimed session could not be read");
            return Some(Release::Later(FIRST_PAUSE));
        }
    };
    let account = held.account.as_ref().map(|party| Account {
        jid: party.jid.clone(),
        phone: party.phone.clone(),
        lid: party.lid.clone(),
        push_name: None,
    });
    view.send_modify(|view| view.status = held.status);
    let outgoing = Arc::new(Mutex::new(OutgoingMessages::default()));
    let scribe = Scribe::new(
        lease.tenant,
        lease.session,
        lease.epoch,
        context.worker,
        held.settings.ignore.clone(),
        account.clone(),
        view,
        Arc::clone(&outgoing),
    )
    .taking_media(Intake {
        region_key: context.region_key.public(),
        download: held.settings.media.download,
        days: context.media_days,
    });
    let (notice_sender, notices) = mpsc::unbounded_channel();
    let (recorder, recording) = Recorder {
        store: context.store.clone(),
        relay: context.relay.clone(),
        session: lease.session,
        epoch: lease.epoch,
        claim: claim.clone(),
        scribe,
        outgoing: Arc::clone(&outgoing),
        notices: notice_sender,
        media_bell: Arc::clone(&context.media_bell),
    }
    .start();
    let stalled_after = context.stalled_after;
    current_recorder.set(recorder.downgrade()).ok();
    let mut session = Session {
        context,
        lease,
        claim,
        mailbox,
        notices,
        recorder,
        outgoing,
        linked: account.is_some(),
        held,
        key: None,
        engine: None,
        engines_opened: 0,
        sending: None,
        asking: None,
        operations: Operations::default(),
        stall: Stall::new(stalled_after),
        current,
        pending_verbs: Vec::new(),
        changed_settings: Vec::new(),
        pending_pairing: None,
        reopen_at: Some(Instant::now()),
        pause: FIRST_PAUSE,
        sending_not_before: None,
        connected: None,
        qr_rounds: 0,
    };
    let release = session.run().await;
    session.end_engine().await;
    // The recorder ends once everything it was given is stored, and only then may another worker take over.
    drop(session);
    let abort = recording.abort_handle();
    match tokio::time::timeout(RECORDER_PATIENCE, recording).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => tracing::error!(session = %lease.session, "a recorder panicked"),
        Err(_) => {
            tracing::error!(session = %lease.session, "something of a session outlives it: ending its recorder");
            abort.abort();
        }
    }
    release
}

/// A connection that is logged in.
#[derive(Debug, Clone, Copy)]
struct Connected {
    /// From when on no more signs of earlier sends are expected.
    certain_at: Instant,
}

/// The engine that is open, and its gate.
struct OpenEngine {
    engine: Arc<dyn Engine>,
    gate: Gate,
    number: u32,
}

/// A message on its way into the socket.
type Sending = BoxFuture<'static, (i64, Instant, Result<(), SendError>)>;

struct Session {
    context: Arc<Context>,
    lease: Lease,
    claim: Claim,
    mailbox: mpsc::Receiver<Letter>,
    notices: mpsc::UnboundedReceiver<Notice>,
    recorder: RecorderHandle,
    outgoing: Arc<Mutex<OutgoingMessages>>,
    held: HeldSession,
    linked: bool,
    key: Option<DataKey>,
    engine: Option<OpenEngine>,
    engines_opened: u32,
    sending: Option<Sending>,
    asking: Option<BoxFuture<'static, commands::PairingAnswer>>,
    operations: Operations,
    stall: Stall,
    /// Where look-ups find the engine.
    current: CurrentEngine,
    /// Commands about the session itself that are answered when what they want is the case: number and id.
    pending_verbs: Vec<(i64, CommandId)>,
    /// Commands that say that the settings have changed, until these are read: number and id.
    changed_settings: Vec<(i64, CommandId)>,
    /// A pairing code that was asked for before the engine was open.
    pending_pairing: Option<(i64, CommandId, String)>,
    reopen_at: Option<Instant>,
    pause: Duration,
    /// Nothing is sent before: something of ours that the next message needs is away.
    sending_not_before: Option<Instant>,
    connected: Option<Connected>,
    qr_rounds: u32,
}

/// What one of the session's steps asks for.
enum Next {
    /// Go on.
    Continue,
    /// Stop, and give the lease back like this; `None`: it is lost.
    Finish(Option<Release>),
}

impl Session {
    fn id(&self) -> SessionId {
        self.lease.session
    }

    async fn run(&mut self) -> Option<Release> {
        self.read_backlog().await?;
        match self.lease.goal {
            Goal::Started => {
                self.answer_verbs();
                self.recorder.decide(Decision::Status(SessionStatus::Starting, None));
                self.live().await
            }
            Goal::Stopped | Goal::Stopping => self.stop().await,
            Goal::LoggingOut => self.log_out().await,
            Goal::Deleting => self.delete().await,
        }
    }

    /// Keeps the session connected and executes its commands, until something ends it.
    async fn live(&mut self) -> Option<Release> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.apply_changed_settings().await;
            self.start_sending();
            self.start_operation();
            let gate = self.engine.as_ref().map(|open| open.gate.clone());
            let reopen_at = self.reopen_at;
            let next = tokio::select! {
                biased;
                () = self.claim.wait_until_lost() => Next::Finish(None),
                Some(notice) = self.notices.recv() => self.heard(notice).await,
                Some(letter) = self.mailbox.recv() => self.received(letter).await,
                (sequence, started, result) = poll_slot(&mut self.sending), if self.sending.is_some() => {
                    self.sending = None;
                    self.sent(sequence, started, result);
                    Next::Continue
                }
                answer = poll_slot(&mut self.asking), if self.asking.is_some() => {
                    self.asking = None;
                    self.answered_pairing(answer);
                    Next::Continue
                }
                attempt = self.operations.attempt_ended() => {
                    self.operation_attempted(attempt);
                    Next::Continue
                }
                closed = wait_until_closed(gate.as_ref()), if gate.is_some() => self.gate_closed(closed).await,
                () = tokio::time::sleep_until(reopen_at.unwrap_or_else(Instant::now)), if reopen_at.is_some() => self.open_engine().await,
                _ = tick.tick() => self.on_tick(),
            };
            if let Next::Finish(release) = next {
                return release;
            }
        }
    }

    /// Something happened on a connection, and is stored.
    async fn heard(&mut self, notice: Notice) -> Next {
        if self.engine.as_ref().is_none_or(|open| open.number != notice.engine) {
            return Next::Continue;
        }
        match notice.event {
            EngineEvent::Paired(_) => self.linked = true,
            EngineEvent::Connected(_) => {
                self.linked = true;
                self.pause = FIRST_PAUSE;
                self.connected = Some(Connected {
                    certain_at: Instant::now() + EVIDENCE_PATIENCE,
                });
            }
            EngineEvent::CaughtUp => {
                if let Some(connected) = &mut self.connected {
                    connected.certain_at = connected.certain_at.min(Instant::now() + EVIDENCE_MARGIN);
                }
            }
            EngineEvent::Disconnected { .. } | EngineEvent::Connecting { .. } => self.connection_lost(),
            EngineEvent::QrCodesExhausted => {
                self.qr_rounds += 1;
                if self.qr_rounds >= self.context.qr_rounds {
                    self.recorder
                        .decide(Decision::Status(SessionStatus::Failed, Some("qr_timeout")));
                    return Next::Finish(Some(Release::Stop { reached: Goal::Started }));
                }
                self.reopen(Duration::ZERO).await;
            }
            EngineEvent::Ended(reason) => return self.ended(reason).await,
            EngineEvent::QrCode { .. }
            | EngineEvent::PairingCodeExpired
            | EngineEvent::Acknowledged { .. }
            | EngineEvent::Receipt(_)
            | EngineEvent::Presence(_)
            | EngineEvent::Starred { .. }
            | EngineEvent::Chat(_)
            | EngineEvent::People(_)
            | EngineEvent::GroupKnown(_)
            | EngineEvent::GroupsKnown(_)
            | EngineEvent::GroupLeft(_)
            | EngineEvent::Group(_)
            | EngineEvent::Status(_)
            | EngineEvent::ReadElsewhere { .. } => {}
        }
        Next::Continue
    }

    /// The engine has ended by itself.
    async fn ended(&mut self, reason: EndReason) -> Next {
        tracing::info!(session = %self.id(), ?reason, "the engine has ended");
        let stop = Release::Stop { reached: Goal::Started };
        match reason {
            EndReason::LoggedOut { .. } => {
                self.end_engine().await;
                self.forget_account().await;
                Next::Finish((!self.claim.is_lost()).then_some(stop))
            }
            // Either another worker has the session, which the lease tells, or somebody else has the credentials. Never fight.
            EndReason::Replaced => match self.context.store.goal_of(self.id(), self.lease.epoch).await {
                Ok(None) => Next::Finish(None),
                Ok(Some(_)) | Err(_) => Next::Finish(Some(stop)),
            },
            EndReason::Banned { .. } => Next::Finish(Some(stop)),
            EndReason::Outdated => Next::Finish(Some(Release::Later(Duration::from_secs(600)))),
            EndReason::Refused { .. } => Next::Finish(Some(Release::Later(Duration::from_secs(60)))),
            EndReason::Broken { cause } => {
                tracing::error!(session = %self.id(), cause, "the engine broke: opening a new one");
                self.reopen_after_pause().await;
                Next::Continue
            }
            EndReason::Closed => {
                self.reopen_after_pause().await;
                Next::Continue
            }
        }
    }

    async fn gate_closed(&mut self, closed: Closed) -> Next {
        match closed {
            Closed::Fenced => Next::Finish(None),
            Closed::Poisoned | Closed::Ended => {
                self.reopen_after_pause().await;
                Next::Continue
            }
        }
    }
}

/// Polls the future in a slot that is known to be filled.
async fn poll_slot<T>(slot: &mut Option<BoxFuture<'static, T>>) -> T {
    if let Some(future) = slot.as_mut() {
        return future.await;
    }
    std::future::pending().await
}

async fn wait_until_closed(gate: Option<&Gate>) -> Closed {
    match gate {
        Some(gate) => gate.wait_until_closed().await,
        None => std::future::pending().await,
    }
}
