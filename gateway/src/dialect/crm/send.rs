//! Sending in the CRM's API: one route for all kinds, whose content stands in `message` as Baileys' clients wrote it.

use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shared::dialect::crm;
use shared::ids::MediaId;
use shared::message::MessageStatus;
use shared::problem::Code;

use super::asked::address;
use super::messages::{self, Around};
use super::shape::Known;
use super::{About, done};
use crate::app::App;
use crate::auth::permission::SendMessages;
use crate::dialect::fields::Fields;
use crate::dialect::{sending, words};
use crate::problem::Problem;

/// The longest text and caption, in characters.
const LONGEST_TEXT: usize = 4_096;
/// What can be sent.
const KINDS: [&str; 8] = [
    "text", "image", "video", "audio", "document", "location", "contact", "sticker",
];

/// `POST /api/messages/{sessionId}/send`.
pub(super) async fn send(
    State(app): State<App>,
    about: About<SendMessages>,
    request: Request,
) -> Result<Response, Problem> {
    let (headers, path) = (request.headers().clone(), request.uri().path().to_owned());
    let fields = Fields::with_file(&app, about.call.tenant.tenant, request).await?;
    let message = message(&fields)?;
    let idempotency = sending::idempotency(&headers, &path, &message)?;
    let sent = sending::send(&app, &about.call, &message, idempotency).await?;
    let known = Known::read(&app, &about.call).await?;
    let around = Around::of(&app, &about.call, &known, std::slice::from_ref(&sent)).await?;
    let mut shown = messages::shown(&sent, &around);
    // The answer speaks of the sending: that the recipient was quicker than it is told by lists.
    if matches!(
        sent.status,
        MessageStatus::Delivered | MessageStatus::Read | MessageStatus::Played
    ) {
        shown["status"] = crm::status(MessageStatus::Sent).into();
    }
    // What only lists tell.
    if let Some(fields) = shown.as_object_mut() {
        for name in ["from", "to", "mediaUrl", "hasReactions"] {
            fields.remove(name);
        }
    }
    Ok(done("Mensaje enviado correctamente", json!({ "message": shown })))
}

/// The canonical API's request for what a body says.
fn message(fields: &Fields) -> Result<Value, Problem> {
    let to = fields.text("to").ok_or_else(|| words::invalid("to es requerido"))?;
    let to = address("to", &to)?.to_string();
    let missing = || words::invalid("message es requerido");
    let said = fields.value("message").ok_or_else(missing)?;
    let kind = match fields.text("type") {
        Some(kind) => kind,
        None => kind_of(said).to_owned(),
    };
    match kind.as_str() {
        "text" => {
            let body = match said {
                Value::Object(said) => said.get("text").and_then(Value::as_str).map(str::to_owned),
                _ => fields.text("message"),
            };
            let body = body.ok_or_else(missing)?;
            check_text("message", &body)?;
            Ok(json!({ "to": to, "type": "text", "text": { "body": body } }))
        }
        "image" | "video" | "audio" | "document" | "sticker" => file(&to, &kind, said),
        "location" => location(&to, said),
        "contact" => contact(&to, said),
        _ => Err(words::invalid(format!(
            "El tipo de mensaje {kind} no es compatible: use {}",
            KINDS.join(", ")
        ))),
    }
}

/// The kind of a message whose `type` is not said: text, unless its content names another one.
fn kind_of(said: &Value) -> &'static str {
    let named = KINDS.iter().find(|kind| **kind != "text" && said.get(**kind).is_some());
    match named {
        Some(kind) => kind,
        None if said.get("contacts").is_some() => "contact",
        None => "text",
    }
}

fn check_text(field: &str, text: &str) -> Result<(), Problem> {
    if !(1..=LONGEST_TEXT).contains(&text.chars().count()) || text.contains('\0') {
        return Err(words::invalid(format!(
            "{field} debe tener entre 1 y {LONGEST_TEXT} caracteres"
        )));
    }
    Ok(())
}

/// The first of some fields that is a text.
fn text_of<'a>(value: &'a Value, names: &[&str]) -> Option<&'a str> {
    names
        .iter()
        .find_map(|name| value.get(*name)?.as_str())
        .filter(|text| !text.is_empty())
}

