//! Files in messages to send: how a request names them.

use serde::Deserialize;
use shared::content::{Content, Media};
use shared::ids::MediaId;
use utoipa::ToSchema;

use super::shape;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::SendMessages;
use crate::http::checks::Checks;
use crate::media::kind::MediaKind;
use crate::media::resolve::{self, MediaHints, MediaSource};
use crate::problem::Problem;

/// The longest caption, in characters.
const LONGEST_CAPTION: usize = 4_096;

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A picture.
    Image,
    /// A film.
    Video,
    /// Sound.
    Audio,
    /// Any file.
    Document,
    /// A sticker.
    Sticker,
}

impl FileKind {
    /// The content with the file.
    pub(crate) fn content(self, media: Media) -> Content {
        match self {
            Self::Image => Content::Image(media),
            Self::Video => Content::Video(media),
            Self::Audio => Content::Audio(media),
            Self::Document => Content::Document(media),
            Self::Sticker => Content::Sticker(media),
        }
    }
}

/// A file to send: exactly one of `link`, `media_id` and `base64` says where it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MediaBody {
    /// A URL from which it is fetched.
    #[schema(example = "https://example.com/rook.jpg")]
    pub(crate) link: Option<String>,
    /// Our id of a file that is stored here: see `POST /v1/media`.
    #[schema(value_type = Option<String>)]
    pub(crate) media_id: Option<MediaId>,
    /// Its bytes in base64: at most 16 MiB of them.
    pub(crate) base64: Option<String>,
    /// What it is, as a MIME type, where its bytes do not tell.
    pub(crate) mime_type: Option<String>,
    /// The text below it. Not for audio and stickers.
    pub(crate) caption: Option<String>,
    /// A document's name.
    #[serde(alias = "filename")]
    pub(crate) file_name: Option<String>,
    /// Sound: shown as a voice note.
    #[serde(default)]
    #[schema(required = false)]
    pub(crate) voice: bool,
    /// A film: shown as a looping GIF.
    #[serde(default)]
    #[schema(required = false)]
    pub(crate) gif: bool,
    /// A film: shown as a round video note.
    #[serde(default)]
    #[schema(required = false)]
    pub(crate) note: bool,
    /// It can be opened once. For pictures, films and sound.
    #[serde(default)]
    #[schema(required = false)]
    pub(crate) view_once: bool,
    /// A small JPEG in base64, instead of the one that is made of a picture. None is made of a film: give one where it matters.
    pub(crate) thumbnail: Option<String>,
}

impl MediaBody {
    /// Checks what can be checked without the file.
    pub(crate) fn check(&self, checks: &mut Checks, field: &str, kind: FileKind) {
        let at = |name: &str| format!("{field}.{name}");
        let sources = [self.link.is_some(), self.media_id.is_some(), self.base64.is_some()];
        checks.require(
            sources.into_iter().filter(|given| *given).count() == 1,
            field,
            "must have exactly one of link, media_id and base64",
        );
        if let Some(caption) = &self.caption {
            checks.text(&at("caption"), caption, 0..=LONGEST_CAPTION);
            checks.require(
                !matches!(kind, FileKind::Audio | FileKind::Sticker),
                &at("caption"),
                "is not possible for audio and stickers",
            );
        }
        if let Some(name) = &self.file_name {
            checks.text(&at("file_name"), name, 1..=255);
            checks.require(
                kind == FileKind::Document,
                &at("file_name"),
                "is only possible for documents",
            );
        }
        if let Some(mime_type) = &self.mime_type {
            let essence = mime_type.split(';').next().unwrap_or_default();
            let valid = mime_type.len() <= 127
                && mime_type.is_ascii()
                && essence.split('/').filter(|part| !part.is_empty()).count() == 2;
            checks.require(valid, &at("mime_type"), "must be a MIME type, for example image/jpeg");
        }
        checks.require(
            !self.voice || kind == FileKind::Audio,
            &at("voice"),
            "is only possible for audio",
        );
        let film = kind == FileKind::Video;
        checks.require(!self.gif || film, &at("gif"), "is only possible for videos");
        checks.require(
            !self.note || (film && !self.gif),
            &at("note"),
            "is only possible for videos that are no GIFs",
        );
        let once = matches!(kind, FileKind::Image | FileKind::Video | FileKind::Audio);
        checks.require(
            !self.view_once || once,
            &at("view_once"),
            "is only possible for pictures, videos and audio",
        );
        shape::thumbnail(checks, &at("thumbnail"), self.thumbnail.as_ref());
    }

    /// What the request says of the file, without what only its bytes tell.
    fn described(&self) -> Media {
        Media {
            caption: self.caption.clone().filter(|caption| !caption.is_empty()),
            voice: self.voice,
            gif: self.gif,
            note: self.note,
            view_once: self.view_once,
            thumbnail: self.thumbnail.clone(),
            ..Media::default()
        }
    }
}

/// Brings the file into our storage, or finds it there. Where it came from is taken out of `body`.
///
/// # Errors
/// See [`resolve::resolve`].
pub(crate) async fn resolve(
    app: &App,
    call: &SessionCall<SendMessages>,
    kind: FileKind,
    body: &mut MediaBody,
) -> Result<Media, Problem> {
    // Taken out: base64 is long, and is not needed twice.
    let (field, source) = match (body.media_id, body.link.take(), body.base64.take()) {
        (Some(media), ..) => ("media_id", MediaSource::MediaId(media)),
        (None, Some(link), _) => ("link", MediaSource::Link(link)),
        (None, None, base64) => ("base64", MediaSource::Base64(base64.unwrap_or_default())),
    };
    let (name, needed) = match kind {
        FileKind::Image => ("image", MediaKind::Image),
        FileKind::Video => ("video", MediaKind::Video),
        FileKind::Audio if body.voice => ("audio", MediaKind::Voice),
        FileKind::Audio => ("audio", MediaKind::Audio),
        FileKind::Document => ("document", MediaKind::Document),
        FileKind::Sticker => ("sticker", MediaKind::Sticker),
    };
    let hints = MediaHints {
        field: format!("{name}.{field}"),
        file_name: body.file_name.clone(),
        mime_type: body.mime_type.clone(),
    };
    let tenant = &call.tenant;
    let found = resolve::resolve(app, tenant.tenant, tenant.within(), source, needed, &hints).await?;
    let said = body.described();
    Ok(Media {
        caption: said.caption,
        voice: said.voice,
        gif: said.gif,
        note: said.note,
        view_once: said.view_once,
        thumbnail: said.thumbnail.or(found.thumbnail),
        ..found
    })
}
