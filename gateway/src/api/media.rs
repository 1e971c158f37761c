//! `/v1/media`: files that a tenant uploads, and those that arrived in messages.

pub(crate) mod read;
pub(crate) mod remove;
mod upload;
mod upload_directly;

use axum::Json;
use serde::Serialize;
use shared::content::MediaStatus;
use shared::ids::{MediaId, MessageId, SessionId};
use shared::problem::Code;
use shared::store::media::StoredMedia;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::http::timestamp::Timestamp;
use crate::problem::Problem;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(upload::upload_media, read::list_media))
        .routes(routes!(upload_directly::begin_media_upload))
        .routes(routes!(upload_directly::complete_media_upload))
        .routes(routes!(read::get_media, remove::delete_media))
        .routes(routes!(read::get_media_content))
        .routes(routes!(remove::download_media))
}

/// The file in the path.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
struct MediaPath {
    /// The file's id.
    #[expect(dead_code, reason = "documentation; the value is read by its extractor")]
    media_id: String,
}

/// A file.
#[derive(Debug, Serialize, ToSchema)]
pub struct MediaObject {
    /// Its id.
    #[schema(value_type = String, example = "med_06egk3n2g8v6f9d8h2q7c1t0b4")]
    id: MediaId,
    /// Where it is.
    status: MediaStatus,
    /// What it is, by its bytes.
    #[schema(example = "image/jpeg")]
    mime_type: String,
    /// Its size in bytes; until it is stored, as its sender says.
    size: Option<i64>,
    /// The SHA-256 of its bytes, in hexadecimal digits; null until it is stored.
    sha256: Option<String>,
    /// Its name.
    file_name: Option<String>,
    /// Width in pixels.
    width: Option<u32>,
    /// Height in pixels.
    height: Option<u32>,
    /// Length in seconds.
    seconds: Option<u32>,
    /// A small JPEG in base64.
    thumbnail: Option<String>,
    /// A voice note's loudness over time: 64 bytes from 0 to 100, in base64.
    waveform: Option<String>,
    /// The session in which it arrived; null for an uploaded file.
    #[schema(value_type = Option<String>)]
    session_id: Option<SessionId>,
    /// The message in which it arrived.
    #[schema(value_type = Option<String>)]
    message_id: Option<MessageId>,
    /// WhatsApp's id of that message.
    wa_message_id: Option<String>,
    /// Why it could not be had.
    error: Option<String>,
    /// When it became known.
    created_at: Timestamp,
    /// When it is deleted; null: never.
    expires_at: Option<Timestamp>,
}

impl From<StoredMedia> for MediaObject {
    fn from(stored: StoredMedia) -> Self {
        let media = stored.to_media();
        Self {
            id: stored.id,
            status: stored.status,
            mime_type: media.mime_type,
            size: stored.size,
            sha256: media.sha256,
            file_name: media.file_name,
            width: media.width,
            height: media.height,
            seconds: media.seconds,
            thumbnail: media.thumbnail,
            waveform: media.waveform,
            session_id: stored.session,
            message_id: stored.message,
            wa_message_id: stored.wa_message_id,
            error: stored.error,
            created_at: stored.created_at.into(),
            expires_at: stored.expires_at.map(Timestamp),
        }
    }
}

fn not_found() -> Problem {
    Problem::not_found(Code::MediaNotFound)
}

/// The answer with one file.
fn shown(found: Option<StoredMedia>) -> Result<Json<MediaObject>, Problem> {
    found.map(|found| Json(found.into())).ok_or_else(not_found)
}
