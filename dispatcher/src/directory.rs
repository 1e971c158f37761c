//! Which webhooks want an event: the enabled webhooks of each tenant, kept for a moment.
//!
//! Every event asks, so the answer is not read from the database each time. It is at most [`FRESH`] old; after a change of any webhook
//! the gateway's hint makes everything be forgotten at once, so the age only counts when the hint was lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use shared::event::filter_matches;
use shared::ids::{SessionId, TenantId};
use shared::store::deliveries::Target;
use shared::store::{Store, StoreError};
use uuid::Uuid;

/// For so long a tenant's webhooks are not read again.
const FRESH: Duration = Duration::from_secs(2);

/// The webhooks of the tenants that had events lately.
#[derive(Debug)]
pub(crate) struct Directory {
    store: Store,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Rises with every hint: what was read before a hint must not be kept after it.
    generation: u64,
    tenants: HashMap<TenantId, Entry>,
}

#[derive(Debug)]
struct Entry {
    listeners: Arc<Listeners>,
    read_at: Instant,
}

/// One tenant's enabled webhooks. A tenant may have thousands, each for one session, so those are found by it.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    to_everything: Vec<Arc<Target>>,
    to_session: HashMap<Uuid, Vec<Arc<Target>>>,
}

impl Listeners {
    fn add(&mut self, target: &Arc<Target>) {
        let Some(sessions) = &target.sessions else {
            self.to_everything.push(Arc::clone(target));
            return;
        };
        for session in sessions {
            let listening = self.to_session.entry(*session).or_default();
            // A session that is named twice still gets one delivery.
            if !listening.iter().any(|known| Arc::ptr_eq(known, target)) {
                listening.push(Arc::clone(target));
            }
        }
    }

    /// The webhooks that want an event of this type of this session.
    pub(crate) fn wanting(&self, session: SessionId, event_type: &str) -> impl Iterator<Item = &Arc<Target>> {
        let to_session = self.to_session.get(&session.uuid).map_or(&[][..], Vec::as_slice);
        self.to_everything
            .iter()
            .chain(to_session)
            .filter(move |target| wants_type(target, event_type))
    }
}

fn wants_type(target: &Target, event_type: &str) -> bool {
    let Some(filters) = &target.events else {
        return true;
    };
    filters.iter().any(|filter| filter_matches(filter, event_type))
}

impl Directory {
    /// Knows nobody yet.
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            known: Mutex::default(),
        }
    }

    /// Forgets everything: some webhook has changed.
    pub(crate) fn forget(&self) {
        let mut known = self.known.lock();
        known.generation += 1;
        known.tenants.clear();
    }

    /// The listeners of some tenants.
    ///
    /// # Errors
    /// [`StoreError`] when they have to be read and the database is unavailable.
    pub(crate) async fn listeners(
        &self,
        tenants: impl IntoIterator<Item = TenantId>,
    ) -> Result<HashMap<TenantId, Arc<Listeners>>, StoreError> {
        let mut found = HashMap::new();
        let mut missing = Vec::new();
        let generation = {
            let mut known = self.known.lock();
            let now = Instant::now();
            known
                .tenants
                .retain(|_, entry| now.duration_since(entry.read_at) < FRESH);
            for tenant in tenants {
                match known.tenants.get(&tenant) {
                    Some(entry) => {
                        found.insert(tenant, Arc::clone(&entry.listeners));
                    }
                    None => missing.push(tenant),
                }
            }
            known.generation
        };
        if missing.is_empty() {
            return Ok(found);
        }
        missing.sort_unstable();
        missing.dedup();
        let read_at = Instant::now();
        let read = group(&missing, self.store.enabled_targets(&missing).await?);
        let mut known = self.known.lock();
        for (tenant, listeners) in read {
            if known.generation == generation {
                let listeners = Arc::clone(&listeners);
                known.tenants.insert(tenant, Entry { listeners, read_at });
            }
            found.insert(tenant, listeners);
        }
        Ok(found)
    }
}

/// Sorts webhooks by their tenants; a tenant without any is known to have none.
fn group(tenants: &[TenantId], targets: Vec<Target>) -> HashMap<TenantId, Arc<Listeners>> {
    let mut groups: HashMap<TenantId, Listeners> =
        tenants.iter().map(|tenant| (*tenant, Listeners::default())).collect();
    for target in targets {
        let target = Arc::new(target);
        groups.entry(target.tenant).or_default().add(&target);
    }
    groups
        .into_iter()
        .map(|(tenant, listeners)| (tenant, Arc::new(listeners)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::ids::WebhookId;

    fn target(tenant: TenantId, events: Option<&[&str]>, sessions: Option<&[SessionId]>) -> Target {
        Target {
            webhook: WebhookId::generate(),
            tenant,
            url: "https://example.com/".into(),
            events: events.map(|events| events.iter().map(|event| (*event).to_owned()).collect()),
            sessions: sessions.map(|sessions| sessions.iter().map(|session| session.uuid).collect()),
            headers: serde_json::json!({}),
            retry_schedule: None,
            format: shared::dialect::WebhookFormat::Rookery,
            enabled: true,
            secrets: Vec::new(),
        }
    }

    #[test]
    fn an_event_reaches_the_webhooks_that_want_its_type_and_its_session_and_no_other_tenants() {
        let (ours, theirs, silent) = (TenantId::generate(), TenantId::generate(), TenantId::generate());
        let region = "eu1".parse().unwrap();
        let (session, other) = (SessionId::generate(region), SessionId::generate(region));
        let everything = target(ours, None, None);
        let messages = target(ours, Some(&["message.*"]), None);
        let status = target(ours, Some(&["session.status", "session.qr"]), None);
        let nothing = target(ours, Some(&[]), None);
        let this_session = target(ours, None, Some(&[session, session]));
        let other_session = target(ours, None, Some(&[other]));
        let foreign = target(theirs, None, None);
        let targets = [
            &everything,
            &messages,
            &status,
            &nothing,
            &this_session,
            &other_session,
            &foreign,
        ];
        let groups = group(&[ours, theirs, silent], targets.map(Clone::clone).to_vec());

        let wanting = |tenant, event_type| -> Vec<WebhookId> {
            groups[&tenant]
                .wanting(session, event_type)
                .map(|target| target.webhook)
                .collect()
        };
        assert_eq!(
            wanting(ours, "message.received"),
            [everything.webhook, messages.webhook, this_session.webhook]
        );
        assert_eq!(
            wanting(ours, "session.status"),
            [everything.webhook, status.webhook, this_session.webhook]
        );
        assert_eq!(wanting(theirs, "message.received"), [foreign.webhook]);
        assert!(wanting(silent, "message.received").is_empty());
    }
}
