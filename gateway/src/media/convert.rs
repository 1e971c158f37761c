//! Making files what a kind of message needs: pictures become thumbnails and stickers, sound becomes voice notes. No I/O.
//!
//! The bytes come from strangers: every decoder here is Rust without `unsafe` of ours, works within bounds of pixels, samples and memory, and a file that
//! cannot be read is refused. Encoders see only what was decoded.

pub mod picture;
pub mod resample;
pub mod voice;

/// The file cannot be converted. The text is for whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub &'static str);
