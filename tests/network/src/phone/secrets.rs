//! Votes and responses to events: encrypted under a secret that the poll or the event carries.
//!
//! Sources: wacore src/secret_enc_addon.rs and src/poll.rs; Baileys Utils/process-message.ts (`decryptPollVote`,
//! `decryptEventResponse`). The addresses of both people are part of the key, each without its device, and clients spell them
//! in either way: who reads tries both.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use buffa::{Message as _, MessageField};
use hkdf::Hkdf;
use serde::Serialize;
use sha2::{Digest, Sha256};
use wacore_binary::{Jid, JidExt};
use waproto::whatsapp::message::event_response_message::EventResponseType;
use waproto::whatsapp::message::{
    EncEventResponseMessage, EventResponseMessage, PollCreationMessage, PollEncValue, PollUpdateMessage,
    PollVoteMessage,
};
use waproto::whatsapp::{Message, MessageKey};

use super::kinds;
use crate::accounts::{Account, Spelling};
use crate::network::Network;

const SECRET_LENGTH: usize = 32;

/// What a secret is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Vote,
    EventResponse,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Vote => "Poll Vote",
            Self::EventResponse => "Event Response",
        }
    }
}

/// Why somebody cannot vote or respond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The phone has no such poll or event, or it carries no secret.
    #[error("the phone has no poll or event with this identifier and a secret")]
    Unknown,
    /// The cryptographic library refused.
    #[error("the cryptographic library refused")]
    Refused,
}

/// A poll or an event as a phone knows it.
struct Parent {
    message: Message,
    chat: Jid,
    author: Jid,
    secret: Vec<u8>,
    own: bool,
}

/// Gives a poll or an event a secret if it has none.
pub fn ensure_secret(message: &mut Message) {
    let inner = kinds::unwrap(message);
    let needs_one = kinds::is_poll(inner) || inner.event_message.is_set();
    if needs_one && secret_of(message).is_none() {
        let mut context = message.message_context_info.clone().into_option().unwrap_or_default();
        context.message_secret = Some(rand::random::<[u8; SECRET_LENGTH]>().to_vec());
        message.message_context_info = MessageField::some(context);
    }
}

fn secret_of(message: &Message) -> Option<Vec<u8>> {
    let secret = |message: &Message| message.message_context_info.message_secret.clone();
    secret(message)
        .or_else(|| secret(kinds::unwrap(message)))
        .filter(|secret| secret.len() == SECRET_LENGTH)
}

fn find(network: &Network, account: &Account, id: &str) -> Option<Parent> {
    let (message, chat, author) = {
        let phone = account.phone();
        match phone.inbox.message(id) {
            Some(received) => (
                Message::decode_from_slice(&received.encoded).ok()?,
                received.chat.parse().ok()?,
                received.sender.to_non_ad(),
            ),
            None => {
                let sent = phone.outbox.find(id)?;
                let spelling = Spelling::of(&sent.chat).unwrap_or(Spelling::Lid);
                ((*sent.message).clone(), sent.chat.clone(), account.jid(spelling, 0))
            }
        }
    };
    let own = network.accounts.find(&author)?.number == account.number;
    Some(Parent {
        secret: secret_of(&message)?,
        message,
        chat,
        author,
        own,
    })
}

impl Parent {
    fn key(&self, id: &str) -> MessageKey {
        MessageKey {
            remote_jid: Some(self.chat.to_string()),
            from_me: Some(self.own),
            id: Some(id.to_owned()),
            participant: self.chat.is_group().then(|| self.author.to_string()),
        }
    }

    /// The own address in the spelling in which the author is known (whatsapp-rust src/features/polls.rs).
    fn own_address(&self, account: &Account) -> Jid {
        account.jid(Spelling::of(&self.author).unwrap_or(Spelling::Lid), 0)
    }
}

