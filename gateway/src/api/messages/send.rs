//! Sending: a request becomes a message and a command.
//!
//! Accepted means durable: the command, the message and the stored answer are one transaction, and WhatsApp's id of the message is fixed in it, so
//! that whatever is repeated afterwards sends the same id.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::address::Party;
use shared::command::Command;
use shared::content::Content;
use shared::ids::{CommandId, MessageId, SessionId};
use shared::message::{Message, MessageContext, MessageDetails, MessageState, MessageStatus};
use shared::problem::Code;
use shared::store::TenantTransaction;
use shared::store::sessions::Session;
use utoipa::ToSchema;

use super::compose::compose;
use super::request::{Draft, Said, SendRequest, check};
use super::{media, preview};
use crate::api::sessions::SessionPath;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::SendMessages;
use crate::database::promptly;
use crate::http::body::{FileSubmission, Submission};
use crate::http::prefer::Prefer;
use crate::idempotency::{Admission, Answer, Work};
use crate::intake::{self, Accepted};
use crate::openapi::{IdempotencyHeader, PreferHeader};
use crate::operate;
use crate::outcome::{self, OutcomeWatch};
use crate::problem::Problem;
use crate::quota::{self, Quota};

pub(crate) type Call = SessionCall<SendMessages>;

/// A message that is accepted.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct AcceptedMessage {
    /// Our id of it.
    #[schema(value_type = String, example = "msg_06egk3n2g8v6f9d8h2q7c1t0b4")]
    id: MessageId,
    /// The session that sends it.
    #[schema(value_type = String)]
    session_id: SessionId,
    /// WhatsApp's id of it: fixed from now on.
    #[schema(example = "3EB0C431C26A1916E07A12")]
    wa_message_id: String,
    /// `queued`.
    status: MessageStatus,
    /// The command that sends it; `GET /v1/commands/{id}` tells its outcome.
    #[schema(value_type = String)]
    command_id: CommandId,
    /// Whom it is for.
    to: Party,
}

/// Send a message. It is sent once, however often the request is repeated with its `Idempotency-Key`. The body may have 23 MiB, so that a file of 16 MiB in
/// base64 has room; upload larger ones first (`POST /v1/media`), and those that are sent more than once. A few large bodies are taken at a time: one more is
/// answered with 503 `overloaded`.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/messages", tag = "messages",
    params(SessionPath, IdempotencyHeader, PreferHeader), request_body = SendRequest,
    responses((status = 202, description = "The message is durable and will be sent, also when the session is offline right now.", body = AcceptedMessage),
              (status = 200, description = "WhatsApp has the message (with `Prefer: wait`).", body = Message)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "session_not_paired", "session_not_started",
        "session_not_connected", "not_on_whatsapp", "message_refused", "media_not_found", "media_too_large", "unsupported_media",
        "url_forbidden", "quota_exceeded"]))))]
pub(crate) async fn send_message(
    State(app): State<App>,
    call: Call,
    prefer: Prefer,
    FileSubmission { submission, place }: FileSubmission<SendRequest>,
) -> Result<Response, Problem> {
    let Submission { body, idempotency } = submission;
    let mut draft = check(body)?;
    complete(&app, &call, &mut draft).await?;
    // From here on nobody holds the file any more.
    drop(place);
    let submission = Submission {
        body: draft,
        idempotency,
    };
    submit(&app, &call, prefer, submission).await
}

/// Fetches what a draft leaves to be fetched: its file, what its link shows. Before the transaction, which should be short.
async fn complete(app: &App, call: &Call, draft: &mut Draft) -> Result<(), Problem> {
    let content = match &mut draft.said {
        Said::File(kind, body) => {
            let media = media::resolve(app, call, *kind, body).await?;
            kind.content(media)
        }
        Said::Content(content, wants_preview @ true) => {
            *wants_preview = false;
            if let Content::Text(text) = content.as_mut() {
                text.preview = preview::of(app.egress(), &text.body).await;
            }
            return Ok(());
        }
        Said::Content(..) | Said::Forward(_) | Said::Act(..) => return Ok(()),
    };
    draft.said = Said::Content(Box::new(content), false);
    Ok(())
}

