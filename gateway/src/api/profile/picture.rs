//! `…/profile/picture`: the account's picture. WhatsApp takes square JPEGs, so what is uploaded becomes one here.

use std::io::Cursor;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat, ImageReader, Limits};
use shared::operation::ProfileOperation;
use shared::problem::Code;
use shared::query::contact::Picture;
use shared::query::{ContactLookup, Lookup};

use super::{account, give, own_address};
use crate::api::sessions::SessionPath;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{ReadSessions, WriteSessions};
use crate::http::body;
use crate::http::prefer::Prefer;
use crate::look_up::look_up;
use crate::openapi::PreferHeader;
use crate::operate::{OperationAccepted, OperationDone};
use crate::problem::Problem;

/// The largest upload, in bytes.
const MOST_BYTES: usize = 5 * 1024 * 1024;
/// The longest side that is decoded, in pixels.
const LONGEST_SIDE: u32 = 8_192;
/// The most memory that a picture may take while it is decoded, in bytes.
const MOST_MEMORY: u64 = 256 * 1024 * 1024;
/// The shortest side of a picture that WhatsApp's apps take, in pixels.
const SHORTEST_SIDE: u32 = 192;
/// The side of the picture that WhatsApp keeps, in pixels.
const SIDE: u32 = 640;
/// JPEG's quality; 640 pixels square are then some 100 kB at most.
const QUALITY: u8 = 80;

/// An uploaded picture.
#[derive(Debug)]
struct Upload {
    format: ImageFormat,
    bytes: Bytes,
}

impl Upload {
    async fn read(request: Request) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
        let format = match essence.trim().to_ascii_lowercase().as_str() {
            "image/jpeg" => ImageFormat::Jpeg,
            "image/png" => ImageFormat::Png,
            _ => {
                return Err(Problem::new(
                    Code::UnsupportedMediaType,
                    "The body must be a picture: Content-Type: image/jpeg or image/png.",
                ));
            }
        };
        let bytes = body::collect(&parts.headers, body, MOST_BYTES).await?;
        Ok(Self { format, bytes })
    }
}

/// The middle of the picture as WhatsApp wants it: a square JPEG.
fn square(upload: &Upload) -> Result<Vec<u8>, Problem> {
    let wrong = |message: &str| Problem::field("", message);
    let mut reader = ImageReader::with_format(Cursor::new(&upload.bytes), upload.format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    let picture = reader.decode().map_err(|error| {
        wrong("is no picture of its Content-Type, or has more than 8192 pixels on a side").caused_by(error)
    })?;
    let side = picture.width().min(picture.height());
    if side < SHORTEST_SIDE {
        return Err(wrong("must have at least 192 pixels on each side"));
    }
    let (left, top) = ((picture.width() - side) / 2, (picture.height() - side) / 2);
    let target = side.min(SIDE);
    let middle = picture
        .crop_imm(left, top, side, side)
        .resize_exact(target, target, FilterType::Triangle);
    let mut jpeg = Vec::new();
    // JPEG knows no transparency: what shows through is white, as on a page.
    let flat = DynamicImage::ImageRgb8(on_white(&middle));
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode_image(&flat)
        .map_err(Problem::internal)?;
    Ok(jpeg)
}

fn on_white(picture: &DynamicImage) -> image::RgbImage {
    let pixels = picture.to_rgba8();
    image::RgbImage::from_fn(pixels.width(), pixels.height(), |x, y| {
        let image::Rgba([red, green, blue, alpha]) = *pixels.get_pixel(x, y);
        let over = |channel: u8| {
            let mixed = (u32::from(channel) * u32::from(alpha) + 255 * (255 - u32::from(alpha))) / 255;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        image::Rgb([over(red), over(green), over(blue)])
    })
}

/// Get where the account's picture is.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/profile/picture", tag = "profile", params(SessionPath),
    responses((status = 200, description = "The picture.", body = Picture)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "not_found_on_whatsapp", "session_not_paired",
        "session_not_started", "session_not_connected", "whatsapp_refused"]))))]
