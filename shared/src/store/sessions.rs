//! Sessions as tenants see and change them.
//!
//! A gateway writes what is wanted (the lease's goal, name, metadata, settings); what *is* (status, account, codes) is written by the holder
//! alone. A deleted session is invisible here from the moment of its deletion, although a worker still has to unlink it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::leases::LEASE_TIME;
use super::{StoreError, TenantTransaction};
use crate::address::{Address, Party};
use crate::ids::{Region, SessionId, TenantId, WorkerId};
use crate::session::{Goal, SessionSettings, SessionStatus};

/// What tenants remember with a session, for themselves.
pub type Metadata = BTreeMap<String, String>;

/// The reason of a session whose holder has vanished and that nobody has taken over yet.
pub const HOLDER_LOST: &str = "holder_lost";

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name, for people.
    pub name: String,
    /// What the tenant remembers with it.
    pub metadata: Metadata,
    /// How it behaves; a proxy's URL is without its password.
    pub settings: SessionSettings,
    /// What it is. Never `connected` without a live holder.
    pub status: SessionStatus,
    /// Why, as a stable word.
    pub reason: Option<String>,
    /// What is wanted of it.
    pub goal: Goal,
    /// The linked account.
    pub account: Option<Party>,
    /// The account's name, as contacts see it.
    pub push_name: Option<String>,
    /// Who has claimed it.
    pub holder: Option<Holder>,
    /// Since when it is connected.
    pub connected_at: Option<DateTime<Utc>>,
    /// When its last event was recorded, to half a minute.
    pub last_event_at: Option<DateTime<Utc>>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When its name, metadata or settings were last changed.
    pub updated_at: DateTime<Utc>,
}

impl Session {
    /// The worker to which commands go: the holder, if it is alive.
    #[must_use]
    pub fn live_holder(&self) -> Option<WorkerId> {
        self.holder.filter(|holder| holder.alive).map(|holder| holder.worker)
    }
}

/// Who has claimed a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The worker.
    pub worker: WorkerId,
    /// The number of its claim.
    pub epoch: i64,
    /// Whether its heartbeat is fresh, by the database's clock.
    pub alive: bool,
}

/// A session to be created.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// Its name.
    pub name: String,
    /// What the tenant remembers with it.
    pub metadata: Metadata,
    /// How it behaves, without the proxy's password.
    pub settings: SessionSettings,
    /// The proxy's whole URL, sealed to the region.
    pub proxy_sealed: Option<Vec<u8>>,
    /// Credentials to import, sealed to the region.
    pub imported_credentials: Option<Vec<u8>>,
    /// What is wanted of it.
    pub goal: Goal,
}

/// What a tenant changes about a session. `None`: it stays.
#[derive(Debug, Clone, Default)]
pub struct SessionUpdate {
    /// Its name.
    pub name: Option<String>,
    /// What the tenant remembers with it.
    pub metadata: Option<Metadata>,
    /// How it behaves, without the proxy's password.
    pub settings: Option<SessionSettings>,
    /// The proxy's whole URL, sealed to the region; `Some(None)`: no proxy any more.
    pub proxy_sealed: Option<Option<Vec<u8>>>,
}

/// Which sessions are listed.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Those with one of these statuses; empty: all.
    pub statuses: Vec<SessionStatus>,
    /// Those whose metadata have all of these entries.
    pub metadata: Metadata,
    /// Those that the caller's key may touch; `None`: all.
    pub within: Option<Vec<Uuid>>,
}

/// What a person needs to link an account by QR code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing {
    /// What the session is.
    pub status: SessionStatus,
    /// Why, as a stable word.
    pub reason: Option<String>,
    /// What is wanted of it.
    pub goal: Goal,
    /// Whether an account is linked already.
    pub paired: bool,
    /// The code to show, unless it has expired by the database's clock.
    pub qr: Option<(String, DateTime<Utc>)>,
}