fn file(to: &str, kind: &str, said: &Value) -> Result<Value, Problem> {
    // `message.image`, or its content right in `message`; a text is a URL.
    let given = said.get(kind).unwrap_or(said);
    let mut content = json!({});
    if let Some(url) = given.as_str().or_else(|| text_of(given, &["url"])) {
        content["link"] = url.into();
    } else if let Some(bytes) = base64_of(given) {
        content["base64"] = bytes.into();
    } else if let Some(uploaded) = text_of(given, &["mediaFileId", "fileId"]) {
        let uploaded: MediaId = uploaded.parse().map_err(|_| Problem::not_found(Code::MediaNotFound))?;
        content["media_id"] = json!(uploaded);
    } else if given.get("path").is_some() {
        return Err(words::invalid(
            "path no es compatible: el servidor no lee archivos de su disco; use url, base64 o buffer",
        ));
    } else {
        return Err(words::invalid(format!("message.{kind} requiere url, base64 o buffer")));
    }
    if let Some(mime_type) = text_of(given, &["mimetype", "mimeType"]) {
        content["mime_type"] = mime_type.into();
    }
    let caption = text_of(said, &["caption"]).or_else(|| text_of(given, &["caption"]));
    if let Some(caption) = caption.filter(|_| !matches!(kind, "audio" | "sticker")) {
        check_text("caption", caption)?;
        content["caption"] = caption.into();
    }
    let name = text_of(given, &["fileName", "filename"]).or_else(|| text_of(said, &["fileName", "filename"]));
    if let Some(name) = name.filter(|_| kind == "document") {
        content["file_name"] = name.into();
    }
    if kind == "audio" && [said, given].iter().any(|place| place["ptt"] == true) {
        content["voice"] = true.into();
    }
    let mut message = json!({ "to": to, "type": kind });
    message[kind] = content;
    Ok(message)
}

/// A file's bytes in base64: `base64`, or `buffer` as a text or as Node.js writes buffers (`{"type": "Buffer", "data": […]}`).
fn base64_of(given: &Value) -> Option<String> {
    if let Some(text) = text_of(given, &["base64", "buffer"]) {
        return Some(text.to_owned());
    }
    let bytes = match given.get("buffer")? {
        Value::Array(bytes) => bytes,
        buffer => buffer.get("data")?.as_array()?,
    };
    let bytes: Option<Vec<u8>> = bytes.iter().map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
    bytes.map(|bytes| STANDARD.encode(bytes))
}

fn location(to: &str, said: &Value) -> Result<Value, Problem> {
    let given = said.get("location").unwrap_or(said);
    let degrees = |names: [&str; 3]| {
        names.iter().find_map(|name| match given.get(*name)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        })
    };
    let place = degrees(["degreesLatitude", "lat", "latitude"]).zip(degrees(["degreesLongitude", "lng", "longitude"]));
    let Some((latitude, longitude)) = place else {
        return Err(words::invalid(
            "message.location requiere degreesLatitude y degreesLongitude, o lat y lng",
        ));
    };
    if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
        return Err(words::invalid("Las coordenadas de la ubicación no son válidas"));
    }
    let mut place = json!({ "latitude": latitude, "longitude": longitude });
    for name in ["name", "address"] {
        if let Some(text) = text_of(given, &[name]) {
            place[name] = text.into();
        }
    }
    Ok(json!({ "to": to, "type": "location", "location": place }))
}

fn contact(to: &str, said: &Value) -> Result<Value, Problem> {
    let given = said.get("contacts").or_else(|| said.get("contact")).unwrap_or(said);
    let shown = text_of(given, &["displayName"]);
    let cards: Vec<&Value> = match given.get("contacts").unwrap_or(given) {
        Value::Array(cards) => cards.iter().collect(),
        card => vec![card],
    };
    let mut contacts = Vec::new();
    for card in &cards {
        let Some(vcard) = card.as_str().or_else(|| text_of(card, &["vcard"])) else {
            return Err(words::invalid(
                "message.contacts.contacts requiere un vcard por contacto",
            ));
        };
        // The name that is shown is that of the first card; every other card has its own.
        let own = text_of(card, &["displayName"])
            .map(str::to_owned)
            .or_else(|| name_of(vcard));
        let name = match (shown, contacts.is_empty()) {
            (Some(shown), true) if cards.len() == 1 => shown.to_owned(),
            _ => own
                .or_else(|| shown.map(str::to_owned))
                .unwrap_or_else(|| "Contacto".to_owned()),
        };
        contacts.push(json!({ "name": name, "vcard": vcard }));
    }
    Ok(json!({ "to": to, "type": "contacts", "contacts": contacts }))
}

