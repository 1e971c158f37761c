//! The device itself: its keys and what WhatsApp calls it. Also secrets of single messages, for edits, votes and reactions to them.

use std::borrow::Cow;
use std::collections::HashMap;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shared::credentials::Credentials;
use wacore::libsignal::protocol::{KeyPair, PrivateKey, PublicKey};
use wacore::store::Device;
use wacore::store::device::account_serde;
use wacore::store::error::{Result, StoreError};
use wacore::store::traits::{
    DeviceStore, MsgSecretEntry, MsgSecretStore, merge_msg_secret_expiry, merge_msg_secret_message_ts,
};
use wacore_binary::Jid;

use super::super::foreign::storable;
use super::{ProtocolState, fenced, row_key};

const DEVICE: &str = "protocol_device";
const MESSAGE_SECRET: &str = "protocol_message_secret";

fn json_error(error: serde_json::Error) -> StoreError {
    StoreError::Serialization(Box::new(error))
}

#[async_trait]
impl DeviceStore for ProtocolState {
    async fn save(&self, device: &Device) -> Result<()> {
        let plaintext = zeroize::Zeroizing::new(serde_json::to_vec(device).map_err(json_error)?);
        self.write(
            fenced!(
                "INSERT INTO protocol_device (session_id, sealed) SELECT session_id, $3 FROM lease
                 ON CONFLICT (session_id) DO UPDATE SET sealed = excluded.sealed"
            ),
            &[&self.seal(DEVICE, b"", &plaintext)],
        )
        .await
    }

    async fn load(&self) -> Result<Option<Device>> {
        let row = self
            .read_optional("SELECT sealed FROM protocol_device WHERE session_id = $1", &[])
            .await?;
        row.map(|row| serde_json::from_slice(&self.open(DEVICE, b"", row.get(0))?).map_err(json_error))
            .transpose()
    }

    async fn exists(&self) -> Result<bool> {
        let row = self
            .read_optional("SELECT 1 FROM protocol_device WHERE session_id = $1", &[])
            .await?;
        Ok(row.is_some())
    }

    async fn create(&self) -> Result<i32> {
        // The library would otherwise make keys in memory only and store them at their first change.
        self.save(&Device::new()).await?;
        // The number identifies a device within a store of many; this store is of one.
        Ok(1)
    }
}

