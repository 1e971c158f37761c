//! Users: they log in with email and password, and what they get works like a key until it must not.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::gateway::{Tenant, World, text_message};
use harness::wait::{SOON, until};

/// How long a token may go on working after it must not.
const REVOCATION: Duration = Duration::from_secs(2);
const PASSWORD: &str = "correct horse battery";

impl World {
    async fn user(&self, tenant: &Tenant, email: &str, role: &str) -> String {
        let body = json!({"tenant_id": tenant.id, "email": email, "password": PASSWORD, "role": role});
        self.operator().post("/v1/users", body).await.expect(201).text("/id")
    }

    async fn try_log_in(&self, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        self.gateway.stranger().post("/v1/login", body).await
    }

    async fn log_in(&self, email: &str) -> Client {
        let token = self.try_log_in(email, PASSWORD).await.expect(200).text("/token");
        self.operator().with_key(&token)
    }
}

async fn execute(world: &World, statement: &'static str) {
    sqlx::query(statement).execute(&world.database.pool).await.unwrap();
}

async fn stored(world: &World, statement: &'static str) -> Vec<u8> {
    sqlx::query_scalar(statement)
        .fetch_one(&world.database.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_token_can_do_what_its_role_can() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let messages = format!("/v1/sessions/{session}/messages");
    let may = async |client: &Client| {
        let read = client.get("/v1/sessions").await.status;
        let sent = client.post(&messages, text_message("a")).await.status;
        let made = client.post("/v1/sessions", json!({"name": "b"})).await.status;
        let hooked = client
            .post("/v1/webhooks", json!({"url": "https://example.com/hook"}))
            .await
            .status;
        [read, sent, made, hooked].map(|status| status.as_u16())
    };
    for (role, expected) in [
        ("owner", [200, 202, 201, 201]),
        ("member", [200, 202, 403, 403]),
        ("viewer", [200, 403, 403, 403]),
    ] {
        let email = format!("{role}@example.com");
        world.user(&tenant, &email, role).await;
        let client = world.log_in(&email).await;
        assert_eq!(may(&client).await, expected, "{role}");
        let admin = client.get("/v1/users").await;
        admin.expect(403).expect_problem("forbidden");
        let foreign = client.get(&format!("/v1/sessions?tenant_id={}", tenant.id)).await;
        foreign.expect(403).expect_problem("forbidden");
    }
    let other = world.tenant().await;
    let foreign = other.session().await;
    let owner = world.log_in("owner@example.com").await;
    owner
        .get(&format!("/v1/sessions/{foreign}"))
        .await
        .expect(404)
        .expect_problem("session_not_found");
}

#[tokio::test]
async fn users_are_made_listed_changed_and_removed() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let other = world.tenant().await;
    let body = json!({"tenant_id": tenant.id, "email": " Ana@Example.com", "password": PASSWORD});
    let made = world.operator().post("/v1/users", body.clone()).await.expect(201);
    assert_eq!(made.text("/email"), "ana@example.com");
    assert_eq!(made.text("/role"), "owner", "the first user of a tenant is its owner");
    assert_eq!(made.json["disabled"], false);
    assert!(!made.json.to_string().contains("password"), "{}", made.json);

    let again = json!({"tenant_id": other.id, "email": "ANA@example.COM", "password": PASSWORD});
    let taken = world.operator().post("/v1/users", again).await;
    taken.expect(409).expect_problem("email_taken");
    for (field, value) in [
        ("email", json!("ana")),
        ("password", json!("short")),
        ("role", json!("admin")),
    ] {
        let mut wrong = body.clone();
        wrong["email"] = json!("bo@example.com");
        wrong[field] = value;
        let answer = world.operator().post("/v1/users", wrong).await.expect(422);
        assert_eq!(answer.text("/errors/0/field"), field);
    }
    let nobodys =
        json!({"tenant_id": "ten_00000000000000000000000000", "email": "bo@example.com", "password": PASSWORD});
    let answer = world.operator().post("/v1/users", nobodys).await;
    answer.expect(404).expect_problem("tenant_not_found");

    world.user(&other, "bo@example.com", "viewer").await;
    let all = world.operator().get("/v1/users?limit=1").await.expect(200);
    assert_eq!(all.text("/data/0/email"), "bo@example.com", "newest first");
    let cursor = all.text("/next_cursor");
    let rest = world
        .operator()
        .get(&format!("/v1/users?limit=1&cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!(rest.text("/data/0/email"), "ana@example.com");
    assert_eq!(rest.json["next_cursor"], Value::Null);
    let own = world
        .operator()
        .get(&format!("/v1/users?tenant_id={}", other.id))
        .await
        .expect(200);
    assert_eq!(own.json["data"].as_array().unwrap().len(), 1);

    let path = format!("/v1/users/{}", made.text("/id"));
    let changed = world
        .operator()
        .patch(&path, json!({"role": "member"}))
        .await
        .expect(200);
    assert_eq!(changed.text("/role"), "member");
    world.operator().delete(&path).await.expect(204);
    for answer in [world.operator().get(&path).await, world.operator().delete(&path).await] {
        answer.expect(404).expect_problem("user_not_found");
    }
    world.try_log_in("ana@example.com", PASSWORD).await.expect(401);
}

#[tokio::test]
async fn whatever_ends_a_login_ends_it_on_every_gateway_within_two_seconds() {
    let world = World::new().await;
    let second = world.second_gateway().await;
    let tenant = world.tenant().await;
    let user = world.user(&tenant, "ana@example.com", "owner").await;
    let path = format!("/v1/users/{user}");
    let new_password = "another horse battery";
    let tenant_path = format!("/v1/tenants/{}", tenant.id);
    for way in ["logout", "password", "disabled", "suspended", "deleted"] {
        let token = world
            .try_log_in("ana@example.com", PASSWORD)
            .await
            .expect(200)
            .text("/token");
        let client = world.operator().with_key(&token);
        let there = Client::new(second.router.clone(), Some(&token));
        there.get("/v1/sessions").await.expect(200);
        let operator = world.operator();
        match way {
            "logout" => drop(client.post("/v1/logout", json!({})).await.expect(204)),
            "password" => {
                operator
                    .patch(&path, json!({"password": new_password}))
                    .await
                    .expect(200);
                world.try_log_in("ana@example.com", PASSWORD).await.expect(401);
                world.try_log_in("ana@example.com", new_password).await.expect(200);
            }
            "disabled" => {
                operator.patch(&path, json!({"disabled": true})).await.expect(200);
                world.try_log_in("ana@example.com", PASSWORD).await.expect(401);
            }
            "suspended" => drop(
                operator
                    .patch(&tenant_path, json!({"suspended": true}))
                    .await
                    .expect(200),
            ),
            _ => drop(operator.delete(&path).await.expect(204)),
        }
        let ended = Instant::now();
        client.get("/v1/sessions").await.expect(401);
        until("the other gateway refuses the token", SOON, async || {
            (there.get("/v1/sessions").await.status == 401).then_some(())
        })
        .await;
        assert!(
            ended.elapsed() < REVOCATION,
            "{way}: it worked for another {:?}",
            ended.elapsed()
        );

        // As it was, for the next way; what has ended does not come back.
        let as_it_was = json!({"password": PASSWORD, "disabled": false});
        if way == "suspended" {
            let refused = world.try_log_in("ana@example.com", PASSWORD).await;
            refused.expect(403).expect_problem("tenant_suspended");
            operator
                .patch(&tenant_path, json!({"suspended": false}))
                .await
                .expect(200);
        } else if way != "deleted" {
            operator.patch(&path, as_it_was).await.expect(200);
        }
        if way != "deleted" {
            until("logging in is possible again", SOON, async || {
                (world.try_log_in("ana@example.com", PASSWORD).await.status == 200).then_some(())
            })
            .await;
        }
        client.get("/v1/sessions").await.expect(401);
    }
}

#[tokio::test]
async fn a_token_expires_and_a_key_cannot_log_out() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    world.user(&tenant, "ana@example.com", "viewer").await;
    let answer = world.try_log_in("ANA@example.com ", PASSWORD).await.expect(200);
    assert_eq!(answer.text("/tenant_id"), tenant.id.to_string());
    assert_eq!(answer.text("/user/email"), "ana@example.com");
    let expires_at: chrono::DateTime<chrono::Utc> = answer.text("/expires_at").parse().unwrap();
    let lives = expires_at - chrono::Utc::now();
    assert!((47..=48).contains(&lives.num_hours()), "{lives}");
    let client = world.operator().with_key(&answer.text("/token"));
    client.get("/v1/sessions").await.expect(200);
    world
        .database
        .change(
            "UPDATE login_token SET expires_at = now() + interval '300 milliseconds' WHERE tenant_id = $1",
            tenant.id.0,
        )
        .await;
    until("the token expires", SOON, async || {
        (client.get("/v1/sessions").await.status == 401).then_some(())
    })
    .await;
    let refused = tenant.client.post("/v1/logout", json!({})).await;
    refused.expect(403).expect_problem("forbidden");
    let nobody = world.gateway.stranger().post("/v1/logout", json!({})).await;
    nobody.expect(401).expect_problem("unauthorized");
}

#[tokio::test]
async fn who_guesses_is_slowed_down_and_learns_nothing() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    world.user(&tenant, "ana@example.com", "viewer").await;
    world.user(&tenant, "out@example.com", "viewer").await;
    execute(
        &world,
        "UPDATE tenant_user SET disabled_at = now() WHERE email = 'out@example.com'",
    )
    .await;
    let wrong = world.try_log_in("ana@example.com", "wrong password").await.expect(401);
    for email in ["nobody@example.com", "out@example.com", "no email"] {
        let password = if email == "out@example.com" {
            PASSWORD
        } else {
            "wrong password"
        };
        let answer = world.try_log_in(email, password).await.expect(401);
        for field in ["/code", "/detail", "/title"] {
            assert_eq!(answer.text(field), wrong.text(field), "{email}");
        }
        assert_eq!(
            answer.headers.get("www-authenticate"),
            wrong.headers.get("www-authenticate")
        );
    }
    // Success forgives: the one failure with this email is forgotten.
    world.log_in("ana@example.com").await;
    for attempt in 1..=10 {
        let answer = world
            .try_log_in("ana@example.com", &format!("wrong password {attempt}"))
            .await;
        answer.expect(401);
    }
    let refused = world.try_log_in("ana@example.com", PASSWORD).await;
    let refused = refused.expect(429);
    let patience: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((800..=900).contains(&patience), "{patience}");
    let second = world.second_gateway().await;
    let elsewhere = json!({"email": "Ana@example.com", "password": PASSWORD});
    let there = Client::new(second.router.clone(), None)
        .post("/v1/login", elsewhere)
        .await;
    there.expect(429).expect_problem("rate_limited");
    world.user(&tenant, "bo@example.com", "viewer").await;
    world.log_in("bo@example.com").await;
    execute(&world, "UPDATE login_failure SET expires_at = now()").await;
    world.log_in("ana@example.com").await;
}

