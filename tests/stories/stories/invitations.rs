//! Ways into a group: codes, requests to join, and personal invitations.

use anyhow::{Context as _, ensure};
use serde_json::json;
use stories::{Scene, Story};

use crate::groups::{done, group_of, path, role, told};

stories::stories![
    a_code_leads_into_a_group_and_a_new_one_ends_the_old,
    requests_to_join_are_approved_and_rejected,
    a_personal_invitation_is_accepted,
];

async fn a_code_leads_into_a_group_and_a_new_one_ends_the_old(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let other = scene.linked_session("Back office").await?;
    let bruno = scene.phone("Bruno").await?;
    let group = group_of(&scene, &session, "Support", &[&bruno]).await?;
    let codes = path(&session, &format!("/{group}/invite-code"));

    let first = done(scene.api.get(&codes)).await?;
    let seen = scene.network().group(&group).await?;
    ensure!(first["code"] == seen["invite_code"], "{first} {seen}");
    let second = done(scene.api.post(&codes, &json!({}))).await?;
    ensure!(second["code"] != first["code"], "{second}");
    ensure!(
        second["code"] == scene.network().group(&group).await?["invite_code"],
        "{second}"
    );
    let code = second["code"].as_str().context("no code")?;

    let info = done(scene.api.get(&path(&other, &format!("/invite-info?code={code}")))).await?;
    ensure!(info["jid"] == group.as_str() && info["subject"] == "Support", "{info}");
    let old = json!({ "code": first["code"] });
    let refused = scene.api.post(&path(&other, "/join"), &old).send().await?.expect(404)?;
    ensure!(refused.problem_code()? == "not_found_on_whatsapp", "{refused}");
    let joined = done(
        scene
            .api
            .post(&path(&other, "/join"), &json!({ "code": second["link"] })),
    )
    .await?;
    ensure!(
        joined["jid"] == group.as_str() && joined["outcome"] == "joined",
        "{joined}"
    );
    ensure!(role(&scene, &group, &other.owner).await?.is_some());
    // Joining again changes nothing.
    let again = done(scene.api.post(&path(&other, "/join"), &json!({ "code": code }))).await?;
    ensure!(again["outcome"] == "joined", "{again}");

    // Only administrators see the code.
    let refused = scene
        .api
        .get(&path(&other, &format!("/{group}/invite-code")))
        .send()
        .await?;
    ensure!(refused.expect(403)?.problem_code()? == "not_permitted_on_whatsapp");
    Ok(())
}

async fn requests_to_join_are_approved_and_rejected(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["group.join_request"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let other = scene.linked_session("Back office").await?;
    let (bruno, carla) = (scene.phone("Bruno").await?, scene.phone("Carla").await?);
    let body = json!({ "subject": "Club", "approval": true, "participants": [] });
    let made = done(scene.api.post(&path(&session, ""), &body)).await?;
    let group = made["jid"].as_str().context("no JID")?;
    let code = done(scene.api.get(&path(&session, &format!("/{group}/invite-code")))).await?;
    let code = code["code"].as_str().context("no code")?;

    for phone in [&bruno, &carla] {
        phone.join_group(code).await?;
        let event = told(&scene, |event| {
            event["data"]["participants"][0]["phone"] == phone.number.as_str()
        })
        .await?;
        ensure!(
            event["data"]["change"] == "created" && event["data"]["method"] == "invite_link",
            "{event}"
        );
    }
    let asked = done(scene.api.post(&path(&other, "/join"), &json!({ "code": code }))).await?;
    ensure!(asked["outcome"] == "requested", "{asked}");

    let requests = path(&session, &format!("/{group}/requests"));
    let waiting = done(scene.api.get(&requests)).await?;
    let waiting: Vec<&str> = waiting["data"]
        .as_array()
        .context("no list")?
        .iter()
        .filter_map(|request| request["phone"].as_str())
        .collect();
    let expected = [&bruno.number, &carla.number, &other.owner.number];
    ensure!(waiting == expected, "{waiting:?}");

    let approve = json!({ "action": "approve", "participants": [bruno.number, other.owner.number] });
    let approved = done(scene.api.post(&requests, &approve)).await?;
    ensure!(approved["results"][0]["outcome"] == "done", "{approved}");
    let reject = json!({ "action": "reject", "participants": [carla.number] });
    let rejected = done(scene.api.post(&requests, &reject)).await?;
    ensure!(rejected["results"][0]["outcome"] == "done", "{rejected}");
    ensure!(role(&scene, group, &bruno).await?.is_some());
    ensure!(role(&scene, group, &other.owner).await?.is_some());
    ensure!(role(&scene, group, &carla).await?.is_none());
    let nobody = done(scene.api.get(&requests)).await?;
    ensure!(nobody["data"] == json!([]), "{nobody}");
    Ok(())
}

async fn a_personal_invitation_is_accepted(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    session.owner.open_to_groups(false).await?;
    let bruno = scene.phone("Bruno").await?;
    let group = bruno
        .create_group(&json!({ "subject": "Bruno's", "participants": [] }))
        .await?;
    let add = json!({ "action": "add", "participants": [session.owner.number] });
    let answer = bruno.in_group(&group, "participants", &add).await?;
    let invitation = &answer["participants"][0]["invitation"];
    let body = json!({
        "code": invitation["code"], "group": group, "inviter": bruno.number, "expires_at": invitation["expires"],
    });
    let joined = done(scene.api.post(&path(&session, "/join"), &body)).await?;
    ensure!(
        joined["outcome"] == "joined" && joined["jid"] == group.as_str(),
        "{joined}"
    );
    ensure!(role(&scene, &group, &session.owner).await?.is_some());
    Ok(())
}
