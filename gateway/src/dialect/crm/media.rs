//! Files of the CRM's API: those that arrived in a session, and those that were uploaded to it.

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};
use shared::ids::MediaId;
use shared::problem::Code;
use shared::store::media::{MediaFilter, StoredMedia};
use shared::store::pages::COUNTED_AHEAD;

use super::{About, Client, done, made, ok};
use crate::api::media::read::get_media_content;
use crate::api::media::remove::delete_media;
use crate::app::App;
use crate::auth::permission::{ReadMedia, WriteMedia};
use crate::database::promptly;
use crate::dialect::fields::Fields;
use crate::dialect::{files, words};
use crate::http::parameters::{self, Parameters};
use crate::http::path::Id;
use crate::problem::Problem;

/// How many files a page has if not said.
const USUAL_FILES: i64 = 20;

/// The routes.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/media/sessions/{session}", get(list))
        .route("/api/media/sessions/{session}/upload", post(upload))
        .route("/api/media/{file}", get(read).delete(delete))
        .route("/api/media/{file}/download", get(download))
}

/// What sort of file it is.
fn sort(mime_type: &str) -> &'static str {
    match mime_type.split('/').next() {
        Some("image") => "image",
        Some("video") => "video",
        Some("audio") => "audio",
        _ => "document",
    }
}

/// A file. `url` works for some minutes without a key.
async fn shown(app: &App, file: &StoredMedia) -> Result<Value, Problem> {
    let thumbnail = file.to_media().thumbnail;
    Ok(json!({
        "id": file.id,
        "fileId": file.id,
        "filename": file.file_name.clone().unwrap_or_else(|| file.id.to_string()),
        "originalName": file.file_name,
        "mimeType": file.mime_type,
        "size": file.size,
        "type": sort(&file.mime_type),
        "url": files::link(app, file).await?,
        "thumbnailUrl": thumbnail.map(|jpeg| format!("data:image/jpeg;base64,{jpeg}")),
        "status": file.status,
        "whatsappMessageId": file.wa_message_id,
        "createdAt": shared::timestamp::text(file.created_at),
        "expiresAt": file.expires_at.map(shared::timestamp::text),
    }))
}

/// `GET /api/media/sessions/{sessionId}`.
async fn list(State(app): State<App>, about: About<ReadMedia>) -> Result<Response, Problem> {
    let paging = about.asked.paging(USUAL_FILES)?;
    let mime_type = match about.asked.get("type") {
        None => None,
        Some("document") => Some("application/*".to_owned()),
        Some(family @ ("image" | "video" | "audio")) => Some(format!("{family}/*")),
        Some(_) => {
            return Err(words::invalid(
                "El parámetro type debe ser image, video, audio o document",
            ));
        }
    };
    let filter = MediaFilter {
        session: Some(about.call.session),
        mime_type,
        skip: paging.skip(),
        ..MediaFilter::default()
    };
    let (found, total) = promptly(async {
        let call = &about.call.tenant;
        let mut transaction = app.store().tenant(call.tenant).await?;
        let most = paging.skip().saturating_add(COUNTED_AHEAD);
        let total = transaction.count_media(&filter, call.within(), most).await?;
        let found = transaction
            .media_list(&filter, call.within(), None, paging.limit)
            .await?;
        Ok((found, total))
    })
    .await?;
    let mut files = Vec::with_capacity(found.len());
    for file in &found {
        files.push(shown(&app, file).await?);
    }
    Ok(ok(json!({ "mediaFiles": files, "pagination": paging.shown(total) })))
}

/// `POST /api/media/sessions/{sessionId}/upload`: a form with a file, which belongs to the session from then on.
async fn upload(State(app): State<App>, about: About<WriteMedia>, request: Request) -> Result<Response, Problem> {
    let tenant = about.call.tenant.tenant;
    let fields = Fields::with_file(&app, tenant, request).await?;
    let file = fields.file.ok_or_else(|| words::invalid("file es requerido"))?;
    promptly(async {
        let mut transaction = app.store().tenant(tenant).await?;
        transaction.give_media_to_session(file.id, about.call.session).await?;
        Ok(transaction.commit().await?)
    })
    .await?;
    Ok(made("Archivo subido correctamente", shown(&app, &file).await?))
}

/// The file that the path names.
fn named(media: &str) -> Result<MediaId, Problem> {
    media.parse().map_err(|_| Problem::not_found(Code::MediaNotFound))
}

/// `GET /api/media/{mediaFileId}`.
async fn read(State(app): State<App>, client: Client, Path(media): Path<String>) -> Result<Response, Problem> {
    let call = client.tenant::<ReadMedia>(&app).await?;
    let media = named(&media)?;
    let found = promptly(async {
        let mut transaction = app.store().tenant(call.tenant).await?;
        Ok(transaction.media(media, call.within()).await?)
    })
    .await?;
    let found = found.ok_or_else(|| Problem::not_found(Code::MediaNotFound))?;
    Ok(ok(json!({ "mediaFile": shown(&app, &found).await? })))
}

/// `GET /api/media/{mediaFileId}/download`: the bytes themselves. A file that was left out is fetched from WhatsApp first.
async fn download(State(app): State<App>, client: Client, Path(media): Path<String>) -> Result<Response, Problem> {
    let call = client.tenant::<ReadMedia>(&app).await?;
    let file = files::fetched(&app, &call, named(&media)?).await?;
    let by_us = [("redirect".to_owned(), "false".to_owned())];
    let by_us = Parameters(parameters::parse(by_us.into_iter())?);
    get_media_content(State(app), call, Id(file.id), by_us).await
}

/// `DELETE /api/media/{mediaFileId}`.
async fn delete(State(app): State<App>, client: Client, Path(media): Path<String>) -> Result<Response, Problem> {
    let call = client.tenant::<WriteMedia>(&app).await?;
    let media = named(&media)?;
    delete_media(State(app), call, Id(media)).await?;
    Ok(done("Archivo eliminado correctamente", json!({ "fileId": media })))
}
