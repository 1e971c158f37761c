//! Every kind of message in both directions: what a session sends is compared as Baileys and the phone decrypt it, what they send as the event tells it.

use anyhow::ensure;
use serde_json::{Value, json};
use stories::Story;
use stories::talk::{Talk, says, text};

stories::stories![
    texts_carry_previews_mentions_quotations_and_how_often_they_were_forwarded,
    places_contacts_and_invitations_go_both_ways_and_what_is_unknown_is_shown,
    polls_are_voted_in_from_both_sides_and_every_vote_tells_the_results,
    invitations_to_events_are_answered_from_both_sides,
    lists_and_buttons_are_shown_and_their_answers_come_back,
];

async fn texts_carry_previews_mentions_quotations_and_how_often_they_were_forwarded(
    story: &Story,
) -> anyhow::Result<()> {
    let mut talk = Talk::of(story).await?;
    let link = json!({"url": "https://example.com/", "title": "Example", "description": "A page"});
    let content = json!({"body": "See https://example.com/", "preview": link});
    let sent = talk
        .send_with(
            "text",
            content,
            json!({"mentions": ["15550001234"], "ephemeral": 86_400}),
        )
        .await?;
    let read = talk.read(&sent).await?;
    says(
        &read["extendedTextMessage"],
        &json!({
            "text": "See https://example.com/", "matchedText": "https://example.com/", "title": "Example", "description": "A page",
            "contextInfo": {"mentionedJid": ["15550001234@s.whatsapp.net"], "expiration": 86_400}
        }),
    )?;
    ensure!(talk.kind_on_phone(&sent).await? == "text", "{sent}");

    let owner = format!("{}@s.whatsapp.net", talk.session.owner.number);
    let id = talk
        .relay(json!({"extendedTextMessage": {
            "text": "What is it? https://example.org/", "matchedText": "https://example.org/", "title": "Other",
            "contextInfo": {
                "stanzaId": sent["wa_message_id"], "participant": owner, "quotedMessage": {"conversation": "See https://example.com/"},
                "mentionedJid": [owner], "isForwarded": true, "forwardingScore": 4, "expiration": 604_800,
                "externalAdReply": {"title": "Birds", "body": "Half price", "sourceId": "120", "sourceType": "ad", "sourceUrl": "https://fb.me/x", "mediaType": 1, "ctwaClid": "ARAk"}
            }
        }}))
        .await?;
    let arrived = talk.arrived(&id).await?;
    says(
        &arrived,
        &json!({
            "type": "text", "text": {"body": "What is it? https://example.org/", "preview": {"url": "https://example.org/", "title": "Other"}},
            "context": {"wa_message_id": sent["wa_message_id"], "from": {"phone": talk.session.owner.number, "lid": talk.session.owner.lid},
                        "quoted": {"text": {"body": "See https://example.com/"}}},
            "mentions": [{"phone": talk.session.owner.number, "lid": talk.session.owner.lid}], "forwarding_score": 4, "ephemeral": 604_800,
            "referral": {"headline": "Birds", "body": "Half price", "source_id": "120", "source_type": "ad", "source_url": "https://fb.me/x", "media_type": "image", "ctwa_clid": "ARAk"}
        }),
    )?;

    let answer = talk
        .send_with(
            "text",
            json!({"body": "A page"}),
            json!({"context": {"message_id": arrived["id"]}}),
        )
        .await?;
    let read = talk.read(&answer).await?;
    says(
        &read["extendedTextMessage"],
        &json!({"text": "A page", "contextInfo": {
            "stanzaId": id, "participant": format!("{}@s.whatsapp.net", talk.contact.number),
            "quotedMessage": {"extendedTextMessage": {"text": "What is it? https://example.org/"}}
        }}),
    )?;
    let forwarded = talk.send("forward", json!({"message_id": arrived["id"]})).await?;
    let read = talk.read(&forwarded).await?;
    says(
        &read["extendedTextMessage"],
        &json!({"text": "What is it? https://example.org/", "contextInfo": {"isForwarded": true, "forwardingScore": 5}}),
    )?;
    Ok(())
}

