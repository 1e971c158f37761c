//! Files in arrived messages: what is known of them, and where WhatsApp keeps them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shared::content::{Content, Media};
use waproto::whatsapp as wa;

use super::super::super::foreign::foreign;
use super::{text, unwrapped};
use crate::engine::RemoteMedia;

/// The largest small picture that is passed on, in bytes. WhatsApp's own are below 10 kB.
const LARGEST_THUMBNAIL: usize = 64 * 1024;
/// A waveform has 64 bytes (Baileys, `getAudioWaveform`); some clients send more.
const LONGEST_WAVEFORM: usize = 1024;

/// The file that the message shows.
pub(super) fn of(base: &wa::Message, view_once: bool) -> Option<Content> {
    if let Some(image) = base.image_message.as_option() {
        return Some(Content::Image(Media {
            width: image.width,
            height: image.height,
            caption: text(image.caption.as_deref()),
            thumbnail: thumbnail(image.jpeg_thumbnail.as_deref()),
            view_once: view_once || image.view_once == Some(true),
            ..file(
                image.mimetype.as_deref(),
                image.file_length,
                image.file_sha256.as_deref(),
            )
        }));
    }
    let note = base.ptv_message.as_option();
    if let Some(video) = base.video_message.as_option().or(note) {
        return Some(Content::Video(Media {
            width: video.width,
            height: video.height,
            seconds: video.seconds,
            caption: text(video.caption.as_deref()),
            thumbnail: thumbnail(video.jpeg_thumbnail.as_deref()),
            gif: video.gif_playback == Some(true),
            note: note.is_some(),
            view_once: view_once || video.view_once == Some(true),
            ..file(
                video.mimetype.as_deref(),
                video.file_length,
                video.file_sha256.as_deref(),
            )
        }));
    }
    if let Some(audio) = base.audio_message.as_option() {
        return Some(Content::Audio(Media {
            seconds: audio.seconds,
            voice: audio.ptt == Some(true),
            waveform: bounded(audio.waveform.as_deref(), LONGEST_WAVEFORM),
            view_once: view_once || audio.view_once == Some(true),
            ..file(
                audio.mimetype.as_deref(),
                audio.file_length,
                audio.file_sha256.as_deref(),
            )
        }));
    }
    if let Some(document) = base.document_message.as_option() {
        return Some(Content::Document(Media {
            caption: text(document.caption.as_deref()),
            file_name: text(document.file_name.as_deref()).or_else(|| text(document.title.as_deref())),
            pages: document.page_count,
            thumbnail: thumbnail(document.jpeg_thumbnail.as_deref()),
            ..file(
                document.mimetype.as_deref(),
                document.file_length,
                document.file_sha256.as_deref(),
            )
        }));
    }
    let sticker = base.sticker_message.as_option()?;
    Some(Content::Sticker(Media {
        width: sticker.width,
        height: sticker.height,
        animated: sticker.is_animated == Some(true) || sticker.is_lottie == Some(true),
        ..file(
            sticker.mimetype.as_deref(),
            sticker.file_length,
            sticker.file_sha256.as_deref(),
        )
    }))
}

fn file(mime_type: Option<&str>, size: Option<u64>, sha256: Option<&[u8]>) -> Media {
    Media {
        mime_type: mime_type.map(foreign).unwrap_or_default(),
        size,
        sha256: sha256.filter(|hash| hash.len() == 32).map(hex),
        ..Media::default()
    }
}

/// Bytes in hexadecimal digits.
pub(in super::super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        })
}

/// A small picture in base64; a large one is no small picture.
pub(super) fn thumbnail(bytes: Option<&[u8]>) -> Option<String> {
    bounded(bytes, LARGEST_THUMBNAIL)
}

fn bounded(bytes: Option<&[u8]>, most: usize) -> Option<String> {
    bytes
        .filter(|bytes| !bytes.is_empty() && bytes.len() <= most)
        .map(|bytes| STANDARD.encode(bytes))
}

/// Where WhatsApp keeps the message's file, if it has one.
pub(in super::super) fn remote_media(message: &wa::Message) -> Option<RemoteMedia> {
    let base = unwrapped(message);
    macro_rules! remote {
        ($kind:literal, $file:expr) => {
            RemoteMedia {
                kind: $kind,
                direct_path: $file.direct_path.as_deref().map(foreign)?,
                media_key: $file.media_key.clone()?,
                encrypted_sha256: $file.file_enc_sha256.clone().unwrap_or_default(),
                sha256: $file.file_sha256.clone().unwrap_or_default(),
                size: $file.file_length.unwrap_or_default(),
            }
        };
    }
    if let Some(image) = base.image_message.as_option() {
        return Some(remote!("image", image));
    }
    if let Some(video) = base.video_message.as_option().or(base.ptv_message.as_option()) {
        return Some(remote!("video", video));
    }
    if let Some(audio) = base.audio_message.as_option() {
        return Some(remote!("audio", audio));
    }
    if let Some(document) = base.document_message.as_option() {
        return Some(remote!("document", document));
    }
    let sticker = base.sticker_message.as_option()?;
    Some(remote!("sticker", sticker))
}
