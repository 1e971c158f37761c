//! Messages with files, from what our words say and where WhatsApp has the file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shared::content::{Content, Media};
use waproto::whatsapp as wa;

use crate::engine::whatsapp::media::UploadedMedia;

/// The message for a content with a file; `None` for a content without one.
pub(super) fn message(content: &Content, uploaded: &UploadedMedia, context: Option<wa::ContextInfo>) -> Option<wa::Message> {
    let context = context.map(buffa::MessageField::some).unwrap_or_default();
    let mut message = wa::Message::default();
    match content {
        Content::Image(media) => message.image_message = buffa::MessageField::some(image(media, uploaded, context)),
        Content::Video(media) if media.note => {
            message.ptv_message = buffa::MessageField::some(video(media, uploaded, context));
        }
        Content::Video(media) => message.video_message = buffa::MessageField::some(video(media, uploaded, context)),
        Content::Audio(media) => message.audio_message = buffa::MessageField::some(audio(media, uploaded, context)),
        Content::Document(media) => {
            let document = wa::Message {
                document_message: buffa::MessageField::some(document(media, uploaded, context)),
                ..wa::Message::default()
            };
            if media.caption.is_none() {
                return Some(document);
            }
            // Phones show a document's caption only in this wrapping.
            message.document_with_caption_message = buffa::MessageField::some(wa::message::FutureProofMessage {
                message: buffa::MessageField::some(document),
            });
        }
        Content::Sticker(media) => {
            message.sticker_message = buffa::MessageField::some(sticker(media, uploaded, context));
        }
        _ => return None,
    }
    Some(message)
}

/// The small picture that is shown before the file is there.
fn thumbnail(media: &Media) -> Option<Vec<u8>> {
    STANDARD.decode(media.thumbnail.as_deref()?).ok()
}

fn image(
    media: &Media,
    uploaded: &UploadedMedia,
    context: buffa::MessageField<wa::ContextInfo>,
) -> wa::message::ImageMessage {
    wa::message::ImageMessage {
        url: Some(uploaded.url.clone()),
        direct_path: Some(uploaded.direct_path.clone()),
        media_key: Some(uploaded.media_key.to_vec()),
        file_sha256: Some(uploaded.file_sha256.to_vec()),
        file_enc_sha256: Some(uploaded.file_enc_sha256.to_vec()),
        file_length: Some(uploaded.file_length),
        media_key_timestamp: Some(uploaded.media_key_timestamp),
        mimetype: Some(media.mime_type.clone()),
        caption: media.caption.clone(),
        width: media.width,
        height: media.height,
        jpeg_thumbnail: thumbnail(media),
        view_once: media.view_once.then_some(true),
        context_info: context,
        ..Default::default()
    }
}

fn video(
    media: &Media,
    uploaded: &UploadedMedia,
    context: buffa::MessageField<wa::ContextInfo>,
) -> wa::message::VideoMessage {
    wa::message::VideoMessage {
        url: Some(uploaded.url.clone()),
        direct_path: Some(uploaded.direct_path.clone()),
        media_key: Some(uploaded.media_key.to_vec()),
        file_sha256: Some(uploaded.file_sha256.to_vec()),
        file_enc_sha256: Some(uploaded.file_enc_sha256.to_vec()),
        file_length: Some(uploaded.file_length),
        media_key_timestamp: Some(uploaded.media_key_timestamp),
        streaming_sidecar: uploaded.streaming_sidecar.clone(),
        mimetype: Some(media.mime_type.clone()),
        caption: media.caption.clone(),
        width: media.width,
        height: media.height,
        seconds: media.seconds,
        gif_playback: media.gif.then_some(true),
        jpeg_thumbnail: thumbnail(media),
        view_once: media.view_once.then_some(true),
        context_info: context,
        ..Default::default()
    }
}

fn audio(
    media: &Media,
    uploaded: &UploadedMedia,
    context: buffa::MessageField<wa::ContextInfo>,
) -> wa::message::AudioMessage {
    wa::message::AudioMessage {
        url: Some(uploaded.url.clone()),
        direct_path: Some(uploaded.direct_path.clone()),
        media_key: Some(uploaded.media_key.to_vec()),
        file_sha256: Some(uploaded.file_sha256.to_vec()),
        file_enc_sha256: Some(uploaded.file_enc_sha256.to_vec()),
        file_length: Some(uploaded.file_length),
        media_key_timestamp: Some(uploaded.media_key_timestamp),
        streaming_sidecar: uploaded.streaming_sidecar.clone(),
        mimetype: Some(media.mime_type.clone()),
        seconds: media.seconds,
        ptt: Some(media.voice),
        waveform: media.waveform.as_deref().and_then(|waveform| STANDARD.decode(waveform).ok()),
        view_once: media.view_once.then_some(true),
        context_info: context,
        ..Default::default()
    }
}

fn document(
    media: &Media,
    uploaded: &UploadedMedia,
    context: buffa::MessageField<wa::ContextInfo>,
) -> wa::message::DocumentMessage {
    let name = media.file_name.clone().unwrap_or_else(|| "document".to_owned());
    wa::message::DocumentMessage {
        url: Some(uploaded.url.clone()),
        direct_path: Some(uploaded.direct_path.clone()),
        media_key: Some(uploaded.media_key.to_vec()),
        file_sha256: Some(uploaded.file_sha256.to_vec()),
        file_enc_sha256: Some(uploaded.file_enc_sha256.to_vec()),
        file_length: Some(uploaded.file_length),
        media_key_timestamp: Some(uploaded.media_key_timestamp),
        mimetype: Some(media.mime_type.clone()),
        caption: media.caption.clone(),
        title: Some(name.clone()),
        file_name: Some(name),
        page_count: media.pages,
        jpeg_thumbnail: thumbnail(media),
        context_info: context,
        ..Default::default()
    }
}

fn sticker(
    media: &Media,
    uploaded: &UploadedMedia,
    context: buffa::MessageField<wa::ContextInfo>,
) -> wa::message::StickerMessage {
    wa::message::StickerMessage {
        url: Some(uploaded.url.clone()),
        direct_path: Some(uploaded.direct_path.clone()),
        media_key: Some(uploaded.media_key.to_vec()),
        file_sha256: Some(uploaded.file_sha256.to_vec()),
        file_enc_sha256: Some(uploaded.file_enc_sha256.to_vec()),
        file_length: Some(uploaded.file_length),
        media_key_timestamp: Some(uploaded.media_key_timestamp),
        mimetype: Some(media.mime_type.clone()),
        width: media.width,
        height: media.height,
        is_animated: Some(media.animated),
        context_info: context,
        ..Default::default()
    }
}
