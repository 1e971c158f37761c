//! Chats: what a session does with them arrives on the phone, what the phone does arrives here; history and counters.

use anyhow::{Context as _, ensure};
use harness::network::{MediaKind, Phone};
use harness::service::Service;
use harness::wait::{NotYet, wait_for};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use stories::scene::{LinkedSession, PATIENCE};
use stories::{Scene, Story};

stories::stories![
    what_a_session_does_with_a_chat_is_seen_by_the_phone,
    what_the_phone_does_with_a_chat_is_seen_here,
    reading_a_whole_chat_tells_the_sender_and_resets_the_count,
    typing_is_seen_by_the_other_side,
    history_at_pairing_is_stored_and_makes_no_webhooks_for_old_messages,
    older_history_is_fetched_on_demand,
    messages_are_found_by_their_words_and_counted,
    a_person_is_erased,
];

async fn get(scene: &Scene, path: &str) -> anyhow::Result<Value> {
    scene.api.get(path).ok().await?.json()
}

fn chat_path(session: &LinkedSession, contact: &Phone) -> String {
    format!("/v1/sessions/{}/chats/{}", session.id, contact.number)
}

/// Waits until the chat is as wanted.
async fn chat_when(
    scene: &Scene,
    session: &LinkedSession,
    contact: &Phone,
    what: &str,
    wanted: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    let path = chat_path(session, contact);
    wait_for(format!("the chat to be {what}"), PATIENCE, async || {
        let answer = scene.api.get(&path).send().await?;
        let chat: Value = answer.json()?;
        if wanted(&chat) {
            return Ok(chat);
        }
        Err(NotYet::because(chat.to_string()))
    })
    .await
}

/// A session and a contact who has written to it once.
async fn acquainted(scene: &Scene) -> anyhow::Result<(LinkedSession, Phone, String)> {
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    let id = contact.send_text(&session.owner.number, "Good morning").await?;
    chat_when(scene, &session, &contact, "known", |chat| chat["unread_count"] == 1).await?;
    Ok((session, contact, id))
}

/// What the phone's decrypted app state says about the contact's chat, under either id.
async fn on_the_phone(session: &LinkedSession, contact: &Phone, action: &str) -> anyhow::Result<Option<Value>> {
    let state = session.owner.app_state().await?;
    let names = [
        format!("{}@s.whatsapp.net", contact.number),
        format!("{}@lid", contact.lid),
    ];
    let entry = state.present.into_iter().find(|entry| {
        entry.index.first().is_some_and(|first| first == action)
            && entry.index.get(1).is_some_and(|chat| names.contains(chat))
    });
    Ok(entry.map(|entry| entry.value))
}

/// Waits until the phone's app state about the chat is as wanted.
async fn phone_sees(
    session: &LinkedSession,
    contact: &Phone,
    action: &str,
    wanted: impl Fn(&Value) -> bool,
) -> anyhow::Result<()> {
    wait_for(
        format!("the phone to see {action}"),
        PATIENCE,
        async || match on_the_phone(session, contact, action).await? {
            Some(value) if wanted(&value) => Ok(()),
            other => Err(NotYet::because(format!("{other:?}"))),
        },
    )
    .await
}

