//! What workers move: files from WhatsApp into the bucket, files from the bucket to WhatsApp, and files out of the bucket for good.
//!
//! A download is a row that is written with its message and stays until the file is stored; the holder of the session works on it. So a crash, a
//! take-over or a bucket that is away only delays it.

use std::time::Duration;

use uuid::Uuid;

use super::super::{Store, StoreError};
use crate::ids::{MediaId, SessionId, TenantId, WorkerId};
use crate::seal::Place;

/// A file that is to be fetched now.
#[derive(Debug, Clone)]
pub struct DueDownload {
    /// The file.
    pub media: MediaId,
    /// Whose.
    pub tenant: TenantId,
    /// The session that received it.
    pub session: SessionId,
    /// The claim under which it is fetched.
    pub epoch: i64,
    /// Where WhatsApp keeps it, sealed to the region: see [`download_place`].
    pub sealed: Vec<u8>,
    /// Attempts that have failed.
    pub attempts: i32,
    /// How often the phone was asked to upload it again.
    pub requests: i32,
    /// What it is, as its sender says.
    pub mime_type: String,
    /// Where the bucket is to have it.
    pub object_key: String,
}

/// Where the secrets of a download belong.
#[must_use]
pub fn download_place<'a>(tenant: TenantId, session: SessionId, media: &'a MediaId) -> Place<'a> {
    Place {
        tenant: tenant.0,
        session: session.uuid,
        table: "media_download",
        column: "sealed",
        row: media.0.as_bytes(),
    }
}

/// Where the secrets of an upload belong. The row is the file's id: whatever the kind, only this file can be opened with them.
#[must_use]
pub fn upload_place<'a>(tenant: TenantId, media: &'a MediaId) -> Place<'a> {
    Place {
        tenant: tenant.0,
        session: Uuid::nil(),
        table: "media_upload",
        column: "sealed",
        row: media.0.as_bytes(),
    }
}

/// A file that is to be sent: what the worker must know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sendable {
    /// Where the bucket has it.
    pub object_key: String,
    /// Its size in bytes.
    pub size: i64,
    /// The result of an earlier upload to WhatsApp, sealed to the region, if it is fresh enough.
    pub uploaded: Option<Vec<u8>>,
}

impl Store {
    /// Files that wait to be fetched for sessions that `worker` holds, the most urgent first, without those in `busy`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn due_media_downloads(
        &self,
        worker: WorkerId,
        busy: &[Uuid],
        limit: i64,
    ) -> Result<Vec<DueDownload>, StoreError> {
        let rows = sqlx::query!(
            "SELECT download.media_id, download.tenant_id, download.session_id, lease.epoch, sealed, attempts, requests, mime_type, object_key
             FROM media_download download
             JOIN session_lease lease ON lease.session_id = download.session_id
             JOIN media ON media.id = download.media_id
             WHERE next_attempt_at <= now() AND next_attempt_at < 'infinity' AND lease.worker_id = $1 AND lease.goal = 'started'
               AND download.media_id <> ALL($2) AND media.deleted_at IS NULL
             ORDER BY next_attempt_at LIMIT $3",
            worker.0,
            busy,
            limit
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| DueDownload {
                media: MediaId(row.media_id),
                tenant: TenantId(row.tenant_id),
                session: SessionId::new(self.region, row.session_id),
                epoch: row.epoch,
                sealed: row.sealed,
                attempts: row.attempts,
                requests: row.requests,
                mime_type: row.mime_type,
                object_key: row.object_key,
            })
            .collect())
    }

    /// Notes how a download goes on: `sealed` when the place has changed. Nothing happens once the claim is over.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn postpone_media_download(
        &self,
        download: &DueDownload,
        pause: Duration,
        sealed: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE media_download SET attempts = $4, requests = $5, sealed = COALESCE($6, sealed),
                    next_attempt_at = now() + make_interval(secs => $7)
             FROM (SELECT session_id FROM session_lease WHERE session_id = $2 AND epoch = $3 FOR SHARE) lease
             WHERE media_id = $1 AND media_download.session_id = lease.session_id",
            download.media.0,
            download.session.uuid,
            download.epoch,
            download.attempts,
            download.requests,
            sealed,
            pause.as_secs_f64()
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// A tenant's stored file that is to be sent as `kind`; `None` when there is no such file. An upload older than `fresh` does not count.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn sendable_media(
        &self,
        tenant: TenantId,
        media: MediaId,
        kind: &str,
        fresh: Duration,
    ) -> Result<Option<Sendable>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT object_key, size AS "size!", sealed AS "sealed?"
             FROM media LEFT JOIN media_upload ON media_upload.media_id = media.id AND kind = $3
                  AND uploaded_at > now() - make_interval(secs => $4)
             WHERE media.id = $2 AND media.tenant_id = $1 AND status = 'stored' AND deleted_at IS NULL AND size IS NOT NULL"#,
            tenant.0,
            media.0,
            kind,
            fresh.as_secs_f64()
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| Sendable {
            object_key: row.object_key,
            size: row.size,
            uploaded: row.sealed,
        }))
    }

    /// Remembers where WhatsApp has a file.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn remember_media_upload(
        &self,
        tenant: TenantId,
        media: MediaId,
        kind: &str,
        sealed: &[u8],
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO media_upload (media_id, kind, tenant_id, sealed)
             SELECT id, $3, tenant_id, $4 FROM media WHERE id = $2 AND tenant_id = $1
             ON CONFLICT (media_id, kind) DO UPDATE SET sealed = excluded.sealed, uploaded_at = now()",
            tenant.0,
            media.0,
            kind,
            sealed
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Files that are to be deleted: hidden ones and those whose time is over, at most `limit`, each with its object's key.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn media_to_remove(&self, limit: i64) -> Result<Vec<(MediaId, String)>, StoreError> {
        let rows = sqlx::query!(
            r#"(SELECT id AS "id!", object_key AS "object_key!" FROM media WHERE deleted_at IS NOT NULL LIMIT $1)
             UNION ALL (SELECT id, object_key FROM media WHERE expires_at < now() AND deleted_at IS NULL LIMIT $1) LIMIT $1"#,
            limit
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (MediaId(row.id), row.object_key)).collect())
    }

    /// Forgets a file whose object is gone, with everything that belongs to it.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn forget_media(&self, media: MediaId) -> Result<(), StoreError> {
        sqlx::query!("DELETE FROM media WHERE id = $1", media.0)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
