//! Groups and communities: what the API does is compared with what the network, phones and a Baileys client see of it, and the other way round.

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::baileys::Baileys;
use harness::network::Phone;
use harness::sink::Received;
use harness::wait::{NotYet, wait_for};
use serde_json::{Value, json};
use stories::scene::{LinkedSession, PATIENCE};
use stories::{Scene, Story};

stories::stories![
    a_group_is_made_with_a_result_for_each_person,
    a_message_in_a_group_is_read_by_phone_and_baileys_and_answered_by_both,
    members_come_go_and_change_their_roles,
    settings_of_a_group_are_changed_from_both_sides,
    groups_are_found_when_first_asked_for_and_left,
    groups_are_made_in_a_community_linked_and_taken_out,
    a_session_that_ignores_groups_hears_nothing_of_them,
    a_groups_picture_is_changed_and_removed_and_other_members_hear_of_it,
];

/// The body of a good answer.
pub(crate) async fn done(request: harness::client::Request) -> anyhow::Result<Value> {
    request.send().await?.expect(200)?.json()
}

pub(crate) fn path(session: &LinkedSession, rest: &str) -> String {
    format!("/v1/sessions/{}/groups{rest}", session.id)
}

/// A group of these people that the session makes; its JID.
pub(crate) async fn group_of(
    scene: &Scene,
    session: &LinkedSession,
    subject: &str,
    people: &[&Phone],
) -> anyhow::Result<String> {
    let numbers: Vec<&str> = people.iter().map(|phone| phone.number.as_str()).collect();
    let body = json!({ "subject": subject, "participants": numbers });
    let made = done(scene.api.post(&path(session, ""), &body)).await?;
    Ok(made["jid"].as_str().context("a group without a JID")?.to_owned())
}

/// What the network says somebody is in a group; `None`: no member.
pub(crate) async fn role(scene: &Scene, group: &str, phone: &Phone) -> anyhow::Result<Option<String>> {
    let seen = scene.network().group(group).await?;
    let members = seen["members"].as_array().context("a group without members")?;
    let member = members.iter().find(|member| member["number"] == phone.number.as_str());
    Ok(member.and_then(|member| Some(member["role"].as_str()?.to_owned())))
}

/// The first webhook that fits.
pub(crate) async fn told(scene: &Scene, fits: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    let fits = |webhook: &Received| webhook.event().is_ok_and(|event| fits(&event));
    scene.sink().first("shop", PATIENCE, fits).await?.event()
}

