//! What happened: counters and the ledger.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;

use super::problem::{Problem, read_number};
use crate::ledger::Page;
use crate::network::Network;
use crate::stats::Snapshot;

/// How many entries a page holds unless the reader says otherwise.
const PAGE: usize = 10_000;

/// `GET /stats`.
pub(super) async fn stats(State(network): State<Arc<Network>>) -> Json<Snapshot> {
    Json(network.stats.snapshot(network.accounts.len()))
}

#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    session: Option<String>,
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

/// `GET /ledger`: entries in order, of one account or of all.
pub(super) async fn ledger(
    State(network): State<Arc<Network>>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page>, Problem> {
    let number = wanted.session.as_deref().map(read_number).transpose()?;
    let number = number.map(|number| number.to_string());
    let page = network
        .ledger
        .page(number.as_deref(), wanted.after, wanted.limit.unwrap_or(PAGE));
    Ok(Json(page))
}
