//! Files as tenants see them: rows that describe what the bucket holds.
//!
//! What workers do with files (downloads, uploads to WhatsApp, removal) is in [`transfers`].

pub mod transfers;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{StoreError, TenantTransaction};
use crate::content::{Media, MediaStatus};
use crate::ids::{MediaId, MessageId, Region, SessionId};

/// How long a client may take to upload a file by itself.
pub const UPLOAD_HOURS: i32 = 24;

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMedia {
    /// Its id.
    pub id: MediaId,
    /// Where it arrived, unless its tenant has uploaded it.
    pub session: Option<SessionId>,
    /// The message it arrived in: our id.
    pub message: Option<MessageId>,
    /// WhatsApp's id of that message.
    pub wa_message_id: Option<String>,
    /// Where it is.
    pub status: MediaStatus,
    /// What it is.
    pub mime_type: String,
    /// Its size in bytes; until it is stored, as the sender says.
    pub size: Option<i64>,
    /// The SHA-256 of its bytes.
    pub sha256: Option<Vec<u8>>,
    /// Its name.
    pub file_name: Option<String>,
    /// Width in pixels.
    pub width: Option<i32>,
    /// Height in pixels.
    pub height: Option<i32>,
    /// Length in seconds.
    pub seconds: Option<i32>,
    /// A small JPEG.
    pub thumbnail: Option<Vec<u8>>,
    /// A voice note's loudness: 64 bytes from 0 to 100.
    pub waveform: Option<Vec<u8>>,
    /// Where the bucket has it.
    pub object_key: String,
    /// Why it could not be had.
    pub error: Option<String>,
    /// When it became known.
    pub created_at: DateTime<Utc>,
    /// When it is deleted.
    pub expires_at: Option<DateTime<Utc>>,
}

impl StoredMedia {
    /// What messages, requests and events say of the file.
    #[must_use]
    pub fn to_media(&self) -> Media {
        use base64::Engine as _;
        let base64 = |bytes: &Vec<u8>| base64::engine::general_purpose::STANDARD.encode(bytes);
        let number = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
        Media {
            media_id: Some(self.id),
            status: Some(self.status),
            mime_type: self.mime_type.clone(),
            size: self.size.and_then(|size| u64::try_from(size).ok()),
            sha256: self.sha256.as_ref().map(|hash| data_encoding::HEXLOWER.encode(hash)),
            file_name: self.file_name.clone(),
            width: number(self.width),
            height: number(self.height),
            seconds: number(self.seconds),
            thumbnail: self.thumbnail.as_ref().map(base64),
            waveform: self.waveform.as_ref().map(base64),
            ..Media::default()
        }
    }
}

/// What is known of a file once its bytes are in the bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Described {
    /// What it is.
    pub mime_type: String,
    /// Its size in bytes.
    pub size: i64,
    /// The SHA-256 of its bytes.
    pub sha256: Vec<u8>,
    /// Width in pixels.
    pub width: Option<i32>,
    /// Height in pixels.
    pub height: Option<i32>,
    /// Length in seconds.
    pub seconds: Option<i32>,
    /// A small JPEG.
    pub thumbnail: Option<Vec<u8>>,
    /// A voice note's loudness.
    pub waveform: Option<Vec<u8>>,
}

/// Which files are listed.
#[derive(Debug, Clone, Default)]
pub struct MediaFilter {
    /// Those that arrived in one session.
    pub session: Option<SessionId>,
    /// Those with a status.
    pub status: Option<MediaStatus>,
    /// Those of a MIME type, or of a family of them (`image/*`).
    pub mime_type: Option<String>,
    /// How many of them are left out first, for clients that count pages.
    pub skip: i64,
}

impl MediaFilter {
    /// The MIME type that is meant, or the beginning of those that are.
    fn exact_and_family(&self) -> (Option<&str>, Option<String>) {
        match self.mime_type.as_deref().map(|mime| (mime, mime.split_once("/*"))) {
            Some((_, Some((family, _)))) => (None, Some(format!("{family}/"))),
            Some((exact, None)) => (Some(exact), None),
            None => (None, None),
        }
    }
}

struct MediaRow {
    id: Uuid,
    session_id: Option<Uuid>,
    message_id: Option<Uuid>,
    wa_message_id: Option<String>,
    status: String,
    mime_type: String,
    size: Option<i64>,
    sha256: Option<Vec<u8>>,
    file_name: Option<String>,
    width: Option<i32>,
    height: Option<i32>,
    seconds: Option<i32>,
    thumbnail: Option<Vec<u8>>,
    waveform: Option<Vec<u8>>,
    object_key: String,
    error: Option<String>,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
}

