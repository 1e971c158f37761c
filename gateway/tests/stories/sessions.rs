//! Sessions: creating, changing, commanding and removing them.

use serde_json::json;
use shared::credentials::{Credentials, KeyPair, SecretBytes, SignedPreKey};
use shared::ids::{CommandId, SessionId};
use shared::seal::expose;
use shared::store::backlog::open_session_secret;

use crate::gateway::World;
use harness::wait::{SOON, until};

/// A lease's goal and whether it may be claimed at once.
async fn lease(world: &World, session: SessionId) -> (String, bool) {
    sqlx::query_as("SELECT goal, claim_after <= now() FROM session_lease WHERE session_id = $1")
        .bind(session.uuid)
        .fetch_one(&world.database.pool)
        .await
        .unwrap()
}

async fn kinds(world: &World, session: SessionId) -> Vec<String> {
    sqlx::query_scalar("SELECT kind FROM command WHERE session_id = $1 ORDER BY sequence")
        .bind(session.uuid)
        .fetch_all(&world.database.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_new_session_is_complete_and_wants_to_start() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let body =
        json!({"name": "Support", "metadata": {"shop": "7"}, "region": "story", "settings": {"reject_calls": true}});
    let created = tenant.client.post("/v1/sessions", body).await.expect(201);
    assert!(created.text("/id").starts_with("ses_story_"));
    assert_eq!(
        (created.text("/status"), created.text("/goal")),
        ("stopped".into(), "started".into())
    );
    assert_eq!(created.json["account"], json!(null));
    assert_eq!(created.json["settings"]["reject_calls"], true);
    assert_eq!(created.json["settings"]["read_receipts"], true);
    assert!(
        created.text("/created_at").ends_with('Z') && created.text("/created_at").len() == 24,
        "milliseconds"
    );
    let session: SessionId = created.text("/id").parse().unwrap();
    assert_eq!(lease(&world, session).await, ("started".into(), true));
    for table in ["session_lease", "command_counter", "event_counter"] {
        assert_eq!(world.database.count(table).await, 1, "{table}");
    }

    let quiet = tenant
        .client
        .post("/v1/sessions", json!({"name": "Later", "start": false}))
        .await
        .expect(201);
    assert_eq!(quiet.text("/goal"), "stopped");
}

#[tokio::test]
async fn a_session_can_bring_its_webhook() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let body = json!({"name": "Support", "webhook": {"url": "https://shop.example/hook", "events": ["message.*"]}});
    let created = tenant.client.post("/v1/sessions", body).await.expect(201);
    assert!(created.text("/webhook/secret").starts_with("whsec_"));
    let webhook = tenant
        .client
        .get(&format!("/v1/webhooks/{}", created.text("/webhook/id")))
        .await
        .expect(200);
    assert_eq!(webhook.json["sessions"], json!([created.text("/id")]));
    assert_eq!(webhook.json["events"], json!(["message.*"]));
}

#[tokio::test]
async fn each_verb_sets_its_goal_and_leaves_its_command() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.session().await;
    world
        .database
        .change(
            "UPDATE session_lease SET claim_after = now() + interval '1 hour' WHERE session_id = $1",
            session.uuid,
        )
        .await;
    assert!(!lease(&world, session).await.1, "a back-off is running");
    for (verb, goal) in [
        ("stop", "stopping"),
        ("start", "started"),
        ("restart", "started"),
        ("logout", "logging_out"),
        ("restart", "started"),
    ] {
        let answer = tenant
            .client
            .post(&format!("/v1/sessions/{session}/{verb}"), json!({}))
            .await
            .expect(202);
        assert_eq!(answer.text("/goal"), goal, "{verb}");
        assert_eq!(answer.text("/id"), session.to_string());
        assert_eq!(lease(&world, session).await, (goal.to_owned(), true), "{verb}");
        let command = tenant
            .client
            .get(&format!("/v1/commands/{}", answer.text("/command_id")))
            .await
            .expect(200);
        assert_eq!(command.text("/kind"), format!("session.{verb}"));
    }
    assert_eq!(kinds(&world, session).await.len(), 5);
}

