//! What an outgoing message carries beside its content: what it answers, whom it mentions, how often it was forwarded, when it disappears.

use buffa::MessageField;
use shared::address::Address;
use shared::command::{Quote, SendMessage};
use shared::content::Content;
use wacore::proto_helpers::MessageExt as _;
use waproto::whatsapp as wa;

use super::body;

/// The message's context; `None` when it has none, because then a text stays a plain one. `everybody`: the group's members, where all are mentioned.
pub(super) fn of(message: &SendMessage, everybody: &[String]) -> Option<wa::ContextInfo> {
    let forwarded = message.forwarding_score > 0;
    let needed = message.quote.is_some()
        || !message.mentions.is_empty()
        || message.mention_all
        || forwarded
        || message.ephemeral > 0;
    if !needed {
        return None;
    }
    let mut mentioned: Vec<String> = message.mentions.iter().map(Address::to_string).collect();
    mentioned.extend_from_slice(everybody);
    let mut context = wa::ContextInfo {
        mentioned_jid: mentioned,
        // "Everybody" is a flag for clients that know it; the list is for those that do not (Baileys, `contextInfo.nonJidMentions`).
        non_jid_mentions: message.mention_all.then_some(1),
        is_forwarded: forwarded.then_some(true),
        forwarding_score: forwarded.then_some(message.forwarding_score),
        expiration: (message.ephemeral > 0).then_some(message.ephemeral),
        ..Default::default()
    };
    if let Some(quote) = &message.quote {
        context.stanza_id = Some(quote.wa_message_id.clone());
        context.participant = Some(quote.author.to_string());
        context.quoted_message = MessageField::some(quoted(quote));
    }
    Some(context)
}

/// The quoted message as the answer shows it: its content without its file's key, or at least its text.
fn quoted(quote: &Quote) -> wa::Message {
    let content = quote.content.as_deref().filter(|content| content.target().is_none());
    let body = content.and_then(|content| body::of(content, None).ok());
    if let Some(body) = body {
        return *body.prepare_for_quote();
    }
    let text = content.and_then(Content::summary).unwrap_or(quote.text.as_str());
    wa::Message {
        conversation: Some(text.to_owned()),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::content::Media;
    use shared::ids::MessageId;

    fn message(change: impl FnOnce(&mut SendMessage)) -> SendMessage {
        let mut message = SendMessage::new(
            MessageId::generate(),
            "3EB0AABBCCDDEEFF001122".into(),
            "15550001001".parse().unwrap(),
            Content::text("Hello"),
        );
        change(&mut message);
        message
    }

    #[test]
    fn a_message_that_says_nothing_more_has_no_context() {
        assert_eq!(of(&message(|_| {}), &[]), None);
    }

    #[test]
    fn an_answer_names_the_message_it_answers_and_whom_it_mentions() {
        let answer = message(|message| {
            message.quote = Some(Quote {
                wa_message_id: "3EB01".into(),
                author: "15550001002".parse().unwrap(),
                text: "Hi".into(),
                content: None,
            });
            message.mentions = vec!["15550001003".parse().unwrap()];
        });
        let context = of(&answer, &[]).unwrap();
        assert_eq!(context.stanza_id.as_deref(), Some("3EB01"));
        assert_eq!(context.participant.as_deref(), Some("15550001002@s.whatsapp.net"));
        let quoted = context.quoted_message.as_option().unwrap();
        assert_eq!(quoted.conversation.as_deref(), Some("Hi"));
        assert_eq!(context.mentioned_jid, ["15550001003@s.whatsapp.net"]);
    }

    #[test]
    fn a_quoted_picture_is_shown_as_one() {
        let answer = message(|message| {
            message.quote = Some(Quote {
                wa_message_id: "3EB01".into(),
                author: "15550001002".parse().unwrap(),
                text: String::new(),
                content: Some(Box::new(Content::Image(Media {
                    mime_type: "image/jpeg".into(),
                    caption: Some("The birds".into()),
                    ..Media::default()
                }))),
            });
        });
        let context = of(&answer, &[]).unwrap();
        let quoted = context.quoted_message.as_option().unwrap();
        let image = quoted.image_message.as_option().unwrap();
        assert_eq!(image.caption.as_deref(), Some("The birds"));
        assert_eq!(image.media_key, None);
    }

    #[test]
    fn everybody_forwarding_and_disappearing_are_told() {
        let sent = message(|message| {
            message.mention_all = true;
            message.forwarding_score = 3;
            message.ephemeral = 86_400;
        });
        let context = of(&sent, &["100000000001001@lid".into()]).unwrap();
        assert_eq!(context.non_jid_mentions, Some(1));
        assert_eq!(context.mentioned_jid, ["100000000001001@lid"]);
        assert_eq!((context.is_forwarded, context.forwarding_score), (Some(true), Some(3)));
        assert_eq!(context.expiration, Some(86_400));
    }
}
