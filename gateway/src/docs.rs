//! The documentation that a gateway serves of itself: the OpenAPI and AsyncAPI documents, the former's reader (Swagger UI, built in), and the page of the problems.

use std::sync::LazyLock;

use axum::response::Html;
use axum::routing::get;
use axum::{Json, Router};
use pulldown_cmark::{CowStr, Event, Parser, Tag, TagEnd, html};
use shared::ids::Region;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

use crate::app::App;
use crate::asyncapi;
use crate::problem::{DOCUMENTATION, Problem};

/// One paragraph for each code.
pub const PROBLEMS: &str = include_str!("../PROBLEMS.md");

/// `/openapi.json`, `/asyncapi.json`, `/docs` and `/docs/problems`.
pub fn routes(document: OpenApi, region: Region) -> Router<App> {
    Router::new()
        .route(
            "/asyncapi.json",
            get(async move || asyncapi::document(region).map(Json).map_err(Problem::internal)),
        )
        .merge(SwaggerUi::new("/docs").url("/openapi.json", document))
        .route(DOCUMENTATION, get(problems))
}

async fn problems() -> Html<&'static str> {
    static PAGE: LazyLock<String> = LazyLock::new(|| render(PROBLEMS));
    Html(&PAGE)
}

/// The page, with an anchor at every heading that is a code: a problem's `type` leads there.
fn render(markdown: &str) -> String {
    let mut events: Vec<Event<'_>> = Parser::new(markdown).collect();
    for index in 0..events.len() {
        let (before, after) = events.split_at_mut(index);
        if let (Some(Event::Start(Tag::Heading { id, .. })), Some(Event::Code(code))) =
            (before.last_mut(), after.first())
        {
            *id = Some(CowStr::from(code.to_string()));
        }
    }
    let events = events.into_iter().map(|event| match event {
        // One page of text needs no markup of others.
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        other => other,
    });
    let mut body = String::new();
    html::push_html(&mut body, events);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Problems – Rookery</title>\
         <style>body{{font:1rem/1.6 sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}}h2:target{{background:#ffd}}</style>\
         </head><body>\n{body}</body></html>\n"
    )
}

/// The codes that the page explains, in its order, each with its text.
#[must_use]
pub fn explained_codes(markdown: &str) -> Vec<(String, String)> {
    let mut codes: Vec<(String, String)> = Vec::new();
    let mut in_heading = false;
    for event in Parser::new(markdown) {
        match event {
            Event::Start(Tag::Heading { .. }) => in_heading = true,
            Event::End(TagEnd::Heading(_)) => in_heading = false,
            Event::Code(code) if in_heading => codes.push((code.to_string(), String::new())),
            Event::Text(text) if !in_heading => {
                if let Some((_, explanation)) = codes.last_mut() {
                    explanation.push_str(&text);
                }
            }
            _ => {}
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use shared::problem::Code;

    use super::*;

    #[test]
    fn every_code_has_its_paragraph_and_no_other_has_one() {
        let explained = explained_codes(PROBLEMS);
        let mut explained_words: Vec<&str> = explained.iter().map(|(code, _)| code.as_str()).collect();
        let mut words: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        explained_words.sort_unstable();
        words.sort_unstable();
        assert_eq!(explained_words, words, "PROBLEMS.md and Code::ALL differ");
        for (code, text) in &explained {
            assert!(text.len() > 80, "{code} needs what it is, why, and what to do");
        }
    }

    #[test]
    fn the_paragraphs_name_the_status_that_the_gateway_answers_with() {
        for code in Code::ALL {
            let heading = format!("## `{code}` ({})", code.status());
            assert!(PROBLEMS.contains(&heading), "missing: {heading}");
        }
    }

    #[test]
    fn a_problems_type_leads_to_its_paragraph() {
        let page = render(PROBLEMS);
        for code in Code::ALL {
            assert!(page.contains(&format!("<h2 id=\"{code}\">")), "{code}");
        }
    }
}
