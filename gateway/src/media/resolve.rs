//! From what a request says of a file to a file that can be sent: stored, checked for its kind, converted where the kind needs it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use shared::content::{Media, MediaStatus};
use shared::ids::{MediaId, TenantId};
use shared::problem::Code;
use shared::store::media::{Described, StoredMedia};
use uuid::Uuid;

use super::convert::{Unreadable, picture, voice};
use super::kind::MediaKind;
use super::receive::{Incoming, discard};
use super::{fetch, sniff, too_large};
use crate::app::App;
use crate::database::promptly;
use crate::problem::Problem;

/// How a request names a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaSource {
    /// By the id of one that is stored.
    MediaId(MediaId),
    /// By a link to it.
    Link(String),
    /// By its bytes.
    Base64(String),
}

/// What else a request says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MediaHints {
    /// Where the request names the file, for problems: `image.link`.
    pub field: String,
    /// Its name.
    pub file_name: Option<String>,
    /// What it is; its bytes are believed more.
    pub mime_type: Option<String>,
}

/// Makes a file ready to be sent as `kind`. The answer has the file's id and everything that is known of it; caption and flags are the caller's to add.
/// `within`: the sessions that the caller's key may touch ([`crate::auth::TenantCall::within`]).
///
/// # Errors
/// `media_not_found`, `media_too_large`, `unsupported_media`, `url_forbidden`, `validation_failed`, `unavailable`.
pub async fn resolve(
    app: &App,
    tenant: TenantId,
    within: Option<&[Uuid]>,
    source: MediaSource,
    kind: MediaKind,
    hints: &MediaHints,
) -> Result<Media, Problem> {
    let found = match source {
        MediaSource::MediaId(media) => stored(app, tenant, within, media).await?,
        other => {
            let incoming = receive(app, tenant, other, kind, hints).await?;
            let (media, key, described) = incoming;
            let file_name = hints.file_name.as_deref().and_then(fetch::clean_name);
            // What is to be converted is only passing through.
            if needs_conversion(kind, &described.mime_type) {
                let made = make(app, tenant, &key, &described.mime_type, kind, MediaId::generate()).await;
                discard(app.files(), &key).await;
                return Ok(keep(app, tenant, made?, file_name.as_deref()).await?.to_media());
            }
            if let Err(problem) = check(app, kind, &described.mime_type, described.size) {
                discard(app.files(), &key).await;
                return Err(problem);
            }
            return Ok(keep(app, tenant, (media, key, described), file_name.as_deref())
                .await?
                .to_media());
        }
    };
    if needs_conversion(kind, &found.mime_type) {
        let derived = derived(found.id, kind);
        let known = promptly(async { Ok(app.store().tenant(tenant).await?.media(derived, within).await?) }).await?;
        if let Some(known) = known.filter(|known| known.status == MediaStatus::Stored) {
            return Ok(known.to_media());
        }
        let made = make(app, tenant, &found.object_key, &found.mime_type, kind, derived).await?;
        return Ok(keep(app, tenant, made, found.file_name.as_deref()).await?.to_media());
    }
    check(app, kind, &found.mime_type, found.size.unwrap_or_default())?;
    let mut media = found.to_media();
    if let Some(name) = hints.file_name.as_deref().and_then(fetch::clean_name) {
        media.file_name = Some(name);
    }
    Ok(media)
}

/// A stored file that the caller may use.
async fn stored(app: &App, tenant: TenantId, within: Option<&[Uuid]>, media: MediaId) -> Result<StoredMedia, Problem> {
    let found = promptly(async { Ok(app.store().tenant(tenant).await?.media(media, within).await?) }).await?;
    found
        .filter(|found| found.status == MediaStatus::Stored)
        .ok_or_else(|| Problem::not_found(Code::MediaNotFound))
}

async fn receive(
    app: &App,
    tenant: TenantId,
    source: MediaSource,
    kind: MediaKind,
    hints: &MediaHints,
) -> Result<(MediaId, String, Described), Problem> {
    let files = app.files();
    let largest = files.limits.before_conversion(kind);
    match source {
        MediaSource::Link(link) => {
            let mut fetched = fetch::fetch(app.egress(), &hints.field, &link, largest).await?;
            let declared = hints.mime_type.as_deref().or(fetched.mime_type.as_deref());
            let mut incoming = Incoming::begin(files, tenant, declared, largest);
            while let Some(piece) = fetched.piece(&hints.field).await? {
                incoming.write(&piece).await?;
            }
            incoming.finish().await
        }
        MediaSource::Base64(text) => {
            let bytes = decode(text).ok_or_else(|| Problem::field(hints.field.clone(), "must be base64"))?;
            let mut incoming = Incoming::begin(files, tenant, hints.mime_type.as_deref(), largest);
            incoming.write(&bytes).await?;
            incoming.finish().await
        }
        MediaSource::MediaId(_) => Err(Problem::internal(anyhow::anyhow!("a stored file is not received"))),
    }
}