#[tokio::test]
async fn a_verb_can_be_waited_for() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.session().await;
    let stop = format!("/v1/sessions/{session}/stop");
    let call = tenant.client.call("POST", &stop).header("prefer", "wait=10").send();
    let worker = async {
        let id = until("the command is queued", SOON, async || {
            sqlx::query_scalar("SELECT id FROM command WHERE session_id = $1")
                .bind(session.uuid)
                .fetch_optional(&world.database.pool)
                .await
                .unwrap()
        })
        .await;
        world
            .database
            .change(
                "UPDATE session_lease SET goal = 'stopped' WHERE session_id = $1",
                session.uuid,
            )
            .await;
        world.database.finish_command(CommandId(id), None, None).await;
    };
    let (answer, ()) = tokio::join!(call, worker);
    assert_eq!(answer.expect(200).text("/goal"), "stopped");
}

#[tokio::test]
async fn a_deleted_session_is_gone_at_once_and_left_to_a_worker() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let path = format!("/v1/sessions/{session}");
    tenant.client.delete(&path).await.expect(204);
    tenant
        .client
        .get(&path)
        .await
        .expect(404)
        .expect_problem("session_not_found");
    tenant
        .client
        .delete(&path)
        .await
        .expect(404)
        .expect_problem("session_not_found");
    tenant
        .client
        .post(&format!("{path}/start"), json!({}))
        .await
        .expect(404);
    tenant.client.get(&format!("{path}/qr")).await.expect(404);
    let listed = tenant.client.get("/v1/sessions").await.expect(200);
    assert_eq!(listed.json["data"], json!([]));
    assert_eq!(lease(&world, session).await.0, "deleting");
    assert_eq!(kinds(&world, session).await, ["session.delete"]);
}

#[tokio::test]
async fn sessions_are_filtered_by_status_and_metadata_page_by_page() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let mut ids = Vec::new();
    for shop in ["a", "b", "a"] {
        let body = json!({"name": "Shop", "metadata": {"shop": shop, "city": "Köln"}});
        ids.insert(
            0,
            tenant.client.post("/v1/sessions", body).await.expect(201).text("/id"),
        );
    }
    let list = async |query: &str| {
        let page = tenant
            .client
            .get(&format!("/v1/sessions?{query}"))
            .await
            .expect(200)
            .json;
        let ids: Vec<String> = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|session| session["id"].as_str().unwrap().to_owned())
            .collect();
        (ids, page["next_cursor"].as_str().map(str::to_owned))
    };
    assert_eq!(list("metadata[shop]=a").await.0, [ids[0].clone(), ids[2].clone()]);
    assert_eq!(
        list("metadata[shop]=a&metadata[city]=Bonn").await.0,
        Vec::<String>::new()
    );
    let (first, cursor) = list("limit=2").await;
    assert_eq!(first, ids[..2]);
    assert_eq!(
        list(&format!("limit=2&cursor={}", cursor.unwrap())).await,
        (ids[2..].to_vec(), None)
    );

    // Connected means that a live worker says so.
    let session: SessionId = ids[1].parse().unwrap();
    world.database.link(session).await;
    let worker = world.database.hold(session).await;
    assert_eq!(list("status=connected").await.0, ids[1..2]);
    assert_eq!(list("status=stopped&status=connected").await.0, ids);
    world
        .database
        .change(
            "UPDATE worker SET beat_at = now() - interval '6 seconds' WHERE id = $1",
            worker.0,
        )
        .await;
    assert!(list("status=connected").await.0.is_empty());
    assert_eq!(list("status=disconnected").await.0, ids[1..2]);
    let lost = tenant.client.get(&format!("/v1/sessions/{session}")).await.expect(200);
    assert_eq!(
        (lost.text("/status"), lost.text("/reason")),
        ("disconnected".into(), "holder_lost".into())
    );
    assert_eq!(lost.text("/account/push_name"), "Shop");
}

