//! How long a film lasts and how large its picture is, by the boxes of its file (ISO/IEC 14496-12: `moov`, `mvhd`, `tkhd`). No frame is decoded, so
//! there is no thumbnail.
//!
//! Only a few kilobytes of the file are read, wherever they are in it. What is read is a stranger's: whatever does not fit is left out.

use futures::StreamExt as _;
use shared::bucket::{Bucket, BucketError};

/// Boxes of the file that are looked at before its `moov`: usual are one to four.
const MOST_BOXES: usize = 32;
/// How much of `moov` is read: the header comes first, the tracks' headers at the beginning of each track, and the tables behind them are long.
const HEAD_OF_MOOV: usize = 256 * 1024;
/// The header of a box, with a 64-bit length.
const BOX_HEADER: usize = 16;
/// A film that says to last longer is not believed, in seconds.
const LONGEST: u64 = 7 * 24 * 3600;

/// What a film's file says of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Film {
    /// Length in seconds, rounded up: nothing lasts 0 seconds.
    pub seconds: Option<u32>,
    /// Width in pixels, as it is shown.
    pub width: Option<u32>,
    /// Height in pixels, as it is shown.
    pub height: Option<u32>,
}

/// Whether files of this type consist of such boxes.
#[must_use]
pub fn is_readable(mime_type: &str) -> bool {
    ["video/mp4", "video/3gpp", "video/quicktime", "audio/mp4"].contains(&mime_type)
}

/// Looks at an object of `size` bytes.
///
/// # Errors
/// [`BucketError`] when it cannot be read.
pub async fn look(bucket: &Bucket, key: &str, size: u64) -> Result<Film, BucketError> {
    let mut at = 0;
    for _ in 0..MOST_BOXES {
        if at + 8 > size {
            break;
        }
        let Some((kind, header, length)) = header(&beginning(bucket, key, at, BOX_HEADER).await?) else {
            break;
        };
        // 0: to the end of the file.
        let length = if length == 0 { size - at } else { length };
        if kind == *b"moov" {
            let inside = length.saturating_sub(header);
            let wanted = usize::try_from(inside).unwrap_or(usize::MAX).min(HEAD_OF_MOOV);
            return Ok(of_moov(&beginning(bucket, key, at + header, wanted).await?));
        }
        let Some(next) = at.checked_add(length).filter(|next| *next > at) else {
            break;
        };
        at = next;
    }
    Ok(Film::default())
}

/// The first `length` bytes from `from` on, or as many as there are.
async fn beginning(bucket: &Bucket, key: &str, from: u64, length: usize) -> Result<Vec<u8>, BucketError> {
    let mut pieces = bucket.read(key, from).await?;
    let mut bytes = Vec::new();
    while bytes.len() < length
        && let Some(piece) = pieces.next().await
    {
        let piece = piece?;
        bytes.extend_from_slice(&piece[..piece.len().min(length - bytes.len())]);
    }
    Ok(bytes)
}

/// The kind of the box that begins here, the length of its header and its own.
fn header(bytes: &[u8]) -> Option<([u8; 4], u64, u64)> {
    let short = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?);
    let kind = bytes.get(4..8)?.try_into().ok()?;
    match short {
        1 => {
            let long = u64::from_be_bytes(bytes.get(8..16)?.try_into().ok()?);
            (long >= 16).then_some((kind, 16, long))
        }
        0 => Some((kind, 8, 0)),
        2..=7 => None,
        short => Some((kind, 8, u64::from(short))),
    }
}

/// The boxes in a box's content, in order. The last one may be cut.
fn boxes(mut content: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (kind, header, length) = header(content)?;
        let length = match length {
            0 => content.len(),
            length => usize::try_from(length).unwrap_or(usize::MAX).min(content.len()),
        };
        let (this, rest) = content.split_at_checked(length)?;
        content = rest;
        Some((kind, this.get(usize::try_from(header).ok()?..)?))
    })
}

fn of_moov(content: &[u8]) -> Film {
    let mut film = Film::default();
    for (kind, inside) in boxes(content) {
        match &kind {
            b"mvhd" => film.seconds = seconds(inside),
            b"trak" if film.width.is_none() => {
                let track = boxes(inside).find(|(kind, _)| kind == b"tkhd");
                if let Some((width, height)) = track.and_then(|(_, header)| dimensions(header)) {
                    film.width = Some(width);
                    film.height = Some(height);
                }
            }
            _ => {}
        }
    }
    film
}

