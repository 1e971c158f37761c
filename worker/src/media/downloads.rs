//! Fetches files for the sessions that this worker holds: so many at a time, each as a stream from WhatsApp into the bucket.
//!
//! What is to be done stands in the database and stays there until the file is stored, so nothing is lost with this process. A bucket that is away, or
//! a session without a connection, uses up no attempts.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use shared::bucket::{Bucket, BucketError, Upload};
use shared::content::{Media, MediaStatus};
use shared::ids::WorkerId;
use shared::message::MessageError;
use shared::problem::Code;
use shared::seal::RegionSecretKey;
use shared::store::Store;
use shared::store::media::transfers::DueDownload;
use tokio::sync::Notify;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Job, MediaOutcome};
use crate::engine::{Engine, MediaError, MediaSink, RemoteMedia};
use crate::session::SessionHandle;
use crate::supervisor::Held;

/// How often the database is asked for work that no bell has rung for: retries, take-overs, requests of tenants.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long one transfer may take.
const TRANSFER_TIME: Duration = Duration::from_secs(3600);
/// Attempts before a file counts as not to be had.
const MOST_ATTEMPTS: i32 = 8;
/// How often the phone is asked for one file.
const MOST_REQUESTS: i32 = 3;
/// The pause before a session without a connection is looked at again.
const OFFLINE_PAUSE: Duration = Duration::from_secs(3);
/// The pause before the bucket is tried again.
const BUCKET_PAUSE: Duration = Duration::from_secs(3);
/// The pause before a phone that did not answer is asked again.
const PHONE_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Fetches files. Cheap to clone.
#[derive(Clone)]
pub struct Downloads {
    /// The database.
    pub store: Store,
    /// Where files go.
    pub bucket: Bucket,
    /// Opens what is needed to fetch them.
    pub region_key: RegionSecretKey,
    /// This worker.
    pub worker: WorkerId,
    /// Its sessions.
    pub held: Held,
    /// Rung when there is new work.
    pub bell: Arc<Notify>,
    /// How many at a time.
    pub at_once: usize,
    /// How large a file may be, in bytes.
    pub largest: u64,
    /// Set when the bucket was last found to be away. It is then asked first, so that WhatsApp is not asked again and again for files that have no
    /// place to go.
    pub bucket_away: Arc<AtomicBool>,
}

impl std::fmt::Debug for Downloads {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Downloads")
    }
}

