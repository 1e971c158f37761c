//! Commands of a session: reading them, sending messages in their order, answering the others at once.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use shared::command::{Command, Envelope, SendMessage};
use shared::ids::CommandId;
use shared::operation::Operation;
use shared::problem::Code;
use shared::session::{Goal, SessionStatus};
use shared::store::backlog::QueuedCommand;
use shared::store::leases::Release;
use shared::store::records::CommandOutcome;
use tokio::time::Instant;

use super::outgoing::Offer;
use super::recorder::Decision;
use super::{Letter, Next, Session};
use crate::engine::{PairingError, SendError};
use crate::metrics;

/// Commands that one reading takes from the database.
const READ: i64 = 500;
/// How long one message may take to get onto the wire: the engine may have to ask WhatsApp about the recipient's devices first.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);
/// The slowest that a file may go to WhatsApp's media servers before the message counts as stuck, in bytes a second.
const SLOWEST_UPLOAD: u64 = 128 * 1024;
/// The pause before a message is tried again for which something of ours is away.
const WAITING_PAUSE: Duration = Duration::from_secs(2);
/// How long WhatsApp may take to give a pairing code.
const PAIRING_TIMEOUT: Duration = Duration::from_secs(25);

/// What came of asking for a pairing code.
pub(super) struct PairingAnswer {
    sequence: i64,
    command: CommandId,
    result: Result<(String, DateTime<Utc>), PairingError>,
}

/// What is to be done about a command besides noting it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Restart,
    Stop,
    Logout,
    Delete,
}

impl Session {
    /// Reads the commands that wait. `None`: the claim is lost.
    pub(super) async fn read_backlog(&mut self) -> Option<Vec<i64>> {
        let mut after = 0;
        let mut verbs = Vec::new();
        loop {
            let commands = loop {
                match self.context.store.queued_commands(self.id(), after, READ).await {
                    Ok(commands) => break commands,
                    Err(error) => {
                        tracing::debug!(session = %self.id(), %error, "the backlog is read later");
                        tokio::select! {
                            () = self.claim.wait_until_lost() => return None,
                            () = tokio::time::sleep(Duration::from_millis(200)) => {}
                        }
                    }
                }
            };
            let Some(last) = commands.last().map(|command| command.sequence) else {
                break;
            };
            after = last;
            for command in commands {
                verbs.extend(self.take_queued(command));
            }
            self.outgoing.lock().read_up_to(last);
        }
        Some(verbs)
    }

    /// Takes in a command that waits. Answers its number if it is about the session itself, and such are answered by whatever the goal is.
    fn take_queued(&mut self, queued: QueuedCommand) -> Option<i64> {
        let QueuedCommand {
            id,
            sequence,
            command,
            maybe_sent,
            attempted,
        } = queued;
        if self.outgoing.lock().is_settled(sequence) {
            return None;
        }
        match command {
            Ok(Command::SendMessage(message)) => {
                self.outgoing.lock().add(sequence, id, *message, maybe_sent);
                None
            }
            Ok(Command::RequestPairingCode { phone }) => {
                self.ask_for_pairing_code(sequence, id, phone);
                None
            }
            Ok(Command::Operation(operation)) => {
                self.take_operation(sequence, id, operation, attempted);
                None
            }
            // The goal says what is wanted; these commands only ask to be told when it is reached. Stopping, unlinking and removing answer them
            // when they are done.
            Ok(Command::Start | Command::Restart) => {
                self.end_command(sequence, CommandOutcome::done(id, None));
                None
            }
            Ok(Command::Stop | Command::Logout | Command::Delete) => {
                self.pending_verbs.push((sequence, id));
                Some(sequence)
            }
            Ok(Command::ApplySettings) => {
                self.note_changed_settings(sequence, id);
                None
            }
            Err(error) => {
                tracing::error!(session = %self.id(), command = %id, %error, "a command row holds no command");
                self.end_command(
                    sequence,
                    CommandOutcome::failed(
                        id,
                        Code::Internal.as_str(),
                        "the command cannot be read by this version",
                    ),
                );
                None
            }
        }
    }

    /// A letter came.
    pub(super) async fn received(&mut self, letter: Letter) -> Next {
        match letter {
            Letter::HandOver => self.hand_over().await,
            Letter::Behind => self.catch_up().await,
            Letter::Command(envelope) => {
                let offer = self.outgoing.lock().offer(envelope.sequence);
                match offer {
                    Offer::Known => Next::Continue,
                    Offer::Gap => self.catch_up().await,
                    Offer::Taken => self.execute(*envelope).await,
                }
            }
        }
    }

