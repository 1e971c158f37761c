//! People who log in, what a tenant uses, and tenants who read their events from NATS itself.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use async_nats::jetstream::consumer::{Consumer, pull};
use futures::{FutureExt as _, StreamExt as _};
use harness::nats::authority::SERVICES_FILE;
use harness::wait::{NotYet, wait_for};
use parking_lot::Mutex;
use serde_json::{Value, json};
use stories::scene::PATIENCE;
use stories::{Scene, Story};

stories::stories![
    people_log_in_do_what_their_role_may_and_are_sent_away,
    a_tenant_reads_its_events_from_nats_and_nothing_else,
    what_a_tenant_uses_is_told_and_its_messages_of_a_day_are_limited,
];

const PASSWORD: &str = "correct horse battery";

async fn people_log_in_do_what_their_role_may_and_are_sent_away(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::on(story.stack()?.gateways(2).workers(0).dispatchers(0)).await?;
    let body = json!({ "tenant_id": scene.tenant, "email": "Ana@Example.com", "password": PASSWORD, "role": "viewer" });
    let user = scene.admin.post("/v1/users", &body).created().await?;
    let path = format!("/v1/users/{}", user["id"].as_str().context("a user has an id")?);
    let listed: Value = scene.admin.get("/v1/users").ok().await?.json()?;
    ensure!(listed["data"][0]["email"] == "ana@example.com", "{listed}");

    let log_in = async |password: &str| {
        let body = json!({ "email": "ANA@example.com", "password": password });
        scene
            .admin
            .anonymous(reqwest::Method::POST, "/v1/login")
            .json(&body)
            .send()
            .await
    };
    let wrong = log_in("wrong password").await?;
    ensure!(wrong.status == 401, "{wrong}");
    let login: Value = log_in(PASSWORD).await?.expect(200)?.json()?;
    ensure!(
        login["tenant_id"] == scene.tenant.as_str() && login["user"]["id"] == user["id"],
        "{login}"
    );
    let ana = scene.api.with_key(login["token"].as_str().context("a token")?);
    ana.get("/v1/sessions").ok().await?;
    let refused = ana.post("/v1/sessions", &json!({ "name": "Shop" })).send().await?;
    ensure!(refused.status == 403, "a viewer creates nothing: {refused}");
    let promoted: Value = scene
        .admin
        .patch(&path, &json!({ "role": "owner" }))
        .ok()
        .await?
        .json()?;
    ensure!(
        promoted["role"] == "owner" && promoted["last_login_at"].is_string(),
        "{promoted}"
    );
    wait_for("the token to follow the role", PATIENCE, async || {
        let answer = ana.post("/v1/sessions", &json!({ "name": "Shop" })).send().await?;
        match answer.status {
            201 => Ok(()),
            _ => Err(NotYet::because(answer)),
        }
    })
    .await?;

    // Logged out at one gateway is logged out at the other.
    let elsewhere = ana.at(&scene.gateway(2)?);
    elsewhere.get("/v1/sessions").ok().await?;
    ana.post("/v1/logout", &json!({})).send().await?.expect(204)?;
    wait_for("the other gateway to refuse the token", PATIENCE, async || {
        let answer = elsewhere.get("/v1/sessions").send().await?;
        match answer.status {
            401 => Ok(()),
            _ => Err(NotYet::because(answer)),
        }
    })
    .await?;
    let shown: Value = scene.admin.get(&path).ok().await?.json()?;
    ensure!(shown["disabled"] == false, "{shown}");
    scene.admin.delete(&path).send().await?.expect(204)?;
    let gone = log_in(PASSWORD).await?;
    ensure!(gone.status == 401, "{gone}");
    for log in ["gateway-1", "gateway-2"] {
        let text = std::fs::read_to_string(scene.site().directory.log_file(log))?;
        ensure!(
            !text.contains(PASSWORD) && !text.contains("rt_"),
            "{log} holds a secret"
        );
    }
    Ok(())
}

/// A client of the broker and what the server has refused it.
struct Reader {
    client: async_nats::Client,
    domain: String,
    consumer: String,
    stream: String,
    refusals: Arc<Mutex<Vec<String>>>,
}

