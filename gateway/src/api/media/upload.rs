//! `POST /v1/media`: a file comes in with the request, as its body, in a form, in base64, or by a link.
//!
//! The file streams into the bucket before anything is decided, so an idempotency key is looked at when it is there: a repeat is then thrown away.

use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use shared::ids::MediaId;
use shared::problem::Code;
use shared::store::TenantTransaction;
use shared::store::media::Described;
use utoipa::ToSchema;

use super::MediaObject;
use crate::app::App;
use crate::auth::TenantCall;
use crate::auth::permission::WriteMedia;
use crate::database::promptly;
use crate::http::body;
use crate::http::checks::Checks;
use crate::http::parameters;
use crate::idempotency::{Admission, Answer, Idempotency, Work};
use crate::media::receive::{Incoming, discard};
use crate::media::{fetch, resolve, too_large};
use crate::openapi::IdempotencyHeader;
use crate::problem::Problem;

/// A file by its link or its bytes: one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UploadRequest {
    /// Where it is to be fetched: an `https` URL with a public address.
    link: Option<String>,
    /// Its bytes, at most 16 MiB; larger files are sent as they are.
    base64: Option<String>,
    /// What it is; its bytes are believed more.
    mime_type: Option<String>,
    /// Its name.
    file_name: Option<String>,
}

/// A form with a file.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "documentation; the form is read as a stream")]
pub(super) struct UploadForm {
    /// The file, with its name and type.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    file: String,
}

/// What stands in the query.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct UploadParameters {
    /// The file's name, when the body is the file itself.
    file_name: Option<String>,
}

/// A file that is in the bucket and not noted yet.
struct Received {
    media: MediaId,
    key: String,
    described: Described,
    file_name: Option<String>,
}

/// Upload a file: as the body itself (with its `Content-Type`), as `multipart/form-data`, or as JSON with a link or base64. It can then be sent as often
/// as needed by its `media_id`.
#[utoipa::path(post, path = "/v1/media", tag = "media", params(UploadParameters, IdempotencyHeader),
    request_body(content((UploadRequest = "application/json"), (UploadForm = "multipart/form-data"), (String = "application/octet-stream"))),
    responses((status = 201, description = "The file is stored.", body = MediaObject)),
    extensions(("x-problems" = json!(["media_too_large", "unsupported_media", "url_forbidden"]))))]
pub(super) async fn upload_media(
    State(app): State<App>,
    call: TenantCall<WriteMedia>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let key = body::idempotency_key(&parts.headers)?;
    let query = parameters::pairs(&parts.uri).filter(|(name, _)| name != parameters::TENANT);
    let query: UploadParameters = parameters::parse(query)?;
    let received = receive(&app, &call, &parts.headers, body, query.file_name).await?;
    let idempotency = key.map(|key| Idempotency {
        key,
        fingerprint: body::fingerprint(&parts.method, parts.uri.path(), &fingerprint_of(&received)),
        window: None,
    });
    let object = received.key.clone();
    match promptly(keep(&app, &call, idempotency, received)).await {
        Ok((answer, true)) => Ok(answer.into_response()),
        Ok((answer, false)) => {
            discard(app.files(), &object).await;
            Ok(answer.into_response())
        }
        Err(problem) => {
            // After an unclear outcome of the commit the object may be needed.
            if problem.code() != Code::Unavailable {
                discard(app.files(), &object).await;
            }
            Err(problem)
        }
    }
}

fn fingerprint_of(received: &Received) -> Vec<u8> {
    let mut parts = received.described.sha256.clone();
    parts.extend_from_slice(received.file_name.as_deref().unwrap_or_default().as_bytes());
    parts
}

/// Answers also whether the file is a new one.
async fn keep(
    app: &App,
    call: &TenantCall<WriteMedia>,
    idempotency: Option<Idempotency>,
    received: Received,
) -> Result<(Answer, bool), Problem> {
    let mut work = match Work::begin(app, call.tenant, idempotency, call.key()).await? {
        Admission::Fresh(work) => work,
        Admission::Replay(answer) => return Ok((answer, false)),
    };
    let outcome = insert(&mut work.transaction, received, app.files().days).await;
    Ok((work.settle(outcome).await?, true))
}

