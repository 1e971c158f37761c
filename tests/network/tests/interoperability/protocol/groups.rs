//! What groups look like on the wire, in the order in which it comes.

use network::node::{address, attribute, attribute_is, child, children};
use serde_json::json;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use crate::companion::Credentials;
use crate::world::World;

fn to_group(group: &str, kind: &str, child: Node) -> Node {
    let to: Jid = group.parse().unwrap();
    NodeBuilder::new("iq")
        .attr("to", to)
        .attr("xmlns", "w:g2")
        .attr("type", kind)
        .attr("id", "g2")
        .children([child])
        .build()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_hears_of_a_group_before_its_first_message_even_when_away() {
    let world = World::start().await;
    let (founder, member) = (world.person().await, Credentials::provision(&world, 1).await.remove(0));
    let path = format!("/phones/{}/groups", founder.number);
    let body = json!({ "subject": "Queue", "participants": [member.person.number] });
    let group = world.post(&path, body).await["id"].as_str().unwrap().to_owned();
    world.phone_sends(&founder, &group, "hello").await;

    let (mut companion, _) = member.connect(&world).await;
    let backlog = companion.activate().await;
    let tags: Vec<&str> = backlog.iter().map(|node| node.tag.as_ref()).collect();
    assert_eq!(tags, ["ib", "notification", "message"]);
    let (told, message) = (&backlog[1], &backlog[2]);
    assert!(attribute_is(told, "type", "w:gp2") && attribute_is(told, "offline", "0"));
    assert_eq!(address(told, "participant").unwrap().to_string(), founder.by_lid());
    assert_eq!(
        address(told, "participant_pn").unwrap().to_string(),
        founder.by_number()
    );
    let created = child(child(told, "create").unwrap(), "group").unwrap();
    assert!(attribute_is(created, "subject", "Queue") && attribute_is(created, "addressing_mode", "lid"));

    assert_eq!(address(message, "from").unwrap().to_string(), group);
    assert_eq!(address(message, "participant").unwrap().to_string(), founder.by_lid());
    assert!(attribute_is(message, "addressing_mode", "lid"));
    let kinds: Vec<_> = children(message)
        .iter()
        .map(|enc| attribute(enc, "type").unwrap())
        .collect();
    assert_eq!(kinds, ["pkmsg", "skmsg"], "the key comes before what it opens");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused_and_a_group_by_number_is_addressed_so() {
    let world = World::start().await;
    let founder = world.person().await;
    let mut people = Credentials::provision(&world, 2).await;
    let (stranger, member) = (people.remove(1), people.remove(0));
    let path = format!("/phones/{}/groups", founder.number);
    let body = json!({ "subject": "Old", "participants": [member.person.number], "by_number": true });
    let group = world.post(&path, body).await["id"].as_str().unwrap().to_owned();

    let mut outside = stranger.active(&world).await;
    let query = || NodeBuilder::new("query").attr("request", "interactive").build();
    outside.send(&to_group(&group, "get", query())).await;
    let refused = outside.next_with_tag("iq").await;
    assert!(
        attribute_is(child(&refused, "error").unwrap(), "code", "403"),
        "{refused:?}"
    );
    outside.send(&to_group("120363000000999999@g.us", "get", query())).await;
    let unknown = outside.next_with_tag("iq").await;
    assert!(
        attribute_is(child(&unknown, "error").unwrap(), "code", "404"),
        "{unknown:?}"
    );
    let message = NodeBuilder::new("message")
        .attr("to", group.parse::<Jid>().unwrap())
        .attr("id", "3EB0OUTSIDE")
        .attr("type", "text")
        .children([NodeBuilder::new("enc")
            .attr("type", "skmsg")
            .bytes(*b"nonsense")
            .build()])
        .build();
    outside.send(&message).await;
    let refused = outside.next_with_tag("ack").await;
    assert!(attribute_is(&refused, "error", "403"), "{refused:?}");

    let mut inside = member.active(&world).await;
    inside.send(&to_group(&group, "get", query())).await;
    let answer = inside.next_with_tag("iq").await;
    let described = child(&answer, "group").unwrap();
    assert!(attribute_is(described, "addressing_mode", "pn"));
    let participant = child(described, "participant").unwrap();
    assert_eq!(address(participant, "jid").unwrap().to_string(), founder.by_number());
    assert_eq!(address(participant, "lid").unwrap().to_string(), founder.by_lid());
    assert!(attribute_is(participant, "type", "superadmin"));
    world.phone_sends(&founder, &group, "by number").await;
    let message = inside.next_with_tag("message").await;
    assert_eq!(
        address(&message, "participant").unwrap().to_string(),
        founder.by_number()
    );
    assert!(attribute_is(&message, "addressing_mode", "pn"));
}