impl Reader {
    /// Connects with what the gateway gives.
    async fn with(credential: &Value) -> anyhow::Result<Self> {
        let text = |field: &str| {
            credential[field]
                .as_str()
                .with_context(|| format!("{field}: {credential}"))
        };
        let refusals = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&refusals);
        let client = async_nats::ConnectOptions::with_credentials(text("credentials")?)?
            .custom_inbox_prefix(text("inbox_prefix")?)
            .event_callback(move |event| {
                heard.lock().push(event.to_string());
                async {}
            })
            .connect(text("url")?)
            .await?;
        Ok(Self {
            client,
            domain: text("domain")?.to_owned(),
            consumer: text("consumer")?.to_owned(),
            stream: text("stream")?.to_owned(),
            refusals,
        })
    }

    async fn consumer(&self) -> anyhow::Result<Consumer<pull::Config>> {
        let jetstream = async_nats::jetstream::with_domain(self.client.clone(), &self.domain);
        Ok(jetstream.get_consumer_from_stream(&self.consumer, &self.stream).await?)
    }

    /// Requires that the server refuses what was just tried on a subject.
    async fn refused(&self, subject: &str) -> anyhow::Result<()> {
        wait_for(format!("{subject} to be refused"), PATIENCE, async || {
            let refusals = self.refusals.lock();
            let expected = format!("\"{}\"", subject.to_lowercase());
            if refusals
                .iter()
                .any(|refusal| refusal.to_lowercase().contains(&expected))
            {
                return Ok(());
            }
            Err(NotYet::because(format!("{refusals:?}")))
        })
        .await
    }

    async fn may_not_publish(&self, subject: &str, body: &str) -> anyhow::Result<()> {
        let inbox = self.client.new_inbox();
        self.client
            .publish_with_reply(subject.to_owned(), inbox, body.to_owned().into())
            .await?;
        self.client.flush().await?;
        self.refused(subject).await
    }

    async fn may_not_subscribe(&self, subject: &str) -> anyhow::Result<()> {
        let _subscription = self.client.subscribe(subject.to_owned()).await?;
        self.client.flush().await?;
        self.refused(subject).await
    }
}

async fn a_tenant_reads_its_events_from_nats_and_nothing_else(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let other_tenant = scene.admin.create_tenant("Other").await?;
    let other = scene.admin.create_key(&other_tenant).await?;
    other.create_session("Elsewhere").await?;
    let contact = scene.phone("Carlos").await?;
    contact
        .send_text(&session.owner.number, "Straight from the stream")
        .await?;

    let credential: Value = scene.api.get("/v1/streams/credentials").ok().await?.json()?;
    let others: Value = other.get("/v1/streams/credentials?consumer=1").ok().await?.json()?;
    let subject = format!("wa.evt.local.{}.>", scene.tenant);
    ensure!(credential["subjects"] == json!([subject]), "{credential}");
    let reader = Reader::with(&credential).await?;
    let consumer = reader.consumer().await?;
    let (mut types, mut found) = (Vec::new(), None);
    while found.is_none() {
        let mut batch = consumer
            .fetch()
            .max_messages(50)
            .expires(Duration::from_secs(2))
            .messages()
            .await?;
        let mut read = 0;
        while let Some(message) = batch.next().await {
            let message = message.map_err(|error| anyhow::anyhow!(error))?;
            let event: Value = serde_json::from_slice(&message.payload)?;
            ensure!(event["tenant_id"] == scene.tenant.as_str(), "{event}");
            ensure!(
                message.subject.starts_with(&format!("wa.evt.local.{}.", scene.tenant)),
                "{}",
                message.subject
            );
            types.push(event["type"].to_string());
            if event["data"]["text"]["body"] == "Straight from the stream" {
                found = Some(event);
            }
            message.ack().await.map_err(|error| anyhow::anyhow!(error))?;
            read += 1;
        }
        ensure!(read > 0 || types.len() < 200, "the message is not among {types:?}");
    }
    ensure!(
        types.iter().any(|name| name.contains("session.status")),
        "from the oldest on: {types:?}"
    );
    wait_for("every acknowledgement to arrive", PATIENCE, async || {
        let info = reader.consumer().await?.cached_info().clone();
        match info.num_ack_pending {
            0 => Ok(()),
            left => Err(NotYet::because(left)),
        }
    })
    .await?;

    nothing_else_is_allowed(&reader, &others, &scene.tenant, &other_tenant).await?;
    nobody_can_be_made_to_speak_for_rookery(&scene, &reader).await?;

    // A suspended tenant finds nothing to read, although its credential lives on.
    let path = format!("/v1/tenants/{}", scene.tenant);
    scene.admin.patch(&path, &json!({ "suspended": true })).ok().await?;
    wait_for("the consumer to be gone", PATIENCE, async || {
        match reader.consumer().await {
            Err(error) if format!("{error:#}").contains("not found") => Ok(()),
            other => Err(NotYet::because(format!("{other:?}"))),
        }
    })
    .await?;
    wait_for("the key to be refused", PATIENCE, async || {
        let answer = scene.api.get("/v1/streams/credentials").send().await?;
        match answer.status {
            403 => Ok(()),
            _ => Err(NotYet::because(answer)),
        }
    })
    .await
}