#[tokio::test]
async fn guesses_that_come_at_once_count_as_well() {
    let world = World::new().await;
    let attempts = (0..30).map(|number| {
        let world = &world;
        async move {
            let answer = world
                .try_log_in("nobody@example.com", &format!("guess number {number}"))
                .await;
            answer.status.as_u16()
        }
    });
    let answers = futures::future::join_all(attempts).await;
    let looked_at = answers.iter().filter(|status| **status != 429).count();
    assert_eq!(looked_at, 10, "{answers:?}");
}

#[tokio::test]
async fn neither_passwords_nor_tokens_are_stored() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let body = json!({"tenant_id": tenant.id, "email": "ana@example.com", "password": PASSWORD});
    let make = async |body: &Value| {
        world
            .operator()
            .call("POST", "/v1/users")
            .header("idempotency-key", "ana")
            .json(body)
            .send()
            .await
    };
    let made = make(&body).await.expect(201);
    let again = make(&body).await.expect(201);
    assert_eq!(again.text("/id"), made.text("/id"), "a repeat makes nobody else");
    let fingerprint: Vec<u8> = stored(&world, "SELECT fingerprint FROM idempotency_key WHERE key = 'ana'").await;
    let plain = {
        use sha2::{Digest as _, Sha256};
        Sha256::digest(["POST\0/v1/users\0", &body.to_string()].concat().as_bytes())
    };
    assert_ne!(fingerprint, plain.to_vec(), "the password cannot be found by trying");
    let hash = stored(&world, "SELECT convert_to(password_hash, 'UTF8') FROM tenant_user").await;
    assert!(hash.starts_with(b"$argon2id$v=19$m=19456,t=2,p=1$"));
    let token = world
        .try_log_in("ana@example.com", PASSWORD)
        .await
        .expect(200)
        .text("/token");
    let hash = stored(&world, "SELECT secret_hash FROM login_token").await;
    assert_eq!(hash, shared::api_key::hash(&token));
}