struct SessionRow {
    id: Uuid,
    tenant_id: Uuid,
    name: String,
    metadata: serde_json::Value,
    settings: serde_json::Value,
    status: String,
    status_reason: Option<String>,
    goal: String,
    jid: Option<String>,
    phone: Option<String>,
    lid: Option<String>,
    push_name: Option<String>,
    worker_id: Option<Uuid>,
    epoch: i64,
    holder_alive: bool,
    connected_at: Option<DateTime<Utc>>,
    last_event_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

fn corrupt(column: &'static str) -> StoreError {
    StoreError::Corrupt {
        table: "session",
        column,
    }
}

impl SessionRow {
    fn into_session(self, region: Region) -> Result<Session, StoreError> {
        let (status, reason) = effective_status(&self.status, self.status_reason, self.holder_alive)?;
        Ok(Session {
            id: SessionId::new(region, self.id),
            tenant: TenantId(self.tenant_id),
            name: self.name,
            metadata: serde_json::from_value(self.metadata).map_err(|_| corrupt("metadata"))?,
            settings: serde_json::from_value(self.settings).map_err(|_| corrupt("settings"))?,
            status,
            reason,
            goal: self.goal.parse().map_err(|_| corrupt("goal"))?,
            account: account(self.jid, self.phone, self.lid),
            push_name: self.push_name,
            holder: self.worker_id.map(|worker| Holder {
                worker: WorkerId(worker),
                epoch: self.epoch,
                alive: self.holder_alive,
            }),
            connected_at: self.connected_at.filter(|_| status == SessionStatus::Connected),
            last_event_at: self.last_event_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// A stored `connected` is only as true as its writer is alive.
fn effective_status(
    stored: &str,
    reason: Option<String>,
    holder_alive: bool,
) -> Result<(SessionStatus, Option<String>), StoreError> {
    let status = stored.parse().map_err(|_| corrupt("status"))?;
    if status == SessionStatus::Connected && !holder_alive {
        return Ok((SessionStatus::Disconnected, Some(HOLDER_LOST.to_owned())));
    }
    Ok((status, reason))
}

/// The account without its device. `jid` alone says that there is one.
fn account(jid: Option<String>, phone: Option<String>, lid: Option<String>) -> Option<Party> {
    let jid = jid?;
    let address = match (&phone, &lid) {
        (Some(phone), _) => Address::Phone(phone.clone()).to_string(),
        (None, Some(lid)) => Address::Lid(lid.clone()).to_string(),
        (None, None) => jid.parse::<Address>().map_or(jid, |address| address.to_string()),
    };
    Some(Party {
        jid: address,
        phone,
        lid,
    })
}

/// Reads sessions with their lease and holder; the caller adds the condition. `$1` is the tenant and `$2` the lease time in seconds.
macro_rules! select_sessions {
    ($condition:literal, $($argument:expr),* $(,)?) => {
        sqlx::query_as!(
            SessionRow,
            r#"SELECT session.id, session.tenant_id, name, metadata, settings, status, status_reason, goal, jid, phone, lid, push_name,
                      session_lease.worker_id, session_lease.epoch,
                      COALESCE(worker.beat_at > clock_timestamp() - make_interval(secs => $2), false) AS "holder_alive!",
                      connected_at, last_event_at, created_at, updated_at
               FROM session
               JOIN session_lease ON session_lease.session_id = session.id
               LEFT JOIN worker ON worker.id = session_lease.worker_id
               WHERE session.tenant_id = $1 AND deleted_at IS NULL AND "#
                + $condition,
            $($argument),*
        )
    };
}

impl TenantTransaction {
    /// Creates a session with its lease and its counters.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn create_session(&mut self, session: &NewSession) -> Result<(), StoreError> {
        sqlx::query!(
            "WITH new_session AS (
                 INSERT INTO session (id, tenant_id, name, metadata, settings, proxy_sealed, imported_credentials)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)
             ), new_lease AS (
                 INSERT INTO session_lease (session_id, tenant_id, goal) VALUES ($1, $2, $8)
             ), new_event_counter AS (
                 INSERT INTO event_counter (session_id) VALUES ($1)
             )
             INSERT INTO command_counter (session_id) VALUES ($1)",
            session.id.uuid,
            self.tenant.0,
            session.name,
            super::to_json(&session.metadata)?,
            super::to_json(&session.settings)?,
            session.proxy_sealed,
            session.imported_credentials,
            session.goal.as_str()
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// How many sessions the tenant has. Until the end of the transaction nobody else who counts them this way gets an answer, so that two
    /// requests cannot both take the last free place.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn count_sessions_exclusively(&mut self) -> Result<i64, StoreError> {
        sqlx::query!(
            r#"SELECT pg_advisory_xact_lock(hashtextextended($1 || ' sessions', 1)) AS "locked!: ()""#,
            self.tenant.to_string()
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM session WHERE tenant_id = $1 AND deleted_at IS NULL"#,
            self.tenant.0
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(count)
    }

    /// One session. `None` when there is none, it is another tenant's, or it is deleted.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn session(&mut self, session: SessionId) -> Result<Option<Session>, StoreError> {
        let row = select_sessions!("session.id = $3", self.tenant.0, LEASE_TIME.as_secs_f64(), session.uuid)
            .fetch_optional(&mut *self.transaction)
            .await?;
        row.map(|row| row.into_session(self.region)).transpose()
    }

    /// Sessions, newest first, at most `limit`: the first ones or those after `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn sessions(
        &mut self,
        filter: &SessionFilter,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Session>, StoreError> {
        let statuses: Vec<String> = filter.statuses.iter().map(SessionStatus::to_string).collect();
        let metadata = super::to_json(&filter.metadata)?;
        let rows = select_sessions!(
            "(cardinality($3::text[]) = 0
              OR CASE WHEN status = 'connected' AND NOT COALESCE(worker.beat_at > clock_timestamp() - make_interval(secs => $2), false)
                      THEN 'disconnected' ELSE status END = ANY($3))
             AND ($4::jsonb = '{}' OR metadata @> $4)
             AND ($5::uuid[] IS NULL OR session.id = ANY($5))
             AND ($6::uuid IS NULL OR session.id < $6)
             ORDER BY session.id DESC LIMIT $7",
            self.tenant.0,
            LEASE_TIME.as_secs_f64(),
            &statuses,
            metadata,
            filter.within.as_deref(),
            after,
            limit
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        rows.into_iter().map(|row| row.into_session(self.region)).collect()
    }

    /// Reads a session and keeps others from changing it until the end of the transaction.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn lock_session(&mut self, session: SessionId) -> Result<Option<Session>, StoreError> {
        let locked = sqlx::query_scalar!(
            "SELECT id FROM session WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL FOR UPDATE",
            session.uuid,
            self.tenant.0
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        match locked {
            Some(_) => self.session(session).await,
            None => Ok(None),
        }
    }

    /// Changes what a tenant may change about a session.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn update_session(&mut self, session: SessionId, update: &SessionUpdate) -> Result<(), StoreError> {
        let metadata = update.metadata.as_ref().map(super::to_json).transpose()?;
        let settings = update.settings.as_ref().map(super::to_json).transpose()?;
        sqlx::query!(
            "UPDATE session SET name = COALESCE($3, name), metadata = COALESCE($4, metadata), settings = COALESCE($5, settings),
                    proxy_sealed = CASE WHEN $6 THEN $7::bytea ELSE proxy_sealed END, updated_at = now()
             WHERE id = $1 AND tenant_id = $2",
            session.uuid,
            self.tenant.0,
            update.name,
            metadata,
            settings,
            update.proxy_sealed.is_some(),
            update.proxy_sealed.clone().flatten()
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Sets what is wanted of a session. Whoever waits to claim it may do so at once, whatever back-off was running.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn set_goal(&mut self, session: SessionId, goal: Goal) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE session_lease SET goal = $3, claim_after = '-infinity' WHERE session_id = $1 AND tenant_id = $2",
            session.uuid,
            self.tenant.0,
            goal.as_str()
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Makes a session invisible, and its names in dialects free; a worker then unlinks and removes it.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn hide_session(&mut self, session: SessionId) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE session SET deleted_at = now() WHERE id = $1 AND tenant_id = $2",
            session.uuid,
            self.tenant.0
        )
        .execute(&mut *self.transaction)
        .await?;
        sqlx::query!(
            "DELETE FROM dialect_session WHERE session_id = $1 AND tenant_id = $2",
            session.uuid,
            self.tenant.0
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// How linking a session by QR code stands.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn pairing(&mut self, session: SessionId) -> Result<Option<Pairing>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT status, status_reason, goal, jid IS NOT NULL AS "paired!", qr_code, qr_expires_at,
                      COALESCE(qr_expires_at > clock_timestamp(), false) AS "qr_valid!"
               FROM session JOIN session_lease ON session_id = id
               WHERE id = $1 AND session.tenant_id = $2 AND deleted_at IS NULL"#,
            session.uuid,
            self.tenant.0
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Pairing {
            status: row.status.parse().map_err(|_| corrupt("status"))?,
            reason: row.status_reason,
            goal: row.goal.parse().map_err(|_| corrupt("goal"))?,
            paired: row.paired,
            qr: row.qr_code.zip(row.qr_expires_at).filter(|_| row.qr_valid),
        }))
    }

