//! App state: the keys, versions and checksums of what the account's devices share (pins, mutes, contacts).

use std::collections::HashMap;

use async_trait::async_trait;
use wacore::appstate::hash::HashState;
use wacore::appstate::processor::AppStateMutationMAC;
use wacore::store::error::{Result, StoreError};
use wacore::store::traits::{AppStateSyncKey, AppSyncStore};

use super::{ProtocolState, fenced, last_of_each};

const KEY: &str = "protocol_app_state_key";

fn json_error(error: serde_json::Error) -> StoreError {
    StoreError::Serialization(Box::new(error))
}

#[async_trait]
impl AppSyncStore for ProtocolState {
    async fn get_sync_key(&self, key_id: &[u8]) -> Result<Option<AppStateSyncKey>> {
        let row = self
            .read_optional(
                "SELECT sealed FROM protocol_app_state_key WHERE session_id = $1 AND key_id = $2",
                &[&key_id],
            )
            .await?;
        row.map(|row| serde_json::from_slice(&self.open(KEY, key_id, row.get(0))?).map_err(json_error))
            .transpose()
    }

    async fn set_sync_key(&self, key_id: &[u8], key: AppStateSyncKey) -> Result<()> {
        let plaintext = zeroize::Zeroizing::new(serde_json::to_vec(&key).map_err(json_error)?);
        self.write(
            fenced!(
                "INSERT INTO protocol_app_state_key (session_id, key_id, sealed, timestamp) SELECT session_id, $3, $4, $5 FROM lease
                 ON CONFLICT (session_id, key_id) DO UPDATE SET sealed = excluded.sealed, timestamp = excluded.timestamp, stored_at = clock_timestamp()"
            ),
            &[&key_id, &self.seal(KEY, key_id, &plaintext), &key.timestamp],
        )
        .await
    }

    async fn get_version(&self, name: &str) -> Result<HashState> {
        let row = self
            .read_optional(
                "SELECT state FROM protocol_app_state_version WHERE session_id = $1 AND collection = $2",
                &[&name],
            )
            .await?;
        row.map_or_else(
            || Ok(HashState::default()),
            |row| serde_json::from_slice(row.get(0)).map_err(json_error),
        )
    }

    async fn set_version(&self, name: &str, state: HashState) -> Result<()> {
        let state = serde_json::to_vec(&state).map_err(json_error)?;
        self.write(
            fenced!(
                "INSERT INTO protocol_app_state_version (session_id, collection, state) SELECT session_id, $3, $4 FROM lease
                 ON CONFLICT (session_id, collection) DO UPDATE SET state = excluded.state"
            ),
            &[&name, &state],
        )
        .await
    }

    async fn put_mutation_macs(&self, name: &str, version: u64, mutations: &[AppStateMutationMAC]) -> Result<()> {
        let (indexes, values) = last_of_each(
            mutations
                .iter()
                .map(|mutation| (mutation.index_mac.as_slice(), mutation.value_mac.as_slice())),
        );
        let version =
            i64::try_from(version).map_err(|_| StoreError::Validation("the version is out of range".to_owned()))?;
        self.write(
            fenced!(
                "INSERT INTO protocol_app_state_mac (session_id, collection, index_mac, value_mac, version)
                 SELECT lease.session_id, $3, input.index_mac, input.value_mac, $6
                 FROM lease, unnest($4::bytea[], $5::bytea[]) AS input (index_mac, value_mac)
                 ON CONFLICT (session_id, collection, index_mac) DO UPDATE SET value_mac = excluded.value_mac, version = excluded.version"
            ),
            &[&name, &indexes, &values, &version],
        )
        .await
    }

    async fn get_mutation_mac(&self, name: &str, index_mac: &[u8]) -> Result<Option<Vec<u8>>> {
        let row = self
            .read_optional(
                "SELECT value_mac FROM protocol_app_state_mac WHERE session_id = $1 AND collection = $2 AND index_mac = $3",
                &[&name, &index_mac],
            )
            .await?;
        Ok(row.map(|row| row.get(0)))
    }

    async fn get_mutation_macs(&self, name: &str, index_macs: &[[u8; 32]]) -> Result<HashMap<[u8; 32], Vec<u8>>> {
        let indexes: Vec<&[u8]> = index_macs.iter().map(<[u8; 32]>::as_slice).collect();
        let rows = self
            .read(
                "SELECT index_mac, value_mac FROM protocol_app_state_mac WHERE session_id = $1 AND collection = $2 AND index_mac = ANY($3)",
                &[&name, &indexes],
            )
            .await?;
        rows.into_iter()
            .map(|row| {
                let index: &[u8] = row.get(0);
                let index = index
                    .try_into()
                    .map_err(|_| StoreError::Validation("an index MAC is 32 bytes".to_owned()))?;
                Ok((index, row.get(1)))
            })
            .collect()
    }

    async fn delete_mutation_macs(&self, name: &str, index_macs: &[Vec<u8>]) -> Result<()> {
        self.write(
            fenced!(
                "DELETE FROM protocol_app_state_mac USING lease
                 WHERE protocol_app_state_mac.session_id = lease.session_id AND collection = $3 AND index_mac = ANY($4)"
            ),
            &[&name, &index_macs],
        )
        .await
    }

    async fn clear_mutation_macs(&self, name: &str) -> Result<()> {
        self.write(
            fenced!("DELETE FROM protocol_app_state_mac USING lease WHERE protocol_app_state_mac.session_id = lease.session_id AND collection = $3"),
            &[&name],
        )
        .await
    }

    async fn get_latest_sync_key_id(&self) -> Result<Option<Vec<u8>>> {
        let row = self
            .read_optional(
                "SELECT key_id FROM protocol_app_state_key WHERE session_id = $1 ORDER BY stored_at DESC LIMIT 1",
                &[],
            )
            .await?;
        Ok(row.map(|row| row.get(0)))
    }
}
