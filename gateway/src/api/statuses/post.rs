//! `POST /v1/sessions/{id}/statuses`: posting.
//!
//! A post is a message to the place of status posts: durable when it is accepted, and sent once under the id that is fixed then. Who may see it is decided
//! here, because a post is encrypted for each of them.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::address::Address;
use shared::command::{Command, SendMessage};
use shared::content::{Content, Text, TextStyle};
use shared::ids::{CommandId, MessageId, SessionId, StatusId};
use shared::message::MessageStatus;
use shared::status::{LIFETIME, Status};
use shared::store::TenantTransaction;
use utoipa::ToSchema;

use crate::api::messages;
use crate::api::messages::media::{FileKind, MediaBody};
use crate::api::messages::wa_message_id;
use crate::api::sessions::SessionPath;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::SendMessages;
use crate::database::promptly;
use crate::http::body::{FileSubmission, Submission};
use crate::http::checks::Checks;
use crate::http::jid::people;
use crate::http::prefer::Prefer;
use crate::idempotency::{Admission, Answer, Work};
use crate::intake::{self, Accepted};
use crate::openapi::{IdempotencyHeader, PreferHeader};
use crate::operate;
use crate::outcome::{self, OutcomeWatch};
use crate::problem::Problem;

type Call = SessionCall<SendMessages>;

/// The longest text of a post, in characters: phones offer 700.
const LONGEST_TEXT: usize = 700;
/// The most people for whom a post is encrypted.
const LARGEST_AUDIENCE: i64 = 5_000;
/// The fonts by WhatsApp's numbers.
const FONTS: [u8; 8] = [0, 1, 2, 6, 7, 8, 9, 10];

/// A status to post.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewStatus {
    /// Its kind; the field of the same name holds it.
    #[serde(rename = "type")]
    kind: StatusKind,
    /// The content of a text.
    text: Option<StatusText>,
    /// The picture.
    image: Option<MediaBody>,
    /// The film.
    video: Option<MediaBody>,
    /// Who may see it; everybody in the account's address book if not said.
    #[serde(default)]
    #[schema(required = false)]
    audience: Audience,
}

/// A kind of status that can be posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StatusKind {
    /// A text on a coloured ground.
    Text,
    /// A picture.
    Image,
    /// A film.
    Video,
}

/// A text on a coloured ground.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StatusText {
    /// What it says: 1 to 700 characters.
    #[schema(example = "Open until ten tonight")]
    body: String,
    /// The colour behind it: `#RRGGBB`.
    #[schema(pattern = "^#[0-9A-Fa-f]{6}$", example = "#1E6E4F")]
    background: Option<String>,
    /// The colour of the letters: `#RRGGBB`.
    #[schema(pattern = "^#[0-9A-Fa-f]{6}$", example = "#FFFFFF")]
    color: Option<String>,
    /// The font by WhatsApp's number: 0 (the system's), 1, 2, or 6 to 10.
    font: Option<u8>,
}

/// Who may see a post.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Audience {
    /// Whom `people` means.
    #[serde(default)]
    #[schema(required = false)]
    mode: AudienceMode,
    /// The people: those who may see it (`allow`) or may not (`except`).
    #[serde(default)]
    #[schema(required = false, example = json!(["15550001001"]))]
    people: Vec<String>,
}

/// Whom an audience's `people` means.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum AudienceMode {
    /// Everybody in the account's address book (`saved` contacts) who is not blocked; nobody is named.
    #[default]
    Contacts,
    /// Those who are named, and nobody else.
    Allow,
    /// Everybody in the address book but those who are named.
    Except,
}

/// A post that is accepted.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct AcceptedStatus {
    /// Our id of it.
    #[schema(value_type = String, example = "sts_06egk3n2g8v6f9d8h2q7c1t0b4")]
    id: StatusId,
    /// The session that posts it.
    #[schema(value_type = String)]
    session_id: SessionId,
    /// WhatsApp's id of it: fixed from now on.
    wa_message_id: String,
    /// `queued`.
    status: MessageStatus,
    /// The command that posts it; `GET /v1/commands/{id}` tells its outcome.
    #[schema(value_type = String)]
    command_id: CommandId,
    /// For how many people it is.
    audience: u32,
}

/// What a post says.
#[derive(Debug)]
enum Said {
    /// Complete.
    Content(Box<Content>),
    /// A file that is still to be found.
    File(FileKind, Box<MediaBody>),
}

/// What a request says, checked.
#[derive(Debug)]
struct Draft {
    said: Said,
    mode: AudienceMode,
    people: Vec<Address>,
}