/// A vote for options of a poll, and the chat to send it to.
///
/// # Errors
/// The phone does not have the poll.
pub fn vote(
    network: &Network,
    account: &Account,
    poll: &str,
    options: &[String],
) -> Result<(Jid, Message), SecretError> {
    let parent = find(network, account, poll).ok_or(SecretError::Unknown)?;
    let vote = PollVoteMessage {
        selected_options: options.iter().map(|option| digest(option)).collect(),
    };
    let voter = parent.own_address(account);
    let (iv, payload) = seal(&parent, poll, &voter, Purpose::Vote, vote.encode_to_vec()).ok_or(SecretError::Refused)?;
    let message = Message {
        poll_update_message: MessageField::some(PollUpdateMessage {
            poll_creation_message_key: MessageField::some(parent.key(poll)),
            vote: MessageField::some(PollEncValue {
                enc_payload: Some(payload),
                enc_iv: Some(iv.to_vec()),
            }),
            sender_timestamp_ms: Some(now()),
            ..Default::default()
        }),
        ..Default::default()
    };
    Ok((parent.chat, message))
}

/// A response to an event, and the chat to send it to.
///
/// # Errors
/// The phone does not have the event.
pub fn respond(
    network: &Network,
    account: &Account,
    event: &str,
    response: EventResponseType,
    extra_guests: Option<i32>,
) -> Result<(Jid, Message), SecretError> {
    let parent = find(network, account, event).ok_or(SecretError::Unknown)?;
    let response = EventResponseMessage {
        response: Some(response),
        timestamp_ms: Some(now()),
        extra_guest_count: extra_guests,
    };
    let responder = parent.own_address(account);
    let (iv, payload) = seal(
        &parent,
        event,
        &responder,
        Purpose::EventResponse,
        response.encode_to_vec(),
    )
    .ok_or(SecretError::Refused)?;
    let message = Message {
        enc_event_response_message: MessageField::some(EncEventResponseMessage {
            event_creation_message_key: MessageField::some(parent.key(event)),
            enc_payload: Some(payload),
            enc_iv: Some(iv.to_vec()),
        }),
        ..Default::default()
    };
    Ok((parent.chat, message))
}

/// A vote that a phone has read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadVote {
    /// The voter's number.
    pub voter: String,
    /// The message that carried it.
    pub id: String,
    /// The chosen options; none takes the vote back.
    pub options: Vec<String>,
}

/// A response to an event that a phone has read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadResponse {
    /// The responder's number.
    pub responder: String,
    /// The message that carried it.
    pub id: String,
    /// `going`, `not_going`, `maybe` or `unknown`.
    pub response: &'static str,
    /// How many others come along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_guests: Option<i32>,
}

/// The votes for a poll that have reached the phone, in order; a later one of the same person replaces an earlier one.
///
/// # Errors
/// The phone does not have the poll.
pub fn votes(network: &Network, account: &Account, poll: &str) -> Result<Vec<ReadVote>, SecretError> {
    let parent = find(network, account, poll).ok_or(SecretError::Unknown)?;
    let options = options_of(&parent.message);
    let mut votes: Vec<ReadVote> = Vec::new();
    for (id, sender, message) in received(account) {
        let Some(update) = message.poll_update_message.as_option() else {
            continue;
        };
        if update.poll_creation_message_key.id.as_deref() != Some(poll) {
            continue;
        }
        let parts = update.vote.enc_payload.as_deref().zip(update.vote.enc_iv.as_deref());
        let opened = parts.and_then(|parts| open(network, &parent, poll, &sender, Purpose::Vote, parts));
        let Some(vote) = opened.and_then(|plain| PollVoteMessage::decode_from_slice(&plain).ok()) else {
            tracing::warn!(id, "a phone cannot read a vote");
            continue;
        };
        let Some(voter) = network.accounts.find(&sender) else {
            continue;
        };
        let voter = voter.number.to_string();
        votes.retain(|vote| vote.voter != voter);
        votes.push(ReadVote {
            voter,
            id,
            options: vote
                .selected_options
                .iter()
                .map(|hash| name_of(&options, hash))
                .collect(),
        });
    }
    Ok(votes)
}