async fn what_a_session_does_with_a_chat_is_seen_by_the_phone(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["chat.*"]).await?;
    let (session, contact, _) = acquainted(&scene).await?;
    let path = chat_path(&session, &contact);

    scene.api.patch(&path, &json!({ "pinned": true })).ok().await?;
    phone_sees(&session, &contact, "pin_v1", |value| {
        value["pin_action"]["pinned"] == true
    })
    .await?;
    chat_when(&scene, &session, &contact, "pinned", |chat| chat["pinned"] == true).await?;
    let told = scene
        .sink()
        .first("shop", PATIENCE, |webhook| webhook.body.contains("chat.updated"))
        .await?
        .event()?;
    ensure!(
        told["data"]["pinned"] == true && told["data"]["chat"]["phone"] == contact.number,
        "{told}"
    );

    scene.api.patch(&path, &json!({ "archived": true })).ok().await?;
    phone_sees(&session, &contact, "archive", |value| {
        value["archive_chat_action"]["archived"] == true
    })
    .await?;
    let archived = chat_when(&scene, &session, &contact, "archived", |chat| chat["archived"] == true).await?;
    ensure!(
        archived["pinned"] == false,
        "what is put away does not stay on top: {archived}"
    );
    let list = get(&scene, &format!("/v1/sessions/{}/chats?archived=false", session.id)).await?;
    ensure!(list["data"] == json!([]), "{list}");

    let forever = json!({ "muted_until": "9999-12-31T23:59:59Z" });
    scene.api.patch(&path, &forever).ok().await?;
    phone_sees(&session, &contact, "mute", |value| {
        value["mute_action"]["muted"] == true
    })
    .await?;
    scene.api.patch(&path, &json!({ "muted_until": null })).ok().await?;
    phone_sees(&session, &contact, "mute", |value| {
        value["mute_action"]["muted"] == false
    })
    .await?;

    scene.api.patch(&path, &json!({ "marked_unread": true })).ok().await?;
    phone_sees(&session, &contact, "markChatAsRead", |value| {
        value["mark_chat_as_read_action"]["read"] == false
    })
    .await?;
    chat_when(&scene, &session, &contact, "marked", |chat| {
        chat["marked_unread"] == true
    })
    .await?;

    scene.api.post(&format!("{path}/clear"), &json!({})).ok().await?;
    ensure!(
        on_the_phone(&session, &contact, "clearChat").await?.is_some(),
        "the phone knows that the chat was cleared"
    );
    let cleared = chat_when(&scene, &session, &contact, "empty", |chat| {
        chat["last_message"].is_null()
    })
    .await?;
    ensure!(cleared["unread_count"] == 0, "{cleared}");

    scene.api.delete(&path).ok().await?;
    ensure!(
        on_the_phone(&session, &contact, "deleteChat").await?.is_some(),
        "the phone knows that the chat was deleted"
    );
    scene
        .sink()
        .first("shop", PATIENCE, |webhook| webhook.body.contains("chat.deleted"))
        .await?;
    wait_for("the chat to be gone", PATIENCE, async || {
        let answer = scene.api.get(&path).send().await?;
        if answer.status == 404 {
            return Ok(());
        }
        Err(NotYet::because(answer.status))
    })
    .await
}

async fn what_the_phone_does_with_a_chat_is_seen_here(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["chat.*"]).await?;
    let (session, contact, _) = acquainted(&scene).await?;
    let jid = format!("{}@s.whatsapp.net", contact.number);
    let change = async |action: Value| session.owner.change_app_state(&action).await;

    change(json!({ "action": "pin", "chat": jid })).await?;
    chat_when(&scene, &session, &contact, "pinned", |chat| chat["pinned"] == true).await?;
    change(json!({ "action": "archive", "chat": jid })).await?;
    chat_when(&scene, &session, &contact, "archived", |chat| chat["archived"] == true).await?;
    change(json!({ "action": "archive", "chat": jid, "on": false })).await?;
    chat_when(&scene, &session, &contact, "fetched back", |chat| {
        chat["archived"] == false
    })
    .await?;
    change(json!({ "action": "mute", "chat": jid })).await?;
    chat_when(&scene, &session, &contact, "muted for ever", |chat| {
        chat["muted_until"] == "9999-12-31T23:59:59.000Z"
    })
    .await?;
    change(json!({ "action": "read", "chat": jid })).await?;
    chat_when(&scene, &session, &contact, "read", |chat| chat["unread_count"] == 0).await?;
    change(json!({ "action": "read", "chat": jid, "on": false })).await?;
    chat_when(&scene, &session, &contact, "marked", |chat| {
        chat["marked_unread"] == true
    })
    .await?;
    scene
        .sink()
        .first("shop", PATIENCE, |webhook| {
            webhook.body.contains("\"marked_unread\":true")
        })
        .await?;
    change(json!({ "action": "delete_chat", "chat": jid })).await?;
    scene
        .sink()
        .first("shop", PATIENCE, |webhook| webhook.body.contains("chat.deleted"))
        .await?;
    Ok(())
}