impl MediaRow {
    fn into_media(self, region: Region) -> Result<StoredMedia, StoreError> {
        Ok(StoredMedia {
            id: MediaId(self.id),
            session: self.session_id.map(|session| SessionId::new(region, session)),
            message: self.message_id.map(MessageId),
            wa_message_id: self.wa_message_id,
            status: self.status.parse().map_err(|_| StoreError::Corrupt {
                table: "media",
                column: "status",
            })?,
            mime_type: self.mime_type,
            size: self.size,
            sha256: self.sha256,
            file_name: self.file_name,
            width: self.width,
            height: self.height,
            seconds: self.seconds,
            thumbnail: self.thumbnail,
            waveform: self.waveform,
            object_key: self.object_key,
            error: self.error,
            created_at: self.created_at,
            expires_at: self.expires_at,
        })
    }
}

impl TenantTransaction {
    /// Notes a file whose bytes are in the bucket, unless it is noted already. `days`: how long it is kept, 0 for ever.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn insert_media(
        &mut self,
        media: MediaId,
        object_key: &str,
        file_name: Option<&str>,
        described: &Described,
        days: i32,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO media (id, tenant_id, status, mime_type, size, sha256, file_name, width, height, seconds, thumbnail, waveform, object_key,
                                expires_at)
             VALUES ($1, $2, 'stored', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, now() + make_interval(days => NULLIF($13::integer, 0)))
             ON CONFLICT (id) DO NOTHING",
            media.0,
            self.tenant.0,
            described.mime_type,
            described.size,
            described.sha256,
            file_name,
            described.width,
            described.height,
            described.seconds,
            described.thumbnail.as_deref(),
            described.waveform.as_deref(),
            object_key,
            days
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Notes a file that its tenant is going to upload by itself.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn announce_media(
        &mut self,
        media: MediaId,
        object_key: &str,
        file_name: Option<&str>,
        mime_type: &str,
        size: Option<i64>,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO media (id, tenant_id, status, mime_type, size, file_name, object_key, expires_at)
             VALUES ($1, $2, 'uploading', $3, $4, $5, $6, now() + make_interval(hours => $7))",
            media.0,
            self.tenant.0,
            mime_type,
            size,
            file_name,
            object_key,
            UPLOAD_HOURS
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// The bytes of an announced file are in the bucket. Answers whether it was still awaited.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn complete_media(
        &mut self,
        media: MediaId,
        described: &Described,
        days: i32,
    ) -> Result<bool, StoreError> {
        let result = sqlx::query!(
            "UPDATE media SET status = 'stored', mime_type = $3, size = $4, sha256 = $5, width = $6, height = $7, seconds = $8, thumbnail = $9,
                    waveform = $10, expires_at = now() + make_interval(days => NULLIF($11::integer, 0)), updated_at = now()
             WHERE id = $1 AND tenant_id = $2 AND status = 'uploading' AND deleted_at IS NULL",
            media.0,
            self.tenant.0,
            described.mime_type,
            described.size,
            described.sha256,
            described.width,
            described.height,
            described.seconds,
            described.thumbnail.as_deref(),
            described.waveform.as_deref(),
            days
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(result.rows_affected() == 1)
    }

    /// One file, if the key may see it: `within` lists the sessions that it may touch (what a tenant has uploaded belongs to no session).
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn media(&mut self, media: MediaId, within: Option<&[Uuid]>) -> Result<Option<StoredMedia>, StoreError> {
        sqlx::query_as!(
            MediaRow,
            "SELECT id, session_id, message_id, wa_message_id, status, mime_type, size, sha256, file_name, width, height, seconds, thumbnail,
                    waveform, object_key, error, created_at, expires_at
             FROM media WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL
               AND ($3::uuid[] IS NULL OR session_id IS NULL OR session_id = ANY($3))",
            media.0,
            self.tenant.0,
            within
        )
        .fetch_optional(&mut *self.transaction)
        .await?
        .map(|row| row.into_media(self.region))
        .transpose()
    }

    /// Some files, in no order; those that are gone are missing.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn media_of_ids(&mut self, ids: &[MediaId]) -> Result<Vec<StoredMedia>, StoreError> {
        let uuids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let region = self.region;
        sqlx::query_as!(
            MediaRow,
            "SELECT id, session_id, message_id, wa_message_id, status, mime_type, size, sha256, file_name, width, height, seconds, thumbnail,
                    waveform, object_key, error, created_at, expires_at
             FROM media WHERE id = ANY($1) AND tenant_id = $2 AND deleted_at IS NULL",
            &uuids,
            self.tenant.0
        )
        .fetch_all(&mut *self.transaction)
        .await?
        .into_iter()
        .map(|row| row.into_media(region))
        .collect()
    }