async fn places_contacts_and_invitations_go_both_ways_and_what_is_unknown_is_shown(
    story: &Story,
) -> anyhow::Result<()> {
    let mut talk = Talk::of(story).await?;
    let ann = json!({"name": "Ann Rook", "phones": ["+1 555 000 1234"], "organization": "Rookery"});
    let bob = json!({"name": "Bob", "phones": ["15550001235"]});
    let sent = [
        (
            "location",
            json!({"latitude": 52.5, "longitude": 13.25, "name": "Rookery", "address": "Berlin", "url": "https://example.com/"}),
            json!({"locationMessage": {"degreesLatitude": 52.5, "degreesLongitude": 13.25, "name": "Rookery", "address": "Berlin", "url": "https://example.com/"}}),
        ),
        (
            "live_location",
            json!({"latitude": -33.5, "longitude": 151.25, "caption": "On my way", "accuracy": 5, "heading": 90, "sequence": 1}),
            json!({"liveLocationMessage": {"degreesLatitude": -33.5, "degreesLongitude": 151.25, "caption": "On my way", "accuracyInMeters": 5,
                                           "degreesClockwiseFromMagneticNorth": 90}}),
        ),
        (
            "contacts",
            json!([ann]),
            json!({"contactMessage": {"displayName": "Ann Rook",
                "vcard": "BEGIN:VCARD\nVERSION:3.0\nN:;Ann Rook;;;\nFN:Ann Rook\nORG:Rookery;\nTEL;type=CELL;type=VOICE;waid=15550001234:+15550001234\nEND:VCARD"}}),
        ),
        (
            "contacts",
            json!([ann, bob]),
            json!({"contactsArrayMessage": {"contacts": [{"displayName": "Ann Rook"}, {"displayName": "Bob"}]}}),
        ),
    ];
    for (kind, content, expected) in sent {
        let sent = talk.send(kind, content).await?;
        says(&talk.read(&sent).await?, &expected)?;
    }
    let vcard = "BEGIN:VCARD\nVERSION:3.0\nFN:Ann\nTEL;waid=15550001234:+1 555 000 1234\nEND:VCARD";
    let received = [
        (
            json!({"locationMessage": {"degreesLatitude": 52.5, "degreesLongitude": 13.25, "name": "Rookery"}}),
            json!({"type": "location", "location": {"latitude": 52.5, "longitude": 13.25, "name": "Rookery"}}),
        ),
        (
            json!({"liveLocationMessage": {"degreesLatitude": 1.5, "degreesLongitude": 2.5, "caption": "Here", "sequenceNumber": 7}}),
            json!({"type": "live_location", "live_location": {"latitude": 1.5, "longitude": 2.5, "caption": "Here", "sequence": 7}}),
        ),
        (
            json!({"contactMessage": {"displayName": "Ann", "vcard": vcard}}),
            json!({"type": "contacts", "contacts": {"contacts": [{"name": "Ann", "phones": ["15550001234"], "vcard": vcard}]}}),
        ),
        (
            json!({"contactsArrayMessage": {"contacts": [{"displayName": "Ann", "vcard": vcard}, {"displayName": "Bob", "vcard": vcard}]}}),
            json!({"type": "contacts", "contacts": {"contacts": [{"name": "Ann"}, {"name": "Bob", "phones": ["15550001234"]}]}}),
        ),
        (
            json!({"groupInviteMessage": {"groupJid": "120363021033254949@g.us", "inviteCode": "abc", "groupName": "Birds", "caption": "Join"}}),
            json!({"type": "group_invite", "group_invite": {"group": "120363021033254949@g.us", "code": "abc", "subject": "Birds", "caption": "Join"}}),
        ),
        (
            json!({"productMessage": {"product": {"productId": "1"}}}),
            json!({"type": "unsupported", "unsupported": {"name": "product"}}),
        ),
    ];
    for (message, expected) in received {
        let id = talk.relay(message).await?;
        says(&talk.arrived(&id).await?, &expected)?;
    }
    Ok(())
}

