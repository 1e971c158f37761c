//! Identities, double ratchets, pre-keys and sender keys.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use wacore::store::error::{Result, StoreError};
use wacore::store::traits::SignalStore;

use super::{ProtocolState, fenced, integer, last_of_each, unsigned};

const RATCHET: &str = "protocol_ratchet";
const PREKEY: &str = "protocol_prekey";
const SIGNED_PREKEY: &str = "protocol_signed_prekey";
const SENDER_KEY: &str = "protocol_sender_key";

fn public_key(bytes: &[u8]) -> Result<[u8; 32]> {
    bytes
        .try_into()
        .map_err(|_| StoreError::Validation("an identity key is 32 bytes".to_owned()))
}

#[async_trait]
impl SignalStore for ProtocolState {
    async fn put_identity(&self, address: &str, key: [u8; 32]) -> Result<()> {
        self.put_identities_batch(&[(Arc::from(address), key)]).await
    }

    async fn put_identities_batch(&self, identities: &[(Arc<str>, [u8; 32])]) -> Result<()> {
        let (addresses, keys) = last_of_each(identities.iter().map(|(address, key)| (&**address, key.as_slice())));
        self.write(
            fenced!(
                "INSERT INTO protocol_identity (session_id, address, public_key)
                 SELECT lease.session_id, input.address, input.public_key FROM lease, unnest($3::text[], $4::bytea[]) AS input (address, public_key)
                 ON CONFLICT (session_id, address) DO UPDATE SET public_key = excluded.public_key"
            ),
            &[&addresses, &keys],
        )
        .await
    }

    async fn load_identity(&self, address: &str) -> Result<Option<[u8; 32]>> {
        let row = self
            .read_optional(
                "SELECT public_key FROM protocol_identity WHERE session_id = $1 AND address = $2",
                &[&address],
            )
            .await?;
        row.map(|row| public_key(row.get(0))).transpose()
    }

    async fn delete_identity(&self, address: &str) -> Result<()> {
        self.write(
            fenced!("DELETE FROM protocol_identity USING lease WHERE protocol_identity.session_id = lease.session_id AND address = $3"),
            &[&address],
        )
        .await
    }

    async fn get_session(&self, address: &str) -> Result<Option<Bytes>> {
        let row = self
            .read_optional(
                "SELECT sealed FROM protocol_ratchet WHERE session_id = $1 AND address = $2",
                &[&address],
            )
            .await?;
        row.map(|row| {
            Ok(Bytes::copy_from_slice(&self.open(
                RATCHET,
                address.as_bytes(),
                row.get(0),
            )?))
        })
        .transpose()
    }

    async fn put_session(&self, address: &str, session: &[u8]) -> Result<()> {
        self.put_sessions_batch(&[(Arc::from(address), Bytes::copy_from_slice(session))])
            .await
    }

    async fn put_sessions_batch(&self, sessions: &[(Arc<str>, Bytes)]) -> Result<()> {
        let sealed = |(address, ratchet): &(Arc<str>, Bytes)| self.seal(RATCHET, address.as_bytes(), ratchet);
        let (addresses, sealed) = last_of_each(sessions.iter().map(|session| (&*session.0, sealed(session))));
        self.write(
            fenced!(
                "INSERT INTO protocol_ratchet (session_id, address, sealed)
                 SELECT lease.session_id, input.address, input.sealed FROM lease, unnest($3::text[], $4::bytea[]) AS input (address, sealed)
                 ON CONFLICT (session_id, address) DO UPDATE SET sealed = excluded.sealed"
            ),
            &[&addresses, &sealed],
        )
        .await
    }

    async fn delete_session(&self, address: &str) -> Result<()> {
        self.write(
            fenced!("DELETE FROM protocol_ratchet USING lease WHERE protocol_ratchet.session_id = lease.session_id AND address = $3"),
            &[&address],
        )
        .await
    }

