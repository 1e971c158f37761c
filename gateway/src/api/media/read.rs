//! Reading files: the list, one of them, its bytes.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use shared::content::MediaStatus;
use shared::ids::{MediaId, SessionId};
use shared::problem::Code;
use shared::store::media::{MediaFilter, StoredMedia};
use uuid::Uuid;

use super::{MediaObject, MediaPath, not_found, shown};
use crate::app::App;
use crate::auth::TenantCall;
use crate::auth::permission::ReadMedia;
use crate::database::promptly;
use crate::http::page::{Cursor, Limit, Page};
use crate::http::parameters::Parameters;
use crate::http::path::Id;
use crate::media::of_bucket;
use crate::problem::Problem;

type Call = TenantCall<ReadMedia>;

/// Which files are listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListMedia {
    /// How many at most.
    #[serde(default)]
    #[param(value_type = u8, minimum = 1, maximum = 100, default = 50, required = false)]
    limit: Limit,
    /// Where to go on: the `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<Uuid>>,
    /// Only those that arrived in this session.
    #[param(value_type = Option<String>)]
    session_id: Option<SessionId>,
    /// Only those with this status.
    status: Option<MediaStatus>,
    /// Only those of this MIME type, or of a family of them: `image/*`.
    mime_type: Option<String>,
}

/// List files, newest first: uploaded ones and those that arrived in messages.
#[utoipa::path(get, path = "/v1/media", tag = "media", params(ListMedia),
    responses((status = 200, description = "A page of files.", body = Page<MediaObject>)))]
pub(super) async fn list_media(
    State(app): State<App>,
    call: Call,
    Parameters(list): Parameters<ListMedia>,
) -> Result<Json<Page<MediaObject>>, Problem> {
    let limit = list.limit;
    if list.mime_type.as_deref().is_some_and(|mime| mime.contains('\0')) {
        return Err(Problem::field("mime_type", "must not contain the character U+0000"));
    }
    let filter = MediaFilter {
        session: list.session_id,
        status: list.status,
        mime_type: list.mime_type,
        ..MediaFilter::default()
    };
    let after = list.cursor.map(|Cursor(id)| MediaId(id));
    let rows = promptly(async {
        let mut transaction = app.store().tenant(call.tenant).await?;
        Ok(transaction
            .media_list(&filter, call.within(), after, limit.rows())
            .await?)
    })
    .await?;
    Ok(Json(Page::new(rows, limit, |media| media.id.0, MediaObject::from)))
}

async fn find(app: &App, call: &Call, media: MediaId) -> Result<Option<StoredMedia>, Problem> {
    promptly(async {
        Ok(app
            .store()
            .tenant(call.tenant)
            .await?
            .media(media, call.within())
            .await?)
    })
    .await
}

/// Describe a file.
#[utoipa::path(get, path = "/v1/media/{media_id}", tag = "media", params(MediaPath),
    responses((status = 200, description = "The file.", body = MediaObject)),
    extensions(("x-problems" = json!(["media_not_found"]))))]
pub(super) async fn get_media(
    State(app): State<App>,
    call: Call,
    Id(media): Id<MediaId>,
) -> Result<Json<MediaObject>, Problem> {
    shown(find(&app, &call, media).await?)
}

/// How the bytes are given.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContentParameters {
    /// `false`: the gateway passes the bytes on itself, for clients that cannot reach the storage.
    #[serde(default = "yes")]
    #[param(default = true, required = false)]
    redirect: bool,
}

fn yes() -> bool {
    true
}

/// Download a file: leads to a URL of the storage that works for some minutes without a key.
#[utoipa::path(get, path = "/v1/media/{media_id}/content", tag = "media", params(MediaPath, ContentParameters),
    responses((status = 302, description = "`Location` has the bytes.", headers(("location" = String, description = "The signed URL."))),
              (status = 200, description = "The bytes (with `redirect=false`), with the file's own type.", body = String, content_type = "*/*")),
    extensions(("x-problems" = json!(["media_not_found"]))))]
pub(crate) async fn get_media_content(
    State(app): State<App>,
    call: Call,
    Id(media): Id<MediaId>,
    Parameters(parameters): Parameters<ContentParameters>,
) -> Result<Response, Problem> {
    let found = find(&app, &call, media).await?.ok_or_else(not_found)?;
    if found.status != MediaStatus::Stored {
        return Err(Problem::new(
            Code::MediaNotFound,
            format!("The file is not stored: it is {}.", found.status),
        ));
    }
    let bucket = &app.files().bucket;
    if parameters.redirect {
        let lifetime = app.limits().media_url_time();
        let url = bucket
            .download_url(
                &found.object_key,
                &found.mime_type,
                found.file_name.as_deref(),
                lifetime,
            )
            .await
            .map_err(of_bucket)?;
        let location = HeaderValue::from_str(url.as_str()).map_err(Problem::internal)?;
        return Ok((
            StatusCode::FOUND,
            [
                (LOCATION, location),
                (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ],
        )
            .into_response());
    }
    let pieces = bucket.read(&found.object_key, 0).await.map_err(of_bucket)?;
    let body = Body::from_stream(pieces.map(|piece| piece.map_err(std::io::Error::other)));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    // Never shown in the gateway's own name, whatever it is.
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_str(&found.mime_type).unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
    if let Some(size) = found.size {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
    }
    Ok(response)
}