async fn polls_are_voted_in_from_both_sides_and_every_vote_tells_the_results(story: &Story) -> anyhow::Result<()> {
    let mut talk = Talk::of(story).await?;
    let poll = json!({"question": "Lunch?", "options": ["Soup", "Salad"], "max_choices": 1});
    let sent = talk.send("poll", poll).await?;
    let read = talk.read(&sent).await?;
    says(
        &read["pollCreationMessageV3"],
        &json!({"name": "Lunch?", "options": [{"optionName": "Soup"}, {"optionName": "Salad"}], "selectableOptionsCount": 1}),
    )?;
    let id = text(&sent, "wa_message_id")?;
    for (option, soup, salad) in [("Soup", 1, 0), ("Salad", 0, 1)] {
        talk.baileys.vote(&id, &[option]).await?;
        let voted = talk
            .event("poll.vote", |data| data["options"] == json!([option]))
            .await?;
        says(
            &voted,
            &json!({"message_id": sent["id"], "from": {"phone": talk.contact.number, "lid": talk.contact.lid},
                    "results": [{"option": "Soup", "votes": soup}, {"option": "Salad", "votes": salad}]}),
        )?;
    }
    let own = talk
        .send("poll_vote", json!({"message_id": sent["id"], "options": ["Salad"]}))
        .await?;
    ensure!(own["type"] == "poll_vote", "{own}");
    let stored = talk.stored(&text(&sent, "id")?).await?;
    ensure!(
        stored["answers"].as_array().is_some_and(|answers| answers.len() == 2),
        "one answer for each person: {stored}"
    );

    // Several choices, in the other direction.
    let content = json!({ "poll": { "name": "Dinner?", "values": ["Fish", "Rice", "Cake"], "selectableCount": 2 } });
    let to = format!("{}@s.whatsapp.net", talk.session.owner.number);
    let theirs = talk.baileys.send_content(&to, &content, &Value::Null).await?;
    let arrived = talk.arrived(&theirs).await?;
    says(
        &arrived,
        &json!({"type": "poll", "poll": {"question": "Dinner?", "options": ["Fish", "Rice", "Cake"], "max_choices": 2}}),
    )?;
    for options in [json!(["Fish", "Cake"]), json!([])] {
        talk.send("poll_vote", json!({"message_id": arrived["id"], "options": options}))
            .await?;
        let vote = talk
            .baileys
            .first("the session's vote", |event| {
                event["event"] == "vote" && event["poll"] == theirs.as_str() && event["options"] == options
            })
            .await?;
        ensure!(vote["options"] == options, "{vote}");
    }
    Ok(())
}

async fn invitations_to_events_are_answered_from_both_sides(story: &Story) -> anyhow::Result<()> {
    let mut talk = Talk::of(story).await?;
    let walk = json!({"name": "Bird walk", "description": "Bring a hat", "starts_at": "2099-12-24T18:00:00Z", "ends_at": "2099-12-24T20:00:00Z",
                      "location": {"latitude": 52.5, "longitude": 13.25, "name": "Rookery"}, "extra_guests_allowed": true});
    let sent = talk.send("event", walk).await?;
    let read = talk.read(&sent).await?;
    says(
        &read["eventMessage"],
        &json!({"name": "Bird walk", "description": "Bring a hat", "location": {"name": "Rookery"}, "extraGuestsAllowed": true}),
    )?;
    talk.baileys.respond(&text(&sent, "wa_message_id")?, "GOING").await?;
    let answered = talk
        .event("message.received", |data| data["type"] == "event_response")
        .await?;
    says(
        &answered,
        &json!({"event_response": {"response": "going", "message": {"wa_message_id": sent["wa_message_id"], "from_me": true}}}),
    )?;
    let stored = talk.stored(&text(&sent, "id")?).await?;
    says(
        &stored["answers"][0],
        &json!({"response": "going", "from": {"phone": talk.contact.number}}),
    )?;

    let content = json!({ "event": { "name": "Dinner", "startDate": {"date": 4_102_444_800_000_i64} } });
    let to = format!("{}@s.whatsapp.net", talk.session.owner.number);
    let theirs = talk.baileys.send_content(&to, &content, &Value::Null).await?;
    let arrived = talk.arrived(&theirs).await?;
    ensure!(arrived["event"]["name"] == "Dinner", "{arrived}");
    talk.send(
        "event_response",
        json!({"message_id": arrived["id"], "response": "not_going"}),
    )
    .await?;
    let response = talk
        .baileys
        .first("the session's answer", |seen| seen["response"] == "NOT_GOING")
        .await?;
    ensure!(response.to_string().contains(&theirs), "{response}");
    Ok(())
}

