//! Secrets of messages: what votes in polls and answers to invitations are encrypted with.
//!
//! The creator puts 32 bytes into the poll; every vote is encrypted with a key that is derived from them and from the ids of both people (wacore/src/poll.rs,
//! wacore/src/event.rs). Both people have two ids, and either side may have used either one, so opening tries each combination.

use std::sync::Arc;
use std::time::Duration;

use hkdf::Hkdf;
use sha2::Sha256;
use wacore::event;
use wacore::poll::{self, PollVoteAddressing, PollVoteCiphertext};
use wacore_binary::JidExt as _;
use waproto::whatsapp::message::EventResponseMessage;
use whatsapp_rust::{Client, Jid};

/// The library stores secrets a moment after it shows the message.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(50);

/// A message that others refer to.
pub(super) struct Parent {
    /// Its secret.
    pub(super) secret: Vec<u8>,
    /// Its author, by the id under which the secret is kept.
    pub(super) author: Jid,
}

/// The secret of an own message: derived from the device and the message's id, so that a repeat after a crash is the same message.
pub(super) fn own(client: &Client, wa_message_id: &str) -> [u8; 32] {
    let device = client.persistence_manager().get_device_snapshot();
    let mut secret = [0; 32];
    let derived = Hkdf::<Sha256>::new(Some(b"rookery message secret"), &device.adv_secret_key)
        .expand(wa_message_id.as_bytes(), &mut secret);
    debug_assert!(derived.is_ok(), "32 bytes are within what HKDF gives");
    secret
}

/// Finds the secret of a message in `chat`. `author`: who wrote it, if it was not the account.
pub(super) async fn parent(
    client: &Arc<Client>,
    chat: &Jid,
    author: Option<&Jid>,
    from_me: bool,
    wa_message_id: &str,
) -> Option<Parent> {
    if from_me {
        // Whatever this device has sent itself needs no look-up. What the phone has sent is stored.
        if let Some(found) = stored(client, chat, &own_ids(client), wa_message_id).await {
            return Some(found);
        }
        let author = if chat.is_lid() { client.lid() } else { None };
        return Some(Parent {
            secret: own(client, wa_message_id).to_vec(),
            author: author.or_else(|| client.pn())?.to_non_ad(),
        });
    }
    let author = author.cloned().or_else(|| (!chat.is_group()).then(|| chat.clone()))?;
    let authors = both_ids(client, &author).await;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        if let Some(found) = stored(client, chat, &authors, wa_message_id).await {
            return Some(found);
        }
    }
    None
}

async fn stored(client: &Arc<Client>, chat: &Jid, authors: &[Jid], wa_message_id: &str) -> Option<Parent> {
    let backend = client.persistence_manager().backend();
    let chats = if chat.is_group() {
        vec![chat.clone()]
    } else {
        both_ids(client, chat).await
    };
    for chat in &chats {
        for author in authors {
            let found = backend
                .get_msg_secret(&chat.to_non_ad_string(), &author.to_non_ad_string(), wa_message_id)
                .await;
            match found {
                Ok(Some(secret)) => {
                    return Some(Parent {
                        secret,
                        author: author.clone(),
                    });
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "the secret of a message could not be read"),
            }
        }
    }
    None
}

fn own_ids(client: &Client) -> Vec<Jid> {
    [client.pn(), client.lid()]
        .into_iter()
        .flatten()
        .map(|jid| jid.to_non_ad())
        .collect()
}

/// The person's id and the other one, where it is known.
pub(super) async fn both_ids(client: &Arc<Client>, person: &Jid) -> Vec<Jid> {
    let mut ids = vec![person.to_non_ad()];
    ids.extend(other_id(client, person).await);
    ids
}

/// The person's other id: the LID of a phone number, or the reverse.
pub(super) async fn other_id(client: &Arc<Client>, person: &Jid) -> Option<Jid> {
    let entry = client.get_lid_pn_entry(person).await.ok().flatten()?;
    let text = if person.is_lid() {
        format!("{}@s.whatsapp.net", entry.phone_number)
    } else {
        format!("{}@lid", entry.lid)
    };
    text.parse().ok()
}

/// Every combination of the author's and the sender's ids, the likely ones first.
async fn combinations(client: &Arc<Client>, parent: &Parent, sender: &Jid) -> Vec<(String, String)> {
    let authors = both_ids(client, &parent.author).await;
    let senders = both_ids(client, sender).await;
    let mut pairs: Vec<(String, String)> = Vec::with_capacity(4);
    for author in &authors {
        for sender in &senders {
            let pair = (author.to_non_ad_string(), sender.to_non_ad_string());
            if author.is_lid() == sender.is_lid() {
                pairs.insert(0, pair);
            } else {
                pairs.push(pair);
            }
        }
    }
    pairs
}

/// Opens a vote: the SHA-256 of each chosen option. `None`: it cannot be opened.
pub(super) async fn open_vote(
    client: &Arc<Client>,
    parent: &Parent,
    poll_id: &str,
    voter: &Jid,
    (payload, iv): (&[u8], &[u8]),
) -> Option<Vec<Vec<u8>>> {
    for (author, voter) in combinations(client, parent, voter).await {
        let opened = poll::decrypt_poll_vote_with_fallback(
            PollVoteCiphertext {
                enc_payload: payload,
                enc_iv: iv,
            },
            &parent.secret,
            poll_id,
            PollVoteAddressing {
                poll_creator_jid: &author,
                voter_jid: &voter,
            },
            None,
        );
        if let Ok(hashes) = opened {
            return Some(hashes);
        }
    }
    None
}

/// Opens the answer to an invitation. `None`: it cannot be opened.
pub(super) async fn open_response(
    client: &Arc<Client>,
    parent: &Parent,
    event_id: &str,
    sender: &Jid,
    (payload, iv): (&[u8], &[u8]),
) -> Option<EventResponseMessage> {
    for (author, sender) in combinations(client, parent, sender).await {
        let opened = event::decrypt_event_response_with_secret(payload, iv, &parent.secret, event_id, &author, &sender);
        if let Ok(response) = opened {
            return Some(response);
        }
    }
    None
}
