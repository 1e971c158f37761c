//! `GET …/contacts` and `GET …/blocked`: whom a session knows, and whom its account has blocked.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use shared::query::contact::Blocked;
use shared::query::{ContactLookup, Lookup};
use shared::store::contacts::ContactFilter;
use uuid::Uuid;

use super::ContactObject;
use crate::api::sessions::{self, SessionPath};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::ReadSessions;
use crate::database::promptly;
use crate::http::checks::Checks;
use crate::http::page::{Cursor, Limit, Page};
use crate::http::parameters::Parameters;
use crate::look_up::look_up;
use crate::problem::Problem;

/// Which people are listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListContacts {
    /// How many at most: 1 to 100.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100, default = 50)]
    limit: Limit,
    /// Where to go on: `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<Uuid>>,
    /// Only people with this in a name, the phone number or the LID; letters of either case. 1 to 100 characters.
    search: Option<String>,
    /// Only people whom the account's owner has saved (true), or has not (false).
    saved: Option<bool>,
    /// Only people who are blocked (true), or are not (false).
    blocked: Option<bool>,
    /// Only businesses (true), or others (false).
    business: Option<bool>,
}

/// List the people whom a session knows, in the order in which it heard of them.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/contacts", tag = "contacts", params(SessionPath, ListContacts),
    responses((status = 200, description = "A page of people.", body = Page<ContactObject>)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable"]))))]
pub(super) async fn list_contacts(
    State(app): State<App>,
    call: SessionCall<ReadSessions>,
    Parameters(list): Parameters<ListContacts>,
) -> Result<Json<Page<ContactObject>>, Problem> {
    if let Some(search) = &list.search {
        let mut checks = Checks::new();
        checks.text("search", search, 1..=100);
        checks.finish()?;
    }
    let limit = list.limit;
    let after = list.cursor.as_ref().map(|Cursor(id)| *id);
    let filter = ContactFilter {
        search: list.search,
        saved: list.saved,
        blocked: list.blocked,
        business: list.business,
        ..ContactFilter::default()
    };
    let rows = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        Ok(transaction.contacts(call.session, &filter, after, limit.rows()).await?)
    })
    .await?;
    Ok(Json(Page::new(rows, limit, |contact| contact.id, ContactObject::from)))
}

/// List whom the account has blocked, as WhatsApp has it now. There is only one page.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/blocked", tag = "contacts", params(SessionPath),
    responses((status = 200, description = "The block list.", body = Page<Blocked>)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "session_not_paired", "session_not_started",
        "session_not_connected", "whatsapp_refused"]))))]
pub(super) async fn list_blocked(
    State(app): State<App>,
    call: SessionCall<ReadSessions>,
) -> Result<Json<Page<Blocked>>, Problem> {
    let data = look_up(&app, &call, Lookup::Contact(ContactLookup::BlockList)).await?;
    Ok(Json(Page {
        data,
        next_cursor: None,
    }))
}