/// Accepts a checked message, and waits for WhatsApp's answer if the client wants that.
pub(super) async fn submit(
    app: &App,
    call: &Call,
    prefer: Prefer,
    submission: Submission<Draft>,
) -> Result<Response, Problem> {
    let id = CommandId::generate();
    let watch = match prefer.wait {
        Some(_) => Some(OutcomeWatch::open(app, id).await),
        None => None,
    };
    let answer = match promptly(accept(app, call, submission, id)).await {
        Err(problem) if problem.code() == Code::QuotaExceeded => {
            quota::announce(app, call.tenant.tenant, Quota::MessagesPerDay).await;
            return Err(problem);
        }
        other => other?,
    };
    let Some((patience, watch)) = prefer.wait.zip(watch) else {
        return Ok(answer.into_response());
    };
    let accepted: AcceptedMessage = serde_json::from_slice(&answer.body).map_err(Problem::internal)?;
    let outcome = watch
        .of(accepted.command_id)
        .wait(app, call.tenant.tenant, patience)
        .await;
    let mut response = match outcome {
        None => answer.into_response(),
        Some(record) => match outcome::failure(&record) {
            Some(problem) => return Err(problem),
            None => sent(app, call, accepted.id).await?.into_response(),
        },
    };
    prefer.applied(&mut response);
    Ok(response)
}

async fn accept(app: &App, call: &Call, submission: Submission<Draft>, id: CommandId) -> Result<Answer, Problem> {
    let tenant = call.tenant.tenant;
    let mut work = match Work::begin(app, tenant, submission.idempotency, call.tenant.key()).await? {
        Admission::Fresh(work) => work,
        Admission::Replay(answer) => return Ok(answer),
    };
    let outcome = store(&mut work.transaction, call.session, id, submission.body).await;
    let (answer, accepted) = work.settle_with(outcome).await?;
    intake::carry(app, &accepted);
    Ok(answer)
}

async fn store(
    transaction: &mut TenantTransaction,
    session: SessionId,
    id: CommandId,
    draft: Draft,
) -> Result<(Answer, Accepted), Problem> {
    let opened = intake::open(transaction, session).await?;
    let account = sending_account(&opened.session)?;
    let send = compose(transaction, session, wa_message_id(), draft).await?;
    let message = Message {
        id: send.message_id,
        session_id: session,
        wa_message_id: send.wa_message_id.clone(),
        chat: Party::new(&send.to, None),
        from: account,
        from_me: true,
        kind: send.content.kind().to_owned(),
        details: MessageDetails::from(&send),
        state: MessageState::default(),
        content: send.content.to_map(),
        context: send.quote.as_ref().map(MessageContext::from),
        status: MessageStatus::Queued,
        error: None,
        timestamp: Utc::now(),
    };
    let command = Command::SendMessage(Box::new(send));
    let accepted = intake::append(transaction, &opened, id, command).await?;
    transaction.insert_outgoing_message(&message, id).await?;
    let answer = Answer::json(
        StatusCode::ACCEPTED,
        &AcceptedMessage {
            id: message.id,
            session_id: session,
            wa_message_id: message.wa_message_id,
            status: MessageStatus::Queued,
            command_id: id,
            to: message.chat,
        },
    )?;
    Ok((answer, accepted))
}

/// The account that will send, if the session can send at all. A connection that is lost for a while does not matter: the message waits.
fn sending_account(session: &Session) -> Result<Party, Problem> {
    operate::require_usable(session)?;
    session
        .account
        .clone()
        .ok_or_else(|| Problem::internal(anyhow::anyhow!("a usable session has an account")))
}

/// A fresh id as WhatsApp's own web client makes them: `3EB0` and 18 hexadecimal digits (whatsmeow send.go, `GenerateMessageID`).
pub(crate) fn wa_message_id() -> String {
    let random: [u8; 9] = rand::random();
    random.iter().fold(String::from("3EB0"), |mut id, byte| {
        id.push_str(&format!("{byte:02X}"));
        id
    })
}

/// The message after WhatsApp has it.
async fn sent(app: &App, call: &Call, message: MessageId) -> Result<Answer, Problem> {
    let message = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        super::find(&mut transaction, call.session, message).await
    })
    .await?;
    Answer::json(StatusCode::OK, &message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_messages_look_like_whatsapps() {
        let id = wa_message_id();
        assert_eq!(id.len(), 22);
        assert!(id.starts_with("3EB0"));
        assert!(
            id.bytes()
                .all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte))
        );
        assert_ne!(id, wa_message_id());
    }
}
