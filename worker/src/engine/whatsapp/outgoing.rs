//! From our words to the library's: messages to send, and what this device says to be.

use std::sync::Arc;

use shared::address::Address;
use shared::command::SendMessage;
use shared::content::Content;
use wacore::store::device::DevicePropsOverride;
use waproto::whatsapp as wa;
use whatsapp_rust::{Client, Jid, SendOptions};

use crate::engine::SendError;

/// What the phone shows of this device in its list.
pub(super) fn device_properties(name: &str) -> DevicePropsOverride {
    DevicePropsOverride::new()
        .with_os(name)
        .with_platform_type(wa::device_props::PlatformType::CHROME)
}

/// An address as the library wants it.
pub(super) fn jid(address: &Address) -> Result<Jid, String> {
    address
        .to_string()
        .parse()
        .map_err(|_| format!("{address} is not an address that WhatsApp knows"))
}

/// Encrypts the message and writes it to the socket, under the id that was fixed when it was accepted.
pub(super) async fn send(client: &Arc<Client>, to: Jid, message: &SendMessage) -> Result<(), SendError> {
    let options = SendOptions::default().with_message_id(message.wa_message_id.clone());
    let body = body(message).map_err(SendError::Refused)?;
    match client.send_message_with_options(to, body, options).await {
        Ok(_) => Ok(()),
        Err(error) => Err(classify(&error)),
    }
}

fn classify(error: &whatsapp_rust::SendError) -> SendError {
    use whatsapp_rust::SendError as Library;
    match error {
        Library::Client(_) | Library::NotLoggedIn => SendError::NotConnected,
        Library::InvalidRequest(reason) => SendError::Refused(reason.clone()),
        other => SendError::Failed(other.to_string()),
    }
}

fn body(message: &SendMessage) -> Result<wa::Message, String> {
    let Content::Text(text) = &message.content else {
        return Err(format!(
            "this version does not send messages of the kind {}",
            message.content.kind()
        ));
    };
    let body = &text.body;
    let context = context(message);
    if let Some(context) = context {
        return Ok(wa::Message {
            extended_text_message: buffa::MessageField::some(wa::message::ExtendedTextMessage {
                text: Some(body.clone()),
                context_info: buffa::MessageField::some(context),
                ..Default::default()
            }),
            ..Default::default()
        });
    }
    Ok(wa::Message {
        conversation: Some(body.clone()),
        ..Default::default()
    })
}

fn context(message: &SendMessage) -> Option<wa::ContextInfo> {
    if message.quote.is_none() && message.mentions.is_empty() {
        return None;
    }
    let mut context = wa::ContextInfo {
        mentioned_jid: message.mentions.iter().map(Address::to_string).collect(),
        ..Default::default()
    };
    if let Some(quote) = &message.quote {
        context.stanza_id = Some(quote.wa_message_id.clone());
        context.participant = Some(quote.author.to_string());
        context.quoted_message = buffa::MessageField::some(wa::Message {
            conversation: Some(quote.text.clone()),
            ..Default::default()
        });
    }
    Some(context)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::command::Quote;
    use shared::ids::MessageId;

    fn message(quote: Option<Quote>, mentions: Vec<Address>) -> SendMessage {
        SendMessage {
            quote,
            mentions,
            ..SendMessage::new(
                MessageId::generate(),
                "3EB0AABBCCDDEEFF001122".into(),
                "15550001001".parse().unwrap(),
                Content::text("Hello"),
            )
        }
    }

    #[test]
    fn plain_text_stays_plain() {
        let body = body(&message(None, Vec::new())).unwrap();
        assert_eq!(body.conversation.as_deref(), Some("Hello"));
        assert!(!body.extended_text_message.is_set());
    }

    #[test]
    fn an_answer_names_the_message_it_answers_and_whom_it_mentions() {
        let quote = Quote {
            wa_message_id: "3EB01".into(),
            author: "15550001002".parse().unwrap(),
            text: "Hi".into(),
            content: None,
        };
        let body = body(&message(Some(quote), vec!["15550001003".parse().unwrap()])).unwrap();
        let text = body.extended_text_message.as_option().unwrap();
        assert_eq!(text.text.as_deref(), Some("Hello"));
        let context = text.context_info.as_option().unwrap();
        assert_eq!(context.stanza_id.as_deref(), Some("3EB01"));
        assert_eq!(context.participant.as_deref(), Some("15550001002@s.whatsapp.net"));
        assert_eq!(
            context.quoted_message.as_option().unwrap().conversation.as_deref(),
            Some("Hi")
        );
        assert_eq!(context.mentioned_jid, ["15550001003@s.whatsapp.net"]);
    }
}
