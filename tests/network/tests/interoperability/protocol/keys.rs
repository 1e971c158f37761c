//! Who has which devices, and the keys to write to them.

use network::accounts::{Number, Spelling};
use network::node::{
    address, attribute, attribute_is, bytes_node, child, child_array, child_content, children, content,
};
use serde_json::json;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};
use wacore_libsignal::protocol::PublicKey;

use super::{companion_of, listed, two_companions, user, usync};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn usync_lists_devices_with_signed_indexes_and_knows_who_exists() {
    let world = World::start().await;
    let (ada, grace) = two_companions(&world).await;
    let mut companion = ada.active(&world).await;
    let number = Jid::pn(grace.person.number.as_str());
    let lid = Jid::lid(grace.person.lid.as_str());
    let query = usync(
        &["devices", "lid"],
        vec![user(number.clone()), user(lid.clone()), user(Jid::pn("15559999999"))],
    );
    let answer = companion.request("usync", "get", Some(query)).await;
    let users = listed(&answer);
    assert_eq!(users.len(), 3);
    for (found, asked) in users.iter().zip([&number, &lid]) {
        assert_eq!(
            address(found, "jid").as_ref(),
            Some(asked),
            "the answer repeats the spelling"
        );
        assert_eq!(address(found, "pn_jid").as_ref(), Some(&number));
        assert_eq!(address(child(found, "lid").unwrap(), "val").as_ref(), Some(&lid));
        let devices = child(found, "devices").unwrap();
        let list = children(child(devices, "device-list").unwrap());
        assert!(attribute_is(&list[0], "id", "0"));
        assert!(attribute_is(&list[1], "id", "1") && attribute_is(&list[1], "key-index", "1"));
        assert!(content(child(devices, "key-index-list").unwrap()).is_some());
    }
    assert!(children(&users[2]).is_empty(), "a stranger has no devices");

    let contact = |number: &str| {
        let contact = NodeBuilder::new("contact")
            .bytes(format!("+{number}").into_bytes())
            .build();
        NodeBuilder::new("user").children([contact]).build()
    };
    let query = usync(
        &["contact"],
        vec![contact(&grace.person.number), contact("15559999999")],
    );
    let answer = companion.request("usync", "get", Some(query)).await;
    let kinds: Vec<_> = listed(&answer)
        .iter()
        .map(|user| attribute(child(user, "contact").unwrap(), "type").unwrap().into_owned())
        .collect();
    assert_eq!(kinds, ["in", "out"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_are_signed_and_every_listed_device_has_one() {
    let world = World::start().await;
    let (ada, grace) = two_companions(&world).await;
    let mut companion = ada.active(&world).await;
    let number = Number::parse(&grace.person.number).unwrap();
    let account = world.network().accounts.by_number(number).unwrap();
    let wanted: Vec<Jid> = [
        (Spelling::Number, 0),
        (Spelling::Lid, 0),
        (Spelling::Number, 1),
        (Spelling::Lid, 1),
    ]
    .map(|(spelling, device)| account.jid(spelling, device))
    .to_vec();
    let mut users: Vec<Node> = wanted.iter().cloned().map(user).collect();
    users.push(user(account.jid(Spelling::Number, 77)));
    let key = NodeBuilder::new("key").children(users).build();
    let answer = companion.request("encrypt", "get", Some(key)).await;
    let bundles = children(child(&answer, "list").unwrap());
    assert_eq!(bundles.len(), 5);
    for (bundle, jid) in bundles.iter().zip(&wanted) {
        assert_eq!(address(bundle, "jid").as_ref(), Some(jid));
        let identity: [u8; 32] = child_array(bundle, "identity").unwrap();
        let signed = child(bundle, "skey").unwrap();
        let public: [u8; 32] = child_array(signed, "value").unwrap();
        let message = [&[5][..], &public].concat();
        let identity = PublicKey::from_djb_public_key_bytes(&identity).unwrap();
        assert!(identity.verify_signature(&message, child_content(signed, "signature").unwrap()));
        assert_eq!(child(bundle, "device-identity").is_some(), jid.device != 0);
    }
    assert!(attribute_is(child(&bundles[4], "error").unwrap(), "code", "406"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_a_phone_lists_its_companion_only() {
    let world = World::start().await;
    let (ada, _) = two_companions(&world).await;
    let answer = world.post("/provision", json!({ "count": 1, "phone": false })).await;
    let number = answer["accounts"][0]["number"].as_str().unwrap();
    let mut companion = ada.active(&world).await;
    let query = usync(&["devices"], vec![user(Jid::pn(number))]);
    let answer = companion.request("usync", "get", Some(query)).await;
    let devices = child(&listed(&answer)[0], "devices").unwrap();
    let ids: Vec<_> = children(child(devices, "device-list").unwrap())
        .iter()
        .map(|device| attribute(device, "id").unwrap().into_owned())
        .collect();
    assert_eq!(ids, ["1"]);
    let (status, problem) = world
        .try_post(
            &format!("/phones/{number}/messages"),
            json!({ "to": ada.person.number, "type": "text", "text": "x" }),
        )
        .await;
    assert_eq!((status.as_u16(), problem["error"].as_str()), (409, Some("no_phone")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_asks_for_more_keys_when_few_are_left() {
    let world = World::start().await;
    let (ada, grace) = two_companions(&world).await;
    let (mut owner, mut asker) = (ada.active(&world).await, grace.active(&world).await);
    let key = |tag: &'static str, id: u8, signed: bool| {
        let mut parts = vec![bytes_node("id", [0, 0, id]), bytes_node("value", [id; 32])];
        if signed {
            parts.push(bytes_node("signature", [id; 64]));
        }
        NodeBuilder::new(tag).children(parts).build()
    };
    let upload = NodeBuilder::new("iq")
        .attr("id", "upload")
        .attr("xmlns", "encrypt")
        .attr("type", "set")
        .attr("to", "s.whatsapp.net")
        .children([
            bytes_node("registration", [0, 0, 0, 9]),
            bytes_node("type", [5]),
            bytes_node("identity", [1; 32]),
            NodeBuilder::new("list")
                .children((1..=6).map(|id| key("key", id, false)))
                .build(),
            key("skey", 1, true),
        ])
        .build();
    owner.send(&upload).await;
    assert!(attribute_is(&owner.next_with_tag("iq").await, "type", "result"));
    let digest = owner
        .request("encrypt", "get", Some(NodeBuilder::new("digest").build()))
        .await;
    assert_eq!(
        children(digest.get_optional_child_by_tag(&["digest", "list"]).unwrap()).len(),
        6
    );

    let mut handed_out = Vec::new();
    for _ in 0..2 {
        let wanted = NodeBuilder::new("key").children([user(companion_of(&ada))]).build();
        let answer = asker.request("encrypt", "get", Some(wanted)).await;
        let key = answer.get_optional_child_by_tag(&["list", "user", "key"]).unwrap();
        handed_out.push(child_array::<3>(key, "id").unwrap());
    }
    assert_eq!(handed_out, [[0, 0, 1], [0, 0, 2]], "oldest first, each once");
    let low = owner.next_with_tag("notification").await;
    assert!(attribute_is(&low, "type", "encrypt"));
    assert!(attribute_is(child(&low, "count").unwrap(), "value", "4"));
}
