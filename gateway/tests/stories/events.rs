//! Events: none is skipped, none is repeated, as a list and live.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use futures::StreamExt as _;
use serde_json::json;
use shared::ids::EventId;
use sqlx::Connection as _;
use tokio::time::timeout;

use crate::client::{Answer, Client};
use crate::database::insert_event;
use crate::gateway::World;
use harness::wait::{SOON, until};

/// The ids of a page's events.
fn ids(page: &Answer) -> Vec<String> {
    let data = page.json["data"].as_array().unwrap();
    data.iter()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect()
}

fn texts(ids: &[EventId]) -> Vec<String> {
    ids.iter().map(EventId::to_string).collect()
}

/// A followed stream.
struct Follower {
    body: BodyDataStream,
    unread: String,
}

/// One frame of it.
#[derive(Debug)]
struct Frame {
    id: String,
    event: String,
    data: String,
}

impl Follower {
    async fn open(client: &Client, path: &str, last_event_id: Option<&str>) -> Self {
        let mut call = client.call("GET", path).header("accept", "text/event-stream");
        if let Some(id) = last_event_id {
            call = call.header("last-event-id", id);
        }
        let (status, headers, body) = call.open().await;
        assert_eq!(
            (status.as_u16(), headers["content-type"].to_str().unwrap()),
            (200, "text/event-stream")
        );
        Self::new(body)
    }

    fn new(body: Body) -> Self {
        Self {
            body: body.into_data_stream(),
            unread: String::new(),
        }
    }

    /// The next frame; `None` at the end.
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, rest)) = self.unread.clone().split_once("\n\n") {
                self.unread = rest.to_owned();
                let field = |name: &str| {
                    let prefix = format!("{name}: ");
                    frame
                        .lines()
                        .find_map(|line| line.strip_prefix(&prefix))
                        .map(str::to_owned)
                };
                if let Some(data) = field("data") {
                    return Some(Frame {
                        id: field("id").unwrap(),
                        event: field("event").unwrap(),
                        data,
                    });
                }
                continue;
            }
            let chunk = timeout(SOON, self.body.next())
                .await
                .expect("the stream says nothing")?;
            self.unread.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        }
    }
}