#[async_trait]
impl MsgSecretStore for ProtocolState {
    async fn put_msg_secrets(&self, entries: Vec<MsgSecretEntry>) -> Result<usize> {
        // One INSERT may not touch a row twice, so repeats within the batch are merged by the same rule as with what is stored.
        let mut latest: HashMap<(&str, &str, Cow<'_, str>), (&[u8], i64, i64)> = HashMap::new();
        for entry in &entries {
            latest
                .entry((&entry.chat, &entry.sender, storable(&entry.msg_id)))
                .and_modify(|(secret, expires_at, message_at)| {
                    *secret = &entry.secret;
                    *expires_at = merge_msg_secret_expiry(*expires_at, entry.expires_at);
                    *message_at = merge_msg_secret_message_ts(*message_at, entry.message_ts);
                })
                .or_insert((&entry.secret, entry.expires_at, entry.message_ts));
        }
        let mut chats = Vec::with_capacity(latest.len());
        let mut senders = Vec::with_capacity(latest.len());
        let mut ids = Vec::with_capacity(latest.len());
        let mut sealed = Vec::with_capacity(latest.len());
        let mut expiries = Vec::with_capacity(latest.len());
        let mut times = Vec::with_capacity(latest.len());
        for ((chat, sender, id), (secret, expires_at, message_at)) in latest {
            chats.push(chat);
            senders.push(sender);
            sealed.push(self.seal(MESSAGE_SECRET, &row_key(&[chat, sender, &id]), secret));
            ids.push(id);
            expiries.push(expires_at);
            times.push(message_at);
        }
        // An expiry of 0 means never, so it wins; otherwise the later one does.
        self.write(
            fenced!(
                "INSERT INTO protocol_message_secret (session_id, chat, sender, message_id, sealed, expires_at, message_at)
                 SELECT lease.session_id, input.chat, input.sender, input.message_id, input.sealed, input.expires_at, input.message_at
                 FROM lease, unnest($3::text[], $4::text[], $5::text[], $6::bytea[], $7::bigint[], $8::bigint[])
                      AS input (chat, sender, message_id, sealed, expires_at, message_at)
                 ON CONFLICT (session_id, chat, sender, message_id) DO UPDATE SET
                     sealed = excluded.sealed,
                     expires_at = CASE WHEN protocol_message_secret.expires_at = 0 OR excluded.expires_at = 0 THEN 0
                                       ELSE greatest(protocol_message_secret.expires_at, excluded.expires_at) END,
                     message_at = greatest(protocol_message_secret.message_at, excluded.message_at)"
            ),
            &[&chats, &senders, &ids, &sealed, &expiries, &times],
        )
        .await?;
        Ok(entries.len())
    }

    async fn get_msg_secret(&self, chat: &str, sender: &str, msg_id: &str) -> Result<Option<Vec<u8>>> {
        Ok(self
            .get_msg_secret_with_ts(chat, sender, msg_id)
            .await?
            .map(|(secret, _)| secret))
    }

    async fn get_msg_secret_with_ts(&self, chat: &str, sender: &str, msg_id: &str) -> Result<Option<(Vec<u8>, i64)>> {
        let msg_id = &*storable(msg_id);
        let row = self
            .read_optional(
                "SELECT sealed, message_at FROM protocol_message_secret WHERE session_id = $1 AND chat = $2 AND sender = $3 AND message_id = $4",
                &[&chat, &sender, &msg_id],
            )
            .await?;
        row.map(|row| {
            Ok((
                self.open(MESSAGE_SECRET, &row_key(&[chat, sender, msg_id]), row.get(0))?
                    .to_vec(),
                row.get(1),
            ))
        })
        .transpose()
    }

    async fn delete_expired_msg_secrets(&self, _cutoff_timestamp: i64) -> Result<u32> {
        // One job for all sessions does this: shared::store::housekeeping.
        Ok(0)
    }
}

/// Why credentials cannot be taken over, for their owner.
fn unusable(what: &str) -> String {
    format!("the imported credentials cannot be used: {what}")
}

fn key_pair(private: &[u8; 32], public: &[u8; 32], what: &str) -> std::result::Result<KeyPair, String> {
    let private = PrivateKey::deserialize(private).map_err(|_| unusable(what))?;
    let public = PublicKey::from_djb_public_key_bytes(public).map_err(|_| unusable(what))?;
    if private.public_key().is_ok_and(|derived| derived == public) {
        Ok(KeyPair::new(public, private))
    } else {
        Err(unusable(&format!(
            "the public half of the {what} does not belong to the private one"
        )))
    }
}

/// Makes a device of imported credentials.
///
/// # Errors
/// With what is wrong, when they cannot be used.
pub(in crate::engine::whatsapp) fn import(credentials: &Credentials) -> std::result::Result<Device, String> {
    let account = STANDARD
        .decode(&credentials.account)
        .map_err(|_| unusable("account is not base64"))?;
    let account =
        account_serde::from_bytes(&account).map_err(|_| unusable("account is not an ADVSignedDeviceIdentity"))?;
    let jid = |user: &str, server: &str| {
        format!("{user}:{}@{server}", credentials.device)
            .parse::<Jid>()
            .map_err(|_| unusable("phone, lid or device"))
    };
    let signed = &credentials.signed_pre_key;
    let mut device = Device::new();
    device.pn = Some(jid(&credentials.phone, "s.whatsapp.net")?);
    device.lid = Some(jid(&credentials.lid, "lid")?);
    device.registration_id = credentials.registration_id;
    device.noise_key = key_pair(
        &credentials.noise_key.private.0,
        &credentials.noise_key.public.0,
        "noise key",
    )?;
    device.identity_key = key_pair(
        &credentials.identity_key.private.0,
        &credentials.identity_key.public.0,
        "identity key",
    )?;
    device.signed_pre_key = key_pair(&signed.private.0, &signed.public.0, "signed pre-key")?;
    device.signed_pre_key_id = signed.id;
    device.signed_pre_key_signature = signed.signature.0;
    device.adv_secret_key = credentials.adv_secret_key.0;
    device.account = Some(std::sync::Arc::new(account));
    device.push_name.clone_from(&credentials.push_name);
    // Its one-time pre-keys stayed where it comes from. The library asks the server at login what it still has and uploads new ones if none.
    device.server_has_prekeys = true;
    Ok(device)
}
