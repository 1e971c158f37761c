//! `POST /v1/sessions/{id}/messages`: sending.
//!
//! Accepted means durable: the command, the message and the stored answer are one transaction, and WhatsApp's id of the message is fixed in it, so
//! that whatever is repeated afterwards sends the same id.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::address::{Address, Party};
use shared::command::{Command, Quote, SendMessage};
use shared::content::Content;
use shared::ids::{CommandId, MessageId, SessionId};
use shared::message::{Message, MessageContext, MessageStatus};
use shared::store::TenantTransaction;
use shared::store::sessions::Session;
use utoipa::ToSchema;

use crate::api::sessions::SessionPath;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::SendMessages;
use crate::database::promptly;
use crate::http::body::Submission;
use crate::http::checks::Checks;
use crate::http::prefer::Prefer;
use crate::idempotency::{Admission, Answer, Work};
use crate::intake::{self, Accepted};
use crate::openapi::{IdempotencyHeader, PreferHeader};
use crate::operate;
use crate::outcome::{self, OutcomeWatch};
use crate::problem::Problem;

type Call = SessionCall<SendMessages>;

/// The longest text, in characters.
const LONGEST_TEXT: usize = 65_536;
/// The most people that a message may mention.
const MOST_MENTIONS: usize = 1_024;

/// A message to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SendRequest {
    /// Whom it is for: a phone number in digits, `…@s.whatsapp.net`, `…@c.us`, `…@lid` or a group's `…@g.us`.
    #[schema(example = "15550001001")]
    to: String,
    /// Its kind; the field of the same name holds it.
    #[serde(rename = "type")]
    kind: MessageKind,
    /// The content of a text message.
    text: Option<TextBody>,
    /// What it answers.
    context: Option<ContextBody>,
    /// The people whom the text mentions (as `@` and their digits).
    #[serde(default)]
    #[schema(required = false)]
    mentions: Vec<String>,
    /// Seconds after which the message disappears. Only 0 (it stays) is supported.
    ephemeral: Option<u32>,
}

/// A kind of message that can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum MessageKind {
    /// Plain text.
    Text,
}

/// The content of a text message.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TextBody {
    /// What it says: 1 to 65,536 characters.
    #[schema(example = "Hello")]
    body: String,
    /// Accepted for the Cloud API's sake; previews of links are not made.
    #[serde(rename = "preview_url", default)]
    _preview_url: Option<bool>,
}

/// The message that is answered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ContextBody {
    /// Our id of it.
    #[schema(value_type = String, example = "msg_06egk3n2g8v6f9d8h2q7c1t0b4")]
    message_id: MessageId,
}

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

/// What a request says, checked.
#[derive(Debug)]
struct Draft {
    to: Address,
    body: String,
    answered: Option<MessageId>,
    mentions: Vec<Address>,
}

/// Send a message. It is sent once, however often the request is repeated with its `Idempotency-Key`.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/messages", tag = "messages",
    params(SessionPath, IdempotencyHeader, PreferHeader), request_body = SendRequest,
    responses((status = 202, description = "The message is durable and will be sent, also when the session is offline right now.", body = AcceptedMessage),
              (status = 200, description = "WhatsApp has the message (with `Prefer: wait`).", body = Message)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "session_not_paired", "session_not_started",
        "session_not_connected", "not_on_whatsapp", "message_refused"]))))]
pub(super) async fn send_message(
    State(app): State<App>,
    call: Call,
    prefer: Prefer,
    submission: Submission<SendRequest>,
) -> Result<Response, Problem> {
    let Submission { body, idempotency } = submission;
    let submission = Submission {
        body: check(body)?,
        idempotency,
    };
    let id = CommandId::generate();
    let watch = match prefer.wait {
        Some(_) => Some(OutcomeWatch::open(&app, id).await),
        None => None,
    };
    let answer = promptly(accept(&app, &call, submission, id)).await?;
    let Some((patience, watch)) = prefer.wait.zip(watch) else {
        return Ok(answer.into_response());
    };
    let accepted: AcceptedMessage = serde_json::from_slice(&answer.body).map_err(Problem::internal)?;
    let outcome = watch
        .of(accepted.command_id)
        .wait(&app, call.tenant.tenant, patience)
        .await;
    let mut response = match outcome {
        None => answer.into_response(),
        Some(record) => match outcome::failure(&record) {
            Some(problem) => return Err(problem),
            None => sent(&app, &call, accepted.id).await?.into_response(),
        },
    };
    prefer.applied(&mut response);
    Ok(response)
}

