//! Calls by the HTTP interface.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::phones::find_phone;
use super::problem::{Problem, read as read_body, read_address};
use crate::calls::{self, Call, CallError};
use crate::network::Network;

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        let (status, code) = match error {
            CallError::Nobody => (StatusCode::NOT_FOUND, "unknown_recipient"),
            CallError::Unknown => (StatusCode::NOT_FOUND, "unknown_call"),
            CallError::Over => (StatusCode::CONFLICT, "call_over"),
        };
        Self::new(status, code, error.to_string())
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCall {
    to: String,
    #[serde(default)]
    video: bool,
}

/// `POST /phones/{number}/calls`: the phone calls somebody.
pub(super) async fn begin(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let new: NewCall = read_body(&body)?;
    let account = find_phone(&network, &number)?;
    let to = read_address(&new.to)?;
    let id = calls::begin(&network, &account, &to, new.video)?;
    Ok(Json(json!({ "id": id })))
}

/// `GET /phones/{number}/calls`: the calls that the person has made and received.
pub(super) async fn list(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
) -> Result<Json<Value>, Problem> {
    let account = find_phone(&network, &number)?;
    Ok(Json(json!({ "calls": network.calls.of(account.number) })))
}

/// `GET /phones/{number}/calls/{id}`.
pub(super) async fn describe(
    State(network): State<Arc<Network>>,
    Path((number, id)): Path<(String, String)>,
) -> Result<Json<Call>, Problem> {
    let account = find_phone(&network, &number)?;
    let mut calls = network.calls.of(account.number).into_iter();
    let call = calls.find(|call| call.id == id);
    Ok(Json(call.ok_or(CallError::Unknown)?))
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    End,
    Accept,
    Reject,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallAction {
    action: Action,
    reason: Option<String>,
}

/// `POST /phones/{number}/calls/{id}`: the caller ends it, or the callee answers on the phone.
pub(super) async fn act(
    State(network): State<Arc<Network>>,
    Path((number, id)): Path<(String, String)>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let CallAction { action, reason } = read_body(&body)?;
    let account = find_phone(&network, &number)?;
    match action {
        Action::End => calls::end(&network, &account, &id, reason.as_deref())?,
        Action::Accept => calls::answer_on_phone(&network, &account, &id, true)?,
        Action::Reject => calls::answer_on_phone(&network, &account, &id, false)?,
    }
    Ok(StatusCode::NO_CONTENT)
}
