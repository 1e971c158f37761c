//! Answers questions about the sessions that this worker holds, at once and from memory.

use std::time::Duration;

use futures::StreamExt as _;
use shared::broker::Broker;
use shared::ids::WorkerId;
use shared::query::{Answer, Query, Question};
use shared::subject;
use tokio_util::sync::CancellationToken;

use crate::supervisor::Held;

const RETRY: Duration = Duration::from_millis(500);

/// Answers until `stop` is cancelled.
///
/// # Errors
/// Never; the signature is that of an essential task.
pub async fn answer(broker: Broker, worker: WorkerId, held: Held, stop: CancellationToken) -> anyhow::Result<()> {
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
                let answer = match serde_json::from_slice::<Question>(&question.payload) {
                    Ok(question) => answer_to(&held, &question),
                    Err(error) => {
                        tracing::warn!(%error, "a question cannot be read");
                        continue;
                    }
                };
                match serde_json::to_vec(&answer) {
                    Ok(answer) => {
                        if let Err(error) = broker.client().publish(reply, answer.into()).await {
                            tracing::debug!(%error, "an answer was lost");
                        }
                    }
                    Err(error) => tracing::error!(%error, "an answer could not be written"),
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

fn answer_to(held: &Held, question: &Question) -> Answer {
    let Some(session) = held.get(&question.session_id) else {
        return Answer::NotHeld;
    };
    match question.query {
        Query::Status => Answer::Status(session.status()),
    }
}
