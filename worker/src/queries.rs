//! Answers questions about the sessions that this worker holds: from memory at once, or by asking WhatsApp's server.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Subject;
use futures::StreamExt as _;
use shared::broker::Broker;
use shared::ids::WorkerId;
use shared::problem::Code;
use shared::query::{Answer, Lookup, Query, Question};
use shared::subject;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::engine::{Engine, OperationError};
use crate::supervisor::Held;

const RETRY: Duration = Duration::from_millis(500);
/// How long WhatsApp's server may take to answer a look-up. The asker waits a little longer.
const LOOK_UP_PATIENCE: Duration = Duration::from_secs(14);
/// Look-ups that one worker has running at once, at most.
const MOST_LOOK_UPS: usize = 256;

/// Answers until `stop` is cancelled.
///
/// # Errors
/// Never; the signature is that of an essential task.
pub async fn answer(broker: Broker, worker: WorkerId, held: Held, stop: CancellationToken) -> anyhow::Result<()> {
    let places = Arc::new(Semaphore::new(MOST_LOOK_UPS));
    let running = TaskTracker::new();
    loop {
        match broker
            .client()
            .subscribe(subject::queries_of(broker.region(), worker))
            .await
        {
            Ok(mut questions) => loop {
                let question = tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    question = questions.next() => question,
                };
                let Some(question) = question else { break };
                let Some(reply) = question.reply else { continue };
                let question = match serde_json::from_slice::<Question>(&question.payload) {
                    Ok(question) => question,
                    Err(error) => {
                        tracing::warn!(%error, "a question cannot be read");
                        continue;
                    }
                };
                let Some(session) = held.get(&question.session_id) else {
                    reply_with(&broker, reply, &Answer::NotHeld).await;
                    continue;
                };
                match question.query {
                    Query::Status => reply_with(&broker, reply, &Answer::Status(session.status())).await,
                    Query::LookUp { what } => {
                        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                            reply_with(
                                &broker,
                                reply,
                                &refused(Code::Overloaded, "the worker has too many look-ups running"),
                            )
                            .await;
                            continue;
                        };
                        let (broker, stop) = (broker.clone(), stop.clone());
                        running.spawn(async move {
                            let answer = tokio::select! {
                                () = stop.cancelled() => return,
                                answer = look_up(session.engine(), &what) => answer,
                            };
                            reply_with(&broker, reply, &answer).await;
                            drop(place);
                        });
                    }
                }
            },
            Err(error) => tracing::debug!(%error, "questions are not heard right now"),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

async fn look_up(engine: Option<Arc<dyn Engine>>, lookup: &Lookup) -> Answer {
    let looked_up = match engine {
        Some(engine) => tokio::time::timeout(LOOK_UP_PATIENCE, engine.look_up(lookup)).await,
        None => Ok(Err(OperationError::NotConnected)),
    };
    match looked_up {
        Ok(Ok(value)) => Answer::Found { value },
        Ok(Err(OperationError::NotConnected)) => {
            refused(Code::SessionNotConnected, "the session has no connection right now")
        }
        Ok(Err(OperationError::Refused { code, detail })) => refused(code, &detail),
        Ok(Err(OperationError::Failed(detail))) => refused(Code::Unavailable, &detail),
        Err(_) => refused(Code::Timeout, "WhatsApp did not answer in time"),
    }
}

fn refused(code: Code, detail: &str) -> Answer {
    Answer::Refused {
        code: code.as_str().to_owned(),
        detail: detail.to_owned(),
    }
}

async fn reply_with(broker: &Broker, reply: Subject, answer: &Answer) {
    match serde_json::to_vec(answer) {
        Ok(answer) => {
            if let Err(error) = broker.client().publish(reply, answer.into()).await {
                tracing::debug!(%error, "an answer was lost");
            }
        }
        Err(error) => tracing::error!(%error, "an answer could not be written"),
    }
}
