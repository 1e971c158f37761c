//! Messages on their way out, kept for retry receipts. Used by [`super::people`], whose trait they belong to.
//!
//! The row is written before the first byte goes out, so it is also the evidence that a command may have been sent already: see
//! `shared::store::backlog`.

use wacore::store::error::Result;

use super::super::foreign::storable;
use super::{ProtocolState, fenced};

impl ProtocolState {
    pub(super) async fn store_sent(&self, chat_jid: &str, message_id: &str, payload: &[u8]) -> Result<()> {
        self.write(
            fenced!(
                "INSERT INTO protocol_sent_message (session_id, chat_jid, message_id, payload) SELECT session_id, $3, $4, $5 FROM lease
                 ON CONFLICT (session_id, message_id, chat_jid) DO UPDATE SET payload = excluded.payload, created_at = now()"
            ),
            &[&chat_jid, &message_id, &payload],
        )
        .await
    }

    pub(super) async fn take_sent(&self, chat_jid: &str, message_id: &str) -> Result<Option<Vec<u8>>> {
        let row = self
            .write_returning(
                fenced!(
                    "DELETE FROM protocol_sent_message USING lease
                     WHERE protocol_sent_message.session_id = lease.session_id AND chat_jid = $3 AND message_id = $4" returning "payload"
                ),
                &[&chat_jid, &storable(message_id)],
            )
            .await?;
        Ok(row.get(0))
    }
}
