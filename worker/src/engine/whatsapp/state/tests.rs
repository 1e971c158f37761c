//! The library's store on a real Postgres: that it does what the library's own one does, that every write is fenced, and that secrets are sealed.
//!
//! Needs `ROOKERY_TEST_DATABASE_URL`: a server where the role may create databases. `deploy/local test` provides it.

use std::sync::Arc;

use bytes::Bytes;
use harness::scratch;
use secrecy::SecretString;
use shared::ids::{Region, SessionId, TenantId};
use shared::seal::RegionSecretKey;
use shared::session::SessionSettings;
use sqlx::AssertSqlSafe;
use wacore::appstate::hash::HashState;
use wacore::appstate::processor::AppStateMutationMAC;
use wacore::store::Device;
use wacore::store::in_memory::InMemoryBackend;
use wacore::store::traits::{
    AppStateSyncKey, AppSyncStore as _, Backend, DeviceInfo, DeviceListRecord, DeviceStore as _, LidPnMappingEntry,
    MsgSecretEntry, MsgSecretStore as _, PendingInboundKey, PendingInboundRow, ProtocolStore as _, SignalStore as _,
    TcTokenEntry,
};

use super::{ProtocolState, connect};
use crate::authority::Authority;
use crate::engine::EngineSession;
use crate::gate::{Claim, Closed, Gate};

/// A database of its own, with one claimed session.
struct Database {
    scratch: scratch::Database,
    tenant: TenantId,
    session: SessionId,
    region: RegionSecretKey,
}

impl Database {
    async fn create() -> Self {
        let region: Region = "eu1".parse().unwrap();
        let database = Self {
            scratch: scratch::Database::create().await,
            tenant: TenantId::generate(),
            session: SessionId::generate(region),
            region: RegionSecretKey::generate(),
        };
        database.add_session(database.session).await;
        database
    }

    async fn add_session(&self, session: SessionId) {
        for statement in [
            "INSERT INTO tenant (id, name) VALUES ($1, 'acme') ON CONFLICT DO NOTHING",
            "INSERT INTO session (id, tenant_id, name) VALUES ($2, $1, 'one')",
            "INSERT INTO session_lease (session_id, tenant_id, goal, epoch) VALUES ($2, $1, 'started', 1)",
        ] {
            let mut query = sqlx::query(AssertSqlSafe(statement)).bind(self.tenant.0);
            if statement.contains("$2") {
                query = query.bind(session.uuid);
            }
            query.execute(&self.scratch.pool).await.unwrap();
        }
    }

    /// The session's state under the claim `epoch`, and the gate that it closes when something is wrong.
    fn state(&self, epoch: i64) -> (Arc<ProtocolState>, Gate) {
        let url = self.scratch.url(None);
        let gate = Gate::new(Authority::new(), &Claim::default());
        let place = shared::seal::Place {
            tenant: self.tenant.0,
            session: self.session.uuid,
            table: "t",
            column: "c",
            row: b"",
        };
        // Every state of one test must open what the others have sealed.
        static KEY: std::sync::OnceLock<shared::seal::DataKey> = std::sync::OnceLock::new();
        let key = KEY.get_or_init(|| self.region.create_data_key(place).0).clone();
        let session = EngineSession {
            session: self.session,
            tenant: self.tenant,
            epoch,
            key,
            settings: SessionSettings::default(),
            import: None,
            gate: gate.clone(),
        };
        (
            ProtocolState::new(connect(&SecretString::from(url), 4).unwrap(), &session),
            gate,
        )
    }

    async fn take_over(&self) {
        sqlx::query("UPDATE session_lease SET epoch = epoch + 1 WHERE session_id = $1")
            .bind(self.session.uuid)
            .execute(&self.scratch.pool)
            .await
            .unwrap();
    }
}

fn lid(lid: &str, phone: &str, updated_at: i64) -> LidPnMappingEntry {
    LidPnMappingEntry {
        lid: lid.into(),
        phone_number: phone.into(),
        created_at: 1,
        updated_at,
        learning_source: "usync".into(),
    }
}