    /// Files, newest first, at most `limit`: the first ones or those after `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn media_list(
        &mut self,
        filter: &MediaFilter,
        within: Option<&[Uuid]>,
        after: Option<MediaId>,
        limit: i64,
    ) -> Result<Vec<StoredMedia>, StoreError> {
        let region = self.region;
        let (exact, family) = filter.exact_and_family();
        sqlx::query_as!(
            MediaRow,
            "SELECT id, session_id, message_id, wa_message_id, status, mime_type, size, sha256, file_name, width, height, seconds, thumbnail,
                    waveform, object_key, error, created_at, expires_at
             FROM media WHERE tenant_id = $1 AND deleted_at IS NULL
               AND ($2::uuid[] IS NULL OR session_id IS NULL OR session_id = ANY($2))
               AND ($3::uuid IS NULL OR session_id = $3)
               AND ($4::text IS NULL OR status = $4)
               AND ($5::text IS NULL OR mime_type = $5)
               AND ($6::text IS NULL OR starts_with(mime_type, $6))
               AND ($7::uuid IS NULL OR id < $7)
             ORDER BY id DESC LIMIT $8 OFFSET $9",
            self.tenant.0,
            within,
            filter.session.map(|session| session.uuid),
            filter.status.map(MediaStatus::as_str),
            exact,
            family,
            after.map(|after| after.0),
            limit,
            filter.skip
        )
        .fetch_all(&mut *self.transaction)
        .await?
        .into_iter()
        .map(|row| row.into_media(region))
        .collect()
    }

    /// How many files a filter is true of, as far as `most`; what it leaves out first is counted too.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn count_media(
        &mut self,
        filter: &MediaFilter,
        within: Option<&[Uuid]>,
        most: i64,
    ) -> Result<i64, StoreError> {
        let (exact, family) = filter.exact_and_family();
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM (
                   SELECT 1 FROM media WHERE tenant_id = $1 AND deleted_at IS NULL
                     AND ($2::uuid[] IS NULL OR session_id IS NULL OR session_id = ANY($2))
                     AND ($3::uuid IS NULL OR session_id = $3)
                     AND ($4::text IS NULL OR status = $4)
                     AND ($5::text IS NULL OR mime_type = $5)
                     AND ($6::text IS NULL OR starts_with(mime_type, $6))
                   LIMIT $7) counted"#,
            self.tenant.0,
            within,
            filter.session.map(|session| session.uuid),
            filter.status.map(MediaStatus::as_str),
            exact,
            family,
            most
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(count)
    }

    /// A file that its tenant has uploaded belongs to a session from now on: it is listed there, and goes when the session is removed.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn give_media_to_session(&mut self, media: MediaId, session: SessionId) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE media SET session_id = $3, updated_at = now() WHERE id = $1 AND tenant_id = $2 AND session_id IS NULL AND deleted_at IS NULL",
            media.0,
            self.tenant.0,
            session.uuid
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Hides a file from everybody; its object is deleted soon. Answers its object's key, `None` if there is no such file.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn delete_media(
        &mut self,
        media: MediaId,
        within: Option<&[Uuid]>,
    ) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar!(
            "UPDATE media SET deleted_at = now(), updated_at = now() WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL
               AND ($3::uuid[] IS NULL OR session_id IS NULL OR session_id = ANY($3))
             RETURNING object_key",
            media.0,
            self.tenant.0,
            within
        )
        .fetch_optional(&mut *self.transaction)
        .await?)
    }

    /// Asks for a file that was left out or could not be had. Answers whether it can be tried: only what WhatsApp has told us where to find.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn request_media_download(&mut self, media: MediaId) -> Result<bool, StoreError> {
        let asked = sqlx::query_scalar!(
            "UPDATE media_download SET next_attempt_at = now(), attempts = 0, requests = 0 WHERE media_id = $1 AND tenant_id = $2 RETURNING media_id",
            media.0,
            self.tenant.0
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        if asked.is_none() {
            return Ok(false);
        }
        sqlx::query!(
            "UPDATE media SET status = 'pending', error = NULL, updated_at = now() WHERE id = $1 AND tenant_id = $2",
            media.0,
            self.tenant.0
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(true)
    }
}