async fn insert(transaction: &mut TenantTransaction, received: Received, days: i32) -> Result<Answer, Problem> {
    let Received {
        media,
        key,
        described,
        file_name,
    } = received;
    transaction
        .insert_media(media, &key, file_name.as_deref(), &described, days)
        .await?;
    let stored = transaction.media(media, None).await?.ok_or_else(super::not_found)?;
    Answer::json(StatusCode::CREATED, &MediaObject::from(stored))
}

async fn receive(
    app: &App,
    call: &TenantCall<WriteMedia>,
    headers: &HeaderMap,
    body: Body,
    file_name: Option<String>,
) -> Result<Received, Problem> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if body::is_json(headers) {
        let place = body::place_for_base64(app)?;
        let bytes = body::read(headers, body, body::LONGEST_WITH_FILE).await?;
        let request: UploadRequest = body::parse(&bytes)?;
        drop(bytes);
        // A link needs no room: what it leads to goes through in pieces.
        let _place = request.base64.is_some().then_some(place);
        return by_json(app, call, request).await;
    }
    let largest = app.files().limits.document;
    let length: Option<u64> = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    // A form is a little longer than its file.
    if length.is_some_and(|length| length > largest + 64 * 1024) {
        return Err(too_large(largest));
    }
    let body = body.into_data_stream();
    if let Some(boundary) = content_type.and_then(|value| multer::parse_boundary(value).ok()) {
        return by_form(app, call, body, boundary).await;
    }
    let mut body = body;
    let mut incoming = Incoming::begin(app.files(), call.tenant, content_type, largest);
    while let Some(piece) = body.next().await {
        incoming.write(&piece.map_err(|_| ended_early())?).await?;
    }
    let name = file_name.as_deref().and_then(fetch::clean_name);
    received(incoming, name).await
}

fn ended_early() -> Problem {
    Problem::new(Code::MalformedBody, "The body ended early.")
}

async fn received(incoming: Incoming, file_name: Option<String>) -> Result<Received, Problem> {
    let (media, key, described) = incoming.finish().await?;
    Ok(Received {
        media,
        key,
        described,
        file_name,
    })
}

async fn by_form(
    app: &App,
    call: &TenantCall<WriteMedia>,
    body: BodyDataStream,
    boundary: String,
) -> Result<Received, Problem> {
    let malformed = |error: multer::Error| {
        Problem::new(Code::MalformedBody, "The form cannot be read or ended early.")
            .caused_by(anyhow::Error::from(error))
    };
    let mut form = multer::Multipart::new(body, boundary);
    let Some(mut part) = form.next_field().await.map_err(malformed)? else {
        return Err(Problem::field("file", "is required"));
    };
    if part.name() != Some("file") {
        return Err(Problem::field(
            part.name().unwrap_or_default(),
            "is no field of this form: file is the only one",
        ));
    }
    let declared = part.content_type().map(ToString::to_string);
    let name = part.file_name().and_then(fetch::clean_name);
    let mut incoming = Incoming::begin(
        app.files(),
        call.tenant,
        declared.as_deref(),
        app.files().limits.document,
    );
    while let Some(piece) = part.chunk().await.map_err(malformed)? {
        incoming.write(&piece).await?;
    }
    received(incoming, name).await
}

async fn by_json(app: &App, call: &TenantCall<WriteMedia>, request: UploadRequest) -> Result<Received, Problem> {
    let mut checks = Checks::new();
    let both = (request.link.as_deref(), request.base64.as_deref());
    checks.require(
        matches!(both, (Some(_), None) | (None, Some(_))),
        "link",
        "is required, or base64: exactly one of the two",
    );
    checks.finish()?;
    let files = app.files();
    let largest = files.limits.document;
    let name = request.file_name.as_deref().and_then(fetch::clean_name);
    if let Some(link) = request.link {
        let mut fetched = fetch::fetch(app.egress(), "link", &link, largest).await?;
        let declared = request.mime_type.as_deref().or(fetched.mime_type.as_deref());
        let mut incoming = Incoming::begin(files, call.tenant, declared, largest);
        while let Some(piece) = fetched.piece("link").await? {
            incoming.write(&piece).await?;
        }
        return received(incoming, name.or(fetched.file_name)).await;
    }
    let bytes = resolve::decode(request.base64.unwrap_or_default());
    let bytes = bytes.ok_or_else(|| Problem::field("base64", "must be base64"))?;
    let mut incoming = Incoming::begin(files, call.tenant, request.mime_type.as_deref(), largest);
    incoming.write(&bytes).await?;
    received(incoming, name).await
}