fn check(request: SendRequest) -> Result<Draft, Problem> {
    let mut checks = Checks::new();
    let to = request.to.parse::<Address>();
    match &to {
        Ok(Address::Status) => checks.require(
            false,
            "to",
            "must not be the place of status posts: POST …/statuses posts them",
        ),
        Ok(_) => {}
        Err(error) => checks.require(false, "to", &error.to_string()),
    }
    let MessageKind::Text = request.kind;
    let body = request.text.map(|text| text.body);
    match &body {
        Some(body) => checks.text("text.body", body, 1..=LONGEST_TEXT),
        None => checks.require(false, "text", "is required when type is text"),
    }
    checks.require(
        request.mentions.len() <= MOST_MENTIONS,
        "mentions",
        &format!("must have at most {MOST_MENTIONS} entries"),
    );
    let mut mentions = Vec::with_capacity(request.mentions.len().min(MOST_MENTIONS));
    for (index, mention) in request.mentions.iter().enumerate().take(MOST_MENTIONS) {
        match mention.parse() {
            Ok(person @ (Address::Phone(_) | Address::Lid(_))) => mentions.push(person),
            Ok(_) | Err(_) => {
                checks.require(false, &format!("mentions[{index}]"), "must be a person's address");
            }
        }
    }
    checks.require(
        request.ephemeral.is_none_or(|seconds| seconds == 0),
        "ephemeral",
        "must be 0: disappearing messages are not supported yet",
    );
    checks.finish()?;
    match (to, body) {
        (Ok(to), Some(body)) => Ok(Draft {
            to,
            body,
            answered: request.context.map(|context| context.message_id),
            mentions,
        }),
        _ => Err(Problem::field("", "is not a message")),
    }
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
    let quote = match draft.answered {
        Some(answered) => Some(quote(transaction, session, answered).await?),
        None => None,
    };
    let content = Content::text(draft.body);
    let message = Message {
        id: MessageId::generate(),
        session_id: session,
        wa_message_id: wa_message_id(),
        chat: Party::new(&draft.to, None),
        from: account,
        from_me: true,
        kind: content.kind().to_owned(),
        content: content.to_map(),
        context: quote.as_ref().map(|quote| MessageContext {
            wa_message_id: quote.wa_message_id.clone(),
        }),
        status: MessageStatus::Queued,
        error: None,
        timestamp: Utc::now(),
    };
    let command = Command::SendMessage(Box::new(SendMessage {
        quote,
        mentions: draft.mentions,
        ..SendMessage::new(message.id, message.wa_message_id.clone(), draft.to, content)
    }));
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

/// What an answer shows of the message that it answers.
async fn quote(transaction: &mut TenantTransaction, session: SessionId, answered: MessageId) -> Result<Quote, Problem> {
    let unknown = || Problem::field("context.message_id", "is no message of this session");
    let message = transaction.message(session, answered).await?.ok_or_else(unknown)?;
    let text = message.content.get("text").and_then(|text| text.get("body"));
    Ok(Quote {
        wa_message_id: message.wa_message_id,
        author: message.from.jid.parse().map_err(|_| unknown())?,
        text: text.and_then(|body| body.as_str()).unwrap_or_default().to_owned(),
        content: Content::of_map(&message.content).map(Box::new),
    })
}

/// A fresh id as WhatsApp's own web client makes them: `3EB0` and 18 hexadecimal digits (whatsmeow send.go, `GenerateMessageID`).
fn wa_message_id() -> String {
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
    use crate::http::body::parse;

    fn problem(body: &str) -> Problem {
        match parse(body.as_bytes()) {
            Ok(request) => check(request).unwrap_err(),
            Err(problem) => problem,
        }
    }

    #[test]
    fn a_message_is_read_as_the_cloud_api_writes_it() {
        let body = r#"{"to":"+1 555 000 1001","type":"text","text":{"body":"Hello","preview_url":false},"ephemeral":0,
                       "mentions":["15550001002"]}"#;
        let draft = check(parse(body.as_bytes()).unwrap()).unwrap();
        assert_eq!(draft.to, Address::Phone("15550001001".into()));
        assert_eq!(draft.mentions, [Address::Phone("15550001002".into())]);
    }

    #[test]
    fn every_wrong_field_is_named() {
        let long = format!(
            r#"{{"to":"15550001001","type":"text","text":{{"body":"{}"}}}}"#,
            "x".repeat(65_537)
        );
        for (body, fields) in [
            (
                r#"{"to":"nobody","type":"text","text":{"body":""}}"#,
                vec!["to", "text.body"],
            ),
            (r#"{"to":"15550001001","type":"text"}"#, vec!["text"]),
            (
                r#"{"to":"15550001001","type":"text","text":{"body":"a\u0000b"}}"#,
                vec!["text.body"],
            ),
            (
                r#"{"to":"15550001001","type":"song","text":{"body":"a"}}"#,
                vec!["type"],
            ),
            (
                r#"{"to":"15550001001","type":"text","text":{"body":"a"},"ephemeral":60}"#,
                vec!["ephemeral"],
            ),
            (
                r#"{"to":"15550001001","type":"text","text":{"body":"a"},"mentions":["1@g.us"]}"#,
                vec!["mentions[0]"],
            ),
            (
                r#"{"to":"15550001001","type":"text","text":{"body":"a"},"context":{"message_id":"x"}}"#,
                vec!["context.message_id"],
            ),
            (r#"{"to":15550001001,"type":"text","text":{"body":"a"}}"#, vec!["to"]),
            (long.as_str(), vec!["text.body"]),
        ] {
            let problem = problem(body);
            let named: Vec<&str> = problem.errors().iter().map(|error| error.field.as_str()).collect();
            assert_eq!(named, fields, "{problem:?}");
        }
    }

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
