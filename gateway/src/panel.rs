//! The panel: pages for people who look after sessions by hand, at `/panel`.
//!
//! A few files, built in, needing no other tool. The pages are a client of the canonical API like any other: they hold the key or login that was
//! typed in for as long as their tab is open, and can do nothing that it cannot. Nothing here may read a session or a message by another way.

use axum::Router;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};

use crate::app::App;

/// The pages may load their own files and talk to their own gateway. QR codes, pictures and sounds are made from answers: no other host is asked.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src blob:; media-src blob:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Each file's address below `/panel/`, and its content.
macro_rules! files {
    ($($name:literal),* $(,)?) => { &[$(($name, include_str!(concat!("panel/", $name)))),*] };
}

const INDEX: &str = include_str!("panel/index.html");
const FILES: &[(&str, &str)] = files![
    "panel.css",
    "main.js",
    "api.js",
    "chats.js",
    "cluster.js",
    "dom.js",
    "events.js",
    "keys.js",
    "live.js",
    "sessions.js",
    "webhooks.js",
    "words.js",
    "words/en.json",
    "words/es.json",
    "words/pt.json",
];

/// `/panel` and its files.
pub fn routes() -> Router<App> {
    let pages = Router::new()
        .route("/panel", get(async || file("index.html", INDEX)))
        .route("/panel/", get(async || Redirect::permanent("/panel")));
    FILES.iter().fold(pages, |router, &(name, content)| {
        router.route(&format!("/panel/{name}"), get(async move || file(name, content)))
    })
}

fn file(name: &str, content: &'static str) -> impl IntoResponse {
    let kind = match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "json")) => "application/json",
        _ => "text/html; charset=utf-8",
    };
    let headers = [
        (CONTENT_TYPE, kind),
        // A new release shows at once; the files are small.
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, content)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn words(language: &str) -> BTreeMap<String, String> {
        let name = format!("words/{language}.json");
        let (_, text) = FILES
            .iter()
            .find(|(file, _)| *file == name)
            .expect("a language of the panel");
        serde_json::from_str(text).expect("a list of texts")
    }

    /// The keys that stand as `t("key"` in the pages.
    fn used() -> BTreeSet<String> {
        let scripts = FILES.iter().filter(|(name, _)| name.ends_with(".js"));
        let calls = scripts.flat_map(|(_, text)| text.match_indices("t(\"").map(|(at, _)| text.split_at(at)));
        // `post("` is another function.
        let own = calls.filter(|(before, _)| !before.ends_with(|last: char| last.is_alphanumeric()));
        own.filter_map(|(_, rest)| rest.split('"').nth(1))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn every_language_says_everything() {
        let english = words("en");
        for language in ["es", "pt"] {
            let other = words(language);
            assert!(english.keys().eq(other.keys()), "{language} has other keys than en");
            for (key, text) in &other {
                let gaps = |text: &str| text.matches('{').count();
                assert_eq!(gaps(&english[key]), gaps(text), "{language}: {key}");
            }
        }
        let missing: Vec<String> = used().into_iter().filter(|key| !english.contains_key(key)).collect();
        assert!(missing.is_empty(), "no text for {missing:?}");
        assert!(used().len() > 30, "the scripts' texts were not found: {:?}", used());
    }

    #[test]
    fn no_page_makes_markup_from_text_or_asks_another_host() {
        for (name, text) in FILES.iter().chain([&("index.html", INDEX)]) {
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "http://",
                "//cdn",
            ] {
                assert!(!text.contains(forbidden), "{name} has {forbidden}");
            }
        }
    }
}
