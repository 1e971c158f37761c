//! Files between WhatsApp's media servers and whoever wants them, encrypted on the way. Never a whole file in memory.
//!
//! Facts: AES-256-CBC with PKCS #7, then ten bytes of HMAC-SHA256 over the initialisation vector and the ciphertext, under keys that derive from the
//! message's media key (wacore/src/download.rs:624, wacore/src/upload.rs:57). The library would read whole files or block a thread, so requests
//! are made here.

mod cipher;
mod download;
mod upload;

pub(super) use download::{download, request_again};
pub use upload::Uploads;

use wacore::download::MediaType;

/// The library's name of a kind of file; `None` for a kind that has none.
fn media_type(kind: &str) -> Option<MediaType> {
    Some(match kind {
        "image" => MediaType::Image,
        "video" => MediaType::Video,
        "audio" => MediaType::Audio,
        "document" => MediaType::Document,
        "sticker" => MediaType::Sticker,
        _ => return None,
    })
}

/// An address at a media host. `path` comes from a stranger: it must not lead to another host.
fn address(host: &str, path: &str, query: &[(&str, &str)]) -> Option<url::Url> {
    if !path.starts_with('/') {
        return None;
    }
    let base = url::Url::parse(&format!("https://{host}/")).ok()?;
    let mut url = url::Url::parse(&format!("https://{host}{path}")).ok()?;
    if url.origin() != base.origin() || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    url.query_pairs_mut().extend_pairs(query);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_from_a_stranger_stays_at_the_host() {
        let query = [("hash", "a+b="), ("mms-type", "image")];
        let url = address("mmg.whatsapp.net", "/v/t62.7118-24/1?oe=1", &query).unwrap();
        assert_eq!(
            url.as_str(),
            "https://mmg.whatsapp.net/v/t62.7118-24/1?oe=1&hash=a%2Bb%3D&mms-type=image"
        );
        let url = address("127.0.0.1:4433", "/v/1", &query).unwrap();
        assert_eq!(url.as_str(), "https://127.0.0.1:4433/v/1?hash=a%2Bb%3D&mms-type=image");
        for path in ["@evil.example/v/1", ".evil.example/v/1", ":1/v", "v/1", ""] {
            assert_eq!(address("mmg.whatsapp.net", path, &query), None, "{path}");
        }
        let slashes = address("mmg.whatsapp.net", "//evil.example/v", &query).unwrap();
        assert_eq!(slashes.host_str(), Some("mmg.whatsapp.net"));
    }
}
