//! A tenant whose quota is used up: the answer, and the event that tells its webhooks.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::event::EventType;
use shared::event::tenant::{QuotaReached, TenantEvent};
use shared::ids::{SessionId, TenantId};
use shared::problem::Code;
use shared::store::TenantTransaction;
use shared::store::quotas::MessagePlace;
use shared::store::tenants::Quotas;
use shared::subject;

use crate::app::App;
use crate::database::promptly;
use crate::problem::Problem;

/// A used-up quota is told to webhooks at most so often.
const QUIET: Duration = Duration::from_secs(3_600);

/// What can be used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// Sessions that exist at once.
    Sessions,
    /// Messages of a day.
    MessagesPerDay,
}

impl Quota {
    fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::MessagesPerDay => "messages_per_day",
        }
    }

    fn limit(self, quotas: &Quotas) -> Option<u32> {
        match self {
            Self::Sessions => quotas.sessions,
            Self::MessagesPerDay => quotas.messages_per_day,
        }
    }

    fn free_at(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Sessions => None,
            Self::MessagesPerDay => Utc::now()
                .date_naive()
                .succ_opt()
                .map(|tomorrow| tomorrow.and_time(chrono::NaiveTime::MIN).and_utc()),
        }
    }
}

/// Takes a place for a message in the tenant's quota of the day.
///
/// # Errors
/// [`Code::QuotaExceeded`] with the time until there is a place again, or the database's problem.
pub async fn take_message_place(transaction: &mut TenantTransaction, session: SessionId) -> Result<(), Problem> {
    match transaction.take_message_place(session).await? {
        MessagePlace::Free => Ok(()),
        MessagePlace::Full { limit, free_at } => {
            let patience = (free_at - Utc::now()).to_std().unwrap_or_default();
            let problem = Problem::new(
                Code::QuotaExceeded,
                format!(
                    "The tenant may send {limit} messages a day, and has today. The next day begins at {}.",
                    free_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
                ),
            );
            Err(problem.retry_after(patience))
        }
    }
}

/// Tells the tenant's webhooks that a quota is used up, at most once an hour. The refusal says it too, so this is tried once.
pub async fn announce(app: &App, tenant: TenantId, quota: Quota) {
    let announced = promptly(async {
        let quotas = app.store().tenant(tenant).await?.quotas().await?.unwrap_or_default();
        let data = QuotaReached {
            quota: quota.name().to_owned(),
            limit: quota.limit(&quotas).unwrap_or_default().into(),
            free_at: quota.free_at(),
        };
        let event = TenantEvent::new(app.region(), tenant, EventType::TenantQuota, Utc::now(), &data)
            .map_err(Problem::internal)?;
        Ok(app.store().announce(tenant, &event, Some(quota.name()), QUIET).await?)
    })
    .await;
    match announced {
        Ok(_) => app.relay().hint(subject::webhook_hint(app.region())),
        Err(problem) => {
            tracing::warn!(%tenant, code = problem.code().as_str(), "nobody was told that a quota is used up");
        }
    }
}
