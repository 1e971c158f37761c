//! Files in arrived messages: what the message says of them, and where WhatsApp keeps them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shared::content::{Content, Media};
use wacore::download::Downloadable;
use wacore::proto_helpers::MessageExt as _;
use waproto::whatsapp as wa;

use super::super::foreign::foreign;
use crate::engine::RemoteMedia;

/// The longest name, in characters: it stands in a row and in headers.
const LONGEST_NAME: usize = 255;
/// The largest thumbnail that is passed on, in bytes. Real ones have a few kilobytes.
const LARGEST_THUMBNAIL: usize = 64 * 1024;
/// How many bytes a waveform has.
const WAVEFORM: usize = 64;

/// The message inside its wrappings.
fn base(message: &wa::Message) -> &wa::Message {
    let base = message.get_base_message();
    let lottie = base.lottie_sticker_message.as_option();
    lottie.and_then(|wrapped| wrapped.message.as_option()).unwrap_or(base)
}

/// What the message says, if it has a file.
pub(super) fn content(message: &wa::Message) -> Option<Content> {
    let once = message.is_view_once();
    let base = base(message);
    let content = if let Some(image) = base.image_message.as_option() {
        Content::Image(Media {
            caption: image.caption.as_deref().map(foreign),
            width: image.width,
            height: image.height,
            thumbnail: thumbnail(image.jpeg_thumbnail.as_deref()),
            ..described(image, image.mimetype.as_deref(), "image/jpeg")
        })
    } else if let Some(video) = base.video_message.as_option() {
        Content::Video(film(video))
    } else if let Some(note) = base.ptv_message.as_option() {
        Content::Video(Media {
            note: true,
            ..film(note)
        })
    } else if let Some(audio) = base.audio_message.as_option() {
        Content::Audio(Media {
            seconds: audio.seconds,
            voice: audio.ptt.unwrap_or_default(),
            waveform: audio
                .waveform
                .as_deref()
                .filter(|waveform| waveform.len() == WAVEFORM)
                .map(|waveform| STANDARD.encode(waveform)),
            ..described(audio, audio.mimetype.as_deref(), "audio/ogg; codecs=opus")
        })
    } else if let Some(document) = base.document_message.as_option() {
        let name = document.file_name.as_deref().or(document.title.as_deref());
        Content::Document(Media {
            caption: document.caption.as_deref().map(foreign),
            file_name: name.map(|name| foreign(name).chars().take(LONGEST_NAME).collect()),
            pages: document.page_count,
            thumbnail: thumbnail(document.jpeg_thumbnail.as_deref()),
            ..described(document, document.mimetype.as_deref(), "application/octet-stream")
        })
    } else if let Some(sticker) = base.sticker_message.as_option() {
        Content::Sticker(Media {
            width: sticker.width,
            height: sticker.height,
            animated: sticker.is_animated.unwrap_or_default(),
            ..described(sticker, sticker.mimetype.as_deref(), "image/webp")
        })
    } else {
        return None;
    };
    Some(once_only(content, once))
}

fn once_only(mut content: Content, once: bool) -> Content {
    if let Some(media) = content.media_mut() {
        media.view_once = once;
    }
    content
}

fn film(video: &wa::message::VideoMessage) -> Media {
    Media {
        caption: video.caption.as_deref().map(foreign),
        width: video.width,
        height: video.height,
        seconds: video.seconds,
        gif: video.gif_playback.unwrap_or_default(),
        thumbnail: thumbnail(video.jpeg_thumbnail.as_deref()),
        ..described(video, video.mimetype.as_deref(), "video/mp4")
    }
}

/// What every file has. A MIME type that could not stand in a header is replaced by the usual one.
fn described(file: &dyn Downloadable, mime_type: Option<&str>, usual: &str) -> Media {
    let sane = |mime: &&str| (3..=127).contains(&mime.len()) && mime.contains('/') && mime.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    Media {
        mime_type: mime_type.filter(sane).unwrap_or(usual).to_owned(),
        size: file.file_length().filter(|size| i64::try_from(*size).is_ok()),
        sha256: file
            .file_sha256()
            .filter(|hash| hash.len() == 32)
            .map(hexadecimal),
        ..Media::default()
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn thumbnail(jpeg: Option<&[u8]>) -> Option<String> {
    let jpeg = jpeg.filter(|jpeg| (1..=LARGEST_THUMBNAIL).contains(&jpeg.len()))?;
    Some(STANDARD.encode(jpeg))
}

/// Where WhatsApp keeps the message's file, if it has one that can be had.
pub(super) fn remote(message: &wa::Message) -> Option<RemoteMedia> {
    let base = base(message);
    let (kind, file): (&'static str, &dyn Downloadable) = if let Some(image) = base.image_message.as_option() {
        ("image", image)
    } else if let Some(video) = base.video_message.as_option().or(base.ptv_message.as_option()) {
        ("video", video)
    } else if let Some(audio) = base.audio_message.as_option() {
        ("audio", audio)
    } else if let Some(document) = base.document_message.as_option() {
        ("document", document)
    } else {
        ("sticker", base.sticker_message.as_option()?)
    };
    let bytes = |value: Option<&[u8]>| value.unwrap_or_default().to_vec();
    Some(RemoteMedia {
        kind,
        direct_path: file.direct_path().filter(|path| !path.is_empty())?.to_owned(),
        media_key: bytes(file.media_key()),
        encrypted_sha256: bytes(file.file_enc_sha256()),
        sha256: bytes(file.file_sha256()),
        size: file.file_length().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_in_its_wrapping_is_described_and_found() {
        let document = wa::message::DocumentMessage {
            direct_path: Some("/v/1".into()),
            media_key: Some(vec![1; 32]),
            file_enc_sha256: Some(vec![2; 32]),
            file_sha256: Some(vec![0xAB; 32]),
            file_length: Some(4_711),
            mimetype: Some("application/pdf\r\nX-Evil: 1".into()),
            file_name: Some("bill\0.pdf".into()),
            caption: Some("yours".into()),
            ..Default::default()
        };
        let message = wa::Message {
            document_with_caption_message: buffa::MessageField::some(wa::message::FutureProofMessage {
                message: buffa::MessageField::some(wa::Message {
                    document_message: buffa::MessageField::some(document),
                    ..Default::default()
                }),
            }),
            ..Default::default()
        };
        let Some(Content::Document(media)) = content(&message) else {
            panic!("it is a document");
        };
        assert_eq!(media.mime_type, "application/octet-stream", "what could break a header is replaced");
        assert_eq!(media.file_name.as_deref(), Some("bill\u{FFFD}.pdf"));
        assert_eq!(media.caption.as_deref(), Some("yours"));
        assert_eq!((media.size, media.sha256), (Some(4_711), Some("ab".repeat(32))));
        let remote = remote(&message).unwrap();
        assert_eq!((remote.kind, remote.direct_path.as_str(), remote.size), ("document", "/v/1", 4_711));
    }

    #[test]
    fn a_message_without_a_place_has_no_file_to_fetch() {
        let message = wa::Message {
            image_message: buffa::MessageField::some(wa::message::ImageMessage::default()),
            ..Default::default()
        };
        assert_eq!(content(&message).unwrap().kind(), "image");
        assert_eq!(remote(&message), None);
    }
}
