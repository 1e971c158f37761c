//! Noting a file together with the message that it arrived in. No I/O.

use shared::bucket::object_key;
use shared::content::{Content, MediaStatus};
use shared::event::MessageReference;
use shared::ids::{MediaId, SessionId, TenantId};
use shared::seal::RegionPublicKey;
use shared::store::read_model::{ArrivedMedia, Change, MediaChange};

use super::Job;
use crate::engine::{IncomingMessage, RemoteMessage};

/// How a session takes in files.
#[derive(Debug, Clone)]
pub struct Intake {
    /// Seals what is needed to fetch them.
    pub region_key: RegionPublicKey,
    /// Whether they are fetched without being asked for.
    pub download: bool,
    /// Days for which they are kept; 0: for ever.
    pub days: i32,
}

impl Intake {
    /// Gives the file in `content` its id and its status, and answers what is to be stored beside the message. `None`: there is no file to fetch.
    #[must_use]
    pub fn take(
        &self,
        tenant: TenantId,
        session: SessionId,
        incoming: &IncomingMessage,
        reference: &MessageReference,
        content: &mut Content,
    ) -> Option<Change> {
        let described = content.media_mut()?;
        let (Some(remote), Some(message)) = (&incoming.remote_media, reference.message_id) else {
            described.status = Some(MediaStatus::Failed);
            return None;
        };
        let media = MediaId::generate();
        described.media_id = Some(media);
        described.status = Some(if self.download {
            MediaStatus::Pending
        } else {
            MediaStatus::Skipped
        });
        let (chat, from) = (incoming.chat.address.to_string(), incoming.from.address.to_string());
        let told = RemoteMessage {
            wa_message_id: incoming.wa_message_id.clone(),
            participant: (!incoming.chat.address.is_person()).then(|| from.clone()),
            from_me: incoming.from_me,
            chat: chat.clone(),
        };
        let job = Job::new(remote, told, reference.clone(), described);
        Some(Change::Media(MediaChange::Arrived(Box::new(ArrivedMedia {
            media,
            message,
            wa_message_id: incoming.wa_message_id.clone(),
            source: format!("{chat} {from} {}", incoming.wa_message_id),
            described: described.clone(),
            object_key: object_key(tenant, media),
            sealed: job.seal(&self.region_key, tenant, session, media),
            days: self.days,
        }))))
    }
}