impl Downloads {
    /// Works until `stop` is cancelled.
    ///
    /// # Errors
    /// Never; the signature is that of an essential task.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut running: JoinSet<()> = JoinSet::new();
        let mut busy: HashMap<Id, Uuid> = HashMap::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => {
                    running.shutdown().await;
                    return Ok(());
                }
                Some(ended) = running.join_next_with_id(), if !running.is_empty() => {
                    let id = match ended {
                        Ok((id, ())) => id,
                        Err(error) => {
                            tracing::error!(%error, "the fetching of a file panicked");
                            error.id()
                        }
                    };
                    busy.remove(&id);
                }
                () = self.bell.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let free = self.at_once.saturating_sub(running.len());
            let Ok(limit @ 1..) = i64::try_from(free) else {
                continue;
            };
            let in_work: Vec<Uuid> = busy.values().copied().collect();
            let due = match self.store.due_media_downloads(self.worker, &in_work, limit).await {
                Ok(due) => due,
                Err(error) => {
                    tracing::debug!(%error, "files are fetched later");
                    continue;
                }
            };
            for download in due {
                let media = download.media.0;
                let task = running.spawn(self.clone().attempt(download));
                busy.insert(task.id(), media);
            }
        }
    }

    /// Fetches one file, or notes when to try again.
    async fn attempt(self, mut due: DueDownload) {
        let held = self
            .held
            .get(&due.session)
            .filter(|handle| handle.lease.epoch == due.epoch);
        let Some(session) = held else {
            // Claimed a moment ago, or no longer ours.
            return self.postpone(&due, OFFLINE_PAUSE, None).await;
        };
        let claim = session.claim.clone();
        tokio::select! {
            () = claim.wait_until_lost() => {}
            () = self.fetch(&mut due, &session) => {}
        }
    }

    async fn fetch(&self, due: &mut DueDownload, session: &SessionHandle) {
        let job = Job::open(&self.region_key, due.tenant, due.session, due.media, &due.sealed);
        let Some((mut job, mut remote)) = job.and_then(|job| job.remote().map(|remote| (job, remote))) else {
            tracing::error!(media = %due.media, "the job of a file cannot be read");
            // By hand only: a newer version may know what it means.
            return self.postpone(due, LONGEST_PAUSE, None).await;
        };
        loop {
            let Some(engine) = session.engine() else {
                return self.postpone(due, OFFLINE_PAUSE, None).await;
            };
            if self.bucket_away.load(Ordering::Relaxed) && !self.bucket.answers(&due.object_key).await {
                return self.postpone(due, BUCKET_PAUSE, None).await;
            }
            let error = match self.transfer(engine.as_ref(), due, &remote).await {
                Ok((size, sha256)) => {
                    self.bucket_away.store(false, Ordering::Relaxed);
                    let described = Media {
                        status: Some(MediaStatus::Stored),
                        size: Some(size),
                        sha256: Some(hexadecimal(&sha256)),
                        ..job.described.clone()
                    };
                    return self.ended(due, session, &job, described, Ok(sha256)).await;
                }
                Err(error) => error,
            };
            tracing::info!(session = %due.session, media = %due.media, %error, "a file was not fetched");
            match error {
                MediaError::NotConnected => return self.postpone(due, OFFLINE_PAUSE, None).await,
                MediaError::Storage(_) => {
                    self.bucket_away.store(true, Ordering::Relaxed);
                    return self.postpone(due, BUCKET_PAUSE, None).await;
                }
                MediaError::Gone => match self.ask_phone(engine.as_ref(), due, &job, &remote).await {
                    Ok(path) => {
                        job.direct_path.clone_from(&path);
                        remote.direct_path = path;
                        let sealed = job.seal(&self.region_key.public(), due.tenant, due.session, due.media);
                        self.postpone(due, Duration::ZERO, Some(&sealed)).await;
                    }
                    Err(MediaError::NotConnected) => return self.postpone(due, OFFLINE_PAUSE, None).await,
                    Err(MediaError::Failed(_)) if due.requests < MOST_REQUESTS => {
                        return self.postpone(due, PHONE_PAUSE, None).await;
                    }
                    Err(_) => {
                        let detail = "WhatsApp no longer has the file, and the phone does not upload it again";
                        return self.failed(due, session, &job, Code::NotFoundOnWhatsapp, detail).await;
                    }
                },
                MediaError::TooLarge => {
                    let detail = format!("the file has more than {} bytes", self.largest);
                    return self.failed(due, session, &job, Code::MediaTooLarge, &detail).await;
                }
                MediaError::Damaged(detail) | MediaError::Failed(detail) => {
                    due.attempts += 1;
                    if due.attempts >= MOST_ATTEMPTS {
                        return self.failed(due, session, &job, Code::WhatsappRefused, &detail).await;
                    }
                    return self.postpone(due, pause_after(due.attempts), None).await;
                }
            }
        }
    }

    /// From WhatsApp into the bucket. Answers the size and the SHA-256.
    async fn transfer(
        &self,
        engine: &dyn Engine,
        due: &DueDownload,
        remote: &RemoteMedia,
    ) -> Result<(u64, Vec<u8>), MediaError> {
        if remote.size > self.largest {
            return Err(MediaError::TooLarge);
        }
        let mut sink = BucketSink {
            upload: self.bucket.upload(&due.object_key, &due.mime_type),
            size: 0,
            largest: self.largest,
        };
        let download = engine.download_media(remote, &mut sink);
        let sha256 = match tokio::time::timeout(TRANSFER_TIME, download).await {
            Ok(outcome) => outcome?,
            Err(_) => return Err(MediaError::Failed("the transfer took too long".to_owned())),
        };
        let BucketSink { upload, size, .. } = sink;
        upload.finish().await.map_err(of_bucket)?;
        Ok((size, sha256))
    }

    async fn ask_phone(
        &self,
        engine: &dyn Engine,
        due: &mut DueDownload,
        job: &Job,
        remote: &RemoteMedia,
    ) -> Result<String, MediaError> {
        if due.requests >= MOST_REQUESTS || remote.media_key.is_empty() {
            return Err(MediaError::Gone);
        }
        let asked = engine.request_media(remote, &job.message).await;
        if !matches!(asked, Err(MediaError::NotConnected)) {
            due.requests += 1;
        }
        asked
    }

    async fn failed(&self, due: &DueDownload, session: &SessionHandle, job: &Job, code: Code, detail: &str) {
        let described = Media {
            status: Some(MediaStatus::Failed),
            ..job.described.clone()
        };
        let error = MessageError {
            code: code.as_str().to_owned(),
            detail: detail.to_owned(),
        };
        self.ended(due, session, job, described, Err(error)).await;
    }

    async fn ended(
        &self,
        due: &DueDownload,
        session: &SessionHandle,
        job: &Job,
        described: Media,
        result: Result<Vec<u8>, MessageError>,
    ) {
        let outcome = MediaOutcome {
            media: due.media,
            reference: job.reference.clone(),
            described,
            result,
        };
        if !session.media_ended(outcome).await {
            tracing::debug!(media = %due.media, "the session is gone: its next holder fetches the file again");
        }
    }

    async fn postpone(&self, due: &DueDownload, pause: Duration, sealed: Option<&[u8]>) {
        if let Err(error) = self.store.postpone_media_download(due, pause, sealed).await {
            tracing::debug!(%error, media = %due.media, "the next attempt comes at once");
        }
    }
}

fn hexadecimal(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The pause after so many failed attempts: 2 s, 4 s, 8 s, ….
fn pause_after(attempts: i32) -> Duration {
    let exponent = u32::try_from(attempts).unwrap_or_default().min(16);
    Duration::from_secs(1 << exponent).min(LONGEST_PAUSE)
}

fn of_bucket(error: BucketError) -> MediaError {
    MediaError::Storage(match error {
        BucketError::NotFound => "there is no such bucket".to_owned(),
        BucketError::Unavailable(error) => error.to_string(),
    })
}

/// Into the bucket, up to a size.
struct BucketSink {
    upload: Upload,
    size: u64,
    largest: u64,
}

#[async_trait]
impl MediaSink for BucketSink {
    async fn write(&mut self, piece: &[u8]) -> Result<(), MediaError> {
        self.size += piece.len() as u64;
        if self.size > self.largest {
            return Err(MediaError::TooLarge);
        }
        self.upload.write(piece).await.map_err(of_bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let pauses: Vec<u64> = (1..MOST_ATTEMPTS)
            .map(|attempts| pause_after(attempts).as_secs())
            .collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128]);
        assert_eq!(pause_after(i32::MAX), LONGEST_PAUSE);
    }
}
