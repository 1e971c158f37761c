//! `GET /v1/tenants/{tenant_id}/usage`: what a tenant has and how much it has sent.

use axum::Json;
use axum::extract::State;
use chrono::{Days, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use shared::ids::TenantId;
use shared::problem::Code;
use shared::store::tenants::Quotas;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::AdminCall;
use crate::database::promptly;
use crate::http::checks::Checks;
use crate::http::parameters::Parameters;
use crate::http::path::Id;
use crate::problem::Problem;

/// Days of which one answer tells.
const USUAL_DAYS: u64 = 30;
const MOST_DAYS: i64 = 366;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(get_usage))
}

/// Of which days usage is told.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct GetUsage {
    /// The first day (UTC); 30 days before `until` if not said.
    #[param(example = "2026-11-01")]
    since: Option<NaiveDate>,
    /// The day after the last one; tomorrow if not said. At most 366 days after `since`.
    #[param(example = "2026-12-01")]
    until: Option<NaiveDate>,
}

/// What a tenant uses.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Usage {
    /// The tenant.
    #[schema(value_type = String)]
    tenant_id: TenantId,
    /// What it may use.
    quotas: Quotas,
    /// Sessions.
    sessions: i64,
    /// Sessions that are connected.
    connected_sessions: i64,
    /// Webhooks.
    webhooks: i64,
    /// API keys that work.
    api_keys: i64,
    /// Users.
    users: i64,
    /// Files that are kept.
    media_files: i64,
    /// Their bytes.
    media_bytes: i64,
    /// Messages that count towards `messages_per_day` today (UTC); 0 without that quota.
    messages_counted_today: i64,
    /// The first day of which `days` tells.
    since: NaiveDate,
    /// The day after the last one.
    until: NaiveDate,
    /// Messages by the day, oldest first; days without any are left out.
    days: Vec<DayOfUsage>,
}

/// Messages of one day, of the sessions that exist.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DayOfUsage {
    /// The day (UTC).
    day: NaiveDate,
    /// Messages that the tenant's accounts have sent, from here or from their phones.
    messages_sent: i64,
    /// Messages that they have received.
    messages_received: i64,
}

/// Tell what a tenant has, and how many messages its sessions have sent and received by the day: from counters that are kept with every message.
#[utoipa::path(get, path = "/v1/tenants/{tenant_id}/usage", tag = "tenants",
    params(("tenant_id" = String, Path, description = "The tenant's id."), GetUsage),
    responses((status = 200, description = "What the tenant uses.", body = Usage)),
    extensions(("x-problems" = json!(["tenant_not_found"]))))]
async fn get_usage(
    State(app): State<App>,
    _call: AdminCall,
    Id(tenant): Id<TenantId>,
    Parameters(wanted): Parameters<GetUsage>,
) -> Result<Json<Usage>, Problem> {
    let until = wanted
        .until
        .or_else(|| Utc::now().date_naive().succ_opt())
        .unwrap_or(NaiveDate::MAX);
    let since = wanted
        .since
        .or_else(|| until.checked_sub_days(Days::new(USUAL_DAYS)))
        .unwrap_or(until);
    let mut checks = Checks::new();
    for (field, day) in [("since", since), ("until", until)] {
        checks.time(field, day.and_time(chrono::NaiveTime::MIN).and_utc());
    }
    checks.require(
        (0..=MOST_DAYS).contains(&(until - since).num_days()),
        "until",
        &format!("must be 0 to {MOST_DAYS} days after since"),
    );
    checks.finish()?;
    promptly(async {
        let mut transaction = app.store().administration().await?;
        let found = transaction.tenant(tenant).await?;
        let found = found.ok_or_else(|| Problem::not_found(Code::TenantNotFound))?;
        let holdings = transaction.holdings(tenant).await?;
        let days = transaction.messages_by_day(tenant, since, until).await?;
        Ok(Json(Usage {
            tenant_id: tenant,
            quotas: found.quotas,
            sessions: holdings.sessions,
            connected_sessions: holdings.connected_sessions,
            webhooks: holdings.webhooks,
            api_keys: holdings.api_keys,
            users: holdings.users,
            media_files: holdings.media_files,
            media_bytes: holdings.media_bytes,
            messages_counted_today: holdings.messages_counted_today,
            since,
            until,
            days: days
                .into_iter()
                .map(|day| DayOfUsage {
                    day: day.day,
                    messages_sent: day.sent,
                    messages_received: day.received,
                })
                .collect(),
        }))
    })
    .await
}
