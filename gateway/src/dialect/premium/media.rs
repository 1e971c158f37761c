//! Files of Api Premium: sent as pictures, documents and voice notes, and decrypted for whoever received one.

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};
use shared::content::Content;
use shared::store::media::StoredMedia;

use super::send::{message_named, shown};
use super::{About, address, missing};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{ReadMessages, SendMessages};
use crate::database::promptly;
use crate::dialect::fields::Fields;
use crate::dialect::{files, sending, words};
use crate::problem::Problem;

/// As what a file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum As {
    Image,
    Document,
    Voice,
}

/// `POST /:sessao/enviarimagem`.
pub(super) async fn image(
    State(app): State<App>,
    about: About<SendMessages>,
    request: Request,
) -> Result<Response, Problem> {
    send(&app, &about, request, As::Image).await
}

/// `POST /:sessao/enviardoc`.
pub(super) async fn document(
    State(app): State<App>,
    about: About<SendMessages>,
    request: Request,
) -> Result<Response, Problem> {
    send(&app, &about, request, As::Document).await
}

/// `POST /:sessao/enviaraudio`.
pub(super) async fn voice(
    State(app): State<App>,
    about: About<SendMessages>,
    request: Request,
) -> Result<Response, Problem> {
    send(&app, &about, request, As::Voice).await
}

async fn send(app: &App, about: &About<SendMessages>, request: Request, kind: As) -> Result<Response, Problem> {
    let fields = Fields::with_file(app, about.call.tenant.tenant, request).await?;
    let field = |names: &[&str]| {
        fields
            .first(names)
            .or_else(|| names.iter().find_map(|name| about.asked.get(name)).map(str::to_owned))
    };
    let number = field(&["numero"]).ok_or_else(|| missing("numero"))?;
    let to = address(&number)?.to_string();
    let file = file(app, &about.call, &fields, field(&["nome", "filename", "fileName"])).await?;
    let caption = field(&["legenda", "caption", "msg"]);
    let message = match kind {
        As::Image => files::message(&to, &file, caption.as_deref(), false),
        As::Document => files::message(&to, &file, caption.as_deref(), true),
        As::Voice => json!({ "to": to, "type": "audio", "audio": { "media_id": file.id, "voice": true } }),
    };
    let sent = sending::send(app, &about.call, &message, None).await?;
    shown(app, about, &sent).await
}

/// The file: in the form, or under `doc` (or `audio`, `file`) as base64 or as a link.
async fn file(
    app: &App,
    call: &SessionCall<SendMessages>,
    fields: &Fields,
    name: Option<String>,
) -> Result<StoredMedia, Problem> {
    if let Some(file) = &fields.file {
        return Ok(file.clone());
    }
    let text = fields.first(&["doc", "audio", "imagem", "file", "base64", "url"]);
    let text = text.ok_or_else(|| missing("doc"))?;
    let tenant = call.tenant.tenant;
    if text.starts_with("http://") || text.starts_with("https://") {
        return files::from_link(app, tenant, "doc", &text, name.as_deref()).await;
    }
    let mime_type = fields.first(&["mimetype", "mimeType"]);
    files::from_base64(app, tenant, "doc", &text, mime_type.as_deref(), name.as_deref()).await
}

/// `POST /:sessao/desfile`: the bytes of a message's file. The body is the message as it was told, under `body` or as it is.
pub(super) async fn decrypt(
    State(app): State<App>,
    about: About<ReadMessages>,
    request: Request,
) -> Result<Response, Problem> {
    let fields = Fields::read(&app, request).await?;
    let nested = fields.value("body").and_then(|body| match body {
        Value::Object(_) => Some(body.clone()),
        // A form carries the message as text.
        Value::String(text) => serde_json::from_str(text).ok().filter(Value::is_object),
        _ => None,
    });
    let id = match &nested {
        Some(message) => message["id"].as_str().map(str::to_owned),
        None => fields.first(&["id", "msgid"]),
    };
    let id = id.ok_or_else(|| missing("body"))?;
    let message = message_named(&app, &about.call, &id).await?;
    let media = promptly(async {
        let mut transaction = app.store().tenant(about.call.tenant.tenant).await?;
        Ok(transaction.message(about.call.session, message).await?)
    })
    .await?
    .and_then(|message| Content::of_map(&message.content)?.media()?.media_id)
    .ok_or_else(|| words::invalid("A mensagem não tem arquivo"))?;
    let file = files::fetched(&app, &about.call.tenant, media).await?;
    let base64 = files::to_base64(&app, &file).await?;
    Ok(about.ok(json!({
        "mimetype": file.mime_type,
        "filename": file.file_name,
        "size": file.size,
        "base64": format!("data:{};base64,{base64}", file.mime_type),
    })))
}