/// Base64 of any usual sort: with or without padding or line breaks, also as a `data:` URL.
#[must_use]
pub fn decode(text: String) -> Option<Vec<u8>> {
    // In place: it may be long.
    let mut letters = text.into_bytes();
    if letters.starts_with(b"data:") {
        const MARK: &[u8] = b";base64,";
        let mark = letters.windows(MARK.len()).position(|window| window == MARK)?;
        letters.drain(..mark + MARK.len());
    }
    letters.retain(|letter| !letter.is_ascii_whitespace());
    for letter in &mut letters {
        match letter {
            b'-' => *letter = b'+',
            b'_' => *letter = b'/',
            _ => {}
        }
    }
    while letters.last() == Some(&b'=') {
        letters.pop();
    }
    STANDARD_NO_PAD.decode(letters).ok()
}

fn needs_conversion(kind: MediaKind, mime_type: &str) -> bool {
    match kind {
        MediaKind::Voice => mime_type != sniff::OPUS,
        MediaKind::Sticker => mime_type != "image/webp",
        _ => false,
    }
}

fn check(app: &App, kind: MediaKind, mime_type: &str, size: i64) -> Result<(), Problem> {
    if !kind.takes(mime_type) {
        return Err(kind.unsupported(mime_type));
    }
    let largest = app.files().limits.of(kind);
    if u64::try_from(size).is_ok_and(|size| size > largest) {
        return Err(too_large(largest));
    }
    Ok(())
}

/// The id of what is made of a file for a kind of message: always the same, so that it is made once. Sorts beside the file.
fn derived(media: MediaId, kind: MediaKind) -> MediaId {
    let mut bytes = *Uuid::new_v5(&media.0, kind.name().as_bytes()).as_bytes();
    bytes[..6].copy_from_slice(&media.0.as_bytes()[..6]);
    bytes[6] = 0x70 | (bytes[6] & 0x0F);
    MediaId(Uuid::from_bytes(bytes))
}

/// Makes a voice note or a sticker of an object, and stores it.
async fn make(
    app: &App,
    tenant: TenantId,
    key: &str,
    mime_type: &str,
    kind: MediaKind,
    media: MediaId,
) -> Result<(MediaId, String, Described), Problem> {
    let files = app.files();
    let readable = match kind {
        MediaKind::Voice => mime_type.starts_with("audio/") || mime_type == "video/mp4",
        MediaKind::Sticker => picture::is_readable(mime_type),
        _ => false,
    };
    if !readable {
        return Err(kind.unsupported(mime_type));
    }
    let largest = files.limits.before_conversion(kind);
    let unreadable = |error: Unreadable| {
        Problem::new(
            Code::UnsupportedMedia,
            format!("The file cannot be sent as {}: {error}.", kind.name()),
        )
    };
    let (bytes, mime_type, seconds, waveform) = if kind == MediaKind::Voice {
        let note = files
            .with_whole(key, largest, voice::voice)
            .await?
            .map_err(unreadable)?;
        let seconds = i32::try_from(note.seconds).ok();
        (note.bytes, sniff::OPUS, seconds, Some(note.waveform))
    } else {
        let made = files.with_whole(key, largest, |whole| picture::sticker(&whole)).await?;
        (made.map_err(unreadable)?, "image/webp", None, None)
    };
    let mut incoming = Incoming::begin(files, tenant, Some(mime_type), files.limits.of(kind)).named(tenant, media);
    incoming.write(&bytes).await?;
    let (media, key, mut described) = incoming.finish().await?;
    described.seconds = seconds.or(described.seconds);
    described.waveform = waveform.or(described.waveform);
    Ok((media, key, described))
}

/// Notes a file whose object is stored.
///
/// # Errors
/// The database's problem.
pub(crate) async fn keep(
    app: &App,
    tenant: TenantId,
    (media, key, described): (MediaId, String, Described),
    file_name: Option<&str>,
) -> Result<StoredMedia, Problem> {
    let days = app.files().days;
    let found = promptly(async {
        let mut transaction = app.store().tenant(tenant).await?;
        transaction
            .insert_media(media, &key, file_name, &described, days)
            .await?;
        let found = transaction.media(media, None).await?;
        transaction.commit().await?;
        Ok(found)
    })
    .await?;
    found.ok_or_else(|| Problem::not_found(Code::MediaNotFound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_comes_in_many_forms() {
        for text in [
            "aGk/Pj8=",
            "aGk/Pj8",
            "aGk_Pj8",
            "aGk/\r\nPj8=",
            "data:text/plain;base64,aGk/Pj8=",
        ] {
            assert_eq!(decode(text.into()).as_deref(), Some(b"hi?>?".as_slice()), "{text}");
        }
        for text in ["a", "a$b=", "data:text/plain,hi"] {
            assert_eq!(decode(text.into()), None, "{text}");
        }
    }

    #[test]
    fn what_is_made_of_a_file_has_one_id_for_each_kind_and_stands_beside_it() {
        let (earlier, media, later) = (MediaId(Uuid::from_u128(1)), MediaId::generate(), MediaId(Uuid::max()));
        let voice = derived(media, MediaKind::Voice);
        assert_eq!(voice, derived(media, MediaKind::Voice));
        assert_ne!(voice, derived(media, MediaKind::Sticker));
        assert_ne!(voice, derived(MediaId::generate(), MediaKind::Voice));
        assert!(earlier < voice && voice < later && voice.0.as_bytes()[..6] == media.0.as_bytes()[..6]);
    }
}
