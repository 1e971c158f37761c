//! The gateway: REST in, commands out.
//!
//! A request becomes a command row (and a message row, an idempotency row) in one transaction; the committed command is carried to the worker
//! that holds the session. The gateway holds no WhatsApp connection, opens no sealed secret and keeps no state that matters: any number of
//! gateways side by side behave as one.
//!
//! | stage | module |
//! |---|---|
//! | accepting connections | [`server`] |
//! | around every request: id, limits, problems | [`http`], [`problem`] |
//! | who calls, what it may do | [`auth`] |
//! | one effect and one answer for repeated requests | [`idempotency`] |
//! | the routes and their use cases | [`api`], documented by [`openapi`] and [`docs`] |
//! | request → command | [`intake`] |
//! | command → broker, after the commit | [`relay`] |
//! | older APIs, translated into the same use cases | [`dialect`] |
//! | files on their way in | [`media`] |
//! | a quota that is used up | [`quota`] |
//! | credentials for reading events from NATS itself | [`streams`] |
//! | waiting for what the worker made of it | [`outcome`], woken by [`bell`] |
//! | a page for people, on top of the same routes | [`panel`] |

pub mod api;
pub mod app;
pub mod asyncapi;
pub mod auth;
pub mod bell;
pub mod config;
pub mod database;
pub mod dialect;
pub mod docs;
pub mod http;
pub mod idempotency;
pub mod intake;
pub mod look_up;
pub mod media;
pub mod metrics;
pub mod openapi;
pub mod operate;
pub mod outcome;
pub mod panel;
pub mod problem;
pub mod quota;
pub mod relay;
pub mod server;
pub mod streams;

use anyhow::Context as _;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use metrics_exporter_prometheus::PrometheusHandle;
use shared::lifecycle::Shutdown;
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::config::Configuration;
use crate::http::{middleware, unread};

/// Every documented route; `protect` surrounds those that need a key.
fn documented_routes(protect: impl FnOnce(OpenApiRouter<App>) -> OpenApiRouter<App>) -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::skeleton())
        .merge(protect(api::protected()))
        .merge(api::operations::routes())
}

/// The whole HTTP service.
pub fn router(app: App) -> Router {
    let limit = from_fn_with_state(app.clone(), middleware::limit);
    let (routes, mut document) = documented_routes(|routes| routes.route_layer(limit)).split_for_parts();
    openapi::complete(&mut document);
    let doors = app.doors().clone();
    let router = routes
        .merge(dialect::routes(&app))
        .merge(docs::routes(document, app.region()))
        .merge(panel::routes())
        .fallback(middleware::route_not_found)
        .method_not_allowed_fallback(middleware::method_not_allowed)
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(from_fn(unread::read_to_end))
        .layer(from_fn(middleware::observe))
        .with_state(app);
    doors.in_front_of(router)
}

/// Starts a gateway: returns once it serves, goes on until `shutdown`.
///
/// # Errors
/// When the configuration cannot be used or the address cannot be bound.
pub async fn run(config: &Configuration, metrics: PrometheusHandle, shutdown: &Shutdown) -> anyhow::Result<()> {
    metrics::describe();
    let app = App::start(config, metrics, shutdown).await?;
    let listener = TcpListener::bind(config.listen_address)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen_address))?;
    tracing::info!(address = %listener.local_addr()?, region = %app.region(), "the gateway serves");
    let router = router(app.clone());
    shutdown.spawn_essential("server", server::serve(app, listener, router));
    Ok(())
}
