//! A repeated request has one effect and one answer.

use futures::future::join_all;
use serde_json::json;

use crate::client::Answer;
use crate::gateway::{World, text_message};

fn replayed(answer: &Answer) -> bool {
    answer
        .headers
        .get("idempotency-replayed")
        .is_some_and(|value| value == "true")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_identical_requests_at_once_send_one_message() {
    let world = World::new().await;
    let second = world.second_gateway().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let path = format!("/v1/sessions/{session}/messages");
    let elsewhere = crate::client::Client::new(second.router.clone(), None);
    let (_, key) = world.key(&tenant.id.to_string(), json!({})).await;
    let clients = [tenant.client.clone(), elsewhere.with_key(&key)];

    let send = |index: usize| {
        let call = clients[index % 2]
            .call("POST", &path)
            .header("idempotency-key", "order-4711");
        tokio::spawn(call.json(&text_message("once")).send())
    };
    let answers: Vec<Answer> = join_all((0..20).map(send))
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();

    assert_eq!(world.database.count("command").await, 1);
    assert_eq!(world.database.count("message").await, 1);
    let mut accepted = Vec::new();
    for answer in answers {
        match answer.status.as_u16() {
            202 => accepted.push(answer),
            409 => drop(answer.expect_problem("idempotency_in_progress")),
            other => panic!("{other}: {}", answer.json),
        }
    }
    let first = accepted.iter().find(|answer| !replayed(answer)).unwrap().bytes.clone();
    assert!(
        accepted.iter().all(|answer| answer.bytes == first),
        "every answer is the first one, byte for byte"
    );
    assert_eq!(accepted.iter().filter(|answer| !replayed(answer)).count(), 1);

    let again = send(1).await.unwrap().expect(202);
    assert!(replayed(&again) && again.bytes == first);
}

#[tokio::test]
async fn the_same_key_with_another_request_is_a_conflict() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let path = format!("/v1/sessions/{session}/messages");
    let send = |path: &str, text: &str| {
        let call = tenant.client.call("POST", path).header("idempotency-key", "k1");
        call.json(&text_message(text)).send()
    };
    send(&path, "first").await.expect(202);
    send(&path, "second")
        .await
        .expect(422)
        .expect_problem("idempotency_conflict");
    let elsewhere = tenant.linked_session(&world.database).await;
    let other_path = format!("/v1/sessions/{elsewhere}/messages");
    send(&other_path, "first")
        .await
        .expect(422)
        .expect_problem("idempotency_conflict");
    assert_eq!(world.database.count("message").await, 1);

    let neighbour = world.tenant().await;
    let session = neighbour.linked_session(&world.database).await;
    let call = neighbour
        .client
        .call("POST", &format!("/v1/sessions/{session}/messages"));
    let own = call
        .header("idempotency-key", "k1")
        .json(&text_message("own"))
        .send()
        .await
        .expect(202);
    assert!(!replayed(&own), "another tenant's keys are its own");
}

#[tokio::test]
async fn a_refused_request_leaves_its_key_unused() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.session().await;
    let path = format!("/v1/sessions/{session}/messages");
    let send = |body: serde_json::Value| {
        let call = tenant.client.call("POST", &path).header("idempotency-key", "k1");
        call.json(&body).send()
    };
    send(json!({"to": "nobody"}))
        .await
        .expect(422)
        .expect_problem("validation_failed");
    send(text_message("a"))
        .await
        .expect(409)
        .expect_problem("session_not_paired");
    world.database.link(session).await;
    let sent = send(text_message("a")).await.expect(202);
    assert!(!replayed(&sent));
    assert_eq!(world.database.count("command").await, 1);
}

#[tokio::test]
async fn creating_and_commanding_can_be_repeated_too() {
    let world = World::new().await;
    let operator = world.operator();
    let create = |name: &str| {
        let call = operator
            .call("POST", "/v1/tenants")
            .header("idempotency-key", "tenant-1");
        call.json(&json!({"name": name})).send()
    };
    let tenant = create("Once Ltd.").await.expect(201);
    let again = create("Once Ltd.").await.expect(201);
    assert!(replayed(&again) && again.bytes == tenant.bytes);
    create("Twice Ltd.")
        .await
        .expect(422)
        .expect_problem("idempotency_conflict");
    assert_eq!(world.database.count("tenant").await, 1);

    let tenant = world.tenant().await;
    let session = tenant.session().await;
    let start = format!("/v1/sessions/{session}/start");
    let start = || {
        tenant
            .client
            .call("POST", &start)
            .header("idempotency-key", "start-1")
            .send()
    };
    let first = start().await.expect(202);
    let again = start().await.expect(202);
    assert!(replayed(&again));
    assert_eq!(first.text("/command_id"), again.text("/command_id"));
    assert_eq!(world.database.count("command").await, 1);
}

#[tokio::test]
async fn an_answer_that_shows_a_secret_is_kept_from_everybody_but_its_caller() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let (_, other_key) = world.key(&tenant.id.to_string(), json!({})).await;
    let create = |client: &crate::client::Client| {
        let call = client.call("POST", "/v1/webhooks").header("idempotency-key", "hook-1");
        call.json(&json!({"url": "https://shop.example/hook"})).send()
    };
    let created = create(&tenant.client).await.expect(201);
    let secret = created.text("/secret");
    let stored: Vec<Vec<u8>> = sqlx::query_scalar("SELECT body FROM idempotency_key")
        .fetch_all(&world.database.pool)
        .await
        .unwrap();
    assert_eq!(stored.len(), 1);
    let readable = String::from_utf8_lossy(&stored[0]);
    assert!(!readable.contains("whsec_") && !readable.contains(&secret));

    let again = create(&tenant.client).await.expect(201);
    assert!(replayed(&again) && again.text("/secret") == secret);
    let other = tenant.client.with_key(&other_key);
    create(&other).await.expect(422).expect_problem("idempotency_conflict");
    assert_eq!(world.database.count("webhook").await, 1);
}