/// The formatted name in a vCard.
fn name_of(vcard: &str) -> Option<String> {
    vcard.lines().find_map(|line| {
        let (property, value) = line.split_once(':')?;
        let property = property.split(';').next().unwrap_or_default();
        let name = value.trim().replace('\\', "");
        (property.eq_ignore_ascii_case("FN") && !name.is_empty()).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::words::spanish;

    fn read(body: &Value) -> Result<Value, String> {
        message(&Fields::of_json(body)).map_err(|problem| spanish(&problem))
    }

    #[test]
    fn the_documented_bodies_become_the_canonical_requests() {
        let to = "34657032985@s.whatsapp.net";
        for (said, kind, content) in [
            (
                json!({ "message": "Hola", "type": "text" }),
                "text",
                json!({ "body": "Hola" }),
            ),
            (json!({ "message": "Hola" }), "text", json!({ "body": "Hola" })),
            (
                json!({ "message": { "image": { "url": "https://ejemplo.com/imagen.jpg" }, "caption": "Una" }, "type": "image" }),
                "image",
                json!({ "link": "https://ejemplo.com/imagen.jpg", "caption": "Una" }),
            ),
            (
                json!({ "message": { "image": { "base64": "iVBO", "mimetype": "image/jpeg" } }, "type": "image" }),
                "image",
                json!({ "base64": "iVBO", "mime_type": "image/jpeg" }),
            ),
            (
                json!({ "message": { "image": { "buffer": { "type": "Buffer", "data": [104, 105] } } }, "type": "image" }),
                "image",
                json!({ "base64": "aGk=" }),
            ),
            (
                json!({ "message": { "audio": { "url": "https://ejemplo.com/a.mp3" }, "ptt": true }, "type": "audio" }),
                "audio",
                json!({ "link": "https://ejemplo.com/a.mp3", "voice": true }),
            ),
            (
                json!({ "message": { "document": { "url": "https://ejemplo.com/d.pdf", "fileName": "d.pdf", "mimetype": "application/pdf" },
                                     "caption": "Lea" }, "type": "document" }),
                "document",
                json!({ "link": "https://ejemplo.com/d.pdf", "mime_type": "application/pdf", "caption": "Lea", "file_name": "d.pdf" }),
            ),
            (
                json!({ "message": { "location": { "degreesLatitude": 40.4168, "degreesLongitude": -3.7038, "name": "Madrid",
                                                   "address": "Plaza Mayor, Madrid" } }, "type": "location" }),
                "location",
                json!({ "latitude": 40.4168, "longitude": -3.7038, "name": "Madrid", "address": "Plaza Mayor, Madrid" }),
            ),
            (
                json!({ "message": { "lat": 40.4168, "lng": "-3.7038", "name": "Madrid" }, "type": "location" }),
                "location",
                json!({ "latitude": 40.4168, "longitude": -3.7038, "name": "Madrid" }),
            ),
            (
                json!({ "message": { "contacts": { "displayName": "Juan Pérez", "contacts": [ { "vcard": "BEGIN:VCARD\nFN:Juan\nEND:VCARD" } ] } },
                        "type": "contact" }),
                "contacts",
                json!([{ "name": "Juan Pérez", "vcard": "BEGIN:VCARD\nFN:Juan\nEND:VCARD" }]),
            ),
            (
                json!({ "message": { "sticker": { "url": "https://ejemplo.com/s.webp" } } }),
                "sticker",
                json!({ "link": "https://ejemplo.com/s.webp" }),
            ),
        ] {
            let mut body = said.clone();
            body["to"] = "34657032985".into();
            let message = read(&body).unwrap();
            assert_eq!(message["to"], to, "{said}");
            assert_eq!(message["type"], kind, "{said}");
            assert_eq!(message[kind], content, "{said}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_said_in_spanish() {
        let long = "a".repeat(4_097);
        for (body, error) in [
            (json!({ "message": "Hola" }), "to es requerido"),
            (
                json!({ "to": "nadie", "message": "Hola" }),
                "El valor de to no es un número ni un JID de WhatsApp",
            ),
            (json!({ "to": "34657032985" }), "message es requerido"),
            (json!({ "to": "34657032985", "message": "" }), "message es requerido"),
            (
                json!({ "to": "34657032985", "message": long }),
                "message debe tener entre 1 y 4096 caracteres",
            ),
            (
                json!({ "to": "34657032985", "message": "Hola", "type": "poll" }),
                "El tipo de mensaje poll no es compatible: use text, image, video, audio, document, location, contact, sticker",
            ),
            (
                json!({ "to": "34657032985", "message": { "image": { "path": "/etc/passwd" } }, "type": "image" }),
                "path no es compatible: el servidor no lee archivos de su disco; use url, base64 o buffer",
            ),
            (
                json!({ "to": "34657032985", "message": { "image": {} }, "type": "image" }),
                "message.image requiere url, base64 o buffer",
            ),
            (
                json!({ "to": "34657032985", "message": { "lat": 91, "lng": 0 }, "type": "location" }),
                "Las coordenadas de la ubicación no son válidas",
            ),
            (
                json!({ "to": "34657032985", "message": { "contacts": { "contacts": [ {} ] } }, "type": "contact" }),
                "message.contacts.contacts requiere un vcard por contacto",
            ),
        ] {
            assert_eq!(read(&body).unwrap_err(), error);
        }
    }

    #[test]
    fn cards_without_a_name_have_the_one_inside() {
        let cards = json!({ "to": "34657032985", "type": "contact", "message": { "contacts": { "displayName": "2 contactos", "contacts": [
            { "vcard": "BEGIN:VCARD\nFN;CHARSET=UTF-8:Ana\\, S.A.\nEND:VCARD" }, { "vcard": "BEGIN:VCARD\nEND:VCARD" } ] } } });
        let message = read(&cards).unwrap();
        assert_eq!(message["contacts"][0]["name"], "Ana, S.A.");
        assert_eq!(message["contacts"][1]["name"], "2 contactos");
    }
}