    async fn has_session(&self, address: &str) -> Result<bool> {
        let row = self
            .read_optional(
                "SELECT 1 FROM protocol_ratchet WHERE session_id = $1 AND address = $2",
                &[&address],
            )
            .await?;
        Ok(row.is_some())
    }

    async fn has_signal_state_for_user(&self, user: &str) -> Result<bool> {
        // Addresses are `user@server…` for device 0 and `user:device@server…` for the others. The column's order is by bytes, so a range is served by the
        // primary key.
        let statement = "SELECT EXISTS (
                SELECT 1 FROM protocol_ratchet WHERE session_id = $1 AND address >= $2 AND address < $3
                UNION ALL SELECT 1 FROM protocol_identity WHERE session_id = $1 AND address >= $2 AND address < $3
                UNION ALL SELECT 1 FROM protocol_ratchet WHERE session_id = $1 AND address >= $4 AND address < $5
                UNION ALL SELECT 1 FROM protocol_identity WHERE session_id = $1 AND address >= $4 AND address < $5)";
        // The character after '@' is 'A', the one after ':' is ';'.
        let bounds = [
            format!("{user}@"),
            format!("{user}A"),
            format!("{user}:"),
            format!("{user};"),
        ];
        let row = self
            .read_optional(statement, &[&bounds[0], &bounds[1], &bounds[2], &bounds[3]])
            .await?;
        Ok(row.is_some_and(|row| row.get(0)))
    }

    async fn store_prekey(&self, id: u32, record: &[u8], uploaded: bool) -> Result<()> {
        self.store_prekeys_batch(&[(id, Bytes::copy_from_slice(record))], uploaded)
            .await
    }

    async fn store_prekeys_batch(&self, keys: &[(u32, Bytes)], uploaded: bool) -> Result<()> {
        let ids: Vec<i32> = keys.iter().map(|(id, _)| integer(*id)).collect::<Result<_>>()?;
        let sealed: Vec<Vec<u8>> = keys
            .iter()
            .map(|(id, record)| self.seal(PREKEY, &id.to_be_bytes(), record))
            .collect();
        self.write(
            fenced!(
                "INSERT INTO protocol_prekey (session_id, id, sealed, uploaded)
                 SELECT lease.session_id, input.id, input.sealed, $5 FROM lease, unnest($3::integer[], $4::bytea[]) AS input (id, sealed)
                 ON CONFLICT (session_id, id) DO UPDATE SET sealed = excluded.sealed, uploaded = excluded.uploaded"
            ),
            &[&ids, &sealed, &uploaded],
        )
        .await
    }

    async fn load_prekey(&self, id: u32) -> Result<Option<Bytes>> {
        Ok(self
            .load_prekeys_batch(&[id])
            .await?
            .into_iter()
            .next()
            .map(|(_, record)| record))
    }

    async fn load_prekeys_batch(&self, ids: &[u32]) -> Result<Vec<(u32, Bytes)>> {
        let ids: Vec<i32> = ids.iter().map(|id| integer(*id)).collect::<Result<_>>()?;
        let rows = self
            .read(
                "SELECT id, sealed FROM protocol_prekey WHERE session_id = $1 AND id = ANY($2)",
                &[&ids],
            )
            .await?;
        rows.into_iter()
            .map(|row| {
                let id = unsigned(row.get(0))?;
                Ok((
                    id,
                    Bytes::copy_from_slice(&self.open(PREKEY, &id.to_be_bytes(), row.get(1))?),
                ))
            })
            .collect()
    }

    async fn mark_prekeys_uploaded(&self, ids: &[u32]) -> Result<()> {
        let ids: Vec<i32> = ids.iter().map(|id| integer(*id)).collect::<Result<_>>()?;
        self.write(
            fenced!("UPDATE protocol_prekey SET uploaded = true FROM lease WHERE protocol_prekey.session_id = lease.session_id AND id = ANY($3)"),
            &[&ids],
        )
        .await
    }

    async fn remove_prekey(&self, id: u32) -> Result<()> {
        self.write(
            fenced!("DELETE FROM protocol_prekey USING lease WHERE protocol_prekey.session_id = lease.session_id AND id = $3"),
            &[&integer(id)?],
        )
        .await
    }

    async fn get_max_prekey_id(&self) -> Result<u32> {
        let row = self
            .read_optional(
                "SELECT COALESCE(max(id), 0) FROM protocol_prekey WHERE session_id = $1",
                &[],
            )
            .await?;
        row.map_or(Ok(0), |row| unsigned(row.get(0)))
    }

    async fn store_signed_prekey(&self, id: u32, record: &[u8]) -> Result<()> {
        self.write(
            fenced!(
                "INSERT INTO protocol_signed_prekey (session_id, id, sealed) SELECT session_id, $3, $4 FROM lease
                 ON CONFLICT (session_id, id) DO UPDATE SET sealed = excluded.sealed"
            ),
            &[&integer(id)?, &self.seal(SIGNED_PREKEY, &id.to_be_bytes(), record)],
        )
        .await
    }

    async fn load_signed_prekey(&self, id: u32) -> Result<Option<Vec<u8>>> {
        let row = self
            .read_optional(
                "SELECT sealed FROM protocol_signed_prekey WHERE session_id = $1 AND id = $2",
                &[&integer(id)?],
            )
            .await?;
        row.map(|row| Ok(self.open(SIGNED_PREKEY, &id.to_be_bytes(), row.get(0))?.to_vec()))
            .transpose()
    }

    async fn load_all_signed_prekeys(&self) -> Result<Vec<(u32, Vec<u8>)>> {
        let rows = self
            .read(
                "SELECT id, sealed FROM protocol_signed_prekey WHERE session_id = $1 ORDER BY id",
                &[],
            )
            .await?;
        rows.into_iter()
            .map(|row| {
                let id = unsigned(row.get(0))?;
                Ok((id, self.open(SIGNED_PREKEY, &id.to_be_bytes(), row.get(1))?.to_vec()))
            })
            .collect()
    }

    async fn remove_signed_prekey(&self, id: u32) -> Result<()> {
        self.write(
            fenced!("DELETE FROM protocol_signed_prekey USING lease WHERE protocol_signed_prekey.session_id = lease.session_id AND id = $3"),
            &[&integer(id)?],
        )
        .await
    }

    async fn put_sender_key(&self, address: &str, record: &[u8]) -> Result<()> {
        self.put_sender_keys_batch(&[(Arc::from(address), Bytes::copy_from_slice(record))])
            .await
    }

    async fn put_sender_keys_batch(&self, sender_keys: &[(Arc<str>, Bytes)]) -> Result<()> {
        let sealed = |(name, record): &(Arc<str>, Bytes)| self.seal(SENDER_KEY, name.as_bytes(), record);
        let (names, sealed) = last_of_each(sender_keys.iter().map(|key| (&*key.0, sealed(key))));
        self.write(
            fenced!(
                "INSERT INTO protocol_sender_key (session_id, name, sealed)
                 SELECT lease.session_id, input.name, input.sealed FROM lease, unnest($3::text[], $4::bytea[]) AS input (name, sealed)
                 ON CONFLICT (session_id, name) DO UPDATE SET sealed = excluded.sealed"
            ),
            &[&names, &sealed],
        )
        .await
    }

    async fn get_sender_key(&self, address: &str) -> Result<Option<Vec<u8>>> {
        let row = self
            .read_optional(
                "SELECT sealed FROM protocol_sender_key WHERE session_id = $1 AND name = $2",
                &[&address],
            )
            .await?;
        row.map(|row| Ok(self.open(SENDER_KEY, address.as_bytes(), row.get(0))?.to_vec()))
            .transpose()
    }

    async fn delete_sender_key(&self, address: &str) -> Result<()> {
        self.write(
            fenced!("DELETE FROM protocol_sender_key USING lease WHERE protocol_sender_key.session_id = lease.session_id AND name = $3"),
            &[&address],
        )
        .await
    }
}
