//! Files in outgoing messages: what is known of the file, and where its encrypted bytes are.

use buffa::MessageField;
use shared::content::{Content, Media};
use waproto::whatsapp as wa;

use super::body::bytes;
use crate::engine::UploadedMedia;

/// Puts a file into the message.
pub(super) fn put(body: &mut wa::Message, content: &Content, uploaded: Option<&UploadedMedia>) {
    match content {
        Content::Image(media) => body.image_message = MessageField::some(image(media, uploaded)),
        Content::Video(media) if media.note => body.ptv_message = MessageField::some(video(media, uploaded)),
        Content::Video(media) => body.video_message = MessageField::some(video(media, uploaded)),
        Content::Audio(media) => body.audio_message = MessageField::some(audio(media, uploaded)),
        Content::Document(media) => body.document_message = MessageField::some(document(media, uploaded)),
        Content::Sticker(media) => body.sticker_message = MessageField::some(sticker(media, uploaded)),
        _ => {}
    }
}

/// The fields that all kinds have, as one literal for each kind because the library has no common type.
macro_rules! file {
    ($kind:ident, $media:expr, $uploaded:expr, { $($field:ident: $value:expr,)* }) => {
        wa::message::$kind {
            url: $uploaded.map(|file: &UploadedMedia| file.url.clone()),
            direct_path: $uploaded.map(|file| file.direct_path.clone()),
            media_key: $uploaded.map(|file| file.media_key.clone()),
            file_enc_sha256: $uploaded.map(|file| file.encrypted_sha256.clone()),
            file_sha256: $uploaded.map(|file| file.sha256.clone()),
            file_length: $uploaded.map(|file| file.size).or($media.size),
            media_key_timestamp: $uploaded.map(|_| chrono::Utc::now().timestamp()),
            mimetype: (!$media.mime_type.is_empty()).then(|| $media.mime_type.clone()),
            $($field: $value,)*
            ..Default::default()
        }
    };
}

fn image(media: &Media, uploaded: Option<&UploadedMedia>) -> wa::message::ImageMessage {
    file!(ImageMessage, media, uploaded, {
        caption: media.caption.clone(),
        width: media.width,
        height: media.height,
        jpeg_thumbnail: bytes(media.thumbnail.as_ref()),
        view_once: media.view_once.then_some(true),
    })
}

fn video(media: &Media, uploaded: Option<&UploadedMedia>) -> wa::message::VideoMessage {
    file!(VideoMessage, media, uploaded, {
        caption: media.caption.clone(),
        width: media.width,
        height: media.height,
        seconds: media.seconds,
        gif_playback: media.gif.then_some(true),
        streaming_sidecar: uploaded.and_then(|file| file.streaming_sidecar.clone()),
        jpeg_thumbnail: bytes(media.thumbnail.as_ref()),
        view_once: media.view_once.then_some(true),
    })
}

fn audio(media: &Media, uploaded: Option<&UploadedMedia>) -> wa::message::AudioMessage {
    file!(AudioMessage, media, uploaded, {
        seconds: media.seconds,
        ptt: Some(media.voice),
        streaming_sidecar: uploaded.and_then(|file| file.streaming_sidecar.clone()),
        waveform: bytes(media.waveform.as_ref()),
        view_once: media.view_once.then_some(true),
    })
}

fn document(media: &Media, uploaded: Option<&UploadedMedia>) -> wa::message::DocumentMessage {
    file!(DocumentMessage, media, uploaded, {
        caption: media.caption.clone(),
        file_name: media.file_name.clone(),
        title: media.file_name.clone(),
        page_count: media.pages,
        jpeg_thumbnail: bytes(media.thumbnail.as_ref()),
    })
}

fn sticker(media: &Media, uploaded: Option<&UploadedMedia>) -> wa::message::StickerMessage {
    file!(StickerMessage, media, uploaded, {
        width: media.width,
        height: media.height,
        is_animated: Some(media.animated),
    })
}
