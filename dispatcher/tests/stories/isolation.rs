//! Stories of slow and hostile receivers, and of those beside them.

use std::time::{Duration, Instant};

use crate::database::DeliveryRow;
use crate::receiver::{Receiver, Reply};
use crate::stack::{Stack, all_succeeded};

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_receiver_delays_nobody_else() {
    let stack = Stack::start().await;
    let hanging = Receiver::start([Reply::Never]).await;
    let healthy = Receiver::willing().await;
    let stuck = stack.webhook(&hanging).await;
    let webhook = stack.webhook(&healthy).await;
    // Few slots in all: were they shared without a limit per endpoint, five events would fill them for good.
    let settings = stack
        .settings()
        .with("ROOKERY_DELIVERY_CONCURRENCY", "6")
        .with("ROOKERY_ATTEMPT_SECONDS", "60");
    let _dispatcher = stack.dispatcher(&settings);
    stack.publish().await;
    hanging.wait_for(1).await;
    healthy.wait_for(1).await;

    let begin = Instant::now();
    for _ in 0..40 {
        stack.publish().await;
    }
    stack
        .deliveries_until("everything healthy is delivered", webhook, all_succeeded(41))
        .await;
    let elapsed = begin.elapsed();
    assert!(
        elapsed < Duration::from_secs(10),
        "{elapsed:?}, although an attempt may take 60 s"
    );
    assert_eq!(
        hanging.received().len(),
        4,
        "the hanging one holds its own slots and no more"
    );
    let rows = stack.database.deliveries(stuck).await;
    assert_eq!(rows.iter().filter(|row| row.leased_by.is_some()).count(), 4);
    assert_eq!(rows.len(), 41, "the others are parked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_gets_no_more_requests_at_once_than_its_limit_and_still_gets_everything() {
    let stack = Stack::start().await;
    let slow = Receiver::start([Reply::Late(Duration::from_millis(50))]).await;
    let webhook = stack.webhook(&slow).await;
    let settings = stack.settings().with("ROOKERY_ENDPOINT_CONCURRENCY", "3");
    let _dispatcher = stack.dispatcher(&settings);
    let begin = Instant::now();
    for _ in 0..60 {
        stack.publish().await;
    }
    stack
        .deliveries_until("everything is delivered", webhook, all_succeeded(60))
        .await;
    let elapsed = begin.elapsed();
    assert!(
        elapsed < Duration::from_secs(10),
        "{elapsed:?}: a slot that comes back is used at once"
    );
    assert_eq!(slow.busiest(), 3);
    assert_eq!(slow.received().len(), 60, "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_row_of_timeouts_a_receiver_is_probed_one_request_at_a_time_until_it_answers() {
    let stack = Stack::start().await;
    let receiver = Receiver::start([Reply::Never]).await;
    let webhook = stack.webhook(&receiver).await;
    let settings = stack
        .settings()
        .with("ROOKERY_ATTEMPT_SECONDS", "1")
        .with("ROOKERY_RETRY_SCHEDULE", "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0");
    let _dispatcher = stack.dispatcher(&settings);
    for _ in 0..8 {
        stack.publish().await;
    }
    // Two rounds of four time out; from then on it is one at a time.
    let ninth = receiver.wait_for(10).await;
    let probes = &ninth[8..];
    let apart = probes[1].at - probes[0].at;
    assert!(apart >= Duration::from_millis(950), "two probes were {apart:?} apart");
    receiver.answer_with(Reply::Status(200));
    stack
        .deliveries_until("everything is delivered", webhook, all_succeeded(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_body_ends_in_time() {
    let stack = Stack::start().await;
    // One sends without a pause, one a few bytes at a time.
    let flood = Receiver::start([Reply::Endless {
        chunk: 16 * 1024,
        pause: Duration::ZERO,
    }])
    .await;
    let trickle = Receiver::start([Reply::Endless {
        chunk: 10,
        pause: Duration::from_millis(100),
    }])
    .await;
    let flooded = stack.webhook(&flood).await;
    let trickled = stack.webhook(&trickle).await;
    let settings = stack.settings().with("ROOKERY_RETRY_SCHEDULE", "3600");
    let _dispatcher = stack.dispatcher(&settings);
    stack.publish().await;

    let rows = stack
        .deliveries_until("the flood is cut off", flooded, all_succeeded(1))
        .await;
    let attempt = stack.database.attempts(rows[0].id).await.remove(0);
    assert_eq!(attempt.status_code, Some(200));
    assert_eq!(attempt.response.unwrap().len(), 8 * 1024);

    let attempted = |rows: &[DeliveryRow]| rows.iter().any(|row| row.attempts == 1);
    let rows = stack
        .deliveries_until("the trickle is cut off", trickled, attempted)
        .await;
    assert_eq!(
        (rows[0].status.as_str(), rows[0].last_error.as_deref()),
        ("pending", Some("timeout"))
    );
    let attempt = stack.database.attempts(rows[0].id).await.remove(0);
    assert_eq!(attempt.status_code, Some(200));
    assert!(
        (2_000..2_500).contains(&attempt.duration_ms),
        "{} ms",
        attempt.duration_ms
    );
    assert!(attempt.response.unwrap().starts_with("xxxxxxxxxx"), "what came is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_one_webhook_does_not_keep_the_retries_of_another_waiting() {
    let stack = Stack::start().await;
    let slow = Receiver::start([Reply::Late(Duration::from_millis(300))]).await;
    let healthy = Receiver::willing().await;
    let busy = stack.webhook(&slow).await;
    let webhook = stack.webhook(&healthy).await;
    for _ in 0..400 {
        stack.database.add_delivery(stack.tenant, busy, "{}").await;
    }
    for _ in 0..10 {
        stack.database.add_delivery(stack.tenant, webhook, "{}").await;
    }
    // The large backlog alone could use every slot at any time.
    let settings = stack.settings().with("ROOKERY_DELIVERY_CONCURRENCY", "4");
    let _dispatcher = stack.dispatcher(&settings);
    stack
        .deliveries_until("the small backlog is delivered", webhook, all_succeeded(10))
        .await;
    let done = stack.database.deliveries(busy).await;
    let done = done.iter().filter(|row| row.status == "succeeded").count();
    assert!(done < 100, "{done} of the large backlog went before");
}
