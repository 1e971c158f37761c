mod premium;

use serde_json::json;

use super::*;
use crate::content::{Content, Media};
use crate::ids::{EventId, MediaId, SessionId, TenantId};

/// The first body of a delivery.
fn body(format: WebhookFormat, envelope: &Envelope, around: &Surroundings) -> Option<Value> {
    bodies(format, envelope, around).into_iter().next()
}

fn session() -> SessionId {
    "ses_eu1_00000000000000000000000000".parse().unwrap()
}

fn envelope(event_type: &str, data: Value) -> Envelope {
    Envelope {
        id: EventId::generate(),
        event_type: event_type.to_owned(),
        timestamp: "2026-11-20T12:00:00Z".parse().unwrap(),
        tenant_id: TenantId::generate(),
        session_id: session(),
        seq: 1,
        data,
    }
}

fn message(content: &Content) -> Message {
    let mut message = json!({
        "id": MessageId::generate(), "session_id": session(), "wa_message_id": "3EB0AA",
        "chat": {"jid": "5491123456789@s.whatsapp.net", "phone": "5491123456789", "lid": "100000000000001"},
        "from": {"jid": "5491123456789@s.whatsapp.net", "phone": "5491123456789", "lid": "100000000000001"},
        "from_me": false, "from_name": "Juan Pérez", "type": content.kind(), "status": "received",
        "timestamp": "2021-12-31T21:20:00Z",
    });
    for (field, value) in content.to_map() {
        message[field] = value;
    }
    serde_json::from_value(message).unwrap()
}

fn picture(status: MediaStatus) -> Content {
    Content::Image(Media {
        media_id: Some(MediaId::generate()),
        status: Some(status),
        mime_type: "image/jpeg".into(),
        ..Media::default()
    })
}

fn around(session: &str) -> Surroundings {
    Surroundings {
        session: session.to_owned(),
        ..Surroundings::default()
    }
}

#[test]
fn a_message_is_told_with_its_file_once_that_has_come() {
    let pending = message(&picture(MediaStatus::Pending));
    let arrived = envelope("message.received", serde_json::to_value(&pending).unwrap());
    for format in [WebhookFormat::Multisession, WebhookFormat::Chatlink] {
        assert!(!format.tells(&arrived), "{format}: the file is still on its way");
        assert_eq!(body(format, &arrived, &around("s")), None);
    }
    assert!(
        WebhookFormat::Premium.tells(&arrived),
        "its clients ask for files themselves"
    );

    let stored = envelope(
        "media.stored",
        json!({"message_id": pending.id, "wa_message_id": "3EB0AA", "chat": pending.chat,
               "media": {"mime_type": "image/jpeg", "status": "stored"}}),
    );
    assert_eq!(message_of(&stored), Some(pending.id));
    let around = Surroundings {
        message: Some(pending),
        file: Some(File {
            mime_type: "image/jpeg".into(),
            name: Some("imagen.jpg".into()),
            data: Some("/9j/".into()),
            ..File::default()
        }),
        ..around("mi-sesion-01")
    };
    let told = body(WebhookFormat::Multisession, &stored, &around).unwrap();
    assert_eq!(
        told,
        json!({
            "id": "false_5491123456789@c.us_3EB0AA",
            "sessionId": "mi-sesion-01",
            "from": "5491123456789@c.us",
            "to": null,
            "body": "",
            "type": "image",
            "timestamp": 1_640_985_600,
            "isForwarded": false,
            "isMedia": true,
            "contact": {"name": "Juan Pérez", "number": "5491123456789", "isGroup": false},
            "media": {"mimetype": "image/jpeg", "data": "/9j/", "filename": "imagen.jpg"},
        })
    );
    assert_eq!(
        body(WebhookFormat::Chatlink, &stored, &around).unwrap()["media"]["data"],
        "/9j/"
    );
}

#[test]
fn a_file_that_the_account_itself_sent_is_no_message_that_arrived() {
    let mut own = message(&picture(MediaStatus::Stored));
    own.from_me = true;
    let stored = envelope(
        "media.stored",
        json!({"message_id": own.id, "wa_message_id": "3EB0AA", "chat": own.chat, "media": {}}),
    );
    let around = Surroundings {
        message: Some(own),
        ..around("s")
    };
    assert_eq!(body(WebhookFormat::Multisession, &stored, &around), None);
}

