//! Removing what is too old to be of use, in bites that hold no lock for long.
//!
//! One worker of a region does it at a time: whoever gets the advisory lock. The protocol engine would delete its old rows for every session
//! by itself, thousands of statements a minute; here it is one job for all.

use super::{Store, StoreError, retention};
use crate::ids::SessionId;

/// The advisory lock of this job: any number that nobody else uses.
const LOCK: i64 = 0x524F_4F4B_4552_5901;
/// Rows that one statement deletes at most.
const BITE: i64 = 5_000;

impl Store {
    /// Deletes old rows of every kind. Answers how many, or `None` when another worker is at it.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn clean_up(&self) -> Result<Option<u64>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let locked = sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock($1) AS "locked!""#, LOCK)
            .fetch_one(&mut *transaction)
            .await?;
        if !locked {
            return Ok(None);
        }
        let mut deleted = 0;
        macro_rules! bite {
            ($statement:literal) => {
                deleted += sqlx::query!($statement, BITE)
                    .execute(&mut *transaction)
                    .await?
                    .rows_affected();
            };
        }
        // Retry receipts come within hours; the engine's own limit is two.
        bite!(
            "DELETE FROM protocol_sent_message WHERE ctid = ANY(ARRAY(SELECT ctid FROM protocol_sent_message WHERE created_at < now() - interval '1 day' LIMIT $1))"
        );
        bite!(
            "DELETE FROM protocol_pending_inbound WHERE ctid = ANY(ARRAY(SELECT ctid FROM protocol_pending_inbound WHERE created_at < now() - interval '7 days' LIMIT $1))"
        );
        bite!(
            "DELETE FROM protocol_message_secret WHERE ctid = ANY(ARRAY(SELECT ctid FROM protocol_message_secret WHERE expires_at > 0 AND expires_at < extract(epoch FROM now()) LIMIT $1))"
        );
        bite!(
            "DELETE FROM idempotency_key WHERE ctid = ANY(ARRAY(SELECT ctid FROM idempotency_key WHERE created_at < now() - interval '48 hours' LIMIT $1))"
        );
        bite!(
            "DELETE FROM login_token WHERE ctid = ANY(ARRAY(SELECT ctid FROM login_token WHERE expires_at < now() LIMIT $1))"
        );
        bite!(
            "DELETE FROM login_failure WHERE ctid = ANY(ARRAY(SELECT ctid FROM login_failure WHERE expires_at < now() LIMIT $1))"
        );
        bite!(
            "DELETE FROM tenant_message_count WHERE ctid = ANY(ARRAY(SELECT ctid FROM tenant_message_count WHERE day < (now() AT TIME ZONE 'UTC')::date - 7 LIMIT $1))"
        );
        bite!(
            "DELETE FROM command WHERE ctid = ANY(ARRAY(SELECT ctid FROM command WHERE finished_at < now() - interval '7 days' LIMIT $1))"
        );
        bite!(
            "DELETE FROM call WHERE ctid = ANY(ARRAY(SELECT ctid FROM call WHERE received_at < now() - interval '90 days' LIMIT $1))"
        );
        bite!(
            "DELETE FROM number_check WHERE ctid = ANY(ARRAY(SELECT ctid FROM number_check WHERE checked_at < now() - interval '30 days' LIMIT $1))"
        );
        bite!(
            "DELETE FROM delivery_attempt WHERE ctid = ANY(ARRAY(SELECT delivery_attempt.ctid FROM delivery_attempt JOIN delivery ON delivery.id = delivery_id WHERE finished_at < now() - interval '7 days' LIMIT $1))"
        );
        bite!(
            "DELETE FROM delivery WHERE ctid = ANY(ARRAY(SELECT ctid FROM delivery WHERE finished_at < now() - interval '7 days' AND NOT EXISTS (SELECT 1 FROM delivery_attempt WHERE delivery_id = delivery.id) LIMIT $1))"
        );
        bite!(
            "UPDATE webhook SET enabled = false, updated_at = now() WHERE ctid = ANY(ARRAY(SELECT ctid FROM webhook WHERE sessions = '{}' AND enabled AND NOT EXISTS (SELECT 1 FROM delivery WHERE webhook_id = webhook.id AND status = 'pending') LIMIT $1))"
        );
        // Those that older APIs' clients made with their sessions: they know of no other way to remove them.
        bite!(
            "DELETE FROM webhook WHERE ctid = ANY(ARRAY(SELECT ctid FROM webhook WHERE sessions = '{}' AND NOT enabled AND format <> 'rookery' AND updated_at < now() - interval '7 days' LIMIT $1))"
        );
        // Nobody can see them any more; for a week their owner can still look who has.
        bite!(
            "DELETE FROM status_post WHERE ctid = ANY(ARRAY(SELECT ctid FROM status_post WHERE expires_at < now() - interval '7 days' LIMIT $1))"
        );
        bite!(
            "DELETE FROM worker WHERE ctid = ANY(ARRAY(SELECT ctid FROM worker WHERE beat_at < now() - interval '1 hour' AND NOT EXISTS (SELECT 1 FROM session_lease WHERE worker_id = worker.id) LIMIT $1))"
        );
        let now = sqlx::query_scalar!(r#"SELECT now() AS "now!""#)
            .fetch_one(&mut *transaction)
            .await?;
        deleted += retention::enforce_retention(&mut transaction, now).await?;
        transaction.commit().await?;
        // Apart, because partitions lock out everybody for a moment.
        let mut transaction = self.pool.begin().await?;
        let locked = sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock($1) AS "locked!""#, LOCK)
            .fetch_one(&mut *transaction)
            .await?;
        if locked {
            retention::make_partitions(&mut transaction, now).await?;
            deleted += retention::drop_partitions(&mut transaction, now).await?;
        }
        transaction.commit().await?;
        Ok(Some(deleted))
    }

