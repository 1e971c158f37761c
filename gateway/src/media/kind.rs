//! The kinds of files in messages: how large each may be and what it must be.
//!
//! Sources of the figures: the Cloud API's table "Supported Media Types" (audio and video 16 MB, documents 100 MB, stickers 100 kB still and 500 kB
//! moving), and what WhatsApp's own apps take (pictures and sound 16 MB, videos 64 MB, stickers 1 MB, documents 2 GB, which is also the most that its
//! media servers take). The defaults are the apps', except for documents.

use clap::Args;
use shared::problem::Code;

use crate::problem::Problem;

/// How large a document can be made by the operator: what WhatsApp's media servers take.
const LARGEST_DOCUMENT: u64 = 2 * 1024 * 1024 * 1024;
const MEBIBYTE: u64 = 1024 * 1024;

/// A kind of file in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// A picture: JPEG or PNG.
    Image,
    /// A film: MP4 or 3GP.
    Video,
    /// Sound of any format that phones play.
    Audio,
    /// A voice note: made OGG with Opus where it is something else.
    Voice,
    /// Any file.
    Document,
    /// A sticker: made WebP where it is something else.
    Sticker,
}

impl MediaKind {
    /// Its name in problems.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Voice => "voice note",
            Self::Document => "document",
            Self::Sticker => "sticker",
        }
    }

    /// Whether a file of this type can be sent as it is.
    #[must_use]
    pub fn takes(self, mime_type: &str) -> bool {
        match self {
            Self::Image => ["image/jpeg", "image/png"].contains(&mime_type),
            Self::Video => ["video/mp4", "video/3gpp", "video/quicktime"].contains(&mime_type),
            Self::Audio => mime_type.starts_with("audio/"),
            Self::Voice => mime_type == super::sniff::OPUS,
            Self::Document => true,
            Self::Sticker => mime_type == "image/webp",
        }
    }

    /// The problem of a file that is something else.
    #[must_use]
    pub fn unsupported(self, mime_type: &str) -> Problem {
        Problem::new(
            Code::UnsupportedMedia,
            format!("The file is {mime_type}, which cannot be sent as {}.", self.name()),
        )
    }
}

/// How large files may be, in bytes.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Media")]
pub struct Limits {
    /// The largest image, in bytes.
    #[arg(long = "media-image-bytes", env = "ROOKERY_MEDIA_IMAGE_BYTES", default_value_t = 16 * MEBIBYTE)]
    pub image: u64,
    /// The largest video, in bytes.
    #[arg(long = "media-video-bytes", env = "ROOKERY_MEDIA_VIDEO_BYTES", default_value_t = 64 * MEBIBYTE)]
    pub video: u64,
    /// The largest sound or voice note, in bytes.
    #[arg(long = "media-audio-bytes", env = "ROOKERY_MEDIA_AUDIO_BYTES", default_value_t = 16 * MEBIBYTE)]
    pub audio: u64,
    /// The largest document, in bytes, and the largest file that is stored at all.
    #[arg(long = "media-document-bytes", env = "ROOKERY_MEDIA_DOCUMENT_BYTES", default_value_t = 100 * MEBIBYTE, value_parser = clap::value_parser!(u64).range(1..=LARGEST_DOCUMENT))]
    pub document: u64,
    /// The largest sticker, in bytes.
    #[arg(long = "media-sticker-bytes", env = "ROOKERY_MEDIA_STICKER_BYTES", default_value_t = MEBIBYTE)]
    pub sticker: u64,
}

impl Limits {
    /// How large a file of this kind may be when it is sent.
    #[must_use]
    pub fn of(&self, kind: MediaKind) -> u64 {
        match kind {
            MediaKind::Image => self.image,
            MediaKind::Video => self.video,
            MediaKind::Audio | MediaKind::Voice => self.audio,
            MediaKind::Document => self.document,
            MediaKind::Sticker => self.sticker,
        }
    }

    /// How large a file may be that is to become one of this kind: a sticker is made of a picture.
    #[must_use]
    pub fn before_conversion(&self, kind: MediaKind) -> u64 {
        match kind {
            MediaKind::Sticker => self.image,
            other => self.of(other),
        }
    }
}
