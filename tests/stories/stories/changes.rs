//! What happens to messages after they were sent: reactions, edits, deletions, pins and marks.

use anyhow::ensure;
use harness::wait::{NotYet, wait_for};
use serde_json::{Value, json};
use stories::Story;
use stories::scene::PATIENCE;
use stories::talk::{Talk, says, text};

stories::stories![
    reactions_edits_deletions_and_pins_change_the_message_on_both_sides,
    nobody_can_edit_or_delete_the_messages_of_others,
    messages_are_marked_as_read_as_played_and_with_a_star,
];

async fn reactions_edits_deletions_and_pins_change_the_message_on_both_sides(story: &Story) -> anyhow::Result<()> {
    let mut talk = Talk::of(story).await?;
    let owner = format!("{}@s.whatsapp.net", talk.session.owner.number);

    // The session's own message, changed by the session.
    let sent = talk.send("text", json!({"body": "Helo"})).await?;
    let (id, wa_id) = (text(&sent, "id")?, text(&sent, "wa_message_id")?);
    talk.read(&sent).await?;
    let edit = talk
        .change("PATCH", &format!("/{id}"), Some(json!({"text": {"body": "Hello"}})))
        .await?;
    let read = talk.read(&edit).await?;
    says(
        &read["protocolMessage"],
        &json!({"type": "MESSAGE_EDIT", "key": {"id": wa_id, "fromMe": true}, "editedMessage": {"conversation": "Hello"}}),
    )?;
    let edited = talk
        .event("message.edited", |data| data["wa_message_id"] == wa_id.as_str())
        .await?;
    says(
        &edited,
        &json!({"message_id": id, "text": {"body": "Hello"}, "original": {"text": {"body": "Helo"}}}),
    )?;
    let stored = talk.stored(&id).await?;
    ensure!(
        stored["text"]["body"] == "Hello" && stored["edited_at"].is_string(),
        "{stored}"
    );
    let pin = talk
        .change("POST", &format!("/{id}/pin"), Some(json!({"seconds": 86_400})))
        .await?;
    let read = talk.read(&pin).await?;
    says(
        &read,
        &json!({"pinInChatMessage": {"key": {"id": wa_id}, "type": "PIN_FOR_ALL"}, "messageContextInfo": {"messageAddOnDurationInSecs": 86_400}}),
    )?;
    ensure!(talk.stored(&id).await?["pinned_until"].is_string(), "it is pinned");
    let unpin = talk.change("DELETE", &format!("/{id}/pin"), None).await?;
    says(
        &talk.read(&unpin).await?,
        &json!({"pinInChatMessage": {"type": "UNPIN_FOR_ALL"}}),
    )?;
    ensure!(
        talk.stored(&id).await?["pinned_until"].is_null(),
        "it is pinned no longer"
    );

    // The contact reacts to it and takes that back.
    for emoji in ["\u{1F426}", ""] {
        let react = json!({ "do": "react", "to": owner, "id": wa_id, "emoji": emoji, "from_me": false });
        talk.has_sent(react).await?;
        let reaction = talk.event("message.reaction", |data| data["emoji"] == emoji).await?;
        says(
            &reaction,
            &json!({"message_id": id, "from": {"phone": talk.contact.number, "lid": talk.contact.lid}}),
        )?;
        let reactions = talk.stored(&id).await?["reactions"].clone();
        ensure!(
            reactions[0]["emoji"].as_str().unwrap_or_default() == emoji,
            "{reactions}"
        );
    }
    let revoke = talk.change("DELETE", &format!("/{id}"), None).await?;
    says(
        &talk.read(&revoke).await?["protocolMessage"],
        &json!({"type": "REVOKE", "key": {"id": wa_id, "fromMe": true}}),
    )?;
    let stored = talk.stored(&id).await?;
    ensure!(
        stored["revoked_at"].is_string() && stored["text"]["body"].is_null(),
        "{stored}"
    );

    // The contact's message, changed by both.
    let theirs = talk.baileys.send_text(&owner, "Good mornin").await?;
    let arrived = talk.arrived(&theirs).await?;
    let id = text(&arrived, "id")?;
    let reaction = talk
        .change("PUT", &format!("/{id}/reaction"), Some(json!({"emoji": "\u{1F44D}"})))
        .await?;
    // Baileys tells whose message it is from its own side.
    says(
        &talk.read(&reaction).await?["reactionMessage"],
        &json!({"text": "\u{1F44D}", "key": {"id": theirs, "fromMe": true}}),
    )?;
    says(
        &talk.stored(&id).await?["reactions"][0],
        &json!({"emoji": "\u{1F44D}", "from": {"phone": talk.session.owner.number}}),
    )?;
    talk.change("DELETE", &format!("/{id}/reaction"), None).await?;
    ensure!(
        talk.stored(&id).await?["reactions"].is_null(),
        "the reaction is taken back"
    );
    let by_kind = talk
        .send("reaction", json!({"message_id": id, "emoji": "\u{1F389}"}))
        .await?;
    ensure!(by_kind["type"] == "reaction", "{by_kind}");
    let edit = json!({ "do": "edit", "to": owner, "id": theirs, "text": "Good morning" });
    talk.has_sent(edit).await?;
    let edited = talk
        .event("message.edited", |data| data["wa_message_id"] == theirs.as_str())
        .await?;
    says(
        &edited,
        &json!({"message_id": id, "text": {"body": "Good morning"}, "original": {"text": {"body": "Good mornin"}, "from_me": false}}),
    )?;
    let pin = json!({"pin": {"key": theirs}, "type": 1, "time": 86_400});
    talk.baileys.send_content(&owner, &pin, &Value::Null).await?;
    let pinned = talk.event("message.received", |data| data["type"] == "pin").await?;
    says(
        &pinned,
        &json!({"pin": {"pinned": true, "seconds": 86_400, "message": {"wa_message_id": theirs, "from_me": false}}}),
    )?;
    let keep = json!({"keepInChatMessage": {"key": {"id": theirs, "fromMe": true, "remoteJid": owner}, "keepType": 1}});
    talk.relay(keep).await?;
    let kept = talk.event("message.received", |data| data["type"] == "keep").await?;
    ensure!(kept["keep"]["kept"] == true, "{kept}");
    let revoke = json!({ "do": "revoke", "to": owner, "id": theirs });
    talk.has_sent(revoke).await?;
    let revoked = talk
        .event("message.revoked", |data| data["wa_message_id"] == theirs.as_str())
        .await?;
    says(
        &revoked,
        &json!({"message_id": id, "from": {"phone": talk.contact.number}, "original": {"text": {"body": "Good morning"}}}),
    )
}

