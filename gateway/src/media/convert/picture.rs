//! Pictures: their dimensions, thumbnails, stickers.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, GenericImageView as _, ImageReader, Limits, RgbaImage, imageops};

use super::Unreadable;

/// The longest side of a picture that is read, in pixels.
const LONGEST_SIDE: u32 = 12_000;
/// How much memory reading one may take, in bytes: 48 megapixels in colour, and what the decoder needs besides.
const MEMORY: u64 = 256 * 1024 * 1024;
/// The longest side of a thumbnail, in pixels: what phones put into messages.
const THUMBNAIL: u32 = 100;
const THUMBNAIL_QUALITY: u8 = 60;
/// The side of a sticker, in pixels.
pub const STICKER: u32 = 512;
const STICKER_QUALITY: f32 = 80.0;

/// What a picture shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// A small JPEG.
    pub thumbnail: Vec<u8>,
}

/// Whether pictures of this type are read.
#[must_use]
pub fn is_readable(mime_type: &str) -> bool {
    ["image/jpeg", "image/png", "image/webp", "image/gif"].contains(&mime_type)
}

fn read(bytes: &[u8]) -> Result<DynamicImage, Unreadable> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(MEMORY);
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|_| Unreadable("the picture cannot be read"))?;
    reader.limits(limits);
    reader
        .decode()
        .map_err(|_| Unreadable("the picture is damaged, too large or of a format that is not read"))
}

/// Looks at a picture.
///
/// # Errors
/// [`Unreadable`] when it cannot be read.
pub fn look(bytes: &[u8]) -> Result<Seen, Unreadable> {
    let picture = read(bytes)?;
    let (width, height) = picture.dimensions();
    let mut thumbnail = Vec::new();
    let small = picture.thumbnail(THUMBNAIL, THUMBNAIL).to_rgb8();
    JpegEncoder::new_with_quality(&mut thumbnail, THUMBNAIL_QUALITY)
        .encode_image(&small)
        .map_err(|_| Unreadable("no thumbnail can be made of the picture"))?;
    Ok(Seen {
        width,
        height,
        thumbnail,
    })
}

/// Makes a sticker: WebP of 512 by 512 pixels, the picture in the middle, transparent around it.
///
/// # Errors
/// [`Unreadable`] when the picture cannot be read.
pub fn sticker(bytes: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let picture = read(bytes)?;
    let fitted = picture
        .resize(STICKER, STICKER, imageops::FilterType::Triangle)
        .to_rgba8();
    let mut canvas = RgbaImage::new(STICKER, STICKER);
    let place = |side: u32| i64::from((STICKER - side.min(STICKER)) / 2);
    imageops::overlay(&mut canvas, &fitted, place(fitted.width()), place(fitted.height()));
    let encoded = webp::Encoder::from_rgba(canvas.as_raw(), STICKER, STICKER).encode(STICKER_QUALITY);
    Ok(encoded.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageFormat, Rgb, RgbImage};

    fn png(width: u32, height: u32) -> Vec<u8> {
        let picture = RgbImage::from_fn(width, height, |x, _| {
            if x < width / 2 {
                Rgb([250, 10, 10])
            } else {
                Rgb([10, 10, 250])
            }
        });
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_picture_is_measured_and_its_thumbnail_shows_it() {
        let seen = look(&png(640, 480)).unwrap();
        assert_eq!((seen.width, seen.height), (640, 480));
        let thumbnail = image::load_from_memory_with_format(&seen.thumbnail, ImageFormat::Jpeg)
            .unwrap()
            .to_rgb8();
        assert_eq!(thumbnail.dimensions(), (100, 75));
        let (left, right) = (thumbnail.get_pixel(20, 40), thumbnail.get_pixel(80, 40));
        assert!(left[0] > 200 && left[2] < 60, "{left:?}");
        assert!(right[2] > 200 && right[0] < 60, "{right:?}");
        assert!(seen.thumbnail.len() < 10_000, "{} bytes", seen.thumbnail.len());
    }

    #[test]
    fn a_sticker_is_webp_of_512_pixels_with_the_picture_in_the_middle() {
        let sticker = sticker(&png(200, 100)).unwrap();
        assert_eq!(crate::media::sniff::mime_type(&sticker, None), "image/webp");
        let read = image::load_from_memory_with_format(&sticker, ImageFormat::WebP)
            .unwrap()
            .to_rgba8();
        assert_eq!(read.dimensions(), (STICKER, STICKER));
        assert_eq!(read.get_pixel(256, 20)[3], 0, "transparent above");
        let (left, right) = (read.get_pixel(100, 256), read.get_pixel(400, 256));
        assert!(left[0] > 200 && left[3] == 255, "{left:?}");
        assert!(right[2] > 200 && right[3] == 255, "{right:?}");
    }

    #[test]
    fn what_is_no_picture_or_a_trap_is_refused() {
        assert!(look(b"").is_err());
        assert!(look(b"\x89PNG\r\n\x1a\n").is_err());
        // A PNG that says that it is 60,000 pixels wide.
        let mut bomb = png(8, 8);
        bomb[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
        assert!(look(&bomb).is_err());
        assert!(sticker(&bomb).is_err());
    }
}