async fn reading_a_whole_chat_tells_the_sender_and_resets_the_count(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let (session, contact, first) = acquainted(&scene).await?;
    let second = contact.send_text(&session.owner.number, "Are you there?").await?;
    chat_when(&scene, &session, &contact, "unread", |chat| chat["unread_count"] == 2).await?;
    let unread = format!("/v1/sessions/{}/messages?unread=true", session.id);
    let listed = get(&scene, &unread).await?;
    let texts: Vec<&Value> = listed["data"]
        .as_array()
        .context("a list")?
        .iter()
        .map(|message| &message["text"]["body"])
        .collect();
    ensure!(texts == ["Are you there?", "Good morning"], "{listed}");

    let path = format!("{}/read", chat_path(&session, &contact));
    scene.api.post(&path, &json!({})).ok().await?;
    wait_for("the sender to see both as read", PATIENCE, async || {
        let page = contact.received(0, std::time::Duration::ZERO).await?;
        let read = |id: &String| {
            page.receipts
                .iter()
                .any(|receipt| receipt.id == *id && receipt.kind == "read")
        };
        if read(&first) && read(&second) {
            return Ok(());
        }
        Err(NotYet::because(format!("{:?}", page.receipts)))
    })
    .await?;
    chat_when(&scene, &session, &contact, "read", |chat| chat["unread_count"] == 0).await?;
    let listed = get(&scene, &unread).await?;
    ensure!(listed["data"] == json!([]), "{listed}");
    phone_sees(&session, &contact, "markChatAsRead", |value| {
        value["mark_chat_as_read_action"]["read"] == true
    })
    .await
}

async fn typing_is_seen_by_the_other_side(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let (session, contact, _) = acquainted(&scene).await?;
    let path = format!("{}/typing", chat_path(&session, &contact));
    for state in ["composing", "recording", "paused"] {
        scene
            .api
            .request(Method::PUT, &path)
            .json(&json!({ "state": state }))
            .ok()
            .await?;
        wait_for(format!("the phone to see {state}"), PATIENCE, async || {
            let page = contact.received(0, std::time::Duration::ZERO).await?;
            if page.typing.iter().any(|typing| typing.state == state) {
                return Ok(());
            }
            Err(NotYet::because(format!("{:?}", page.typing)))
        })
        .await?;
    }
    Ok(())
}

/// A history of `messages` texts with the contact, a minute apart, the newest an hour ago.
fn history(contact: &Phone, messages: u64, unasked: u64) -> Value {
    let now = u64::try_from(chrono::Utc::now().timestamp()).unwrap_or_default();
    let messages: Vec<Value> = (0..messages)
        .map(|number| {
            json!({
                "id": format!("OLD{number:05}"),
                "from_me": number % 2 == 0,
                "text": format!("old message {number}"),
                "timestamp": now - 3_600 - (messages - number) * 60,
            })
        })
        .collect();
    let chat = json!({
        "id": format!("{}@s.whatsapp.net", contact.number),
        "name": "Carlos from before",
        "unread": 3,
        "archived": true,
        "messages": messages,
    });
    json!({ "chats": [chat], "initial": 5, "unasked": unasked, "part_size": 40 })
}

