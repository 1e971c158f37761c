//! What is sent for an event: the event itself, or what a dialect says of it, put together at the moment of sending.
//!
//! What a dialect shows besides the event (the session's name, the message, its file) is read here; how it is written is the business of
//! [`shared::dialect`]. A delivery keeps the event as it was, so every attempt starts from that; if something cannot be read right now, the attempt has
//! failed and the next one tries again.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::Value;
use shared::bucket::{Bucket, BucketError};
use shared::content::{Content, Media, MediaStatus};
use shared::dialect::{self, Dialect, File, FileTelling, Surroundings, WebhookFormat, form};
use shared::event::Envelope;
use shared::ids::TenantId;
use shared::qr;
use shared::store::media::StoredMedia;
use shared::store::{Store, StoreError};

/// The largest file that a delivery carries, in bytes; of a larger one only its name and type are told.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// How long a link to a file works: long enough for a receiver that puts its work into a queue.
const LINK_TIME: Duration = Duration::from_hours(24);

/// The event with which a tenant tests a webhook: it is told in our own words, because no dialect has any for it.
const TEST: &str = "webhook.test";

/// The body of one request to a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Body {
    /// What it is.
    pub(crate) content_type: &'static str,
    /// Its bytes: what is sent is what is signed.
    pub(crate) bytes: Bytes,
}

impl Body {
    /// JSON as it is.
    pub(crate) fn json(bytes: Bytes) -> Self {
        Self {
            content_type: "application/json",
            bytes,
        }
    }

    /// A value, as JSON or as a form, as the format wants it.
    fn of(format: WebhookFormat, value: &Value) -> Self {
        if format.is_form() {
            return Self {
                content_type: form::CONTENT_TYPE,
                bytes: form::write(value).into(),
            };
        }
        Self::json(value.to_string().into())
    }
}

/// Something that a delivery shows cannot be read right now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Untold {
    /// The database.
    #[error("the database cannot be read")]
    Store(#[from] StoreError),
    /// The bucket.
    #[error("the bucket cannot be read")]
    Bucket(#[from] BucketError),
    /// The stored event is none.
    #[error("a stored event cannot be read")]
    Event(#[from] serde_json::Error),
}

/// What is sent for an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The bodies, one request after another; none: nothing is sent.
    pub(crate) bodies: Vec<Body>,
    /// The type of event that the headers name; `None`: the event's own.
    pub(crate) event_type: Option<&'static str>,
    /// How the headers call the session; `None`: by its id.
    pub(crate) session: Option<String>,
}

impl Told {
    /// The event as it is.
    fn as_it_is(event: &Bytes) -> Self {
        Self {
            bodies: vec![Body::json(event.clone())],
            event_type: None,
            session: None,
        }
    }
}

/// Puts together what is sent.
#[derive(Debug)]
pub(crate) struct Translator {
    store: Store,
    /// Where files lie; `None`: this dispatcher has none, and files are told without their bytes.
    bucket: Option<Bucket>,
}

impl Translator {
    /// Reads sessions and messages from `store`, files from `bucket`.
    pub(crate) fn new(store: Store, bucket: Option<Bucket>) -> Self {
        Self { store, bucket }
    }

    /// What is sent for an event in a format; no bodies: that format says nothing about it.
    pub(crate) async fn told(&self, format: WebhookFormat, event: &Bytes) -> Result<Told, Untold> {
        let Some(dialect) = format.dialect() else {
            return Ok(Told::as_it_is(event));
        };
        let envelope: Envelope = serde_json::from_slice(event)?;
        if envelope.event_type == TEST {
            return Ok(Told::as_it_is(event));
        }
        if !format.tells(&envelope) {
            return Ok(Told::default());
        }
        let around = self.surroundings(format, dialect, &envelope).await?;
        let bodies = dialect::bodies(format, &envelope, &around);
        let event_type = format.told_event();
        Ok(Told {
            bodies: bodies.iter().map(|body| Body::of(format, body)).collect(),
            event_type,
            session: event_type.map(|_| around.session),
        })
    }

    async fn surroundings(
        &self,
        format: WebhookFormat,
        dialect: Dialect,
        envelope: &Envelope,
    ) -> Result<Surroundings, Untold> {
        let mut around = {
            let mut transaction = self.store.tenant(envelope.tenant_id).await?;
            let mut names = transaction.session_names(dialect, &[envelope.session_id]).await?;
            let session = transaction.session(envelope.session_id).await?;
            let message = match dialect::message_of(envelope) {
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
    ) -> Result<Option<File>, Untold> {
        let of_message = around
            .message
            .as_ref()
            .and_then(|message| Content::of_map(&message.content)?.media().cloned());
        let Some(media) = dialect::media_of(envelope).or(of_message) else {
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
    async fn stored(&self, tenant: TenantId, media: &Media) -> Result<Option<(&Bucket, StoredMedia)>, Untold> {
        let (Some(bucket), Some(id), Some(MediaStatus::Stored)) = (&self.bucket, media.media_id, media.status) else {
            return Ok(None);
        };
        let stored = self.store.tenant(tenant).await?.media(id, None).await?;
        Ok(stored.map(|stored| (bucket, stored)))
    }

    /// A link under which a stored file can be had for [`LINK_TIME`]. Every attempt makes a new one, so it is never older than its delivery.
    async fn link(&self, tenant: TenantId, media: &Media) -> Result<Option<String>, Untold> {
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
    async fn bytes(&self, tenant: TenantId, media: &Media) -> Result<Option<String>, Untold> {
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
