//! Sending and reading messages.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use shared::command::{Command, Envelope};
use shared::content::Content;
use shared::ids::{CommandId, MessageId, SessionId};
use tokio::time::Instant;

use crate::gateway::{Tenant, World, text_message};
use harness::wait::{SOON, until};

async fn send(tenant: &Tenant, session: SessionId, body: Value) -> crate::client::Answer {
    tenant
        .client
        .post(&format!("/v1/sessions/{session}/messages"), body)
        .await
}

/// The stored commands of a session, in order.
async fn commands(world: &World, session: SessionId) -> Vec<(i64, Command)> {
    let rows: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT sequence, payload FROM command WHERE session_id = $1 ORDER BY sequence")
            .bind(session.uuid)
            .fetch_all(&world.database.pool)
            .await
            .unwrap();
    rows.into_iter()
        .map(|(sequence, payload)| (sequence, Command::decode(&payload).unwrap()))
        .collect()
}

/// Waits until a command of the session waits for its worker.
async fn queued_command(world: &World, session: SessionId) -> CommandId {
    until("a command is queued", SOON, async || {
        let id: Option<uuid::Uuid> = sqlx::query_scalar(
            "SELECT id FROM command WHERE session_id = $1 AND status = 'queued' ORDER BY sequence LIMIT 1",
        )
        .bind(session.uuid)
        .fetch_optional(&world.database.pool)
        .await
        .unwrap();
        id.map(CommandId)
    })
    .await
}

#[tokio::test]
async fn an_accepted_message_is_a_row_with_the_id_that_whatsapp_will_see() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let accepted = send(&tenant, session, text_message("Hello \u{1F426}"))
        .await
        .expect(202);
    assert_eq!(accepted.text("/status"), "queued");
    assert_eq!(accepted.text("/to/jid"), "15550009999@s.whatsapp.net");
    let wa_message_id = accepted.text("/wa_message_id");
    assert!(wa_message_id.starts_with("3EB0") && wa_message_id.len() == 22);

    let stored = commands(&world, session).await;
    let [(1, Command::SendMessage(message))] = stored.as_slice() else {
        panic!("{stored:?}");
    };
    assert_eq!(message.wa_message_id, wa_message_id);
    assert_eq!(message.message_id.to_string(), accepted.text("/id"));
    assert_eq!(message.content, Content::text("Hello \u{1F426}"));

    let path = format!("/v1/sessions/{session}/messages/{}", accepted.text("/id"));
    let message = tenant.client.get(&path).await.expect(200);
    assert_eq!(message.text("/text/body"), "Hello \u{1F426}");
    assert_eq!(message.text("/from/jid"), "15550001001@s.whatsapp.net");
    assert_eq!(message.text("/from/lid"), "100000000001001");
    assert_eq!(message.text("/chat/phone"), "15550009999");
    assert_eq!(
        (message.text("/type"), message.text("/status")),
        ("text".into(), "queued".into())
    );
    assert_eq!(message.json["from_me"], true);

    let command = tenant
        .client
        .get(&format!("/v1/commands/{}", accepted.text("/command_id")))
        .await
        .expect(200);
    assert_eq!(
        (command.text("/kind"), command.text("/status")),
        ("message.send".into(), "queued".into())
    );
    assert_eq!(command.text("/session_id"), session.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_of_one_session_are_numbered_without_gaps_whatever_fails_between() {
    let world = World::new().await;
    let second = world.second_gateway().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let (_, key) = world.key(&tenant.id.to_string(), json!({})).await;
    let clients = [
        tenant.client.clone(),
        crate::client::Client::new(second.router.clone(), Some(&key)),
    ];
    let path = format!("/v1/sessions/{session}/messages");
    let sends = (0..30).map(|number| {
        // Every third one answers a message that does not exist: refused after its number was taken.
        let mut body = text_message(&format!("number {number}"));
        if number % 3 == 0 {
            body["context"] = json!({"message_id": MessageId::generate()});
        }
        let call = clients[number % 2].call("POST", &path).json(&body);
        tokio::spawn(call.send())
    });
    let accepted = join_all(sends)
        .await
        .into_iter()
        .filter(|answer| answer.as_ref().unwrap().status == 202)
        .count();
    assert_eq!(accepted, 20);
    let numbers: Vec<i64> = commands(&world, session)
        .await
        .into_iter()
        .map(|(number, _)| number)
        .collect();
    assert_eq!(numbers, (1..=20).collect::<Vec<i64>>());
}

#[tokio::test]
async fn a_client_that_waits_gets_the_message_once_whatsapp_has_it() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let path = format!("/v1/sessions/{session}/messages");
    let waiting = || {
        let call = tenant
            .client
            .call("POST", &path)
            .header("prefer", "wait=10")
            .header("idempotency-key", "k1");
        call.json(&text_message("wait")).send()
    };
    let worker = async {
        let command = queued_command(&world, session).await;
        world
            .database
            .change("UPDATE message SET status = 'sent' WHERE session_id = $1", session.uuid)
            .await;
        world.database.finish_command(command, None, None).await;
    };
    let (answer, ()) = tokio::join!(waiting(), worker);
    let answer = answer.expect(200);
    assert_eq!(answer.text("/status"), "sent");
    assert_eq!(answer.headers["preference-applied"], "wait=10");

    let again = waiting().await.expect(200);
    assert_eq!(
        again.text("/id"),
        answer.text("/id"),
        "a repeat waits for the same message"
    );
    assert_eq!(commands(&world, session).await.len(), 1);
}

