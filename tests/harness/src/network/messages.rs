//! Messages of every kind on the simulated network: any protobuf, votes, responses to events.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use buffa::{Message as _, MessageField};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use waproto::whatsapp::Message;
use waproto::whatsapp::message::{AudioMessage, DocumentMessage, ImageMessage, StickerMessage, VideoMessage};

use super::media::{MediaKind, UploadedMedia};
use super::{Phone, PhoneMessage};

/// A vote that a phone has read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Vote {
    /// The voter's number.
    pub voter: String,
    /// The message that carried it.
    pub id: String,
    /// The chosen options.
    pub options: Vec<String>,
}

/// A response to an event that a phone has read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EventResponse {
    /// The responder's number.
    pub responder: String,
    /// The message that carried it.
    pub id: String,
    /// `going`, `not_going`, `maybe` or `unknown`.
    pub response: String,
}

impl Phone {
    /// Sends any message. Polls and events get the secret that they need. Returns the message's id.
    ///
    /// # Errors
    /// When the phone cannot send it.
    pub async fn send_protobuf(&self, to: &str, message: &Message) -> anyhow::Result<String> {
        let protobuf = BASE64.encode(message.encode_to_vec());
        self.send(&json!({ "to": to, "protobuf": protobuf })).await
    }

    /// Reacts to a message of the other person (or, with `from_me`, to an own one); an empty emoji takes it back.
    ///
    /// # Errors
    /// When the phone cannot send it.
    pub async fn react(&self, to: &str, id: &str, emoji: &str, from_me: bool) -> anyhow::Result<String> {
        let reaction = json!({ "to": to, "type": "reaction", "id": id, "emoji": emoji, "from_me": from_me });
        self.send(&reaction).await
    }

    /// Gives an own message a new text.
    ///
    /// # Errors
    /// When the phone cannot send it.
    pub async fn edit(&self, to: &str, id: &str, text: &str) -> anyhow::Result<String> {
        self.send(&json!({ "to": to, "type": "edit", "id": id, "text": text }))
            .await
    }

    /// Takes an own message back.
    ///
    /// # Errors
    /// When the phone cannot send it.
    pub async fn revoke(&self, to: &str, id: &str) -> anyhow::Result<String> {
        self.send(&json!({ "to": to, "type": "revoke", "id": id })).await
    }

    /// Marks voice notes as listened to.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn listen(&self, ids: &[&str], from: &str) -> anyhow::Result<()> {
        let body = json!({ "ids": ids, "from": from, "played": true });
        self.do_quietly("read", &body).await
    }

    /// Shows `composing`, `recording` or `paused` to somebody.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn show_typing(&self, to: &str, state: &str) -> anyhow::Result<()> {
        self.do_quietly("typing", &json!({ "to": to, "state": state })).await
    }

    /// Votes in a poll that this phone has received or sent; no options take the vote back. Returns the message's id.
    ///
    /// # Errors
    /// When the phone does not have the poll.
    pub async fn vote(&self, poll: &str, options: &[&str]) -> anyhow::Result<String> {
        self.id_of("votes", &json!({ "poll": poll, "options": options })).await
    }

    /// The votes that have reached this phone, one for each person.
    ///
    /// # Errors
    /// When the phone does not have the poll.
    pub async fn votes(&self, poll: &str) -> anyhow::Result<Vec<Vote>> {
        self.list_of(&format!("polls/{poll}"), "votes").await
    }

    /// Responds to an event with `going`, `not_going` or `maybe`. Returns the message's id.
    ///
    /// # Errors
    /// When the phone does not have the event.
    pub async fn respond(&self, event: &str, response: &str) -> anyhow::Result<String> {
        self.id_of("event-responses", &json!({ "event": event, "response": response }))
            .await
    }

    /// The responses that have reached this phone, one for each person.
    ///
    /// # Errors
    /// When the phone does not have the event.
    pub async fn responses(&self, event: &str) -> anyhow::Result<Vec<EventResponse>> {
        self.list_of(&format!("events/{event}"), "responses").await
    }

    /// Does something that answers with an identifier.
    pub(super) async fn id_of(&self, action: &str, body: &Value) -> anyhow::Result<String> {
        let answer: Value = self.act(action, body).await?.expect(200)?.json()?;
        let id = answer["id"].as_str();
        id.map(str::to_owned).context("an answer without an id")
    }

    /// Reads a list.
    pub(super) async fn list_of<T: DeserializeOwned>(&self, path: &str, name: &str) -> anyhow::Result<Vec<T>> {
        let path = format!("/phones/{}/{path}", self.number);
        let mut answer: Value = self.network.get(&path).await?.expect(200)?.json()?;
        serde_json::from_value(answer[name].take()).with_context(|| format!("unexpected {name}"))
    }
}

impl PhoneMessage {
    /// The whole message, without the wrapper of one that an own companion sent.
    ///
    /// # Errors
    /// When the network did not say it.
    pub fn message(&self) -> anyhow::Result<Message> {
        let bytes = BASE64.decode(&self.protobuf).context("the protobuf is not base64")?;
        Message::decode_from_slice(&bytes).context("the protobuf is no message")
    }
}

/// The message inside wrappers such as view-once and ephemeral.
pub(super) fn inner(message: &Message) -> &Message {
    let wrappers = [
        &message.ephemeral_message,
        &message.view_once_message,
        &message.view_once_message_v2,
        &message.view_once_message_v2_extension,
        &message.document_with_caption_message,
    ];
    let wrapped = wrappers
        .into_iter()
        .filter_map(|wrapper| wrapper.as_option())
        .find_map(|wrapper| wrapper.message.as_option());
    wrapped.map_or(message, inner)
}

/// A message about a file that a phone has uploaded, as plain as its kind allows.
#[must_use]
pub fn file_message(file: &UploadedMedia, mime_type: &str) -> Message {
    macro_rules! about {
        ($type:ident) => {
            MessageField::some($type {
                url: Some(file.url.clone()),
                direct_path: Some(file.direct_path.clone()),
                media_key: Some(file.media_key.clone()),
                file_sha256: Some(file.file_sha256.clone()),
                file_enc_sha256: Some(file.file_enc_sha256.clone()),
                file_length: Some(file.file_length),
                mimetype: Some(mime_type.to_owned()),
                ..Default::default()
            })
        };
    }
    let mut message = Message::default();
    match file.kind {
        MediaKind::Image => message.image_message = about!(ImageMessage),
        MediaKind::Video => message.video_message = about!(VideoMessage),
        MediaKind::Audio => message.audio_message = about!(AudioMessage),
        MediaKind::Document => message.document_message = about!(DocumentMessage),
        MediaKind::Sticker => message.sticker_message = about!(StickerMessage),
    }
    message
}
