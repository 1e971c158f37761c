//! Previews of links: what a page says of itself, fetched within bounds.
//!
//! The URL stands in a text that a tenant sends, so it is a URL from outside: it is fetched under the egress policy. Whatever goes wrong, the message is
//! sent without a preview.

use std::time::Duration;

use futures::StreamExt as _;
use shared::content::LinkPreview;
use shared::egress::Policy;
use url::Url;

/// How long fetching a page may take in all.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of a page is read, in bytes: what it says of itself stands at its beginning.
const MOST_BYTES: usize = 256 * 1024;
/// Redirects that are followed, each checked like the first URL.
const MOST_REDIRECTS: usize = 3;

/// The preview of the first link in `text`; `None` when there is none, or when its page says nothing of itself.
pub(super) async fn of(policy: &Policy, text: &str) -> Option<LinkPreview> {
    let link = first_link(text)?;
    let page = tokio::time::timeout(PATIENCE, fetch(policy, &link)).await.ok()??;
    let preview = LinkPreview {
        url: link,
        title: meta(&page, "og:title")
            .or_else(|| title(&page))
            .map(|text| shortened(&text, 300)),
        description: meta(&page, "og:description")
            .or_else(|| meta(&page, "description"))
            .map(|text| shortened(&text, 1_000)),
        thumbnail: None,
    };
    preview.title.is_some().then_some(preview)
}

/// The first `http` or `https` URL, as it stands in the text.
fn first_link(text: &str) -> Option<String> {
    text.split_whitespace().find_map(|word| {
        let start = word.find("https://").or_else(|| word.find("http://"))?;
        let link = word
            .get(start..)?
            .trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '"', '\'']);
        Url::parse(link).is_ok().then(|| link.to_owned())
    })
}

/// The beginning of an HTML page.
async fn fetch(policy: &Policy, link: &str) -> Option<String> {
    let client = policy.http_client(Duration::from_secs(3)).ok()?;
    let mut url = policy.check_url(link).ok()?;
    for _ in 0..=MOST_REDIRECTS {
        let response = client
            .get(url.clone())
            .header("accept", "text/html")
            .send()
            .await
            .ok()?;
        if response.status().is_redirection() {
            let location = response.headers().get("location")?.to_str().ok()?;
            url = policy.check_url(url.join(location).ok()?.as_str()).ok()?;
            continue;
        }
        let html = response
            .headers()
            .get("content-type")
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.starts_with("text/html"));
        if !response.status().is_success() || !html {
            return None;
        }
        let mut page = Vec::new();
        let mut pieces = response.bytes_stream();
        while page.len() < MOST_BYTES {
            match pieces.next().await {
                Some(Ok(piece)) => page.extend_from_slice(&piece),
                _ => break,
            }
        }
        page.truncate(MOST_BYTES);
        return Some(String::from_utf8_lossy(&page).into_owned());
    }
    None
}

/// What a `<meta>` with this `property` or `name` says.
fn meta(page: &str, name: &str) -> Option<String> {
    let lower = page.to_ascii_lowercase();
    let mut rest = 0;
    while let Some(found) = lower.get(rest..)?.find("<meta") {
        let start = rest + found;
        let end = start + lower.get(start..)?.find('>')?;
        let tag = page.get(start..end)?;
        let named = attribute(tag, "property").or_else(|| attribute(tag, "name"));
        if named.is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            let content = attribute(tag, "content").map(|text| plain(&text));
            return content.filter(|text| !text.is_empty());
        }
        rest = end;
    }
    None
}

/// The page's `<title>`.
fn title(page: &str) -> Option<String> {
    let lower = page.to_ascii_lowercase();
    let tag = lower.find("<title")?;
    let start = tag + lower.get(tag..)?.find('>')? + 1;
    let end = start + lower.get(start..)?.find("</title")?;
    Some(plain(page.get(start..end)?)).filter(|text| !text.is_empty())
}

/// The value of a quoted attribute.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let lower = tag.to_ascii_lowercase();
    let mut rest = 0;
    while let Some(found) = lower.get(rest..)?.find(name) {
        let start = rest + found;
        let before = lower.get(..start)?.chars().next_back();
        let after = tag.get(start + name.len()..)?.trim_start();
        if before.is_some_and(char::is_whitespace)
            && let Some(value) = after.strip_prefix('=')
        {
            let value = value.trim_start();
            let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            return value.get(1..)?.split(quote).next().map(str::to_owned);
        }
        rest = start + name.len();
    }
    None
}

/// Text as a reader sees it: the usual character references resolved, white space joined.
fn plain(text: &str) -> String {
    let text = text
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&nbsp;", " ")
        .replace("&amp;", "&")
        .replace('\0', "");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shortened(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_link_is_found_wherever_it_stands() {
        for (text, link) in [
            ("See https://example.com/a?b=1.", Some("https://example.com/a?b=1")),
            ("(http://example.com/)", Some("http://example.com/")),
            ("no link, https:// is none", None),
            ("", None),
        ] {
            assert_eq!(first_link(text).as_deref(), link, "{text}");
        }
    }

    #[test]
    fn a_page_tells_of_itself() {
        let page = r#"<html><head><TITLE>Fall back</TITLE><meta name="description" content="For machines">
            <meta content="Rooks &amp; crows" property="og:title"/><meta property='og:description' content='All
            about them'></head>"#;
        assert_eq!(meta(page, "og:title").as_deref(), Some("Rooks & crows"));
        assert_eq!(meta(page, "og:description").as_deref(), Some("All about them"));
        assert_eq!(meta(page, "description").as_deref(), Some("For machines"));
        assert_eq!(title(page).as_deref(), Some("Fall back"));
    }

    #[test]
    fn broken_pages_tell_nothing() {
        for page in [
            "",
            "<meta",
            "<meta property=og:title content=",
            "<title>",
            "<title",
            "<meta property=\"og:title\">",
            "\u{130}<meta \u{130}>",
        ] {
            assert_eq!(meta(page, "og:title"), None, "{page}");
            assert_eq!(title(page), None, "{page}");
        }
    }
}
