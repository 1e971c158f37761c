//! Files on their way in: from a request, a link or base64 into the bucket, recognised, measured, and converted where a kind of message needs it.
//!
//! Bytes go through in pieces; only what must be looked at as a whole (a picture for its thumbnail, sound for a voice note) is ever in memory, within
//! the limits of [`kind`] and with few at a time. [`resolve`] is what sending uses.

pub mod convert;
pub mod fetch;
pub mod film;
pub mod kind;
pub mod receive;
pub mod resolve;
pub mod sniff;

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use shared::bucket::{Bucket, BucketError};
use shared::problem::Code;
use shared::store::media::Described;
use tokio::sync::Semaphore;

use crate::problem::Problem;
use kind::Limits;

/// Pictures and sounds that are worked on at once: each may take some hundred megabytes for a moment.
const AT_ONCE: usize = 2;

/// What handling files needs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Files {
    /// The bucket.
    pub bucket: Bucket,
    /// How large files may be.
    pub limits: Limits,
    /// Days for which files are kept; 0: for ever.
    pub days: i32,
    /// Places for work on whole files.
    places: Arc<Semaphore>,
}

impl Files {
    /// With the configured bucket and limits.
    #[must_use]
    pub fn new(bucket: Bucket, limits: Limits, days: i32) -> Self {
        Self {
            bucket,
            limits,
            days,
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Does `work` with a whole object of the bucket, on a thread that may be busy for long.
    ///
    /// # Errors
    /// [`Code::Unavailable`] when the bucket is away, [`Code::Internal`] when the work panics.
    pub async fn with_whole<T: Send + 'static>(
        &self,
        key: &str,
        largest: u64,
        work: impl FnOnce(Bytes) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let place = Arc::clone(&self.places);
        let place = place.acquire_owned().await.map_err(Problem::internal)?;
        let mut pieces = self.bucket.read(key, 0).await.map_err(of_bucket)?;
        let mut whole = Vec::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(of_bucket)?;
            if (whole.len() + piece.len()) as u64 > largest {
                return Err(too_large(largest));
            }
            whole.extend_from_slice(&piece);
        }
        let work = tokio::task::spawn_blocking(move || {
            let _place = place;
            work(whole.into())
        });
        work.await.map_err(Problem::internal)
    }

    /// Adds what a picture shows (its dimensions and a thumbnail), how a voice note sounds (its length and waveform), or how long a film lasts and how
    /// large it is. Any other file, or one that cannot be read, stays as it is.
    ///
    /// # Errors
    /// [`Code::Unavailable`] when the bucket is away.
    pub async fn look_at(&self, key: &str, described: &mut Described) -> Result<(), Problem> {
        if film::is_readable(&described.mime_type) {
            let size = u64::try_from(described.size).unwrap_or_default();
            let film = film::look(&self.bucket, key, size).await.map_err(of_bucket)?;
            let number = |number: Option<u32>| number.and_then(|number| i32::try_from(number).ok());
            described.seconds = number(film.seconds);
            described.width = number(film.width);
            described.height = number(film.height);
            return Ok(());
        }
        let largest = self.limits.image.max(self.limits.audio);
        let small = u64::try_from(described.size).is_ok_and(|size| size <= largest);
        if small && described.mime_type == sniff::OPUS {
            let measured = self
                .with_whole(key, largest, |whole| convert::voice::measure(&whole))
                .await?;
            if let Some((seconds, waveform)) = measured {
                described.seconds = i32::try_from(seconds).ok();
                described.waveform = Some(waveform);
            }
            return Ok(());
        }
        if !small || !convert::picture::is_readable(&described.mime_type) {
            return Ok(());
        }
        let seen = self
            .with_whole(key, largest, |whole| convert::picture::look(&whole))
            .await?;
        if let Ok(seen) = seen {
            described.width = i32::try_from(seen.width).ok();
            described.height = i32::try_from(seen.height).ok();
            described.thumbnail = Some(seen.thumbnail);
        }
        Ok(())
    }
}

/// The problem of a bucket that is not there.
#[must_use]
pub fn of_bucket(error: BucketError) -> Problem {
    match error {
        BucketError::NotFound => Problem::not_found(Code::MediaNotFound),
        BucketError::Unavailable(cause) => Problem::new(
            Code::Unavailable,
            "The storage for files cannot be reached right now. The request may be repeated.",
        )
        .caused_by(cause),
    }
}

/// The problem of a file with more than `largest` bytes.
#[must_use]
pub fn too_large(largest: u64) -> Problem {
    Problem::new(
        Code::MediaTooLarge,
        format!("The file may have at most {largest} bytes."),
    )
}
