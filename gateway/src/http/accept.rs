//! `Accept`: which of the forms that a route offers the client likes best.
//!
//! A route always answers in some form: when nothing offered is acceptable the first one is taken, as RFC 9110 §12.5.1 allows.

use http::HeaderMap;
use http::header::ACCEPT;

/// The offered media type that the client likes best. `offered` must not be empty; its order decides between equals.
#[must_use]
pub fn preferred<'a>(headers: &HeaderMap, offered: &[&'a str]) -> &'a str {
    let mut best = (offered[0], 0.0);
    for media_type in offered {
        let quality = quality(headers, media_type);
        if quality > best.1 {
            best = (media_type, quality);
        }
    }
    best.0
}

/// How much the client likes a media type, from 0 (not at all) to 1. The most specific range decides.
fn quality(headers: &HeaderMap, media_type: &str) -> f32 {
    let family = media_type.split('/').next().unwrap_or_default();
    let mut best = (0, 0.0);
    for range in headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
    {
        let mut parts = range.split(';');
        let name = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let specificity = match name.as_str() {
            "*/*" => 1,
            name if name.strip_suffix("/*") == Some(family) => 2,
            name if name == media_type => 3,
            _ => continue,
        };
        let quality = parts
            .find_map(|parameter| parameter.trim().strip_prefix("q=")?.parse().ok())
            .unwrap_or(1.0);
        if specificity > best.0 {
            best = (specificity, quality);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const OFFERED: [&str; 3] = ["application/json", "image/png", "image/svg+xml"];

    fn chosen(accept: &'static str) -> &'static str {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        preferred(&headers, &OFFERED)
    }

    #[test]
    fn the_client_gets_what_it_likes_best() {
        assert_eq!(preferred(&HeaderMap::new(), &OFFERED), "application/json");
        assert_eq!(chosen("image/png"), "image/png");
        assert_eq!(chosen("IMAGE/SVG+XML"), "image/svg+xml");
        assert_eq!(chosen("image/*"), "image/png");
        assert_eq!(chosen("image/png;q=0.5, image/svg+xml;q=0.9"), "image/svg+xml");
        assert_eq!(chosen("*/*"), "application/json");
        assert_eq!(chosen("text/html, image/avif, */*;q=0.8"), "application/json");
        assert_eq!(chosen("image/*, image/png;q=0.1"), "image/svg+xml");
    }

    #[test]
    fn a_client_that_likes_nothing_gets_the_first() {
        assert_eq!(chosen("application/xml"), "application/json");
        assert_eq!(chosen(";;q,=/"), "application/json");
    }
}