async fn lists_and_buttons_are_shown_and_their_answers_come_back(story: &Story) -> anyhow::Result<()> {
    let mut talk = Talk::of(story).await?;
    let rows = json!([{"id": "1", "title": "Soup", "description": "Hot"}]);
    let list = json!({"header": "Menu", "body": "Choose", "footer": "Thanks", "button": "Show", "sections": [{"title": "Food", "rows": rows}]});
    let sent = talk.send("list", list.clone()).await?;
    let read = talk.read(&sent).await?["interactiveMessage"].clone();
    says(
        &read,
        &json!({"header": {"title": "Menu"}, "body": {"text": "Choose"}, "footer": {"text": "Thanks"},
                "nativeFlowMessage": {"buttons": [{"name": "single_select"}]}}),
    )?;
    let parameters = text(&read["nativeFlowMessage"]["buttons"][0], "buttonParamsJson")?;
    says(
        &serde_json::from_str(&parameters)?,
        &json!({"title": "Show", "sections": [{"title": "Food", "rows": rows}]}),
    )?;
    let buttons = json!({"body": "Sure?", "buttons": [{"id": "y", "title": "Yes"}, {"id": "", "title": "Shop", "url": "https://example.com/"}]});
    let sent = talk.send("buttons", buttons.clone()).await?;
    let read = talk.read(&sent).await?["interactiveMessage"].clone();
    says(
        &read,
        &json!({"body": {"text": "Sure?"}, "nativeFlowMessage": {"buttons": [{"name": "quick_reply"}, {"name": "cta_url"}]}}),
    )?;

    let native = json!({"interactiveMessage": read});
    let old_list = json!({"listMessage": {"title": "Menu", "description": "Choose", "footerText": "Thanks", "buttonText": "Show", "listType": 1,
        "sections": [{"title": "Food", "rows": [{"rowId": "1", "title": "Soup", "description": "Hot"}]}]}});
    let received = [
        (native, json!({"type": "buttons", "buttons": buttons})),
        (old_list, json!({"type": "list", "list": list})),
        (
            json!({"listResponseMessage": {"title": "Soup", "description": "Hot", "listType": 1, "singleSelectReply": {"selectedRowId": "1"},
                                          "contextInfo": {"stanzaId": sent["wa_message_id"]}}}),
            json!({"type": "list_reply", "list_reply": {"id": "1", "title": "Soup"}, "context": {"wa_message_id": sent["wa_message_id"]}}),
        ),
        (
            json!({"buttonsResponseMessage": {"selectedButtonId": "y", "selectedDisplayText": "Yes", "type": 1}}),
            json!({"type": "buttons_reply", "buttons_reply": {"id": "y", "title": "Yes"}}),
        ),
        (
            json!({"templateButtonReplyMessage": {"selectedId": "y", "selectedDisplayText": "Yes"}}),
            json!({"type": "buttons_reply", "buttons_reply": {"id": "y", "title": "Yes"}}),
        ),
        (
            json!({"interactiveResponseMessage": {"body": {"text": "Yes"}, "nativeFlowResponseMessage": {"name": "quick_reply", "paramsJson": "{\"id\":\"y\"}"}}}),
            json!({"type": "buttons_reply", "buttons_reply": {"id": "y", "title": "Yes", "parameters": "{\"id\":\"y\"}"}}),
        ),
    ];
    for (message, expected) in received {
        let id = talk.relay(message).await?;
        says(&talk.arrived(&id).await?, &expected)?;
    }
    Ok(())
}
