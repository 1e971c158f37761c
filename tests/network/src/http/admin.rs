//! What test suites and clients need to get started.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::phones::Linked;
use super::problem::Problem;
use crate::network::Network;
use crate::pairing::qr;
use crate::people::tokens;

/// `POST /admin/mock-phone/scan-qr`, the text of a QR code as body: the contract of the upstream clients' own end-to-end
/// suites. The client's push name decides whose phone scans it; the same name is always the same person.
pub(super) async fn scan_by_push_name(
    State(network): State<Arc<Network>>,
    text: String,
) -> Result<Json<Linked>, Problem> {
    let name = qr::push_name(&network, &text)?;
    let name = name.filter(|name| !name.is_empty()).ok_or_else(|| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "no_push_name",
            "the client registered without a push name",
        )
    })?;
    let account = network.accounts.get_or_create_named(&network.seed, &name);
    tokens::configure(&network, &account, &name);
    let device = qr::scan(&network, &account, &text).await?;
    Ok(Json(Linked::new(&account, device)))
}

/// `GET /root-key`: the certificate root's public key in hexadecimal, as plain text.
pub(super) async fn root_key(State(network): State<Arc<Network>>) -> String {
    hex::encode(network.server_identity().root_public_key)
}

/// `GET /healthz`.
pub(super) async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}
