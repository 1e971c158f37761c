//! Names on the broker: every stream, consumer and subject is built and read here and nowhere else.
//!
//! | name | carries |
//! |---|---|
//! | stream `WA_CMD_<region>`, subject `wa.cmd.<region>.<worker>` | commands to the worker that holds the session |
//! | stream `WA_EVT_<region>`, subject `wa.evt.<region>.<tenant>.<session>.<type>` | events; tenants may read their own |
//! | stream `WA_DEAD_<region>`, subject `wa.dead.<region>.<kind>` | what could not be decoded |
//! | subject `wa.query.<region>.<worker>` | questions to a holder, answered at once or not at all |
//! | subject `wa.hint.<region>.…` | wake-ups without a promise: whoever misses one finds the row later |

use crate::ids::{CommandId, Region, SessionId, TenantId, WorkerId};

/// The stream of commands.
#[must_use]
pub fn command_stream(region: Region) -> String {
    format!("WA_CMD_{region}")
}

/// The subjects of the stream of commands.
#[must_use]
pub fn all_commands(region: Region) -> String {
    format!("wa.cmd.{region}.*")
}

/// Commands for one worker.
#[must_use]
pub fn commands_of(region: Region, worker: WorkerId) -> String {
    format!("wa.cmd.{region}.{worker}")
}

/// The consumer through which one worker reads its commands.
#[must_use]
pub fn command_consumer(worker: WorkerId) -> String {
    worker.to_string()
}

/// The stream of events.
#[must_use]
pub fn event_stream(region: Region) -> String {
    format!("WA_EVT_{region}")
}

/// The subjects of the stream of events.
#[must_use]
pub fn all_events(region: Region) -> String {
    format!("wa.evt.{region}.>")
}

/// Every event of one tenant.
#[must_use]
pub fn events_of(region: Region, tenant: TenantId) -> String {
    format!("wa.evt.{region}.{tenant}.>")
}

/// One event. The type's own dot makes two tokens, so `….message.*` selects a family.
#[must_use]
pub fn event(tenant: TenantId, session: SessionId, event_type: &str) -> String {
    format!("wa.evt.{}.{tenant}.{session}.{event_type}", session.region)
}

/// The consumer that all dispatchers of a region share.
pub const DISPATCHER_CONSUMER: &str = "dispatcher";

/// The JetStream domain under which tenants reach what Rookery lets them use: in their own account `$JS.API` is that account's, which has no JetStream.
pub const TENANTS_DOMAIN: &str = "rookery";

/// Where tenants ask what Rookery's own account answers at `$JS.API.<question>`.
#[must_use]
pub fn tenants_question(question: &str) -> String {
    format!("$JS.{TENANTS_DOMAIN}.API.{question}")
}

/// How many consumers of its events a tenant may have.
pub const TENANT_CONSUMERS: u8 = 4;

/// A consumer through which a tenant reads its own events, by number from 1.
#[must_use]
pub fn tenant_consumer(tenant: TenantId, number: u8) -> String {
    format!("{tenant}_{number}")
}

/// The stream of what could not be decoded.
#[must_use]
pub fn dead_letter_stream(region: Region) -> String {
    format!("WA_DEAD_{region}")
}

/// The subjects of the stream of dead letters.
#[must_use]
pub fn all_dead_letters(region: Region) -> String {
    format!("wa.dead.{region}.*")
}

/// Commands that no worker could decode.
#[must_use]
pub fn dead_commands(region: Region) -> String {
    format!("wa.dead.{region}.command")
}

/// Events that the dispatcher could not decode.
#[must_use]
pub fn dead_events(region: Region) -> String {
    format!("wa.dead.{region}.event")
}

/// Questions to one worker about the sessions it holds (request and reply).
#[must_use]
pub fn queries_of(region: Region, worker: WorkerId) -> String {
    format!("wa.query.{region}.{worker}")
}

/// Hint to workers: a session waits to be claimed.
#[must_use]
pub fn claim_hint(region: Region) -> String {
    format!("wa.hint.{region}.claim")
}

/// Hint to the gateway that waits for it: the command has ended.
#[must_use]
pub fn outcome_hint(region: Region, command: CommandId) -> String {
    format!("wa.hint.{region}.outcome.{command}")
}

/// Hint to dispatchers: a tenant's webhooks have changed.
#[must_use]
pub fn webhook_hint(region: Region) -> String {
    format!("wa.hint.{region}.webhooks")
}

/// Hint to gateways: an API key was revoked.
#[must_use]
pub fn api_key_hint(region: Region) -> String {
    format!("wa.hint.{region}.api_keys")
}
