//! Messages, receipts and app state between bare companions.

use network::node::{address, attribute, attribute_is, bytes_node, child, children_of};
use serde_json::json;
use wacore_binary::Jid;
use wacore_binary::builder::NodeBuilder;

use super::{companion_of, message, two_companions};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_waits_until_it_is_acknowledged() {
    let world = World::start().await;
    let (ada, grace) = two_companions(&world).await;
    let mut from = ada.active(&world).await;
    for id in ["A", "B"] {
        from.send(&message(id, &companion_of(&grace))).await;
        let ack = from.next_with_tag("ack").await;
        assert!(attribute_is(&ack, "id", id) && attribute_is(&ack, "class", "message"));
        assert!(attribute(&ack, "error").is_none());
    }

    let (mut to, _) = grace.connect(&world).await;
    let backlog = to.activate().await;
    let preview = child(&backlog[0], "offline_preview").unwrap();
    assert!(attribute_is(preview, "count", "2") && attribute_is(preview, "message", "2"));
    assert!(attribute_is(&backlog[1], "id", "A") && attribute_is(&backlog[1], "offline", "0"));
    assert!(attribute_is(&backlog[2], "id", "B") && attribute_is(&backlog[2], "offline", "1"));
    assert_eq!(address(&backlog[1], "from").unwrap(), companion_of(&ada));
    let receipt = NodeBuilder::new("receipt")
        .attr("id", "A")
        .attr("to", companion_of(&ada))
        .build();
    to.send(&receipt).await;
    assert!(attribute_is(&to.next_with_tag("ack").await, "class", "receipt"));
    drop(to);

    // The receipt reaches its author; what was not acknowledged comes again.
    let receipt = from.next_with_tag("receipt").await;
    assert!(attribute_is(&receipt, "id", "A"));
    assert_eq!(address(&receipt, "from").unwrap(), companion_of(&grace));
    let (mut to, _) = grace.connect(&world).await;
    let backlog = to.activate().await;
    assert_eq!(backlog.len(), 2);
    assert!(attribute_is(&backlog[1], "id", "B"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_acknowledgement_makes_the_sender_repeat_and_nobody_reads_twice() {
    let world = World::start().await;
    let (ada, grace) = two_companions(&world).await;
    let (mut from, mut to) = (ada.active(&world).await, grace.active(&world).await);
    world
        .post(
            "/faults",
            json!({ "kind": "lose_ack", "session": ada.person.number, "count": 1 }),
        )
        .await;
    from.send(&message("A", &companion_of(&grace))).await;
    assert!(attribute_is(&to.next_with_tag("message").await, "id", "A"));
    from.send(&message("A", &companion_of(&grace))).await;
    assert!(attribute_is(&from.next_with_tag("ack").await, "id", "A"));
    from.send(&message("B", &companion_of(&grace))).await;
    assert!(
        attribute_is(&to.next_with_tag("message").await, "id", "B"),
        "no second A in between"
    );
    let entries = world.ledger(&ada.person, "message").await;
    let duplicates: Vec<_> = entries
        .iter()
        .map(|entry| entry["duplicate"].as_bool().unwrap())
        .collect();
    assert_eq!(duplicates, [false, true, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_for_nobody_or_of_unknown_kinds_are_refused_with_a_code() {
    let world = World::start().await;
    let (ada, _) = two_companions(&world).await;
    let mut from = ada.active(&world).await;
    for (to, code) in [
        (Jid::pn("15559999999"), "404"),
        (Jid::group("120363000000000000"), "404"),
    ] {
        from.send(&message("A", &to)).await;
        let ack = from.next_with_tag("ack").await;
        assert!(attribute_is(&ack, "error", code), "{ack:?}");
    }
    assert_eq!(world.ledger(&ada.person, "refused").await.len(), 2);
    assert!(world.ledger(&ada.person, "message").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn app_state_patches_get_versions_and_reach_other_companions() {
    let world = World::start().await;
    let (ada, _) = two_companions(&world).await;
    let mut companion = ada.active(&world).await;
    let collection = |version: u64, patch: Option<&[u8]>| {
        let patch = patch.map(|patch| bytes_node("patch", patch.to_vec()));
        let collection = NodeBuilder::new("collection")
            .attr("name", "regular_low")
            .attr("version", version)
            .children(patch)
            .build();
        NodeBuilder::new("sync").children([collection]).build()
    };
    let written = companion
        .request("w:sync:app:state", "set", Some(collection(0, Some(b""))))
        .await;
    let answer = written.get_optional_child_by_tag(&["sync", "collection"]).unwrap();
    assert!(attribute_is(answer, "version", "1"), "{written:?}");
    let stale = companion
        .request("w:sync:app:state", "set", Some(collection(0, Some(b""))))
        .await;
    let answer = stale.get_optional_child_by_tag(&["sync", "collection"]).unwrap();
    assert!(attribute_is(child(answer, "error").unwrap(), "code", "409"));
    assert_eq!(children_of(child(answer, "patches").unwrap(), "patch").count(), 1);
}
