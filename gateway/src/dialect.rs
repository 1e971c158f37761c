//! The dialects: older APIs whose clients change nothing but the base address and their credentials.
//!
//! A dialect's folder only translates: its routes, its JSON, its errors and the language of its messages. Everything ends in the same use cases as the
//! canonical API (handlers are called as functions, never over HTTP), in the same store and the same look-ups. What a dialect's documentation leaves
//! open is decided in the `README.md` of its folder; `routes.txt` there lists the routes as that documentation does. Their webhooks are told by the
//! dispatcher, in the words of [`shared::dialect`].
//!
//! Every dialect is served below `/compat/DIALECT`; [`doors`] opens further ways to it.

pub mod acting;
pub mod chatlink;
pub mod client;
pub mod crm;
pub mod doors;
pub mod fields;
pub mod files;
pub mod management;
pub mod multisession;
pub mod open;
pub mod patience;
pub mod premium;
pub mod sending;
pub mod sessions;
pub mod words;

use axum::Router;
use axum::body::Body;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::any;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use secrecy::SecretString;
use serde_json::Value;
use shared::dialect::Dialect;
use tower_http::catch_panic::CatchPanicLayer;

use self::open::OpenDoor;
use crate::app::App;
use crate::http::middleware::{self, Told};
use crate::problem::Problem;

/// Where every dialect is served.
pub const PREFIX: &str = "/compat";

/// How a dialect speaks.
pub trait Speech: Send + Sync + 'static {
    /// Which one it is.
    const DIALECT: Dialect;

    /// The credential that a request carries, where this dialect's clients put it: an API key's value.
    fn key(parts: &Parts) -> Option<SecretString>;

    /// What serves a request that carries no credential, where the operator has opened the dialect to such; why it is not served, where it is refused.
    fn open_door(_app: &App, _parts: &Parts) -> Option<Result<OpenDoor, Problem>> {
        None
    }

    /// How a failure is told.
    fn tell(problem: &Problem) -> (StatusCode, Value);
}

/// Every route of a dialect, one line each, as its documentation lists them.
#[must_use]
pub fn listed_routes(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Chatlink => include_str!("dialect/chatlink/routes.txt"),
        Dialect::Premium => include_str!("dialect/premium/routes.txt"),
        Dialect::Management => include_str!("dialect/management/routes.txt"),
        Dialect::Crm => include_str!("dialect/crm/routes.txt"),
        Dialect::Multisession => include_str!("dialect/multisession/routes.txt"),
    }
}

/// The routes of all dialects.
pub fn routes(app: &App) -> Router<App> {
    Router::new()
        .merge(below_prefix::<multisession::Multisession>(app, multisession::routes()))
        .merge(multisession::live::routes(app).layer(map_response(tell::<multisession::Multisession>)))
        .merge(below_prefix::<chatlink::Chatlink>(app, chatlink::routes()))
        .merge(below_prefix::<premium::Premium>(app, premium::routes()))
        .merge(below_prefix::<management::Management>(app, management::routes()))
        .merge(below_prefix::<crm::Crm>(app, crm::routes()))
}

fn below_prefix<S: Speech>(app: &App, routes: Router<App>) -> Router<App> {
    let routes = routes
        .route_layer(from_fn_with_state(app.clone(), middleware::limit))
        .fallback(middleware::route_not_found)
        .method_not_allowed_fallback(middleware::method_not_allowed)
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(map_response(tell::<S>));
    let prefix = format!("{PREFIX}/{}", S::DIALECT);
    // A nested router's root has no slash behind it, a base address often has.
    let root = Redirect::temporary(&prefix);
    Router::new()
        .route(&format!("{prefix}/"), any(async move || root))
        .nest(&prefix, routes)
}

/// Writes a problem as the dialect's clients know failures.
async fn tell<S: Speech>(mut response: Response) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    let (status, value) = S::tell(&problem);
    *response.status_mut() = status;
    *response.body_mut() = Body::from(value.to_string());
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    response.extensions_mut().insert(Told(problem));
    response
}

/// A JSON answer as the web frameworks of the older APIs wrote them.
#[must_use]
pub fn json(status: StatusCode, value: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
    (status, kind, value.to_string()).into_response()
}

/// Whether a route of a dialect moves a file, which may take longer than other requests.
#[must_use]
pub fn moves_file(route: &str) -> bool {
    let Some(route) = route.strip_prefix(PREFIX) else {
        return false;
    };
    [
        "/send-media",
        "/desfile",
        "/enviarimagem",
        "/enviardoc",
        "/enviaraudio",
        "/{session}/send",
        "/{session}/upload",
        "/{file}/download",
        "/status/sessions/{session}",
    ]
    .iter()
    .any(|end| route.ends_with(end))
}
