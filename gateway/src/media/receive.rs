//! One file as it comes in: into the bucket piece by piece, measured and hashed on the way.

use shared::bucket::{Upload, object_key};
use shared::ids::{MediaId, TenantId};
use shared::store::media::Described;

use super::sniff::{self, HEAD};
use super::{Files, of_bucket, too_large};
use crate::problem::Problem;
use sha2::{Digest as _, Sha256};

/// A file that is coming in.
pub struct Incoming {
    files: Files,
    /// The file's id.
    pub media: MediaId,
    /// Where it goes.
    pub key: String,
    declared: Option<String>,
    largest: u64,
    head: Vec<u8>,
    upload: Option<(Upload, String)>,
    size: u64,
    hash: Sha256,
}

impl Incoming {
    /// Begins. `declared`: what it is said to be; `largest`: how many bytes it may have.
    #[must_use]
    pub fn begin(files: &Files, tenant: TenantId, declared: Option<&str>, largest: u64) -> Self {
        let media = MediaId::generate();
        Self {
            files: files.clone(),
            media,
            key: object_key(tenant, media),
            declared: declared.map(str::to_owned),
            largest,
            head: Vec::new(),
            upload: None,
            size: 0,
            hash: Sha256::new(),
        }
    }

    /// The same under an id that is fixed already.
    #[must_use]
    pub fn named(mut self, tenant: TenantId, media: MediaId) -> Self {
        self.key = object_key(tenant, media);
        self.media = media;
        self
    }

    /// Takes a piece.
    ///
    /// # Errors
    /// `media_too_large`, or the bucket's problem; nothing of the file stays then.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), Problem> {
        self.size += piece.len() as u64;
        if self.size > self.largest {
            return Err(too_large(self.largest));
        }
        self.hash.update(piece);
        if let Some((upload, _)) = &mut self.upload {
            return upload.write(piece).await.map_err(of_bucket);
        }
        // What it is decides how it is stored, so the beginning waits for enough of it.
        self.head.extend_from_slice(piece);
        if self.head.len() >= HEAD {
            self.open().await?;
        }
        Ok(())
    }

    async fn open(&mut self) -> Result<(), Problem> {
        let head = std::mem::take(&mut self.head);
        let mime_type = sniff::mime_type(&head[..head.len().min(HEAD)], self.declared.as_deref());
        let mut upload = self.files.bucket.upload(&self.key, &mime_type);
        upload.write(&head).await.map_err(of_bucket)?;
        self.upload = Some((upload, mime_type));
        Ok(())
    }

    /// Ends: the object is in the bucket, and this is what is known of it.
    ///
    /// # Errors
    /// `validation_failed` for an empty file, or the bucket's problem.
    pub async fn finish(mut self) -> Result<(MediaId, String, Described), Problem> {
        if self.size == 0 {
            return Err(Problem::field("", "must not be an empty file"));
        }
        if self.upload.is_none() {
            self.open().await?;
        }
        let Some((upload, mime_type)) = self.upload else {
            return Err(Problem::internal(anyhow::anyhow!("an upload that was opened is open")));
        };
        upload.finish().await.map_err(of_bucket)?;
        let mut described = Described {
            mime_type,
            size: i64::try_from(self.size).map_err(Problem::internal)?,
            sha256: self.hash.finalize().to_vec(),
            ..Described::default()
        };
        self.files.look_at(&self.key, &mut described).await?;
        Ok((self.media, self.key, described))
    }
}

/// Removes an object that nothing refers to, as far as the bucket can be reached.
pub async fn discard(files: &Files, key: &str) {
    if let Err(error) = files.bucket.delete(key).await {
        tracing::warn!(
            key,
            cause = format!("{:#}", anyhow::Error::from(error)),
            "an object stays behind in the bucket"
        );
    }
}
