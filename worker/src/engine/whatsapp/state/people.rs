//! What is known of others: their two names, their devices, our groups' keys and metadata, privacy tokens.

use async_trait::async_trait;
use tokio_postgres::Row;
use wacore::store::error::{Result, StoreError};
use wacore::store::traits::{
    DeviceListRecord, LidPnMappingEntry, PendingInboundKey, PendingInboundRow, ProtocolStore, TcTokenEntry,
};

use super::super::foreign::storable;
use super::{ProtocolState, fenced, last_of_each};

const PRIVACY_TOKEN: &str = "protocol_privacy_token";

fn lid_mapping(row: &Row) -> LidPnMappingEntry {
    LidPnMappingEntry {
        lid: row.get(0),
        phone_number: row.get(1),
        created_at: row.get(2),
        updated_at: row.get(3),
        learning_source: row.get(4),
    }
}

fn count(rows: i64) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}

#[async_trait]
impl ProtocolStore for ProtocolState {
    async fn get_sender_key_devices(&self, group_jid: &str) -> Result<Vec<(String, bool)>> {
        let rows = self
            .read(
                "SELECT device_jid, has_key FROM protocol_sender_key_device WHERE session_id = $1 AND group_jid = $2",
                &[&group_jid],
            )
            .await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    async fn set_sender_key_status(&self, group_jid: &str, entries: &[(&str, bool)]) -> Result<()> {
        let (devices, has_key) = last_of_each(entries.iter().copied());
        self.write(
            fenced!(
                "INSERT INTO protocol_sender_key_device (session_id, group_jid, device_jid, has_key)
                 SELECT lease.session_id, $3, input.device_jid, input.has_key FROM lease, unnest($4::text[], $5::boolean[]) AS input (device_jid, has_key)
                 ON CONFLICT (session_id, group_jid, device_jid) DO UPDATE SET has_key = excluded.has_key"
            ),
            &[&group_jid, &devices, &has_key],
        )
        .await
    }

    async fn clear_sender_key_devices(&self, group_jid: &str) -> Result<()> {
        self.write(
            fenced!("DELETE FROM protocol_sender_key_device known USING lease WHERE known.session_id = lease.session_id AND group_jid = $3"),
            &[&group_jid],
        )
        .await
    }

    async fn delete_sender_key_device_rows(&self, device_jids: &[&str]) -> Result<()> {
        self.write(
            fenced!("DELETE FROM protocol_sender_key_device known USING lease WHERE known.session_id = lease.session_id AND device_jid = ANY($3)"),
            &[&device_jids],
        )
        .await
    }

    async fn clear_all_sender_key_devices(&self) -> Result<()> {
        self.write(
            fenced!(
                "DELETE FROM protocol_sender_key_device known USING lease WHERE known.session_id = lease.session_id"
            ),
            &[],
        )
        .await
    }

    async fn get_lid_mapping(&self, lid: &str) -> Result<Option<LidPnMappingEntry>> {
        let row = self
            .read_optional(
                "SELECT lid, phone, learned_at, updated_at, learning_source FROM protocol_lid_mapping WHERE session_id = $1 AND lid = $2",
                &[&lid],
            )
            .await?;
        Ok(row.as_ref().map(lid_mapping))
    }

    async fn get_pn_mapping(&self, phone: &str) -> Result<Option<LidPnMappingEntry>> {
        let row = self
            .read_optional(
                "SELECT lid, phone, learned_at, updated_at, learning_source FROM protocol_lid_mapping
                 WHERE session_id = $1 AND phone = $2 ORDER BY updated_at DESC LIMIT 1",
                &[&phone],
            )
            .await?;
        Ok(row.as_ref().map(lid_mapping))
    }

    async fn put_lid_mapping(&self, entry: &LidPnMappingEntry) -> Result<()> {
        self.put_lid_mappings(std::slice::from_ref(entry)).await
    }

    async fn put_lid_mappings(&self, entries: &[LidPnMappingEntry]) -> Result<()> {
        let (lids, entries) = last_of_each(entries.iter().map(|entry| (entry.lid.as_str(), entry)));
        let phones: Vec<&str> = entries.iter().map(|entry| entry.phone_number.as_str()).collect();
        let learned: Vec<i64> = entries.iter().map(|entry| entry.created_at).collect();
        let updated: Vec<i64> = entries.iter().map(|entry| entry.updated_at).collect();
        let sources: Vec<&str> = entries.iter().map(|entry| entry.learning_source.as_str()).collect();
        self.write(
            fenced!(
                "INSERT INTO protocol_lid_mapping (session_id, lid, phone, learned_at, updated_at, learning_source)
                 SELECT lease.session_id, input.lid, input.phone, input.learned_at, input.updated_at, input.learning_source
                 FROM lease, unnest($3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[])
                      AS input (lid, phone, learned_at, updated_at, learning_source)
                 ON CONFLICT (session_id, lid) DO UPDATE SET
                     phone = excluded.phone, learned_at = excluded.learned_at, updated_at = excluded.updated_at, learning_source = excluded.learning_source"
            ),
            &[&lids, &phones, &learned, &updated, &sources],
        )
        .await
    }

    async fn get_all_lid_mappings(&self) -> Result<Vec<LidPnMappingEntry>> {
        let rows = self
            .read("SELECT lid, phone, learned_at, updated_at, learning_source FROM protocol_lid_mapping WHERE session_id = $1", &[])
            .await?;
        Ok(rows.iter().map(lid_mapping).collect())
    }

    async fn save_base_key(&self, address: &str, message_id: &str, base_key: &[u8]) -> Result<()> {
        self.write(
            fenced!(
                "INSERT INTO protocol_base_key (session_id, address, message_id, base_key) SELECT session_id, $3, $4, $5 FROM lease
                 ON CONFLICT (session_id, address, message_id) DO UPDATE SET base_key = excluded.base_key"
            ),
            &[&address, &storable(message_id), &base_key],
        )
        .await
    }

    async fn has_same_base_key(&self, address: &str, message_id: &str, current_base_key: &[u8]) -> Result<bool> {
        let row = self
            .read_optional(
                "SELECT base_key = $4 FROM protocol_base_key WHERE session_id = $1 AND address = $2 AND message_id = $3",
                &[&address, &storable(message_id), &current_base_key],
            )
            .await?;
        Ok(row.is_some_and(|row| row.get(0)))
    }

    async fn delete_base_key(&self, address: &str, message_id: &str) -> Result<()> {
        self.write(
            fenced!("DELETE FROM protocol_base_key known USING lease WHERE known.session_id = lease.session_id AND address = $3 AND message_id = $4"),
            &[&address, &storable(message_id)],
        )
        .await
    }

    async fn update_device_list(&self, record: DeviceListRecord) -> Result<()> {
        self.update_device_lists(vec![record]).await
    }

    async fn update_device_lists(&self, records: Vec<DeviceListRecord>) -> Result<()> {
        let (users, records) = last_of_each(records.iter().map(|record| (record.user.as_str(), record)));
        let documents: Vec<serde_json::Value> = records
            .into_iter()
            .map(|record| serde_json::to_value(record).map_err(|error| StoreError::Serialization(Box::new(error))))
            .collect::<Result<_>>()?;
        self.write(
            fenced!(
                "INSERT INTO protocol_device_list (session_id, user_id, record)
                 SELECT lease.session_id, input.user_id, input.record FROM lease, unnest($3::text[], $4::jsonb[]) AS input (user_id, record)
                 ON CONFLICT (session_id, user_id) DO UPDATE SET record = excluded.record"
            ),
            &[&users, &documents],
        )
        .await
    }

    async fn get_devices(&self, user: &str) -> Result<Option<DeviceListRecord>> {
        let row = self
            .read_optional(
                "SELECT record FROM protocol_device_list WHERE session_id = $1 AND user_id = $2",
                &[&user],
            )
            .await?;
        row.map(|row| {
            let document: serde_json::Value = row.get(0);
            serde_json::from_value(document).map_err(|error| StoreError::Serialization(Box::new(error)))
        })
        .transpose()
    }

    async fn delete_devices(&self, user: &str) -> Result<()> {
        self.write(
            fenced!("DELETE FROM protocol_device_list known USING lease WHERE known.session_id = lease.session_id AND user_id = $3"),
            &[&user],
        )
        .await
    }

    async fn get_group_metadata(&self, group_jid: &str) -> Result<Option<Vec<u8>>> {
        let row = self
            .read_optional(
                "SELECT metadata FROM protocol_group WHERE session_id = $1 AND group_jid = $2",
                &[&group_jid],
            )
            .await?;
        Ok(row.map(|row| row.get(0)))
    }

    async fn put_group_metadata(&self, group_jid: &str, blob: &[u8]) -> Result<()> {
        self.write(
            fenced!(
                "INSERT INTO protocol_group (session_id, group_jid, metadata) SELECT session_id, $3, $4 FROM lease
                 ON CONFLICT (session_id, group_jid) DO UPDATE SET metadata = excluded.metadata"
            ),
            &[&group_jid, &blob],
        )
        .await
    }

    async fn delete_group_metadata(&self, group_jid: &str) -> Result<()> {
        self.write(
            fenced!("DELETE FROM protocol_group known USING lease WHERE known.session_id = lease.session_id AND group_jid = $3"),
            &[&group_jid],
        )
        .await
    }

    async fn get_tc_token(&self, jid: &str) -> Result<Option<TcTokenEntry>> {
        let row = self
            .read_optional(
                "SELECT sealed, token_timestamp, sender_timestamp FROM protocol_privacy_token WHERE session_id = $1 AND jid = $2",
                &[&jid],
            )
            .await?;
        row.map(|row| {
            let sealed: Option<&[u8]> = row.get(0);
            let token = sealed
                .map(|sealed| self.open(PRIVACY_TOKEN, jid.as_bytes(), sealed))
                .transpose()?;
            Ok(TcTokenEntry {
                token: token.map(|token| token.to_vec()).unwrap_or_default(),
                token_timestamp: row.get(1),
                sender_timestamp: row.get(2),
            })
        })
        .transpose()
    }

    async fn put_tc_token(&self, jid: &str, entry: &TcTokenEntry) -> Result<()> {
        let sealed = (!entry.token.is_empty()).then(|| self.seal(PRIVACY_TOKEN, jid.as_bytes(), &entry.token));
        self.write(
            fenced!(
                "INSERT INTO protocol_privacy_token (session_id, jid, sealed, token_timestamp, sender_timestamp) SELECT session_id, $3, $4, $5, $6 FROM lease
                 ON CONFLICT (session_id, jid) DO UPDATE SET
                     sealed = excluded.sealed, token_timestamp = excluded.token_timestamp, sender_timestamp = excluded.sender_timestamp"
            ),
            &[&jid, &sealed, &entry.token_timestamp, &entry.sender_timestamp],
        )
        .await
    }

    async fn delete_tc_token(&self, jid: &str) -> Result<()> {
        self.write(
            fenced!("DELETE FROM protocol_privacy_token known USING lease WHERE known.session_id = lease.session_id AND jid = $3"),
            &[&jid],
        )
        .await
    }

    async fn get_all_tc_token_jids(&self) -> Result<Vec<String>> {
        let rows = self
            .read("SELECT jid FROM protocol_privacy_token WHERE session_id = $1", &[])
            .await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn delete_expired_tc_tokens(&self, token_cutoff: i64, sender_cutoff: i64) -> Result<u32> {
        let row = self
            .write_returning(
                "WITH lease AS MATERIALIZED (SELECT session_id FROM session_lease WHERE session_id = $1 AND epoch = $2 FOR SHARE),
                 change AS (
                     DELETE FROM protocol_privacy_token known USING lease WHERE known.session_id = lease.session_id
                       AND (sealed IS NULL OR token_timestamp < $3) AND (sender_timestamp IS NULL OR sender_timestamp < $4)
                     RETURNING 1)
                 SELECT (SELECT count(*) FROM change) FROM lease",
                &[&token_cutoff, &sender_cutoff],
            )
            .await?;
        Ok(count(row.get(0)))
    }

    async fn touch_tc_token_sender_timestamp(&self, jid: &str, sender_timestamp: i64) -> Result<()> {
        self.write(
            fenced!(
                "INSERT INTO protocol_privacy_token (session_id, jid, token_timestamp, sender_timestamp) SELECT session_id, $3, $4, $4 FROM lease
                 ON CONFLICT (session_id, jid) DO UPDATE SET
                     sender_timestamp = greatest(protocol_privacy_token.sender_timestamp, excluded.sender_timestamp)"
            ),
            &[&jid, &sender_timestamp],
        )
        .await
    }

    async fn store_received_tc_token(&self, jid: &str, token: &[u8], token_timestamp: i64) -> Result<()> {
        self.write(
            fenced!(
                "INSERT INTO protocol_privacy_token (session_id, jid, sealed, token_timestamp) SELECT session_id, $3, $4, $5 FROM lease
                 ON CONFLICT (session_id, jid) DO UPDATE SET sealed = excluded.sealed, token_timestamp = excluded.token_timestamp
                 WHERE protocol_privacy_token.sealed IS NULL OR protocol_privacy_token.token_timestamp <= excluded.token_timestamp"
            ),
            &[&jid, &self.seal(PRIVACY_TOKEN, jid.as_bytes(), token), &token_timestamp],
        )
        .await
    }

    async fn store_sent_message(&self, chat_jid: &str, message_id: &str, payload: &[u8]) -> Result<()> {
        self.store_sent(chat_jid, message_id, payload).await
    }

    async fn take_sent_message(&self, chat_jid: &str, message_id: &str) -> Result<Option<Vec<u8>>> {
        self.take_sent(chat_jid, message_id).await
    }

    async fn delete_expired_sent_messages(&self, _cutoff_timestamp: i64) -> Result<u32> {
        // One job for all sessions does this: shared::store::housekeeping.
        Ok(0)
    }

    async fn store_pending_inbound(&self, chat: &str, sender: &str, id: &str, message: &[u8]) -> Result<()> {
        self.store_inbound(&[PendingInboundRow {
            chat,
            sender,
            id,
            message,
        }])
        .await
    }

    async fn get_pending_inbound(&self, chat: &str, sender: &str, id: &str) -> Result<Option<Vec<u8>>> {
        self.inbound(chat, sender, id).await
    }

    async fn delete_pending_inbound(&self, chat: &str, sender: &str, id: &str) -> Result<()> {
        self.delete_inbound(&[PendingInboundKey { chat, sender, id }]).await
    }

    async fn store_pending_inbound_batch(&self, rows: &[PendingInboundRow<'_>]) -> Result<()> {
        self.store_inbound(rows).await
    }

    async fn delete_pending_inbound_batch(&self, keys: &[PendingInboundKey<'_>]) -> Result<()> {
        self.delete_inbound(keys).await
    }
}