fn secret(expires_at: i64, message_ts: i64) -> MsgSecretEntry {
    MsgSecretEntry {
        chat: "c@lid".into(),
        sender: "s@lid".into(),
        msg_id: "id".into(),
        secret: [7; 32],
        expires_at,
        message_ts,
    }
}

/// Tries a write, and answers whether it was refused.
type Attempt = Box<dyn Fn(Arc<ProtocolState>) -> futures::future::BoxFuture<'static, bool>>;

/// Everything that a client may ask of its store, with every answer written down. Two stores that behave alike write the same.
async fn diary(store: &dyn Backend) -> Vec<String> {
    let mut diary = Vec::new();
    macro_rules! note {
        ($($call:expr),* $(,)?) => {
            $(diary.push(format!("{}: {:?}", stringify!($call).split('(').next().unwrap_or_default(), $call.await.unwrap()));)*
        };
    }
    let addresses: Vec<(Arc<str>, Bytes)> = vec![
        ("1@lid.0".into(), Bytes::from_static(b"zero")),
        ("1@lid.0".into(), Bytes::from_static(b"one")),
        ("1:2@lid.0".into(), Bytes::from_static(b"two")),
    ];
    note!(
        store.load_identity("1@lid.0"),
        store.put_identity("1@lid.0", [1; 32]),
        store.put_identities_batch(&[
            ("1@lid.0".into(), [9; 32]),
            ("1@lid.0".into(), [2; 32]),
            ("3@lid.0".into(), [3; 32])
        ]),
        store.load_identity("1@lid.0"),
        store.delete_identity("1@lid.0"),
        store.delete_identity("absent"),
        store.load_identity("1@lid.0"),
        store.get_session("1@lid.0"),
        store.has_session("1@lid.0"),
        store.put_sessions_batch(&addresses),
        store.put_session("1@lid.0", b"newer"),
        store.get_session("1@lid.0"),
        store.has_session("1:2@lid.0"),
        store.has_signal_state_for_user("1"),
        store.has_signal_state_for_user("3"),
        store.has_signal_state_for_user("2"),
        store.has_signal_state_for_user("11"),
        store.delete_session("1@lid.0"),
        store.get_session("1@lid.0"),
        store.get_max_prekey_id(),
        store.store_prekeys_batch(
            &[(5, Bytes::from_static(b"five")), (9, Bytes::from_static(b"nine"))],
            false
        ),
        store.store_prekey(7, b"seven", true),
        store.mark_prekeys_uploaded(&[5, 9, 1234]),
        store.load_prekey(9),
        store.load_prekey(1234),
        store.remove_prekey(9),
        store.load_prekey(9),
        store.get_max_prekey_id(),
        store.store_signed_prekey(1, b"signed"),
        store.store_signed_prekey(1, b"signed again"),
        store.load_signed_prekey(1),
        store.load_all_signed_prekeys(),
        store.remove_signed_prekey(1),
        store.load_signed_prekey(1),
        store.put_sender_key("g::s", b"key"),
        store.get_sender_key("g::s"),
        store.delete_sender_key("g::s"),
        store.get_sender_key("g::s"),
    );
    let key = AppStateSyncKey {
        key_data: vec![1; 32],
        fingerprint: vec![2],
        timestamp: 3,
    };
    note!(
        store.get_latest_sync_key_id(),
        store.set_sync_key(b"k1", key.clone()),
        store.set_sync_key(b"k2", key.clone()),
        store.get_latest_sync_key_id(),
        store.set_sync_key(b"k1", key),
        store.get_latest_sync_key_id(),
        store.get_sync_key(b"k1"),
        store.get_sync_key(b"absent"),
    );
    let mac = |byte: u8| AppStateMutationMAC {
        index_mac: vec![byte; 32],
        value_mac: vec![byte + 1; 32],
    };
    let state = HashState {
        version: 4,
        ..HashState::default()
    };
    note!(
        store.set_version("regular", state),
        store.put_mutation_macs("regular", 4, &[mac(1), mac(2), mac(1)]),
        store.get_mutation_mac("regular", &[1; 32]),
        store.get_mutation_mac("other", &[1; 32]),
        store.delete_mutation_macs("regular", &[vec![1; 32], vec![9; 32]]),
        store.get_mutation_mac("regular", &[1; 32]),
        store.get_mutation_macs("regular", &[[2; 32], [1; 32]]),
        store.clear_mutation_macs("regular"),
        store.get_mutation_mac("regular", &[2; 32]),
    );
    diary.push(format!(
        "version: {}",
        store.get_version("regular").await.unwrap().version
    ));
    diary.push(format!(
        "version: {}",
        store.get_version("absent").await.unwrap().version
    ));
    note!(
        store.get_sender_key_devices("g"),
        store.set_sender_key_status("g", &[("1@lid", true), ("1@lid", false)]),
        store.get_sender_key_devices("g"),
        store.delete_sender_key_device_rows(&["1@lid"]),
        store.get_sender_key_devices("g"),
        store.set_sender_key_status("g", &[("2@lid", true)]),
        store.clear_sender_key_devices("g"),
        store.clear_all_sender_key_devices(),
        store.get_sender_key_devices("g"),
        store.get_lid_mapping("100"),
        store.put_lid_mappings(&[lid("100", "15", 1), lid("200", "18", 2)]),
        store.put_lid_mapping(&lid("100", "16", 3)),
        store.get_lid_mapping("100"),
        store.get_pn_mapping("15"),
        store.get_pn_mapping("16"),
        store.get_pn_mapping("17"),
        store.save_base_key("a", "m", &[1]),
        store.has_same_base_key("a", "m", &[1]),
        store.has_same_base_key("a", "m", &[2]),
        store.delete_base_key("a", "m"),
        store.has_same_base_key("a", "m", &[1]),
        store.get_group_metadata("g"),
        store.put_group_metadata("g", b"blob"),
        store.get_group_metadata("g"),
        store.delete_group_metadata("g"),
        store.get_group_metadata("g"),
    );
    let list = |timestamp| DeviceListRecord {
        user: "1".into(),
        devices: vec![DeviceInfo::new(3, Some(1))],
        timestamp,
        phash: None,
        raw_id: Some(9),
    };
    note!(
        store.update_device_lists(vec![list(1), list(2)]),
        store.get_devices("1"),
        store.delete_devices("1"),
        store.get_devices("1"),
        store.touch_tc_token_sender_timestamp("1@lid", 10),
        store.touch_tc_token_sender_timestamp("1@lid", 5),
        store.get_tc_token("1@lid"),
        store.store_received_tc_token("1@lid", b"token", 20),
        store.store_received_tc_token("1@lid", b"stale", 19),
        store.get_tc_token("1@lid"),
        store.put_tc_token(
            "2@lid",
            &TcTokenEntry {
                token: vec![1],
                token_timestamp: 1,
                sender_timestamp: None
            }
        ),
        store.delete_expired_tc_tokens(15, 15),
        store.get_all_tc_token_jids(),
        store.delete_tc_token("1@lid"),
        store.get_all_tc_token_jids(),
        store.store_sent_message("c", "m", b"sent"),
        store.take_sent_message("c", "other"),
        store.take_sent_message("c", "m"),
        store.take_sent_message("c", "m"),
        store.store_pending_inbound_batch(&[PendingInboundRow {
            chat: "c",
            sender: "s",
            id: "m",
            message: b"in"
        }]),
        store.get_pending_inbound("c", "s", "m"),
        store.get_pending_inbound("c", "other", "m"),
        store.delete_pending_inbound_batch(&[PendingInboundKey {
            chat: "c",
            sender: "s",
            id: "m"
        }]),
        store.get_pending_inbound("c", "s", "m"),
        store.put_msg_secrets(vec![secret(50, 10), secret(40, 5)]),
        store.get_msg_secret_with_ts("c@lid", "s@lid", "id"),
        store.get_msg_secret("c@lid", "s@lid", "absent"),
    );
    diary
}

