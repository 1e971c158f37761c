//! Profiles, pictures, privacy, blocked people and privacy tokens, with Baileys and a bare companion.

use network::node::{address, attribute_is, child, children};
use serde_json::{Value, json};
use wacore_binary::builder::NodeBuilder;

use crate::baileys::Baileys;
use crate::companion::{Companion, Credentials};
use crate::world::{Person, World};

/// A PNG of one pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

async fn ask(client: &mut Baileys, command: Value) -> Value {
    let name = command["do"].clone();
    client.command(command).await;
    let answered = |event: &Value| event["do"] == name && (event["event"] == "answer" || event["event"] == "failed");
    let answer = client.wait("an answer", answered).await;
    assert_eq!(answer["event"], "answer", "{answer}");
    answer["value"].clone()
}

async fn act(client: &mut Baileys, command: Value) {
    let name = command["do"].clone();
    client.command(command).await;
    let ended = |event: &Value| event["do"] == name && (event["event"] == "done" || event["event"] == "failed");
    let end = client.wait("the end of a command", ended).await;
    assert_eq!(end["event"], "done", "{end}");
}

async fn profile(world: &World, person: &Person) -> Value {
    world.get(&format!("/phones/{}/profile", person.number)).await
}

async fn change(world: &World, person: &Person, what: &str, body: Value) {
    world.post(&format!("/phones/{}/{what}", person.number), body).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_finds_people_and_sees_what_they_tell_about_themselves() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut client, _credentials) = Baileys::paired(&world, &ada).await;

    let found = ask(
        &mut client,
        json!({ "do": "exists", "numbers": [grace.number, "15559999999"] }),
    )
    .await;
    // Baileys leaves out numbers that nobody has.
    assert_eq!(found, json!([{ "jid": grace.by_number(), "exists": true }]));

    let nothing = ask(&mut client, json!({ "do": "look-up", "who": grace.by_number() })).await;
    assert_eq!(nothing, json!({ "about": null, "timer": 0 }));
    let told = json!({
        "about": "Compiling",
        "picture": PIXEL,
        "business": {
            "verified_name": "Hopper & Co",
            "description": "Compilers of all kinds",
            "address": "1 Navy Yard",
            "email": "grace@example.org",
            "websites": ["https://example.org"],
            "categories": [{ "id": "7", "name": "Software" }],
            "timezone": "America/New_York",
            "hours": [{ "day": "mon", "mode": "specific_hours", "open": 540, "close": 1020 }],
        },
    });
    change(&world, &grace, "profile", told).await;
    change(&world, &grace, "disappearing", json!({ "seconds": 86_400 })).await;
    let seen = ask(&mut client, json!({ "do": "look-up", "who": grace.by_lid() })).await;
    assert_eq!(
        (&seen["about"], &seen["timer"]),
        (&json!("Compiling"), &json!(86_400)),
        "{seen}"
    );
    assert_eq!(seen["business"]["description"], "Compilers of all kinds");
    assert_eq!(seen["business"]["website"], json!(["https://example.org"]));
    assert_eq!(seen["business"]["category"], "Software");
    assert_eq!(
        seen["business"]["business_hours"]["business_config"][0]["open_time"],
        "540"
    );
    let picture = world.download(seen["picture"].as_str().unwrap()).await.unwrap();
    assert_eq!(profile(&world, &grace).await["picture"]["data"], PIXEL);
    assert_eq!(picture[..4], *b"\x89PNG");

    // The picture and the about text are for contacts only, then ada becomes one.
    change(
        &world,
        &grace,
        "privacy",
        json!({ "category": "profile", "value": "contacts" }),
    )
    .await;
    change(
        &world,
        &grace,
        "privacy",
        json!({ "category": "status", "value": "contacts" }),
    )
    .await;
    let hidden = ask(&mut client, json!({ "do": "look-up", "who": grace.by_number() })).await;
    assert_eq!(
        (&hidden["about"], &hidden["picture"]),
        (&json!(""), &Value::Null),
        "{hidden}"
    );
    change(
        &world,
        &grace,
        "app-state",
        json!({ "action": "contact", "who": ada.number, "name": "Ada" }),
    )
    .await;
    let shown = ask(&mut client, json!({ "do": "look-up", "who": grace.by_number() })).await;
    assert_eq!(
        (&shown["about"], &shown["picture"]),
        (&json!("Compiling"), &seen["picture"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_tells_about_itself_reaches_those_who_know_it() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut client, _credentials) = Baileys::paired(&world, &ada).await;
    let (mut other, _more_credentials) = Baileys::paired(&world, &grace).await;
    other.send(&ada.by_number(), "so that we know each other").await;
    client.text("so that we know each other").await;

    act(&mut client, json!({ "do": "about", "text": "Thinking" })).await;
    act(&mut client, json!({ "do": "picture", "data": PIXEL })).await;
    let (of_ada, changed) = (ada.by_number(), "changed");
    let picture = |event: &Value| event["event"] == "contact" && event["id"] == of_ada && event["imgUrl"] == changed;
    other.wait("the new picture", picture).await;
    let told = profile(&world, &ada).await;
    assert_eq!(told["about"], "Thinking");
    assert!(
        told["picture"]["data"].as_str().unwrap().len() > 100,
        "Baileys makes a JPEG of it"
    );
    act(&mut client, json!({ "do": "picture" })).await;
    let removed = |event: &Value| event["event"] == "contact" && event["id"] == of_ada && event["imgUrl"] == "removed";
    other.wait("the removed picture", removed).await;
    assert_eq!(profile(&world, &ada).await["picture"], Value::Null);

    act(&mut client, json!({ "do": "name", "name": "Ada L." })).await;
    assert_eq!(profile(&world, &ada).await["name"], "Ada L.");
    client.send(&grace.by_number(), "under a new name").await;
    assert_eq!(other.text("under a new name").await["push_name"], "Ada L.");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_from_a_blocked_person_and_both_companions_know_who_is_blocked() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut first, _credentials) = Baileys::paired(&world, &ada).await;
    let (mut second, _more_credentials) = Baileys::paired(&world, &ada).await;
    world.phone_sends(&grace, &ada.by_number(), "before").await;
    first.text("before").await;
    second.text("before").await;

    act(
        &mut first,
        json!({ "do": "block", "who": grace.by_number(), "on": true }),
    )
    .await;
    let blocked =
        |event: &Value| event["event"] == "blocked" && event["who"] == grace.by_lid() && event["type"] == "add";
    second.wait("the block", blocked).await;
    let list = ask(&mut second, json!({ "do": "read-blocked" })).await;
    assert_eq!(list, json!([grace.by_lid()]));
    world.phone_sends(&grace, &ada.by_number(), "unheard").await;
    change(
        &world,
        &grace,
        "typing",
        json!({ "to": ada.number, "state": "composing" }),
    )
    .await;

    change(&world, &ada, "block", json!({ "who": grace.number, "blocked": false })).await;
    let unblocked = |event: &Value| event["event"] == "blocked" && event["type"] == "remove";
    first.wait("the end of the block", unblocked).await;
    world.phone_sends(&grace, &ada.by_number(), "after").await;
    for client in [&mut first, &mut second] {
        client.text("after").await;
        assert!(!client.has(|event| event["text"] == "unheard"));
        assert!(!client.has(|event| event["event"] == "presence" && event["state"] == "composing"));
    }
    assert_eq!(profile(&world, &ada).await["blocked"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn privacy_is_set_with_lists_and_the_other_companions_hear_of_it() {
    let world = World::start().await;
    let ada = world.person().await;
    let (mut client, _client_credentials) = Baileys::paired(&world, &ada).await;
    act(
        &mut client,
        json!({ "do": "privacy", "category": "last", "value": "none" }),
    )
    .await;
    act(
        &mut client,
        json!({ "do": "privacy", "category": "readreceipts", "value": "none" }),
    )
    .await;
    act(&mut client, json!({ "do": "timer", "seconds": 604_800 })).await;
    let read = ask(&mut client, json!({ "do": "read-privacy" })).await;
    assert_eq!(
        (&read["last"], &read["readreceipts"], &read["online"]),
        (&json!("none"), &json!("none"), &json!("all"))
    );
    assert_eq!(profile(&world, &ada).await["disappearing_seconds"], 604_800);
    change(&world, &ada, "disappearing", json!({ "seconds": 0 })).await;
    client
        .wait("the new timer", |event| {
            event["event"] == "account" && event["timer"] == 0
        })
        .await;

    let people = Credentials::provision(&world, 2).await;
    let mut companion = people[0].active(&world).await;
    let listed = |hash: &str, action: &str| {
        let user = NodeBuilder::new("user")
            .attr("action", action)
            .attr("jid", people[1].person.by_lid())
            .attr("pn_jid", people[1].person.by_number())
            .build();
        let category = NodeBuilder::new("category")
            .attr("name", "profile")
            .attr("value", "contact_blacklist")
            .attr("dhash", hash)
            .children([user])
            .build();
        NodeBuilder::new("privacy")
            .attr("addressing_mode", "lid")
            .children([category])
            .build()
    };
    let answer = companion.request("privacy", "set", Some(listed("none", "add"))).await;
    let category = children(child(&answer, "privacy").unwrap())[0].clone();
    let hash = category.attrs.get("dhash").unwrap().as_str().into_owned();
    let behind = companion
        .request("privacy", "set", Some(listed("0011223344556677", "remove")))
        .await;
    assert!(attribute_is(child(&behind, "error").unwrap(), "code", "409"));
    let list = NodeBuilder::new("list")
        .attr("name", "profile")
        .attr("value", "contact_blacklist")
        .build();
    let wanted = NodeBuilder::new("privacy").children([list]).build();
    let read = companion.request("privacy", "get", Some(wanted)).await;
    let list = children(child(&read, "privacy").unwrap())[0].clone();
    assert!(attribute_is(&list, "dhash", &hash));
    assert_eq!(
        address(&children(&list)[0], "pn_jid").unwrap().user,
        people[1].person.number
    );
    let nonsense = NodeBuilder::new("category")
        .attr("name", "shoes")
        .attr("value", "all")
        .build();
    let nonsense = NodeBuilder::new("privacy").children([nonsense]).build();
    let refused = companion.request("privacy", "set", Some(nonsense)).await;
    assert!(attribute_is(child(&refused, "error").unwrap(), "code", "400"));
}

async fn presence(companion: &mut Companion, person: &Person, kind: &str) -> wacore_binary::Node {
    let subscribe = NodeBuilder::new("presence")
        .attr("type", kind)
        .attr("to", person.by_number().parse::<wacore_binary::Jid>().unwrap())
        .build();
    companion.send(&subscribe).await;
    companion.next_with_tag("presence").await
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_shows_no_more_than_privacy_lets_it() {
    let world = World::start().await;
    let grace = world.person().await;
    let people = Credentials::provision(&world, 1).await;
    let mut companion = people[0].active(&world).await;
    let state = |state: &'static str| json!({ "state": state });

    change(&world, &grace, "presence", state("available")).await;
    let seen = presence(&mut companion, &grace, "subscribe").await;
    assert!(attribute_is(&seen, "type", "available"));
    change(&world, &grace, "presence", state("unavailable")).await;
    let gone = companion.next_with_tag("presence").await;
    let last: u64 = gone.attrs.get("last").unwrap().as_str().parse().unwrap();
    assert!(last > 1_700_000_000, "{gone:?}");

    change(
        &world,
        &grace,
        "privacy",
        json!({ "category": "last", "value": "none" }),
    )
    .await;
    let hidden = companion.next_with_tag("presence").await;
    assert!(attribute_is(&hidden, "last", "deny"), "{hidden:?}");
    change(&world, &grace, "presence", state("available")).await;
    let online = companion.next_with_tag("presence").await;
    assert!(attribute_is(&online, "type", "available"));
    change(
        &world,
        &grace,
        "privacy",
        json!({ "category": "online", "value": "match_last_seen" }),
    )
    .await;
    let hidden = companion.next_with_tag("presence").await;
    assert!(attribute_is(&hidden, "type", "unavailable") && attribute_is(&hidden, "last", "deny"));
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_cannot_write_to_a_restricted_account_until_it_gave_them_a_token() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    let (mut of_grace, _more_credentials) = Baileys::paired(&world, &grace).await;
    change(&world, &ada, "privacy-tokens", json!({ "restricted": true })).await;

    let refused = of_grace.send(&ada.by_number(), "from a stranger").await;
    let told = |event: &Value| event["event"] == "update" && event["id"] == refused && event["error"] == "463";
    of_grace.wait("the refusal", told).await;
    of_ada.send(&grace.by_number(), "you may write to me").await;
    of_grace.text("you may write to me").await;
    // Baileys issues the token after its message; the notification is acknowledged once it is stored.
    let issued = |description: &Value| description["companions"][0]["unacknowledged"] == 0;
    world.until_token(&ada, &grace).await;
    world.until(&grace, "the token has arrived", issued).await;
    of_grace.send(&ada.by_number(), "from a friend").await;
    of_ada.text("from a friend").await;
    assert!(!of_ada.has(|event| event["text"] == "from a stranger"));
    let refusals = world.ledger(&grace, "refused").await;
    assert_eq!(refusals[0]["detail"], "463");
}