    /// Removes a session with everything that belongs to it, under its last claim. Answers whether the claim was still this one.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn remove_session(&self, session: SessionId, epoch: i64) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let held = sqlx::query_scalar!(
            "SELECT 1 FROM session_lease WHERE session_id = $1 AND epoch = $2 FOR UPDATE",
            session.uuid,
            epoch
        )
        .fetch_optional(&mut *transaction)
        .await?;
        if held.is_none() {
            return Ok(false);
        }
        remove_protocol_state(&mut transaction, session).await?;
        remove_read_model(&mut transaction, session).await?;
        sqlx::query!("DELETE FROM media_download WHERE session_id = $1", session.uuid)
            .execute(&mut *transaction)
            .await?;
        // The rows go when their objects are gone.
        sqlx::query!(
            "UPDATE media SET deleted_at = now() WHERE session_id = $1 AND deleted_at IS NULL",
            session.uuid
        )
        .execute(&mut *transaction)
        .await?;
        super::contacts::remove_people(&mut transaction, session).await?;
        // One that has no session left gets nothing new. What is planned for it is still delivered; then it is disabled (see `clean_up`).
        sqlx::query!(
            "UPDATE webhook SET sessions = array_remove(sessions, $1), updated_at = now() WHERE $1 = ANY(sessions)",
            session.uuid
        )
        .execute(&mut *transaction)
        .await?;
        // Leases, counters and the data key go with the session's row.
        sqlx::query!("DELETE FROM session WHERE id = $1", session.uuid)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Forgets everything that the protocol engine knows of a session, its keys included, under the claim `epoch`. Answers whether the claim was
    /// still this one.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn forget_credentials(&self, session: SessionId, epoch: i64) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let held = sqlx::query_scalar!(
            "SELECT 1 FROM session_lease WHERE session_id = $1 AND epoch = $2 FOR SHARE",
            session.uuid,
            epoch
        )
        .fetch_optional(&mut *transaction)
        .await?;
        if held.is_none() {
            return Ok(false);
        }
        remove_protocol_state(&mut transaction, session).await?;
        // Another account may be linked next: its groups are read as a whole again.
        sqlx::query!("DELETE FROM group_sync WHERE session_id = $1", session.uuid)
            .execute(&mut *transaction)
            .await?;
        sqlx::query!("DELETE FROM session_data_key WHERE session_id = $1", session.uuid)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Commands, messages, events and everything that was kept about them.
async fn remove_read_model(
    transaction: &mut sqlx::Transaction<'static, sqlx::Postgres>,
    session: SessionId,
) -> Result<(), StoreError> {
    macro_rules! remove {
        ($($statement:literal),* $(,)?) => {
            $(sqlx::query!($statement, session.uuid).execute(&mut **transaction).await?;)*
        };
    }
    remove!(
        "DELETE FROM command WHERE session_id = $1",
        "DELETE FROM message WHERE session_id = $1",
        "DELETE FROM message_identity WHERE session_id = $1",
        "DELETE FROM message_statistic WHERE session_id = $1",
        "DELETE FROM chat WHERE session_id = $1",
        "DELETE FROM event WHERE session_id = $1",
        "DELETE FROM event_identity WHERE session_id = $1",
        "DELETE FROM group_participant WHERE session_id = $1",
        "DELETE FROM group_info WHERE session_id = $1",
        "DELETE FROM group_sync WHERE session_id = $1",
        "DELETE FROM status_viewer WHERE session_id = $1",
        "DELETE FROM status_post WHERE session_id = $1",
    );
    Ok(())
}

async fn remove_protocol_state(
    transaction: &mut sqlx::Transaction<'static, sqlx::Postgres>,
    session: SessionId,
) -> Result<(), StoreError> {
    macro_rules! remove {
        ($($statement:literal),* $(,)?) => {
            $(sqlx::query!($statement, session.uuid).execute(&mut **transaction).await?;)*
        };
    }
    remove!(
        "DELETE FROM protocol_device WHERE session_id = $1",
        "DELETE FROM protocol_identity WHERE session_id = $1",
        "DELETE FROM protocol_ratchet WHERE session_id = $1",
        "DELETE FROM protocol_prekey WHERE session_id = $1",
        "DELETE FROM protocol_signed_prekey WHERE session_id = $1",
        "DELETE FROM protocol_sender_key WHERE session_id = $1",
        "DELETE FROM protocol_sender_key_device WHERE session_id = $1",
        "DELETE FROM protocol_lid_mapping WHERE session_id = $1",
        "DELETE FROM protocol_base_key WHERE session_id = $1",
        "DELETE FROM protocol_device_list WHERE session_id = $1",
        "DELETE FROM protocol_group WHERE session_id = $1",
        "DELETE FROM protocol_privacy_token WHERE session_id = $1",
        "DELETE FROM protocol_sent_message WHERE session_id = $1",
        "DELETE FROM protocol_pending_inbound WHERE session_id = $1",
        "DELETE FROM protocol_message_secret WHERE session_id = $1",
        "DELETE FROM protocol_app_state_key WHERE session_id = $1",
        "DELETE FROM protocol_app_state_version WHERE session_id = $1",
        "DELETE FROM protocol_app_state_mac WHERE session_id = $1",
    );
    Ok(())
}
