//! What a gateway does with its broker, when there is one.

use std::time::Duration;

use futures::StreamExt as _;
use serde_json::json;
use shared::command::{Command, Envelope};
use shared::event::EventType;
use shared::ids::CommandId;
use shared::query::{Answer, LiveStatus, Query, Question};
use shared::session::SessionStatus;
use shared::subject;
use tokio::time::{Instant, timeout};

use crate::gateway::{Options, World, text_message};
use harness::scratch::Nats;
use harness::wait::{SOON, until};

/// A world with a broker, and a connection of somebody else to it.
async fn connected_world(nats: &Nats) -> (World, async_nats::Client) {
    let world = World::with(Options {
        nats: Some(nats.url()),
        ..Options::default()
    })
    .await;
    until("the gateway is connected to its broker", SOON, async || {
        world.gateway.app.broker().is_connected().then_some(())
    })
    .await;
    (world, async_nats::connect(nats.url()).await.unwrap())
}

#[tokio::test]
async fn a_committed_command_is_carried_to_the_worker_that_holds_the_session() {
    let nats = Nats::start().await;
    let (world, somebody) = connected_world(&nats).await;
    let region = world.gateway.app.region();
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let worker = world.database.hold(session).await;
    let mut commands = somebody.subscribe(subject::commands_of(region, worker)).await.unwrap();
    let mut claims = somebody.subscribe(subject::claim_hint(region)).await.unwrap();
    somebody.flush().await.unwrap();

    let path = format!("/v1/sessions/{session}/messages");
    let accepted = tenant.client.post(&path, text_message("carried")).await.expect(202);
    let message = timeout(SOON, commands.next()).await.unwrap().unwrap();
    let envelope = Envelope::decode(&message.payload).unwrap();
    assert_eq!(envelope.id.to_string(), accepted.text("/command_id"));
    assert_eq!((envelope.sequence, envelope.session), (1, session));
    assert!(matches!(envelope.command, Command::SendMessage(_)));
    let deduplication = message.headers.unwrap().get("Nats-Msg-Id").unwrap().to_string();
    assert_eq!(deduplication, accepted.text("/command_id"));

    // The worker vanishes: the next command only calls for somebody to claim the session.
    world
        .database
        .change(
            "UPDATE worker SET beat_at = now() - interval '6 seconds' WHERE id = $1",
            worker.0,
        )
        .await;
    tenant.client.post(&path, text_message("waits")).await.expect(202);
    timeout(SOON, claims.next()).await.unwrap().unwrap();
    let stray = timeout(Duration::from_millis(200), commands.next()).await;
    assert!(stray.is_err(), "nothing goes to a dead worker");
}

#[tokio::test]
async fn the_workers_hint_wakes_a_waiting_client_before_it_would_look_again() {
    let nats = Nats::start().await;
    let (world, somebody) = connected_world(&nats).await;
    let region = world.gateway.app.region();
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let worker = world.database.hold(session).await;
    let mut commands = somebody.subscribe(subject::commands_of(region, worker)).await.unwrap();
    somebody.flush().await.unwrap();
    let path = format!("/v1/sessions/{session}/messages");

    // The gateway looks twice a second by itself; of several rounds the fastest shows that the hint is faster.
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let call = tenant
            .client
            .call("POST", &path)
            .header("prefer", "wait=10")
            .json(&text_message("a"))
            .send();
        let work = async {
            let message = timeout(SOON, commands.next()).await.unwrap().unwrap();
            let command: CommandId = Envelope::decode(&message.payload).unwrap().id;
            world.database.finish_command(command, None, None).await;
            somebody
                .publish(subject::outcome_hint(region, command), "".into())
                .await
                .unwrap();
            somebody.flush().await.unwrap();
            Instant::now()
        };
        let (answer, done_at) = tokio::join!(call, work);
        answer.expect(200);
        fastest = fastest.min(done_at.elapsed());
    }
    assert!(fastest < Duration::from_millis(200), "{fastest:?}");
}