async fn a_group_is_made_with_a_result_for_each_person(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["group.*"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let (bruno, carla) = (scene.phone("Bruno").await?, scene.phone("Carla").await?);
    carla.open_to_groups(false).await?;

    let body = json!({
        "subject": "Support",
        "description": "For customers",
        "participants": [bruno.number, carla.number, "19998887777"],
        "announce": true,
        "locked": true,
        "add_mode": "admins",
        "ephemeral": 86_400,
    });
    let made = done(scene.api.post(&path(&session, ""), &body)).await?;
    let outcomes: Vec<(&str, &str, &Value)> = made["results"]
        .as_array()
        .context("no results")?
        .iter()
        .filter_map(|result| Some((result["phone"].as_str()?, result["outcome"].as_str()?, &result["code"])))
        .collect();
    let expected = [
        (bruno.number.as_str(), "done", &Value::Null),
        (carla.number.as_str(), "invite_needed", &json!("privacy")),
        ("19998887777", "failed", &json!("not_found")),
    ];
    ensure!(outcomes == expected, "{made}");
    ensure!(made["results"][1]["invitation"]["code"].is_string(), "{made}");
    ensure!(
        made["results"][0]["lid"] == bruno.lid.as_str(),
        "both ids are known: {made}"
    );
    ensure!(
        made["announce"] == true && made["locked"] == true && made["ephemeral"] == 86_400 && made["role"] == "owner",
        "{made}"
    );

    let group = made["jid"].as_str().context("no JID")?;
    let seen = scene.network().group(group).await?;
    ensure!(
        seen["subject"] == "Support" && seen["description"] == "For customers",
        "the network sees {seen}"
    );
    ensure!(
        seen["announcement"] == true && seen["locked"] == true && seen["ephemeral"] == 86_400,
        "the network sees {seen}"
    );
    ensure!(seen["open_to_members"] == false, "the network sees {seen}");
    ensure!(
        role(&scene, group, &bruno).await?.as_deref() == Some("member"),
        "{seen}"
    );
    ensure!(role(&scene, group, &carla).await?.is_none(), "{seen}");

    let created = told(&scene, |event| event["type"] == "group.created").await?;
    ensure!(created["data"]["group"]["jid"] == group, "{created}");
    ensure!(
        created["data"]["by"]["phone"] == session.owner.number.as_str(),
        "{created}"
    );
    // One event, although the session hears of its own group twice.
    let events = scene.api.events().await?;
    let count = events
        .iter()
        .filter(|event| event.event_type == "group.created")
        .count();
    ensure!(count == 1, "{count} times");

    let listed = done(scene.api.get(&path(&session, "?search=supp"))).await?;
    ensure!(
        listed["data"][0]["jid"] == group && listed["data"][0]["size"] == 2,
        "{listed}"
    );
    let read = done(scene.api.get(&path(&session, &format!("/{group}")))).await?;
    ensure!(
        read["participants"]
            .as_array()
            .is_some_and(|members| members.len() == 2),
        "{read}"
    );
    Ok(())
}

async fn a_message_in_a_group_is_read_by_phone_and_baileys_and_answered_by_both(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["message.received"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let (bruno, dora) = (scene.phone("Bruno").await?, scene.phone("Dora").await?);
    let mut baileys = Baileys::paired(&scene, "dora", &dora).await?;
    let group = group_of(&scene, &session, "Support", &[&bruno, &dora]).await?;

    let sent = scene
        .api
        .send_text_and_wait(&session.id, &group, "Hello everybody", PATIENCE)
        .await?;
    let read = bruno
        .first_message(PATIENCE, |message| message.id == sent.wa_message_id)
        .await?;
    ensure!(
        read.text.as_deref() == Some("Hello everybody") && read.chat == group,
        "{read:?}"
    );
    ensure!(
        read.from_phone.as_deref() == Some(session.owner.number.as_str()),
        "{read:?}"
    );
    let decrypted = baileys.text("Hello everybody").await?;
    ensure!(
        decrypted.id == sent.wa_message_id && decrypted.from == group,
        "{decrypted:?}"
    );

    let by_phone = bruno.send_text(&group, "Hello from a phone").await?;
    let by_baileys = baileys.send_text(&group, "Hello from Baileys").await?;
    for (id, text, author) in [
        (by_phone, "Hello from a phone", &bruno),
        (by_baileys, "Hello from Baileys", &dora),
    ] {
        let event = told(&scene, |event| event["data"]["wa_message_id"] == id.as_str()).await?;
        let data = &event["data"];
        ensure!(
            data["text"]["body"] == text && data["chat"]["jid"] == group.as_str(),
            "{event}"
        );
        ensure!(
            data["from"]["phone"] == author.number.as_str() && data["from"]["lid"] == author.lid.as_str(),
            "{event}"
        );
    }
    // The session reports that it has received them, and its own messages are reported on by person.
    let again = scene
        .api
        .send_text_and_wait(&session.id, &group, "Thanks", PATIENCE)
        .await?;
    ensure!(baileys.text("Thanks").await?.id == again.wa_message_id, "{again:?}");
    Ok(())
}

async fn members_come_go_and_change_their_roles(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["group.participants"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let (bruno, carla) = (scene.phone("Bruno").await?, scene.phone("Carla").await?);
    let group = group_of(&scene, &session, "Support", &[&bruno]).await?;
    let at = |rest: &str| path(&session, &format!("/{group}{rest}"));
    let people = json!({ "participants": [carla.number, "19998887777"] });

    let added = done(scene.api.post(&at("/participants"), &people)).await?;
    ensure!(added["results"][0]["outcome"] == "done", "{added}");
    ensure!(added["results"][1]["code"] == "not_found", "{added}");
    ensure!(role(&scene, &group, &carla).await?.as_deref() == Some("member"));
    let event = told(&scene, |event| event["data"]["action"] == "add").await?;
    ensure!(
        event["data"]["participants"][0]["phone"] == carla.number.as_str()
            && event["data"]["participants"][0]["lid"] == carla.lid.as_str(),
        "{event}"
    );
    ensure!(event["data"]["by"]["phone"] == session.owner.number.as_str(), "{event}");

    let carla_alone = json!({ "participants": [format!("{}@lid", carla.lid)] });
    let promoted = done(scene.api.post(&at("/promote"), &carla_alone)).await?;
    ensure!(promoted["results"][0]["outcome"] == "done", "{promoted}");
    ensure!(role(&scene, &group, &carla).await?.as_deref() == Some("admin"));
    let read = done(scene.api.get(&at(""))).await?;
    let recorded = read["participants"].as_array().context("no members")?;
    let carlas = recorded.iter().find(|member| member["phone"] == carla.number.as_str());
    ensure!(carlas.is_some_and(|member| member["role"] == "admin"), "{read}");
    done(scene.api.post(&at("/demote"), &carla_alone)).await?;
    ensure!(role(&scene, &group, &carla).await?.as_deref() == Some("member"));

    let remove = scene.api.delete(&at("/participants")).json(&carla_alone);
    let removed = done(remove).await?;
    ensure!(removed["results"][0]["outcome"] == "done", "{removed}");
    ensure!(role(&scene, &group, &carla).await?.is_none());
    told(&scene, |event| event["data"]["action"] == "remove").await?;

    // Somebody else's doing: an admin adds, a member leaves.
    let promote = json!({ "participants": [bruno.number] });
    done(scene.api.post(&at("/promote"), &promote)).await?;
    let add = json!({ "action": "add", "participants": [carla.number] });
    bruno.in_group(&group, "participants", &add).await?;
    let event = told(&scene, |event| {
        event["data"]["action"] == "add" && event["data"]["by"]["phone"] == bruno.number.as_str()
    })
    .await?;
    ensure!(event["data"]["chat"]["jid"] == group.as_str(), "{event}");
    carla.in_group(&group, "leave", &json!({})).await?;
    let event = told(&scene, |event| event["data"]["action"] == "leave").await?;
    ensure!(
        event["data"]["participants"][0]["phone"] == carla.number.as_str(),
        "{event}"
    );
    Ok(())
}

async fn settings_of_a_group_are_changed_from_both_sides(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["group.updated"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let bruno = scene.phone("Bruno").await?;
    let group = group_of(&scene, &session, "Support", &[&bruno]).await?;
    let one = path(&session, &format!("/{group}"));
    let all = json!({
        "subject": "Support 24/7", "description": "Day and night", "announce": true, "locked": true,
        "approval": true, "add_mode": "everyone", "ephemeral": 604_800,
    });
    let changed = done(scene.api.patch(&one, &all)).await?;
    for (name, value) in all.as_object().context("an object")? {
        ensure!(&changed[name] == value, "{name}: {changed}");
    }
    let seen = scene.network().group(&group).await?;
    ensure!(
        seen["subject"] == "Support 24/7" && seen["description"] == "Day and night" && seen["ephemeral"] == 604_800,
        "{seen}"
    );
    for setting in ["announcement", "locked", "approval", "open_to_members"] {
        ensure!(seen[setting] == true, "{setting}: {seen}");
    }
    let event = told(&scene, |event| event["data"]["changes"]["subject"] == "Support 24/7").await?;
    ensure!(event["data"]["by"]["phone"] == session.owner.number.as_str(), "{event}");

    // Removed, and changed back.
    let back = json!({ "description": "", "announce": false, "locked": false, "ephemeral": 0 });
    let changed = done(scene.api.patch(&one, &back)).await?;
    ensure!(
        changed["description"] == Value::Null && changed["announce"] == false,
        "{changed}"
    );
    ensure!(scene.network().group(&group).await?["description"] == Value::Null);

    // A member changes the name on a phone.
    bruno
        .in_group(&group, "settings", &json!({ "subject": "Bruno was here" }))
        .await?;
    let event = told(&scene, |event| event["data"]["changes"]["subject"] == "Bruno was here").await?;
    ensure!(event["data"]["by"]["phone"] == bruno.number.as_str(), "{event}");
    let read = done(scene.api.get(&one)).await?;
    ensure!(read["subject"] == "Bruno was here", "{read}");
    let fresh = done(scene.api.get(&format!("{one}?refresh=true"))).await?;
    ensure!(fresh["subject"] == "Bruno was here", "{fresh}");
    Ok(())
}

async fn groups_are_found_when_first_asked_for_and_left(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let bruno = scene.phone("Bruno").await?;
    let owner = scene.phone("Front desk").await?;
    // Groups that were there before the session was.
    let people = json!([owner.number]);
    let mut before = Vec::new();
    for subject in ["Old one", "Old two"] {
        let group = json!({ "subject": subject, "participants": people });
        before.push(bruno.create_group(&group).await?);
    }
    before.sort();
    let id = scene.api.create_session("Front desk").await?.id;
    let qr = scene.api.qr(&id, PATIENCE).await?;
    owner.scan(&qr).await?;
    scene.wait_for_status(&id, "connected").await?;
    let session = LinkedSession { id, owner };

    let listed = done(scene.api.get(&path(&session, ""))).await?;
    let jids: Vec<&str> = listed["data"]
        .as_array()
        .context("no list")?
        .iter()
        .filter_map(|group| group["jid"].as_str())
        .collect();
    ensure!(jids == before, "{listed}");
    let leave = path(&session, &format!("/{}/leave", before[0]));
    done(scene.api.post(&leave, &json!({}))).await?;
    ensure!(role(&scene, &before[0], &session.owner).await?.is_none());
    let listed = done(scene.api.get(&path(&session, ""))).await?;
    ensure!(
        listed["data"].as_array().is_some_and(|groups| groups.len() == 1),
        "{listed}"
    );
    let refreshed = done(scene.api.get(&path(&session, "?refresh=true&left=true"))).await?;
    ensure!(
        refreshed["data"].as_array().is_some_and(|groups| groups.len() == 2),
        "{refreshed}"
    );

    // Somebody adds the account to a new one: it is there without being asked for.
    let new = bruno
        .create_group(&json!({ "subject": "New", "participants": people }))
        .await?;
    wait_for("the new group to be listed", PATIENCE, async || {
        let listed = done(scene.api.get(&path(&session, "?search=new"))).await?;
        if listed["data"][0]["jid"] == new.as_str() {
            return Ok(());
        }
        Err(NotYet::because(listed))
    })
    .await
}

async fn groups_are_made_in_a_community_linked_and_taken_out(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["group.updated"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let bruno = scene.phone("Bruno").await?;
    let communities = format!("/v1/sessions/{}/communities", session.id);
    let made = done(scene.api.post(
        &communities,
        &json!({ "name": "Neighbours", "description": "Our street" }),
    ))
    .await?;
    ensure!(made["kind"] == "community" && made["subject"] == "Neighbours", "{made}");
    let community = made["jid"].as_str().context("no JID")?;
    let groups = format!("{communities}/{community}/groups");

    let inside = json!({ "subject": "Second floor", "participants": [bruno.number] });
    let inside = done(scene.api.post(&groups, &inside)).await?;
    ensure!(inside["community"] == community, "{inside}");
    let inside = inside["jid"].as_str().context("no JID")?;
    let outside = group_of(&scene, &session, "Garden", &[&bruno]).await?;
    let linked = done(
        scene
            .api
            .post(&format!("{groups}/link"), &json!({ "groups": [outside] })),
    )
    .await?;
    ensure!(linked["results"][0]["done"] == true, "{linked}");
    ensure!(scene.network().group(&outside).await?["parent"] == community);
    let read = done(scene.api.get(&path(&session, &format!("/{outside}")))).await?;
    ensure!(read["community"] == community, "{read}");

    let listed = done(scene.api.get(&groups)).await?;
    let jids: Vec<&str> = listed["data"]
        .as_array()
        .context("no list")?
        .iter()
        .filter_map(|group| group["jid"].as_str())
        .collect();
    ensure!(jids.contains(&inside) && jids.contains(&outside.as_str()), "{listed}");

    let other = scene.linked_session("Back office").await?;
    let add = json!({ "participants": [other.owner.number] });
    done(
        scene
            .api
            .post(&path(&session, &format!("/{outside}/participants")), &add),
    )
    .await?;
    let join = format!("/v1/sessions/{}/communities/{community}/groups/join", other.id);
    let joined = done(scene.api.post(&join, &json!({ "group": inside }))).await?;
    ensure!(joined["jid"] == inside, "{joined}");
    ensure!(role(&scene, inside, &other.owner).await?.is_some());

    let unlinked = done(
        scene
            .api
            .post(&format!("{groups}/unlink"), &json!({ "groups": [outside] })),
    )
    .await?;
    ensure!(unlinked["results"][0]["done"] == true, "{unlinked}");
    ensure!(scene.network().group(&outside).await?["parent"] == Value::Null);
    done(scene.api.delete(&format!("{communities}/{community}"))).await?;
    ensure!(scene.network().group(inside).await?["parent"] == Value::Null);
    Ok(())
}

async fn a_session_that_ignores_groups_hears_nothing_of_them(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let body = json!({ "name": "Front desk", "settings": { "ignore": { "groups": true } } });
    let id = scene.api.create_session_from(&body).await?.id;
    let owner = scene.phone("Front desk").await?;
    let qr = scene.api.qr(&id, PATIENCE).await?;
    owner.scan(&qr).await?;
    scene.wait_for_status(&id, "connected").await?;
    let session = LinkedSession { id, owner };
    let bruno = scene.phone("Bruno").await?;
    let group = bruno
        .create_group(&json!({ "subject": "Noise", "participants": [session.owner.number] }))
        .await?;
    bruno.send_text(&group, "in the group").await?;
    let direct = bruno.send_text(&session.owner.number, "to you").await?;
    let events = wait_for("the direct message", PATIENCE, async || {
        let events = scene.api.events().await?;
        if events
            .iter()
            .any(|event| event.data["wa_message_id"] == direct.as_str())
        {
            return Ok(events);
        }
        Err(NotYet::because(format!("{} events", events.len())))
    })
    .await?;
    let noise: Vec<&str> = events
        .iter()
        .filter(|event| event.data["chat"]["jid"] == group.as_str())
        .map(|event| event.event_type.as_str())
        .collect();
    ensure!(noise.is_empty(), "{noise:?}");
    // It is known all the same.
    let listed = done(scene.api.get(&path(&session, "?search=noise"))).await?;
    ensure!(listed["data"][0]["jid"] == group.as_str(), "{listed}");
    Ok(())
}

async fn a_groups_picture_is_changed_and_removed_and_other_members_hear_of_it(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["group.updated"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let other = scene.linked_session("Back office").await?;
    let group = group_of(&scene, &session, "Support", &[&other.owner]).await?;
    let mut jpeg = Vec::new();
    image::RgbImage::from_pixel(64, 64, image::Rgb([30, 110, 79]))
        .write_to(&mut std::io::Cursor::new(&mut jpeg), image::ImageFormat::Jpeg)?;
    let picture = path(&session, &format!("/{group}/picture"));
    let heard = async |change: &str| {
        told(&scene, |event| {
            event["session_id"] == other.id.as_str() && event["data"]["change"] == change
        })
        .await
    };
    let body = json!({ "base64": STANDARD.encode(&jpeg) });
    scene
        .api
        .request(reqwest::Method::PUT, &picture)
        .json(&body)
        .ok()
        .await?;
    heard("picture").await?;
    scene.api.delete(&picture).ok().await?;
    heard("picture_removed").await?;
    Ok(())
}
