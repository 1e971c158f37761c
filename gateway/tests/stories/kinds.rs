//! Every kind of message as a gateway takes it, refuses it and stores it.

use serde_json::{Value, json};
use shared::command::{Command, SendMessage};
use shared::content::{Content, MessageKey};
use shared::ids::{MessageId, SessionId};
use shared::operation::{MessageOperation, Operation};

use crate::gateway::{Tenant, World, text_message};

/// A session that can send, and how.
struct Desk {
    world: World,
    tenant: Tenant,
    session: SessionId,
}

impl Desk {
    async fn new() -> Self {
        let world = World::new().await;
        let tenant = world.tenant().await;
        let session = tenant.linked_session(&world.database).await;
        Self { world, tenant, session }
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/sessions/{}/messages{rest}", self.session)
    }

    /// Sends and answers our id and what the worker is told.
    async fn accepted(&self, body: Value) -> (String, SendMessage) {
        let answer = self.tenant.client.post(&self.path(""), body).await.expect(202);
        (answer.text("/id"), self.last_sent().await)
    }

    async fn last_command(&self) -> Command {
        let payload: Vec<u8> =
            sqlx::query_scalar("SELECT payload FROM command WHERE session_id = $1 ORDER BY sequence DESC LIMIT 1")
                .bind(self.session.uuid)
                .fetch_one(&self.world.database.pool)
                .await
                .unwrap();
        Command::decode(&payload).unwrap()
    }

    async fn last_sent(&self) -> SendMessage {
        match self.last_command().await {
            Command::SendMessage(message) => *message,
            other => panic!("{other:?}"),
        }
    }

    /// A message as if it had arrived.
    async fn arrived(&self, chat: &str, sender: &str, content: &Value) -> MessageId {
        let id = MessageId::generate();
        let kind = content.as_object().unwrap().keys().next().unwrap();
        sqlx::query(
            "INSERT INTO message (id, tenant_id, session_id, wa_message_id, from_me, chat, sender, type, content, status, sent_at, details)
             VALUES ($1, $2, $3, $4, false, $5, $6, $7, $8, 'received', now(), '{\"forwarding_score\": 4}')",
        )
        .bind(id.0)
        .bind(self.tenant.id.0)
        .bind(self.session.uuid)
        .bind(format!("3EB0{}", id.0.simple()))
        .bind(chat)
        .bind(sender)
        .bind(kind)
        .bind(content)
        .execute(&self.world.database.pool)
        .await
        .unwrap();
        id
    }

