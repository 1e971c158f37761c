//! What is asked of the account besides sending: one operation after the other, in the order of their numbers, while there is a connection.
//!
//! Apart from the messages: neither holds the other up. An operation that finds no connection waits for the next one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;
use shared::ids::CommandId;
use shared::operation::Operation;
use shared::problem::Code;
use shared::store::records::CommandOutcome;
use tokio::time::Instant;

use super::Session;
use crate::engine::OperationError;

/// How long one operation may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Attempts before an operation has failed.
const ATTEMPTS: u32 = 3;
/// The pause before the next attempt.
const PAUSE: Duration = Duration::from_secs(1);

/// An operation that has not ended.
#[derive(Debug)]
struct Waiting {
    sequence: i64,
    command: CommandId,
    operation: Operation,
    attempts: u32,
    /// An earlier holder has tried it already.
    attempted: bool,
}

/// The operations of a session that have not ended.
#[derive(Default)]
pub(super) struct Operations {
    waiting: VecDeque<Waiting>,
    running: Option<BoxFuture<'static, Result<Value, OperationError>>>,
    not_before: Option<Instant>,
}

impl Operations {
    /// Ends the attempt that is running: the connection is gone. It is tried again.
    pub(super) fn connection_lost(&mut self) {
        self.running = None;
    }

    /// Waits for the end of the attempt that is running; for ever when none is.
    pub(super) async fn attempt_ended(&mut self) -> Result<Value, OperationError> {
        super::poll_slot(&mut self.running).await
    }
}

impl Session {
    /// Takes in an operation. `attempted`: an earlier holder may have carried it out.
    pub(super) fn take_operation(&mut self, sequence: i64, command: CommandId, operation: Operation, attempted: bool) {
        let known = self.operations.waiting.iter().any(|other| other.sequence == sequence);
        if known || self.outgoing.lock().is_settled(sequence) {
            return;
        }
        let place = self
            .operations
            .waiting
            .partition_point(|other| other.sequence < sequence);
        let waiting = Waiting {
            sequence,
            command,
            operation,
            attempts: 0,
            attempted,
        };
        self.operations.waiting.insert(place, waiting);
    }

    /// Starts the next operation, if there is one and nothing stands against it.
    pub(super) fn start_operation(&mut self) {
        let (None, Some(open), Some(_)) = (&self.operations.running, &self.engine, self.connected) else {
            return;
        };
        if self.operations.not_before.is_some_and(|time| time > Instant::now()) {
            return;
        }
        let Some(next) = self.operations.waiting.front_mut() else {
            return;
        };
        if next.attempted && !next.operation.is_repeatable() {
            let detail = "it was being done when the worker that did it was lost";
            return self.end_operation(Err((Code::OutcomeUnknown, detail.to_owned())));
        }
        next.attempts += 1;
        let mark = (!next.operation.is_repeatable()).then(|| {
            next.attempted = true;
            next.command
        });
        let engine = Arc::clone(&open.engine);
        let operation = next.operation.clone();
        let (store, session, epoch) = (self.context.store.clone(), self.id(), self.lease.epoch);
        self.operations.running = Some(Box::pin(async move {
            if let Some(command) = mark
                && !matches!(store.note_attempt(session, epoch, command).await, Ok(true))
            {
                // Nothing was asked of WhatsApp yet.
                return Err(OperationError::NotConnected);
            }
            match tokio::time::timeout(PATIENCE, engine.perform(&operation)).await {
                Ok(result) => result,
                Err(_) => Err(OperationError::Failed("WhatsApp did not answer in time".to_owned())),
            }
        }));
    }

    /// An attempt has ended.
    pub(super) fn operation_attempted(&mut self, result: Result<Value, OperationError>) {
        self.operations.running = None;
        let Some(front) = self.operations.waiting.front_mut() else {
            return;
        };
        match result {
            Ok(value) => self.end_operation(Ok(value)),
            Err(OperationError::Refused { code, detail }) => self.end_operation(Err((code, detail))),
            Err(OperationError::NotConnected) => {
                front.attempted = false;
                self.operations.not_before = Some(Instant::now() + PAUSE);
            }
            Err(OperationError::Failed(detail)) => {
                tracing::info!(session = %self.lease.session, kind = front.operation.kind(), detail, "an operation failed");
                if front.attempts >= ATTEMPTS {
                    self.end_operation(Err((Code::Timeout, detail)));
                } else {
                    self.operations.not_before = Some(Instant::now() + PAUSE);
                }
            }
        }
    }

    fn end_operation(&mut self, result: Result<Value, (Code, String)>) {
        let Some(ended) = self.operations.waiting.pop_front() else {
            return;
        };
        let outcome = match result {
            Ok(value) => CommandOutcome::done(ended.command, (!value.is_null()).then_some(value)),
            Err((code, detail)) => CommandOutcome::failed(ended.command, code.as_str(), &detail),
        };
        self.end_command(ended.sequence, outcome);
    }
}
