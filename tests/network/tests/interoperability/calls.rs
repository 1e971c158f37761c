//! Calls: offered, declined, missed, and answered on another device.

use serde_json::{Value, json};

use crate::baileys::Baileys;
use crate::world::{Person, World};

async fn call(world: &World, from: &Person, to: &str) -> String {
    let path = format!("/phones/{}/calls", from.number);
    let call = world.post(&path, json!({ "to": to })).await;
    call["id"].as_str().unwrap().to_owned()
}

async fn state(world: &World, person: &Person, id: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let deadline = tokio::time::Instant::now() + crate::world::PATIENCE;
    loop {
        let call = world.get(&format!("/phones/{}/calls/{id}", person.number)).await;
        if fits(&call) {
            return call;
        }
        assert!(tokio::time::Instant::now() < deadline, "{call}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn told(client: &mut Baileys, id: &str, status: &str) -> Value {
    let wanted = |event: &Value| event["event"] == "call" && event["id"] == id && event["status"] == status;
    client.wait(&format!("that the call is {status}"), wanted).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_companion_declines_a_call_and_the_others_stop_ringing() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut first, _credentials) = Baileys::paired(&world, &ada).await;
    let (mut second, _more_credentials) = Baileys::paired(&world, &ada).await;
    for address in [ada.by_number(), ada.by_lid()] {
        let id = call(&world, &grace, &address).await;
        let offer = told(&mut first, &id, "offer").await;
        assert_eq!(offer["video"], false);
        told(&mut second, &id, "offer").await;
        first
            .command(json!({ "do": "reject-call", "id": id, "from": offer["from"] }))
            .await;
        let declined = state(&world, &grace, &id, |call| call["state"] == "rejected").await;
        assert_eq!(declined["answered_by"], 1, "{declined}");
        told(&mut second, &id, "terminate").await;
        // The one that declined hears no more; Baileys' request was answered.
        first
            .wait("the end of the command", |event| {
                event["event"] == "done" && event["do"] == "reject-call"
            })
            .await;
        assert!(!first.has(|event| event["event"] == "call" && event["status"] == "terminate"));
    }
    world
        .until(&ada, "every stanza is acknowledged", |ada| {
            ada["companions"][0]["unacknowledged"] == 0 && ada["companions"][1]["unacknowledged"] == 0
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_answers_is_missed() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    let path = format!("/phones/{}/calls", grace.number);
    let id = world.post(&path, json!({ "to": ada.number, "video": true })).await;
    let id = id["id"].as_str().unwrap();
    assert_eq!(told(&mut of_ada, id, "offer").await["video"], true);
    world
        .post(&format!("{path}/{id}"), json!({ "action": "end", "reason": "timeout" }))
        .await;
    told(&mut of_ada, id, "timeout").await;
    assert_eq!(world.get(&format!("{path}/{id}")).await["state"], "ended");
    let (status, answer) = world
        .try_post(&format!("{path}/{id}"), json!({ "action": "end" }))
        .await;
    assert_eq!((status.as_u16(), &answer["error"]), (409, &json!("call_over")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_answered_on_the_phone_rings_nowhere_else() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    let id = call(&world, &grace, &ada.by_number()).await;
    told(&mut of_ada, &id, "offer").await;
    let path = format!("/phones/{}/calls/{id}", ada.number);
    world.post(&path, json!({ "action": "accept" })).await;
    told(&mut of_ada, &id, "terminate").await;
    let call = world.get(&path).await;
    assert_eq!((&call["state"], &call["answered_by"]), (&json!("accepted"), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_while_a_companion_was_away_is_known_to_be_old() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (of_ada, credentials) = Baileys::paired(&world, &ada).await;
    of_ada.stop().await;
    world
        .until(&ada, "the client is away", |ada| {
            ada["companions"][0]["connected"] == false
        })
        .await;
    let id = call(&world, &grace, &ada.by_number()).await;
    let mut of_ada = Baileys::start(&world, &credentials);
    assert_eq!(told(&mut of_ada, &id, "offer").await["offline"], true);
}
