//! The panel: a page for people who look after sessions by hand, at `/panel`.
//!
//! Three files, built in. The page is a client of the canonical API like any other: it holds the key that was typed in, for as long as its tab is
//! open, and can do nothing that the key cannot. Nothing here may read a session or a message by another way.

use axum::Router;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};

use crate::app::App;

/// The page may load its own two files and talk to its own gateway; QR codes are pictures it makes from answers.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src blob:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `/panel` and its files.
pub fn routes() -> Router<App> {
    Router::new()
        .route(
            "/panel",
            get(async || file("text/html; charset=utf-8", include_str!("panel/index.html"))),
        )
        .route("/panel/", get(async || Redirect::permanent("/panel")))
        .route(
            "/panel/panel.js",
            get(async || file("text/javascript; charset=utf-8", include_str!("panel/panel.js"))),
        )
        .route(
            "/panel/panel.css",
            get(async || file("text/css; charset=utf-8", include_str!("panel/panel.css"))),
        )
}

fn file(kind: &'static str, content: &'static str) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, kind),
        // A new release shows at once; the files are small.
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (headers, content)
}
