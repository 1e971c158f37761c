//! Stories of Postgres and NATS being away for seconds.

use std::collections::HashSet;

use crate::receiver::{Receiver, Reply};
use crate::stack::{Stack, all_succeeded};
use harness::scratch::Proxy;
use harness::wait::{SOON, until};

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_away_for_seconds_and_nothing_is_lost() {
    let stack = Stack::start().await;
    let proxy = Proxy::start(stack.database.address()).await;
    let receiver = Receiver::willing().await;
    let failing = Receiver::start([Reply::Status(500), Reply::Status(200)]).await;
    let webhook = stack.webhook(&receiver).await;
    let retried = stack.webhook(&failing).await;
    let settings = stack
        .settings()
        .with("ROOKERY_DATABASE_URL", stack.database.url(Some(proxy.port)));
    let dispatcher = stack.dispatcher(&settings);
    let mut published = HashSet::new();
    published.insert(stack.publish().await.id.to_string());
    stack.deliveries_until("it works", webhook, all_succeeded(1)).await;

    proxy.cut();
    for _ in 0..20 {
        published.insert(stack.publish().await.id.to_string());
    }
    until("the dispatcher has noticed", SOON, async || {
        let log = dispatcher.log();
        let noticed =
            log.contains("deliveries cannot be recorded yet") && log.contains("due deliveries cannot be read");
        noticed.then_some(())
    })
    .await;
    assert_eq!(
        stack.database.deliveries(webhook).await.len(),
        1,
        "nothing could be recorded"
    );
    proxy.open();

    stack
        .deliveries_until("everything is delivered", webhook, all_succeeded(21))
        .await;
    stack.deliveries_until("retries too", retried, all_succeeded(21)).await;
    let delivered: HashSet<String> = receiver
        .received()
        .iter()
        .map(|request| request.header("webhook-id").to_owned())
        .collect();
    assert_eq!(delivered, published);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_read_but_never_recorded_comes_again_to_another_dispatcher() {
    let stack = Stack::start().await;
    let proxy = Proxy::start(stack.database.address()).await;
    let receiver = Receiver::willing().await;
    let webhook = stack.webhook(&receiver).await;
    let settings = stack
        .settings()
        .with("ROOKERY_DATABASE_URL", stack.database.url(Some(proxy.port)));
    let mut first = stack.dispatcher(&settings);
    first.operations().await;
    proxy.cut();
    let event = stack.publish().await;
    until("the event is read", SOON, async || {
        first.log().contains("deliveries cannot be recorded yet").then_some(())
    })
    .await;
    first.kill().await;

    let _second = stack.dispatcher(&stack.settings());
    // The broker gives it to somebody else when nobody has acknowledged it for half a minute.
    let rows = stack
        .deliveries_within("another dispatcher delivers it", 3 * SOON, webhook, all_succeeded(1))
        .await;
    assert_eq!(rows[0].event_id, event.id.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_ends_while_postgres_is_away_is_written_down_later() {
    let stack = Stack::start().await;
    let proxy = Proxy::start(stack.database.address()).await;
    let receiver = Receiver::start([Reply::Late(std::time::Duration::from_millis(1_000))]).await;
    let webhook = stack.webhook(&receiver).await;
    let settings = stack
        .settings()
        .with("ROOKERY_DATABASE_URL", stack.database.url(Some(proxy.port)))
        // A lease long enough that nobody else may take it meanwhile.
        .with("ROOKERY_ATTEMPT_SECONDS", "20");
    let dispatcher = stack.dispatcher(&settings);
    stack.publish().await;
    receiver.wait_for(1).await;
    proxy.cut();
    until("the attempt is over", SOON, async || {
        dispatcher
            .log()
            .contains("an attempt cannot be written down yet")
            .then_some(())
    })
    .await;
    proxy.open();
    let rows = stack
        .deliveries_until("it is written down", webhook, all_succeeded(1))
        .await;
    assert_eq!(rows[0].attempts, 1);
    assert_eq!(receiver.received().len(), 1, "it was not sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_is_killed_and_comes_back_and_nothing_is_lost() {
    let mut stack = Stack::start().await;
    let receiver = Receiver::start([Reply::Status(500), Reply::Status(200)]).await;
    let webhook = stack.webhook(&receiver).await;
    let _dispatcher = stack.dispatcher(&stack.settings());
    stack.publish().await;
    receiver.wait_for(1).await;
    stack.nats.kill().await;
    // Retries need no broker.
    stack
        .deliveries_until("the retry succeeds", webhook, all_succeeded(1))
        .await;
    stack.nats.start_again().await;
    until("events can be published again", SOON, async || {
        stack.broker.ensure_streams().await.ok()
    })
    .await;
    for _ in 0..5 {
        stack.publish().await;
    }
    stack
        .deliveries_within("everything is delivered", 2 * SOON, webhook, all_succeeded(6))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_store_of_the_broker_is_lost_and_what_is_published_again_is_delivered_once() {
    let mut stack = Stack::start().await;
    let receiver = Receiver::willing().await;
    let webhook = stack.webhook(&receiver).await;
    let _dispatcher = stack.dispatcher(&stack.settings());
    let known = stack.publish().await;
    stack.deliveries_until("it works", webhook, all_succeeded(1)).await;
    stack.nats.kill().await;
    stack.nats.lose_everything().await;
    stack.nats.start_again().await;
    until("events can be published again", SOON, async || {
        stack.broker.ensure_streams().await.ok()
    })
    .await;
    // As the worker's relay does: what it cannot be sure of it publishes again.
    stack.publish_again(&known, &known.id.to_string()).await;
    let fresh = stack.publish().await;
    let rows = stack
        .deliveries_within("the new event is delivered", 2 * SOON, webhook, all_succeeded(2))
        .await;
    assert_eq!(rows[1].event_id, fresh.id.0);
    assert_eq!(receiver.received().len(), 2, "the known one was not sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_that_starts_before_everything_else_waits_for_it() {
    let mut stack = Stack::start().await;
    let proxy = Proxy::start(stack.database.address()).await;
    proxy.cut();
    stack.nats.kill().await;
    let settings = stack
        .settings()
        .with("ROOKERY_DATABASE_URL", stack.database.url(Some(proxy.port)));
    let dispatcher = stack.dispatcher(&settings);
    until("it waits for both", SOON, async || {
        let log = dispatcher.log();
        (log.contains("events cannot be read yet") && log.contains("due deliveries cannot be read")).then_some(())
    })
    .await;
    proxy.open();
    stack.nats.start_again().await;
    let receiver = Receiver::willing().await;
    until("events can be published again", SOON, async || {
        stack.broker.ensure_streams().await.ok()
    })
    .await;
    let webhook = stack.webhook(&receiver).await;
    stack.publish().await;
    stack
        .deliveries_within("it works", 2 * SOON, webhook, all_succeeded(1))
        .await;
}