#[tokio::test]
async fn the_store_does_what_the_librarys_own_one_does() {
    let database = Database::create().await;
    let (state, gate) = database.state(1);
    let expected = diary(&InMemoryBackend::new()).await;
    let actual = diary(&*state).await;
    for (expected, actual) in expected.iter().zip(&actual) {
        assert_eq!(actual, expected);
    }
    assert_eq!(gate.closed(), None);
}

#[tokio::test]
async fn a_device_is_there_from_the_moment_of_its_creation_and_comes_back_whole() {
    let database = Database::create().await;
    let (state, _gate) = database.state(1);
    assert!(!state.exists().await.unwrap());
    state.create().await.unwrap();
    let created = state.load().await.unwrap().unwrap();
    let (again, _gate) = database.state(1);
    let loaded = again.load().await.unwrap().unwrap();
    assert_eq!(loaded.registration_id, created.registration_id);
    assert_eq!(
        loaded.identity_key.private_key.serialize(),
        created.identity_key.private_key.serialize()
    );
    assert_eq!(loaded.signed_pre_key_signature, created.signed_pre_key_signature);
}

#[tokio::test]
async fn after_a_take_over_no_write_of_the_old_holder_lands() {
    let database = Database::create().await;
    let (new, new_gate) = database.state(2);
    let attempts: Vec<(&str, Attempt)> = vec![
        (
            "save",
            Box::new(|state| Box::pin(async move { state.save(&Device::new()).await.is_err() })),
        ),
        (
            "identity",
            Box::new(|state| Box::pin(async move { state.put_identity("1@lid.0", [9; 32]).await.is_err() })),
        ),
        (
            "ratchet",
            Box::new(|state| Box::pin(async move { state.put_session("1@lid.0", b"stale").await.is_err() })),
        ),
        (
            "delete ratchet",
            Box::new(|state| Box::pin(async move { state.delete_session("1@lid.0").await.is_err() })),
        ),
        (
            "prekey",
            Box::new(|state| Box::pin(async move { state.store_prekey(1, b"stale", false).await.is_err() })),
        ),
        (
            "uploaded",
            Box::new(|state| Box::pin(async move { state.mark_prekeys_uploaded(&[1]).await.is_err() })),
        ),
        (
            "sender key",
            Box::new(|state| Box::pin(async move { state.put_sender_key("g", b"stale").await.is_err() })),
        ),
        (
            "version",
            Box::new(|state| Box::pin(async move { state.set_version("r", HashState::default()).await.is_err() })),
        ),
        (
            "sent",
            Box::new(|state| Box::pin(async move { state.store_sent_message("c", "m", b"stale").await.is_err() })),
        ),
        (
            "take sent",
            Box::new(|state| Box::pin(async move { state.take_sent_message("c", "m").await.is_err() })),
        ),
        (
            "inbound",
            Box::new(|state| {
                Box::pin(async move { state.store_pending_inbound("c", "s", "m", b"stale").await.is_err() })
            }),
        ),
        (
            "secrets",
            Box::new(|state| Box::pin(async move { state.put_msg_secrets(vec![secret(0, 0)]).await.is_err() })),
        ),
        (
            "tokens",
            Box::new(|state| Box::pin(async move { state.delete_expired_tc_tokens(99, 99).await.is_err() })),
        ),
    ];
    let (first, _gate) = database.state(1);
    first.put_session("1@lid.0", b"before").await.unwrap();
    database.take_over().await;
    new.put_session("1@lid.0", b"of the new holder").await.unwrap();
    for (name, attempt) in attempts {
        let (old, gate) = database.state(1);
        assert!(attempt(old).await, "{name} was not refused");
        assert_eq!(gate.closed(), Some(Closed::Fenced), "{name} closes the session");
    }
    assert_eq!(
        new.get_session("1@lid.0").await.unwrap().unwrap(),
        b"of the new holder".as_slice()
    );
    assert_eq!(new.load_prekey(1).await.unwrap(), None);
    assert_eq!(new_gate.closed(), None);
}