/// A session that takes over history, linked to a phone that has some with `contact`.
async fn session_with_history(scene: &Scene, contact: &Phone, history: &Value) -> anyhow::Result<LinkedSession> {
    let owner = scene.phone("Front desk").await?;
    owner.give_history(history).await?;
    let body = json!({ "name": "Front desk", "settings": { "history": { "days": 30 } } });
    let id = scene.api.create_session_from(&body).await?.id;
    owner.scan(&scene.api.qr(&id, PATIENCE).await?).await?;
    scene.wait_for_status(&id, "connected").await?;
    let session = LinkedSession { id, owner };
    chat_when(scene, &session, contact, "known from history", |chat| {
        chat["last_message"]["summary"].is_string()
    })
    .await?;
    Ok(session)
}

/// Waits until the chat has so many messages, and answers them, newest first.
async fn messages_of(
    scene: &Scene,
    session: &LinkedSession,
    contact: &Phone,
    count: usize,
) -> anyhow::Result<Vec<Value>> {
    wait_for(format!("{count} messages"), PATIENCE, async || {
        let mut messages = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("{}/messages?limit=30{cursor}", chat_path(session, contact));
            let page = get(scene, &path).await?;
            messages.extend(page["data"].as_array().cloned().unwrap_or_default());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        if messages.len() >= count {
            return Ok(messages);
        }
        Err(NotYet::because(messages.len()))
    })
    .await
}

async fn history_at_pairing_is_stored_and_makes_no_webhooks_for_old_messages(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &[]).await?;
    let contact = scene.phone("Carlos").await?;
    let session = session_with_history(&scene, &contact, &history(&contact, 100, 100)).await?;
    let messages = messages_of(&scene, &session, &contact, 100).await?;
    let texts: Vec<String> = messages
        .iter()
        .map(|message| message["text"]["body"].as_str().unwrap_or_default().to_owned())
        .collect();
    let expected: Vec<String> = (0..100).rev().map(|number| format!("old message {number}")).collect();
    ensure!(texts == expected, "newest first, none twice: {texts:?}");
    let chat = chat_when(&scene, &session, &contact, "told", |chat| chat["archived"] == true).await?;
    ensure!(
        chat["name"] == "Carlos from before" && chat["unread_count"] == 3 && chat["phone"] == contact.number,
        "{chat}"
    );
    scene
        .sink()
        .first("shop", PATIENCE, |webhook| webhook.body.contains("history.synced"))
        .await?;
    // A message of today comes after everything that the history could have caused.
    let fresh = contact.send_text(&session.owner.number, "and now").await?;
    scene
        .sink()
        .first("shop", PATIENCE, |webhook| webhook.body.contains(&fresh))
        .await?;
    let old = scene
        .sink()
        .received("shop", 0, std::time::Duration::ZERO)
        .await?
        .webhooks
        .into_iter()
        .filter(|webhook| webhook.body.contains("old message"))
        .count();
    ensure!(old == 0, "{old} webhooks tell of old messages");
    let newest = messages_of(&scene, &session, &contact, 101).await?;
    ensure!(newest[0]["text"]["body"] == "and now", "{}", newest[0]);
    Ok(())
}

async fn older_history_is_fetched_on_demand(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let contact = scene.phone("Carlos").await?;
    let session = session_with_history(&scene, &contact, &history(&contact, 60, 20)).await?;
    messages_of(&scene, &session, &contact, 20).await?;
    let path = format!("{}/history", chat_path(&session, &contact));
    scene.api.post(&path, &json!({ "count": 30 })).ok().await?;
    let messages = messages_of(&scene, &session, &contact, 50).await?;
    ensure!(messages.len() == 50, "{} messages", messages.len());
    ensure!(
        messages[49]["text"]["body"] == "old message 10" && messages[0]["text"]["body"] == "old message 59",
        "{} … {}",
        messages[0],
        messages[49]
    );
    Ok(())
}