fn is_color(text: &str) -> bool {
    text.strip_prefix('#')
        .is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn check(request: NewStatus) -> Result<Draft, Problem> {
    let mut checks = Checks::new();
    let (field, given) = match request.kind {
        StatusKind::Text => ("text", request.text.is_some()),
        StatusKind::Image => ("image", request.image.is_some()),
        StatusKind::Video => ("video", request.video.is_some()),
    };
    checks.require(given, field, &format!("is required when type is {field}"));
    let file = match request.kind {
        StatusKind::Text => None,
        StatusKind::Image => request.image.map(|body| (FileKind::Image, body)),
        StatusKind::Video => request.video.map(|body| (FileKind::Video, body)),
    };
    if let Some((kind, body)) = &file {
        body.check(&mut checks, field, *kind);
    }
    let text = request.text.filter(|_| request.kind == StatusKind::Text).map(|text| {
        checks.text("text.body", &text.body, 1..=LONGEST_TEXT);
        for (field, color) in [("text.background", &text.background), ("text.color", &text.color)] {
            checks.require(
                color.as_deref().is_none_or(is_color),
                field,
                "must be a colour: # and six hexadecimal digits",
            );
        }
        checks.require(
            text.font.is_none_or(|font| FONTS.contains(&font)),
            "text.font",
            "must be 0, 1, 2, or 6 to 10",
        );
        let style = TextStyle {
            background: text.background,
            color: text.color,
            font: text.font,
        };
        Text {
            body: text.body,
            style: (style != TextStyle::default()).then_some(style),
            ..Text::default()
        }
    });
    let Audience { mode, people: named } = request.audience;
    let people = match mode {
        AudienceMode::Contacts => {
            checks.require(
                named.is_empty(),
                "audience.people",
                "must be empty unless mode is allow or except",
            );
            Vec::new()
        }
        AudienceMode::Allow | AudienceMode::Except => people(&mut checks, "audience.people", &named, 1),
    };
    checks.finish()?;
    let said = match (text, file) {
        (Some(text), _) => Said::Content(Box::new(Content::Text(text))),
        (None, Some((kind, body))) => Said::File(kind, Box::new(body)),
        (None, None) => return Err(Problem::field("", "is not a status")),
    };
    Ok(Draft { said, mode, people })
}

/// Post a status. It is posted once, however often the request is repeated with its `Idempotency-Key`. The body may have 23 MiB, so that a file of 16 MiB
/// in base64 has room.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/statuses", tag = "statuses",
    params(SessionPath, IdempotencyHeader, PreferHeader), request_body = NewStatus,
    responses((status = 202, description = "The post is durable and will be sent, also when the session is offline right now.", body = AcceptedStatus),
              (status = 200, description = "WhatsApp has the post (with `Prefer: wait`).", body = Status)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "session_not_paired", "session_not_started",
        "session_not_connected", "message_refused", "media_not_found", "media_too_large", "unsupported_media", "url_forbidden"]))))]