#[tokio::test]
async fn the_status_is_the_stored_one_when_the_holder_does_not_answer() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let worker = world.database.hold(session).await;
    let status = tenant
        .client
        .get(&format!("/v1/sessions/{session}/status"))
        .await
        .expect(200);
    assert_eq!(status.json["live"], false);
    assert_eq!(
        (status.text("/status"), status.text("/holder")),
        ("connected".into(), worker.to_string())
    );
    assert_eq!(status.json["epoch"], 1);
    assert!(status.json["connected_since"].is_string());
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_nothing_else() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let body = json!({"name": "Old", "metadata": {"a": "1", "b": "2"}, "settings": {"read_receipts": false}});
    let created = tenant.client.post("/v1/sessions", body).await.expect(201);
    let path = format!("/v1/sessions/{}", created.text("/id"));
    let change = json!({"name": "New", "metadata": {"a": null, "c": "3"}, "settings": {"presence": "available"}});
    let call = tenant.client.call("PATCH", &path).raw(change.to_string());
    let changed = call
        .header("content-type", "application/merge-patch+json")
        .send()
        .await
        .expect(200);
    assert_eq!(changed.text("/name"), "New");
    assert_eq!(changed.json["metadata"], json!({"b": "2", "c": "3"}));
    assert_eq!(changed.text("/settings/presence"), "available");
    assert_eq!(changed.json["settings"]["read_receipts"], false);
    let wrong = tenant
        .client
        .patch(&path, json!({"settings": {"history": {"days": -1}}}))
        .await
        .expect(422);
    assert_eq!(
        wrong.expect_problem("validation_failed").text("/errors/0/field"),
        "settings.history.days"
    );
    assert_eq!(tenant.client.get(&path).await.expect(200).json, changed.json);
}

#[tokio::test]
async fn whoever_holds_a_session_or_takes_it_up_is_told_of_changed_settings() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let commands = async |session: SessionId| -> Vec<String> {
        sqlx::query_scalar("SELECT kind FROM command WHERE session_id = $1 ORDER BY sequence")
            .bind(session.uuid)
            .fetch_all(&world.database.pool)
            .await
            .unwrap()
    };
    let quiet = json!({"settings": {"ignore": {"groups": true}}});
    let held = tenant.linked_session(&world.database).await;
    world.database.hold(held).await;
    let path = format!("/v1/sessions/{held}");
    tenant.client.patch(&path, json!({"name": "New"})).await.expect(200);
    assert!(commands(held).await.is_empty(), "a name is nothing to a holder");
    tenant.client.patch(&path, quiet.clone()).await.expect(200);
    assert_eq!(commands(held).await, ["session.settings"]);
    tenant
        .client
        .patch(&path, json!({"settings": {"ignore": 1}}))
        .await
        .expect(422);
    assert_eq!(commands(held).await.len(), 1, "what is refused tells nobody");

    let body = json!({"name": "Resting", "start": false});
    let created = tenant.client.post("/v1/sessions", body).await.expect(201);
    let resting: SessionId = created.text("/id").parse().unwrap();
    let path = format!("/v1/sessions/{resting}");
    tenant.client.patch(&path, quiet).await.expect(200);
    assert_eq!(commands(resting).await, ["session.settings"]);
}

#[tokio::test]
async fn a_proxys_password_is_sealed_to_the_region_and_shown_to_nobody() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let whole = "socks5://user:s3cret@proxy.example:1080";
    let body = json!({"name": "Proxied", "settings": {"proxy": {"url": whole}}});
    let created = tenant.client.post("/v1/sessions", body).await.expect(201);
    let shown = created.text("/settings/proxy/url");
    assert_eq!(shown, "socks5://user@proxy.example:1080");
    let session: SessionId = created.text("/id").parse().unwrap();
    let path = format!("/v1/sessions/{session}");
    let sealed = async || -> Option<Vec<u8>> {
        sqlx::query_scalar("SELECT proxy_sealed FROM session WHERE id = $1")
            .bind(session.uuid)
            .fetch_one(&world.database.pool)
            .await
            .unwrap()
    };
    let open = |sealed: &[u8]| {
        let plaintext = open_session_secret(&world.region_key, tenant.id.0, &session, "proxy_sealed", sealed).unwrap();
        String::from_utf8(expose(&plaintext).to_vec()).unwrap()
    };
    assert_eq!(open(&sealed().await.unwrap()), whole);

    let same = json!({"settings": {"proxy": {"url": shown}, "read_receipts": false}});
    tenant.client.patch(&path, same).await.expect(200);
    assert_eq!(
        open(&sealed().await.unwrap()),
        whole,
        "the proxy as it was shown keeps its password"
    );
    let other = "http://user:0ther@proxy.example:3128/";
    tenant
        .client
        .patch(&path, json!({"settings": {"proxy": {"url": other}}}))
        .await
        .expect(200);
    assert_eq!(open(&sealed().await.unwrap()), other);
    let removed = tenant
        .client
        .patch(&path, json!({"settings": {"proxy": null}}))
        .await
        .expect(200);
    assert!(removed.json["settings"].get("proxy").is_none());
    assert_eq!(sealed().await, None);
}

