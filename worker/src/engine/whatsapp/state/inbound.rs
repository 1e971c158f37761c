//! Messages that are decrypted but not yet recorded as events. Used by [`super::people`], whose trait they belong to.
//!
//! The library stores a message here before it lets the ratchet advance durably; if we crash before the event is recorded, WhatsApp delivers the
//! message again, it is found here, and the event is recorded after all.

use wacore::store::error::Result;
use wacore::store::traits::{PendingInboundKey, PendingInboundRow};

use super::super::foreign::storable;
use super::{ProtocolState, fenced};

/// At every start the library writes, reads and deletes a row with such an id to see whether the store can do it. It can: three round trips and
/// two commits for each start of each session are not worth the proof.
const PROBE: &str = "__wa_durability_probe_";
const PROBE_MESSAGE: &[u8] = b"probe";

impl ProtocolState {
    pub(super) async fn store_inbound(&self, rows: &[PendingInboundRow<'_>]) -> Result<()> {
        let rows: Vec<_> = rows.iter().filter(|row| !row.id.starts_with(PROBE)).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let chats: Vec<&str> = rows.iter().map(|row| row.chat).collect();
        let senders: Vec<&str> = rows.iter().map(|row| row.sender).collect();
        let ids: Vec<_> = rows.iter().map(|row| storable(row.id)).collect();
        let payloads: Vec<&[u8]> = rows.iter().map(|row| row.message).collect();
        self.write(
            fenced!(
                "INSERT INTO protocol_pending_inbound (session_id, chat, sender, message_id, payload)
                 SELECT DISTINCT ON (input.chat, input.sender, input.message_id) lease.session_id, input.chat, input.sender, input.message_id, input.payload
                 FROM lease, unnest($3::text[], $4::text[], $5::text[], $6::bytea[]) AS input (chat, sender, message_id, payload)
                 ON CONFLICT (session_id, chat, sender, message_id) DO UPDATE SET payload = excluded.payload"
            ),
            &[&chats, &senders, &ids, &payloads],
        )
        .await
    }

    pub(super) async fn inbound(&self, chat: &str, sender: &str, id: &str) -> Result<Option<Vec<u8>>> {
        if id.starts_with(PROBE) {
            return Ok(Some(PROBE_MESSAGE.to_vec()));
        }
        let row = self
            .read_optional(
                "SELECT payload FROM protocol_pending_inbound WHERE session_id = $1 AND chat = $2 AND sender = $3 AND message_id = $4",
                &[&chat, &sender, &storable(id)],
            )
            .await?;
        Ok(row.map(|row| row.get(0)))
    }

    pub(super) async fn delete_inbound(&self, keys: &[PendingInboundKey<'_>]) -> Result<()> {
        let keys: Vec<_> = keys.iter().filter(|key| !key.id.starts_with(PROBE)).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let chats: Vec<&str> = keys.iter().map(|key| key.chat).collect();
        let senders: Vec<&str> = keys.iter().map(|key| key.sender).collect();
        let ids: Vec<_> = keys.iter().map(|key| storable(key.id)).collect();
        self.write(
            fenced!(
                "DELETE FROM protocol_pending_inbound pending USING lease, unnest($3::text[], $4::text[], $5::text[]) AS input (chat, sender, message_id)
                 WHERE pending.session_id = lease.session_id AND pending.chat = input.chat AND pending.sender = input.sender
                   AND pending.message_id = input.message_id"
            ),
            &[&chats, &senders, &ids],
        )
        .await
    }
}