pub(crate) async fn post_status(
    State(app): State<App>,
    call: Call,
    prefer: Prefer,
    FileSubmission { submission, place }: FileSubmission<NewStatus>,
) -> Result<Response, Problem> {
    let mut draft = check(submission.body)?;
    // Before the transaction, which should be short.
    if let Said::File(kind, body) = &mut draft.said {
        let media = messages::media::resolve(&app, &call, *kind, body).await?;
        draft.said = Said::Content(Box::new(kind.content(media)));
    }
    // From here on nobody holds the file any more.
    drop(place);
    let submission = Submission {
        body: draft,
        idempotency: submission.idempotency,
    };
    let id = CommandId::generate();
    let watch = OutcomeWatch::open(&app, id).await;
    let answer = promptly(accept(&app, &call, submission, id)).await?;
    let Some(patience) = prefer.wait else {
        return Ok(answer.into_response());
    };
    let accepted: AcceptedStatus = serde_json::from_slice(&answer.body).map_err(Problem::internal)?;
    let outcome = watch
        .of(accepted.command_id)
        .wait(&app, call.tenant.tenant, patience)
        .await;
    let mut response = match outcome {
        None => answer.into_response(),
        Some(record) => match outcome::failure(&record) {
            Some(problem) => return Err(problem),
            None => posted(&app, &call, accepted.id).await?.into_response(),
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
    let Said::Content(content) = draft.said else {
        return Err(Problem::internal(anyhow::anyhow!(
            "the post's file was not found before"
        )));
    };
    let opened = intake::open(transaction, session).await?;
    operate::require_usable(&opened.session)?;
    let from = opened.session.account.clone().unwrap_or_default();
    let audience = audience(transaction, session, draft.mode, draft.people).await?;
    let now = Utc::now();
    let post = Status {
        id: StatusId::generate(),
        session_id: session,
        wa_message_id: wa_message_id(),
        from,
        from_me: true,
        kind: content.kind().to_owned(),
        content: content.to_map(),
        status: MessageStatus::Queued,
        error: None,
        timestamp: now,
        expires_at: now + LIFETIME,
        revoked_at: None,
        viewed_at: None,
        reaction: None,
        views: 0,
        viewers: Vec::new(),
    };
    let command = Command::SendMessage(Box::new(SendMessage {
        audience: audience.clone(),
        ..SendMessage::new(
            MessageId(post.id.0),
            post.wa_message_id.clone(),
            Address::Status,
            *content,
        )
    }));
    let accepted = intake::append(transaction, &opened, id, command).await?;
    transaction.insert_outgoing_status(&post, &audience).await?;
    let answer = Answer::json(
        StatusCode::ACCEPTED,
        &AcceptedStatus {
            id: post.id,
            session_id: session,
            wa_message_id: post.wa_message_id,
            status: MessageStatus::Queued,
            command_id: id,
            audience: u32::try_from(audience.len()).unwrap_or(u32::MAX),
        },
    )?;
    Ok((answer, accepted))
}

/// Everybody who may see the post.
async fn audience(
    transaction: &mut TenantTransaction,
    session: SessionId,
    mode: AudienceMode,
    named: Vec<Address>,
) -> Result<Vec<Address>, Problem> {
    let audience = match mode {
        AudienceMode::Allow => named,
        AudienceMode::Contacts | AudienceMode::Except => {
            let mut saved = transaction.saved_people(session, LARGEST_AUDIENCE).await?;
            // Whichever of their ids was named.
            saved.retain(|person| {
                let is = |named: &Address| match named {
                    Address::Phone(phone) => person.phone.as_ref() == Some(phone),
                    Address::Lid(lid) => person.lid.as_ref() == Some(lid),
                    _ => false,
                };
                !named.iter().any(is)
            });
            saved.iter().filter_map(|person| person.jid.parse().ok()).collect()
        }
    };
    if audience.is_empty() {
        return Err(Problem::field(
            "audience",
            "is nobody: the account's address book has no such people; name them with mode allow",
        ));
    }
    Ok(audience)
}

/// The post after WhatsApp has it.
async fn posted(app: &App, call: &Call, status: StatusId) -> Result<Answer, Problem> {
    let status = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        super::find(&mut transaction, call.session, status).await
    })
    .await?;
    Answer::json(StatusCode::OK, &status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::parse;

    #[test]
    fn a_text_with_its_colours_is_read() {
        let body = r##"{"type":"text","text":{"body":"Open","background":"#102030","font":7},"audience":{"mode":"allow","people":["15550001001"]}}"##;
        let draft = check(parse(body.as_bytes()).unwrap()).unwrap();
        assert_eq!(draft.people, [Address::Phone("15550001001".into())]);
        let Said::Content(content) = draft.said else {
            panic!("a text needs no file");
        };
        let Content::Text(text) = *content else {
            panic!("a text is a text");
        };
        assert_eq!(text.style.unwrap().background.as_deref(), Some("#102030"));
    }

    #[test]
    fn every_wrong_field_is_named() {
        for (body, fields) in [
            (r#"{"type":"text"}"#, vec!["text"]),
            (r#"{"type":"text","text":{"body":""}}"#, vec!["text.body"]),
            (
                r#"{"type":"text","text":{"body":"a","background":"red","font":3}}"#,
                vec!["text.background", "text.font"],
            ),
            (
                r#"{"type":"text","text":{"body":"a"},"audience":{"mode":"allow"}}"#,
                vec!["audience.people"],
            ),
            (
                r#"{"type":"text","text":{"body":"a"},"audience":{"people":["15550001001"]}}"#,
                vec!["audience.people"],
            ),
            (
                r#"{"type":"text","text":{"body":"a"},"audience":{"mode":"except","people":["1@g.us"]}}"#,
                vec!["audience.people[0]"],
            ),
        ] {
            let problem = check(parse(body.as_bytes()).unwrap()).unwrap_err();
            let named: Vec<&str> = problem.errors().iter().map(|error| error.field.as_str()).collect();
            assert_eq!(named, fields, "{body}");
        }
    }
}
