//! Files from links: fetched under the rules of [`shared::egress`], as a stream, within the limits of their kind.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use shared::egress::{Forbidden, Policy};
use shared::problem::Code;

use super::too_large;
use crate::http::checks::Checks;
use crate::problem::Problem;

/// How long a host may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a host may be silent.
const SILENCE: Duration = Duration::from_secs(15);

/// A file that a host is about to send.
#[derive(Debug)]
pub struct Fetched {
    response: reqwest::Response,
    /// What the host says it is.
    pub mime_type: Option<String>,
    /// Its name, as the URL ends.
    pub file_name: Option<String>,
}

fn refused(field: &str, detail: &str) -> Problem {
    Problem::field(field, detail)
}

/// Asks for a file of at most `largest` bytes. `field`: where the request names the link.
///
/// # Errors
/// `url_forbidden`, `validation_failed` when the host does not give it, `media_too_large`.
pub async fn fetch(policy: &Policy, field: &str, link: &str, largest: u64) -> Result<Fetched, Problem> {
    let url = policy
        .check_url(link)
        .map_err(|forbidden| forbidden_url(field, &forbidden))?;
    let client = policy.http_client(CONNECT_TIMEOUT).map_err(Problem::internal)?;
    let request = client.get(url.clone()).send();
    let response = match tokio::time::timeout(SILENCE, request).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            return Err(match cause(&error) {
                Some(forbidden) => forbidden_url(field, &forbidden),
                None => refused(field, "leads to a host that cannot be reached"),
            });
        }
        Err(_) => return Err(refused(field, "leads to a host that does not answer in time")),
    };
    if !response.status().is_success() {
        // Redirects among them: each would have to be checked like a link of its own.
        return Err(refused(
            field,
            &format!("was answered with status {}", response.status().as_u16()),
        ));
    }
    if response.content_length().is_some_and(|length| length > largest) {
        return Err(too_large(largest));
    }
    let mime_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    Ok(Fetched {
        mime_type: mime_type.map(str::to_owned),
        file_name: file_name(&url),
        response,
    })
}

impl Fetched {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// `validation_failed` when the host breaks off or falls silent.
    pub async fn piece(&mut self, field: &str) -> Result<Option<bytes::Bytes>, Problem> {
        match tokio::time::timeout(SILENCE, self.response.chunk()).await {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(_)) | Err(_) => Err(refused(field, "broke off before its end")),
        }
    }
}

fn forbidden_url(field: &str, forbidden: &Forbidden) -> Problem {
    let mut checks = Checks::new();
    checks.forbidden_url(field, &forbidden.to_string());
    match checks.finish() {
        Err(problem) => problem,
        Ok(()) => Problem::new(Code::UrlForbidden, forbidden.to_string()),
    }
}

/// Whether the resolver refused the host's addresses.
fn cause(error: &reqwest::Error) -> Option<Forbidden> {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(forbidden) = cause.downcast_ref::<Forbidden>() {
            return Some(*forbidden);
        }
        source = cause.source();
    }
    None
}

fn file_name(url: &url::Url) -> Option<String> {
    let last = url.path_segments()?.next_back()?;
    let name: String = url::form_urlencoded::parse(format!("a={}", last.replace('+', "%2B")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())?;
    clean_name(&name)
}

/// A file's name as it can be stored and shown: one line, no path, at most 255 characters.
#[must_use]
pub fn clean_name(name: &str) -> Option<String> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name.chars().filter(|letter| !letter.is_control()).take(255).collect();
    (!name.trim().is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_without_a_path() {
        assert_eq!(clean_name("../../etc/pass\nwd").as_deref(), Some("passwd"));
        assert_eq!(clean_name("C:\\a\\b.pdf").as_deref(), Some("b.pdf"));
        assert_eq!(clean_name("a\0"), Some("a".into()));
        assert_eq!(clean_name(" / "), None);
        let url = url::Url::parse("https://example.com/files/b%C3%A9ll+1.pdf?x=1").unwrap();
        assert_eq!(file_name(&url).as_deref(), Some("béll+1.pdf"));
        assert_eq!(file_name(&url::Url::parse("https://example.com/").unwrap()), None);
    }
}