    /// Reads from the database what the broker has not brought.
    async fn catch_up(&mut self) -> Next {
        let Some(verbs) = self.read_backlog().await else {
            return Next::Finish(None);
        };
        if verbs.is_empty() {
            return Next::Continue;
        }
        // A verb among them: the goal says which one still counts.
        match self.context.store.goal_of(self.id(), self.lease.epoch).await {
            Ok(Some(Goal::Started)) => {
                self.answer_verbs();
                Next::Continue
            }
            Ok(Some(Goal::Stopping | Goal::Stopped)) => self.carry_out(Verb::Stop).await,
            Ok(Some(Goal::LoggingOut)) => self.carry_out(Verb::Logout).await,
            Ok(Some(Goal::Deleting)) => self.carry_out(Verb::Delete).await,
            Ok(None) => Next::Finish(None),
            // The sweep will come again.
            Err(_) => Next::Continue,
        }
    }

    async fn execute(&mut self, envelope: Envelope) -> Next {
        let Envelope {
            id, sequence, command, ..
        } = envelope;
        match command {
            Command::SendMessage(message) => {
                self.outgoing.lock().add(sequence, id, *message, false);
                Next::Continue
            }
            Command::RequestPairingCode { phone } => {
                self.ask_for_pairing_code(sequence, id, phone);
                Next::Continue
            }
            Command::Operation(operation) => {
                self.take_operation(sequence, id, operation, false);
                Next::Continue
            }
            Command::Start => {
                self.end_command(sequence, CommandOutcome::done(id, None));
                Next::Continue
            }
            Command::ApplySettings => {
                self.note_changed_settings(sequence, id);
                Next::Continue
            }
            Command::Restart => {
                self.end_command(sequence, CommandOutcome::done(id, None));
                self.carry_out(Verb::Restart).await
            }
            Command::Stop => {
                self.pending_verbs.push((sequence, id));
                self.carry_out(Verb::Stop).await
            }
            Command::Logout => {
                self.pending_verbs.push((sequence, id));
                self.carry_out(Verb::Logout).await
            }
            Command::Delete => {
                self.pending_verbs.push((sequence, id));
                self.carry_out(Verb::Delete).await
            }
        }
    }

    async fn carry_out(&mut self, verb: Verb) -> Next {
        match verb {
            Verb::Restart => {
                self.wait_for_answers().await;
                self.close_engine().await;
                self.recorder
                    .decide(Decision::Status(SessionStatus::Starting, Some("restarted")));
                self.reopen_at = Some(Instant::now());
                Next::Continue
            }
            Verb::Stop => Next::Finish(self.stop().await),
            Verb::Logout => Next::Finish(self.log_out().await),
            Verb::Delete => Next::Finish(self.delete().await),
        }
    }

    async fn hand_over(&mut self) -> Next {
        self.wait_for_answers().await;
        self.close_engine().await;
        Next::Finish((!self.claim.is_lost()).then_some(Release::HandOver))
    }

    /// Notes the end of a command that is no message.
    pub(super) fn end_command(&mut self, sequence: i64, outcome: CommandOutcome) {
        self.end_performed(sequence, outcome, None);
    }

    /// The same for an operation that was carried out.
    pub(super) fn end_performed(&mut self, sequence: i64, outcome: CommandOutcome, performed: Option<Box<Operation>>) {
        self.outgoing.lock().remember(sequence);
        self.recorder.decide(Decision::CommandEnded {
            sequence,
            outcome,
            performed,
        });
    }

    /// Tells those who asked for a verb that what they wanted is the case.
    pub(super) fn answer_verbs(&mut self) {
        for (sequence, command) in std::mem::take(&mut self.pending_verbs) {
            self.end_command(sequence, CommandOutcome::done(command, None));
        }
    }

    fn ask_for_pairing_code(&mut self, sequence: i64, command: CommandId, phone: String) {
        let refuse = |code: Code, detail: &str| CommandOutcome::failed(command, code.as_str(), detail);
        if self.linked {
            return self.end_command(
                sequence,
                refuse(Code::SessionAlreadyPaired, "an account is already linked"),
            );
        }
        let Some(open) = &self.engine else {
            // Just claimed: ask again when the engine is open. A command that waits too long is answered by whoever asked.
            self.pending_pairing = Some((sequence, command, phone));
            return;
        };
        if self.asking.is_some() {
            return self.end_command(
                sequence,
                refuse(Code::PairingFailed, "another pairing code is being asked for"),
            );
        }
        let engine = Arc::clone(&open.engine);
        self.asking = Some(Box::pin(async move {
            let result = match tokio::time::timeout(PAIRING_TIMEOUT, engine.request_pairing_code(&phone)).await {
                Ok(result) => result
                    .map(|(code, lifetime)| (code, Utc::now() + TimeDelta::from_std(lifetime).unwrap_or_default())),
                Err(_) => Err(PairingError::Refused("WhatsApp did not answer in time".to_owned())),
            };
            PairingAnswer {
                sequence,
                command,
                result,
            }
        }));
    }