#[tokio::test]
async fn a_take_over_waits_for_the_write_that_is_under_way_and_sees_it() {
    let database = Database::create().await;
    // The old holder's statement has locked the lease and is about to write.
    let mut writing = database.scratch.pool.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM session_lease WHERE session_id = $1 AND epoch = 1 FOR SHARE")
        .bind(database.session.uuid)
        .execute(&mut *writing)
        .await
        .unwrap();
    let mut take_over = Box::pin(database.take_over());
    let waited = tokio::time::timeout(std::time::Duration::from_millis(200), &mut take_over).await;
    assert!(
        waited.is_err(),
        "the claim must not pass a write that has checked the fence already"
    );
    writing.commit().await.unwrap();
    take_over.await;
}

#[tokio::test]
async fn secrets_rest_sealed_and_a_moved_cell_ends_the_session() {
    const PLAINTEXT: &[u8] = b"a very secret ratchet of the session";
    let database = Database::create().await;
    let (state, _gate) = database.state(1);
    state.put_session("1@lid.0", PLAINTEXT).await.unwrap();
    state.put_session("2@lid.0", b"another").await.unwrap();
    let sealed: Vec<u8> = sqlx::query_scalar("SELECT sealed FROM protocol_ratchet WHERE address = '1@lid.0'")
        .fetch_one(&database.scratch.pool)
        .await
        .unwrap();
    assert!(
        !sealed
            .windows(8)
            .any(|window| PLAINTEXT.windows(8).any(|secret| secret == window))
    );

    sqlx::query("UPDATE protocol_ratchet SET sealed = (SELECT sealed FROM protocol_ratchet WHERE address = '1@lid.0') WHERE address = '2@lid.0'")
        .execute(&database.scratch.pool)
        .await
        .unwrap();
    let (state, gate) = database.state(1);
    assert!(state.get_session("2@lid.0").await.is_err());
    assert_eq!(gate.closed(), Some(Closed::Poisoned));
    assert!(
        state.get_session("1@lid.0").await.is_err(),
        "nothing of a session in doubt is used any more"
    );
}