async fn nobody_can_edit_or_delete_the_messages_of_others(story: &Story) -> anyhow::Result<()> {
    let mut talk = Talk::of(story).await?;
    let sent = talk.send("text", json!({"body": "You owe me nothing"})).await?;
    let wa_id = text(&sent, "wa_message_id")?;
    for act in [
        json!({"type": "MESSAGE_EDIT", "editedMessage": {"conversation": "I owe you 100 euros"}}),
        json!({"type": "REVOKE"}),
    ] {
        // From the contact's side "not from me" is the session's message.
        let mut protocol = act;
        protocol["type"] = json!(if protocol["type"] == "REVOKE" { 0 } else { 14 });
        let owner = format!("{}@s.whatsapp.net", talk.session.owner.number);
        protocol["key"] = json!({"id": wa_id, "fromMe": false, "remoteJid": owner});
        talk.relay(json!({ "protocolMessage": protocol })).await?;
    }
    // What comes later in the same chat is written up later.
    let owner = format!("{}@s.whatsapp.net", talk.session.owner.number);
    let last = talk.baileys.send_text(&owner, "Done").await?;
    talk.arrived(&last).await?;
    let stored = talk.stored(&text(&sent, "id")?).await?;
    ensure!(
        stored["text"]["body"] == "You owe me nothing"
            && stored["edited_at"].is_null()
            && stored["revoked_at"].is_null(),
        "{stored}"
    );
    Ok(())
}

async fn messages_are_marked_as_read_as_played_and_with_a_star(story: &Story) -> anyhow::Result<()> {
    let talk = Talk::of(story).await?;
    let first = talk.contact.send_text(&talk.session.owner.number, "One").await?;
    let id = text(&talk.arrived(&first).await?, "id")?;
    for (mark, receipt) in [("read", "read"), ("played", "played")] {
        let done = talk.change("POST", &format!("/{id}/{mark}"), None).await?;
        ensure!(done["status"] == "done", "{done}");
        wait_for(format!("a receipt {receipt}"), PATIENCE, async || {
            let page = talk.contact.received(0, std::time::Duration::ZERO).await?;
            let found = page
                .receipts
                .iter()
                .any(|seen| seen.id == first && seen.kind == receipt);
            if found {
                return Ok(());
            }
            Err(NotYet::because(format!("what came: {:?}", page.receipts)))
        })
        .await?;
    }
    for (method, starred) in [("POST", true), ("DELETE", false)] {
        talk.change(method, &format!("/{id}/star"), None).await?;
        wait_for(format!("the star to be {starred}"), PATIENCE, async || {
            let stored = talk.stored(&id).await?;
            if stored["starred"].as_bool().unwrap_or_default() == starred {
                return Ok(());
            }
            Err(NotYet::because(stored.to_string()))
        })
        .await?;
    }

    // With the setting switched off only the own devices are told.
    let settings = json!({"settings": {"read_receipts": false}});
    let path = format!("/v1/sessions/{}", talk.session.id);
    talk.scene.api.patch(&path, &settings).ok().await?;
    let second = talk.contact.send_text(&talk.session.owner.number, "Two").await?;
    let quiet = text(&talk.arrived(&second).await?, "id")?;
    talk.change("POST", &format!("/{quiet}/read"), None).await?;
    // A receipt that follows shows that the quiet one is not merely late.
    let sent = talk.send("text", json!({"body": "Three"})).await?;
    talk.kind_on_phone(&sent).await?;
    let page = talk.contact.received(0, std::time::Duration::ZERO).await?;
    ensure!(
        !page
            .receipts
            .iter()
            .any(|seen| seen.id == second && seen.kind == "read"),
        "the contact was told: {:?}",
        page.receipts
    );
    Ok(())
}
