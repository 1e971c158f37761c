//! Sending in a dialect: the canonical API's own use case, called as a function, with the patience that those clients expect.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::ids::MessageId;
use shared::message::Message;
use shared::problem::Code;

use crate::api::messages::request::SendRequest;
use crate::api::messages::send;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::SendMessages;
use crate::database::promptly;
use crate::http::body::{self, FileSubmission, Submission};
use crate::http::prefer::Prefer;
use crate::idempotency::Idempotency;
use crate::problem::Problem;

/// The older APIs answered once WhatsApp's server had the message. We wait so long for that; afterwards the answer says that it is accepted, which it
/// stays.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most that is read of an answer of ours, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Sends a message, written as the canonical API's request, and answers it as it is afterwards.
///
/// # Errors
/// As sending in the canonical API.
pub async fn send(
    app: &App,
    call: &SessionCall<SendMessages>,
    message: &Value,
    idempotency: Option<Idempotency>,
) -> Result<Message, Problem> {
    let request: SendRequest = body::parse(message.to_string().as_bytes())?;
    let prefer = Prefer { wait: Some(PATIENCE) };
    let submission = FileSubmission {
        submission: Submission {
            body: request,
            idempotency,
        },
        // Whoever read the request's file holds its place.
        place: None,
    };
    let response = send::send_message(State(app.clone()), call.clone(), prefer, submission).await?;
    let accepted: AcceptedId = answer(response).await?;
    find(app, call, accepted.id).await
}

/// What both answers to sending have: the one that says "accepted" and the one that shows the message.
#[derive(Debug, serde::Deserialize)]
struct AcceptedId {
    id: MessageId,
}

async fn find(app: &App, call: &SessionCall<SendMessages>, message: MessageId) -> Result<Message, Problem> {
    let found = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        Ok(transaction.message(call.session, message).await?)
    })
    .await?;
    found.ok_or_else(|| Problem::not_found(Code::MessageNotFound))
}

/// Reads what an operation on the account has ended with.
///
/// # Errors
/// [`Code::Timeout`] when it has not ended yet (it may still be done), [`Code::Internal`] when its result is not what is expected.
pub async fn outcome<T: DeserializeOwned>(response: Response) -> Result<T, Problem> {
    if response.status() == StatusCode::ACCEPTED {
        return Err(Problem::new(
            Code::Timeout,
            "It is accepted, and has not ended in time.",
        ));
    }
    answer(response).await
}

/// Reads the JSON of an answer that a use case gave.
///
/// # Errors
/// [`Code::Internal`] when it is not what is expected.
pub async fn answer<T: DeserializeOwned>(response: Response) -> Result<T, Problem> {
    let bytes = axum::body::to_bytes(response.into_body(), LARGEST_ANSWER)
        .await
        .map_err(Problem::internal)?;
    serde_json::from_slice(&bytes).map_err(Problem::internal)
}

/// The idempotency key of a POST, for those clients that send one: the older APIs had none.
///
/// # Errors
/// `validation_failed` when it is malformed.
pub fn idempotency(headers: &HeaderMap, path: &str, message: &Value) -> Result<Option<Idempotency>, Problem> {
    let key = body::idempotency_key(headers)?;
    Ok(key.map(|key| Idempotency {
        key,
        fingerprint: body::fingerprint(&http::Method::POST, path, message.to_string().as_bytes()),
        window: None,
    }))
}
