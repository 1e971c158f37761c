//! Files in arrived messages, and how the fetching of them has ended, as facts to store.

use shared::address::Party;
use shared::content::Content;
use shared::event::{Event, MediaFailed, MediaStored, MessageReference};
use shared::ids::MessageId;
use shared::store::read_model::{Change, MediaChange};

use super::{Scribe, Writing};
use crate::engine::IncomingMessage;
use crate::media::MediaOutcome;

impl Scribe {
    /// The content of an arrived message as it is stored: with its file's id and status, where it has one.
    pub(super) fn take_media(
        &self,
        writing: &mut Writing,
        incoming: &IncomingMessage,
        message: MessageId,
        chat: &Party,
    ) -> Content {
        let mut content = incoming.content.clone();
        let Some(intake) = &self.intake else {
            return content;
        };
        let reference = MessageReference {
            message_id: Some(message),
            wa_message_id: incoming.wa_message_id.clone(),
            chat: chat.clone(),
        };
        let change = intake.take(self.tenant, self.session, incoming, &reference, &mut content);
        writing.facts.changes.extend(change);
        content
    }

    /// Notes how the fetching of a file has ended.
    pub fn media_ended(&mut self, writing: &mut Writing, outcome: &MediaOutcome) {
        let (change, event) = match &outcome.result {
            Ok(sha256) => (
                MediaChange::Stored {
                    media: outcome.media,
                    described: Box::new(outcome.described.clone()),
                    sha256: sha256.clone(),
                },
                Event::MediaStored(Box::new(MediaStored {
                    message: outcome.reference.clone(),
                    media: outcome.described.clone(),
                })),
            ),
            Err(error) => (
                MediaChange::Failed {
                    media: outcome.media,
                    error: error.detail.clone(),
                },
                Event::MediaFailed(Box::new(MediaFailed {
                    message: outcome.reference.clone(),
                    media: outcome.described.clone(),
                    error: error.clone(),
                })),
            ),
        };
        writing.facts.changes.push(Change::Media(change));
        // A file can fail, be asked for again, and fail again: that is news each time. It is stored once.
        let key = outcome
            .result
            .is_ok()
            .then(|| format!("media_stored:{}", outcome.media));
        self.event(writing, &event, key);
    }
}
