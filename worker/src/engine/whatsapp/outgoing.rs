//! From our words to the library's: messages to send, and what this device says to be.
//!
//! - [`body`] is what a message says, [`context`] what it carries beside that, [`act`] what changes another message.
//!
//! Everything goes through `send_message_with_options`, under the id that was fixed when the message was accepted; the stanza's `type` and `edit`
//! attributes and its `<meta>` follow from the content (whatsapp-rust/src/send/mod.rs, `infer_stanza_metadata`). What is random in a message (the secret of a
//! poll) is derived from the device and that id, so that a repeat after a crash is the same message.

use std::sync::Arc;

use shared::address::Address;
use shared::command::SendMessage;
use shared::content::Content;
use wacore::proto_helpers::MessageExt as _;
use wacore::store::device::DevicePropsOverride;
use wacore_binary::JidExt as _;
use waproto::whatsapp as wa;
use whatsapp_rust::{Client, Jid, SendOptions};

use super::{groups, secrets};
use crate::engine::{SendError, UploadedMedia};

mod act;
pub(super) mod body;
mod context;
mod interactive;
mod media;

/// Days of history that the phone sends by itself; more must be asked for (Baileys' and whatsmeow's figure for the recent sync).
const RECENT_DAYS: u32 = 90;

/// What the phone shows of this device in its list, and how much history it sends at pairing.
pub(super) fn device_properties(name: &str, history_days: u32) -> DevicePropsOverride {
    let properties = DevicePropsOverride::new()
        .with_os(name)
        .with_platform_type(wa::device_props::PlatformType::CHROME);
    if history_days <= RECENT_DAYS {
        return properties;
    }
    properties.with_require_full_sync(true)
}

/// An address as the library wants it.
pub(super) fn jid(address: &Address) -> Result<Jid, String> {
    address
        .to_string()
        .parse()
        .map_err(|_| format!("{address} is not an address that WhatsApp knows"))
}

/// Encrypts the message and writes it to the socket, under the id that was fixed when it was accepted. `uploaded`: its file, where it has one.
pub(super) async fn send(
    client: &Arc<Client>,
    to: Jid,
    message: &SendMessage,
    uploaded: Option<&UploadedMedia>,
) -> Result<(), SendError> {
    let options = SendOptions::default().with_message_id(message.wa_message_id.clone());
    let body = match message.content.target() {
        Some(_) => act::of(client, &to, message).await?,
        None => standing(client, &to, message, uploaded).await?,
    };
    match client.send_message_with_options(to, body, options).await {
        Ok(_) => Ok(()),
        Err(error) => Err(classify(&error)),
    }
}

/// A message that stands for itself.
async fn standing(
    client: &Arc<Client>,
    to: &Jid,
    message: &SendMessage,
    uploaded: Option<&UploadedMedia>,
) -> Result<wa::Message, SendError> {
    let mut body = body::of(&message.content, uploaded).map_err(SendError::Refused)?;
    let everybody = if message.mention_all && to.is_group() {
        let members = groups::others(client, to).await?;
        members.iter().map(Jid::to_non_ad_string).collect()
    } else {
        Vec::new()
    };
    if let Some(context) = context::of(message, &everybody) {
        body.set_context_info(context);
    }
    if matches!(message.content, Content::Poll(_) | Content::Event(_)) {
        body.message_context_info = buffa::MessageField::some(wa::MessageContextInfo {
            message_secret: Some(secrets::own(client, &message.wa_message_id).to_vec()),
            ..Default::default()
        });
    }
    Ok(body::wrap(body, &message.content))
}

pub(super) fn classify(error: &whatsapp_rust::SendError) -> SendError {
    use whatsapp_rust::SendError as Library;
    match error {
        Library::Client(_) | Library::NotLoggedIn => SendError::NotConnected,
        Library::InvalidRequest(reason) => SendError::Refused(reason.clone()),
        other => SendError::Failed(other.to_string()),
    }
}

/// What would be sent, without what needs a connection.
#[cfg(test)]
pub(super) fn body_for_tests(content: &Content, uploaded: Option<&UploadedMedia>) -> Result<wa::Message, String> {
    Ok(body::wrap(body::of(content, uploaded)?, content))
}
