//! The operations endpoint of workers and dispatchers: `/healthz`, `/readyz`, `/metrics`.
//!
//! `/healthz` says that the process runs, `/readyz` whether it can do its work right now and if not what is missing. Neither needs a key
//! and neither tells anything about tenants.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::BoxFuture;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;

/// One thing that a process needs, and how to see whether it is there.
pub struct Check {
    /// What it is, for example `postgres`.
    pub name: &'static str,
    /// Whether it is there; bounded by its author to about a second.
    pub run: Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Check({})", self.name)
    }
}

/// What `/readyz` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Readiness {
    /// Whether the process can do its work.
    pub ready: bool,
    /// What it needs, and whether that is there.
    pub checks: BTreeMap<&'static str, bool>,
}

/// Runs every check.
pub async fn readiness(checks: &[Check]) -> Readiness {
    let results =
        futures::future::join_all(checks.iter().map(|check| async { (check.name, (check.run)().await) })).await;
    let checks: BTreeMap<_, _> = results.into_iter().collect();
    Readiness {
        ready: checks.values().all(|up| *up),
        checks,
    }
}

struct Operations {
    checks: Vec<Check>,
    metrics: PrometheusHandle,
}

/// The endpoint's routes.
pub fn router(checks: Vec<Check>, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(render))
        .with_state(Arc::new(Operations { checks, metrics }))
}

async fn ready(State(operations): State<Arc<Operations>>) -> Response {
    let readiness = readiness(&operations.checks).await;
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness)).into_response()
}

async fn render(State(operations): State<Arc<Operations>>) -> Response {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        operations.metrics.render(),
    )
        .into_response()
}

/// Serves the endpoint until `stop` is cancelled.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(
    address: SocketAddr,
    checks: Vec<Check>,
    metrics: PrometheusHandle,
    stop: tokio_util::sync::CancellationToken,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "operations endpoint is up");
    axum::serve(listener, router(checks, metrics))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}
