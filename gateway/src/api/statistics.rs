//! `GET …/statistics`: how many messages there were; and `DELETE …/contacts/{contact}/data`: erasing one person.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use chrono::{DateTime, TimeDelta, Utc};
use http::request::Parts;
use serde::{Deserialize, Serialize};
use shared::address::{Address, Party};
use shared::problem::Code;
use shared::store::erasure::Erased;
use shared::store::statistics::{Period, StatisticFilter};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::sessions::{self, SessionPath};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{ReadMessages, WriteSessions};
use crate::database::promptly;
use crate::http::checks::Checks;
use crate::http::parameters::Parameters;
use crate::http::timestamp::Timestamp;
use crate::problem::Problem;

/// The most counts of one answer.
const MOST_COUNTS: i64 = 10_000;
/// Messages and events that one request erases at most.
const ERASED_AT_ONCE: i64 = 20_000;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(get_statistics))
        .routes(routes!(erase_contact_data))
}

/// Which counts are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct GetStatistics {
    /// What is counted together: `hour`, `day` or `month`, in UTC. A single chat is counted by day or month. `day` if not said.
    period: Option<Period>,
    /// From when on; 30 days ago if not said (a day ago for hours, a year ago for months).
    since: Option<DateTime<Utc>>,
    /// Until before when; now if not said.
    until: Option<DateTime<Utc>>,
    /// Only this conversation: a phone number in digits, `…@s.whatsapp.net`, `…@c.us`, `…@lid` or `…@g.us`.
    chat: Option<String>,
}

/// Counts of messages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Statistics {
    /// What is counted together.
    period: Period,
    /// All messages of the answer.
    total: i64,
    /// The counts, oldest first; what is zero is left out. At most 10,000.
    data: Vec<StatisticCount>,
}

/// One count.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatisticCount {
    /// When the period begins.
    starts_at: Timestamp,
    /// The kind of the messages.
    #[serde(rename = "type")]
    kind: String,
    /// Whether the session's account wrote them.
    from_me: bool,
    /// How many.
    messages: i64,
}

/// Count a session's messages by period, kind and direction. Counters are kept with every message, so this is fast however many there are; deleting messages
/// does not change it.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/statistics", tag = "messages", params(SessionPath, GetStatistics),
    responses((status = 200, description = "The counts.", body = Statistics)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable"]))))]
async fn get_statistics(
    State(app): State<App>,
    call: SessionCall<ReadMessages>,
    Parameters(wanted): Parameters<GetStatistics>,
) -> Result<Json<Statistics>, Problem> {
    let period = wanted.period.unwrap_or(Period::Day);
    let span = match period {
        Period::Hour => TimeDelta::days(1),
        Period::Day => TimeDelta::days(30),
        Period::Month => TimeDelta::days(365),
    };
    let mut checks = Checks::new();
    let address = wanted.chat.map(|text| text.parse::<Address>());
    if let Some(Err(error)) = &address {
        checks.require(false, "chat", &error.to_string());
    }
    checks.require(
        address.is_none() || period != Period::Hour,
        "period",
        "must be day or month for a single chat",
    );
    for (field, time) in [("since", wanted.since), ("until", wanted.until)] {
        if let Some(time) = time {
            checks.time(field, time);
        }
    }
    checks.finish()?;
    let until = wanted.until.unwrap_or_else(Utc::now);
    let since = wanted.since.unwrap_or(until - span);
    let counts = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        let chat = match address.and_then(Result::ok) {
            None => None,
            Some(address) => {
                let known = transaction.chat(call.session, &address).await?;
                Some(known.map_or_else(|| address.to_string(), |chat| chat.party.jid))
            }
        };
        let filter = StatisticFilter {
            period,
            since,
            until,
            chat,
        };
        Ok(transaction.statistics(call.session, &filter, MOST_COUNTS).await?)
    })
    .await?;
    Ok(Json(Statistics {
        period,
        total: counts.iter().map(|count| count.messages).sum(),
        data: counts
            .into_iter()
            .map(|count| StatisticCount {
                starts_at: count.starts_at.into(),
                kind: count.kind,
                from_me: count.from_me,
                messages: count.messages,
            })
            .collect(),
    }))
}

/// The person that the path names.
struct ContactAddress(Address);

impl<S: Send + Sync> FromRequestParts<S> for ContactAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let not_found = || Problem::not_found(Code::ChatNotFound);
        let Path(parameters) = Path::<HashMap<String, String>>::from_request_parts(parts, state)
            .await
            .map_err(|_| not_found())?;
        let address = parameters.get("contact").and_then(|text| text.parse().ok());
        address.filter(Address::is_person).map(Self).ok_or_else(not_found)
    }
}

/// Erase what is stored of a person: the messages with the files in them, the chat with its counters, what is known of the person (contact, checked number,
/// calls, status posts), and what events and deliveries say about them. WhatsApp and the account's phone are not told and keep what they have. Answers what
/// went; while `more` is true, the same request goes on.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}/contacts/{contact}/data", tag = "chats",
    params(SessionPath, ("contact" = String, Path, description = "The person: a phone number in digits, `…@s.whatsapp.net`, `…@c.us` or `…@lid`.")),
    responses((status = 200, description = "What was erased.", body = Erased)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "chat_not_found"]))))]
async fn erase_contact_data(
    State(app): State<App>,
    call: SessionCall<WriteSessions>,
    ContactAddress(contact): ContactAddress,
) -> Result<Json<Erased>, Problem> {
    let erased = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        let known = transaction.chat(call.session, &contact).await?;
        let person = known.map_or_else(|| Party::new(&contact, None), |chat| chat.party);
        let erased = transaction.erase_person(call.session, &person, ERASED_AT_ONCE).await?;
        transaction.commit().await?;
        Ok(erased)
    })
    .await?;
    Ok(Json(erased))
}
