//! `GET /v1/events`: a tenant's events, as a list with a cursor or followed live (server-sent events).
//!
//! Both forms read the same rows in the same order, so a client can change between them at any cursor. Envelopes are passed through byte for byte.

mod list;
mod socket;
pub(crate) mod stream;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use shared::event::Envelope;
use shared::ids::SessionId;
use shared::problem::Code;
use shared::store::events::{EventFilter, EventPosition};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::TenantCall;
use crate::auth::permission::ReadMessages;
use crate::http::accept;
use crate::http::checks::Checks;
use crate::http::page::{Cursor, Limit};
use crate::http::parameters::Parameters;
use crate::problem::Problem;

const JSON: &str = "application/json";
const EVENT_STREAM: &str = "text/event-stream";

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(list_events))
        .routes(routes!(follow_events))
}

/// Which events are read.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReadEvents {
    /// How many at most: 1 to 100. A stream has no end and ignores it.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100, default = 50)]
    limit: Limit,
    /// Where to go on: a cursor of this list, or the id of an event of the stream.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<EventPosition>>,
    /// Only events of this session; may be repeated.
    #[serde(default)]
    #[param(required = false, value_type = Vec<String>)]
    session_id: Vec<SessionId>,
    /// Only events of this type or family (`message.*`); may be repeated.
    #[serde(default, rename = "type")]
    #[param(required = false)]
    types: Vec<String>,
}

/// A page of events.
#[derive(Debug, serde::Serialize, ToSchema)]
pub struct EventPage {
    /// The envelopes, oldest first, byte for byte as webhooks carry them.
    #[schema(value_type = Vec<Envelope>)]
    data: Vec<Box<RawValue>>,
    /// Where the next page begins; null when there is nothing more right now.
    next_cursor: Option<String>,
    /// Where to go on later, also as `Last-Event-ID` of the stream. Null until there was an event.
    resume_cursor: Option<String>,
}

impl ReadEvents {
    /// What is read: what the client asks for, as far as its key may touch it.
    fn filter(&self, call: &TenantCall<ReadMessages>) -> Result<EventFilter, Problem> {
        let mut checks = Checks::new();
        checks.event_types("type", &self.types);
        checks.require(self.session_id.len() <= 100, "session_id", "may be given 100 times");
        checks.finish()?;
        let unknown = |session: &&SessionId| !call.may_touch(**session);
        if self.session_id.iter().find(unknown).is_some() {
            return Err(Problem::not_found(Code::SessionNotFound));
        }
        let sessions = if self.session_id.is_empty() {
            call.within().map(<[uuid::Uuid]>::to_vec)
        } else {
            Some(self.session_id.iter().map(|session| session.uuid).collect())
        };
        Ok(EventFilter {
            sessions,
            types: self.types.clone(),
        })
    }
}

/// List events, oldest first, or follow them live with `Accept: text/event-stream`. No event is skipped or repeated from one cursor to the next.
/// Events are kept for a week. A stream begins now, or after `Last-Event-ID` or `cursor`; its events have the envelope as `data`, the type as
/// `event` and a cursor as `id`.
#[utoipa::path(get, path = "/v1/events", tag = "events",
    params(ReadEvents, ("last-event-id" = Option<String>, Header, description = "Where a stream goes on: the id of the last event seen.")),
    responses((status = 200, description = "A page of events, or a stream.",
        content((EventPage = "application/json"), (String = "text/event-stream")))),
    extensions(("x-problems" = json!(["session_not_found"]))))]
async fn list_events(
    State(app): State<App>,
    call: TenantCall<ReadMessages>,
    Parameters(parameters): Parameters<ReadEvents>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let filter = parameters.filter(&call)?;
    let after = parameters.cursor.map(|Cursor(position)| position);
    if accept::preferred(&headers, &[JSON, EVENT_STREAM]) == EVENT_STREAM {
        let after = last_event_id(&headers)?.or(after);
        return stream::follow(app, call, filter, after).await;
    }
    let page = list::page(&app, &call, &filter, after, parameters.limit).await?;
    Ok(axum::Json(page).into_response())
}

/// Follow events live over a WebSocket: each text message is one envelope, byte for byte as webhooks carry it. It begins now, or after `cursor`; no
/// event is skipped. Messages from the client are ignored. Browsers cannot set headers here: they send the key as the second of two subprotocols, after
/// `rookery.v1`.
#[utoipa::path(get, path = "/v1/events/ws", tag = "events", params(ReadEvents),
    responses((status = 101, description = "The connection becomes a WebSocket.")),
    extensions(("x-problems" = json!(["session_not_found"]))))]
async fn follow_events(
    State(app): State<App>,
    call: TenantCall<ReadMessages>,
    Parameters(parameters): Parameters<ReadEvents>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let filter = parameters.filter(&call)?;
    let upgrade = upgrade.map_err(|_| Problem::field("Upgrade", "must ask for a WebSocket (RFC 6455)"))?;
    let after = parameters.cursor.map(|Cursor(position)| position);
    socket::follow(app, call, filter, after, upgrade).await
}

/// Where a stream goes on. An empty id, as browsers send at first, means nothing.
fn last_event_id(headers: &HeaderMap) -> Result<Option<EventPosition>, Problem> {
    let Some(value) = headers.get("last-event-id").filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let cursor = value.to_str().ok().and_then(Cursor::decode);
    match cursor {
        Some(Cursor(position)) => Ok(Some(position)),
        None => Err(Problem::field(
            "Last-Event-ID",
            "is not the id of an event of this stream",
        )),
    }
}
