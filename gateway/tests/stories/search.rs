//! Searches that go further back than what is looked through one by one: they are answered by the index of words, below row-level security.

use chrono::{TimeDelta, Utc};
use serde_json::json;
use shared::ids::SessionId;
use shared::message::{Message, text_content};
use shared::store::read_model::{Change, ChatState, MessageChange, MessageChanged, MessageTarget};
use shared::store::records::Facts;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::chats::{Desk, person};
use crate::gateway::text_message;

const FRIEND: &str = "15550002001";
const COLLEAGUE: &str = "15550002002";
const NEIGHBOUR: &str = "15550002003";
const STRANGER: &str = "15550002004";
/// More than a search looks through one by one, in a session and in a chat.
const MANY: usize = 600;
const MANY_IN_ONE_CHAT: usize = 2_100;

/// Messages of somebody else, after which everything before is old.
async fn much_later(desk: &mut Desk) {
    let chatter: Vec<String> = (0..MANY).map(|number| format!("chatter {number}")).collect();
    let texts: Vec<&str> = chatter.iter().map(String::as_str).collect();
    desk.arrive(&person(Some("15550002999"), None), &texts).await;
}

async fn becomes(desk: &Desk, message: &Message, what: MessageChanged) {
    let target = MessageTarget {
        wa_message_id: message.wa_message_id.clone(),
        from_me: false,
        chat: message.chat.clone(),
        author: Some(message.from.clone()),
    };
    let facts = Facts {
        changes: vec![Change::Message(MessageChange { target, what })],
        ..Facts::default()
    };
    desk.record(&facts).await;
}

