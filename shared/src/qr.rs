//! Pictures of the QR codes that link accounts. Nothing here knows what a code means.

use std::io::Cursor;

use image::{ImageFormat, Luma};
use qrcode::QrCode;
use qrcode::render::svg;

/// The least width of a picture, in pixels: large enough for a phone's camera at a desk.
pub const PICTURE_WIDTH: u32 = 420;

/// The code cannot be drawn: it is too long for a QR code.
#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    /// The text does not fit.
    #[error("the text does not fit into a QR code")]
    Code(#[from] qrcode::types::QrError),
    /// The picture cannot be written.
    #[error("the picture of a QR code cannot be written")]
    Picture(#[from] image::ImageError),
}

/// A code as a PNG, black on white with a margin.
///
/// # Errors
/// When the text is too long.
pub fn png(code: &str) -> Result<Vec<u8>, DrawError> {
    let picture = QrCode::new(code)?
        .render::<Luma<u8>>()
        .quiet_zone(true)
        .min_dimensions(PICTURE_WIDTH, PICTURE_WIDTH)
        .build();
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

/// A code as an SVG.
///
/// # Errors
/// When the text is too long.
pub fn svg(code: &str) -> Result<String, DrawError> {
    let picture = QrCode::new(code)?
        .render::<svg::Color<'_>>()
        .quiet_zone(true)
        .min_dimensions(PICTURE_WIDTH, PICTURE_WIDTH)
        .build();
    Ok(picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_large_and_have_a_quiet_zone() {
        let code = format!("2@{}", "Abc+/=,".repeat(34));
        let picture = image::load_from_memory(&png(&code).unwrap()).unwrap().to_luma8();
        assert!(picture.width() >= PICTURE_WIDTH && picture.width() == picture.height());
        for x in 0..picture.width() {
            for y in 0..8 {
                assert_eq!(picture.get_pixel(x, y).0, [255], "the margin is white");
            }
        }
        let drawn = svg(&code).unwrap();
        assert!(drawn.contains("<svg") && drawn.ends_with("</svg>"));
    }
}
