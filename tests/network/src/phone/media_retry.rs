//! Files that a companion can download no more: it asks its own phone, which uploads them again or says why not.
//!
//! The request is `<receipt type="server-error">` with the message's identifier encrypted under the file's media key, the answer
//! `<notification type="mediaretry">` with the new direct path, encrypted likewise. Sources: wacore src/media_retry.rs;
//! Baileys Utils/messages-media.ts (`encryptMediaRetryRequest`, `decodeMediaRetryNode`). Nobody but the phone reads the
//! ciphertext, so a wrong one is answered as a real phone does, with an error.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use buffa::Message as _;
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use waproto::whatsapp::media_retry_notification::ResultType;
use waproto::whatsapp::{MediaRetryNotification, Message, ServerErrorReceipt};

use super::kinds;
use crate::accounts::{Account, Spelling};
use crate::messages::fanout::hand_over;
use crate::network::Network;
use crate::node::{address, attribute, bytes_node, child, child_content, children};
use crate::stanza::Session;

const PURPOSE: &[u8] = b"WhatsApp Media Retry Notification";

/// What a phone does when a companion asks for a file again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaRetryAnswer {
    /// It uploads the file again, or says that it has none.
    #[default]
    Upload,
    /// It says that it has none, under the file's own key.
    NotFound,
    /// It says that something went wrong, in plain.
    GeneralError,
    /// It says that it cannot decrypt the request, in plain.
    DecryptionError,
    /// It says nothing.
    Ignore,
}

/// Passes a companion's request to its own phone.
pub fn ask(network: &Arc<Network>, session: &Session, receipt: &Node) {
    let Some(id) = attribute(receipt, "id") else {
        return;
    };
    let request = NodeBuilder::new("receipt")
        .attr("from", session.account.jid(Spelling::Number, session.device))
        .attr("id", id.as_ref())
        .attr("type", "server-error")
        .attr("t", crate::clock::unix_seconds())
        .children(children(receipt).iter().cloned())
        .build();
    hand_over(network, &session.account, 0, request);
}

/// The phone answers a request a moment later.
pub fn asked(network: &Arc<Network>, account: &Arc<Account>, request: Node) {
    let behaviour = account.phone().media_retry;
    if behaviour == MediaRetryAnswer::Ignore {
        return;
    }
    let account = Arc::clone(account);
    network.phone_clock.later(move |network| {
        let asker = address(&request, "from");
        let answer = answer(network, &account, &request, behaviour);
        if let Some((asker, answer)) = asker.zip(answer) {
            hand_over(network, &account, asker.device, answer);
        }
    });
}

/// `None` for requests that name no message: those for histories, which this phone sends inside messages.
fn answer(network: &Network, account: &Account, request: &Node, behaviour: MediaRetryAnswer) -> Option<Node> {
    let id = attribute(request, "id")?;
    let about = child(request, "rmr")?.clone();
    let notification = |outcome: Node| {
        NodeBuilder::new("notification")
            .attr("from", account.jid(Spelling::Number, 0))
            .attr("type", "mediaretry")
            .attr("id", id.as_ref())
            .attr("t", crate::clock::unix_seconds())
            .children([about, outcome])
            .build()
    };
    let outcome = match behaviour {
        MediaRetryAnswer::Ignore => return None,
        MediaRetryAnswer::GeneralError => error(ResultType::GENERAL_ERROR),
        MediaRetryAnswer::DecryptionError => error(ResultType::DECRYPTION_ERROR),
        MediaRetryAnswer::NotFound | MediaRetryAnswer::Upload => {
            let file = find(account, &id);
            match file.filter(|file| asks_for(request, &id, &file.media_key)) {
                None => error(ResultType::NOT_FOUND),
                Some(file) => {
                    let uploaded = (behaviour == MediaRetryAnswer::Upload)
                        .then(|| network.media.upload_again(&file.direct_path, account.number))
                        .flatten();
                    seal_answer(&id, &file.media_key, uploaded.map(|file| file.direct_path))?
                }
            }
        }
    };
    Some(notification(outcome))
}

fn error(result: ResultType) -> Node {
    NodeBuilder::new("error").attr("code", result as i32).build()
}

