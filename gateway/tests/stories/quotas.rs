//! Quotas and usage: what is too much is refused, told once, and counted only when it has happened.

use serde_json::json;

use crate::client::Answer;
use crate::gateway::{Tenant, World, text_message};
use harness::wait::{SOON, until};

impl World {
    async fn set_quotas(&self, tenant: &Tenant, quotas: serde_json::Value) {
        let path = format!("/v1/tenants/{}", tenant.id);
        let changed = self
            .operator()
            .patch(&path, json!({"quotas": quotas}))
            .await
            .expect(200);
        assert_eq!(changed.json["quotas"], quotas);
    }

    async fn usage(&self, tenant: &Tenant) -> Answer {
        let path = format!("/v1/tenants/{}/usage", tenant.id);
        self.operator().get(&path).await.expect(200)
    }
}

#[tokio::test]
async fn one_message_too_many_is_refused_until_tomorrow() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let first = tenant.linked_session(&world.database).await;
    let second = tenant.linked_session(&world.database).await;
    let messages = |session| format!("/v1/sessions/{session}/messages");
    tenant
        .client
        .post(&messages(first), text_message("before"))
        .await
        .expect(202);
    world.set_quotas(&tenant, json!({"messages_per_day": 3})).await;
    let hook = json!({"url": "https://example.com/hook", "events": ["tenant.*"]});
    tenant.client.post("/v1/webhooks", hook).await.expect(201);

    let repeatable = async || {
        tenant
            .client
            .call("POST", &messages(first))
            .header("idempotency-key", "k")
            .json(&text_message("a"))
            .send()
            .await
    };
    let sent = repeatable().await.expect(202).text("/id");
    assert_eq!(repeatable().await.expect(202).text("/id"), sent, "a repeat counts once");
    let unknown =
        json!({"to": "15550001111", "type": "image", "image": {"media_id": "med_00000000000000000000000000"}});
    tenant.client.post(&messages(first), unknown).await.expect(404);
    tenant
        .client
        .post(&messages(second), text_message("b"))
        .await
        .expect(202);
    tenant
        .client
        .post(&messages(second), text_message("c"))
        .await
        .expect(202);
    for session in [first, second] {
        let refused = tenant.client.post(&messages(session), text_message("d")).await;
        let refused = refused.expect(429).expect_problem("quota_exceeded");
        let patience: i64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
        let tomorrow = chrono::Utc::now().date_naive().succ_opt().unwrap();
        let midnight = tomorrow.and_time(chrono::NaiveTime::MIN).and_utc();
        let left = (midnight - chrono::Utc::now()).num_seconds();
        assert!(
            (left - 5..=left + 5).contains(&patience),
            "{patience} instead of {left}"
        );
    }
    let again = repeatable().await.expect(202);
    assert_eq!(again.text("/id"), sent, "what was accepted stays accepted");
    let edit = format!("{}/{sent}", messages(first));
    let edited = tenant.client.patch(&edit, json!({"text": {"body": "e"}})).await;
    edited.expect(429).expect_problem("quota_exceeded");
    tenant.client.delete(&edit).await.expect(202);

    let told: Vec<String> = sqlx::query_scalar("SELECT body FROM delivery WHERE event_type = 'tenant.quota'")
        .fetch_all(&world.database.pool)
        .await
        .unwrap();
    assert_eq!(told.len(), 1, "once an hour: {told:?}");
    let told: serde_json::Value = serde_json::from_str(&told[0]).unwrap();
    assert_eq!(told["data"]["quota"], "messages_per_day");
    assert_eq!(told["data"]["limit"], 3);
    assert!(
        told["data"]["free_at"].as_str().unwrap().contains("T00:00:00"),
        "{told}"
    );

    world
        .set_quotas(&tenant, json!({"messages_per_day": 4, "sessions": 2}))
        .await;
    tenant
        .client
        .post(&messages(second), text_message("f"))
        .await
        .expect(202);
    tenant
        .client
        .post(&messages(second), text_message("g"))
        .await
        .expect(429);
    let full = tenant.client.post("/v1/sessions", json!({"name": "Third"})).await;
    full.expect(429).expect_problem("quota_exceeded");
    let told: Vec<String> = sqlx::query_scalar(
        "SELECT body::jsonb->'data'->>'quota' FROM delivery WHERE event_type = 'tenant.quota' ORDER BY created_at",
    )
    .fetch_all(&world.database.pool)
    .await
    .unwrap();
    assert_eq!(
        told,
        ["messages_per_day", "sessions"],
        "one quota does not silence another"
    );

    sqlx::query("UPDATE tenant_message_count SET day = day - 1")
        .execute(&world.database.pool)
        .await
        .unwrap();
    tenant
        .client
        .post(&messages(first), text_message("tomorrow"))
        .await
        .expect(202);
}

