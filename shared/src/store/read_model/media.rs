//! Files in messages: awaited, stored, or not to be had.

use serde_json::{Value, json};
use sqlx::PgConnection;

use super::Owner;
use crate::content::{Media, MediaStatus};
use crate::ids::{MediaId, MessageId};
use crate::store::StoreError;

/// Something about a file in a message.
#[derive(Debug, Clone, PartialEq)]
pub enum MediaChange {
    /// A message with a file has arrived. The second change for one message is ignored, whatever its ids.
    Arrived(Box<ArrivedMedia>),
    /// Its bytes are in the bucket.
    Stored {
        /// The file.
        media: MediaId,
        /// What the message's content says of it from now on.
        described: Box<Media>,
        /// The SHA-256 of its bytes.
        sha256: Vec<u8>,
    },
    /// It cannot be had, as far as can be known.
    Failed {
        /// The file.
        media: MediaId,
        /// Why.
        error: String,
    },
}

/// A file that has arrived in a message.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrivedMedia {
    /// The file.
    pub media: MediaId,
    /// The message.
    pub message: MessageId,
    /// WhatsApp's id of the message.
    pub wa_message_id: String,
    /// The conversation, the author and the message, as one text.
    pub source: String,
    /// What the message says of the file.
    pub described: Media,
    /// Where the bucket is to have it.
    pub object_key: String,
    /// Where WhatsApp keeps it, sealed to the region.
    pub sealed: Vec<u8>,
    /// Days for which it is kept; 0: for ever.
    pub days: i32,
}

pub(super) async fn apply(connection: &mut PgConnection, owner: Owner, change: &MediaChange) -> Result<(), StoreError> {
    match change {
        MediaChange::Arrived(arrived) => insert(connection, owner, arrived).await,
        MediaChange::Stored {
            media,
            described,
            sha256,
        } => {
            let size = described.size.and_then(|size| i64::try_from(size).ok());
            sqlx::query!(
                "UPDATE media SET status = 'stored', size = $3, sha256 = $4, error = NULL, updated_at = now() WHERE id = $1 AND session_id = $2",
                media.0,
                owner.session.uuid,
                size,
                sha256
            )
            .execute(&mut *connection)
            .await?;
            sqlx::query!("DELETE FROM media_download WHERE media_id = $1", media.0)
                .execute(&mut *connection)
                .await?;
            let patch = json!({ "status": MediaStatus::Stored, "size": described.size, "sha256": described.sha256 });
            patch_message(connection, owner, *media, &patch).await
        }
        MediaChange::Failed { media, error } => {
            sqlx::query!(
                "UPDATE media SET status = 'failed', error = $3, updated_at = now() WHERE id = $1 AND session_id = $2",
                media.0,
                owner.session.uuid,
                error
            )
            .execute(&mut *connection)
            .await?;
            // Kept, in case somebody asks for it again.
            sqlx::query!(
                "UPDATE media_download SET next_attempt_at = 'infinity' WHERE media_id = $1",
                media.0
            )
            .execute(&mut *connection)
            .await?;
            patch_message(connection, owner, *media, &json!({ "status": MediaStatus::Failed })).await
        }
    }
}

async fn insert(connection: &mut PgConnection, owner: Owner, arrived: &ArrivedMedia) -> Result<(), StoreError> {
    let described = &arrived.described;
    let status = described.status.unwrap_or(MediaStatus::Pending);
    let number = |value: Option<u32>| value.and_then(|value| i32::try_from(value).ok());
    sqlx::query!(
        "WITH fresh AS (
             INSERT INTO media (id, tenant_id, session_id, message_id, wa_message_id, source, status, mime_type, size, file_name, width, height,
                                seconds, object_key, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, now() + make_interval(days => NULLIF($15::integer, 0)))
             ON CONFLICT DO NOTHING
             RETURNING id
         )
         INSERT INTO media_download (media_id, tenant_id, session_id, sealed, next_attempt_at)
         SELECT id, $2, $3, $16, CASE WHEN $7 = 'pending' THEN now() ELSE 'infinity' END FROM fresh",
        arrived.media.0,
        owner.tenant.0,
        owner.session.uuid,
        arrived.message.0,
        arrived.wa_message_id,
        arrived.source,
        status.as_str(),
        described.mime_type,
        described.size.and_then(|size| i64::try_from(size).ok()),
        described.file_name,
        number(described.width),
        number(described.height),
        number(described.seconds),
        arrived.object_key,
        arrived.days,
        arrived.sealed
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Changes what the message's content says of its file. Another message's, or one whose content is gone, stays as it is.
async fn patch_message(
    connection: &mut PgConnection,
    owner: Owner,
    media: MediaId,
    patch: &Value,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE message SET content = jsonb_set(content, ARRAY[type], (content -> type) || $4::jsonb), updated_at = now()
         FROM (SELECT message_id, wa_message_id FROM media WHERE id = $1 AND session_id = $2) file
         WHERE message.id = file.message_id AND message.session_id = $2 AND message.tenant_id = $3
           AND content -> type ->> 'media_id' = $5",
        media.0,
        owner.session.uuid,
        owner.tenant.0,
        patch,
        media.to_string()
    )
    .execute(connection)
    .await?;
    Ok(())
}
