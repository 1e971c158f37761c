//! Chats and the read model: what a holder stores, as tenants see it.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::address::{Address, Party};
use shared::chat::FOREVER;
use shared::event::{ChatDeleted, Draft, Event};
use shared::ids::{MessageId, SessionId};
use shared::message::{Message, MessageStatus, text_content};
use shared::store::read_model::{Change, ChatChange, ChatHistory, ChatState};
use shared::store::records::{Facts, MessageProgress, NewMessage};
use shared::store::{Scope, Store};

use crate::gateway::{REGION, Tenant, World, text_message};

/// A session, and the store through which its holder writes.
pub(crate) struct Desk {
    pub(crate) world: World,
    pub(crate) tenant: Tenant,
    pub(crate) session: SessionId,
    pub(crate) store: Store,
    numbered: u32,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        let world = World::new().await;
        let tenant = world.tenant().await;
        let session = tenant.linked_session(&world.database).await;
        world.database.hold(session).await;
        let url = SecretString::from(world.database.url(None));
        let store = Store::connect(&url, 2, REGION.parse().unwrap(), Scope::Everyone).unwrap();
        Self {
            world,
            tenant,
            session,
            store,
            numbered: 0,
        }
    }

    pub(crate) async fn record(&self, facts: &Facts) {
        self.store.record(self.session, 1, facts).await.unwrap();
    }

    /// A message that arrives now.
    fn message(&mut self, chat: &Party, text: &str) -> Message {
        self.numbered += 1;
        Message {
            id: MessageId::generate(),
            session_id: self.session,
            wa_message_id: format!("3EB0{:05}", self.numbered),
            chat: chat.clone(),
            from: chat.clone(),
            from_me: false,
            kind: "text".into(),
            details: shared::message::MessageDetails::default(),
            state: shared::message::MessageState::default(),
            content: text_content(text),
            context: None,
            status: MessageStatus::Received,
            error: None,
            timestamp: Utc::now(),
        }
    }

    pub(crate) async fn arrive(&mut self, chat: &Party, texts: &[&str]) -> Vec<Message> {
        let messages: Vec<Message> = texts.iter().map(|text| self.message(chat, text)).collect();
        let facts = Facts {
            messages: messages.iter().map(NewMessage::from).collect(),
            ..Facts::default()
        };
        self.record(&facts).await;
        messages
    }

    pub(crate) async fn change(&self, chat: &Party, state: ChatState) {
        let chat = chat.clone();
        let facts = Facts {
            changes: vec![Change::Chat(ChatChange { chat, state })],
            ..Facts::default()
        };
        self.record(&facts).await;
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let path = format!("/v1/sessions/{}/{path}", self.session);
        self.tenant.client.get(&path).await.expect(200).json
    }

    pub(crate) async fn texts(&self, path: &str) -> Vec<String> {
        let page = self.get(path).await;
        let messages = page["data"].as_array().unwrap().iter();
        messages
            .map(|message| message["text"]["body"].as_str().unwrap().to_owned())
            .collect()
    }

    pub(crate) async fn rows(&self, statement: &'static str) -> i64 {
        sqlx::query_scalar(statement)
            .fetch_one(&self.world.database.pool)
            .await
            .unwrap()
    }
}

pub(crate) fn person(phone: Option<&str>, lid: Option<&str>) -> Party {
    let phone = phone.map(|digits| Address::Phone(digits.to_owned()));
    let lid = lid.map(|digits| Address::Lid(digits.to_owned()));
    Party::new(phone.as_ref().or(lid.as_ref()).unwrap(), lid.as_ref())
}

const PHONE: &str = "15550002001";
const LID: &str = "100000000002001";