#[tokio::test]
async fn usage_tells_what_a_tenant_has_and_what_it_did_by_the_day() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let other = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    other.linked_session(&world.database).await;
    world.set_quotas(&tenant, json!({"messages_per_day": 10})).await;
    let messages = format!("/v1/sessions/{session}/messages");
    tenant.client.post(&messages, text_message("a")).await.expect(202);
    for (whose, day, from_me, count) in [
        (tenant.id, "2026-10-01T10:00:00Z", true, 3_i64),
        (tenant.id, "2026-10-01T23:00:00Z", true, 4),
        (tenant.id, "2026-10-01T23:00:00Z", false, 5),
        (tenant.id, "2026-10-02T00:00:00Z", false, 6),
    ] {
        sqlx::query("INSERT INTO message_statistic VALUES ($1, $2, '', $3::timestamptz, 'text', $4, $5)")
            .bind(whose.0)
            .bind(session.uuid)
            .bind(day.parse::<chrono::DateTime<chrono::Utc>>().unwrap())
            .bind(from_me)
            .bind(count)
            .execute(&world.database.pool)
            .await
            .unwrap();
    }
    let usage = world.usage(&tenant).await.json;
    for (field, expected) in [
        ("sessions", 1),
        ("webhooks", 0),
        ("api_keys", 1),
        ("users", 0),
        ("media_bytes", 0),
        ("messages_counted_today", 1),
    ] {
        assert_eq!(usage[field], expected, "{field}: {usage}");
    }
    assert_eq!(usage["quotas"], json!({"messages_per_day": 10}));
    let path = format!("/v1/tenants/{}/usage?since=2026-10-01&until=2026-10-03", tenant.id);
    let days = world.operator().get(&path).await.expect(200).json["days"].clone();
    assert_eq!(
        days,
        json!([
            {"day": "2026-10-01", "messages_sent": 7, "messages_received": 5},
            {"day": "2026-10-02", "messages_sent": 0, "messages_received": 6},
        ])
    );
    assert_eq!(world.usage(&other).await.json["messages_counted_today"], 0);

    for wrong in [
        "since=yesterday",
        "since=2026-10-02&until=2026-10-01",
        "since=2020-01-01",
        "until=-262143-01-01",
    ] {
        let path = format!("/v1/tenants/{}/usage?{wrong}", tenant.id);
        world.operator().get(&path).await.expect(422);
    }
    let path = format!("/v1/tenants/{}/usage", tenant.id);
    tenant.client.get(&path).await.expect(403);
    let nobody = world
        .operator()
        .get("/v1/tenants/ten_00000000000000000000000000/usage")
        .await;
    nobody.expect(404).expect_problem("tenant_not_found");
}

#[tokio::test]
async fn a_tenant_that_asks_too_often_is_slowed_down_and_no_other() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let other = world.tenant().await;
    world.set_quotas(&tenant, json!({"requests_per_second": 1})).await;
    let path = format!("/v1/tenants/{}", tenant.id);
    let refused = until("the rate counts", SOON, async || {
        let answer = tenant.client.get("/v1/sessions").await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    let refused = refused.expect(429).expect_problem("rate_limited");
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(refused.headers["ratelimit-limit"], "1");
    assert_eq!(refused.headers["ratelimit-remaining"], "0");
    other.client.get("/v1/sessions").await.expect(200);
    let acting = world.operator().for_tenant(&tenant.id.to_string());
    acting.get("/v1/sessions").await.expect(200);
    until("there is room again", SOON, async || {
        (tenant.client.get("/v1/sessions").await.status == 200).then_some(())
    })
    .await;
    let never = json!({"quotas": {"requests_per_second": 0}});
    let answer = world.operator().patch(&path, never).await.expect(422);
    assert_eq!(answer.text("/errors/0/field"), "quotas.requests_per_second");
}
