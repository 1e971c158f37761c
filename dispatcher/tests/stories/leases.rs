//! Stories of the lease itself, told to the store directly: whoever is late changes nothing.

use std::time::Duration;

use chrono::Utc;
use shared::ids::{DispatcherId, WebhookId};
use shared::store::Store;
use shared::store::deliveries::{Attempt, ClaimedDelivery, Settlement};

use crate::database::WebhookRow;
use crate::stack::Stack;
use harness::wait::{SOON, until};

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(60);

fn attempt() -> Attempt {
    Attempt {
        started_at: Utc::now(),
        duration: Duration::from_millis(5),
        status_code: Some(200),
        error: None,
        response: Some("ok".into()),
    }
}

async fn claim(store: &Store, holder: DispatcherId, lease: Duration, webhook: WebhookId) -> Vec<ClaimedDelivery> {
    store
        .claim_due_deliveries(holder, lease, &[(webhook, 10)])
        .await
        .unwrap()
}

async fn one_delivery() -> (Stack, Store, WebhookId) {
    let stack = Stack::start().await;
    let row = WebhookRow {
        url: "https://example.com/".into(),
        ..WebhookRow::default()
    };
    let webhook = stack.database.add_webhook(stack.tenant, row).await;
    stack.database.add_delivery(stack.tenant, webhook, "{}").await;
    let store = stack.database.store(stack.region);
    (stack, store, webhook)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_finisher_changes_nothing() {
    let (stack, store, webhook) = one_delivery().await;
    let (slow, quick) = (DispatcherId::generate(), DispatcherId::generate());
    let stale = claim(&store, slow, SHORT, webhook).await.remove(0);
    assert!(claim(&store, quick, LONG, webhook).await.is_empty(), "it is leased");
    let fresh = until("the lease runs out", SOON, async || {
        claim(&store, quick, LONG, webhook).await.pop()
    })
    .await;
    assert_eq!(fresh.event, stale.event);

    assert!(
        !store
            .settle_delivery(&stale.lease, &attempt(), Settlement::Failed)
            .await
            .unwrap()
    );
    let row = stack.database.deliveries(webhook).await.remove(0);
    assert_eq!(
        (row.status.as_str(), row.attempts, row.leased_by),
        ("pending", 0, Some(quick.0))
    );
    assert!(stack.database.attempts(row.id).await.is_empty());

    assert!(
        store
            .settle_delivery(&fresh.lease, &attempt(), Settlement::Succeeded)
            .await
            .unwrap()
    );
    assert!(
        !store
            .settle_delivery(&stale.lease, &attempt(), Settlement::Gone)
            .await
            .unwrap()
    );
    assert!(
        !store
            .settle_delivery(&fresh.lease, &attempt(), Settlement::Failed)
            .await
            .unwrap(),
        "once is enough"
    );
    let row = stack.database.deliveries(webhook).await.remove(0);
    assert_eq!((row.status.as_str(), row.attempts), ("succeeded", 1));
    assert_eq!(stack.database.attempts(row.id).await.len(), 1);
    assert!(stack.database.pool.acquire().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_that_takes_its_own_lapsed_delivery_again_has_a_new_lease() {
    let (stack, store, webhook) = one_delivery().await;
    let holder = DispatcherId::generate();
    let stale = claim(&store, holder, SHORT, webhook).await.remove(0);
    let fresh = until("the lease runs out", SOON, async || {
        claim(&store, holder, LONG, webhook).await.pop()
    })
    .await;
    assert!(
        !store
            .settle_delivery(&stale.lease, &attempt(), Settlement::Succeeded)
            .await
            .unwrap()
    );
    let retry = Settlement::Retry(Duration::ZERO);
    assert!(store.settle_delivery(&fresh.lease, &attempt(), retry).await.unwrap());
    assert_eq!(stack.database.deliveries(webhook).await[0].attempts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_given_back_can_be_taken_at_once_and_only_by_one() {
    let (_stack, store, webhook) = one_delivery().await;
    let (first, second) = (DispatcherId::generate(), DispatcherId::generate());
    let leased = claim(&store, first, LONG, webhook).await.remove(0);
    assert_eq!(store.release_deliveries(&[leased.lease]).await.unwrap(), 1);
    let (one, other) = tokio::join!(
        claim(&store, first, LONG, webhook),
        claim(&store, second, LONG, webhook)
    );
    assert_eq!(one.len() + other.len(), 1);
    assert_eq!(
        store.release_deliveries(&[leased.lease]).await.unwrap(),
        0,
        "the old lease is worth nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_go_on_counting_when_a_delivery_is_sent_again_by_hand() {
    let (stack, store, webhook) = one_delivery().await;
    let holder = DispatcherId::generate();
    let leased = claim(&store, holder, LONG, webhook).await.remove(0);
    assert!(
        store
            .settle_delivery(&leased.lease, &attempt(), Settlement::Failed)
            .await
            .unwrap()
    );
    sqlx::query("UPDATE delivery SET status = 'pending', attempts = 0, due_at = now(), finished_at = NULL")
        .execute(&stack.database.pool)
        .await
        .unwrap();
    let leased = claim(&store, holder, LONG, webhook).await.remove(0);
    assert!(
        store
            .settle_delivery(&leased.lease, &attempt(), Settlement::Succeeded)
            .await
            .unwrap()
    );
    let row = stack.database.deliveries(webhook).await.remove(0);
    let numbers: Vec<i32> = stack
        .database
        .attempts(row.id)
        .await
        .iter()
        .map(|attempt| attempt.number)
        .collect();
    assert_eq!(numbers, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_with_pending_deliveries_are_found_page_by_page() {
    let (stack, store, first) = one_delivery().await;
    let row = || WebhookRow {
        url: "https://example.com/".into(),
        ..WebhookRow::default()
    };
    let mut webhooks = vec![first];
    for _ in 0..4 {
        let webhook = stack.database.add_webhook(stack.tenant, row()).await;
        stack.database.add_delivery(stack.tenant, webhook, "{}").await;
        stack.database.add_delivery(stack.tenant, webhook, "{}").await;
        webhooks.push(webhook);
    }
    sqlx::query("UPDATE delivery SET due_at = now() + interval '1 hour' WHERE webhook_id = $1")
        .bind(webhooks[1].0)
        .execute(&stack.database.pool)
        .await
        .unwrap();
    claim(&store, DispatcherId::generate(), LONG, webhooks[2]).await;

    let all = store.pending_webhooks(None, 10).await.unwrap();
    let found: Vec<WebhookId> = all.iter().map(|pending| pending.webhook).collect();
    assert_eq!(found, webhooks);
    let due: Vec<bool> = all.iter().map(|pending| pending.due).collect();
    assert_eq!(
        due,
        [true, false, false, true, true],
        "later and leased ones are not due"
    );
    let page = store.pending_webhooks(Some(webhooks[1]), 2).await.unwrap();
    assert_eq!(page, all[2..4]);
    assert!(
        store
            .pending_webhooks(webhooks.last().copied(), 2)
            .await
            .unwrap()
            .is_empty()
    );
}