#[tokio::test]
async fn an_event_that_commits_late_is_not_skipped() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let slow_session = tenant.session().await;
    let fast_session = tenant.session().await;
    let before = world
        .database
        .record_event(tenant.id, fast_session, "session.status")
        .await;
    world.database.all_events_visible().await;

    let mut connection = world.database.pool.acquire().await.unwrap();
    let mut slow = connection.begin().await.unwrap();
    let late = insert_event(&mut slow, tenant.id, slow_session, "message.received").await;
    let early = world
        .database
        .record_event(tenant.id, fast_session, "message.received")
        .await;

    let page = tenant.client.get("/v1/events").await.expect(200);
    assert_eq!(
        ids(&page),
        texts(&[before]),
        "what comes after the running transaction waits for it"
    );
    let cursor = page.text("/resume_cursor");
    let nothing = tenant
        .client
        .get(&format!("/v1/events?cursor={cursor}"))
        .await
        .expect(200);
    assert!(ids(&nothing).is_empty());
    assert_eq!(
        nothing.text("/resume_cursor"),
        cursor,
        "a place to go on from is never lost"
    );

    slow.commit().await.unwrap();
    world.database.all_events_visible().await;
    let page = tenant
        .client
        .get(&format!("/v1/events?cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!(ids(&page), texts(&[late, early]));
    assert_eq!(page.json["next_cursor"], json!(null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_beside_many_writers_sees_every_event_once() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let mut writers = Vec::new();
    for _ in 0..4 {
        let session = tenant.session().await;
        let pool = world.database.pool.clone();
        let id = tenant.id;
        writers.push(tokio::spawn(async move {
            let mut written = Vec::new();
            for _ in 0..25 {
                let mut connection = pool.acquire().await.unwrap();
                let mut transaction = connection.begin().await.unwrap();
                written.push(insert_event(&mut transaction, id, session, "message.received").await);
                tokio::task::yield_now().await;
                transaction.commit().await.unwrap();
            }
            written
        }));
    }
    let mut seen = Vec::new();
    let mut cursor = None;
    until("all events are read", SOON, async || {
        let path = match &cursor {
            Some(cursor) => format!("/v1/events?limit=7&cursor={cursor}"),
            None => "/v1/events?limit=7".to_owned(),
        };
        let page = tenant.client.get(&path).await.expect(200);
        seen.extend(ids(&page));
        cursor = page.json["resume_cursor"].as_str().map(str::to_owned);
        (seen.len() >= 100).then_some(())
    })
    .await;
    let mut written = Vec::new();
    for writer in writers {
        written.extend(texts(&writer.await.unwrap()));
    }
    let rest = tenant
        .client
        .get(&format!("/v1/events?cursor={}", cursor.unwrap()))
        .await
        .expect(200);
    assert!(ids(&rest).is_empty());
    seen.sort();
    written.sort();
    assert_eq!(seen, written);
}

#[tokio::test]
async fn events_are_filtered_paged_and_passed_through_byte_for_byte() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let one = tenant.session().await;
    let two = tenant.session().await;
    let mut all = Vec::new();
    for (session, event_type) in [
        (one, "message.received"),
        (two, "message.status"),
        (one, "session.status"),
        (one, "message.sent"),
    ] {
        all.push(world.database.record_event(tenant.id, session, event_type).await);
    }
    world.database.all_events_visible().await;
    let get = async |query: &str| tenant.client.get(&format!("/v1/events?{query}")).await.expect(200);
    let page = get("").await;
    assert_eq!(ids(&page), texts(&all));
    assert!(String::from_utf8_lossy(&page.bytes).contains(r#""data":{"spacing" : "kept"}"#));
    assert_eq!(
        ids(&get(&format!("session_id={one}")).await),
        texts(&[all[0], all[2], all[3]])
    );
    assert_eq!(ids(&get("type=message.*").await), texts(&[all[0], all[1], all[3]]));
    assert_eq!(
        ids(&get("type=session.status&type=message.sent").await),
        texts(&all[2..])
    );
    assert_eq!(
        ids(&get(&format!("type=*&session_id={two}&session_id={one}")).await),
        texts(&all)
    );
    let first = get("limit=3").await;
    let cursor = first.text("/next_cursor");
    assert_eq!(cursor, first.text("/resume_cursor"));
    assert_eq!(ids(&get(&format!("limit=3&cursor={cursor}")).await), texts(&all[3..]));
}

#[tokio::test]
async fn a_stream_begins_now_and_goes_on_where_a_client_left_it() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.session().await;
    world.database.record_event(tenant.id, session, "session.status").await;
    world.database.all_events_visible().await;
    let mut live = Follower::open(&tenant.client, "/v1/events", None).await;
    let first = world
        .database
        .record_event(tenant.id, session, "message.received")
        .await;
    let second = world.database.record_event(tenant.id, session, "message.status").await;
    let frame = live.next().await.unwrap();
    assert_eq!(frame.event, "message.received");
    assert!(frame.data.contains(&first.to_string()) && frame.data.contains(r#""data":{"spacing" : "kept"}"#));
    drop(live);

    let mut resumed = Follower::open(&tenant.client, "/v1/events", Some(&frame.id)).await;
    let next = resumed.next().await.unwrap();
    assert!(next.data.contains(&second.to_string()));
    // The same places serve the list.
    world.database.all_events_visible().await;
    let page = tenant
        .client
        .get(&format!("/v1/events?cursor={}", frame.id))
        .await
        .expect(200);
    assert_eq!(ids(&page), texts(&[second]));

    let mut filtered = Follower::open(&tenant.client, "/v1/events?type=session.*", Some("")).await;
    world
        .database
        .record_event(tenant.id, session, "message.received")
        .await;
    let wanted = world.database.record_event(tenant.id, session, "session.qr").await;
    assert!(filtered.next().await.unwrap().data.contains(&wanted.to_string()));
}

#[tokio::test]
async fn a_stream_ends_when_its_key_is_revoked_and_when_the_gateway_stops() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let (id, key) = world.key(&tenant.id.to_string(), json!({})).await;
    let mut revoked = Follower::open(&tenant.client.with_key(&key), "/v1/events", None).await;
    let mut stopped = Follower::open(&tenant.client, "/v1/events", None).await;
    world.operator().delete(&format!("/v1/api-keys/{id}")).await.expect(204);
    let end = timeout(Duration::from_secs(3), revoked.next()).await;
    assert!(end.expect("it ends within seconds").is_none());

    world.gateway.shutdown.soft().cancel();
    let end = timeout(Duration::from_secs(1), stopped.next()).await;
    assert!(end.expect("it ends at once").is_none());
}

#[tokio::test]
async fn followers_are_bounded() {
    let world = World::with(crate::gateway::Options {
        flags: vec!["--max-event-streams=1"],
        ..Default::default()
    })
    .await;
    let tenant = world.tenant().await;
    let first = Follower::open(&tenant.client, "/v1/events", None).await;
    let second = || {
        tenant
            .client
            .call("GET", "/v1/events")
            .header("accept", "text/event-stream")
            .open()
    };
    assert_eq!(second().await.0, 503);
    drop(first);
    until("the place is free again", SOON, async || {
        let (status, _, _body) = second().await;
        (status == 200).then_some(())
    })
    .await;
}
