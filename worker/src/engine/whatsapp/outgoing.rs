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

use super::secrets;
use crate::engine::{SendError, UploadedMedia};

mod act;
mod body;
mod context;
mod interactive;
mod media;

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
        members(client, to).await?
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

/// Everybody in a group, as the group addresses them.
async fn members(client: &Arc<Client>, group: &Jid) -> Result<Vec<String>, SendError> {
    let info = client
        .groups()
        .query_info(group)
        .await
        .map_err(|error| SendError::Failed(error.to_string()))?;
    Ok(info.participants.iter().map(Jid::to_non_ad_string).collect())
}

fn classify(error: &whatsapp_rust::SendError) -> SendError {
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
