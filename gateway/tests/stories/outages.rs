//! The database goes away and comes back.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::client::Answer;
use crate::gateway::{Gateway, Options, World, text_message};
use harness::scratch::Proxy;
use harness::wait::{SOON, until};

/// How soon a request must be answered when the database is away.
const ANSWERED_WITHIN: Duration = Duration::from_secs(4);

struct Story {
    world: World,
    /// A gateway whose database is behind the proxy.
    behind: Gateway,
    proxy: Proxy,
}

async fn story() -> Story {
    let world = World::new().await;
    let proxy = Proxy::start(world.database.address()).await;
    let options = Options {
        database_port: Some(proxy.port),
        ..Options::default()
    };
    let behind = Gateway::start(&world.database, &world.region_key, options).await;
    Story { world, behind, proxy }
}

#[tokio::test]
async fn every_kind_of_request_is_answered_while_the_database_is_away_and_works_again_afterwards() {
    let story = story().await;
    let tenant = story.world.tenant().await;
    let session = tenant.linked_session(&story.world.database).await;
    let (_, key) = story.world.key(&tenant.id.to_string(), json!({})).await;
    let client = story.behind.operator().with_key(&key);
    let operator = story.behind.operator();
    client.get("/v1/sessions").await.expect(200);

    for away in [Proxy::cut as fn(&Proxy), Proxy::freeze] {
        away(&story.proxy);
        let began = Instant::now();
        let send = format!("/v1/sessions/{session}/messages");
        let answers: Vec<Answer> = futures::future::join_all([
            client.call("GET", "/v1/sessions").send(),
            client.call("POST", &send).json(&text_message("a")).send(),
            client
                .call("POST", &send)
                .header("prefer", "wait=20")
                .json(&text_message("a"))
                .send(),
            client
                .call("GET", &format!("/v1/sessions/{session}/qr"))
                .header("prefer", "wait=20")
                .send(),
            client.call("POST", "/v1/sessions").json(&json!({"name": "a"})).send(),
            client.call("GET", "/v1/events").send(),
            client
                .call("GET", "/v1/events")
                .header("accept", "text/event-stream")
                .send(),
            operator.call("GET", "/v1/tenants").send(),
            operator.call("POST", "/v1/tenants").json(&json!({"name": "a"})).send(),
        ])
        .await;
        for answer in answers {
            let answer = answer.expect(503).expect_problem("unavailable");
            assert!(
                !answer.text("/detail").to_lowercase().contains("sqlx"),
                "nothing internal is shown"
            );
        }
        assert!(
            began.elapsed() < ANSWERED_WITHIN,
            "answered after {:?}",
            began.elapsed()
        );
        let ready = story.behind.stranger().get("/readyz").await.expect(503);
        assert_eq!(ready.json["checks"]["postgres"], false);
        story.behind.stranger().get("/healthz").await.expect(200);

        story.proxy.open();
        until("the gateway works again", SOON, async || {
            (client.get("/v1/sessions").await.status == 200).then_some(())
        })
        .await;
        client.post(&send, text_message("again")).await.expect(202);
    }
}

#[tokio::test]
async fn connections_to_the_database_that_are_lost_silently_are_given_up_and_replaced() {
    let world = World::new().await;
    let proxy = Proxy::start(world.database.address()).await;
    let options = Options {
        database_port: Some(proxy.port),
        flags: vec!["--database-connections=4"],
        ..Options::default()
    };
    let behind = Gateway::start(&world.database, &world.region_key, options).await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let (_, key) = world.key(&tenant.id.to_string(), json!({})).await;
    let client = behind.operator().with_key(&key);
    client.get("/v1/sessions").await.expect(200);

    // Every connection is in the middle of something when it is lost: they wait for a row that somebody else holds.
    let mut somebody = world.database.pool.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM command_counter WHERE session_id = $1 FOR UPDATE")
        .bind(session.uuid)
        .execute(&mut *somebody)
        .await
        .unwrap();
    let send = format!("/v1/sessions/{session}/messages");
    let sending = (0..4).map(|_| client.call("POST", &send).json(&text_message("a")).send());
    let losing = async {
        until("every connection waits", SOON, async || {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .fetch_one(&world.database.pool)
            .await
            .unwrap();
            (waiting == 4).then_some(())
        })
        .await;
        proxy.lose_connections();
    };
    let (answers, ()) = tokio::join!(futures::future::join_all(sending), losing);
    for answer in answers {
        answer.expect(503).expect_problem("unavailable");
    }
    somebody.rollback().await.unwrap();

    until("every connection is replaced", SOON, async || {
        let asking = (0..4).map(|_| client.call("GET", "/v1/sessions").send());
        let answers = futures::future::join_all(asking).await;
        answers.iter().all(|answer| answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_waiting_client_keeps_its_accepted_message_when_the_database_goes_away() {
    let story = story().await;
    let tenant = story.world.tenant().await;
    let session = tenant.linked_session(&story.world.database).await;
    let (_, key) = story.world.key(&tenant.id.to_string(), json!({})).await;
    let client = story.behind.operator().with_key(&key);
    let path = format!("/v1/sessions/{session}/messages");
    let waiting = client
        .call("POST", &path)
        .header("prefer", "wait=3")
        .json(&text_message("a"))
        .send();
    let outage = async {
        until("the message is accepted", SOON, async || {
            (story.world.database.count("message").await == 1).then_some(())
        })
        .await;
        story.proxy.cut();
    };
    let (answer, ()) = tokio::join!(waiting, outage);
    assert_eq!(answer.expect(202).text("/status"), "queued");
}

#[tokio::test]
async fn a_gateway_that_starts_before_its_database_waits_for_it() {
    let world = World::new().await;
    let proxy = Proxy::start(world.database.address()).await;
    proxy.cut();
    let options = Options {
        database_port: Some(proxy.port),
        ..Options::default()
    };
    let early = Gateway::launch(&world.database, &world.region_key, options).await;
    let ready = early.stranger().get("/readyz").await.expect(503);
    assert_eq!(ready.json["checks"]["schema"], false);
    early
        .operator()
        .get("/v1/tenants")
        .await
        .expect(503)
        .expect_problem("unavailable");
    proxy.open();
    until("the gateway is ready", SOON, async || {
        (early.stranger().get("/readyz").await.status == 200).then_some(())
    })
    .await;
    early.operator().get("/v1/tenants").await.expect(200);
}
