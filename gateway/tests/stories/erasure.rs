//! Erasing a person on request: everything of them goes, everything of others stays.

use chrono::Utc;
use serde_json::{Value, json};
use shared::address::Party;
use shared::content::{Media, MediaStatus};
use shared::event::{Draft, Event};
use shared::ids::MediaId;
use shared::message::Message;
use shared::store::read_model::calls::NewCall;
use shared::store::read_model::contacts::{ContactFacts, ContactIds};
use shared::store::read_model::{ArrivedMedia, CallChange, Change, ContactChange, MediaChange};
use shared::store::records::Facts;

use crate::chats::{Desk, person};

const PHONE: &str = "15550002001";
const LID: &str = "100000000002001";
const OTHER: &str = "15550002002";

/// A file that came with a message.
fn file(message: &Message, key: &str) -> Change {
    Change::Media(MediaChange::Arrived(Box::new(ArrivedMedia {
        media: MediaId::generate(),
        message: message.id,
        wa_message_id: message.wa_message_id.clone(),
        source: key.to_owned(),
        described: Media {
            mime_type: "image/jpeg".to_owned(),
            status: Some(MediaStatus::Pending),
            ..Media::default()
        },
        object_key: key.to_owned(),
        sealed: vec![1],
        days: 0,
    })))
}

fn known(person: &Party) -> Change {
    Change::Contact(ContactChange::Known {
        ids: ContactIds {
            phone: person.phone.clone(),
            lid: person.lid.clone(),
        },
        facts: ContactFacts {
            push_name: Some("Somebody".to_owned()),
            ..ContactFacts::default()
        },
    })
}

fn call(from: &Party, id: &str) -> Change {
    Change::Call(CallChange::Received(Box::new(NewCall {
        call_id: id.to_owned(),
        from: from.clone(),
        group: None,
        is_video: false,
        peer: from.jid.clone(),
        creator: from.jid.clone(),
        at: Utc::now(),
    })))
}

#[tokio::test]
async fn erasing_a_person_leaves_nothing_of_them_and_everything_of_others() {
    let mut desk = Desk::new().await;
    let (contact, other) = (person(Some(PHONE), Some(LID)), person(Some(OTHER), None));
    let messages = desk.arrive(&contact, &["my address is …"]).await;
    let others = desk.arrive(&other, &["another's"]).await;
    let event = Event::MessageReceived(Box::new(messages[0].clone()));
    let draft = Draft::new(
        desk.tenant.id,
        desk.session,
        &event,
        Utc::now(),
        Some("message:x".into()),
    )
    .unwrap();
    let facts = Facts {
        events: vec![draft],
        changes: vec![
            known(&contact),
            known(&other),
            call(&contact, "C1"),
            call(&other, "C2"),
            file(&messages[0], "theirs"),
            file(&others[0], "another's"),
        ],
        ..Facts::default()
    };
    desk.record(&facts).await;
    assert_eq!(desk.texts("messages?search=address").await, ["my address is …"]);

    let path = format!("/v1/sessions/{}/contacts/{LID}@lid/data", desk.session);
    let erased = desk.tenant.client.delete(&path).await.expect(200).json;
    let expected = json!({
        "messages": 1, "files": 1, "chats": 1, "contacts": 2, "events": 1, "deliveries": 0, "statistics": 1, "more": false
    });
    assert_eq!(erased, expected);
    assert_eq!(desk.texts("messages").await, ["another's"]);
    assert_eq!(desk.texts("messages?search=address").await, [""; 0]);
    let people = desk.get("contacts").await;
    assert_eq!(people["data"].as_array().unwrap().len(), 1, "{people}");
    assert_eq!(people["data"][0]["phone"], OTHER);
    assert_eq!(desk.rows("SELECT count(*) FROM call").await, 1);
    // A worker deletes the objects of these and no others, and fetches none of them any more.
    let removed = desk.store.media_to_remove(10).await.unwrap();
    let keys: Vec<&str> = removed.iter().map(|(_, key)| key.as_str()).collect();
    assert_eq!(keys, ["theirs"]);
    assert_eq!(desk.rows("SELECT count(*) FROM media_download").await, 1);
    let body: String = sqlx::query_scalar("SELECT body FROM event")
        .fetch_one(&desk.world.database.pool)
        .await
        .unwrap();
    let envelope: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&envelope["seq"], &envelope["data"]),
        (&json!(1), &json!({"erased": true}))
    );
}

#[tokio::test]
async fn a_person_of_whom_there_is_much_is_erased_in_several_requests() {
    let mut desk = Desk::new().await;
    let contact = person(Some(PHONE), Some(LID));
    desk.arrive(&contact, &["one", "two", "three"]).await;
    let facts = Facts {
        changes: vec![known(&contact)],
        ..Facts::default()
    };
    desk.record(&facts).await;
    // By one id only: the other one is found, also when most is gone.
    let asked_for = person(None, Some(LID));
    for left in [2, 1, 0] {
        let mut transaction = desk.store.tenant(desk.tenant.id).await.unwrap();
        let erased = transaction.erase_person(desk.session, &asked_for, 1).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!((erased.messages, erased.chats, erased.more), (1, 0, true));
        assert_eq!(desk.texts("messages").await.len(), left);
    }
    let mut transaction = desk.store.tenant(desk.tenant.id).await.unwrap();
    let last = transaction.erase_person(desk.session, &asked_for, 1).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!((last.messages, last.chats, last.contacts, last.more), (0, 1, 1, false));
    assert_eq!(desk.rows("SELECT count(*) FROM chat").await, 0);
}
