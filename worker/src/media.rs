//! Files that arrive: noted with their message, fetched afterwards, removed when their time is over.
//!
//! A message never waits for its file. [`intake`] makes the file's row and its job part of the same fenced write as the message; [`downloads`] works on
//! the jobs of the sessions that this worker holds, and tells how each ended through the session's recorder, so that a worker that has lost its
//! claim tells nothing. [`removal`] deletes objects.

pub mod downloads;
pub mod intake;
pub mod removal;

use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use shared::content::Media;
use shared::event::MessageReference;
use shared::ids::{MediaId, SessionId, TenantId};
use shared::message::MessageError;
use shared::seal::{RegionPublicKey, RegionSecretKey};
use shared::store::media::transfers::download_place;

use crate::engine::{RemoteMedia, RemoteMessage};

/// What must be known to fetch a file: the secret part of its job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    kind: String,
    direct_path: String,
    media_key: Vec<u8>,
    encrypted_sha256: Vec<u8>,
    sha256: Vec<u8>,
    size: u64,
    /// How the phone is told which message is meant.
    message: RemoteMessage,
    /// How events tell it.
    reference: MessageReference,
    /// What the message says of the file, without its pictures.
    described: Media,
}

impl Job {
    /// The job for a file in a message.
    #[must_use]
    pub fn new(remote: &RemoteMedia, message: RemoteMessage, reference: MessageReference, described: &Media) -> Self {
        Self {
            kind: remote.kind.to_owned(),
            direct_path: remote.direct_path.clone(),
            media_key: remote.media_key.clone(),
            encrypted_sha256: remote.encrypted_sha256.clone(),
            sha256: remote.sha256.clone(),
            size: remote.size,
            message,
            reference,
            described: Media {
                thumbnail: None,
                waveform: None,
                ..described.clone()
            },
        }
    }

    /// Where WhatsApp keeps the file; `None` for a kind that this version does not know.
    #[must_use]
    pub fn remote(&self) -> Option<RemoteMedia> {
        let kind = ["image", "video", "audio", "document", "sticker"]
            .into_iter()
            .find(|kind| *kind == self.kind)?;
        Some(RemoteMedia {
            kind,
            direct_path: self.direct_path.clone(),
            media_key: self.media_key.clone(),
            encrypted_sha256: self.encrypted_sha256.clone(),
            sha256: self.sha256.clone(),
            size: self.size,
        })
    }

    /// As it rests in the database.
    #[must_use]
    pub fn seal(&self, key: &RegionPublicKey, tenant: TenantId, session: SessionId, media: MediaId) -> Vec<u8> {
        let plain = serde_json::to_vec(self).unwrap_or_default();
        key.seal(&plain, download_place(tenant, session, &media))
    }

    /// Reads what rested in the database; `None` when it cannot be read.
    #[must_use]
    pub fn open(
        key: &RegionSecretKey,
        tenant: TenantId,
        session: SessionId,
        media: MediaId,
        sealed: &[u8],
    ) -> Option<Self> {
        let opened = key.open(sealed, download_place(tenant, session, &media)).ok()?;
        serde_json::from_slice(opened.expose_secret()).ok()
    }
}

/// How the fetching of a file has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaOutcome {
    /// The file.
    pub media: MediaId,
    /// The message that it belongs to.
    pub reference: MessageReference,
    /// What the message says of the file, with its size and hash as they turned out.
    pub described: Media,
    /// The SHA-256 of its bytes, or why it cannot be had.
    pub result: Result<Vec<u8>, MessageError>,
}
