//! Stories of dispatchers that die or stop, and of several that share the work.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::receiver::{Receiver, Reply};
use crate::stack::{SECRET, Stack, all_succeeded};

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_is_killed_in_the_middle_of_an_attempt_and_another_delivers_with_the_same_id() {
    let stack = Stack::start().await;
    let receiver = Receiver::start([Reply::Never, Reply::Status(200)]).await;
    let webhook = stack.webhook(&receiver).await;
    let mut first = stack.dispatcher(&stack.settings());
    let event = stack.publish().await;
    receiver.wait_for(1).await;
    first.kill().await;

    let _second = stack.dispatcher(&stack.settings());
    let rows = stack
        .deliveries_until("another dispatcher delivers it", webhook, all_succeeded(1))
        .await;
    let requests = receiver.received();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert_eq!(request.header("webhook-id"), event.id.to_string());
        assert!(request.verifies_with(SECRET));
    }
    assert_eq!(rows[0].attempts, 1, "of the attempt that was cut off nobody knows");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_that_is_asked_to_stop_finishes_its_attempts_first() {
    let stack = Stack::start().await;
    let receiver = Receiver::start([Reply::Late(Duration::from_millis(1_500))]).await;
    let webhook = stack.webhook(&receiver).await;
    let mut dispatcher = stack.dispatcher(&stack.settings());
    stack.publish().await;
    receiver.wait_for(1).await;
    dispatcher.terminate();
    assert!(dispatcher.wait().await.success());

    let rows = stack.database.deliveries(webhook).await;
    assert!(all_succeeded(1)(&rows), "{rows:?}");
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stopping_dispatcher_cannot_finish_in_time_it_gives_back_at_once() {
    let stack = Stack::start().await;
    let receiver = Receiver::start([Reply::Never, Reply::Status(200)]).await;
    let webhook = stack.webhook(&receiver).await;
    let settings = stack.settings().with("ROOKERY_ATTEMPT_SECONDS", "60");
    let impatient = stack
        .settings()
        .with("ROOKERY_ATTEMPT_SECONDS", "60")
        .with("ROOKERY_SHUTDOWN_SECONDS", "1");
    let mut first = stack.dispatcher(&impatient);
    stack.publish().await;
    receiver.wait_for(1).await;
    first.terminate();
    assert!(first.wait().await.success());
    let rows = stack.database.deliveries(webhook).await;
    assert_eq!((rows[0].status.as_str(), rows[0].leased_by), ("pending", None));

    let begin = Instant::now();
    let _second = stack.dispatcher(&settings);
    stack
        .deliveries_until("another dispatcher delivers it", webhook, all_succeeded(1))
        .await;
    assert!(
        begin.elapsed() < Duration::from_secs(15),
        "long before the lease of 120 s"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn three_dispatchers_share_the_work_and_deliver_each_event_once() {
    let stack = Stack::start().await;
    let receiver = Receiver::start([Reply::Late(Duration::from_millis(20))]).await;
    let webhook = stack.webhook(&receiver).await;
    let dispatchers = [(); 3].map(|()| stack.dispatcher(&stack.settings()));
    for dispatcher in &dispatchers {
        dispatcher.operations().await;
    }
    let mut published = HashSet::new();
    for _ in 0..150 {
        published.insert(stack.publish().await.id.to_string());
    }
    stack
        .deliveries_until("everything is delivered", webhook, all_succeeded(150))
        .await;
    let requests = receiver.received();
    let delivered: HashSet<String> = requests
        .iter()
        .map(|request| request.header("webhook-id").to_owned())
        .collect();
    assert_eq!(delivered, published);
    assert_eq!(requests.len(), 150, "each once");
    let shares: Vec<usize> = dispatchers
        .iter()
        .map(|dispatcher| dispatcher.log().matches("outcome=Succeeded").count())
        .collect();
    assert_eq!(shares.iter().sum::<usize>(), 150);
    assert!(shares.iter().filter(|share| **share > 0).count() >= 2, "{shares:?}");
}
