//! Posting a status: for whom it is encrypted, and how a text of it looks.

use std::sync::Arc;

use shared::command::SendMessage;
use shared::content::{Content, TextStyle};
use waproto::whatsapp as wa;
use waproto::whatsapp::message::extended_text_message::FontType;
use whatsapp_rust::{Client, Jid, StatusSendOptions};

use super::outgoing;
use crate::engine::{SendError, UploadedMedia};

/// Encrypts the post for its audience and writes it to the socket, under the id that was fixed when it was accepted.
/// `uploaded`: its file, where it has one.
pub(super) async fn send(
    client: &Arc<Client>,
    message: &SendMessage,
    uploaded: Option<&UploadedMedia>,
) -> Result<(), SendError> {
    let recipients = recipients(client, message).await?;
    let options = StatusSendOptions {
        message_id: Some(message.wa_message_id.clone()),
        ..StatusSendOptions::default()
    };
    let body = body(message, uploaded).map_err(SendError::Refused)?;
    match client.status().send_raw(body, &recipients, options).await {
        Ok(_) => Ok(()),
        Err(error) => Err(outgoing::classify(&error)),
    }
}

/// Everybody for whom the post is encrypted. The library leaves out, without a word, whoever it does not know by LID; so those are asked for first.
async fn recipients(client: &Arc<Client>, message: &SendMessage) -> Result<Vec<Jid>, SendError> {
    let failed = |error: &dyn std::fmt::Display| SendError::Failed(error.to_string());
    let mut recipients: Vec<Jid> = Vec::with_capacity(message.audience.len());
    let mut unknown: Vec<Jid> = Vec::new();
    for person in &message.audience {
        let jid = outgoing::jid(person).map_err(SendError::Refused)?;
        let known = client.get_lid_pn_entry(&jid).await.map_err(|error| failed(&error))?;
        if jid.is_pn() && known.is_none() {
            unknown.push(jid);
        } else {
            recipients.push(jid);
        }
    }
    for some in unknown.chunks(ASKED_AT_ONCE) {
        let found = client
            .contacts()
            .is_on_whatsapp(some)
            .await
            .map_err(|error| failed(&error))?;
        for person in found.into_iter().filter(|person| person.is_registered) {
            recipients.extend(person.lid.or_else(|| person.jid.is_lid().then_some(person.jid)));
        }
    }
    if recipients.is_empty() {
        return Err(SendError::NotOnWhatsapp);
    }
    Ok(recipients)
}

/// People about whom the server is asked at once.
const ASKED_AT_ONCE: usize = 500;

fn body(message: &SendMessage, uploaded: Option<&UploadedMedia>) -> Result<wa::Message, String> {
    let Content::Text(text) = &message.content else {
        return outgoing::body::of(&message.content, uploaded);
    };
    let style = text.style.clone().unwrap_or_default();
    Ok(wa::Message {
        extended_text_message: buffa::MessageField::some(wa::message::ExtendedTextMessage {
            text: Some(text.body.clone()),
            background_argb: Some(color(style.background.as_deref()).unwrap_or(DEFAULT_BACKGROUND)),
            text_argb: Some(color(style.color.as_deref()).unwrap_or(DEFAULT_COLOR)),
            font: Some(font(style.font)),
            ..Default::default()
        }),
        ..Default::default()
    })
}

/// A dark green, as phones offer it.
const DEFAULT_BACKGROUND: u32 = 0xFF1E_6E4F;
/// White.
const DEFAULT_COLOR: u32 = 0xFFFF_FFFF;

/// `#RRGGBB` as an opaque colour.
fn color(text: Option<&str>) -> Option<u32> {
    let digits = text?.strip_prefix('#')?;
    let color = u32::from_str_radix(digits, 16).ok()?;
    (digits.len() == 6).then_some(0xFF00_0000 | color)
}

/// The fonts by WhatsApp's numbers (waproto/src/whatsapp.proto, `FontType`).
const FONTS: [(u8, FontType); 8] = [
    (0, FontType::SYSTEM),
    (1, FontType::SYSTEM_TEXT),
    (2, FontType::FB_SCRIPT),
    (6, FontType::SYSTEM_BOLD),
    (7, FontType::MORNINGBREEZE_REGULAR),
    (8, FontType::CALISTOGA_REGULAR),
    (9, FontType::EXO2_EXTRABOLD),
    (10, FontType::COURIERPRIME_BOLD),
];

fn font(number: Option<u8>) -> FontType {
    FONTS
        .iter()
        .find(|(known, _)| Some(*known) == number)
        .map_or(FontType::SYSTEM, |(_, font)| *font)
}

/// How a post that arrived shows its text; `None` for a text without colours and font.
pub(super) fn style(message: &wa::Message) -> Option<TextStyle> {
    let text = message.extended_text_message.as_option()?;
    let hexadecimal = |color: Option<u32>| color.map(|color| format!("#{:06X}", color & 0x00FF_FFFF));
    let style = TextStyle {
        background: hexadecimal(text.background_argb),
        color: hexadecimal(text.text_argb),
        font: text
            .font
            .and_then(|font| FONTS.iter().find(|(_, known)| *known == font))
            .map(|(number, _)| *number),
    };
    (style != TextStyle::default()).then_some(style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::content::Text;
    use shared::ids::MessageId;

    #[test]
    fn a_text_keeps_its_colours_and_its_font_on_the_way_out_and_in() {
        let style_out = TextStyle {
            background: Some("#102030".into()),
            color: Some("#FFEEDD".into()),
            font: Some(7),
        };
        let content = Content::Text(Text {
            body: "Open".into(),
            style: Some(style_out.clone()),
            ..Text::default()
        });
        let post = SendMessage::new(
            MessageId::generate(),
            "3EB0".into(),
            "status@broadcast".parse().unwrap(),
            content,
        );
        let body = body(&post, None).unwrap();
        let text = body.extended_text_message.as_option().unwrap();
        assert_eq!(text.background_argb, Some(0xFF10_2030));
        assert_eq!(style(&body), Some(style_out));
    }

    #[test]
    fn what_is_no_colour_is_none() {
        for text in ["102030", "#10203", "#1020304", "#10203g", ""] {
            assert_eq!(color(Some(text)), None, "{text}");
        }
    }
}
