//! The AsyncAPI document: the events as NATS, webhooks, server-sent events and WebSockets carry them, made from the types that write them.
//!
//! A new type of event does not compile before it has its shape here.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::event::tenant::{QuotaReached, WebhookDisabled};
use shared::event::{
    CallEnded, CallReceived, ChatDeleted, ChatUpdated, ContactUpdated, EventType, GroupCreated, GroupJoinRequest,
    GroupParticipantsChanged, GroupUpdated, HistorySynced, LabelUpdated, LinkCode, MediaFailed, MediaStored,
    MessageEdited, MessageFailed, MessageReaction, MessageRevoked, MessageStatusChanged, PollVoted, PresenceUpdated,
    SessionRestricted, SessionStalled, SessionStatusChanged, StatusViewed,
};
use shared::ids::Region;
use shared::message::Message;
use shared::status::Status;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

/// The schemas that the document refers to, by name.
type Schemas = BTreeMap<String, RefOr<Schema>>;

/// The document of a region.
///
/// # Errors
/// When a schema cannot be written as JSON, which none of ours can cause.
pub fn document(region: Region) -> Result<Value, serde_json::Error> {
    let mut schemas = Schemas::new();
    let mut messages = serde_json::Map::new();
    for event_type in EventType::ALL {
        let data = data_of(*event_type, &mut schemas);
        let payload = json!({
            "type": "object",
            "required": ["id", "type", "timestamp", "tenant_id", "session_id", "seq", "data"],
            "properties": {
                "id": { "type": "string", "description": "The event's id; consumers drop what they have seen." },
                "type": { "const": event_type.as_str() },
                "timestamp": { "type": "string", "format": "date-time" },
                "tenant_id": { "type": "string" },
                "session_id": { "type": "string" },
                "seq": { "type": "integer", "description": "The event's number within its session, without gaps." },
                "data": data,
            },
        });
        let message = json!({ "name": event_type.as_str(), "contentType": "application/json", "payload": payload });
        messages.insert(key_of(*event_type), message);
    }
    let references: serde_json::Map<String, Value> = messages
        .keys()
        .map(|key| (key.clone(), json!({ "$ref": format!("#/components/messages/{key}") })))
        .collect();
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Rookery events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Facts about sessions. Webhooks, server-sent events, WebSockets and NATS carry the same bytes.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "events": {
                "address": format!("wa.evt.{region}.{{tenant}}.{{session}}.{{type}}"),
                "description": "The type's own dot makes two tokens: `….message.*` selects a family.",
                "parameters": { "tenant": {}, "session": {}, "type": {} },
                "messages": references,
            },
        },
        "operations": {
            "receiveEvents": { "action": "receive", "channel": { "$ref": "#/channels/events" } },
        },
        "components": { "messages": messages, "schemas": schemas },
    });
    // Schemas refer to each other as in the OpenAPI document, and stand in the same place here.
    Ok(document)
}

/// A message's key: AsyncAPI allows no dots there.
fn key_of(event_type: EventType) -> String {
    event_type.as_str().replace('.', "_")
}

/// The shape of an event's data, as a reference into `schemas`.
fn data_of(event_type: EventType, schemas: &mut Schemas) -> Value {
    match event_type {
        EventType::SessionStatus => reference::<SessionStatusChanged>(schemas),
        EventType::SessionQr | EventType::SessionPairingCode => reference::<LinkCode>(schemas),
        EventType::SessionStalled => reference::<SessionStalled>(schemas),
        EventType::SessionRestricted => reference::<SessionRestricted>(schemas),
        EventType::MessageReceived | EventType::MessageSent => reference::<Message>(schemas),
        EventType::MessageStatus => reference::<MessageStatusChanged>(schemas),
        EventType::MessageEdited => reference::<MessageEdited>(schemas),
        EventType::MessageRevoked => reference::<MessageRevoked>(schemas),
        EventType::MessageReaction => reference::<MessageReaction>(schemas),
        EventType::MessageFailed => reference::<MessageFailed>(schemas),
        EventType::PollVote => reference::<PollVoted>(schemas),
        EventType::MediaStored => reference::<MediaStored>(schemas),
        EventType::MediaFailed => reference::<MediaFailed>(schemas),
        EventType::ChatUpdated => reference::<ChatUpdated>(schemas),
        EventType::ChatDeleted => reference::<ChatDeleted>(schemas),
        EventType::HistorySynced => reference::<HistorySynced>(schemas),
        EventType::ContactUpdated => reference::<ContactUpdated>(schemas),
        EventType::LabelUpdated => reference::<LabelUpdated>(schemas),
        EventType::CallReceived => reference::<CallReceived>(schemas),
        EventType::CallEnded => reference::<CallEnded>(schemas),
        EventType::GroupCreated => reference::<GroupCreated>(schemas),
        EventType::GroupUpdated => reference::<GroupUpdated>(schemas),
        EventType::GroupParticipants => reference::<GroupParticipantsChanged>(schemas),
        EventType::GroupJoinRequest => reference::<GroupJoinRequest>(schemas),
        EventType::StatusReceived => reference::<Status>(schemas),
        EventType::StatusViewed => reference::<StatusViewed>(schemas),
        EventType::NewsletterMessage => reference::<Message>(schemas),
        EventType::PresenceUpdated => reference::<PresenceUpdated>(schemas),
        EventType::WebhookDisabled => reference::<WebhookDisabled>(schemas),
        EventType::TenantQuota => reference::<QuotaReached>(schemas),
        EventType::WebhookTest => json!({
            "type": "object",
            "required": ["webhook_id"],
            "properties": { "webhook_id": { "type": "string" } },
        }),
    }
}

/// Adds a type's schema and everything that it refers to.
fn reference<T: ToSchema>(schemas: &mut Schemas) -> Value {
    let name = T::name().into_owned();
    if !schemas.contains_key(&name) {
        let mut nested = Vec::new();
        T::schemas(&mut nested);
        schemas.insert(name.clone(), T::schema());
        schemas.extend(nested);
    }
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_event_has_a_message_and_every_reference_leads_somewhere() {
        let document = document("eu1".parse().unwrap()).unwrap();
        let messages = document["components"]["messages"].as_object().unwrap();
        assert_eq!(messages.len(), EventType::ALL.len());
        assert_eq!(
            messages["message_received"]["payload"]["properties"]["data"]["$ref"],
            "#/components/schemas/Message"
        );
        let mut open = vec![&document];
        while let Some(value) = open.pop() {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(target)) = map.get("$ref") {
                        let pointer = target.trim_start_matches('#');
                        assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
                    }
                    open.extend(map.values());
                }
                Value::Array(list) => open.extend(list),
                _ => {}
            }
        }
    }
}