#[tokio::test]
async fn a_person_known_by_lid_and_later_by_phone_number_is_one_chat() {
    let mut desk = Desk::new().await;
    desk.arrive(&person(None, Some(LID)), &["by LID"]).await;
    let path = format!("/v1/sessions/{}/messages", desk.session);
    let body = json!({"to": PHONE, "type": "text", "text": {"body": "by phone"}});
    desk.tenant.client.post(&path, body).await.expect(202);
    assert_eq!(desk.get("chats").await["data"].as_array().unwrap().len(), 2);

    // The first message that names both ids.
    desk.arrive(&person(Some(PHONE), Some(LID)), &["by both"]).await;
    let chats = desk.get("chats").await;
    assert_eq!(chats["data"].as_array().unwrap().len(), 1, "{chats}");
    let chat = &chats["data"][0];
    assert_eq!(chat["jid"], format!("{PHONE}@s.whatsapp.net"));
    assert_eq!((&chat["phone"], &chat["lid"]), (&json!(PHONE), &json!(LID)));
    assert_eq!(chat["unread_count"], 2);
    assert_eq!(chat["last_message"]["summary"], "by both");
    for name in [PHONE.to_owned(), format!("{LID}@lid"), format!("{PHONE}@c.us")] {
        let texts = desk.texts(&format!("chats/{name}/messages")).await;
        assert_eq!(texts, ["by both", "by phone", "by LID"], "{name}");
    }

    // From now on the LID alone is enough, in both directions.
    desk.arrive(&person(None, Some(LID)), &["by LID again"]).await;
    let body = json!({"to": format!("{LID}@lid"), "type": "text", "text": {"body": "to the LID"}});
    desk.tenant.client.post(&path, body).await.expect(202);
    let texts = desk.texts(&format!("messages?chat={LID}@lid")).await;
    assert_eq!(texts, ["to the LID", "by LID again", "by both", "by phone", "by LID"]);
    assert_eq!(desk.rows("SELECT count(*) FROM chat").await, 1);
    let counts = desk.get(&format!("statistics?chat={PHONE}")).await;
    assert_eq!(counts["total"], 5, "{counts}");
}

#[tokio::test]
async fn the_same_message_told_twice_is_one_and_counts_once() {
    let mut desk = Desk::new().await;
    let contact = person(Some(PHONE), Some(LID));
    let first = desk.arrive(&contact, &["Hello"]).await.remove(0);
    let again = Message {
        id: MessageId::generate(),
        ..first
    };
    let facts = Facts {
        messages: vec![NewMessage::from(&again)],
        ..Facts::default()
    };
    desk.record(&facts).await;
    assert_eq!(desk.get(&format!("chats/{PHONE}")).await["unread_count"], 1);
    assert_eq!(desk.get("statistics?period=hour").await["total"], 1);
    assert_eq!(desk.texts("messages").await, ["Hello"]);

    // So is an event, also when nothing but its id tells.
    let event = Event::ChatDeleted(ChatDeleted { chat: contact });
    let facts = Facts {
        events: vec![Draft::new(desk.tenant.id, desk.session, &event, Utc::now(), None).unwrap()],
        ..Facts::default()
    };
    assert_eq!(desk.store.record(desk.session, 1, &facts).await.unwrap().len(), 1);
    assert_eq!(desk.store.record(desk.session, 1, &facts).await.unwrap().len(), 0);
}

#[tokio::test]
async fn unread_messages_are_listed_and_counted_until_they_are_read() {
    let mut desk = Desk::new().await;
    let contact = person(Some(PHONE), Some(LID));
    let other = person(Some("15550002002"), None);
    let messages = desk.arrive(&contact, &["one", "two", "three"]).await;
    desk.arrive(&other, &["elsewhere"]).await;
    assert_eq!(
        desk.texts("messages?unread=true").await,
        ["elsewhere", "three", "two", "one"]
    );
    assert_eq!(
        desk.texts(&format!("messages?unread=true&chat={PHONE}")).await,
        ["three", "two", "one"]
    );

    let second = messages[1].wa_message_id.clone();
    desk.change(&contact, ChatState::ReadUntil(vec![second])).await;
    assert_eq!(desk.get(&format!("chats/{PHONE}")).await["unread_count"], 1);
    assert_eq!(desk.texts("messages?unread=true").await, ["elsewhere", "three"]);

    // The messages alone tell the chat, when WhatsApp does not.
    let third = messages[2].wa_message_id.clone();
    let facts = Facts {
        changes: vec![Change::ReadElsewhere(vec![third])],
        ..Facts::default()
    };
    desk.record(&facts).await;
    assert_eq!(desk.texts("messages?unread=true").await, ["elsewhere"]);
    let unread = desk.get("chats?unread=true").await;
    assert_eq!(unread["data"].as_array().unwrap().len(), 1, "{unread}");

    desk.change(&contact, ChatState::MarkedUnread(true)).await;
    let unread = desk.get("chats?unread=true").await;
    assert_eq!(unread["data"].as_array().unwrap().len(), 2, "{unread}");
    desk.change(&contact, ChatState::Read).await;
    assert_eq!(desk.get(&format!("chats/{PHONE}")).await["marked_unread"], false);
}

