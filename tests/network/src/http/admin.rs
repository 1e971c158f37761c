//! What test suites and clients need to get started.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::phones::Linked;
use super::problem::Problem;
use crate::accounts::directory::NewAccount;
use crate::network::Network;
use crate::pairing::qr;
use crate::people::tokens;

/// `POST /admin/mock-phone/scan-qr`, the text of a QR code as body: the contract of the upstream clients' own end-to-end
/// suites. The client's push name decides whose phone scans it; the same name is always the same person, and
/// a client without one belongs to somebody new.
pub(super) async fn scan_by_push_name(
    State(network): State<Arc<Network>>,
    text: String,
) -> Result<Json<Linked>, Problem> {
    let name = qr::push_name(&network, &text)?.filter(|name| !name.is_empty());
    let account = match &name {
        Some(name) => {
            let account = network.accounts.get_or_create_named(&network.seed, name);
            tokens::configure(&network, &account, name);
            account
        }
        None => network.accounts.get_or_create(&network.seed, NewAccount::default()),
    };
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
