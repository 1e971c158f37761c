//! Files of Api Premium: sent as pictures, documents and voice notes, and decrypted for whoever received one.

use axum::extract::{Request, State};
use axum::response::Response;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use shared::content::Content;
use shared::store::media::StoredMedia;

use super::send::{message_named, shown};
use super::{About, address, missing_in_post, ok};
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
    let number = field(&["numero"]).ok_or_else(|| missing_in_post("numero"))?;
    let to = address(&number)?.to_string();
    let file = file(app, &about.call, &fields, field(&["nome", "filename", "fileName"])).await?;
    let caption = field(&["legenda", "caption", "msg"]);
    let message = match kind {
        As::Image => files::message(&to, &file, caption.as_deref(), false),
        As::Document => files::message(&to, &file, caption.as_deref(), true),
        As::Voice => json!({ "to": to, "type": "audio", "audio": { "media_id": file.id, "voice": true } }),
    };
    let sent = sending::send(app, &about.call, &message, None).await?;
    let mut answer = json!({ "success": true, "message": kind.sent(), "resp": shown(app, about, &sent).await? });
    if kind != As::Voice {
        answer["numero"] = number.into();
        answer["file"] = json!([uploaded(&fields, &file)]);
    }
    Ok(ok(answer))
}

impl As {
    /// What is said once it is sent.
    fn sent(self) -> &'static str {
        match self {
            Self::Image => "Imagem enviada com sucesso!",
            Self::Document => "Documento enviado com sucesso!",
            Self::Voice => "Audio enviado com sucesso!",
        }
    }
}

/// A file that was sent, as the npm package `multer` shows it.
fn uploaded(fields: &Fields, file: &StoredMedia) -> Value {
    let field = match fields.file_field.as_str() {
        "" => "doc",
        field => field,
    };
    json!({
        "fieldname": field,
        "originalname": file.file_name,
        "encoding": "7bit",
        "mimetype": file.mime_type,
        "filename": file.id,
        "size": file.size,
    })
}

/// The file: in the form, or under `doc` (of voice notes `audio_data`) as base64 or as a link.
async fn file(
    app: &App,
    call: &SessionCall<SendMessages>,
    fields: &Fields,
    name: Option<String>,
) -> Result<StoredMedia, Problem> {
    if let Some(file) = &fields.file {
        return Ok(file.clone());
    }
    let text = fields.first(&["doc", "audio_data", "audio", "imagem", "file", "base64", "url"]);
    let text = text.ok_or_else(|| missing_in_post("doc"))?;
    let tenant = call.tenant.tenant;
    if text.starts_with("http://") || text.starts_with("https://") {
        return files::from_link(app, tenant, "doc", &text, name.as_deref()).await;
    }
    let mime_type = fields.first(&["mimetype", "mimeType"]);
    files::from_base64(app, tenant, "doc", &text, mime_type.as_deref(), name.as_deref()).await
}

/// The id of the message that a body shows: as it is or under `body`, as JSON or as a form, the id as one text or in parts.
fn message_id(fields: &Fields) -> Option<String> {
    let nested = fields.value("body").and_then(|body| match body {
        Value::Object(_) => Some(body.clone()),
        // A form may carry the message as text.
        Value::String(text) => serde_json::from_str(text).ok().filter(Value::is_object),
        _ => None,
    });
    let id = match &nested {
        Some(message) => message.get("id"),
        None => fields.value("id"),
    };
    let text = |id: &Value| id.as_str().or_else(|| id["_serialized"].as_str()).map(str::to_owned);
    id.and_then(text)
        .filter(|id| !id.trim().is_empty())
        .or_else(|| fields.first(&["id[_serialized]", "body[id]", "body[id][_serialized]", "msgid"]))
}

/// The name under which its server kept a message's file: made of the message's id, with the extension of what the file is.
fn file_name(id: &str, mime_type: &str, own: Option<&str>) -> String {
    let digest = Md5::digest(id.as_bytes());
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    // As the npm package `mime-types` names them.
    let extension = match mime_type.split(';').next().unwrap_or_default().trim() {
        "image/jpeg" => "jpeg",
        "image/png" => "png",
        "image/webp" => "webp",
        "image/gif" => "gif",
        "video/mp4" => "mp4",
        "video/3gpp" => "3gp",
        "audio/ogg" => "oga",
        "audio/mpeg" => "mpga",
        "audio/mp4" => "m4a",
        "application/pdf" => "pdf",
        "application/zip" => "zip",
        "application/msword" => "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.ms-excel" => "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "application/vnd.ms-powerpoint" => "ppt",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => "pptx",
        "text/plain" => "txt",
        "text/csv" => "csv",
        _ => own
            .and_then(|name| name.rsplit_once('.'))
            .map(|(_, extension)| extension)
            .filter(|extension| {
                (1..=8).contains(&extension.len()) && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
            })
            .unwrap_or("bin"),
    };
    format!("file{digits}.{extension}")
}

/// `POST /:sessao/desfile`: a message's file, decrypted. Its server kept the file and answered its name; here the bytes are in the answer too.
pub(super) async fn decrypt(
    State(app): State<App>,
    about: About<ReadMessages>,
    request: Request,
) -> Result<Response, Problem> {
    let fields = Fields::read(&app, request).await?;
    let id = message_id(&fields).ok_or_else(|| missing_in_post("body"))?;
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
    Ok(ok(json!({
        "name": file_name(&id, &file.mime_type, file.file_name.as_deref()),
        "mimetype": file.mime_type,
        "filename": file.file_name,
        "size": file.size,
        "base64": format!("data:{};base64,{base64}", file.mime_type),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_is_made_of_its_messages_id_and_of_what_it_is() {
        const ID: &str = "false_5491123456789@c.us_3EB0AA";
        // md5sum of the id.
        const NAME: &str = "filea0c2da64736300bbaa91d722d41dbec5";
        for (mime_type, name, extension) in [
            ("image/jpeg", None, "jpeg"),
            ("audio/ogg; codecs=opus", None, "oga"),
            ("application/pdf", Some("nota.PDF"), "pdf"),
            ("application/x-cad", Some("planta.v2.dwg"), "dwg"),
            ("application/x-cad", Some("../.."), "bin"),
            ("application/x-cad", None, "bin"),
        ] {
            assert_eq!(
                file_name(ID, mime_type, name),
                format!("{NAME}.{extension}"),
                "{mime_type}"
            );
        }
    }
}