#[tokio::test]
async fn pages_of_a_chat_and_of_chats_go_on_where_the_last_one_ended() {
    let mut desk = Desk::new().await;
    let contact = person(Some(PHONE), None);
    let texts: Vec<String> = (0..25).map(|number| format!("message {number}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    desk.arrive(&contact, &texts).await;
    let mut seen = Vec::new();
    let mut path = format!("chats/{PHONE}/messages?limit=10");
    loop {
        let page = desk.get(&path).await;
        let messages = page["data"].as_array().unwrap().iter();
        seen.extend(messages.map(|message| message["text"]["body"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("chats/{PHONE}/messages?limit=10&cursor={next}");
    }
    let expected: Vec<&str> = texts.iter().rev().copied().collect();
    assert_eq!(seen, expected);

    for number in 0..3 {
        desk.arrive(&person(Some(&format!("1555000300{number}")), None), &["Hi"])
            .await;
    }
    let page = desk.get("chats?limit=2").await;
    assert_eq!(page["data"][0]["phone"], "15550003002");
    let next = page["next_cursor"].as_str().unwrap();
    let page = desk.get(&format!("chats?limit=2&cursor={next}")).await;
    assert_eq!(page["data"][1]["phone"], PHONE);
    assert_eq!(page["next_cursor"], Value::Null);
    let found = desk.get("chats?search=3001").await;
    assert_eq!(found["data"].as_array().unwrap().len(), 1, "{found}");
}

#[tokio::test]
async fn messages_are_found_by_whole_words_and_beginnings_and_only_in_their_session() {
    let mut desk = Desk::new().await;
    let contact = person(Some(PHONE), None);
    desk.arrive(
        &contact,
        &["The parcel's late", "Parcels & letters", "nothing here", "péché mignon"],
    )
    .await;
    let found = |text: &str| format!("messages?search={text}");
    assert_eq!(
        desk.texts(&found("parcel")).await,
        ["Parcels & letters", "The parcel's late"]
    );
    assert_eq!(desk.texts(&found("LATE+the")).await, ["The parcel's late"]);
    assert_eq!(desk.texts(&found("p%C3%A9ch")).await, ["péché mignon"]);
    assert_eq!(desk.texts(&found("arcel")).await, [""; 0]);
    // Nothing in a search is an operator.
    assert_eq!(desk.texts(&found("parcel'|nothing:*!")).await, [""; 0]);
    assert_eq!(desk.texts(&found("%26%26")).await, [""; 0]);
    assert_eq!(
        desk.texts(&format!("messages?search=parcel&chat={PHONE}")).await.len(),
        2
    );

    let stranger = desk.tenant.linked_session(&desk.world.database).await;
    let path = format!("/v1/sessions/{stranger}/messages?search=parcel");
    let page = desk.tenant.client.get(&path).await.expect(200).json;
    assert_eq!(page["data"], json!([]));
}

#[tokio::test]
async fn marks_of_a_chat_are_kept_and_a_deleted_chat_comes_back_with_the_next_message() {
    let mut desk = Desk::new().await;
    let contact = person(Some(PHONE), Some(LID));
    desk.arrive(&contact, &["before"]).await;
    desk.change(&contact, ChatState::Named("Carlos \u{1F426}".into())).await;
    desk.change(&contact, ChatState::Pinned(Some(Utc::now()))).await;
    desk.change(&contact, ChatState::Muted(Some(FOREVER))).await;
    desk.change(&contact, ChatState::Ephemeral(86_400)).await;
    let chat = desk.get(&format!("chats/{LID}@lid")).await;
    assert_eq!(
        (&chat["name"], &chat["pinned"]),
        (&json!("Carlos \u{1F426}"), &json!(true))
    );
    assert_eq!(chat["muted_until"], "9999-12-31T23:59:59.000Z");
    assert_eq!(chat["ephemeral"], 86_400);
    desk.change(&contact, ChatState::Archived(true)).await;
    assert_eq!(
        desk.get("chats?archived=true&search=carlos").await["data"][0]["pinned"],
        false
    );

    desk.change(&contact, ChatState::Deleted).await;
    let gone = format!("/v1/sessions/{}/chats/{PHONE}", desk.session);
    desk.tenant.client.get(&gone).await.expect_problem("chat_not_found");
    assert_eq!(desk.rows("SELECT count(*) FROM message").await, 0);
    assert_eq!(desk.rows("SELECT count(*) FROM message_identity").await, 0);
    desk.arrive(&contact, &["after"]).await;
    assert_eq!(desk.texts(&format!("chats/{PHONE}/messages")).await, ["after"]);
}

#[tokio::test]
async fn history_stands_where_it_belongs_in_time_and_is_not_unread() {
    let mut desk = Desk::new().await;
    let contact = person(Some(PHONE), Some(LID));
    desk.arrive(&contact, &["today"]).await;
    let years_ago: DateTime<Utc> = "2019-03-01T12:00:00Z".parse().unwrap();
    let old: Vec<NewMessage> = (0..5)
        .map(|number| {
            let at = years_ago + TimeDelta::days(number);
            let message = desk.message(&contact, &format!("old {number}"));
            NewMessage::of_history(&Message {
                id: MessageId::written_at(at),
                timestamp: at,
                ..message
            })
        })
        .collect();
    let history = ChatHistory {
        name: Some("Carlos".into()),
        unread_count: 1,
        archived: true,
        ..ChatHistory::default()
    };
    let facts = Facts {
        messages: old,
        changes: vec![Change::Chat(ChatChange {
            chat: contact,
            state: ChatState::History(history),
        })],
        ..Facts::default()
    };
    desk.record(&facts).await;
    let texts = desk.texts(&format!("chats/{PHONE}/messages")).await;
    assert_eq!(texts, ["today", "old 4", "old 3", "old 2", "old 1", "old 0"]);
    let chat = desk.get(&format!("chats/{PHONE}")).await;
    assert_eq!(chat["last_message"]["summary"], "today");
    assert_eq!((&chat["unread_count"], &chat["archived"]), (&json!(1), &json!(true)));
    assert_eq!(desk.rows("SELECT count(*) FROM message_past").await, 5);
    let counts = desk
        .get("statistics?period=month&since=2019-01-01T00:00:00Z&until=2020-01-01T00:00:00Z")
        .await;
    assert_eq!(counts["data"][0]["starts_at"], "2019-03-01T00:00:00.000Z");
    assert_eq!(counts["total"], 5);
}

#[tokio::test]
async fn receipts_find_their_message_in_whatever_partition_it_is() {
    let desk = Desk::new().await;
    let path = format!("/v1/sessions/{}/messages", desk.session);
    let sent = desk.tenant.client.post(&path, text_message("Hello")).await.expect(202);
    let facts = Facts {
        progress: vec![MessageProgress {
            wa_message_id: sent.text("/wa_message_id"),
            status: MessageStatus::Delivered,
            error_code: None,
            error_detail: None,
        }],
        ..Facts::default()
    };
    desk.record(&facts).await;
    let message = desk.get(&format!("messages/{}", sent.text("/id"))).await;
    assert_eq!(message["status"], "delivered");
    assert_eq!(
        desk.get("chats").await["data"][0]["last_message"]["status"],
        "delivered"
    );
}

#[tokio::test]
async fn partitions_are_made_ahead_and_dropped_when_no_tenant_wants_them() {
    let mut desk = Desk::new().await;
    desk.arrive(&person(Some(PHONE), None), &["now"]).await;
    let now = Utc::now();
    assert_eq!(
        desk.store.make_partitions(now).await.unwrap(),
        0,
        "the migration made those of today"
    );
    let later = now + TimeDelta::days(60);
    let made = desk.store.make_partitions(later).await.unwrap();
    assert!(made >= 4, "{made}");
    let walls = "SELECT count(*) FROM pg_class WHERE relname ~ '^(message|event)_[0-9]+$' AND NOT (relrowsecurity AND relforcerowsecurity)";
    assert_eq!(
        desk.rows(walls).await,
        0,
        "every partition has the wall between tenants"
    );

    // Messages are kept for ever unless every tenant says otherwise; events for a week.
    let before = desk
        .rows("SELECT count(*) FROM pg_class WHERE relname ~ '^message_[0-9]+$'")
        .await;
    desk.store.enforce_retention(now + TimeDelta::days(400)).await.unwrap();
    assert_eq!(
        desk.rows("SELECT count(*) FROM pg_class WHERE relname ~ '^message_[0-9]+$'")
            .await,
        before
    );
    assert_eq!(
        desk.rows("SELECT count(*) FROM pg_class WHERE relname ~ '^event_[0-9]+$' AND relkind = 'r'")
            .await,
        0
    );
    assert_eq!(desk.texts("messages").await, ["now"]);
    sqlx::query("UPDATE tenant SET quotas = '{\"message_days\": 30}'")
        .execute(&desk.world.database.pool)
        .await
        .unwrap();
    desk.store.enforce_retention(now + TimeDelta::days(400)).await.unwrap();
    assert_eq!(
        desk.rows("SELECT count(*) FROM pg_class WHERE relname ~ '^message_[0-9]+$'")
            .await,
        0
    );
    assert_eq!(desk.rows("SELECT count(*) FROM message_identity").await, 0);
}

#[tokio::test]
async fn one_tenants_old_messages_go_and_anothers_stay() {
    let mut desk = Desk::new().await;
    desk.arrive(&person(Some(PHONE), None), &["short-lived"]).await;
    let other = desk.world.tenant().await;
    let kept = other.linked_session(&desk.world.database).await;
    let path = format!("/v1/sessions/{kept}/messages");
    other.client.post(&path, text_message("kept")).await.expect(202);
    sqlx::query("UPDATE tenant SET quotas = '{\"message_days\": 10}' WHERE id = $1")
        .bind(desk.tenant.id.0)
        .execute(&desk.world.database.pool)
        .await
        .unwrap();
    desk.store
        .enforce_retention(Utc::now() + TimeDelta::days(9))
        .await
        .unwrap();
    assert_eq!(desk.texts("messages").await, ["short-lived"]);
    desk.store
        .enforce_retention(Utc::now() + TimeDelta::days(11))
        .await
        .unwrap();
    assert_eq!(desk.texts("messages").await, [""; 0]);
    let left = other.client.get(&path).await.expect(200).json;
    assert_eq!(left["data"][0]["text"]["body"], "kept");
    assert_eq!(desk.rows("SELECT count(*) FROM message_identity").await, 1);
}

#[tokio::test]
async fn a_tenant_sees_and_erases_nothing_of_another() {
    let mut desk = Desk::new().await;
    desk.arrive(&person(Some(PHONE), Some(LID)), &["secret"]).await;
    let other = desk.world.tenant().await;
    for path in [
        "chats",
        "statistics",
        &format!("chats/{PHONE}"),
        &format!("chats/{PHONE}/messages"),
    ] {
        let path = format!("/v1/sessions/{}/{path}", desk.session);
        other.client.get(&path).await.expect_problem("session_not_found");
    }
    let erase = format!("/v1/sessions/{}/contacts/{PHONE}/data", desk.session);
    other.client.delete(&erase).await.expect_problem("session_not_found");
    assert_eq!(desk.texts("messages").await, ["secret"]);
}
