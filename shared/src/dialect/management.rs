//! What WhatsApp Management System tells its webhooks, every message that arrives at a session, and its words for messages.

use serde_json::{Value, json};

use super::{Surroundings, web};
use crate::content::Content;
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
    // Reactions, edits and other acts on messages were none that arrive.
    if Content::of_map(&message.content).is_some_and(|content| content.target().is_some()) {
        return None;
    }
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
            "mediaUrl": around.file.as_ref().and_then(|file| file.url.as_deref()),
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::super::{File, WebhookFormat, bodies};
    use super::*;
    use crate::ids::{EventId, MessageId, TenantId};

    const SESSION: &str = "ses_eu1_00000000000000000000000000";

    fn event(event_type: &str, data: Value) -> Envelope {
        Envelope {
            id: EventId::generate(),
            event_type: event_type.to_owned(),
            timestamp: "2025-08-11T15:30:01Z".parse().unwrap(),
            tenant_id: TenantId::generate(),
            session_id: SESSION.parse().unwrap(),
            seq: 1,
            data,
        }
    }

    fn message(kind: &str, content: &Value) -> Value {
        json!({
            "id": MessageId::generate(), "session_id": SESSION, "wa_message_id": "ABCDEF1234567890",
            "chat": {"jid": "1234567890@s.whatsapp.net", "phone": "1234567890"},
            "from": {"jid": "1234567890@s.whatsapp.net", "phone": "1234567890"},
            "from_me": false, "from_name": "John Doe", "type": kind, kind: content, "status": "received", "timestamp": "2025-08-11T15:30:00Z",
        })
    }

    fn told(event: &Envelope, around: &Surroundings) -> Option<Value> {
        bodies(WebhookFormat::Management, event, around).pop()
    }

    fn around() -> Surroundings {
        Surroundings {
            session_name: "Demo Session".to_owned(),
            number: Some(1),
            ..Surroundings::default()
        }
    }

    #[test]
    fn a_text_is_told_as_its_documentation_shows_it() {
        let arrived = event("message.received", message("text", &json!({"body": "Hello, world!"})));
        assert_eq!(
            told(&arrived, &around()).unwrap(),
            json!({
                "sessionId": 1,
                "sessionName": "Demo Session",
                "message": {
                    "id": "ABCDEF1234567890",
                    "from": "1234567890@c.us",
                    "to": null,
                    "contactName": "John Doe",
                    "groupId": null,
                    "type": "chat",
                    "content": "Hello, world!",
                    "timestamp": "2025-08-11T15:30:00.000Z",
                    "mediaUrl": null,
                },
            })
        );
    }

    #[test]
    fn in_a_group_an_answer_to_from_goes_to_the_group() {
        let mut said = message("text", &json!({"body": "Hi"}));
        said["chat"] = json!({"jid": "120363021033254949@g.us"});
        let told = told(&event("message.received", said), &around()).unwrap();
        assert_eq!(told["message"]["from"], "120363021033254949@g.us");
        assert_eq!(told["message"]["groupId"], "120363021033254949@g.us");
        assert_eq!(told["message"]["contactName"], "John Doe");
    }

    #[test]
    fn a_file_is_told_by_its_link_once_it_is_stored() {
        let picture = message(
            "image",
            &json!({"mime_type": "image/jpeg", "status": "pending", "caption": "Look"}),
        );
        assert_eq!(told(&event("message.received", picture.clone()), &around()), None);
        let ended = |event_type: &str| event(event_type, json!({"message_id": picture["id"], "media": {}}));
        let known = |url: Option<&str>| Surroundings {
            message: serde_json::from_value(picture.clone()).unwrap(),
            file: Some(File {
                url: url.map(str::to_owned),
                ..File::default()
            }),
            ..around()
        };
        let link = "https://s3.example/ten_1/med_1?signature";
        let stored = told(&ended("media.stored"), &known(Some(link))).unwrap();
        assert_eq!(stored["message"]["mediaUrl"], link);
        assert_eq!(stored["message"]["type"], "image");
        assert_eq!(stored["message"]["content"], "Look");
        let failed = told(&ended("media.failed"), &known(None)).unwrap();
        assert_eq!(failed["message"]["mediaUrl"], Value::Null);
    }

    #[test]
    fn neither_reactions_nor_statuses_are_told() {
        let target = json!({"wa_message_id": "3EB0", "from_me": true, "author": null});
        let reaction = message("reaction", &json!({"message": target, "emoji": "👍"}));
        assert_eq!(told(&event("message.received", reaction), &around()), None);
        let status = event("session.status", json!({"status": "connected"}));
        assert_eq!(told(&status, &around()), None);
    }

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