/// The responses to an event that have reached the phone, as [`votes`].
///
/// # Errors
/// The phone does not have the event.
pub fn responses(network: &Network, account: &Account, event: &str) -> Result<Vec<ReadResponse>, SecretError> {
    let parent = find(network, account, event).ok_or(SecretError::Unknown)?;
    let mut responses: Vec<ReadResponse> = Vec::new();
    for (id, sender, message) in received(account) {
        let Some(answer) = message.enc_event_response_message.as_option() else {
            continue;
        };
        if answer.event_creation_message_key.id.as_deref() != Some(event) {
            continue;
        }
        let parts = answer.enc_payload.as_deref().zip(answer.enc_iv.as_deref());
        let opened = parts.and_then(|parts| open(network, &parent, event, &sender, Purpose::EventResponse, parts));
        let Some(response) = opened.and_then(|plain| EventResponseMessage::decode_from_slice(&plain).ok()) else {
            tracing::warn!(id, "a phone cannot read a response to an event");
            continue;
        };
        let Some(responder) = network.accounts.find(&sender) else {
            continue;
        };
        let responder = responder.number.to_string();
        responses.retain(|response| response.responder != responder);
        responses.push(ReadResponse {
            responder,
            id,
            response: match response.response {
                Some(EventResponseType::GOING) => "going",
                Some(EventResponseType::NOT_GOING) => "not_going",
                Some(EventResponseType::MAYBE) => "maybe",
                _ => "unknown",
            },
            extra_guests: response.extra_guest_count,
        });
    }
    Ok(responses)
}

/// Everything that the phone holds, decoded: identifier, sender without device, message.
fn received(account: &Account) -> Vec<(String, Jid, Message)> {
    let phone = account.phone();
    let page = phone.inbox.after(0);
    drop(phone);
    page.messages
        .into_iter()
        .filter_map(|received| {
            let message = Message::decode_from_slice(&received.encoded).ok()?;
            Some((received.id, received.sender.to_non_ad(), message))
        })
        .collect()
}

fn options_of(message: &Message) -> Vec<String> {
    let message = kinds::unwrap(message);
    let polls: [&MessageField<PollCreationMessage>; 4] = [
        &message.poll_creation_message,
        &message.poll_creation_message_v2,
        &message.poll_creation_message_v3,
        &message.poll_creation_message_v5,
    ];
    let poll = polls.into_iter().find_map(|poll| poll.as_option());
    poll.map(|poll| {
        let names = poll
            .options
            .iter()
            .map(|option| option.option_name.clone().unwrap_or_default());
        names.collect()
    })
    .unwrap_or_default()
}

/// Votes name options by their digests.
fn digest(option: &str) -> Vec<u8> {
    Sha256::digest(option.as_bytes()).to_vec()
}

fn name_of(options: &[String], hash: &[u8]) -> String {
    let known = options.iter().find(|option| digest(option) == hash);
    known.cloned().unwrap_or_else(|| hex::encode(hash))
}

fn now() -> i64 {
    i64::try_from(crate::clock::unix_milliseconds()).unwrap_or(i64::MAX)
}

fn key(secret: &[u8], id: &str, author: &Jid, sender: &Jid, purpose: Purpose) -> Option<LessSafeKey> {
    let info = format!("{id}{author}{sender}{}", purpose.name());
    let mut key = [0_u8; 32];
    Hkdf::<Sha256>::new(None, secret)
        .expand(info.as_bytes(), &mut key)
        .ok()?;
    Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).ok()?))
}

fn associated(id: &str, sender: &Jid) -> String {
    format!("{id}\0{sender}")
}

fn seal(parent: &Parent, id: &str, sender: &Jid, purpose: Purpose, mut plain: Vec<u8>) -> Option<([u8; 12], Vec<u8>)> {
    let iv: [u8; 12] = rand::random();
    key(&parent.secret, id, &parent.author, sender, purpose)?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(iv),
            Aad::from(associated(id, sender).as_bytes()),
            &mut plain,
        )
        .ok()?;
    Some((iv, plain))
}

/// Tries every spelling of both people.
fn open(
    network: &Network,
    parent: &Parent,
    id: &str,
    sender: &Jid,
    purpose: Purpose,
    (payload, iv): (&[u8], &[u8]),
) -> Option<Vec<u8>> {
    let (author, sender) = (network.accounts.find(&parent.author)?, network.accounts.find(sender)?);
    let spellings = [Spelling::Number, Spelling::Lid];
    spellings
        .into_iter()
        .flat_map(|first| spellings.map(|second| (author.jid(first, 0), sender.jid(second, 0))))
        .find_map(|(author, sender)| {
            let nonce = Nonce::try_assume_unique_for_key(iv).ok()?;
            let mut buffer = payload.to_vec();
            let aad = associated(id, &sender);
            let plain = key(&parent.secret, id, &author, &sender, purpose)?
                .open_in_place(nonce, Aad::from(aad.as_bytes()), &mut buffer)
                .ok()?;
            Some(plain.to_vec())
        })
}