pub(super) async fn get_profile_picture(
    State(app): State<App>,
    call: SessionCall<ReadSessions>,
) -> Result<Json<Picture>, Problem> {
    let contact = own_address(&account(&app, &call).await?)?;
    let lookup = Lookup::Contact(ContactLookup::Picture {
        contact,
        preview: false,
    });
    let found: Option<Picture> = look_up(&app, &call, lookup).await?;
    found
        .map(Json)
        .ok_or_else(|| Problem::new(Code::NotFoundOnWhatsapp, "The account has no picture."))
}

/// Set the account's picture: a JPEG or PNG of at most 5 MiB, 192 to 8192 pixels on a side. Its middle becomes a square JPEG.
#[utoipa::path(put, path = "/v1/sessions/{session_id}/profile/picture", tag = "profile", params(SessionPath, PreferHeader),
    request_body(content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png")), description = "The picture."),
    responses((status = 200, description = "It is done.", body = OperationDone),
              (status = 202, description = "It has not ended in time (20 s, or as `Prefer: wait` says).", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "session_not_paired", "session_not_started", "whatsapp_refused"]))))]
pub(super) async fn set_profile_picture(
    State(app): State<App>,
    call: SessionCall<WriteSessions>,
    prefer: Prefer,
    request: Request,
) -> Result<Response, Problem> {
    // Before anything is read and decoded: for whom would it be?
    account(&app, &call).await?;
    let upload = Upload::read(request).await?;
    let jpeg = tokio::task::spawn_blocking(move || square(&upload))
        .await
        .map_err(Problem::internal)??;
    let operation = ProfileOperation::SetPicture {
        jpeg: STANDARD.encode(jpeg),
    };
    give(&app, &call, prefer, operation).await
}

/// Remove the account's picture.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}/profile/picture", tag = "profile", params(SessionPath, PreferHeader),
    responses((status = 200, description = "It is done.", body = OperationDone),
              (status = 202, description = "It has not ended in time (20 s, or as `Prefer: wait` says).", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "session_not_paired", "session_not_started", "whatsapp_refused"]))))]
pub(super) async fn remove_profile_picture(
    State(app): State<App>,
    call: SessionCall<WriteSessions>,
    prefer: Prefer,
) -> Result<Response, Problem> {
    give(&app, &call, prefer, ProfileOperation::RemovePicture).await
}

#[cfg(test)]
mod tests {
    use image::{Rgba, RgbaImage};

    use super::*;

    fn png(width: u32, height: u32, pixel: impl Fn(u32, u32) -> Rgba<u8>) -> Upload {
        let mut bytes = Vec::new();
        RgbaImage::from_fn(width, height, pixel)
            .write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)
            .unwrap();
        Upload {
            format: ImageFormat::Png,
            bytes: bytes.into(),
        }
    }

    #[test]
    fn the_middle_of_a_wide_picture_becomes_a_square_jpeg() {
        // Red at both ends, transparent in the middle.
        let upload = png(1_600, 800, |x, _| {
            if (400..1_200).contains(&x) {
                Rgba([0, 0, 255, 0])
            } else {
                Rgba([255, 0, 0, 255])
            }
        });
        let jpeg = square(&upload).unwrap();
        let picture = image::load_from_memory_with_format(&jpeg, ImageFormat::Jpeg)
            .unwrap()
            .to_rgb8();
        assert_eq!((picture.width(), picture.height()), (SIDE, SIDE));
        for (x, y) in [(5, 5), (320, 320), (634, 634)] {
            let image::Rgb(pixel) = *picture.get_pixel(x, y);
            assert!(pixel.iter().all(|channel| *channel > 245), "{pixel:?} at {x},{y}");
        }
    }

    #[test]
    fn what_is_no_picture_or_too_small_is_refused() {
        let small = png(191, 400, |_, _| Rgba([0, 0, 0, 255]));
        assert_eq!(square(&small).unwrap_err().code(), Code::ValidationFailed);
        let mut mislabelled = png(400, 400, |_, _| Rgba([0, 0, 0, 255]));
        mislabelled.format = ImageFormat::Jpeg;
        assert_eq!(square(&mislabelled).unwrap_err().code(), Code::ValidationFailed);
        let cut = Upload {
            format: ImageFormat::Png,
            bytes: png(400, 400, |_, _| Rgba([0, 0, 0, 255])).bytes.slice(..60),
        };
        assert_eq!(square(&cut).unwrap_err().code(), Code::ValidationFailed);
    }
}
