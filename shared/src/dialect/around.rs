//! What is known around an event, read at the moment of telling: the session's name and number, the message, its file. Nothing is changed here, but that a
//! session gets a number where its number is told.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;

use super::{Dialect, File, FileTelling, Surroundings, WebhookFormat};
use crate::bucket::{Bucket, BucketError};
use crate::content::{Content, Media, MediaStatus};
use crate::event::Envelope;
use crate::ids::TenantId;
use crate::qr;
use crate::store::media::StoredMedia;
use crate::store::{Store, StoreError};

/// The largest file that is told with a message, in bytes; of a larger one only its name and type are told.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// How long a link to a file works: long enough for a receiver that puts its work into a queue.
const LINK_TIME: Duration = Duration::from_hours(24);

/// Something that is told cannot be read right now.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The database.
    #[error("the database cannot be read")]
    Store(#[from] StoreError),
    /// The bucket.
    #[error("the bucket cannot be read")]
    Bucket(#[from] BucketError),
}

/// Reads what is around events. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    store: Store,
    /// Where files lie; `None`: there is none, and files are told without their bytes.
    bucket: Option<Bucket>,
}

impl Reader {
    /// Reads sessions and messages from `store`, files from `bucket`.
    #[must_use]
    pub fn new(store: Store, bucket: Option<Bucket>) -> Self {
        Self { store, bucket }
    }

    /// What a format shows besides the event.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub async fn surroundings(
        &self,
        format: WebhookFormat,
        dialect: Dialect,
        envelope: &Envelope,
    ) -> Result<Surroundings, Unreadable> {
        let mut around = {
            let mut transaction = self.store.tenant(envelope.tenant_id).await?;
            let mut names = transaction.session_names(dialect, &[envelope.session_id]).await?;
            let session = transaction.session(envelope.session_id).await?;
            let message = match super::message_of(envelope) {
                Some(message) => transaction.message(envelope.session_id, message).await?,
                None => None,
            };
            // Of a session that is removed its last event tells the name, which is somebody else's by now.
            let name = match envelope.data["name"].as_str() {
                Some(name) if session.is_none() => Some(name.to_owned()),
                _ => names.remove(&envelope.session_id.uuid),
            };
            let number = match format.tells_numbers() && session.is_some() {
                true => transaction.session_number(envelope.session_id).await?,
                false => None,
            };
            // A number may have been given just now.
            transaction.commit().await?;
            Surroundings {
                session: name.unwrap_or_else(|| envelope.session_id.to_string()),
                session_name: session.as_ref().map(|session| session.name.clone()).unwrap_or_default(),
                number,
                account_name: session.as_ref().and_then(|session| session.push_name.clone()),
                account: session.and_then(|session| session.account),
                message,
                file: None,
                picture: None,
            }
        };
        if let Some(telling) = format.file_telling() {
            around.file = self.file(telling, envelope, &around).await?;
        }
        if envelope.event_type == "session.qr" {
            let code = envelope.data["code"].as_str().unwrap_or_default();
            around.picture = qr::png(code).ok().map(|png| STANDARD.encode(png));
        }
        Ok(around)
    }

    async fn file(
        &self,
        telling: FileTelling,
        envelope: &Envelope,
        around: &Surroundings,
    ) -> Result<Option<File>, Unreadable> {
        let of_message = around
            .message
            .as_ref()
            .and_then(|message| Content::of_map(&message.content)?.media().cloned());
        let Some(media) = super::media_of(envelope).or(of_message) else {
            return Ok(None);
        };
        let (data, url) = match telling {
            FileTelling::Bytes => (self.bytes(envelope.tenant_id, &media).await?, None),
            FileTelling::Link => (None, self.link(envelope.tenant_id, &media).await?),
        };
        Ok(Some(File {
            mime_type: media.mime_type,
            name: media.file_name,
            size: media.size,
            data,
            url,
        }))
    }

    /// Where a stored file lies; `None` when there is none.
    async fn stored(&self, tenant: TenantId, media: &Media) -> Result<Option<(&Bucket, StoredMedia)>, Unreadable> {
        let (Some(bucket), Some(id), Some(MediaStatus::Stored)) = (&self.bucket, media.media_id, media.status) else {
            return Ok(None);
        };
        let stored = self.store.tenant(tenant).await?.media(id, None).await?;
        Ok(stored.map(|stored| (bucket, stored)))
    }

    /// A link under which a stored file can be had for [`LINK_TIME`]. Every attempt makes a new one, so it is never older than its delivery.
    async fn link(&self, tenant: TenantId, media: &Media) -> Result<Option<String>, Unreadable> {
        let Some((bucket, stored)) = self.stored(tenant, media).await? else {
            return Ok(None);
        };
        let name = stored.file_name.as_deref();
        let url = bucket
            .download_url(&stored.object_key, &stored.mime_type, name, LINK_TIME)
            .await?;
        Ok(Some(url.into()))
    }

    /// A stored file in base64; `None` when there are no bytes to tell.
    async fn bytes(&self, tenant: TenantId, media: &Media) -> Result<Option<String>, Unreadable> {
        if media.size.is_some_and(|size| size > LARGEST_FILE) {
            return Ok(None);
        }
        let Some((bucket, stored)) = self.stored(tenant, media).await? else {
            return Ok(None);
        };
        let mut pieces = match bucket.read(&stored.object_key, 0).await {
            Ok(pieces) => pieces,
            // Deleted since: the message is told all the same.
            Err(BucketError::NotFound) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut whole = Vec::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            if (whole.len() + piece.len()) as u64 > LARGEST_FILE {
                return Ok(None);
            }
            whole.extend_from_slice(&piece);
        }
        Ok(Some(STANDARD.encode(whole)))
    }
}
