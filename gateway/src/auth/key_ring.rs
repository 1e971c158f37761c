//! The keys of tenants and the tokens of their users: looked up by their hash, remembered for a moment.
//!
//! A key or token that is revoked anywhere must stop working everywhere within two seconds, also when the hint that says so is lost. So nothing is
//! remembered longer than [`CACHE_TIME`], and nothing at all about keys that do not exist.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use shared::ids::ApiKeyId;
use shared::store::Store;
use shared::store::api_keys::{Credential, KeyAccess};
use shared::{api_key, user};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::database::promptly;
use crate::problem::Problem;

/// How long a key's look-up is trusted.
pub const CACHE_TIME: Duration = Duration::from_millis(1_500);
/// How often the use of a key is noted.
const NOTE_INTERVAL: Duration = Duration::from_secs(60);
/// Keys that are remembered at once.
const CAPACITY: usize = 10_000;

/// The keys of tenants.
#[derive(Debug)]
pub struct KeyRing {
    store: Store,
    known: Mutex<HashMap<[u8; 32], Known>>,
    noted: Mutex<HashMap<ApiKeyId, Instant>>,
    notes: mpsc::Sender<ApiKeyId>,
}

#[derive(Debug)]
struct Known {
    access: Arc<KeyAccess>,
    read_at: Instant,
}

impl Known {
    fn is_fresh(&self) -> bool {
        self.read_at.elapsed() < CACHE_TIME
    }
}

/// The task that notes when keys were used, out of every request's way.
#[derive(Debug)]
pub struct KeyNotes {
    store: Store,
    used: mpsc::Receiver<ApiKeyId>,
}

/// A key ring and its task.
#[must_use]
pub fn new(store: Store) -> (KeyRing, KeyNotes) {
    let (notes, used) = mpsc::channel(1_024);
    let ring = KeyRing {
        store: store.clone(),
        known: Mutex::default(),
        noted: Mutex::default(),
        notes,
    };
    (ring, KeyNotes { store, used })
}

impl KeyRing {
    /// What a key or token allows; `None` when it does not work.
    ///
    /// # Errors
    /// [`shared::problem::Code::Unavailable`] when the database is away and the key is not remembered.
    pub async fn find(&self, key: &str) -> Result<Option<Arc<KeyAccess>>, Problem> {
        let is_token = user::is_token(key);
        if !is_token && !api_key::is_well_formed(key) {
            return Ok(None);
        }
        let hash = api_key::hash(key);
        if let Some(access) = self.remembered(&hash) {
            return Ok(Some(access));
        }
        // Trust begins before the database is asked: an answer that is slow to come is no younger for that.
        let read_at = Instant::now();
        let found = promptly(async {
            let mut transaction = self.store.administration().await?;
            Ok(match is_token {
                true => transaction.find_login(&hash).await?,
                false => transaction.find_api_key(&hash).await?,
            })
        })
        .await?;
        let Some(access) = found.map(Arc::new) else {
            return Ok(None);
        };
        self.remember(hash, Arc::clone(&access), read_at);
        if let Credential::ApiKey(key) = access.credential {
            self.note(key);
        }
        Ok(Some(access))
    }

    /// Forgets everything: a key was revoked.
    pub fn forget(&self) {
        self.known.lock().clear();
    }

    fn remembered(&self, hash: &[u8; 32]) -> Option<Arc<KeyAccess>> {
        let known = self.known.lock();
        let known = known.get(hash).filter(|known| known.is_fresh())?;
        Some(Arc::clone(&known.access))
    }

    fn remember(&self, hash: [u8; 32], access: Arc<KeyAccess>, read_at: Instant) {
        let mut known = self.known.lock();
        if known.len() >= CAPACITY {
            known.retain(|_, known| known.is_fresh());
        }
        if known.len() < CAPACITY {
            known.insert(hash, Known { access, read_at });
        }
    }

    fn note(&self, key: ApiKeyId) {
        let mut noted = self.noted.lock();
        if noted.get(&key).is_some_and(|at| at.elapsed() < NOTE_INTERVAL) {
            return;
        }
        if noted.len() >= CAPACITY {
            noted.retain(|_, at| at.elapsed() < NOTE_INTERVAL);
        }
        // Full: the next use of the key notes it.
        if noted.len() < CAPACITY && self.notes.try_send(key).is_ok() {
            noted.insert(key, Instant::now());
        }
    }
}

impl KeyNotes {
    /// Notes until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut keys = Vec::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                received = self.used.recv_many(&mut keys, 100) => if received == 0 { return },
            }
            let noting = async {
                let mut transaction = self.store.administration().await?;
                transaction.note_api_keys_used(&keys).await?;
                Ok(transaction.commit().await?)
            };
            if let Err(problem) = promptly(noting).await {
                tracing::debug!(?problem, "the use of keys was not noted");
            }
            keys.clear();
        }
    }
}
