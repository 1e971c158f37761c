//! A group's picture.

use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use shared::operation::{GroupOperation, Operation};
use utoipa::ToSchema;

use super::{GroupPath, OPERATION_PROBLEMS, without_key};
use crate::api::sessions::SessionPath;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::SendMessages;
use crate::http::body::Document;
use crate::http::checks::Checks;
use crate::http::jid::GroupJid;
use crate::http::prefer::Prefer;
use crate::openapi::PreferHeader;
use crate::operate::{OperationAccepted, OperationDone, operate};
use crate::problem::Problem;

/// The largest picture, in bytes: phones send theirs in 640 by 640 pixels, far below.
const LARGEST: usize = 512 * 1024;

/// A picture.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPicture {
    /// A JPEG in base64, at most 512 KiB; square, 640 by 640 pixels or less.
    base64: String,
}

/// Whether it is a JPEG that WhatsApp can take, as far as its first bytes tell.
pub(crate) fn check_jpeg(checks: &mut Checks, field: &str, text: &str) {
    let bytes = STANDARD.decode(text).ok();
    let is_jpeg = bytes
        .as_ref()
        .is_some_and(|bytes| bytes.starts_with(&[0xFF, 0xD8, 0xFF]));
    checks.require(is_jpeg, field, "must be a JPEG in base64");
    checks.require(
        bytes.is_none_or(|bytes| bytes.len() <= LARGEST),
        field,
        "must have at most 512 KiB",
    );
}

/// Change a group's picture.
#[utoipa::path(put, path = "/v1/sessions/{session_id}/groups/{group_jid}/picture", tag = "groups", params(SessionPath, GroupPath, PreferHeader),
    request_body = NewPicture,
    responses((status = 200, description = "It is changed.", body = OperationDone),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
pub(super) async fn set_group_picture(
    State(app): State<App>,
    call: SessionCall<SendMessages>,
    GroupJid(group): GroupJid,
    prefer: Prefer,
    Document(picture): Document<NewPicture>,
) -> Result<Response, Problem> {
    let mut checks = Checks::new();
    check_jpeg(&mut checks, "base64", &picture.base64);
    checks.finish()?;
    let operation = Operation::Group(GroupOperation::SetPicture {
        group,
        jpeg: picture.base64,
    });
    operate(&app, &call, prefer, without_key(operation)).await
}

/// Remove a group's picture.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}/groups/{group_jid}/picture", tag = "groups",
    params(SessionPath, GroupPath, PreferHeader),
    responses((status = 200, description = "It is gone.", body = OperationDone),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
pub(super) async fn remove_group_picture(
    State(app): State<App>,
    call: SessionCall<SendMessages>,
    GroupJid(group): GroupJid,
    prefer: Prefer,
) -> Result<Response, Problem> {
    let operation = Operation::Group(GroupOperation::RemovePicture { group });
    operate(&app, &call, prefer, without_key(operation)).await
}
