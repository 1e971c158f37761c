//! Deleting a file, and asking for one that was left out.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use shared::content::MediaStatus;
use shared::ids::MediaId;
use shared::problem::Code;
use shared::store::TenantTransaction;

use super::{MediaObject, MediaPath, not_found};
use crate::app::App;
use crate::auth::TenantCall;
use crate::auth::permission::{ReadMedia, WriteMedia};
use crate::database::promptly;
use crate::http::body::{Nothing, Submission};
use crate::http::path::Id;
use crate::idempotency::{Admission, Answer, Work};
use crate::media::receive;
use crate::openapi::IdempotencyHeader;
use crate::problem::Problem;

/// Delete a file with its bytes. Messages that it was in stay.
#[utoipa::path(delete, path = "/v1/media/{media_id}", tag = "media", params(MediaPath),
    responses((status = 204, description = "The file is gone.")),
    extensions(("x-problems" = json!(["media_not_found"]))))]
pub(crate) async fn delete_media(
    State(app): State<App>,
    call: TenantCall<WriteMedia>,
    Id(media): Id<MediaId>,
) -> Result<StatusCode, Problem> {
    let key = promptly(async {
        let mut transaction = app.store().tenant(call.tenant).await?;
        let key = transaction.delete_media(media, call.within()).await?;
        transaction.commit().await?;
        Ok(key)
    })
    .await?;
    // When the bucket is away, a worker deletes it later.
    receive::discard(app.files(), &key.ok_or_else(not_found)?).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Fetch a received file that the session's settings left out, or that could not be had: `media.stored` or `media.failed` follows.
#[utoipa::path(post, path = "/v1/media/{media_id}/download", tag = "media", params(MediaPath, IdempotencyHeader), request_body = Option<Nothing>,
    responses((status = 202, description = "The file will be fetched, or is stored already.", body = MediaObject)),
    extensions(("x-problems" = json!(["media_not_found", "not_found_on_whatsapp"]))))]
pub(super) async fn download_media(
    State(app): State<App>,
    call: TenantCall<ReadMedia>,
    Id(media): Id<MediaId>,
    submission: Submission<Nothing>,
) -> Result<Response, Problem> {
    let answer = promptly(async {
        let mut work = match Work::begin(&app, call.tenant, submission.idempotency, call.key()).await? {
            Admission::Fresh(work) => work,
            Admission::Replay(answer) => return Ok(answer),
        };
        let outcome = request(&mut work.transaction, &call, media).await;
        work.settle(outcome).await
    })
    .await?;
    Ok(answer.into_response())
}

async fn request(
    transaction: &mut TenantTransaction,
    call: &TenantCall<ReadMedia>,
    media: MediaId,
) -> Result<Answer, Problem> {
    let found = transaction.media(media, call.within()).await?.ok_or_else(not_found)?;
    let Json(object) = if matches!(found.status, MediaStatus::Stored | MediaStatus::Uploading) {
        Json(MediaObject::from(found))
    } else {
        if !transaction.request_media_download(media).await? {
            return Err(Problem::new(
                Code::NotFoundOnWhatsapp,
                "The message did not say where WhatsApp has the file.",
            ));
        }
        super::shown(transaction.media(media, call.within()).await?)?
    };
    Answer::json(StatusCode::ACCEPTED, &object)
}