#[tokio::test]
async fn a_client_that_waits_learns_why_a_message_failed() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let path = format!("/v1/sessions/{session}/messages");
    let call = tenant
        .client
        .call("POST", &path)
        .header("prefer", "wait=10")
        .json(&text_message("a"));
    let worker = async {
        let command = queued_command(&world, session).await;
        let error = ("not_on_whatsapp", "15550009999 does not use WhatsApp.");
        world.database.finish_command(command, Some(error), None).await;
    };
    let (answer, ()) = tokio::join!(call.send(), worker);
    let problem = answer.expect(422).expect_problem("not_on_whatsapp");
    assert_eq!(problem.text("/detail"), "15550009999 does not use WhatsApp.");
}

#[tokio::test]
async fn a_client_whose_patience_ends_has_an_accepted_message() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let path = format!("/v1/sessions/{session}/messages");
    let began = Instant::now();
    let call = tenant
        .client
        .call("POST", &path)
        .header("prefer", "wait=1")
        .json(&text_message("a"));
    let answer = call.send().await.expect(202);
    assert_eq!(answer.text("/status"), "queued");
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_session_that_is_offline_for_a_while_accepts() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    world
        .database
        .change("UPDATE session SET status = 'disconnected' WHERE id = $1", session.uuid)
        .await;
    send(&tenant, session, text_message("later")).await.expect(202);
}

#[tokio::test]
async fn an_answer_quotes_what_it_answers() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let first = send(&tenant, session, text_message("question")).await.expect(202);
    let mut body = text_message("answer");
    body["context"] = json!({"message_id": first.text("/id")});
    body["mentions"] = json!(["15550001002@c.us", "100000000001003@lid"]);
    let second = send(&tenant, session, body).await.expect(202);

    let stored = commands(&world, session).await;
    let (2, Command::SendMessage(message)) = &stored[1] else {
        panic!("{stored:?}");
    };
    let quote = message.quote.as_ref().unwrap();
    assert_eq!(quote.wa_message_id, first.text("/wa_message_id"));
    assert_eq!(quote.text, "question");
    assert_eq!(quote.author.to_string(), "15550001001@s.whatsapp.net");
    assert_eq!(message.mentions.len(), 2);
    let path = format!("/v1/sessions/{session}/messages/{}", second.text("/id"));
    let shown = tenant.client.get(&path).await.expect(200);
    assert_eq!(shown.text("/context/wa_message_id"), first.text("/wa_message_id"));
}

#[tokio::test]
async fn messages_are_listed_newest_first_and_filtered() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let mut ids = Vec::new();
    for to in [
        "15550002001",
        "15550002002",
        "15550002001",
        "100000000002003@lid",
        "120363021033254949@g.us",
    ] {
        let mut body = text_message("hello");
        body["to"] = json!(to);
        ids.insert(0, send(&tenant, session, body).await.expect(202).text("/id"));
    }
    sqlx::query(
        "UPDATE message SET from_me = false, status = 'received', sent_at = '2026-01-01T00:00:00Z' WHERE id = $1",
    )
    .bind(ids[0].parse::<MessageId>().unwrap().0)
    .execute(&world.database.pool)
    .await
    .unwrap();
    let list = async |query: &str| {
        let path = format!("/v1/sessions/{session}/messages?{query}");
        let page = tenant.client.get(&path).await.expect(200).json;
        let found: Vec<String> = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["id"].as_str().unwrap().to_owned())
            .collect();
        (found, page["next_cursor"].as_str().map(str::to_owned))
    };
    assert_eq!(list("").await.0, ids);
    let (first_page, cursor) = list("limit=3").await;
    assert_eq!(first_page, ids[..3]);
    assert_eq!(
        list(&format!("limit=3&cursor={}", cursor.unwrap())).await,
        (ids[3..].to_vec(), None)
    );
    assert_eq!(list("chat=15550002001").await.0, [ids[2].clone(), ids[4].clone()]);
    assert_eq!(list("chat=%2B1%20555%20000%202002").await.0, ids[3..4]);
    assert_eq!(list("chat=100000000002003@lid").await.0, ids[1..2]);
    assert_eq!(list("chat=120363021033254949@g.us&from_me=false").await.0, ids[..1]);
    assert_eq!(list("until=2026-06-01T00:00:00Z").await.0, ids[..1]);
    assert_eq!(list("since=2026-06-01T00:00:00Z").await.0, ids[1..]);
    assert!(list("type=image").await.0.is_empty());
    assert_eq!(list("type=text").await.0.len(), 5);
}

/// What the gateway hands to the broker must be what a worker reads: the row's bytes with their place.
#[test]
fn an_envelope_survives_its_journey() {
    let envelope = Envelope {
        id: CommandId::generate(),
        tenant: shared::ids::TenantId::generate(),
        session: SessionId::generate("story".parse().unwrap()),
        sequence: 7,
        command: Command::Restart,
    };
    assert_eq!(Envelope::decode(&envelope.encode()).unwrap(), envelope);
}