#[tokio::test]
async fn imported_credentials_are_sealed_to_the_region() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let pair = |byte: u8| KeyPair {
        private: SecretBytes([byte; 32]),
        public: SecretBytes([byte + 1; 32]),
    };
    let credentials = Credentials {
        registration_id: 4711,
        noise_key: pair(1),
        identity_key: pair(3),
        signed_pre_key: SignedPreKey {
            id: 1,
            private: SecretBytes([5; 32]),
            public: SecretBytes([6; 32]),
            signature: SecretBytes([7; 64]),
        },
        adv_secret_key: SecretBytes([8; 32]),
        phone: "15550001001".into(),
        lid: "100000000001001".into(),
        device: 7,
        account: "CgASAA==".into(),
        push_name: "Shop".into(),
        platform: "android".into(),
    };
    let body = json!({"name": "Moved", "credentials": credentials});
    let created = tenant.client.post("/v1/sessions", body).await.expect(201);
    assert!(created.json.get("credentials").is_none());
    let session: SessionId = created.text("/id").parse().unwrap();
    let sealed: Vec<u8> = sqlx::query_scalar("SELECT imported_credentials FROM session WHERE id = $1")
        .bind(session.uuid)
        .fetch_one(&world.database.pool)
        .await
        .unwrap();
    let opened = open_session_secret(
        &world.region_key,
        tenant.id.0,
        &session,
        "imported_credentials",
        &sealed,
    )
    .unwrap();
    let read_back: Credentials = serde_json::from_slice(expose(&opened)).unwrap();
    assert_eq!(read_back, credentials);

    let mut wrong = json!({"name": "Moved", "credentials": credentials});
    wrong["credentials"]["device"] = json!(0);
    wrong["credentials"]["account"] = json!("not base64!");
    let refused = tenant
        .client
        .post("/v1/sessions", wrong)
        .await
        .expect(422)
        .expect_problem("validation_failed");
    assert_eq!(refused.text("/errors/0/field"), "credentials.device");
    assert_eq!(refused.text("/errors/1/field"), "credentials.account");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_free_place_of_a_quota_is_given_once() {
    let world = World::new().await;
    let body = json!({"name": "Small", "quotas": {"sessions": 2}});
    let tenant = world.operator().post("/v1/tenants", body).await.expect(201).text("/id");
    let (_, key) = world.key(&tenant, json!({})).await;
    let client = world.operator().with_key(&key);
    let first = client
        .post("/v1/sessions", json!({"name": "1"}))
        .await
        .expect(201)
        .text("/id");
    let racing = (0..5).map(|_| tokio::spawn(client.call("POST", "/v1/sessions").json(&json!({"name": "2"})).send()));
    let mut created = 0;
    for answer in futures::future::join_all(racing).await {
        let answer = answer.unwrap();
        if answer.status == 201 {
            created += 1;
        } else {
            answer.expect(429).expect_problem("quota_exceeded");
        }
    }
    assert_eq!(created, 1);
    client.delete(&format!("/v1/sessions/{first}")).await.expect(204);
    client.post("/v1/sessions", json!({"name": "3"})).await.expect(201);
}