#[tokio::test]
async fn sessions_do_not_see_each_others_state() {
    let database = Database::create().await;
    let (state, _gate) = database.state(1);
    state.put_identity("1@lid.0", [1; 32]).await.unwrap();
    state.put_lid_mapping(&lid("100", "15", 1)).await.unwrap();
    let other = SessionId::generate("eu1".parse().unwrap());
    database.add_session(other).await;
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM protocol_identity WHERE session_id = $1")
        .bind(other.uuid)
        .fetch_one(&database.scratch.pool)
        .await
        .unwrap();
    assert_eq!(rows, 0);
    let mine: i64 = sqlx::query_scalar("SELECT count(*) FROM protocol_identity WHERE session_id = $1")
        .bind(database.session.uuid)
        .fetch_one(&database.scratch.pool)
        .await
        .unwrap();
    assert_eq!(mine, 1);
}

#[tokio::test]
async fn an_id_that_cannot_be_stored_stops_nothing() {
    let database = Database::create().await;
    let (state, gate) = database.state(1);
    let row = PendingInboundRow {
        chat: "1@lid",
        sender: "1@lid",
        id: "3EB0\0",
        message: b"hello",
    };
    state.store_pending_inbound_batch(&[row]).await.unwrap();
    state.save_base_key("1@lid.0", "3EB0\0", b"key").await.unwrap();
    assert!(state.has_same_base_key("1@lid.0", "3EB0\0", b"key").await.unwrap());
    assert_eq!(state.take_sent_message("1@lid", "3EB0\0").await.unwrap(), None);
    assert_eq!(state.get_msg_secret("1@lid", "1@lid", "3EB0\0").await.unwrap(), None);
    assert!(gate.closed().is_none(), "the session goes on");
}