#[tokio::test]
async fn the_holder_tells_how_a_session_is_right_now() {
    let nats = Nats::start().await;
    let (world, somebody) = connected_world(&nats).await;
    let region = world.gateway.app.region();
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let worker = world.database.hold(session).await;
    let path = format!("/v1/sessions/{session}/status");
    let stored = tenant.client.get(&path).await.expect(200);
    assert_eq!(stored.json["live"], false, "nobody answers yet");

    let mut questions = somebody.subscribe(subject::queries_of(region, worker)).await.unwrap();
    somebody.flush().await.unwrap();
    let holder = async {
        let message = timeout(SOON, questions.next()).await.unwrap().unwrap();
        let question: Question = serde_json::from_slice(&message.payload).unwrap();
        assert_eq!(
            question,
            Question {
                session_id: session,
                query: Query::Status
            }
        );
        let answer = Answer::Status(LiveStatus {
            status: SessionStatus::Connecting,
            reason: Some("stream_restarted".into()),
            holder: worker,
            epoch: 4,
            connected_since: None,
            last_event_at: None,
        });
        let reply = serde_json::to_vec(&answer).unwrap();
        somebody.publish(message.reply.unwrap(), reply.into()).await.unwrap();
    };
    let (status, ()) = tokio::join!(tenant.client.get(&path), holder);
    let status = status.expect(200);
    assert_eq!(status.json["live"], true);
    assert_eq!(
        (status.text("/status"), status.text("/reason")),
        ("connecting".into(), "stream_restarted".into())
    );
    assert_eq!(status.json["epoch"], 4);

    let began = Instant::now();
    let silent = tenant.client.get(&path).await.expect(200);
    assert_eq!(silent.json["live"], false);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "a silent holder is not waited for"
    );
}

#[tokio::test]
async fn an_event_on_the_broker_wakes_a_stream_before_it_would_look_again() {
    let nats = Nats::start().await;
    let (world, somebody) = connected_world(&nats).await;
    let tenant = world.tenant().await;
    let session = tenant.session().await;
    let (_, _, body) = tenant
        .client
        .call("GET", "/v1/events")
        .header("accept", "text/event-stream")
        .open()
        .await;
    let mut stream = body.into_data_stream();
    let mut fastest = Duration::MAX;
    for _ in 0..6 {
        let event = world.database.record_event(tenant.id, session, "session.status").await;
        let written = Instant::now();
        let subject = subject::event(tenant.id, session, EventType::SessionStatus.as_str());
        somebody.publish(subject, "{}".into()).await.unwrap();
        somebody.flush().await.unwrap();
        let chunk = timeout(SOON, stream.next()).await.unwrap().unwrap().unwrap();
        assert!(std::str::from_utf8(&chunk).unwrap().contains(&event.to_string()));
        fastest = fastest.min(written.elapsed());
    }
    assert!(fastest < Duration::from_millis(500), "{fastest:?}");
}

#[tokio::test]
async fn the_streams_are_made_and_changes_of_webhooks_are_told() {
    let nats = Nats::start().await;
    let (world, somebody) = connected_world(&nats).await;
    let region = world.gateway.app.region();
    let jetstream = async_nats::jetstream::new(somebody.clone());
    until("the streams exist", SOON, async || {
        jetstream.get_stream(subject::command_stream(region)).await.ok()?;
        jetstream.get_stream(subject::event_stream(region)).await.ok()
    })
    .await;
    let mut hints = somebody.subscribe(subject::webhook_hint(region)).await.unwrap();
    somebody.flush().await.unwrap();
    let tenant = world.tenant().await;
    let (webhook, _) = tenant.webhook().await;
    timeout(SOON, hints.next()).await.unwrap().unwrap();
    tenant
        .client
        .patch(&format!("/v1/webhooks/{webhook}"), json!({"enabled": false}))
        .await
        .expect(200);
    timeout(SOON, hints.next()).await.unwrap().unwrap();
}