/// Everything that would show or change what is not the tenant's own.
async fn nothing_else_is_allowed(reader: &Reader, others: &Value, own: &str, other: &str) -> anyhow::Result<()> {
    let stream = &reader.stream;
    let theirs = others["consumer"].as_str().context("a consumer")?;
    for subject in [
        format!("wa.evt.local.{other}.>"),
        "wa.evt.>".to_owned(),
        ">".to_owned(),
        "wa.cmd.>".to_owned(),
        format!("_INBOX_{other}.>"),
        "_INBOX.>".to_owned(),
    ] {
        reader.may_not_subscribe(&subject).await?;
    }
    let unfiltered = json!({ "stream_name": stream, "config": { "name": "spy", "ack_policy": "none" } }).to_string();
    let filtered = json!({ "stream_name": stream, "config": {
        "name": "spy", "ack_policy": "none", "filter_subject": format!("wa.evt.local.{other}.>") } })
    .to_string();
    for (subject, body) in [
        (format!("wa.evt.local.{other}.ses_local_x.message.received"), "{}"),
        (format!("wa.evt.local.{own}.ses_local_x.message.received"), "{}"),
        ("wa.cmd.local.wrk_x".to_owned(), "{}"),
        ("wa.query.local.wrk_x".to_owned(), "{}"),
        ("wa.hint.local.claim".to_owned(), ""),
        (format!("$JS.API.CONSUMER.CREATE.{stream}.spy"), &unfiltered),
        (format!("$JS.API.CONSUMER.CREATE.{stream}"), &unfiltered),
        (
            format!("$JS.API.CONSUMER.CREATE.{stream}.spy.wa.evt.local.{other}.>"),
            &filtered,
        ),
        (format!("$JS.API.CONSUMER.DURABLE.CREATE.{stream}.spy"), &unfiltered),
        (
            format!("$JS.API.CONSUMER.CREATE.{stream}.{}", reader.consumer),
            &unfiltered,
        ),
        (format!("$JS.API.CONSUMER.DELETE.{stream}.{theirs}"), ""),
        (format!("$JS.API.CONSUMER.INFO.{stream}.{theirs}"), ""),
        (format!("$JS.API.CONSUMER.INFO.{stream}.dispatcher"), ""),
        (format!("$JS.API.CONSUMER.LIST.{stream}"), ""),
        (format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{theirs}"), "1"),
        (format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.dispatcher"), "1"),
        (format!("$JS.ACK.{stream}.dispatcher.1.1.1.1.0"), "+ACK"),
        (format!("$JS.rookery.API.CONSUMER.INFO.{stream}.{theirs}"), ""),
        (format!("$JS.rookery.API.CONSUMER.INFO.{stream}.dispatcher"), ""),
        (format!("$JS.rookery.API.CONSUMER.MSG.NEXT.{stream}.{theirs}"), "1"),
        (format!("$JS.rookery.API.CONSUMER.MSG.NEXT.{stream}.dispatcher"), "1"),
        (format!("$JS.rookery.API.STREAM.MSG.GET.{stream}"), "{\"seq\":1}"),
        (format!("$JS.rookery.API.CONSUMER.CREATE.{stream}.spy"), &unfiltered),
        (format!("$JS.API.STREAM.INFO.{stream}"), ""),
        (format!("$JS.API.STREAM.MSG.GET.{stream}"), "{\"seq\":1}"),
        (format!("$JS.API.DIRECT.GET.{stream}"), "{\"seq\":1}"),
        ("$JS.API.STREAM.NAMES".to_owned(), ""),
        ("$JS.API.INFO".to_owned(), ""),
    ] {
        reader.may_not_publish(&subject, body).await?;
    }
    Ok(())
}

/// A client names the subject of an answer itself: it must not become a message of Rookery's own account.
async fn nobody_can_be_made_to_speak_for_rookery(scene: &Scene, reader: &Reader) -> anyhow::Result<()> {
    let services = std::fs::read_to_string(scene.site().directory.secrets().join(SERVICES_FILE))?;
    let insider = async_nats::ConnectOptions::with_credentials(&services)?
        .connect(scene.site().nats_url()?)
        .await?;
    let mut forged = insider.subscribe("wa.forged.>").await?;
    insider.flush().await?;
    // Something to be delivered, and a witness that the subscription works.
    insider.publish("wa.forged.witness", "".into()).await?;
    let witness = tokio::time::timeout(PATIENCE, forged.next()).await?;
    ensure!(
        witness.is_some_and(|message| message.subject.as_str() == "wa.forged.witness"),
        "the witness is heard"
    );
    scene.api.create_session("Makes events").await?;
    let next = format!(
        "$JS.rookery.API.CONSUMER.MSG.NEXT.{}.{}",
        reader.stream, reader.consumer
    );
    reader
        .client
        .publish_with_reply(
            next,
            "wa.forged.command",
            "{\"batch\":1,\"expires\":20000000000}".into(),
        )
        .await?;
    reader.client.flush().await?;
    // What was asked after it is answered: so it has been dealt with.
    let consumer = reader.consumer().await?;
    let mut batch = consumer
        .fetch()
        .max_messages(1)
        .expires(Duration::from_secs(5))
        .messages()
        .await?;
    let answered = batch.next().await.context("an event for whoever may ask")?;
    answered.map_err(|error| anyhow::anyhow!(error))?;
    insider.flush().await?;
    if let Some(Some(message)) = forged.next().now_or_never() {
        bail!("a tenant has spoken as Rookery: {message:?}");
    }
    Ok(())
}

async fn what_a_tenant_uses_is_told_and_its_messages_of_a_day_are_limited(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("operations", &["tenant.*"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    let path = format!("/v1/tenants/{}", scene.tenant);
    let quotas = json!({ "quotas": { "messages_per_day": 2 } });
    scene.admin.patch(&path, &quotas).ok().await?;
    for text in ["one", "two"] {
        scene
            .api
            .send_text_and_wait(&session.id, &contact.number, text, PATIENCE)
            .await?;
    }
    for _ in 0..2 {
        let refused = scene.api.text(&session.id, &contact.number, "three").send().await?;
        ensure!(
            refused.status == 429 && refused.json::<Value>()?["code"] == "quota_exceeded",
            "{refused}"
        );
    }
    let told = scene
        .sink()
        .first("operations", PATIENCE, |one| one.event_type() == "tenant.quota")
        .await?;
    let data = told.event()?["data"].clone();
    ensure!(data["quota"] == "messages_per_day" && data["limit"] == 2, "{data}");
    ensure!(
        data["free_at"].as_str().is_some_and(|at| at.contains("T00:00:00")),
        "{data}"
    );
    contact.send_text(&session.owner.number, "An answer").await?;

    wait_for("the usage to be counted", PATIENCE, async || {
        let usage: Value = scene.admin.get(&format!("{path}/usage")).ok().await?.json()?;
        let (mut sent, mut received) = (0, 0);
        for day in usage["days"].as_array().context("days")? {
            sent += day["messages_sent"].as_i64().unwrap_or_default();
            received += day["messages_received"].as_i64().unwrap_or_default();
        }
        let now =
            ["sessions", "connected_sessions", "webhooks", "messages_counted_today"].map(|name| usage[name].as_i64());
        if (sent, received) == (2, 1) && now == [Some(1), Some(1), Some(1), Some(2)] {
            return Ok(());
        }
        Err(NotYet::because(usage))
    })
    .await
}
