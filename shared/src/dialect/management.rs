//! What WhatsApp Management System tells its webhooks, every message that arrives at a session, and its words for messages.

use serde_json::{Value, json};

use super::{Surroundings, web};
use crate::event::{Envelope, EventType};
use crate::message::Message;

/// The word for "messages" among the events of a registered webhook.
const MESSAGE: &str = "message";
/// The word for "statuses". Its server took it and never told any, so it is kept and has no effect.
const STATUS: &str = "status";

/// The types of our events that stand for its words for events: for `message` all that it takes to tell one. `None`: a word is none of its own.
#[must_use]
pub fn event_types(words: &[String]) -> Option<Vec<String>> {
    let mut types: Vec<EventType> = Vec::new();
    for word in words {
        match word.as_str() {
            MESSAGE => types.extend([
                EventType::MessageReceived,
                EventType::MediaStored,
                EventType::MediaFailed,
            ]),
            STATUS => types.push(EventType::SessionStatus),
            _ => return None,
        }
    }
    Some(types.iter().map(ToString::to_string).collect())
}

/// Its words for the events of a webhook, in their order; `None` (all) are both.
#[must_use]
pub fn event_words(types: Option<&[String]>) -> Vec<&'static str> {
    let Some(types) = types else {
        return vec![MESSAGE, STATUS];
    };
    let mut words = Vec::new();
    for event_type in types {
        let word = match event_type.split('.').next() {
            Some("session") => STATUS,
            _ => MESSAGE,
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

/// From whom a message is, as whatsapp-web.js has it: of a message that has arrived the conversation, in groups the group.
#[must_use]
pub fn from(message: &Message) -> String {
    web::address(if message.from_me { &message.from } else { &message.chat })
}

/// To whom a message is; nobody for one that has arrived.
#[must_use]
pub fn to(message: &Message) -> Option<String> {
    message.from_me.then(|| web::address(&message.chat))
}

/// The name of whoever wrote a message that has arrived.
#[must_use]
pub fn contact_name(message: &Message) -> Option<&str> {
    message.details.from_name.as_deref().filter(|_| !message.from_me)
}

/// The group in which a message stands.
#[must_use]
pub fn group(message: &Message) -> Option<String> {
    web::is_group(&message.chat).then(|| web::address(&message.chat))
}

/// The body of a delivery.
pub(super) fn webhook(envelope: &Envelope, around: &Surroundings) -> Option<Value> {
    let message = around.arrived(envelope)?;
    Some(json!({
        "sessionId": around.number,
        "sessionName": around.session_name,
        "message": {
            "id": message.wa_message_id,
            "from": from(&message),
            "to": null,
            "contactName": contact_name(&message),
            "groupId": group(&message),
            "type": web::kind(&message),
            "content": web::text(&message),
            "timestamp": crate::timestamp::text(message.timestamp),
            "mediaUrl": null,
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_words_for_events_come_back_as_they_were_given() {
        for words in [
            &["message", "status"][..],
            &["status", "message"],
            &["message"],
            &["status"],
        ] {
            let given: Vec<String> = words.iter().map(ToString::to_string).collect();
            let types = event_types(&given).unwrap();
            assert_eq!(event_words(Some(&types)), words);
        }
        assert_eq!(event_words(None), ["message", "status"]);
        assert_eq!(event_types(&["group".to_owned()]), None);
    }
}
