//! Uploading a file straight into the bucket: a URL for it, then the news that it is there.

use axum::extract::State;
use chrono::{TimeDelta, Utc};
use futures::StreamExt as _;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use shared::bucket::{BucketError, object_key};
use shared::content::MediaStatus;
use shared::ids::MediaId;
use shared::store::TenantTransaction;
use shared::store::media::{Described, StoredMedia};
use utoipa::ToSchema;

use super::{MediaObject, MediaPath, not_found};
use crate::app::App;
use crate::auth::TenantCall;
use crate::auth::permission::WriteMedia;
use crate::database::promptly;
use crate::http::body::{Nothing, Submission};
use crate::http::checks::Checks;
use crate::http::path::Id;
use crate::http::timestamp::Timestamp;
use crate::idempotency::{Admission, Answer, Work};
use crate::media::{fetch, of_bucket, receive, sniff, too_large};
use crate::openapi::IdempotencyHeader;
use crate::problem::Problem;

type Call = TenantCall<WriteMedia>;

/// A file that is going to be uploaded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BeginUpload {
    /// What it is; its bytes are believed more.
    mime_type: Option<String>,
    /// Its name.
    file_name: Option<String>,
    /// Its size in bytes, if it is known: one that is too large is then refused at once.
    #[schema(minimum = 1)]
    size: Option<u64>,
}

/// Where a file is to be uploaded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UploadPlace {
    /// The file's id from now on.
    #[schema(value_type = String, example = "med_06egk3n2g8v6f9d8h2q7c1t0b4")]
    id: MediaId,
    /// `PUT`.
    method: &'static str,
    /// Where: the file is the request's whole body. No key is needed.
    url: String,
    /// Until when the URL works.
    expires_at: Timestamp,
}

/// Get a URL to upload a file straight into the storage (PUT). When that is done, complete it: `POST /v1/media/{media_id}/complete`.
#[utoipa::path(post, path = "/v1/media/uploads", tag = "media", params(IdempotencyHeader), request_body = Option<BeginUpload>,
    responses((status = 201, description = "Where to upload it.", body = UploadPlace)),
    extensions(("x-problems" = json!(["media_too_large"]))))]
pub(super) async fn begin_media_upload(
    State(app): State<App>,
    call: Call,
    submission: Submission<BeginUpload>,
) -> Result<Answer, Problem> {
    let Submission { body, idempotency } = submission;
    let largest = app.files().limits.document;
    if body.size.is_some_and(|size| size > largest) {
        return Err(too_large(largest));
    }
    let mut checks = Checks::new();
    checks.require(body.size != Some(0), "size", "must be at least 1");
    checks.finish()?;
    promptly(async {
        let mut work = match Work::begin(&app, call.tenant, idempotency, call.key()).await? {
            Admission::Fresh(work) => work,
            Admission::Replay(answer) => return Ok(answer),
        };
        let outcome = announce(&app, &mut work.transaction, body).await;
        // The URL lets anybody write: like a secret, only its caller may have it again.
        work.settle(outcome.map(|answer| answer.showing_secret(true))).await
    })
    .await
}

async fn announce(app: &App, transaction: &mut TenantTransaction, body: BeginUpload) -> Result<Answer, Problem> {
    let media = MediaId::generate();
    let key = object_key(transaction.tenant(), media);
    let mime_type = sniff::mime_type(b"", body.mime_type.as_deref());
    let name = body.file_name.as_deref().and_then(fetch::clean_name);
    let size = body.size.and_then(|size| i64::try_from(size).ok());
    transaction
        .announce_media(media, &key, name.as_deref(), &mime_type, size)
        .await?;
    let lifetime = app.limits().media_url_time();
    let url = app.files().bucket.upload_url(&key, lifetime).await.map_err(of_bucket)?;
    Answer::json(
        StatusCode::CREATED,
        &UploadPlace {
            id: media,
            method: "PUT",
            url: url.into(),
            expires_at: Timestamp(Utc::now() + TimeDelta::from_std(lifetime).unwrap_or_default()),
        },
    )
}

/// Complete an upload: the file is looked at, hashed, and can be sent from now on.
#[utoipa::path(post, path = "/v1/media/{media_id}/complete", tag = "media", params(MediaPath, IdempotencyHeader), request_body = Option<Nothing>,
    responses((status = 200, description = "The file is stored.", body = MediaObject)),
    extensions(("x-problems" = json!(["media_not_found", "media_too_large"]))))]
pub(super) async fn complete_media_upload(
    State(app): State<App>,
    call: Call,
    Id(media): Id<MediaId>,
    submission: Submission<Nothing>,
) -> Result<Answer, Problem> {
    let found = promptly(async {
        Ok(app
            .store()
            .tenant(call.tenant)
            .await?
            .media(media, call.within())
            .await?)
    })
    .await?;
    let found = found.ok_or_else(not_found)?;
    let described = match found.status {
        MediaStatus::Uploading => Some(describe(&app, &found).await?),
        _ => None,
    };
    promptly(async {
        let mut work = match Work::begin(&app, call.tenant, submission.idempotency, call.key()).await? {
            Admission::Fresh(work) => work,
            Admission::Replay(answer) => return Ok(answer),
        };
        let outcome = complete(&app, &mut work.transaction, media, described.as_ref()).await;
        work.settle(outcome).await
    })
    .await
}

async fn complete(
    app: &App,
    transaction: &mut TenantTransaction,
    media: MediaId,
    described: Option<&Described>,
) -> Result<Answer, Problem> {
    if let Some(described) = described {
        transaction.complete_media(media, described, app.files().days).await?;
    }
    let stored = transaction.media(media, None).await?.ok_or_else(not_found)?;
    Answer::json(StatusCode::OK, &MediaObject::from(stored))
}

/// Reads the object once, as a stream.
async fn describe(app: &App, found: &StoredMedia) -> Result<Described, Problem> {
    let files = app.files();
    let not_there = |error| match error {
        BucketError::NotFound => Problem::field("", "nothing was uploaded yet: PUT the file to its URL first"),
        other @ BucketError::Unavailable(_) => of_bucket(other),
    };
    let size = files.bucket.size(&found.object_key).await.map_err(not_there)?;
    let largest = files.limits.document;
    if size > largest {
        receive::discard(files, &found.object_key).await;
        return Err(too_large(largest));
    }
    if size == 0 {
        return Err(Problem::field("", "must not be an empty file"));
    }
    let mut pieces = files.bucket.read(&found.object_key, 0).await.map_err(not_there)?;
    let (mut head, mut hash, mut seen) = (Vec::new(), Sha256::new(), 0_usize);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(not_there)?;
        let missing = sniff::HEAD.saturating_sub(head.len()).min(piece.len());
        head.extend_from_slice(&piece[..missing]);
        hash.update(&piece);
        seen += piece.len();
    }
    let mut described = Described {
        mime_type: sniff::mime_type(&head, Some(&found.mime_type)),
        size: i64::try_from(seen).map_err(Problem::internal)?,
        sha256: hash.finalize().to_vec(),
        ..Described::default()
    };
    files.look_at(&found.object_key, &mut described).await?;
    Ok(described)
}
