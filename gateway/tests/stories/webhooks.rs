//! Webhooks: their settings, their secrets, and operating their deliveries.

use chrono::{Duration, Utc};
use serde_json::json;
use shared::ids::{DeliveryId, TenantId, WebhookId};
use shared::seal::{Place, expose};
use uuid::Uuid;

use crate::gateway::World;

/// The secrets that sign for a webhook, newest first, as a dispatcher opens them; with whether each expires.
async fn secrets(world: &World, tenant: TenantId, webhook: &str) -> Vec<(String, bool)> {
    let webhook: WebhookId = webhook.parse().unwrap();
    let rows: Vec<(Uuid, Vec<u8>, bool)> = sqlx::query_as(
        "SELECT id, sealed, expires_at IS NOT NULL FROM webhook_secret WHERE webhook_id = $1 ORDER BY id DESC",
    )
    .bind(webhook.0)
    .fetch_all(&world.database.pool)
    .await
    .unwrap();
    rows.into_iter()
        .map(|(id, sealed, expires)| {
            let place = Place {
                tenant: tenant.0,
                session: Uuid::nil(),
                table: "webhook_secret",
                column: "sealed",
                row: id.as_bytes(),
            };
            let plaintext = world.region_key.open(&sealed, place).unwrap();
            (String::from_utf8(expose(&plaintext).to_vec()).unwrap(), expires)
        })
        .collect()
}

async fn finish_deliveries(world: &World, status: &'static str) {
    sqlx::query(
        "UPDATE delivery SET status = $1, attempts = 3, finished_at = now(), due_at = now() - interval '1 hour'",
    )
    .bind(status)
    .execute(&world.database.pool)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_webhook_is_created_shown_changed_and_deleted() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.session().await;
    let body = json!({
        "url": "https://shop.example/hook?x=1", "events": ["message.*", "session.status"], "sessions": [session],
        "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "headers": {"X-Shop": "7"}, "retry_schedule": [1, 2], "ordering": "chat",
    });
    let created = tenant.client.post("/v1/webhooks", body.clone()).await.expect(201);
    for (name, value) in body.as_object().unwrap() {
        assert_eq!(&created.json[name], value, "{name}");
    }
    let id = created.text("/id");
    let path = format!("/v1/webhooks/{id}");
    let shown = tenant.client.get(&path).await.expect(200);
    assert!(shown.json.get("secret").is_none(), "shown once");
    assert_eq!(
        secrets(&world, tenant.id, &id).await,
        [(created.text("/secret"), false)]
    );

    world
        .database
        .change(
            "UPDATE webhook SET enabled = false, disabled_reason = 'gone' WHERE id = $1",
            id.parse::<WebhookId>().unwrap().0,
        )
        .await;
    let change = json!({"enabled": true, "events": null, "retry_schedule": null, "headers": {}});
    let changed = tenant.client.patch(&path, change).await.expect(200);
    assert_eq!(changed.json["events"], json!(null));
    assert_eq!(changed.json["disabled_reason"], json!(null));
    assert_eq!(changed.json["ordering"], "chat");
    assert_eq!(changed.json["sessions"], json!([session]));
    let forbidden = tenant
        .client
        .patch(&path, json!({"url": "https://10.0.0.1/"}))
        .await
        .expect(422);
    assert_eq!(forbidden.expect_problem("url_forbidden").text("/errors/0/field"), "url");

    tenant.client.delete(&path).await.expect(204);
    tenant
        .client
        .get(&path)
        .await
        .expect(404)
        .expect_problem("webhook_not_found");
    assert_eq!(world.database.count("webhook_secret").await, 0);
}

#[tokio::test]
async fn a_rotated_secret_overlaps_with_the_old_one() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let (id, first) = tenant.webhook().await;
    let path = format!("/v1/webhooks/{id}/rotate-secret");
    let rotated = tenant.client.call("POST", &path).send().await.expect(200);
    let second = rotated.text("/secret");
    assert_ne!(first, second);
    let expires: chrono::DateTime<Utc> = rotated.text("/old_secrets_expire_at").parse().unwrap();
    let overlap = expires - Utc::now();
    assert!(
        overlap > Duration::hours(23) && overlap <= Duration::hours(24),
        "{overlap}"
    );
    assert_eq!(
        secrets(&world, tenant.id, &id).await,
        [(second.clone(), false), (first.clone(), true)]
    );

    let third = tenant
        .client
        .post(&path, json!({"expire_old_after_seconds": 60}))
        .await
        .expect(200);
    let expires: chrono::DateTime<Utc> = third.text("/old_secrets_expire_at").parse().unwrap();
    assert!(
        expires - Utc::now() <= Duration::seconds(60),
        "the older one too expires no later"
    );
    assert_eq!(secrets(&world, tenant.id, &id).await.len(), 3);
    tenant
        .client
        .post(&path, json!({"expire_old_after_seconds": 0}))
        .await
        .expect(200);
    let after = tenant.client.post(&path, json!({})).await.expect(200);
    let left: Vec<String> = secrets(&world, tenant.id, &id)
        .await
        .into_iter()
        .map(|(secret, _)| secret)
        .collect();
    assert_eq!(left.len(), 2, "expired ones are forgotten: {left:?}");
    assert_eq!(left[0], after.text("/secret"));
}

