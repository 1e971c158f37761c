//! Status posts as clients read and post them. WhatsApp is not part of these stories.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use shared::address::Party;
use shared::ids::{MessageId, StatusId};
use shared::message::{MessageStatus, text_content};
use shared::store::read_model::{Change, NewStatus, StatusChange};

use crate::gateway::World;
use crate::groups::{record, store_of_a_worker};

fn person(last: &str) -> Party {
    Party {
        jid: format!("1555000{last}@s.whatsapp.net"),
        phone: Some(format!("1555000{last}")),
        lid: Some(format!("10000000000{last}")),
    }
}

fn posted(wa_message_id: &str, author: &str, hours_ago: i64) -> (StatusId, Change) {
    let id = StatusId::generate();
    let post = NewStatus {
        id,
        wa_message_id: wa_message_id.to_owned(),
        from_me: false,
        author: person(author),
        kind: "text".to_owned(),
        content: text_content("at work"),
        posted_at: Utc::now() - TimeDelta::hours(hours_ago),
    };
    (id, Change::Status(StatusChange::Posted(Box::new(post))))
}

fn ids(answer: &Value) -> Vec<String> {
    let posts = answer["data"].as_array().unwrap();
    posts
        .iter()
        .map(|post| post["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn posts_of_others_are_listed_until_they_expire_and_forgotten_when_taken_back() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    world.database.hold(session).await;
    let store = store_of_a_worker(&world);
    let (old, old_post) = posted("A1", "1001", 25);
    let (new, new_post) = posted("A2", "1001", 1);
    let (other, other_post) = posted("A3", "1002", 1);
    record(&store, session, vec![old_post, new_post.clone(), other_post]).await;
    // Told again, and taken back by somebody who is not its author: nothing happens.
    let foreign_revocation = Change::Status(StatusChange::Revoked {
        wa_message_id: "A2".to_owned(),
        from_me: false,
        author: person("1002"),
        at: Utc::now(),
    });
    record(&store, session, vec![new_post, foreign_revocation]).await;

    let path = format!("/v1/sessions/{session}/statuses");
    let all = tenant.client.get(&path).await.expect(200);
    assert_eq!(ids(&all.json), [other, new, old].map(|id| id.to_string()));
    let active = tenant.client.get(&format!("{path}/active")).await.expect(200);
    assert_eq!(
        ids(&active.json),
        [other, new].map(|id| id.to_string()),
        "a day has passed"
    );
    let by_lid = tenant
        .client
        .get(&format!("{path}?author=100000000001002@lid"))
        .await
        .expect(200);
    assert_eq!(ids(&by_lid.json), [other.to_string()]);
    let page = tenant.client.get(&format!("{path}?limit=2")).await.expect(200);
    let rest = format!("{path}?limit=2&cursor={}", page.text("/next_cursor"));
    assert_eq!(ids(&tenant.client.get(&rest).await.expect(200).json), [old.to_string()]);

    let revoked = Change::Status(StatusChange::Revoked {
        wa_message_id: "A2".to_owned(),
        from_me: false,
        author: person("1001"),
        at: Utc::now(),
    });
    let seen = Change::Status(StatusChange::Seen {
        wa_message_id: "A3".to_owned(),
        at: Utc::now(),
    });
    let liked = Change::Status(StatusChange::OwnReaction {
        wa_message_id: "A3".to_owned(),
        emoji: "\u{1F44D}".to_owned(),
    });
    record(&store, session, vec![revoked, seen, liked]).await;
    let gone = tenant.client.get(&format!("{path}/{new}")).await.expect(200).json;
    assert_eq!(
        (&gone["text"], &gone["type"]),
        (&json!({}), &json!("text")),
        "its content is gone"
    );
    assert!(gone["revoked_at"].is_string());
    let seen = tenant.client.get(&format!("{path}/{other}")).await.expect(200).json;
    assert!(seen["viewed_at"].is_string());
    assert_eq!(seen["reaction"], "\u{1F44D}");

    // Housekeeping forgets what expired a week ago, and a removed session everything.
    let aged = "UPDATE status_post SET expires_at = now() - interval '8 days' WHERE id = $1";
    world.database.change(aged, old.0).await;
    store.clean_up().await.unwrap();
    tenant
        .client
        .get(&format!("{path}/{old}"))
        .await
        .expect(404)
        .expect_problem("status_not_found");
    assert!(store.remove_session(session, 1).await.unwrap());
    assert_eq!(world.database.count("status_post").await, 0);
}

#[tokio::test]
async fn an_own_post_is_durable_when_accepted_and_shows_who_has_seen_it() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    world.database.hold(session).await;
    let store = store_of_a_worker(&world);
    let path = format!("/v1/sessions/{session}/statuses");
    let body = json!({
        "type": "text",
        "text": {"body": "Open", "background": "#102030", "font": 7},
        "audience": {"mode": "allow", "people": ["15550001001", "15550001002"]},
    });
    let post = || tenant.client.call("POST", &path).header("idempotency-key", "open");
    let accepted = post().json(&body).send().await.expect(202);
    let again = post().json(&body).send().await.expect(202);
    assert_eq!(again.text("/id"), accepted.text("/id"), "posted once");
    assert_eq!(
        (&accepted.json["audience"], &accepted.json["status"]),
        (&json!(2), &json!("queued"))
    );
    assert_eq!(world.database.count("command").await, 1);
    assert_eq!(
        world.database.count("message").await,
        0,
        "a post is no message of a conversation"
    );

    let wa_message_id = accepted.text("/wa_message_id");
    let viewed = |last: &str| {
        Change::Status(StatusChange::Viewed {
            wa_message_id: wa_message_id.clone(),
            viewer: person(last),
            at: Utc::now(),
        })
    };
    let changes = vec![
        Change::Status(StatusChange::Progress {
            wa_message_id: wa_message_id.clone(),
            status: MessageStatus::Sent,
            error: None,
        }),
        viewed("1001"),
        viewed("1001"),
        viewed("1002"),
        Change::Status(StatusChange::Reacted {
            wa_message_id: wa_message_id.clone(),
            viewer: person("1002"),
            emoji: "\u{1F44D}".to_owned(),
        }),
    ];
    record(&store, session, changes).await;
    let id = accepted.text("/id");
    let read = tenant.client.get(&format!("{path}/{id}")).await.expect(200).json;
    assert_eq!((&read["status"], &read["views"]), (&json!("sent"), &json!(2)));
    assert_eq!(read["text"]["style"]["background"], "#102030");
    let viewers: Vec<(&str, Option<&str>)> = read["viewers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|viewer| (viewer["phone"].as_str().unwrap(), viewer["reaction"].as_str()))
        .collect();
    assert_eq!(viewers, [("15550001001", None), ("15550001002", Some("\u{1F44D}"))]);
    let known = store
        .known_messages(session, std::slice::from_ref(&wa_message_id))
        .await
        .unwrap();
    let own: StatusId = id.parse().unwrap();
    assert_eq!(
        known.own(&wa_message_id),
        Some(MessageId(own.0)),
        "receipts find the post"
    );

    // An own post is neither viewed nor liked by its author.
    let view = tenant.client.post(&format!("{path}/{id}/view"), json!({})).await;
    assert_eq!(view.expect(422).json["errors"][0]["field"], "status_id");
    let like = tenant.client.call("PUT", &format!("{path}/{id}/reaction"));
    like.json(&json!({"emoji": "\u{1F44D}"})).send().await.expect(422);
}

#[tokio::test]
async fn a_post_for_nobody_is_refused() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let path = format!("/v1/sessions/{session}/statuses");
    let text = json!({"body": "Open"});
    for (audience, field) in [
        (json!({"mode": "contacts"}), "audience"),
        (json!({"mode": "allow"}), "audience.people"),
        (json!({"mode": "except", "people": ["15550001001"]}), "audience"),
        (json!({"mode": "everybody"}), "audience.mode"),
    ] {
        let body = json!({"type": "text", "text": text, "audience": audience});
        let answer = tenant.client.post(&path, body).await.expect(422);
        assert_eq!(answer.json["errors"][0]["field"], field, "{}", answer.json);
    }
    // Whom the account writes to is not in its address book; and of those who are, the blocked ones see nothing.
    let message = json!({"to": "15550001001", "type": "text", "text": {"body": "Hello"}});
    let messages = format!("/v1/sessions/{session}/messages");
    tenant.client.post(&messages, message).await.expect(202);
    for (phone, lid, name, blocked) in [
        (Some("15550001001"), None, None, false),
        (Some("15550001002"), Some("100000000001002"), Some("Carla"), false),
        (None, Some("100000000001003"), Some("Dora"), false),
        (Some("15550001004"), None, Some("Emil"), true),
    ] {
        sqlx::query(
            "INSERT INTO contact (id, tenant_id, session_id, phone, lid, name, is_blocked) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(uuid::Uuid::now_v7())
        .bind(tenant.id.0)
        .bind(session.uuid)
        .bind(phone)
        .bind(lid)
        .bind(name)
        .bind(blocked)
        .execute(&world.database.pool)
        .await
        .unwrap();
    }
    for (audience, people) in [
        (json!({}), vec!["15550001002@s.whatsapp.net", "100000000001003@lid"]),
        (
            json!({"mode": "except", "people": ["100000000001002@lid"]}),
            vec!["100000000001003@lid"],
        ),
        (
            json!({"mode": "except", "people": ["100000000001003@lid", "15550001009"]}),
            vec!["15550001002@s.whatsapp.net"],
        ),
    ] {
        let body = json!({"type": "text", "text": text, "audience": audience});
        let answer = tenant.client.post(&path, body).await.expect(202);
        assert_eq!(answer.json["audience"], people.len(), "{audience}");
        let stored: Value = sqlx::query_scalar("SELECT audience FROM status_post ORDER BY id DESC LIMIT 1")
            .fetch_one(&world.database.pool)
            .await
            .unwrap();
        assert_eq!(stored, json!(people), "{audience}");
    }
}