    /// Asks for the pairing code that was wanted before the engine was open.
    pub(super) fn ask_for_pending_pairing_code(&mut self) {
        if let Some((sequence, command, phone)) = self.pending_pairing.take() {
            self.ask_for_pairing_code(sequence, command, phone);
        }
    }

    pub(super) fn answered_pairing(&mut self, answer: PairingAnswer) {
        let PairingAnswer {
            sequence,
            command,
            result,
        } = answer;
        match result {
            Ok((code, expires_at)) => {
                self.outgoing.lock().remember(sequence);
                self.recorder.decide(Decision::PairingCode {
                    sequence,
                    command,
                    code,
                    expires_at,
                });
            }
            Err(error) => {
                let code = match &error {
                    PairingError::AlreadyPaired => Code::SessionAlreadyPaired,
                    PairingError::NotConnected => Code::SessionNotConnected,
                    PairingError::Refused(_) => Code::PairingFailed,
                };
                self.end_command(
                    sequence,
                    CommandOutcome::failed(command, code.as_str(), &error.to_string()),
                );
            }
        }
    }

    /// Starts sending the next message, if there is one and nothing stands against it.
    pub(super) fn start_sending(&mut self) {
        let (None, Some(open), Some(connected)) = (&self.sending, &self.engine, self.connected) else {
            return;
        };
        if self.sending_not_before.is_some_and(|time| time > Instant::now()) {
            return;
        }
        let certain = Instant::now() >= connected.certain_at;
        let Some((sequence, message)) = self.outgoing.lock().next_to_send(certain) else {
            return;
        };
        let engine = Arc::clone(&open.engine);
        self.sending = Some(Box::pin(async move {
            let started = Instant::now();
            let result = match tokio::time::timeout(send_timeout(&message), engine.send(&message)).await {
                Ok(result) => result,
                Err(_) => Err(SendError::Failed("it took too long".to_owned())),
            };
            (sequence, started, result)
        }));
    }

    /// An attempt to send has ended.
    pub(super) fn sent(&mut self, sequence: i64, started: Instant, result: Result<(), SendError>) {
        let failure = match result {
            Ok(()) => {
                metrics::message_written(started.elapsed());
                self.outgoing.lock().written(sequence);
                return;
            }
            Err(failure) => failure,
        };
        tracing::info!(session = %self.id(), sequence, %failure, "a message was not sent");
        match failure {
            SendError::NotConnected => {
                self.outgoing.lock().not_written(sequence, false);
                // The engine says when it is connected again; until then nothing is tried.
                self.connected = None;
            }
            SendError::Waiting(_) => {
                self.outgoing.lock().not_written(sequence, false);
                self.sending_not_before = Some(Instant::now() + WAITING_PAUSE);
            }
            SendError::Failed(_) => self.outgoing.lock().not_written(sequence, true),
            SendError::NotOnWhatsapp => self.fail(sequence, Code::NotOnWhatsapp, "the recipient does not use WhatsApp"),
            SendError::Refused(reason) => self.fail(sequence, Code::MessageRefused, &reason),
        }
    }

    /// Ends a message that will not be sent.
    pub(super) fn fail(&self, sequence: i64, code: Code, detail: &str) {
        let found = self
            .outgoing
            .lock()
            .iter()
            .find(|(other, _)| *other == sequence)
            .map(|(_, outgoing)| outgoing.clone());
        if let Some(outgoing) = found {
            self.outgoing.lock().settle(sequence);
            self.recorder.decide(Decision::MessageFailed {
                sequence,
                command: outgoing.command,
                message: Box::new(outgoing.message),
                code,
                detail: detail.to_owned(),
            });
        }
    }

    /// Looks at what has taken too long.
    pub(super) fn on_tick(&mut self) -> Next {
        let (expired, exhausted) = {
            let mut outgoing = self.outgoing.lock();
            (outgoing.expire(Instant::now()), outgoing.exhausted())
        };
        if expired > 0 {
            tracing::warn!(session = %self.id(), expired, "WhatsApp has not answered: sending again under the same ids");
        }
        for (sequence, _) in exhausted {
            self.fail(
                sequence,
                Code::Timeout,
                "WhatsApp's server did not answer any attempt; the message may have been delivered",
            );
        }
        let (waiting, settled) = {
            let outgoing = self.outgoing.lock();
            (outgoing.len(), outgoing.settled_messages())
        };
        if let Some(since) = self.stall.look(waiting, settled) {
            tracing::warn!(session = %self.id(), waiting, "messages wait and none gets any further");
            self.recorder.decide(Decision::Stalled { waiting, since });
        }
        Next::Continue
    }
}

/// How long one message may take: one with a file as long as its bytes take. The file goes twice through the worker, once for its hash.
fn send_timeout(message: &SendMessage) -> Duration {
    let size = message.content.media().and_then(|media| media.size).unwrap_or_default();
    SEND_TIMEOUT + Duration::from_secs(2 * size / SLOWEST_UPLOAD)
}
