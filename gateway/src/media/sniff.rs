//! What a file is, by its bytes. What its sender says counts only where bytes cannot tell.

/// A voice note's type, as WhatsApp names it.
pub const OPUS: &str = "audio/ogg; codecs=opus";
/// A file of which nothing is known.
pub const UNKNOWN: &str = "application/octet-stream";
/// How many bytes from the beginning are looked at.
pub const HEAD: usize = 8 * 1024;

/// The type of a file that begins with `head`. `declared`: what its sender says, well formed or not.
#[must_use]
pub fn mime_type(head: &[u8], declared: Option<&str>) -> String {
    if is_opus(head) {
        return OPUS.to_owned();
    }
    let declared = declared.and_then(essence);
    if let Some(found) = infer::get(head) {
        let found = match found.mime_type() {
            "audio/x-wav" => "audio/wav",
            "audio/m4a" | "audio/x-m4a" => "audio/mp4",
            "audio/x-flac" => "audio/flac",
            "video/x-m4v" => "video/mp4",
            // Archives are how many formats are packed: what is inside is believed.
            "application/zip" | "application/gzip"
                if declared.as_deref().is_some_and(|mime| mime.starts_with("application/")) =>
            {
                return declared.unwrap_or_else(|| UNKNOWN.to_owned());
            }
            other => other,
        };
        return found.to_owned();
    }
    match declared {
        // These have bytes by which they are known; without them they are something else.
        Some(mime)
            if ["image/", "audio/", "video/"]
                .iter()
                .any(|family| mime.starts_with(family))
                && mime != "image/svg+xml" =>
        {
            UNKNOWN.to_owned()
        }
        Some(mime) if mime != UNKNOWN => mime,
        _ if is_text(head) => "text/plain".to_owned(),
        _ => UNKNOWN.to_owned(),
    }
}

/// The type without its parameters, if it can stand in a header.
fn essence(declared: &str) -> Option<String> {
    let essence = declared.split(';').next()?.trim().to_ascii_lowercase();
    let (kind, subtype) = essence.split_once('/')?;
    let token = |text: &str| {
        (1..=100).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    (token(kind) && token(subtype) && kind != "multipart").then_some(essence)
}

/// OGG whose first packet is Opus's (RFC 7845, section 3).
fn is_opus(head: &[u8]) -> bool {
    head.starts_with(b"OggS") && head.get(28..36) == Some(b"OpusHead")
}

fn is_text(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The last character may be cut.
        Err(error) if head.len() - error.valid_up_to() < 4 => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !valid.is_empty()
        && !valid
            .chars()
            .any(|letter| letter.is_control() && !"\n\r\t".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_decide_and_what_is_said_counts_where_they_cannot() {
        const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        const ZIP: &[u8] = b"PK\x03\x04\x14\0\0\0\0\0";
        for (head, declared, expected) in [
            (PNG, Some("text/plain"), "image/png"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF".as_slice(), None, "image/jpeg"),
            (b"RIFF\x24\0\0\0WAVEfmt ", Some("audio/mpeg"), "audio/wav"),
            (b"%PDF-1.7\n", None, "application/pdf"),
            (
                ZIP,
                Some("application/vnd.oasis.opendocument.text"),
                "application/vnd.oasis.opendocument.text",
            ),
            (ZIP, Some("image/png"), "application/zip"),
            (
                b"MZ\x90\0",
                Some("image/png"),
                "application/vnd.microsoft.portable-executable",
            ),
            (b"name;price\n", Some("text/csv; charset=utf-8"), "text/csv"),
            (b"Hello", Some("image/png"), UNKNOWN),
            (b"Hello", None, "text/plain"),
            (b"Hello", Some("text/plain\r\nX-Evil: 1"), "text/plain"),
            (b"\0\x01\x02", None, UNKNOWN),
            (b"", None, UNKNOWN),
        ] {
            assert_eq!(mime_type(head, declared), expected, "{head:?} said to be {declared:?}");
        }
    }
}
