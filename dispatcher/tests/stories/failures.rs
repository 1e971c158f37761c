//! Stories of receivers that fail: retries, their schedule, and their end.

use std::time::Duration;

use crate::database::{DeliveryRow, WebhookRow};
use crate::receiver::{Receiver, Reply};
use crate::stack::{Stack, all_succeeded};

/// A retry is late by at most the due loop's interval and what a busy machine adds.
const LATE: Duration = Duration::from_millis(2_500);

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_is_retried_on_schedule_and_every_attempt_is_listed() {
    let stack = Stack::start().await;
    let replies = [500, 302, 404, 200].map(Reply::Status);
    let receiver = Receiver::start(replies).await;
    let webhook = stack.webhook(&receiver).await;
    let _dispatcher = stack.dispatcher(&stack.settings().with("ROOKERY_RETRY_SCHEDULE", "1,2,1"));
    let event = stack.publish().await;

    let rows = stack
        .deliveries_until("the fourth attempt succeeds", webhook, all_succeeded(1))
        .await;
    assert_eq!((rows[0].attempts, rows[0].last_error.as_deref()), (4, None));
    let attempts = stack.database.attempts(rows[0].id).await;
    let seen: Vec<_> = attempts
        .iter()
        .map(|attempt| (attempt.number, attempt.status_code.unwrap(), attempt.error.as_deref()))
        .collect();
    assert_eq!(
        seen,
        [
            (1, 500, Some("status")),
            (2, 302, Some("status")),
            (3, 404, Some("status")),
            (4, 200, None)
        ]
    );
    assert_eq!(attempts[0].response.as_deref(), Some("status 500"));

    let requests = receiver.received();
    assert_eq!(requests.len(), 4);
    for request in &requests {
        assert_eq!(
            request.header("webhook-id"),
            event.id.to_string(),
            "the same in every attempt"
        );
        assert_eq!(request.body, event.body);
    }
    for (pair, step) in requests.windows(2).zip([1, 2, 1]) {
        let step = Duration::from_secs(step);
        let passed = pair[1].at - pair[0].at;
        assert!(passed >= step.mul_f64(0.8), "{passed:?} is early for {step:?}");
        assert!(passed <= step.mul_f64(1.2) + LATE, "{passed:?} is late for {step:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_has_failed_when_its_schedule_is_exhausted_and_stays_so() {
    let stack = Stack::start().await;
    let receiver = Receiver::start([Reply::Status(503)]).await;
    let webhook = stack
        .webhook_with(WebhookRow {
            url: receiver.url(),
            retry_schedule: Some(vec![0, 0]),
            ..WebhookRow::default()
        })
        .await;
    let _dispatcher = stack.dispatcher(&stack.settings());
    stack.publish().await;
    let failed = |rows: &[DeliveryRow]| rows.iter().any(|row| row.status == "failed");
    let rows = stack.deliveries_until("the delivery has failed", webhook, failed).await;
    assert_eq!(rows[0].attempts, 3, "the webhook's own schedule has two retries");
    assert_eq!(
        (rows[0].last_status_code, rows[0].last_error.as_deref()),
        (Some(503), Some("status"))
    );
    // A second event goes the same way; had the first one come back, there would be more requests than these.
    stack.publish().await;
    let all_failed = |rows: &[DeliveryRow]| rows.len() == 2 && rows.iter().all(|row| row.status == "failed");
    stack
        .deliveries_until("the second delivery has failed", webhook, all_failed)
        .await;
    assert_eq!(receiver.received().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttling_receiver_is_left_alone_for_as_long_as_it_asks() {
    let stack = Stack::start().await;
    let wait = Reply::Header(429, "retry-after", "3".into());
    let receiver = Receiver::start([wait, Reply::Status(200)]).await;
    let webhook = stack.webhook(&receiver).await;
    let _dispatcher = stack.dispatcher(&stack.settings());
    stack.publish().await;
    stack
        .deliveries_until("the second attempt succeeds", webhook, all_succeeded(1))
        .await;
    let requests = receiver.received();
    let passed = requests[1].at - requests[0].at;
    assert!(passed >= Duration::from_secs(3), "{passed:?}");
    assert!(passed <= Duration::from_secs(3).mul_f64(1.2) + LATE, "{passed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_disables_its_webhook_and_what_was_still_due_is_given_up() {
    let stack = Stack::start().await;
    let receiver = Receiver::start([Reply::Status(500), Reply::Status(410)]).await;
    let healthy = Receiver::willing().await;
    let webhook = stack.webhook(&receiver).await;
    let other = stack.webhook(&healthy).await;
    let settings = stack.settings().with("ROOKERY_RETRY_SCHEDULE", "4");
    let _dispatcher = stack.dispatcher(&settings);
    let first = stack.publish().await;
    let attempted = |rows: &[DeliveryRow]| rows.iter().any(|row| row.attempts == 1);
    stack
        .deliveries_until("the first attempt failed", webhook, attempted)
        .await;
    let second = stack.publish().await;
    let gone = |rows: &[DeliveryRow]| rows.iter().filter(|row| row.status == "failed").count() == 1;
    let rows = stack.deliveries_until("the receiver said 410", webhook, gone).await;
    assert_eq!(rows[1].event_id, second.id.0);
    assert_eq!(
        (rows[1].status.as_str(), rows[1].last_status_code),
        ("failed", Some(410))
    );

    let state: (bool, Option<String>) = sqlx::query_as("SELECT enabled, disabled_reason FROM webhook WHERE id = $1")
        .bind(webhook.0)
        .fetch_one(&stack.database.pool)
        .await
        .unwrap();
    assert_eq!(state, (false, Some("gone".into())));

    // The first one comes due later and is not sent any more.
    let given_up = |rows: &[DeliveryRow]| rows.iter().all(|row| row.status == "failed");
    let rows = stack
        .deliveries_until("the first one is given up", webhook, given_up)
        .await;
    assert_eq!(rows[0].event_id, first.id.0);
    assert_eq!(rows[0].last_error.as_deref(), Some("webhook_disabled"));
    assert_eq!(stack.database.attempts(rows[0].id).await.len(), 1);

    // And nothing new is recorded for it.
    stack.publish().await;
    stack
        .deliveries_until("the other webhook goes on", other, all_succeeded(3))
        .await;
    assert_eq!(stack.database.deliveries(webhook).await.len(), 2);
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_fail_is_told_by_its_class_and_nothing_more() {
    let stack = Stack::start().await;
    let plain = Receiver::willing().await;
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let rude = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rude_port = rude.local_addr().unwrap().port();
    let hanging_up = tokio::spawn(async move {
        while let Ok((mut connection, _)) = rude.accept().await {
            // It listens to the whole request and then hangs up without a word.
            let mut buffer = [0; 4_096];
            let _ = tokio::io::AsyncReadExt::read(&mut connection, &mut buffer).await;
        }
    });
    let cases = [
        (format!("http://127.0.0.1:{closed}/"), "connect"),
        (format!("https://127.0.0.1:{}/", plain.port), "tls"),
        // A label longer than DNS allows: no resolver anywhere needs to be asked.
        (format!("http://{}.invalid/", "x".repeat(64)), "dns"),
        (format!("http://127.0.0.1:{rude_port}/"), "response"),
        ("http://10.0.0.1/".to_owned(), "forbidden_address"),
        (
            "http://169.254.169.254/latest/meta-data/".to_owned(),
            "forbidden_address",
        ),
        ("gopher://127.0.0.1/".to_owned(), "forbidden_address"),
    ];
    let mut webhooks = Vec::new();
    for (url, class) in cases {
        let row = WebhookRow {
            url: url.clone(),
            retry_schedule: Some(vec![]),
            ..WebhookRow::default()
        };
        webhooks.push((stack.webhook_with(row).await, url, class));
    }
    let dispatcher = stack.dispatcher(&stack.settings());
    stack.publish().await;
    for (webhook, url, class) in webhooks {
        let failed = |rows: &[DeliveryRow]| rows.iter().any(|row| row.status == "failed");
        let rows = stack.deliveries_until(&format!("{url} fails"), webhook, failed).await;
        assert_eq!(rows[0].last_error.as_deref(), Some(class), "{url}");
        let attempts = stack.database.attempts(rows[0].id).await;
        assert_eq!(attempts.len(), 1, "{url}");
        assert_eq!(
            (attempts[0].status_code, attempts[0].response.as_deref()),
            (None, None),
            "{url}"
        );
    }
    assert!(
        plain.received().is_empty(),
        "nothing was sent without the encryption that was asked for"
    );
    let log = dispatcher.log();
    assert!(
        !log.contains("meta-data") && !log.contains("whsec_"),
        "no URL and no secret in the log"
    );
    hanging_up.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_is_refused_without_a_single_connection() {
    let stack = Stack::start().await;
    let receiver = Receiver::willing().await;
    let by_address = stack.webhook(&receiver).await;
    let by_name = stack
        .webhook_with(WebhookRow {
            // Port 80, so that only the address can be the reason.
            url: "http://localhost/".into(),
            ..WebhookRow::default()
        })
        .await;
    // As in production: no private network is allowed.
    let mut settings = stack.settings();
    settings.0.retain(|(name, _)| *name != "ROOKERY_EGRESS_ALLOW");
    let settings = settings.with("ROOKERY_RETRY_SCHEDULE", "0");
    let _dispatcher = stack.dispatcher(&settings);
    stack.publish().await;
    for webhook in [by_address, by_name] {
        let failed = |rows: &[DeliveryRow]| rows.iter().any(|row| row.status == "failed");
        let rows = stack.deliveries_until("the delivery has failed", webhook, failed).await;
        assert_eq!(rows[0].last_error.as_deref(), Some("forbidden_address"));
        assert_eq!(
            rows[0].attempts, 2,
            "an address may become right, so it is tried as often as any other"
        );
    }
    assert!(receiver.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_unsigned_when_no_secret_can_be_opened() {
    let stack = Stack::start().await;
    let receiver = Receiver::willing().await;
    let row = WebhookRow {
        url: receiver.url(),
        retry_schedule: Some(vec![]),
        ..WebhookRow::default()
    };
    let webhook = stack.database.add_webhook(stack.tenant, row).await;
    let elsewhere = shared::seal::RegionSecretKey::generate().public();
    stack
        .database
        .add_secret(&elsewhere, stack.tenant, webhook, crate::stack::SECRET, None)
        .await;
    let _dispatcher = stack.dispatcher(&stack.settings());
    stack.publish().await;
    let failed = |rows: &[DeliveryRow]| rows.iter().any(|row| row.status == "failed");
    let rows = stack.deliveries_until("the delivery has failed", webhook, failed).await;
    assert_eq!(rows[0].last_error.as_deref(), Some("signing"));
    assert!(receiver.received().is_empty());
}