/// `mvhd`: version, two moments, the units of a second, the length in them. 64 bits wide in version 1.
fn seconds(mvhd: &[u8]) -> Option<u32> {
    let word = |at: usize| Some(u32::from_be_bytes(mvhd.get(at..at + 4)?.try_into().ok()?));
    let (units, length) = match mvhd.first()? {
        0 => (word(12)?, u64::from(word(16)?)),
        1 => (word(20)?, u64::from_be_bytes(mvhd.get(24..32)?.try_into().ok()?)),
        _ => return None,
    };
    // All bits set: unknown.
    let known = units > 0 && length > 0 && length != u64::from(u32::MAX) && length != u64::MAX;
    let seconds = known.then(|| length.div_ceil(u64::from(units)))?;
    (seconds <= LONGEST).then(|| u32::try_from(seconds).ok())?
}

/// `tkhd`: width and height stand at its end as 16.16 fixed-point numbers, before them the matrix of nine words that may turn the picture. `None`: a track
/// without a picture.
fn dimensions(tkhd: &[u8]) -> Option<(u32, u32)> {
    let end = match tkhd.first()? {
        0 => 84,
        1 => 96,
        _ => return None,
    };
    let tkhd = tkhd.get(..end)?;
    let word = |back: usize| Some(u32::from_be_bytes(tkhd.get(end - back..)?.get(..4)?.try_into().ok()?));
    let (width, height) = (word(8)? >> 16, word(4)? >> 16);
    // The matrix's first word is the cosine: 0 for a film that was taken upright.
    let upright = word(44)? == 0;
    match (width, height) {
        (0, _) | (_, 0) => None,
        (width, height) if upright => Some((height, width)),
        size => Some(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len() + 8).unwrap();
        [length.to_be_bytes().as_slice(), kind, content].concat()
    }

    fn mvhd(units: u32, length: u32) -> Vec<u8> {
        let mut content = vec![0; 100];
        content[12..16].copy_from_slice(&units.to_be_bytes());
        content[16..20].copy_from_slice(&length.to_be_bytes());
        boxed(b"mvhd", &content)
    }

    fn trak(width: u32, height: u32, turned: bool) -> Vec<u8> {
        let mut content = vec![0; 84];
        content[40..44].copy_from_slice(&(u32::from(!turned) << 16).to_be_bytes());
        content[76..80].copy_from_slice(&(width << 16).to_be_bytes());
        content[80..84].copy_from_slice(&(height << 16).to_be_bytes());
        boxed(b"trak", &[boxed(b"tkhd", &content), boxed(b"mdia", b"tables")].concat())
    }

    #[test]
    fn length_and_size_are_read_and_sound_has_no_size() {
        let moov = [mvhd(1_000, 61_001), trak(0, 0, false), trak(640, 360, false)].concat();
        let film = Film {
            seconds: Some(62),
            width: Some(640),
            height: Some(360),
        };
        assert_eq!(of_moov(&moov), film);
        let upright = [mvhd(600, 600), trak(640, 360, true)].concat();
        assert_eq!(of_moov(&upright).width, Some(360), "as it is shown");
    }

    #[test]
    fn a_newer_header_is_read() {
        let mut content = vec![0; 112];
        content[0] = 1;
        content[20..24].copy_from_slice(&90_000_u32.to_be_bytes());
        content[24..32].copy_from_slice(&(90_000_u64 * 3).to_be_bytes());
        assert_eq!(of_moov(&boxed(b"mvhd", &content)).seconds, Some(3));
    }

    #[test]
    fn nonsense_is_left_out() {
        for (units, length) in [(0, 100), (100, 0), (1, u32::MAX), (1, u32::MAX - 1)] {
            assert_eq!(of_moov(&mvhd(units, length)), Film::default(), "{length} / {units}");
        }
        let whole = [mvhd(1_000, 5_000), trak(640, 360, false)].concat();
        for length in 0..whole.len() {
            // Nothing panics, whatever is cut.
            of_moov(&whole[..length]);
        }
        for first in [0_u8, 1, 7, 8, 255] {
            let mut bent = whole.clone();
            bent[3] = first;
            of_moov(&bent);
        }
    }
}
