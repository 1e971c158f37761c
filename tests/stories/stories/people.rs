//! People, the account's profile, labels and calls, each compared with what the phone or somebody else's client sees.

use std::io::Cursor;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::network::{CallState, Phone};
use harness::wait::{NotYet, wait_for};
use reqwest::Method;
use serde_json::{Value, json};
use stories::scene::{LinkedSession, PATIENCE};
use stories::{Scene, Story};

stories::stories![
    numbers_are_checked_and_named_by_both_ids,
    what_a_person_shows_is_what_whatsapp_shows,
    a_blocked_person_does_not_come_through,
    a_saved_contact_is_in_the_phones_address_book,
    the_presence_of_a_person_is_told_and_kept,
    the_accounts_profile_is_what_others_see,
    privacy_is_changed_as_the_phone_sees_it,
    labels_are_the_same_on_the_phone_and_in_the_api,
    a_call_is_rejected_at_once_by_hand_or_missed,
];

fn path(session: &LinkedSession, rest: &str) -> String {
    format!("/v1/sessions/{}{rest}", session.id)
}

async fn get(scene: &Scene, path: &str) -> anyhow::Result<Value> {
    scene.api.get(path).ok().await?.json()
}

/// Does something and waits for its end.
async fn done(scene: &Scene, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
    let request = scene.api.request(method, path);
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    request.ok().await?.json()
}

/// Waits until what is read fits.
async fn until(scene: &Scene, path: &str, what: &str, fits: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    wait_for(what.to_owned(), PATIENCE, async || {
        let seen = get(scene, path).await?;
        if fits(&seen) {
            return Ok(seen);
        }
        Err(NotYet::because(seen))
    })
    .await
}

/// Waits for a webhook's event that fits.
async fn event(scene: &Scene, kind: &str, fits: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    let webhook = scene
        .sink()
        .first("people", PATIENCE, |webhook| {
            webhook
                .event()
                .is_ok_and(|event| event["type"] == kind && fits(&event["data"]))
        })
        .await?;
    Ok(webhook.event()?["data"].take())
}

async fn numbers_are_checked_and_named_by_both_ids(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let carlos = scene.phone("Carlos").await?;
    let nobody = "15559999999";
    let check = path(&session, "/contacts/check");
    let body = json!({ "contacts": [format!("+{}", carlos.number), nobody, format!("{}@lid", carlos.lid)] });
    let first: Value = scene.api.post(&check, &body).ok().await?.json()?;
    let answers = first["data"].as_array().context("answers")?;
    ensure!(answers.len() == 3, "{first}");
    ensure!(
        answers[0]["exists"] == true && answers[0]["phone"] == *carlos.number && answers[0]["lid"] == *carlos.lid,
        "{first}"
    );
    ensure!(
        answers[1]["exists"] == false && answers[1]["input"] == nobody,
        "{first}"
    );
    ensure!(
        answers[2]["exists"] == true && answers[2]["lid"] == *carlos.lid,
        "{first}"
    );

    // Asked again, it is the same answer of the same moment; asked for a fresh one, WhatsApp is asked.
    let again: Value = scene.api.post(&check, &body).ok().await?.json()?;
    ensure!(again == first, "{again} is not {first}");
    let fresh = json!({ "contacts": [carlos.number], "max_age": 0 });
    let fresh: Value = scene.api.post(&check, &fresh).ok().await?.json()?;
    ensure!(
        fresh["data"][0]["checked_at"] != first["data"][0]["checked_at"],
        "{fresh}"
    );

    for id in [carlos.number.clone(), format!("{}@lid", carlos.lid)] {
        let ids = get(&scene, &path(&session, &format!("/contacts/{id}/ids"))).await?;
        ensure!(ids["phone"] == *carlos.number && ids["lid"] == *carlos.lid, "{ids}");
    }
    Ok(())
}

