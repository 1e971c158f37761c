//! Logging in, being replaced, being thrown out.

use std::time::{Duration, Instant};

use network::node::{address, attribute_is, child, content};
use serde_json::json;
use wacore_binary::Jid;
use wacore_binary::builder::NodeBuilder;

use super::{companion_of, message, two_companions, user, usync};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_greeted_with_the_lid_and_every_request_is_answered() {
    let world = World::start().await;
    let (ada, _) = two_companions(&world).await;
    for short in [false, true] {
        let (mut companion, success) = if short {
            ada.connect_shortly(&world).await
        } else {
            ada.connect(&world).await
        };
        assert_eq!(success.tag, "success");
        assert_eq!(
            address(&success, "lid").unwrap(),
            Jid::lid_device(ada.person.lid.as_str(), 1)
        );
        assert!(companion.activate().await.is_empty());
        for (namespace, kind, wanted, expected) in [
            ("w:p", "get", "ping", None),
            ("abt", "get", "props", Some("props")),
            ("privacy", "get", "privacy", Some("privacy")),
            ("blocklist", "get", "x", Some("list")),
            ("encrypt", "get", "count", Some("count")),
        ] {
            let answer = companion
                .request(namespace, kind, Some(NodeBuilder::new(wanted).build()))
                .await;
            assert!(attribute_is(&answer, "type", "result"), "{namespace}");
            assert!(expected.is_none_or(|tag| child(&answer, tag).is_some()), "{namespace}");
        }
        let unknown = companion.request("w:unheard-of", "get", None).await;
        assert!(attribute_is(child(&unknown, "error").unwrap(), "code", "501"));
        // Nothing was uploaded, and the client must not be made to upload anything.
        let digest = companion
            .request("encrypt", "get", Some(NodeBuilder::new("digest").build()))
            .await;
        assert!(attribute_is(child(&digest, "error").unwrap(), "code", "503"));
    }
    let logins = world.get("/stats").await["logins"].clone();
    assert_eq!((&logins["xx"], &logins["ik"]), (&json!(1), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_connection_hears_it_and_gets_nothing_in_any_more() {
    let world = World::start().await;
    let (ada, grace) = two_companions(&world).await;
    let mut old = ada.active(&world).await;
    let mut new = ada.active(&world).await;
    let farewell = old.next_with_tag("stream:error").await;
    assert!(attribute_is(child(&farewell, "conflict").unwrap(), "type", "replaced"));
    old.send(&message("LATE", &companion_of(&grace))).await;
    assert!(old.next().await.is_none(), "the old connection ends without an answer");

    new.send(&message("GOOD", &companion_of(&grace))).await;
    assert!(attribute_is(&new.next_with_tag("ack").await, "id", "GOOD"));
    let entries = world.ledger(&ada.person, "message").await;
    assert_eq!(entries.len(), 1);
    let logins = world.ledger(&ada.person, "login").await;
    assert_eq!(entries[0]["socket"], logins[1]["socket"]);
    assert_eq!(
        world.ledger(&ada.person, "replaced").await[0]["socket"],
        logins[0]["socket"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_not_linked_or_is_made_to_fail_gets_its_reason() {
    let world = World::start().await;
    let (ada, grace) = two_companions(&world).await;
    for reason in [402, 405, 503] {
        let fault = json!({ "kind": "failure", "session": ada.person.number, "reason": reason, "count": 1 });
        world.post("/faults", fault).await;
        let (mut companion, failure) = ada.connect(&world).await;
        assert_eq!(failure.tag, "failure");
        assert!(attribute_is(&failure, "reason", &reason.to_string()));
        assert!(companion.next().await.is_none());
    }
    world
        .post(&format!("/phones/{}/unlink", ada.person.number), json!({}))
        .await;
    let (_, failure) = ada.connect(&world).await;
    assert!(attribute_is(&failure, "reason", "401"));
    let (_, success) = grace.connect(&world).await;
    assert_eq!(success.tag, "success", "others are not concerned");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unlinked_companion_is_told_so_and_watchers_get_a_new_list() {
    let world = World::start().await;
    let (ada, grace) = two_companions(&world).await;
    let mut watcher = ada.active(&world).await;
    let mut companion = grace.active(&world).await;
    let asked = vec![user(Jid::pn(grace.person.number.as_str()))];
    watcher.request("usync", "get", Some(usync(&["devices"], asked))).await;

    world
        .post(
            &format!("/phones/{}/unlink", grace.person.number),
            json!({ "device": 1 }),
        )
        .await;
    let farewell = companion.next_with_tag("stream:error").await;
    assert!(attribute_is(&farewell, "code", "401"));
    assert!(attribute_is(
        child(&farewell, "conflict").unwrap(),
        "type",
        "device_removed"
    ));
    assert!(companion.next().await.is_none());
    for server in ["s.whatsapp.net", "lid"] {
        let notification = watcher.next_with_tag("notification").await;
        assert!(attribute_is(&notification, "type", "devices"));
        assert!(address(&notification, "from").unwrap().to_string().ends_with(server));
        let removed = child(&notification, "remove").unwrap();
        assert_eq!(address(child(removed, "device").unwrap(), "jid").unwrap().device, 1);
        assert!(content(child(removed, "key-index-list").unwrap()).is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_refused_while_the_fault_stands() {
    let world = World::start().await;
    let (ada, _) = two_companions(&world).await;
    world.post("/faults", json!({ "kind": "refuse_connections" })).await;
    let refused = tokio_tungstenite::connect_async(world.protocol_url()).await;
    assert!(refused.is_err());
    world.clear_faults().await;
    ada.active(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delay_holds_up_one_account_only() {
    let world = World::start().await;
    let (ada, grace) = two_companions(&world).await;
    let (mut slow, mut fast) = (ada.active(&world).await, grace.active(&world).await);
    let delay = Duration::from_millis(300);
    world
        .post(
            "/faults",
            json!({ "kind": "delay", "session": ada.person.number, "delay_ms": 300 }),
        )
        .await;
    for (companion, is_slow) in [(&mut slow, true), (&mut fast, false)] {
        let begin = Instant::now();
        companion.request("w:p", "get", None).await;
        assert_eq!(begin.elapsed() >= delay, is_slow);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_gives_the_same_credentials() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let world = World::start().await;
        world.person().await;
        let mut answer = world.post("/provision", json!({ "count": 3, "prefix": "same" })).await;
        // Signatures are random by design; everything else is not.
        for account in answer["accounts"].as_array_mut().unwrap() {
            let credentials = account["credentials"].as_object_mut().unwrap();
            credentials.remove("account");
            credentials["signed_pre_key"]
                .as_object_mut()
                .unwrap()
                .remove("signature");
        }
        seen.push((answer, world.root_key().to_owned()));
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_on_the_wire_harms_nobody() {
    let world = World::start().await;
    let (ada, _) = two_companions(&world).await;
    let mut companion = ada.active(&world).await;
    for node in [
        NodeBuilder::new("message").build(),
        NodeBuilder::new("message")
            .attr("id", "A")
            .attr("to", "not an address")
            .build(),
        NodeBuilder::new("receipt").attr("id", "A").build(),
        NodeBuilder::new("receipt")
            .attr("id", "A")
            .attr("to", "x@g.us")
            .attr("type", "retry")
            .build(),
        NodeBuilder::new("ack").build(),
        NodeBuilder::new("presence").attr("type", "subscribe").build(),
        NodeBuilder::new("chatstate").build(),
        NodeBuilder::new("unheard-of").build(),
        NodeBuilder::new("iq").build(),
    ] {
        companion.send(&node).await;
    }
    for (namespace, kind) in [("usync", "get"), ("encrypt", "set"), ("encrypt", "get"), ("md", "set")] {
        let answer = companion.request(namespace, kind, None).await;
        assert!(attribute_is(&answer, "type", "error"), "{namespace}");
    }
    let alive = companion.request("w:p", "get", None).await;
    assert!(attribute_is(&alive, "type", "result"));

    // A server that no dictionary knows makes the whole stanza unreadable: only this connection ends.
    companion
        .send(&NodeBuilder::new("receipt").attr("id", "A").attr("to", "x@y").build())
        .await;
    assert!(companion.next().await.is_none());
    ada.active(&world).await;
}