    /// Which of these are no sessions of the tenant.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn unknown_sessions(&mut self, sessions: &[SessionId]) -> Result<Vec<SessionId>, StoreError> {
        let uuids: Vec<Uuid> = sessions.iter().map(|session| session.uuid).collect();
        let known = sqlx::query_scalar!(
            "SELECT id FROM session WHERE tenant_id = $1 AND id = ANY($2) AND deleted_at IS NULL",
            self.tenant.0,
            &uuids
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let here = |session: &SessionId| session.region == self.region && known.contains(&session.uuid);
        Ok(sessions.iter().filter(|session| !here(session)).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_whose_holder_is_gone_is_not_connected() {
        let lost = effective_status("connected", None, false).unwrap();
        assert_eq!(lost, (SessionStatus::Disconnected, Some("holder_lost".to_owned())));
        let live = effective_status("connected", None, true).unwrap();
        assert_eq!(live, (SessionStatus::Connected, None));
        let stopped = effective_status("stopped", Some("by_user".to_owned()), false).unwrap();
        assert_eq!(stopped, (SessionStatus::Stopped, Some("by_user".to_owned())));
        assert!(effective_status("asleep", None, true).is_err());
    }

    #[test]
    fn an_account_is_shown_without_its_device() {
        let both = account(
            Some("15550001001:7@s.whatsapp.net".into()),
            Some("15550001001".into()),
            None,
        )
        .unwrap();
        assert_eq!(both.jid, "15550001001@s.whatsapp.net");
        let only_jid = account(Some("15550001001:7@s.whatsapp.net".into()), None, None).unwrap();
        assert_eq!(only_jid.jid, "15550001001@s.whatsapp.net");
        assert_eq!(account(None, Some("15550001001".into()), None), None);
    }
}
