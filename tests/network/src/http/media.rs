//! Files by the HTTP interface: what phones upload and read, and what the media store lets go.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use super::phones::find_phone;
use super::problem::{Problem, read as read_body};
use crate::media::cipher::{MEDIA_KEY_LENGTH, MediaKind};
use crate::media::store::StoreError;
use crate::network::Network;
use crate::phone::media::{self, PhoneMediaError, UploadedMedia};
use crate::phone::media_retry::MediaRetryAnswer;

impl From<PhoneMediaError> for Problem {
    fn from(error: PhoneMediaError) -> Self {
        let (status, code) = match &error {
            PhoneMediaError::Unknown => (StatusCode::NOT_FOUND, "unknown_media"),
            PhoneMediaError::Expired => (StatusCode::GONE, "media_expired"),
            PhoneMediaError::Store(StoreError::TooLarge) => (StatusCode::PAYLOAD_TOO_LARGE, "media_too_large"),
            PhoneMediaError::Cipher(_) => (StatusCode::UNPROCESSABLE_ENTITY, "media_damaged"),
            PhoneMediaError::Store(_) | PhoneMediaError::Io(_) => (StatusCode::INTERNAL_SERVER_ERROR, "media_failed"),
        };
        Self::new(status, code, error.to_string())
    }
}

fn read_kind(name: &str) -> Result<MediaKind, Problem> {
    MediaKind::parse(name).ok_or_else(|| Problem::unreadable(format!("{name:?} is no kind of media")))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upload {
    kind: String,
}

/// `POST /phones/{number}/media?kind=`: the body is the file.
pub(super) async fn upload(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    Query(upload): Query<Upload>,
    body: Body,
) -> Result<Json<UploadedMedia>, Problem> {
    let account = find_phone(&network, &number)?;
    let kind = read_kind(&upload.kind)?;
    Ok(Json(media::upload(&network, &account, kind, body).await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fetch {
    direct_path: String,
    media_key: String,
    kind: String,
}

/// `POST /phones/{number}/media/read`: the answer is the file.
pub(super) async fn read(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let wanted: Fetch = read_body(&body)?;
    find_phone(&network, &number)?;
    let kind = read_kind(&wanted.kind)?;
    let media_key = BASE64.decode(&wanted.media_key).ok();
    let media_key: [u8; MEDIA_KEY_LENGTH] = media_key
        .and_then(|key| key.try_into().ok())
        .ok_or_else(|| Problem::unreadable("the media key is not 32 bytes in base64"))?;
    let file = media::read(&network, &wanted.direct_path, &media_key, kind).await?;
    let kind = [(CONTENT_TYPE, "application/octet-stream")];
    Ok((kind, Body::from_stream(file)).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MediaRetry {
    answer: MediaRetryAnswer,
}

/// `POST /phones/{number}/media-retry`: what the phone does from now on when a companion asks for a file again.
pub(super) async fn retry(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let retry: MediaRetry = read_body(&body)?;
    find_phone(&network, &number)?.phone().media_retry = retry.answer;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /media`: the stored files, in the order of their uploads.
pub(super) async fn list(State(network): State<Arc<Network>>) -> Json<Value> {
    Json(json!({ "files": network.media.list() }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expire {
    direct_path: Option<String>,
    status: Option<u16>,
}

/// `POST /media/expire`: one file or all of them are there no more.
pub(super) async fn expire(State(network): State<Arc<Network>>, body: Bytes) -> Result<Json<Value>, Problem> {
    let expire: Expire = read_body(&body)?;
    let status = expire.status.unwrap_or(410);
    if ![404, 410].contains(&status) {
        return Err(Problem::unreadable("expired files are answered with 404 or 410"));
    }
    let expired = network.media.expire(expire.direct_path.as_deref(), status);
    Ok(Json(json!({ "expired": expired })))
}

/// `GET /media/ca`: the certificate of the media store's authority, in PEM.
pub(super) async fn authority(State(network): State<Arc<Network>>) -> String {
    network.media_authority().to_owned()
}
