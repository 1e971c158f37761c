//! Files that a dialect's clients send: by a link, in base64 or in a form. They go into our storage first, because only their bytes tell which kind of
//! message they become.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use serde_json::{Value, json};
use shared::bucket::BucketError;
use shared::content::MediaStatus;
use shared::ids::{MediaId, TenantId};
use shared::problem::Code;
use shared::store::media::StoredMedia;

use super::patience::look_for;
use crate::app::App;
use crate::auth::TenantCall;
use crate::database::promptly;
use crate::media::receive::Incoming;
use crate::media::{fetch, of_bucket, resolve, too_large};
use crate::problem::Problem;

/// The largest file that is given back in base64, in bytes.
pub const LARGEST_IN_BASE64: u64 = 16 * 1024 * 1024;

/// How long a file that is on its way from WhatsApp is waited for.
const FETCH_PATIENCE: Duration = Duration::from_secs(20);

/// Fetches a file from a link of the field `field` into our storage.
///
/// # Errors
/// `url_forbidden`, `validation_failed`, `media_too_large`, `unavailable`.
pub async fn from_link(
    app: &App,
    tenant: TenantId,
    field: &str,
    link: &str,
    name: Option<&str>,
) -> Result<StoredMedia, Problem> {
    let largest = app.files().limits.document;
    let mut fetched = fetch::fetch(app.egress(), field, link, largest).await?;
    let mut incoming = Incoming::begin(app.files(), tenant, fetched.mime_type.as_deref(), largest);
    while let Some(piece) = fetched.piece(field).await? {
        incoming.write(&piece).await?;
    }
    let name = name.and_then(fetch::clean_name).or(fetched.file_name);
    resolve::keep(app, tenant, incoming.finish().await?, name.as_deref()).await
}

/// Takes a file in base64 (with or without `data:…;base64,`) of the field `field` into our storage.
///
/// # Errors
/// `validation_failed`, `media_too_large`, `unavailable`.
pub async fn from_base64(
    app: &App,
    tenant: TenantId,
    field: &str,
    text: &str,
    mime_type: Option<&str>,
    name: Option<&str>,
) -> Result<StoredMedia, Problem> {
    let bytes = resolve::decode(text.to_owned()).ok_or_else(|| Problem::field(field, "must be base64"))?;
    let declared = text
        .strip_prefix("data:")
        .and_then(|rest| rest.split([';', ',']).next())
        .filter(|kind| !kind.is_empty());
    let largest = app.files().limits.document;
    let mut incoming = Incoming::begin(app.files(), tenant, mime_type.or(declared), largest);
    incoming.write(&bytes).await?;
    let name = name.and_then(fetch::clean_name);
    resolve::keep(app, tenant, incoming.finish().await?, name.as_deref()).await
}

/// The message that a stored file becomes, as the canonical API's request. `document`: a file whatever it is.
#[must_use]
pub fn message(to: &str, file: &StoredMedia, caption: Option<&str>, document: bool) -> Value {
    let kind = match file.mime_type.split('/').next() {
        _ if document => "document",
        Some("image") if matches!(file.mime_type.as_str(), "image/jpeg" | "image/png" | "image/webp") => "image",
        Some("video") if matches!(file.mime_type.as_str(), "video/mp4" | "video/3gpp") => "video",
        Some("audio") => "audio",
        _ => "document",
    };
    let mut content = json!({ "media_id": file.id });
    if kind != "audio"
        && let Some(caption) = caption
    {
        content["caption"] = caption.into();
    }
    if kind == "document"
        && let Some(name) = &file.file_name
    {
        content["file_name"] = name.as_str().into();
    }
    let mut message = json!({ "to": to, "type": kind });
    message[kind] = content;
    message
}

/// The file once it is in our storage; one that was left out is fetched from WhatsApp now.
///
/// # Errors
/// [`Code::MediaNotFound`] also when it cannot be had, [`Code::Timeout`] when it does not come in time.
pub async fn fetched<P>(app: &App, call: &TenantCall<P>, media: MediaId) -> Result<StoredMedia, Problem> {
    let read = || {
        promptly(async {
            let mut transaction = app.store().tenant(call.tenant).await?;
            let found = transaction.media(media, call.within()).await?;
            found.ok_or_else(|| Problem::not_found(Code::MediaNotFound))
        })
    };
    if matches!(read().await?.status, MediaStatus::Skipped | MediaStatus::Failed) {
        promptly(async {
            let mut transaction = app.store().tenant(call.tenant).await?;
            transaction.request_media_download(media).await?;
            Ok(transaction.commit().await?)
        })
        .await?;
    }
    let come = look_for(FETCH_PATIENCE, || async {
        let found = read().await?;
        match found.status {
            MediaStatus::Stored => Ok(Some(found)),
            MediaStatus::Failed => Err(Problem::not_found(Code::MediaNotFound)),
            _ => Ok(None),
        }
    });
    come.await?
        .ok_or_else(|| Problem::new(Code::Timeout, "The file has not come in time."))
}

/// A link under which a stored file can be downloaded for some minutes without a key; `None` while it is not stored.
///
/// # Errors
/// `unavailable` when the storage's credentials cannot be had.
pub async fn link(app: &App, file: &StoredMedia) -> Result<Option<String>, Problem> {
    if file.status != MediaStatus::Stored {
        return Ok(None);
    }
    let (bucket, lifetime) = (&app.files().bucket, app.limits().media_url_time());
    let url = bucket
        .download_url(&file.object_key, &file.mime_type, file.file_name.as_deref(), lifetime)
        .await
        .map_err(of_bucket)?;
    Ok(Some(url.into()))
}

/// A stored file's bytes in base64.
///
/// # Errors
/// `media_not_found`, `media_too_large`, `unavailable`.
pub async fn to_base64(app: &App, file: &StoredMedia) -> Result<String, Problem> {
    let bucket = &app.files().bucket;
    if file
        .size
        .is_some_and(|size| u64::try_from(size).unwrap_or(u64::MAX) > LARGEST_IN_BASE64)
    {
        return Err(too_large(LARGEST_IN_BASE64));
    }
    let _place = app
        .base64_permits()
        .try_acquire_owned()
        .map_err(|_| Problem::new(Code::Overloaded, "Too many files in base64 are going out."))?;
    let mut pieces = bucket.read(&file.object_key, 0).await.map_err(of_bucket)?;
    let mut whole = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error: BucketError| of_bucket(error))?;
        if (whole.len() + piece.len()) as u64 > LARGEST_IN_BASE64 {
            return Err(too_large(LARGEST_IN_BASE64));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(STANDARD.encode(whole))
}