async fn what_a_person_shows_is_what_whatsapp_shows(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("people", &["contact.updated"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let carlos = scene.phone("Carlos").await?;
    // Whoever writes is known by name from then on.
    carlos.send_text(&session.owner.number, "Hello").await?;
    let list = path(&session, "/contacts");
    let listed = until(&scene, &list, "Carlos to be known", |page| {
        page["data"].as_array().is_some_and(|people| people.len() == 1)
    })
    .await?;
    let person = &listed["data"][0];
    ensure!(
        person["phone"] == *carlos.number && person["lid"] == *carlos.lid && person["push_name"] == "Carlos",
        "{listed}"
    );

    let photo = picture([0, 128, 0])?;
    let profile = json!({
        "about": "At the office",
        "picture": STANDARD.encode(&photo),
        "business": {
            "verified_name": "Carlos & Co",
            "description": "Tiles of all kinds",
            "email": "carlos@shop.example",
            "websites": ["https://shop.example"],
            "categories": [{ "id": "7", "name": "Tiles" }],
            "timezone": "Europe/Lisbon",
            "hours": [{ "day": "mon", "mode": "specific_hours", "open": 540, "close": 1020 }],
        },
    });
    carlos.change_profile(&profile).await?;
    let contact = path(&session, &format!("/contacts/{}", carlos.number));
    let about = get(&scene, &format!("{contact}/about")).await?;
    ensure!(about["about"] == "At the office", "{about}");
    let found = get(&scene, &format!("{contact}/picture")).await?;
    let url = found["url"].as_str().context("a picture without a URL")?;
    let bytes = reqwest::get(url).await?.bytes().await?;
    ensure!(
        bytes == photo,
        "{} bytes are not the picture's {}",
        bytes.len(),
        photo.len()
    );
    get(&scene, &format!("{contact}/picture?type=preview")).await?;
    let business = get(&scene, &format!("{contact}/business-profile")).await?;
    ensure!(
        business["description"] == "Tiles of all kinds"
            && business["websites"] == json!(["https://shop.example"])
            && business["categories"] == json!(["Tiles"])
            && business["hours"][0] == json!({"day": "mon", "mode": "specific_hours", "open": 540, "close": 1020}),
        "{business}"
    );
    let fresh = get(&scene, &format!("{contact}?refresh=true")).await?;
    ensure!(
        fresh["about"] == "At the office" && fresh["picture_id"] == found["id"] && fresh["is_business"] == true,
        "{fresh}"
    );
    // What WhatsApp has said is known without asking again.
    until(&scene, &contact, "the answer to be kept", |known| {
        known["about"] == "At the office" && known["picture_id"] == found["id"] && known["push_name"] == "Carlos"
    })
    .await?;

    carlos
        .change_profile(&json!({ "about": "On holiday", "picture": null }))
        .await?;
    event(&scene, "contact.updated", |data| {
        data["contact"]["phone"] == *carlos.number && data["changes"]["picture_id"] == Value::Null
    })
    .await?;
    let gone = scene.api.get(&format!("{contact}/picture")).send().await?;
    ensure!(gone.status == 404, "{gone}");
    Ok(())
}

async fn a_blocked_person_does_not_come_through(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let carlos = scene.phone("Carlos").await?;
    let block = path(&session, &format!("/contacts/{}/block", carlos.number));
    done(&scene, Method::PUT, &block, None).await?;
    let on_phone = session.owner.profile().await?;
    ensure!(on_phone.blocked == [carlos.number.clone()], "{on_phone:?}");
    let listed = get(&scene, &path(&session, "/blocked")).await?;
    ensure!(
        listed["data"][0]["phone"] == *carlos.number && listed["data"][0]["lid"] == *carlos.lid,
        "{listed}"
    );
    until(
        &scene,
        &path(&session, "/contacts?blocked=true"),
        "Carlos to be marked",
        |page| page["data"][0]["phone"] == *carlos.number,
    )
    .await?;

    carlos.send_text(&session.owner.number, "while blocked").await?;
    done(&scene, Method::DELETE, &block, None).await?;
    let listed = get(&scene, &path(&session, "/blocked")).await?;
    ensure!(listed["data"] == json!([]), "{listed}");
    carlos.send_text(&session.owner.number, "afterwards").await?;
    wait_for("the message after the block", PATIENCE, async || {
        let texts: Vec<Value> = scene
            .api
            .messages(&session.id)
            .await?
            .iter()
            .map(|message| message.content["text"]["body"].clone())
            .collect();
        ensure_no(&texts, "while blocked")?;
        if texts.contains(&json!("afterwards")) {
            return Ok(());
        }
        Err(NotYet::because(format!("{texts:?}")))
    })
    .await
}

fn ensure_no(texts: &[Value], unwanted: &str) -> anyhow::Result<()> {
    ensure!(
        !texts.contains(&json!(unwanted)),
        "'{unwanted}' came through: {texts:?}"
    );
    Ok(())
}

async fn a_saved_contact_is_in_the_phones_address_book(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("people", &["contact.updated"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let carlos = scene.phone("Carlos").await?;
    let contact = path(&session, &format!("/contacts/{}", carlos.number));
    let body = json!({ "name": "Carlos Pérez", "first_name": "Carlos", "on_phone": true });
    done(&scene, Method::PUT, &contact, Some(body)).await?;
    let jid = format!("{}@s.whatsapp.net", carlos.number);
    let shared = session.owner.app_state().await?;
    let entry = shared.entry(&["contact", &jid]).context("no entry for Carlos")?;
    ensure!(
        entry.value.to_string().contains("Carlos Pérez") && entry.device != 0,
        "{entry:?}"
    );
    let book = session.owner.profile().await?.contacts;
    ensure!(
        book.get(&carlos.number).is_some_and(|name| name == "Carlos Pérez"),
        "{book:?}"
    );
    event(&scene, "contact.updated", |data| {
        data["changes"]["name"] == "Carlos Pérez"
    })
    .await?;
    until(
        &scene,
        &path(&session, "/contacts?search=p%C3%A9rez&saved=true"),
        "the name to be found",
        |page| page["data"][0]["phone"] == *carlos.number,
    )
    .await?;

    let renamed =
        json!({ "action": "contact", "who": carlos.number, "name": "Carlos (tiles)", "first_name": "Carlos" });
    session.owner.change_app_state(&renamed).await?;
    event(&scene, "contact.updated", |data| {
        data["changes"]["name"] == "Carlos (tiles)" && data["contact"]["phone"] == *carlos.number
    })
    .await?;
    let known = get(&scene, &contact).await?;
    ensure!(known["name"] == "Carlos (tiles)", "{known}");

    done(&scene, Method::DELETE, &contact, None).await?;
    let book = session.owner.profile().await?.contacts;
    ensure!(book.get(&carlos.number).is_none_or(String::is_empty), "{book:?}");
    until(&scene, &contact, "the name to be gone", |known| known["name"].is_null()).await?;
    Ok(())
}

async fn the_presence_of_a_person_is_told_and_kept(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("people", &["presence.updated"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let carlos = scene.phone("Carlos").await?;
    carlos.send_text(&session.owner.number, "Hello").await?;
    let online = json!({ "presence": "available" });
    done(&scene, Method::PUT, &path(&session, "/presence"), Some(online)).await?;
    let presence = path(&session, &format!("/contacts/{}/presence", carlos.number));
    done(&scene, Method::POST, &presence, Some(json!({}))).await?;
    carlos.set_available(true).await?;
    event(&scene, "presence.updated", |data| {
        data["presence"] == "available" && is(&data["from"], &carlos)
    })
    .await?;
    until(&scene, &presence, "Carlos to be available", |seen| {
        seen["presence"] == "available"
    })
    .await?;
    carlos.set_available(false).await?;
    let told = event(&scene, "presence.updated", |data| {
        data["presence"] == "unavailable" && data["last_seen"].is_string()
    })
    .await?;
    until(&scene, &presence, "Carlos to be away", |seen| {
        seen["presence"] == "unavailable" && seen["last_seen"] == told["last_seen"]
    })
    .await?;
    Ok(())
}

fn is(party: &Value, phone: &Phone) -> bool {
    party["phone"] == *phone.number || party["lid"] == *phone.lid
}

async fn the_accounts_profile_is_what_others_see(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let viewer = scene.linked_session("Viewer").await?;
    let profile = path(&session, "/profile");
    let body = json!({ "name": "Tiles & Co", "about": "We answer from 9 to 18" });
    done(&scene, Method::PATCH, &profile, Some(body)).await?;
    let photo = scene
        .api
        .request(Method::PUT, &format!("{profile}/picture"))
        .body("image/png", picture([0, 0, 200])?)
        .ok()
        .await?;
    ensure!(photo.status == 200, "{photo}");

    let seen = session.owner.profile().await?;
    ensure!(
        seen.name == "Tiles & Co" && seen.about == "We answer from 9 to 18",
        "{seen:?}"
    );
    let kept = seen.picture.context("the phone shows no picture")?;
    let jpeg = STANDARD.decode(&kept.data)?;
    ensure!(jpeg.starts_with(&[0xFF, 0xD8, 0xFF]), "the picture is a JPEG");
    let own = get(&scene, &profile).await?;
    ensure!(
        own["name"] == "Tiles & Co"
            && own["about"] == "We answer from 9 to 18"
            && own["picture_id"] == *kept.id
            && own["phone"] == *session.owner.number,
        "{own}"
    );
    let own_picture = get(&scene, &format!("{profile}/picture")).await?;
    ensure!(own_picture["id"] == *kept.id, "{own_picture}");

    let contact = path(&viewer, &format!("/contacts/{}", session.owner.number));
    let about = get(&scene, &format!("{contact}/about")).await?;
    ensure!(about["about"] == "We answer from 9 to 18", "{about}");
    let shown = get(&scene, &format!("{contact}/picture")).await?;
    let url = shown["url"].as_str().context("a picture without a URL")?;
    ensure!(
        reqwest::get(url).await?.bytes().await? == jpeg,
        "others see another picture"
    );
    // The name is told with the next message.
    scene
        .api
        .send_text_and_wait(&session.id, &viewer.owner.number, "Hello", PATIENCE)
        .await?;
    until(
        &scene,
        &path(&viewer, "/contacts?search=tiles"),
        "the name to be known",
        |page| page["data"][0]["push_name"] == "Tiles & Co",
    )
    .await?;

    done(&scene, Method::DELETE, &format!("{profile}/picture"), None).await?;
    let seen = session.owner.profile().await?;
    ensure!(seen.picture.is_none(), "{seen:?}");
    Ok(())
}

async fn privacy_is_changed_as_the_phone_sees_it(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let (carlos, bruno) = (scene.phone("Carlos").await?, scene.phone("Bruno").await?);
    let profile = path(&session, "/profile");
    let body = json!({
        "privacy": { "last_seen": "contacts", "read_receipts": "none", "about": "contact_blacklist", "online": "match_last_seen" },
        "privacy_exceptions": { "about": { "exclude": [carlos.number, bruno.number] } },
        "default_disappearing_timer": 604_800,
    });
    done(&scene, Method::PATCH, &profile, Some(body)).await?;
    let seen = session.owner.profile().await?;
    for (category, value) in [
        ("last", "contacts"),
        ("readreceipts", "none"),
        ("status", "contact_blacklist"),
        ("online", "match_last_seen"),
        ("profile", "all"),
    ] {
        ensure!(
            seen.privacy.get(category).is_some_and(|seen| seen == value),
            "{category}: {seen:?}"
        );
    }
    ensure!(seen.disappearing_seconds == 604_800, "{seen:?}");
    // One exception less: the list that is there is changed, not replaced.
    let body = json!({
        "privacy": { "about": "contact_blacklist" },
        "privacy_exceptions": { "about": { "include": [carlos.number] } },
    });
    done(&scene, Method::PATCH, &profile, Some(body)).await?;
    let own = get(&scene, &profile).await?;
    ensure!(
        own["privacy"]["last_seen"] == "contacts" && own["privacy"]["about"] == "contact_blacklist",
        "{own}"
    );
    let exceptions = own["privacy_exceptions"]["about"].as_array().context("exceptions")?;
    ensure!(exceptions.len() == 1 && is(&exceptions[0], &bruno), "{own}");
    Ok(())
}

async fn labels_are_the_same_on_the_phone_and_in_the_api(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("people", &["label.updated"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let carlos = scene.phone("Carlos").await?;
    let labels = path(&session, "/labels");
    let created: Value = scene
        .api
        .post(&labels, &json!({ "name": "Due", "color": 3 }))
        .ok()
        .await?
        .json()?;
    let id = created["id"].as_str().context("a label without an id")?;
    let label = format!("{labels}/{id}");
    until(&scene, &labels, "the label to be listed", |page| {
        page["data"][0]["id"] == id
    })
    .await?;
    done(&scene, Method::PATCH, &label, Some(json!({ "name": "Paid" }))).await?;
    let shared = session.owner.app_state().await?;
    let on_phone = shared
        .entry(&["label_edit", id])
        .context("the phone has no such label")?;
    ensure!(on_phone.value.to_string().contains("Paid"), "{on_phone:?}");
    let chat = format!("{label}/chats/{}", carlos.number);
    done(&scene, Method::PUT, &chat, None).await?;
    let jid = format!("{}@s.whatsapp.net", carlos.number);
    let shared = session.owner.app_state().await?;
    ensure!(shared.entry(&["label_jid", id, &jid]).is_some(), "{shared:?}");
    event(&scene, "label.updated", |data| {
        data["id"] == id && data["attached"] == true && data["chat"]["phone"] == *carlos.number
    })
    .await?;
    until(&scene, &labels, "the label to be on the chat", |page| {
        page["data"][0]["name"] == "Paid" && page["data"][0]["color"] == 3 && page["data"][0]["chats"] == json!([jid])
    })
    .await?;

    // And the other way round.
    let made = json!({ "action": "label", "id": "77", "name": "New", "color": 5 });
    session.owner.change_app_state(&made).await?;
    event(&scene, "label.updated", |data| {
        data["id"] == "77" && data["name"] == "New" && data["color"] == 5
    })
    .await?;
    let put_on = json!({ "action": "label_chat", "label": "77", "chat": jid });
    session.owner.change_app_state(&put_on).await?;
    event(&scene, "label.updated", |data| {
        data["id"] == "77" && data["attached"] == true
    })
    .await?;

    done(&scene, Method::DELETE, &chat, None).await?;
    done(&scene, Method::DELETE, &label, None).await?;
    event(&scene, "label.updated", |data| {
        data["id"] == id && data["deleted"] == true
    })
    .await?;
    until(&scene, &labels, "only the phone's label to be left", |page| {
        page["data"].as_array().is_some_and(|labels| labels.len() == 1) && page["data"][0]["id"] == "77"
    })
    .await?;
    Ok(())
}

async fn a_call_is_rejected_at_once_by_hand_or_missed(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("people", &["call.*"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let carlos = scene.phone("Carlos").await?;
    let received = async |call: &str| {
        event(&scene, "call.received", |data| {
            data["id"] == call && is(&data["from"], &carlos)
        })
        .await
    };
    let ended = async |call: &str, outcome: &str| {
        event(&scene, "call.ended", |data| {
            data["id"] == call && data["outcome"] == outcome
        })
        .await
    };
    let rejected_on_network = async |call: &str| {
        wait_for("the call to be rejected", PATIENCE, async || {
            let seen = carlos.call_state(call).await?;
            if seen.state == CallState::Rejected {
                return Ok(());
            }
            Err(NotYet::because(format!("{seen:?}")))
        })
        .await
    };

    let by_hand = carlos.call(&session.owner.number, true).await?;
    ensure!(received(&by_hand).await?["is_video"] == true, "a call with pictures");
    let reject = path(&session, &format!("/calls/{by_hand}/reject"));
    done(&scene, Method::POST, &reject, Some(json!({}))).await?;
    ended(&by_hand, "rejected").await?;
    rejected_on_network(&by_hand).await?;

    let missed = carlos.call(&session.owner.number, false).await?;
    received(&missed).await?;
    carlos.end_call(&missed, None).await?;
    ended(&missed, "missed").await?;
    let calls = path(&session, "/calls");
    let listed = until(&scene, &calls, "both calls to be listed", |page| {
        page["data"].as_array().is_some_and(|calls| calls.len() == 2)
    })
    .await?;
    ensure!(
        listed["data"][0]["status"] == "missed" && listed["data"][1]["status"] == "rejected",
        "{listed}"
    );

    let settings = json!({ "settings": { "reject_calls": true } });
    let of_session = path(&session, "");
    scene.api.patch(&of_session, &settings).ok().await?;
    let at_once = carlos.call(&session.owner.number, false).await?;
    rejected_on_network(&at_once).await?;
    ended(&at_once, "rejected").await?;
    Ok(())
}

/// A PNG of one colour, as large as WhatsApp wants at least.
fn picture(colour: [u8; 3]) -> anyhow::Result<Vec<u8>> {
    let mut png = Vec::new();
    image::RgbImage::from_pixel(256, 256, image::Rgb(colour))
        .write_to(&mut Cursor::new(&mut png), image::ImageFormat::Png)?;
    Ok(png)
}
