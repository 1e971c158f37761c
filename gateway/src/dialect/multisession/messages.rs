//! Messages of the Multi-Session API.

use axum::extract::{Path, Query, Request, State};
use axum::response::Response;
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::content::Content;
use shared::dialect::{File, multisession, web};
use shared::message::Message;
use shared::store::media::StoredMedia;
use shared::store::messages::MessageFilter;

use super::{Client, Multisession, idempotency, ok};
use crate::api::sessions::find;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{ReadMessages, SendMessages};
use crate::database::promptly;
use crate::dialect::fields::Fields;
use crate::dialect::{Speech as _, files, sending, sessions, words};
use crate::problem::Problem;

/// How many messages are listed when the client does not say.
const DEFAULT_LIMIT: i64 = 50;
/// The most that are listed.
const MOST_MESSAGES: i64 = 1_000;

fn required(fields: &Fields, name: &str) -> Result<String, Problem> {
    fields
        .text(name)
        .ok_or_else(|| words::invalid(format!("{name} es requerido")))
}

fn sent(message: &Message, name: &str) -> Response {
    ok(json!({
        "message": "Mensaje enviado",
        "sessionId": name,
        "messageId": web::message_id(message),
        "to": web::address(&message.chat),
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
    let name = required(&fields, "sessionId")?;
    let (number, text) = (required(&fields, "number")?, required(&fields, "message")?);
    let call = client.session::<SendMessages>(&app, &name).await?;
    let message = json!({ "to": number, "type": "text", "text": { "body": text } });
    let idempotency = idempotency(&headers, uri.path(), &message)?;
    let message = sending::send(&app, &call, &message, idempotency).await?;
    Ok(sent(&message, &name))
}

/// `POST /api/send-media`: a file of the form, `mediaUrl` or `mediaBase64`.
pub(super) async fn send_media(State(app): State<App>, client: Client, request: Request) -> Result<Response, Problem> {
    let tenant = client.tenant::<SendMessages>(&app).await?;
    let fields = Fields::with_file(&app, tenant.tenant, request).await?;
    let name = required(&fields, "sessionId")?;
    let number = required(&fields, "number")?;
    let call = client.session::<SendMessages>(&app, &name).await?;
    let file = file(&app, &call, &fields).await?;
    let message = files::message(&number, &file, fields.text("caption").as_deref(), false);
    let message = sending::send(&app, &call, &message, None).await?;
    Ok(sent(&message, &name))
}

async fn file(app: &App, call: &SessionCall<SendMessages>, fields: &Fields) -> Result<StoredMedia, Problem> {
    if let Some(file) = &fields.file {
        return Ok(file.clone());
    }
    let tenant = call.tenant.tenant;
    let name = fields.first(&["filename", "fileName"]);
    if let Some(link) = fields.text("mediaUrl") {
        return files::from_link(app, tenant, "mediaUrl", &link, name.as_deref()).await;
    }
    if let Some(text) = fields.text("mediaBase64") {
        let mime_type = fields.first(&["mimetype", "mimeType"]);
        return files::from_base64(app, tenant, "mediaBase64", &text, mime_type.as_deref(), name.as_deref()).await;
    }
    Err(words::invalid("Se requiere media, mediaUrl o mediaBase64"))
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
    let mut found = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        find(&mut transaction, call.session).await?;
        Ok(transaction
            .messages(call.session, &MessageFilter::default(), None, limit)
            .await?)
    })
    .await?;
    found.reverse();
    let messages: Vec<Value> = found.iter().map(|message| shown(message, &named.name)).collect();
    Ok(ok(
        json!({ "sessionId": name, "messages": messages, "total": messages.len() }),
    ))
}

/// A message as the webhook tells it, without the bytes of its file, and with who wrote it.
fn shown(message: &Message, session: &str) -> Value {
    let content = Content::of_map(&message.content);
    let file = content.as_ref().and_then(Content::media).map(|media| File {
        mime_type: media.mime_type.clone(),
        name: media.file_name.clone(),
        ..File::default()
    });
    let mut shown = multisession::message(message, session, file.as_ref());
    shown["fromMe"] = message.from_me.into();
    shown["to"] = match message.from_me {
        true => web::address(&message.chat).into(),
        false => Value::Null,
    };
    shown
}
