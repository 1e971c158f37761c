//! Messages of the Multi-Session API.

use axum::extract::{Path, Query, Request, State};
use axum::response::Response;
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::content::{Content, Media, MediaStatus};
use shared::dialect::{File, multisession, web};
use shared::message::Message;
use shared::problem::Code;
use shared::store::media::StoredMedia;
use shared::store::messages::MessageFilter;

use super::{Client, Multisession, idempotency, of_session, ok};
use crate::api::sessions::find;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{ReadMessages, SendMessages};
use crate::database::promptly;
use crate::dialect::fields::Fields;
use crate::dialect::sessions::NamedSession;
use crate::dialect::{Speech as _, files, sending, sessions, words};
use crate::problem::Problem;

/// How many messages are listed when the client does not say.
const DEFAULT_LIMIT: i64 = 50;
/// The most that are listed.
const MOST_MESSAGES: i64 = 1_000;
/// How many bytes of files an answer holds, before base64.
const ROOM_FOR_FILES: u64 = files::LARGEST_IN_BASE64;

/// The fields that must be there, or what that server said when one was not.
fn required<const N: usize>(fields: &Fields, names: [&str; N]) -> Result<[String; N], Problem> {
    let found: Vec<String> = names.iter().filter_map(|name| fields.text(name)).collect();
    found.try_into().map_err(|_| {
        let (last, others) = names.split_last().unwrap_or((&"", &[]));
        words::invalid(format!("{} y {last} son requeridos", others.join(", ")))
    })
}

fn sent(message: &Message, name: &str, number: &str) -> Response {
    ok(json!({
        "sessionId": name,
        "number": number,
        "messageId": web::message_id(message),
        "timestamp": message.timestamp.timestamp(),
    }))
}

/// `POST /api/send-message`.
pub(super) async fn send(
    State(app): State<App>,
    client: Client,
    uri: Uri,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    client.tenant::<SendMessages>(&app).await?;
    let fields = Fields::read(&app, request).await?;
    let [name, number, text] = required(&fields, ["sessionId", "number", "message"])?;
    let call = client
        .session::<SendMessages>(&app, &name)
        .await
        .map_err(of_session(&name))?;
    let message = json!({ "to": number, "type": "text", "text": { "body": text } });
    let idempotency = idempotency(&headers, uri.path(), &message)?;
    let message = sending::send(&app, &call, &message, idempotency)
        .await
        .map_err(of_session(&name))?;
    Ok(sent(&message, &name, &number))
}

/// `POST /api/send-media`: a file of the form, `mediaBase64` or `mediaUrl`.
pub(super) async fn send_media(State(app): State<App>, client: Client, request: Request) -> Result<Response, Problem> {
    let tenant = client.tenant::<SendMessages>(&app).await?;
    let fields = Fields::with_file(&app, tenant.tenant, request).await?;
    let [name, number] = required(&fields, ["sessionId", "number"])?;
    let call = client
        .session::<SendMessages>(&app, &name)
        .await
        .map_err(of_session(&name))?;
    let file = file(&app, &call, &fields).await?;
    let message = files::message(&number, &file, fields.text("caption").as_deref(), false);
    let message = sending::send(&app, &call, &message, None)
        .await
        .map_err(of_session(&name))?;
    Ok(sent(&message, &name, &number))
}

async fn file(app: &App, call: &SessionCall<SendMessages>, fields: &Fields) -> Result<StoredMedia, Problem> {
    if let Some(file) = &fields.file {
        return Ok(file.clone());
    }
    let tenant = call.tenant.tenant;
    let name = fields.first(&["filename", "fileName"]);
    if let Some(text) = fields.text("mediaBase64") {
        let mime_type = fields.first(&["mimetype", "mimeType"]);
        return files::from_base64(app, tenant, "mediaBase64", &text, mime_type.as_deref(), name.as_deref()).await;
    }
    if let Some(link) = fields.text("mediaUrl") {
        return files::from_link(app, tenant, "mediaUrl", &link, name.as_deref()).await;
    }
    Err(words::invalid(
        "Debe proporcionar media: archivo, mediaBase64 o mediaUrl",
    ))
}

/// What stands in the query of the list.
#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    limit: Option<String>,
}

/// `GET /api/messages/{sessionId}`: the latest messages of all chats, oldest first.
pub(super) async fn list(
    State(app): State<App>,
    client: Client,
    Path(name): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let call = client.session::<ReadMessages>(&app, &name).await?;
    let limit = query
        .limit
        .and_then(|limit| limit.parse().ok())
        .unwrap_or(DEFAULT_LIMIT);
    let limit = limit.clamp(1, MOST_MESSAGES);
    let named = sessions::read(&app, &call, Multisession::DIALECT).await?;
    let found = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        find(&mut transaction, call.session).await?;
        Ok(transaction
            .messages(call.session, &MessageFilter::default(), None, limit)
            .await?)
    })
    .await?;
    let mut room = ROOM_FOR_FILES;
    let mut messages = Vec::with_capacity(found.len());
    // The newest first, as long as there is room; they are listed the other way round.
    for message in &found {
        messages.push(shown(&app, &call, message, &named, &mut room).await?);
    }
    messages.reverse();
    Ok(ok(
        json!({ "sessionId": name, "messages": messages, "total": messages.len() }),
    ))
}

/// A message as the webhook tells it, and whether it is the account's own.
async fn shown(
    app: &App,
    call: &SessionCall<ReadMessages>,
    message: &Message,
    named: &NamedSession,
    room: &mut u64,
) -> Result<Value, Problem> {
    let content = Content::of_map(&message.content);
    let file = match content.as_ref().and_then(Content::media) {
        Some(media) => Some(File {
            data: data(app, call, media, room).await?,
            mime_type: media.mime_type.clone(),
            name: media.file_name.clone(),
            ..File::default()
        }),
        None => None,
    };
    let mut shown = multisession::message(message, &named.name, named.session.account.as_ref(), file.as_ref());
    shown["fromMe"] = message.from_me.into();
    Ok(shown)
}

/// The bytes of a stored file in base64, if there is still room for them in the answer.
async fn data(
    app: &App,
    call: &SessionCall<ReadMessages>,
    media: &Media,
    room: &mut u64,
) -> Result<Option<String>, Problem> {
    let (Some(id), Some(MediaStatus::Stored)) = (media.media_id, media.status) else {
        return Ok(None);
    };
    let stored = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        Ok(transaction.media(id, call.tenant.within()).await?)
    })
    .await?;
    let Some(stored) = stored else { return Ok(None) };
    let size = stored.size.and_then(|size| u64::try_from(size).ok());
    let Some(rest) = size.and_then(|size| room.checked_sub(size)) else {
        return Ok(None);
    };
    *room = rest;
    match files::to_base64(app, &stored).await {
        Ok(data) => Ok(Some(data)),
        // The message is shown all the same.
        Err(problem) if problem.code() == Code::MediaNotFound => Ok(None),
        Err(problem) => Err(problem),
    }
}