async fn messages_are_found_by_their_words_and_counted(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let (session, contact, _) = acquainted(&scene).await?;
    contact
        .send_text(&session.owner.number, "My parcel has not arrived")
        .await?;
    scene
        .api
        .send_text_and_wait(&session.id, &contact.number, "Parcels take three days", PATIENCE)
        .await?;
    chat_when(&scene, &session, &contact, "told", |chat| chat["unread_count"] == 2).await?;
    let found = get(&scene, &format!("/v1/sessions/{}/messages?search=PARCEL", session.id)).await?;
    let found = found["data"].as_array().context("a list")?.len();
    ensure!(found == 2, "found {found}");
    let one = get(
        &scene,
        &format!("/v1/sessions/{}/messages?search=arrived+parc", session.id),
    )
    .await?;
    ensure!(one["data"][0]["text"]["body"] == "My parcel has not arrived", "{one}");
    let counted = get(&scene, &format!("/v1/sessions/{}/statistics?period=hour", session.id)).await?;
    ensure!(counted["total"] == 3, "{counted}");
    let of_chat = format!("/v1/sessions/{}/statistics?period=day&chat={}", session.id, contact.lid);
    let of_chat = get(&scene, &format!("{of_chat}@lid")).await?;
    let sent: i64 = of_chat["data"]
        .as_array()
        .context("a list")?
        .iter()
        .filter(|count| count["from_me"] == true)
        .filter_map(|count| count["messages"].as_i64())
        .sum();
    ensure!(sent == 1, "{of_chat}");
    Ok(())
}

async fn a_person_is_erased(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let (session, contact, _) = acquainted(&scene).await?;
    let file = b"A picture of Carlos".to_vec();
    contact
        .send_file(&session.owner.number, MediaKind::Image, "image/jpeg", file.clone())
        .await?;
    let messages = format!("/v1/sessions/{}/messages", session.id);
    let media = wait_for("the picture to be stored", PATIENCE, async || {
        let listed = get(&scene, &format!("{messages}?type=image")).await?;
        let image = &listed["data"][0]["image"];
        match image["media_id"].as_str() {
            Some(media) if image["status"] == "stored" => Ok(format!("/v1/media/{media}")),
            _ => Err(NotYet::because(listed.to_string())),
        }
    })
    .await?;
    let answer = scene.api.get(&format!("{media}/content")).send().await?.expect(302)?;
    let link = answer
        .header("location")
        .context("a redirect leads somewhere")?
        .to_owned();
    let read = async || anyhow::Ok(harness::http::client()?.get(&link).send().await?);
    ensure!(read().await?.bytes().await? == file, "the bucket has another file");
    let found = get(&scene, &format!("{messages}?search=morning")).await?;
    ensure!(found["data"][0]["text"]["body"] == "Good morning", "{found}");

    let path = format!("/v1/sessions/{}/contacts/{}/data", session.id, contact.number);
    let erased: Value = scene.api.delete(&path).ok().await?.json()?;
    ensure!(
        erased["messages"] == 2 && erased["files"] == 1 && erased["chats"] == 1 && erased["more"] == false,
        "{erased}"
    );
    for path in [
        messages.clone(),
        format!("{messages}?search=morning"),
        format!("/v1/sessions/{}/contacts", session.id),
        format!("/v1/sessions/{}/chats", session.id),
    ] {
        let left = get(&scene, &path).await?.to_string();
        ensure!(
            !left.contains(&contact.number) && !left.contains(&contact.lid) && !left.contains("Good morning"),
            "{path}: {left}"
        );
    }
    scene.api.get(&media).send().await?.expect(404)?;
    let events = scene.api.events().await?;
    for event in events {
        let text = event.data.to_string();
        ensure!(
            !text.contains(&contact.number) && !text.contains(&contact.lid) && !text.contains("Good morning"),
            "{text}"
        );
    }
    // A worker deletes objects when it starts, and every minute.
    scene.stop(Service::Worker(1), PATIENCE).await?;
    scene.start(Service::Worker(1)).await?;
    wait_for("the object to be deleted", PATIENCE, async || {
        match read().await?.status() {
            StatusCode::NOT_FOUND => Ok(()),
            status => Err(NotYet::because(status.to_string())),
        }
    })
    .await
}
