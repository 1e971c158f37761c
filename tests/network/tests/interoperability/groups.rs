//! Groups between Baileys clients and phones: messages, members, admins, invitations, communities.

use serde_json::{Value, json};

use crate::baileys::Baileys;
use crate::world::{Person, World};

/// Baileys' names of what happened, as numbers of its `WAMessageStubType`.
const CHANGED_SUBJECT: u64 = 21;

fn numbers(description: &Value) -> Vec<&str> {
    let members = description["members"].as_array().unwrap().iter();
    members.map(|member| member["number"].as_str().unwrap()).collect()
}

fn short(group: &str) -> &str {
    group.split('@').next().unwrap()
}

async fn found(world: &World, founder: &Person, body: Value) -> String {
    let group = world.post(&format!("/phones/{}/groups", founder.number), body).await;
    group["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_in_a_group_reads_everybody() {
    let world = World::start().await;
    let (ada, grace, mary) = (world.person().await, world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    let (mut of_grace, _more_credentials) = Baileys::paired(&world, &grace).await;

    let group = of_ada
        .invoke(
            "groupCreate",
            json!(["Mathematics", [grace.by_number(), mary.by_lid()]]),
        )
        .await;
    let id = group["id"].as_str().unwrap();
    assert_eq!(
        (&group["subject"], &group["addressingMode"]),
        (&json!("Mathematics"), &json!("lid"))
    );
    let description = world.get(&format!("/groups/{}", short(id))).await;
    assert_eq!(numbers(&description), [&ada.number, &grace.number, &mary.number]);
    let told = of_grace.event("group").await;
    assert_eq!((&told["id"], &told["subject"]), (&json!(id), &json!("Mathematics")));

    let sent = of_ada.send(id, "from the founder").await;
    let message = of_grace.text("from the founder").await;
    assert_eq!((&message["id"], &message["from"]), (&json!(sent), &json!(id)));
    let message = world.phone_reads(&mary, "from the founder").await;
    assert_eq!(
        (&message["chat"], &message["from_phone"]),
        (&json!(id), &json!(ada.number))
    );
    assert_eq!((&message["retries"], &message["from_me"]), (&json!(0), &json!(false)));
    assert_eq!(world.phone_reads(&ada, "from the founder").await["from_me"], true);

    // The phone tells the founder that it has read.
    of_ada
        .wait("delivery in the group", |event| {
            event["event"] == "receipt" && event["id"] == sent && event["chat"] == id
        })
        .await;
    world
        .post(&format!("/phones/{}/read", mary.number), json!({ "ids": [sent] }))
        .await;
    of_ada
        .wait("reading in the group", |event| {
            event["event"] == "receipt" && event["id"] == sent && event["type"] == "read"
        })
        .await;

    let answer = of_grace.send(id, "from a member").await;
    assert_eq!(of_ada.text("from a member").await["id"], answer);
    world.phone_reads(&mary, "from a member").await;

    let answer = world.phone_sends(&mary, id, "from a phone").await;
    for client in [&mut of_ada, &mut of_grace] {
        let message = client.text("from a phone").await;
        assert_eq!((&message["id"], &message["from"]), (&json!(answer), &json!(id)));
    }
    of_grace
        .command(json!({ "do": "read", "chat": id, "ids": [answer], "participant": mary.by_lid() }))
        .await;
    world
        .phone_has(&mary, "receipts", |receipt| {
            receipt["id"] == answer && receipt["type"] == "read"
        })
        .await;

    // The keys are known by now: what follows carries none.
    of_ada.send(id, "once more").await;
    of_grace.text("once more").await;
    let entries = world.ledger(&ada, "message").await;
    let last = entries.last().unwrap();
    assert_eq!(
        (&last["to"], last["encrypted"].as_array().unwrap().len()),
        (&json!(id), 1)
    );
    assert_eq!(last["encrypted"][0]["type"], "skmsg");
    assert!(
        last["counter"].as_u64().unwrap() > 0,
        "not the first message under this key"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_reads_from_then_on_and_who_goes_reads_no_more() {
    let world = World::start().await;
    let (ada, grace, mary) = (world.person().await, world.person().await, world.person().await);
    let (mut of_grace, _credentials) = Baileys::paired(&world, &grace).await;
    let id = found(
        &world,
        &ada,
        json!({ "subject": "Open", "participants": [mary.number] }),
    )
    .await;
    world.phone_sends(&ada, &id, "before she came").await;
    world.phone_reads(&mary, "before she came").await;

    let path = format!("/phones/{}/groups/{}/participants", ada.number, short(&id));
    let change = |action: &str, person: &Person| json!({ "action": action, "participants": [person.number] });
    let outcome = world.post(&path, change("add", &grace)).await;
    assert_eq!(outcome["participants"][0]["code"], 200);
    assert_eq!(
        world.post(&path, change("add", &grace)).await["participants"][0]["code"],
        409
    );
    of_grace.event("group").await;
    world.phone_sends(&ada, &id, "now she is here").await;
    of_grace.text("now she is here").await;
    of_grace.send(&id, "hello everybody").await;
    world.phone_reads(&mary, "hello everybody").await;
    assert!(!of_grace.has(|event| event["text"] == "before she came"));

    world.post(&path, change("remove", &grace)).await;
    of_grace
        .wait("her removal", |event| {
            event["event"] == "participants" && event["action"] == "remove"
        })
        .await;
    world.phone_sends(&ada, &id, "without her").await;
    world.phone_reads(&mary, "without her").await;
    world.phone_sends(&ada, &grace.by_number(), "only for her").await;
    of_grace.text("only for her").await;
    assert!(!of_grace.has(|event| event["text"] == "without her"));
    let refused = of_grace.invoke_in_vain("groupMetadata", json!([id])).await;
    assert!(refused.contains("forbidden"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_change_a_group_and_everybody_hears() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    let (mut of_grace, _more_credentials) = Baileys::paired(&world, &grace).await;
    let group = of_ada
        .invoke("groupCreate", json!(["Rules", [grace.by_number()]]))
        .await;
    let id = group["id"].as_str().unwrap();
    of_grace.event("group").await;

    of_ada.invoke("groupUpdateSubject", json!([id, "New rules"])).await;
    let told = of_grace
        .wait("the new subject", |event| event["stub"] == CHANGED_SUBJECT)
        .await;
    assert_eq!(told["stub_parameters"], json!(["New rules"]));
    of_ada.invoke("groupUpdateDescription", json!([id, "Be kind"])).await;
    of_ada
        .invoke("groupUpdateDescription", json!([id, "Be very kind"]))
        .await;
    of_ada.invoke("groupToggleEphemeral", json!([id, 86_400])).await;
    of_ada.invoke("groupMemberAddMode", json!([id, "all_member_add"])).await;
    of_ada.invoke("groupJoinApprovalMode", json!([id, "on"])).await;
    of_ada.invoke("groupSettingUpdate", json!([id, "announcement"])).await;
    of_ada.invoke("groupSettingUpdate", json!([id, "locked"])).await;
    let metadata = of_grace.invoke("groupMetadata", json!([id])).await;
    let told = json!({
        "subject": "New rules", "desc": "Be very kind", "ephemeralDuration": 86_400, "memberAddMode": true,
        "joinApprovalMode": true, "announce": true, "restrict": true,
    });
    for (name, value) in told.as_object().unwrap() {
        assert_eq!(&metadata[name], value, "{name}");
    }

    // Only admins write and change now.
    of_grace
        .command(json!({ "do": "send", "to": id, "text": "may I?" }))
        .await;
    let sent = of_grace.event("sent").await;
    of_grace
        .wait("the refusal", |event| {
            event["id"] == sent["id"] && event["error"] == "403"
        })
        .await;
    let refused = of_grace.invoke_in_vain("groupUpdateSubject", json!([id, "Mine"])).await;
    assert!(refused.contains("forbidden"), "{refused}");

    let promoted = of_ada
        .invoke("groupParticipantsUpdate", json!([id, [grace.by_lid()], "promote"]))
        .await;
    assert_eq!(promoted[0]["status"], "200");
    of_grace
        .wait("her promotion", |event| {
            event["event"] == "participants" && event["action"] == "promote"
        })
        .await;
    of_grace.send(id, "now I may").await;
    of_ada.text("now I may").await;

    of_ada.invoke("groupLeave", json!([id])).await;
    of_grace
        .wait("his leaving", |event| {
            event["event"] == "participants" && event["action"] == "remove"
        })
        .await;
    let description = world.get(&format!("/groups/{}", short(id))).await;
    assert_eq!(numbers(&description), [&grace.number]);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_join_by_link_by_invitation_and_by_approval() {
    let world = World::start().await;
    let (ada, grace, mary) = (world.person().await, world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    let (mut of_grace, _more_credentials) = Baileys::paired(&world, &grace).await;
    let group = of_ada.invoke("groupCreate", json!(["Door", []])).await;
    let id = group["id"].as_str().unwrap();

    let code = of_ada.invoke("groupInviteCode", json!([id])).await;
    let outline = of_grace.invoke("groupGetInviteInfo", json!([code])).await;
    assert_eq!((&outline["id"], &outline["subject"]), (&json!(id), &json!("Door")));
    assert_eq!(of_grace.invoke("groupAcceptInvite", json!([code])).await, id);
    of_ada
        .wait("her coming", |event| {
            event["event"] == "participants" && event["action"] == "add"
        })
        .await;

    // A new code replaces the old one.
    let new_code = of_ada.invoke("groupRevokeInvite", json!([id])).await;
    let join = format!("/phones/{}/join-group", mary.number);
    let (status, problem) = world.try_post(&join, json!({ "code": code })).await;
    assert_eq!((status.as_u16(), &problem["error"]), (410, &json!("gone")));

    of_ada.invoke("groupJoinApprovalMode", json!([id, "on"])).await;
    let joined = world.post(&join, json!({ "code": new_code })).await;
    assert_eq!(joined["member"], false);
    let requests = of_ada.invoke("groupRequestParticipantsList", json!([id])).await;
    assert_eq!(requests[0]["jid"], mary.by_lid());
    let approved = of_ada
        .invoke(
            "groupRequestParticipantsUpdate",
            json!([id, [mary.by_lid()], "approve"]),
        )
        .await;
    assert_eq!(approved[0]["status"], "200");
    world.phone_sends(&mary, id, "let in").await;
    of_grace.text("let in").await;

    // Somebody whom nobody may add gets an invitation, and is let in with it.
    let shy = world.person().await;
    world
        .post(
            &format!("/phones/{}/group-privacy", shy.number),
            json!({ "open": false }),
        )
        .await;
    let nobody = "15559999999@s.whatsapp.net";
    let outcome = of_ada
        .invoke(
            "groupParticipantsUpdate",
            json!([id, [shy.by_number(), nobody, mary.by_number()], "add"]),
        )
        .await;
    let codes: Vec<&str> = outcome
        .as_array()
        .unwrap()
        .iter()
        .map(|person| person["status"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["403", "404", "409"]);
    let request = &outcome[0]["content"]["content"][0];
    assert_eq!(request["tag"], "add_request");
    let body = json!({ "group": id, "code": request["attrs"]["code"] });
    let path = format!("/phones/{}/join-group", shy.number);
    assert_eq!(world.post(&path, body).await["member"], true);
    let description = world.get(&format!("/groups/{}", short(id))).await;
    assert_eq!(
        numbers(&description),
        [&ada.number, &grace.number, &mary.number, &shy.number]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_lost_its_keys_asks_again_in_a_group() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    let group = of_ada.invoke("groupCreate", json!(["Lost", [grace.by_number()]])).await;
    let id = group["id"].as_str().unwrap();
    of_ada.send(id, "first").await;
    world.phone_reads(&grace, "first").await;
    let number = network::accounts::Number::parse(&grace.number).unwrap();
    let account = world.network().accounts.by_number(number).unwrap();
    account.phone().sender_keys = network::phone::sender_keys::SenderKeys::default();
    of_ada.send(id, "second").await;
    let message = world.phone_reads(&grace, "second").await;
    assert_eq!(message["retries"], 1);
    of_ada.send(id, "third").await;
    world.phone_reads(&grace, "third").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_community_has_its_groups() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    let (mut of_grace, _more_credentials) = Baileys::paired(&world, &grace).await;
    let community = of_ada.invoke("communityCreate", json!(["Village", "All of us"])).await;
    let id = community["id"].as_str().unwrap();
    assert_eq!(
        (&community["isCommunity"], &community["desc"]),
        (&json!(true), &json!("All of us"))
    );

    let sub = of_ada
        .invoke("communityCreateGroup", json!(["Choir", [grace.by_number()], id]))
        .await;
    assert_eq!(sub["linkedParent"], id);
    let linked = of_grace.invoke("communityFetchLinkedGroups", json!([id])).await;
    let names: Vec<&str> = linked["linkedGroups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["subject"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Village", "General", "Choir"]);

    let own = of_ada.invoke("groupCreate", json!(["Own", []])).await;
    of_ada.invoke("communityLinkGroup", json!([own["id"], id])).await;
    let description = world.get(&format!("/groups/{}", short(id))).await;
    assert_eq!(description["linked_groups"].as_array().unwrap().len(), 4);
    of_ada.invoke("communityUnlinkGroup", json!([own["id"], id])).await;
    let description = world.get(&format!("/groups/{}", short(id))).await;
    assert_eq!(description["linked_groups"].as_array().unwrap().len(), 3);

    // Who came into one of its groups hears its announcements.
    let announcements = linked["linkedGroups"][0]["id"].as_str().unwrap();
    of_ada.send(announcements, "hear, hear").await;
    of_grace.text("hear, hear").await;
}
