//! QR codes in pictures, read from their pixels as a phone does.

use anyhow::Context as _;

/// The text of the QR code in a picture.
///
/// # Errors
/// When it is no picture, or holds no code that can be read.
pub fn code_in(picture: &[u8]) -> anyhow::Result<String> {
    let pixels = image::load_from_memory(picture)?.to_luma8();
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let mut screen = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        u32::try_from(x)
            .ok()
            .zip(u32::try_from(y).ok())
            .and_then(|(x, y)| pixels.get_pixel_checked(x, y))
            .map_or(255, |pixel| pixel.0[0])
    });
    let codes = screen.detect_grids();
    let code = codes.first().context("no QR code is in the picture")?;
    let (_, text) = code.decode()?;
    Ok(text)
}