    async fn refused(&self, body: &Value, fields: &[&str]) {
        let answer = self.tenant.client.post(&self.path(""), body.clone()).await;
        let answer = answer.expect_problem("validation_failed");
        let named: Vec<&str> = answer.json["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["field"].as_str().unwrap())
            .collect();
        assert_eq!(named, fields, "{body}: {}", answer.json);
    }
}

fn message(kind: &str, content: Value) -> Value {
    let mut body = json!({"to": "15550009999", "type": kind});
    body[kind] = content;
    body
}

const THEM: &str = "15550009999@s.whatsapp.net";
const GROUP: &str = "120363021033254949@g.us";

#[tokio::test]
async fn every_kind_reaches_the_worker_as_it_was_asked_for() {
    let desk = Desk::new().await;
    let event =
        json!({"name": "Walk", "starts_at": "2026-12-24T18:00:00Z", "canceled": false, "extra_guests_allowed": true});
    let kinds = [
        (
            "location",
            json!({"latitude": 52.5, "longitude": 13.25, "name": "Rookery"}),
        ),
        (
            "live_location",
            json!({"latitude": -52.5, "longitude": 179.5, "accuracy": 5}),
        ),
        (
            "poll",
            json!({"question": "Lunch?", "options": ["Yes", "No"], "max_choices": 1}),
        ),
        ("event", event),
        (
            "list",
            json!({"body": "Choose", "button": "Show", "sections": [{"title": "", "rows": [{"id": "1", "title": "Soup"}]}]}),
        ),
        (
            "buttons",
            json!({"body": "Sure?", "buttons": [{"id": "y", "title": "Yes"}, {"id": "", "title": "Shop", "url": "https://example.com/"}]}),
        ),
    ];
    for (kind, content) in kinds {
        let (id, sent) = desk.accepted(message(kind, content.clone())).await;
        assert_eq!(sent.content.kind(), kind);
        assert_eq!(sent.content.to_map()[kind], content);
        let stored = desk.tenant.client.get(&desk.path(&format!("/{id}"))).await.expect(200);
        assert_eq!(stored.text("/type"), kind);
        assert_eq!(stored.json[kind], content);
    }
    let (_, sent) = desk
        .accepted(message(
            "contacts",
            json!([{"name": "Ann", "phones": ["+1 555 000 1001"]}]),
        ))
        .await;
    let Content::Contacts(contacts) = sent.content else {
        panic!("{:?}", sent.content);
    };
    assert!(
        contacts.contacts[0]
            .vcard
            .as_deref()
            .unwrap()
            .contains("waid=15550001001")
    );
}

#[tokio::test]
async fn what_a_message_carries_beside_its_content_is_told_and_stored() {
    let desk = Desk::new().await;
    let picture = json!({"image": {"caption": "Rooks", "mime_type": "image/jpeg"}});
    let quoted = desk.arrived(THEM, THEM, &picture).await;
    let mut body = text_message("Hello @15550001002");
    body["to"] = json!(GROUP);
    body["context"] = json!({"message_id": quoted});
    body["mentions"] = json!(["15550001002"]);
    body["mention_all"] = json!(true);
    body["ephemeral"] = json!(86_400);
    let (id, sent) = desk.accepted(body).await;
    let quote = sent.quote.unwrap();
    assert_eq!(quote.text, "Rooks");
    assert_eq!(quote.content.unwrap().kind(), "image");
    assert!(sent.mention_all);
    assert_eq!(sent.ephemeral, 86_400);
    let stored = desk.tenant.client.get(&desk.path(&format!("/{id}"))).await.expect(200);
    assert_eq!(stored.json["context"]["quoted"], picture);
    assert_eq!(stored.text("/context/from/jid"), THEM);
    assert_eq!(stored.text("/mentions/0/phone"), "15550001002");
    assert_eq!(stored.json["mention_all"], true);
    assert_eq!(stored.json["ephemeral"], 86_400);
}

#[tokio::test]
async fn a_link_is_shown_as_the_request_says() {
    let desk = Desk::new().await;
    let preview = json!({"url": "https://example.com/", "title": "Example", "description": "A page"});
    let (_, sent) = desk
        .accepted(message(
            "text",
            json!({"body": "See https://example.com/", "preview": preview}),
        ))
        .await;
    assert_eq!(sent.content.to_map()["text"]["preview"], preview);
    // Nothing may be fetched from inside: the message goes out without a preview.
    let (_, sent) = desk
        .accepted(message(
            "text",
            json!({"body": "See http://127.0.0.1:1/", "preview_url": true}),
        ))
        .await;
    assert_eq!(sent.content, Content::text("See http://127.0.0.1:1/"));
}

#[tokio::test]
async fn bad_contents_are_refused_field_by_field() {
    let desk = Desk::new().await;
    let row = |id: &str| json!({"id": id, "title": "Soup"});
    for (kind, content, fields) in [
        (
            "location",
            json!({"latitude": 91, "longitude": -181, "url": "example.com"}),
            vec!["location.latitude", "location.longitude", "location.url"],
        ),
        (
            "live_location",
            json!({"latitude": 0, "longitude": 0, "heading": 361, "speed": -1}),
            vec!["live_location.heading", "live_location.speed"],
        ),
        ("contacts", json!([]), vec!["contacts"]),
        (
            "contacts",
            json!([{"name": "", "phones": ["12"], "vcard": "TEL:1"}]),
            vec!["contacts[0].name", "contacts[0].phones[0]", "contacts[0].vcard"],
        ),
        (
            "poll",
            json!({"question": "", "options": ["a"], "max_choices": 2}),
            vec!["poll.question", "poll.options", "poll.max_choices"],
        ),
        (
            "poll",
            json!({"question": "a", "options": ["a", "a"]}),
            vec!["poll.options[1]"],
        ),
        (
            "event",
            json!({"name": "a", "starts_at": "2026-12-24T18:00:00Z", "ends_at": "2026-12-24T17:00:00Z", "join_link": "x"}),
            vec!["event.ends_at", "event.join_link"],
        ),
        (
            "list",
            json!({"body": "", "button": "", "sections": []}),
            vec!["list.body", "list.button", "list.sections", "list.sections"],
        ),
        (
            "list",
            json!({"body": "a", "button": "b", "sections": [{"title": "x", "rows": [row("1"), row("1")]}, {"title": "", "rows": [row("2")]}]}),
            vec!["list.sections[0].rows[1].id", "list.sections[1].title"],
        ),
        (
            "buttons",
            json!({"body": "a", "buttons": [{"id": "", "title": "Yes"}, {"id": "x", "title": "No", "url": "https://a.b/", "copy_text": "c"}]}),
            vec!["buttons.buttons[0].id", "buttons.buttons[1]"],
        ),
        ("image", json!({}), vec!["image"]),
        (
            "image",
            json!({"link": "https://example.com/a.jpg", "base64": "AAAA", "voice": true, "thumbnail": "AAAA"}),
            vec!["image", "image.voice", "image.thumbnail"],
        ),
        (
            "audio",
            json!({"link": "https://example.com/a.ogg", "caption": "x", "gif": true, "mime_type": "ogg"}),
            vec!["audio.caption", "audio.mime_type", "audio.gif"],
        ),
        (
            "sticker",
            json!({"link": "https://example.com/a.webp", "view_once": true, "file_name": "a"}),
            vec!["sticker.file_name", "sticker.view_once"],
        ),
        (
            "reaction",
            json!({"message_id": MessageId::generate(), "emoji": "far too long for an emoji"}),
            vec!["reaction.emoji"],
        ),
        (
            "reaction",
            json!({"message_id": MessageId::generate(), "emoji": "\u{1F44D}"}),
            vec!["reaction.message_id"],
        ),
        (
            "forward",
            json!({"message_id": MessageId::generate()}),
            vec!["forward.message_id"],
        ),
        (
            "text",
            json!({"body": "a", "preview": {"url": "https://example.com/"}}),
            vec!["text.preview.url"],
        ),
    ] {
        desk.refused(&message(kind, content), &fields).await;
    }
    let mut everybody = text_message("a");
    everybody["mention_all"] = json!(true);
    desk.refused(&everybody, &["mention_all"]).await;
}

#[tokio::test]
async fn acts_name_the_other_message_and_go_where_it_is() {
    let desk = Desk::new().await;
    let theirs = desk
        .arrived(GROUP, "15550001003@s.whatsapp.net", &json!({"text": {"body": "Hi"}}))
        .await;
    let client = &desk.tenant.client;
    let at = |rest: &str| desk.path(&format!("/{theirs}{rest}"));
    let accepted = client
        .call("PUT", &at("/reaction"))
        .json(&json!({"emoji": "\u{1F44D}"}))
        .send()
        .await
        .expect(202);
    let sent = desk.last_sent().await;
    assert_eq!(sent.to, GROUP.parse().unwrap());
    let Content::Reaction(reaction) = &sent.content else {
        panic!("{:?}", sent.content);
    };
    assert_eq!(reaction.emoji, "\u{1F44D}");
    let key = MessageKey {
        wa_message_id: format!("3EB0{}", theirs.0.simple()),
        from_me: false,
        author: Some("15550001003@s.whatsapp.net".into()),
    };
    assert_eq!(reaction.message, key);
    client.delete(&at("/reaction")).await.expect(202);
    assert!(matches!(desk.last_sent().await.content, Content::Reaction(reaction) if reaction.emoji.is_empty()));
    client.post(&at("/pin"), json!({"seconds": 86_400})).await.expect(202);
    assert!(matches!(desk.last_sent().await.content, Content::Pin(pin) if pin.pinned && pin.seconds == Some(86_400)));
    client.delete(&at("/pin")).await.expect(202);
    assert!(matches!(desk.last_sent().await.content, Content::Pin(pin) if !pin.pinned));
    client.delete(&at("")).await.expect(202);
    assert!(matches!(desk.last_sent().await.content, Content::Revoke(revoke) if !revoke.message.from_me));

    // They are messages of their type, and no list shows them unless it is asked for them.
    let reaction = client
        .get(&desk.path(&format!("/{}", accepted.text("/id"))))
        .await
        .expect(200);
    assert_eq!(reaction.text("/type"), "reaction");
    let listed = client.get(&desk.path("")).await.expect(200);
    assert_eq!(listed.json["data"].as_array().unwrap().len(), 1);
    let reactions = client.get(&desk.path("?type=reaction")).await.expect(200);
    assert_eq!(reactions.json["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn edits_and_deletions_are_possible_where_whatsapp_shows_them() {
    let desk = Desk::new().await;
    let client = &desk.tenant.client;
    let (own, _) = desk.accepted(text_message("Helo")).await;
    let at = desk.path(&format!("/{own}"));
    client.patch(&at, json!({"text": {"body": "Hello"}})).await.expect(202);
    let Content::Edit(edit) = desk.last_sent().await.content else {
        panic!("an edit is an edit");
    };
    assert!(edit.message.from_me);
    assert_eq!(*edit.content, Content::text("Hello"));
    client
        .patch(&at, json!({"text": {"body": "a"}, "caption": "b"}))
        .await
        .expect_problem("validation_failed");
    client
        .patch(&at, json!({"text": {"body": ""}}))
        .await
        .expect_problem("validation_failed");
    client.delete(&at).await.expect(202);

    let theirs = desk.arrived(THEM, THEM, &json!({"text": {"body": "Hi"}})).await;
    let at = desk.path(&format!("/{theirs}"));
    for refused in [
        client.patch(&at, json!({"text": {"body": "a"}})).await,
        client.delete(&at).await,
    ] {
        refused.expect_problem("validation_failed");
    }
    sqlx::query("UPDATE message SET sent_at = now() - interval '21 minutes' WHERE session_id = $1")
        .bind(desk.session.uuid)
        .execute(&desk.world.database.pool)
        .await
        .unwrap();
    let late = desk.path(&format!("/{own}"));
    client
        .patch(&late, json!({"text": {"body": "too late"}}))
        .await
        .expect_problem("validation_failed");
    let unknown = desk.path(&format!("/{}", MessageId::generate()));
    client.delete(&unknown).await.expect_problem("message_not_found");
}

#[tokio::test]
async fn votes_and_answers_are_checked_against_what_was_asked() {
    let desk = Desk::new().await;
    let poll = json!({"poll": {"question": "Lunch?", "options": ["Yes", "No"], "max_choices": 1}});
    let poll = desk.arrived(THEM, THEM, &poll).await;
    let vote = |options: Value| message("poll_vote", json!({"message_id": poll, "options": options}));
    let (_, sent) = desk.accepted(vote(json!(["No"]))).await;
    assert!(matches!(sent.content, Content::PollVote(vote) if vote.options == ["No"]));
    desk.accepted(vote(json!([]))).await;
    desk.refused(&vote(json!(["Maybe"])), &["poll_vote.options[0]"]).await;
    desk.refused(&vote(json!(["Yes", "No"])), &["poll_vote.options"]).await;
    let event = json!({"event": {"name": "Walk", "starts_at": "2026-12-24T18:00:00Z"}});
    let event = desk.arrived(THEM, THEM, &event).await;
    let answer = |id: MessageId, guests: u32| {
        message(
            "event_response",
            json!({"message_id": id, "response": "going", "extra_guests": guests}),
        )
    };
    let (_, sent) = desk.accepted(answer(event, 0)).await;
    assert!(matches!(sent.content, Content::EventResponse(answer) if answer.response == "going"));
    desk.refused(&answer(event, 1), &["event_response.extra_guests"]).await;
    desk.refused(&answer(poll, 0), &["event_response.message_id"]).await;
}

#[tokio::test]
async fn a_forwarded_message_counts_how_often_it_was_passed_on() {
    let desk = Desk::new().await;
    let theirs = desk.arrived(THEM, THEM, &json!({"text": {"body": "Hi"}})).await;
    let (_, sent) = desk.accepted(message("forward", json!({"message_id": theirs}))).await;
    assert_eq!(sent.content, Content::text("Hi"));
    assert_eq!(sent.forwarding_score, 5);
    let unsupported = desk.arrived(THEM, THEM, &json!({"unsupported": {}})).await;
    desk.refused(
        &message("forward", json!({"message_id": unsupported})),
        &["forward.message_id"],
    )
    .await;
    let away = json!({"image": {"mime_type": "image/jpeg", "status": "pending"}});
    let away = desk.arrived(THEM, THEM, &away).await;
    desk.refused(
        &message("forward", json!({"message_id": away})),
        &["forward.message_id"],
    )
    .await;
}

#[tokio::test]
async fn marks_become_operations() {
    let desk = Desk::new().await;
    let client = &desk.tenant.client;
    let author = "15550001003@s.whatsapp.net";
    let theirs = desk.arrived(GROUP, author, &json!({"text": {"body": "Hi"}})).await;
    for (method, mark) in [
        ("POST", "read"),
        ("POST", "played"),
        ("POST", "star"),
        ("DELETE", "star"),
    ] {
        client
            .call(method, &desk.path(&format!("/{theirs}/{mark}")))
            .header("prefer", "wait=0")
            .send()
            .await
            .expect(202);
        let Command::Operation(Operation::Message(operation)) = desk.last_command().await else {
            panic!("{mark} is an operation");
        };
        let authors = match (mark, operation) {
            ("read", MessageOperation::Read { messages, .. })
            | ("played", MessageOperation::Played { messages, .. }) => messages,
            ("star", MessageOperation::Star { message, starred, .. }) if starred == (method == "POST") => {
                vec![message]
            }
            (_, other) => panic!("{other:?}"),
        };
        assert_eq!(authors[0].author.as_deref(), Some(author));
    }
    let (own, _) = desk.accepted(text_message("Hello")).await;
    client
        .post(&desk.path(&format!("/{own}/read")), json!({}))
        .await
        .expect_problem("validation_failed");
}