/// Every page of a search.
async fn pages(desk: &Desk, path: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = desk.get(&format!("{path}{cursor}")).await;
        let texts = page["data"].as_array().unwrap().iter();
        pages.push(
            texts
                .map(|message| message["text"]["body"].as_str().unwrap().to_owned())
                .collect(),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn old_messages_are_found_by_their_words_until_they_are_gone() {
    let mut desk = Desk::new().await;
    let [friend, colleague, neighbour, stranger] =
        [FRIEND, COLLEAGUE, NEIGHBOUR, STRANGER].map(|phone| person(Some(phone), None));
    let old = desk
        .arrive(&friend, &["parcel kept", "parcel revoked", "parcel edited"])
        .await;
    desk.arrive(&colleague, &["parcel cleared"]).await;
    desk.arrive(&neighbour, &["parcel deleted"]).await;
    desk.arrive(&stranger, &["parcel erased"]).await;
    much_later(&mut desk).await;
    desk.arrive(&friend, &["parcel new"]).await;

    let mut found = vec![
        "parcel new",
        "parcel erased",
        "parcel deleted",
        "parcel cleared",
        "parcel edited",
        "parcel revoked",
        "parcel kept",
    ];
    assert_eq!(desk.texts("messages?search=parcel").await, found);
    assert_eq!(
        pages(&desk, "messages?search=parc&limit=3").await,
        found.chunks(3).map(<[&str]>::to_vec).collect::<Vec<_>>()
    );
    assert_eq!(desk.texts("messages?search=parcel+cleared").await, ["parcel cleared"]);
    assert_eq!(
        desk.texts(&format!("messages?search=parcel&chat={FRIEND}&limit=1"))
            .await,
        ["parcel new"]
    );
    assert_eq!(desk.texts("messages?search=parcel&unread=true").await, found);
    assert_eq!(desk.texts("messages?search=parcel&from_me=true").await, [""; 0]);
    assert_eq!(
        pages(&desk, "messages?search=chatter&limit=100").await.len(),
        MANY / 100
    );

    let mut gone = |text| found.retain(|found| *found != text);
    becomes(&desk, &old[1], MessageChanged::Revoked { at: Utc::now() }).await;
    gone("parcel revoked");
    let content = text_content("letter instead");
    becomes(
        &desk,
        &old[2],
        MessageChanged::Edited {
            content,
            at: Utc::now(),
        },
    )
    .await;
    gone("parcel edited");
    desk.change(&colleague, ChatState::Cleared).await;
    gone("parcel cleared");
    desk.change(&neighbour, ChatState::Deleted).await;
    gone("parcel deleted");
    let path = format!("/v1/sessions/{}/contacts/{STRANGER}/data", desk.session);
    let erased = desk.tenant.client.delete(&path).await.expect(200).json;
    assert_eq!((&erased["messages"], &erased["more"]), (&json!(1), &json!(false)));
    gone("parcel erased");
    assert_eq!(desk.texts("messages?search=parcel").await, found);
    assert_eq!(desk.texts("messages?search=letter").await, ["letter instead"]);

    sqlx::query("UPDATE tenant SET quotas = '{\"message_days\": 10}'")
        .execute(&desk.world.database.pool)
        .await
        .unwrap();
    let later = Utc::now() + TimeDelta::days(11);
    desk.store.enforce_retention(later).await.unwrap();
    assert_eq!(desk.texts("messages?search=parcel").await, [""; 0]);
    assert_eq!(desk.texts("messages?search=chatter").await, [""; 0]);
}

#[tokio::test]
async fn a_search_in_a_long_chat_finds_what_is_old_and_nothing_of_other_chats() {
    let mut desk = Desk::new().await;
    let friend = person(Some(FRIEND), None);
    desk.arrive(&friend, &["parcel of a friend"]).await;
    desk.arrive(&person(Some(COLLEAGUE), None), &["parcel of a colleague"])
        .await;
    let chatter: Vec<String> = (0..MANY_IN_ONE_CHAT)
        .map(|number| format!("chatter {number}"))
        .collect();
    let texts: Vec<&str> = chatter.iter().map(String::as_str).collect();
    desk.arrive(&friend, &texts).await;
    let path = format!("messages?chat={FRIEND}&search=");
    assert_eq!(desk.texts(&format!("{path}parcel")).await, ["parcel of a friend"]);
    assert_eq!(desk.texts(&format!("{path}chatter+7")).await, ["chatter 7"]);
    assert_eq!(desk.texts(&format!("{path}nothing")).await, [""; 0]);
}

/// How many messages somebody sees who looks for `word` in `session`.
async fn seen(connection: &mut PgConnection, tenant: &str, session: SessionId, word: &str) -> i64 {
    let mut transaction = connection.begin().await.unwrap();
    sqlx::query("SELECT set_config('rookery.tenant', $1, true), set_config('rookery.words', COALESCE(message_query($2, $3), ''), true)")
        .bind(tenant)
        .bind(session.uuid)
        .bind(word)
        .execute(&mut *transaction)
        .await
        .unwrap();
    let seen = sqlx::query_scalar("SELECT count(*) FROM message_found")
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    seen
}

#[tokio::test]
async fn a_search_shows_nobody_elses_messages_whatever_the_statement_says() {
    let mut desk = Desk::new().await;
    desk.arrive(&person(Some(FRIEND), None), &["parcel of ours", "letter of ours"])
        .await;
    let other = desk.world.tenant().await;
    let theirs = other.linked_session(&desk.world.database).await;
    let path = format!("/v1/sessions/{theirs}/messages");
    other
        .client
        .post(&path, text_message("parcel of theirs"))
        .await
        .expect(202);

    // The first wall: what a tenant asks for.
    assert_eq!(desk.texts("messages?search=parcel").await, ["parcel of ours"]);
    let found = other.client.get(&format!("{path}?search=parcel")).await.expect(200);
    assert_eq!(found.json["data"].as_array().unwrap().len(), 1);
    assert_eq!(found.text("/data/0/text/body"), "parcel of theirs");
    let ours = format!("/v1/sessions/{}/messages?search=parcel", desk.session);
    other.client.get(&ours).await.expect_problem("session_not_found");

    // The second: what the database shows, even to a statement without any condition.
    let mut connection = desk.world.database.connection_for_nobody().await;
    let (we, they) = (desk.tenant.id.0.to_string(), other.id.0.to_string());
    assert_eq!(seen(&mut connection, &we, desk.session, "parcel").await, 1);
    assert_eq!(seen(&mut connection, &they, desk.session, "parcel").await, 0);
    assert_eq!(seen(&mut connection, &they, theirs, "parcel").await, 1);
    assert_eq!(seen(&mut connection, &we, theirs, "parcel").await, 0);
    assert_eq!(seen(&mut connection, "", desk.session, "parcel").await, 0);
    assert_eq!(
        seen(&mut connection, &we, desk.session, "").await,
        0,
        "who looks for nothing"
    );
    let leaves: Vec<String> = sqlx::query_scalar("SELECT relid::text FROM pg_partition_tree('message') WHERE isleaf")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    for leaf in leaves {
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {leaf}")))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(rows, 0, "{leaf}");
    }

    // A session that is removed leaves no words behind.
    assert_eq!(seen(&mut connection, "*", desk.session, "parcel").await, 1);
    assert!(desk.store.remove_session(desk.session, 1).await.unwrap());
    assert_eq!(seen(&mut connection, "*", desk.session, "parcel").await, 0);
    assert_eq!(seen(&mut connection, "*", theirs, "parcel").await, 1);
}
