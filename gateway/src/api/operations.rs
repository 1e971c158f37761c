//! `/healthz`, `/readyz`, `/metrics`: what operators and their machines ask. No key is needed, and nothing here tells anything about tenants.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use shared::operations::Readiness;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

/// How long the database may take to show that it is there.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(health))
        .routes(routes!(readiness))
        .routes(routes!(render_metrics))
}

/// Whether the process runs.
#[utoipa::path(get, path = "/healthz", tag = "operations", security(()),
    responses((status = 200, description = "It does.", body = String, content_type = "text/plain")))]
async fn health() -> &'static str {
    "ok\n"
}

/// Whether the gateway can take requests. It needs the database, with today's schema; without NATS it still accepts what it is asked.
#[utoipa::path(get, path = "/readyz", tag = "operations", security(()),
    responses((status = 200, description = "It can.", body = Readiness), (status = 503, description = "It cannot, or is stopping.", body = Readiness)))]
async fn readiness(State(app): State<App>) -> Response {
    let postgres = tokio::time::timeout(CHECK_TIMEOUT, app.store().is_up())
        .await
        .unwrap_or(false);
    let running = !app.shutdown().is_stopping();
    let checks = BTreeMap::from([
        ("postgres", postgres),
        ("schema", app.is_migrated()),
        ("running", running),
        ("nats", app.broker().is_connected()),
    ]);
    let ready = postgres && app.is_migrated() && running;
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(Readiness { ready, checks })).into_response()
}

/// Metrics in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "operations", security(()),
    responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain")))]
async fn render_metrics(State(app): State<App>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], app.metrics().render()).into_response()
}
