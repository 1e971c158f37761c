//! Which version of WhatsApp Web we say to be. WhatsApp refuses versions that are too old.
//!
//! By default the current version is read once a day from the file that WhatsApp Web's page loads (`web.whatsapp.com/sw.js`), for the whole
//! worker; the library would do so for each session, and fail to connect when it cannot.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;

/// `2.3000.<revision>`.
pub type Version = (u32, u32, u32);

/// The version that this release was tested with: used until a newer one is known.
const TESTED: Version = (2, 3000, 1_042_742_319);
const SOURCE: &str = "https://web.whatsapp.com/sw.js";
const REFRESH: Duration = Duration::from_secs(24 * 3600);
const RETRY: Duration = Duration::from_secs(600);

/// The version to use. Cheap to clone.
#[derive(Debug, Clone)]
pub struct VersionSource {
    current: Arc<RwLock<Version>>,
}

impl VersionSource {
    /// The given version, or the tested one.
    #[must_use]
    pub fn new(version: Option<Version>) -> Self {
        Self {
            current: Arc::new(RwLock::new(version.unwrap_or(TESTED))),
        }
    }

    /// The version right now.
    #[must_use]
    pub fn current(&self) -> Version {
        *self.current.read()
    }

    /// Keeps the version current, for as long as it is polled.
    pub async fn follow(self) {
        loop {
            let pause = match fetch().await {
                Ok(revision) => {
                    let version = (2, 3000, revision);
                    if version != self.current() {
                        tracing::info!(revision, "WhatsApp Web has a new version");
                        *self.current.write() = version;
                    }
                    REFRESH
                }
                Err(error) => {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "cannot read WhatsApp Web's version: keeping the one in use"
                    );
                    RETRY
                }
            };
            tokio::time::sleep(pause).await;
        }
    }
}

async fn fetch() -> anyhow::Result<u32> {
    use wacore::net::{HttpClient as _, HttpRequest};
    let answer = super::http::Web::default()
        .for_engine()
        .execute(HttpRequest::get(SOURCE))
        .await?;
    anyhow::ensure!(answer.status_code == 200, "status {}", answer.status_code);
    let text = String::from_utf8_lossy(&answer.body);
    revision(&text).ok_or_else(|| anyhow::anyhow!("no client_revision in the file"))
}

/// Finds `"client_revision":1042742319` (sometimes with escaped quotes) in the file.
fn revision(text: &str) -> Option<u32> {
    let rest = text.split_once("client_revision")?.1;
    let digits = rest.trim_start_matches(['\\', '"', ':', ' ']);
    let end = digits
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(digits.len());
    digits[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_revision_is_found_in_either_spelling() {
        assert_eq!(
            revision(r#"{"server_revision":1,"client_revision":1042742319,"x":2}"#),
            Some(1_042_742_319)
        );
        assert_eq!(revision(r#"\"client_revision\":1042742320,"#), Some(1_042_742_320));
        assert_eq!(revision("nothing here"), None);
        assert_eq!(revision("client_revision"), None);
    }

    #[test]
    fn a_given_version_wins() {
        assert_eq!(VersionSource::new(Some((2, 3000, 7))).current(), (2, 3000, 7));
        assert_eq!(VersionSource::new(None).current(), TESTED);
    }
}