/// Whether the request was encrypted by somebody who knows the file's key and names the message.
fn asks_for(request: &Node, id: &str, media_key: &[u8]) -> bool {
    let Some(encrypt) = child(request, "encrypt") else {
        return false;
    };
    let parts = child_content(encrypt, "enc_p").zip(child_content(encrypt, "enc_iv"));
    let opened = parts.and_then(|(ciphertext, iv)| open(media_key, id, iv, ciphertext));
    let receipt = opened.and_then(|plain| ServerErrorReceipt::decode_from_slice(&plain).ok());
    receipt.is_some_and(|receipt| receipt.stanza_id.as_deref() == Some(id))
}

fn seal_answer(id: &str, media_key: &[u8], direct_path: Option<String>) -> Option<Node> {
    let result = if direct_path.is_some() {
        ResultType::SUCCESS
    } else {
        ResultType::NOT_FOUND
    };
    let answer = MediaRetryNotification {
        stanza_id: Some(id.to_owned()),
        direct_path,
        result: Some(result),
        ..Default::default()
    };
    let (iv, ciphertext) = seal(media_key, id, answer.encode_to_vec())?;
    let parts = [bytes_node("enc_p", ciphertext), bytes_node("enc_iv", iv)];
    Some(NodeBuilder::new("encrypt").children(parts).build())
}

fn key(media_key: &[u8]) -> Option<LessSafeKey> {
    let mut key = [0_u8; 32];
    Hkdf::<Sha256>::new(None, media_key).expand(PURPOSE, &mut key).ok()?;
    Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).ok()?))
}

fn seal(media_key: &[u8], id: &str, mut plain: Vec<u8>) -> Option<([u8; 12], Vec<u8>)> {
    let iv: [u8; 12] = rand::random();
    let nonce = Nonce::assume_unique_for_key(iv);
    key(media_key)?
        .seal_in_place_append_tag(nonce, Aad::from(id.as_bytes()), &mut plain)
        .ok()?;
    Some((iv, plain))
}

fn open(media_key: &[u8], id: &str, iv: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>> {
    let nonce = Nonce::try_assume_unique_for_key(iv).ok()?;
    let mut buffer = ciphertext.to_vec();
    let plain = key(media_key)?
        .open_in_place(nonce, Aad::from(id.as_bytes()), &mut buffer)
        .ok()?;
    Some(plain.to_vec())
}

struct FileInMessage {
    direct_path: String,
    media_key: Vec<u8>,
}

/// The file of a message that the phone has received or sent.
fn find(account: &Account, id: &str) -> Option<FileInMessage> {
    let phone = account.phone();
    let received = phone.inbox.message(id);
    let message = match received {
        Some(received) => Message::decode_from_slice(&received.encoded).ok()?,
        None => (*phone.outbox.find(id)?.message).clone(),
    };
    file_of(kinds::unwrap(&message))
}

fn file_of(message: &Message) -> Option<FileInMessage> {
    let (path, key) = if let Some(file) = message.image_message.as_option() {
        (&file.direct_path, &file.media_key)
    } else if let Some(file) = message.video_message.as_option().or(message.ptv_message.as_option()) {
        (&file.direct_path, &file.media_key)
    } else if let Some(file) = message.audio_message.as_option() {
        (&file.direct_path, &file.media_key)
    } else if let Some(file) = message.document_message.as_option() {
        (&file.direct_path, &file.media_key)
    } else if let Some(file) = message.sticker_message.as_option() {
        (&file.direct_path, &file.media_key)
    } else {
        return None;
    };
    Some(FileInMessage {
        direct_path: path.clone()?,
        media_key: key.clone()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_and_the_message_of_a_request_open_it() {
        let (iv, sealed) = seal(&[1; 32], "ID", b"plain".to_vec()).unwrap();
        assert_eq!(open(&[1; 32], "ID", &iv, &sealed).as_deref(), Some(&b"plain"[..]));
        assert_eq!(open(&[2; 32], "ID", &iv, &sealed), None);
        assert_eq!(open(&[1; 32], "OTHER", &iv, &sealed), None);
        assert_eq!(open(&[1; 32], "ID", &iv[..3], &sealed), None);
    }
}
