//! Every kind of message in both directions: what a session sends is compared as Baileys and the phone decrypt it, what they send as the event tells it.

use anyhow::{Context as _, ensure};
use harness::baileys::Baileys;
use harness::network::Phone;
use harness::wait::{NotYet, wait_for};
use serde_json::{Value, json};
use stories::scene::{LinkedSession, PATIENCE};
use stories::{Scene, Story};

stories::stories![
    texts_carry_previews_mentions_quotations_and_how_often_they_were_forwarded,
    places_contacts_and_invitations_go_both_ways_and_what_is_unknown_is_shown,
    polls_are_voted_in_from_both_sides_and_every_vote_tells_the_results,
    invitations_to_events_are_answered_from_both_sides,
    lists_and_buttons_are_shown_and_their_answers_come_back,
    reactions_edits_deletions_and_pins_change_the_message_on_both_sides,
    nobody_can_edit_or_delete_the_messages_of_others,
    messages_are_marked_as_read_as_played_and_with_a_star,
];

/// A session and somebody who talks to it through Baileys.
struct Talk {
    scene: Scene,
    session: LinkedSession,
    contact: Phone,
    baileys: Baileys,
}

impl Talk {
    async fn of(story: &Story) -> anyhow::Result<Self> {
        let scene = Scene::of(story).await?;
        let session = scene.linked_session("Front desk").await?;
        let contact = scene.phone("Bruno").await?;
        let baileys = Baileys::paired(&scene, "bruno", &contact).await?;
        Ok(Self {
            scene,
            session,
            contact,
            baileys,
        })
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/sessions/{}/messages{rest}", self.session.id)
    }

    /// Sends a message of a kind to the contact; answers it as WhatsApp has it.
    async fn send(&self, kind: &str, content: Value) -> anyhow::Result<Value> {
        self.send_with(kind, content, json!({})).await
    }

    /// The same with more fields.
    async fn send_with(&self, kind: &str, content: Value, mut body: Value) -> anyhow::Result<Value> {
        body["to"] = json!(self.contact.number);
        body["type"] = json!(kind);
        body[kind] = content;
        let sent: Value = self
            .scene
            .api
            .post(&self.path(""), &body)
            .prefer_wait(PATIENCE)
            .ok()
            .await?
            .json()?;
        ensure!(sent["status"] != "queued", "the {kind} is still queued: {sent}");
        Ok(sent)
    }

    /// Changes a message and waits until WhatsApp has the change.
    async fn change(&self, method: &str, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let method = method.parse().context("no method")?;
        let mut request = self.scene.api.request(method, &self.path(path)).prefer_wait(PATIENCE);
        if let Some(body) = &body {
            request = request.json(body);
        }
        request.ok().await?.json()
    }

    /// What Baileys decrypted of the message with this id.
    async fn read(&mut self, sent: &Value) -> anyhow::Result<Value> {
        let id = text(sent, "wa_message_id")?;
        let message = self
            .baileys
            .first(&format!("the message {id}"), |event| {
                event["event"] == "message" && event["id"] == id.as_str()
            })
            .await?;
        Ok(message["content"].clone())
    }

    /// The same as the contact's phone decrypted it: its kind.
    async fn kind_on_phone(&self, sent: &Value) -> anyhow::Result<String> {
        let id = text(sent, "wa_message_id")?;
        let read = self.contact.first_message(PATIENCE, |message| message.id == id).await?;
        Ok(read.kind)
    }

    /// Has Baileys send this protobuf to the session; answers WhatsApp's id.
    async fn relay(&mut self, message: Value) -> anyhow::Result<String> {
        let to = format!("{}@s.whatsapp.net", self.session.owner.number);
        self.has_sent(json!({ "do": "relay", "to": to, "message": message }))
            .await
    }

    /// Has Baileys do something that sends a message; answers WhatsApp's id of it.
    async fn has_sent(&mut self, command: Value) -> anyhow::Result<String> {
        self.baileys.command(&command).await?;
        let sent = self.baileys.event("sent").await?;
        text(&sent, "id")
    }

    /// The data of the first event of this type that fits.
    async fn event(&self, event_type: &str, fits: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        wait_for(format!("an event {event_type}"), PATIENCE, async || {
            let events = self.scene.api.events().await?;
            let found = events
                .iter()
                .find(|event| event.event_type == event_type && fits(&event.data));
            match found {
                Some(event) => Ok(event.data.clone()),
                None => {
                    let types: Vec<&str> = events.iter().map(|event| event.event_type.as_str()).collect();
                    Err(NotYet::because(format!("what came: {types:?}")))
                }
            }
        })
        .await
    }

    /// The message as it arrived.
    async fn arrived(&self, id: &str) -> anyhow::Result<Value> {
        let data = self
            .event("message.received", |data| data["wa_message_id"] == id)
            .await?;
        ensure!(
            data["from"]["phone"] == self.contact.number.as_str() && data["from"]["lid"] == self.contact.lid.as_str(),
            "{data}"
        );
        Ok(data)
    }

    /// What the API says of a message now.
    async fn stored(&self, id: &str) -> anyhow::Result<Value> {
        self.scene.api.get(&self.path(&format!("/{id}"))).ok().await?.json()
    }
}

fn text(value: &Value, field: &str) -> anyhow::Result<String> {
    let text = value[field].as_str();
    text.map(str::to_owned)
        .with_context(|| format!("no {field} in {value}"))
}

/// Whether everything that `expected` says is in `actual`.
fn says(actual: &Value, expected: &Value) -> anyhow::Result<()> {
    fn find(actual: &Value, expected: &Value, path: &str) -> Option<String> {
        match (actual, expected) {
            (Value::Object(actual), Value::Object(expected)) => expected.iter().find_map(|(name, expected)| {
                find(
                    actual.get(name).unwrap_or(&Value::Null),
                    expected,
                    &format!("{path}.{name}"),
                )
            }),
            (Value::Number(actual), Value::Number(expected)) if actual.as_f64() == expected.as_f64() => None,
            (Value::Array(actual), Value::Array(expected)) if actual.len() == expected.len() => actual
                .iter()
                .zip(expected)
                .enumerate()
                .find_map(|(index, (actual, expected))| find(actual, expected, &format!("{path}[{index}]"))),
            _ => (actual != expected).then(|| format!("{path} is {actual} instead of {expected}")),
        }
    }
    match find(actual, expected, "") {
        None => Ok(()),
        Some(difference) => anyhow::bail!("{difference}: {actual}"),
    }
}

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