#[tokio::test]
async fn a_test_is_a_delivery_like_any_other_and_can_be_repeated() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let (webhook, _) = tenant.webhook().await;
    let test = tenant
        .client
        .post(&format!("/v1/webhooks/{webhook}/test"), json!({}))
        .await
        .expect(202);
    let path = format!("/v1/webhooks/{webhook}/deliveries");
    let listed = tenant.client.get(&path).await.expect(200);
    assert_eq!(listed.text("/data/0/id"), test.text("/delivery_id"));
    assert_eq!(listed.text("/data/0/event_type"), "webhook.test");
    assert_eq!(
        (listed.text("/data/0/status"), &listed.json["data"][0]["attempts"]),
        ("pending".into(), &json!([]))
    );
    let body: String = sqlx::query_scalar("SELECT body FROM delivery")
        .fetch_one(&world.database.pool)
        .await
        .unwrap();
    let envelope: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(envelope["id"], test.text("/event_id"));
    assert_eq!(envelope["seq"], 0);

    // It fails three times and is given up.
    let delivery: DeliveryId = test.text("/delivery_id").parse().unwrap();
    for number in 1..=3 {
        sqlx::query(
            "INSERT INTO delivery_attempt (delivery_id, tenant_id, number, started_at, duration_ms, status_code, error, response)
             VALUES ($1, $2, $3, now(), 12, 500, 'status', repeat('x', 5000))",
        )
        .bind(delivery.0)
        .bind(tenant.id.0)
        .bind(number)
        .execute(&world.database.pool)
        .await
        .unwrap();
    }
    finish_deliveries(&world, "failed").await;
    let failed = tenant.client.get(&format!("{path}?status=failed")).await.expect(200);
    assert_eq!(failed.json["data"][0]["attempts"].as_array().unwrap().len(), 3);
    assert_eq!(failed.json["data"][0]["attempts"][2]["number"], 3);
    assert_eq!(failed.text("/data/0/attempts/0/response").len(), 1_024);
    assert_eq!(failed.json["data"][0]["due_at"], json!(null));

    let retried = tenant
        .client
        .post(&format!("{path}/{delivery}/retry"), json!({}))
        .await
        .expect(202);
    assert_eq!(retried.text("/status"), "pending");
    assert_eq!(
        retried.json["attempts"].as_array().unwrap().len(),
        3,
        "what was tried stays listed"
    );
    let due: bool = sqlx::query_scalar("SELECT due_at <= now() AND leased_by IS NULL AND attempts = 0 FROM delivery")
        .fetch_one(&world.database.pool)
        .await
        .unwrap();
    assert!(due);
    let unknown = tenant
        .client
        .post(&format!("{path}/{}/retry", DeliveryId::generate()), json!({}))
        .await;
    unknown.expect(404).expect_problem("delivery_not_found");
}

#[tokio::test]
async fn a_replay_delivers_what_matches_and_nothing_else() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let stranger = world.tenant().await;
    let ours = tenant.session().await;
    let other = tenant.session().await;
    let body =
        json!({"url": "https://shop.example/hook", "sessions": [ours], "events": ["message.*", "session.status"]});
    let webhook = tenant.client.post("/v1/webhooks", body).await.expect(201).text("/id");
    let received = world.database.record_event(tenant.id, ours, "message.received").await;
    world.database.record_event(tenant.id, ours, "session.status").await;
    world.database.record_event(tenant.id, ours, "session.qr").await;
    world.database.record_event(tenant.id, other, "message.received").await;
    let theirs = stranger.session().await;
    world
        .database
        .record_event(stranger.id, theirs, "message.received")
        .await;
    let old = world.database.record_event(tenant.id, ours, "message.received").await;
    world.database.backdate_event(old, Utc::now() - Duration::days(2)).await;

    let path = format!("/v1/webhooks/{webhook}/replay");
    let window = json!({"since": Utc::now() - Duration::hours(1), "until": Utc::now() + Duration::hours(1)});
    let replay = async |changes: serde_json::Value| {
        let mut body = window.clone();
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = tenant.client.post(&path, body).await.expect(202);
        answer.json["count"].as_u64().unwrap()
    };
    assert_eq!(replay(json!({"types": ["message.received"]})).await, 1);
    let listed = tenant
        .client
        .get(&format!("/v1/webhooks/{webhook}/deliveries"))
        .await
        .expect(200);
    assert_eq!(listed.text("/data/0/event_id"), received.to_string());
    let id: DeliveryId = listed.text("/data/0/id").parse().unwrap();
    assert_eq!(
        id.0.get_version_num(),
        7,
        "made by the database, and sorted like every other"
    );
    let age = Utc::now().timestamp() - i64::try_from(id.0.get_timestamp().unwrap().to_unix().0).unwrap();
    assert!((-5..60).contains(&age), "{age}");

    finish_deliveries(&world, "succeeded").await;
    assert_eq!(replay(json!({})).await, 2, "one again and one for the first time");
    assert_eq!(world.database.count("delivery").await, 2);
    let pending = tenant
        .client
        .get(&format!("/v1/webhooks/{webhook}/deliveries?status=pending"))
        .await
        .expect(200);
    assert_eq!(pending.json["data"].as_array().unwrap().len(), 2);
    assert_eq!(
        replay(json!({"sessions": [other]})).await,
        0,
        "not among the webhook's own"
    );
    assert_eq!(replay(json!({"since": Utc::now() - Duration::days(3)})).await, 3);

    let backwards = tenant
        .client
        .post(
            &path,
            json!({"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}),
        )
        .await;
    assert_eq!(
        backwards
            .expect(422)
            .expect_problem("validation_failed")
            .text("/errors/0/field"),
        "until"
    );
}