#[test]
fn an_id_leads_back_to_whatsapps_own() {
    let mut message = message(&Content::text("Hola"));
    assert_eq!(web::wa_message_id(&web::message_id(&message)), "3EB0AA");
    message.chat = Party {
        jid: "120363021033254949@g.us".into(),
        phone: None,
        lid: None,
    };
    assert_eq!(
        web::message_id(&message),
        "false_120363021033254949@g.us_3EB0AA_5491123456789@c.us"
    );
    assert_eq!(web::wa_message_id(&web::message_id(&message)), "3EB0AA");
    assert_eq!(web::wa_message_id("3EB0AA"), "3EB0AA");
}

#[test]
fn the_crm_is_told_a_message_as_its_documentation_shows() {
    let text = envelope(
        "message.received",
        serde_json::to_value(message(&Content::text("Hola, este es un mensaje recibido"))).unwrap(),
    );
    let known = Surroundings {
        number: Some(93),
        ..around("prueba23_mho8t3iz_ncbzkh")
    };
    assert_eq!(
        body(WebhookFormat::Crm, &text, &known).unwrap(),
        json!({
            "event": "message.received",
            "data": {
                "sessionId": "prueba23_mho8t3iz_ncbzkh",
                "session_db_id": 93,
                "message": {
                    "whatsappMessageId": "3EB0AA",
                    "content": "Hola, este es un mensaje recibido",
                    "chatId": "5491123456789@s.whatsapp.net",
                    "from": "5491123456789@s.whatsapp.net",
                    "to": "prueba23_mho8t3iz_ncbzkh",
                    "timestamp": 1_640_985_600,
                    "type": "text",
                    "has_attachment": false,
                    "media": null,
                },
            },
        })
    );
}

#[test]
fn the_crm_is_told_a_file_with_a_link_once_it_is_stored_or_without_one_when_it_failed() {
    let pending = message(&picture(MediaStatus::Pending));
    let arrived = envelope("message.received", serde_json::to_value(&pending).unwrap());
    assert_eq!(body(WebhookFormat::Crm, &arrived, &around("s")), None);
    let ended = |event_type: &str| {
        envelope(
            event_type,
            json!({"message_id": pending.id, "wa_message_id": "3EB0AA", "chat": pending.chat,
                   "media": {"mime_type": "image/jpeg", "size": 245_678}}),
        )
    };
    let known = |url: Option<&str>| Surroundings {
        message: Some(pending.clone()),
        file: Some(File {
            mime_type: "image/jpeg".into(),
            size: Some(245_678),
            url: url.map(str::to_owned),
            ..File::default()
        }),
        ..around("s")
    };
    let link = "https://s3.example/ten_1/med_1?signature";
    let told = body(WebhookFormat::Crm, &ended("media.stored"), &known(Some(link))).unwrap();
    assert_eq!(told["event"], "message.received");
    assert_eq!(told["data"]["message"]["type"], "image");
    assert_eq!(told["data"]["message"]["has_attachment"], true);
    assert_eq!(
        told["data"]["message"]["media"],
        json!({"filename": "3EB0AA.jpg", "filesize": 245_678, "mimetype": "image/jpeg", "url": link})
    );
    let told = body(WebhookFormat::Crm, &ended("media.failed"), &known(None)).unwrap();
    assert_eq!(told["data"]["message"]["has_attachment"], true);
    assert_eq!(told["data"]["message"]["media"]["url"], Value::Null);
}

#[test]
fn the_crm_is_told_of_no_own_message_and_of_no_act_on_another() {
    let pin = message(&Content::Pin(
        serde_json::from_value(json!({"message": {"wa_message_id": "3EB0", "from_me": true, "author": null}, "pinned": true, "seconds": 86_400}))
            .unwrap(),
    ));
    let pinned = envelope("message.received", serde_json::to_value(&pin).unwrap());
    assert_eq!(body(WebhookFormat::Crm, &pinned, &around("s")), None);
    let sent = envelope(
        "message.sent",
        serde_json::to_value(message(&Content::text("Hola"))).unwrap(),
    );
    assert_eq!(body(WebhookFormat::Crm, &sent, &around("s")), None);
}

#[test]
fn only_the_crm_waits_less_and_names_one_event() {
    for format in WebhookFormat::ALL {
        let crm = *format == WebhookFormat::Crm;
        assert_eq!(format.patience().is_some(), crm, "{format}");
        assert_eq!(format.told_event(), crm.then_some("message.received"), "{format}");
    }
}
