//! Linking an account: by QR code and by pairing code.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use shared::ids::{CommandId, SessionId};
use tokio::time::Instant;

use crate::gateway::World;
use harness::wait::{SOON, until};

const CODE: &str = "2@dGhlIHJlZg==,bm9pc2U=,aWRlbnRpdHk=,YWR2,1";

/// Shows a code for so many seconds, as a holder does.
async fn show_code(world: &World, session: SessionId, seconds: f64) {
    sqlx::query("UPDATE session SET status = 'qr', qr_code = $2, qr_expires_at = now() + make_interval(secs => $3) WHERE id = $1")
        .bind(session.uuid)
        .bind(CODE)
        .bind(seconds)
        .execute(&world.database.pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_code_comes_as_json_as_png_and_as_svg() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.session().await;
    show_code(&world, session, 20.0).await;
    let path = format!("/v1/sessions/{session}/qr");
    let json = tenant.client.get(&path).await.expect(200);
    assert_eq!(json.text("/code"), CODE);
    assert!(json.text("/expires_at").parse::<DateTime<Utc>>().unwrap() > Utc::now());
    assert_eq!(json.headers["cache-control"], "no-store");

    let png = tenant
        .client
        .call("GET", &path)
        .header("accept", "image/png")
        .send()
        .await
        .expect(200);
    assert_eq!(png.headers["content-type"], "image/png");
    assert!(png.bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
    let svg = tenant
        .client
        .call("GET", &path)
        .header("accept", "image/svg+xml")
        .send()
        .await
        .expect(200);
    assert_eq!(svg.headers["content-type"], "image/svg+xml");
    assert!(String::from_utf8_lossy(&svg.bytes).contains("<svg"));
}

#[tokio::test]
async fn a_client_can_wait_for_the_code() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.session().await;
    let path = format!("/v1/sessions/{session}/qr");
    let early = tenant
        .client
        .get(&path)
        .await
        .expect(404)
        .expect_problem("qr_not_available");
    assert_eq!(early.headers["retry-after"], "1");
    show_code(&world, session, -1.0).await;
    tenant
        .client
        .get(&path)
        .await
        .expect(404)
        .expect_problem("qr_not_available");

    let waiting = tenant.client.call("GET", &path).header("prefer", "wait=20").send();
    let holder = async {
        tokio::task::yield_now().await;
        show_code(&world, session, 20.0).await;
    };
    let (answer, ()) = tokio::join!(waiting, holder);
    assert_eq!(answer.expect(200).text("/code"), CODE);

    let began = Instant::now();
    show_code(&world, session, -1.0).await;
    let waiting = tenant.client.call("GET", &path).header("prefer", "wait=1").send().await;
    waiting.expect(404).expect_problem("qr_not_available");
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_wait_ends_when_the_account_is_linked_meanwhile() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.session().await;
    let path = format!("/v1/sessions/{session}/qr");
    let waiting = tenant.client.call("GET", &path).header("prefer", "wait=20").send();
    let holder = async {
        tokio::task::yield_now().await;
        world.database.link(session).await;
    };
    let (answer, ()) = tokio::join!(waiting, holder);
    answer.expect(409).expect_problem("session_already_paired");

    let stopped = tenant
        .client
        .post("/v1/sessions", json!({"name": "a", "start": false}))
        .await
        .expect(201);
    let path = format!("/v1/sessions/{}/qr", stopped.text("/id"));
    tenant
        .client
        .get(&path)
        .await
        .expect(409)
        .expect_problem("session_not_started");
}

#[tokio::test]
async fn a_pairing_code_is_asked_for_and_comes_back() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.session().await;
    let path = format!("/v1/sessions/{session}/pairing-code");
    let body = json!({"phone": "+1 (555) 000-1001"});
    let asking = tenant.client.call("POST", &path).json(&body).send();
    let worker = async {
        let (id, payload): (uuid::Uuid, Vec<u8>) = until("the command is queued", SOON, async || {
            sqlx::query_as("SELECT id, payload FROM command WHERE session_id = $1")
                .bind(session.uuid)
                .fetch_optional(&world.database.pool)
                .await
                .unwrap()
        })
        .await;
        let command = shared::command::Command::decode(&payload).unwrap();
        assert_eq!(
            command,
            shared::command::Command::RequestPairingCode {
                phone: "15550001001".into()
            }
        );
        let result = json!({"code": "ABCD1234", "expires_at": "2026-11-20T10:03:00Z"});
        world.database.finish_command(CommandId(id), None, Some(result)).await;
    };
    let (answer, ()) = tokio::join!(asking, worker);
    let answer = answer.expect(200);
    assert_eq!(answer.text("/code"), "ABCD1234");
    assert_eq!(answer.text("/expires_at"), "2026-11-20T10:03:00.000Z");

    let impatient = tenant
        .client
        .call("POST", &path)
        .header("prefer", "wait=0")
        .json(&body)
        .send()
        .await
        .expect(202);
    let command = impatient.text("/command_id").parse().unwrap();
    world
        .database
        .finish_command(command, Some(("pairing_failed", "Asked too often.")), None)
        .await;
    let outcome = tenant.client.get(&format!("/v1/commands/{command}")).await.expect(200);
    assert_eq!(
        (outcome.text("/status"), outcome.text("/error/code")),
        ("failed".into(), "pairing_failed".into())
    );

    let nobody = tenant.client.post(&path, json!({"phone": "hello"})).await.expect(422);
    assert_eq!(
        nobody.expect_problem("validation_failed").text("/errors/0/field"),
        "phone"
    );
}
