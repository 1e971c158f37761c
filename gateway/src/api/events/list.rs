//! A page of events.

use serde_json::value::RawValue;
use shared::store::events::{EventFilter, EventPosition};

use super::EventPage;
use crate::app::App;
use crate::auth::TenantCall;
use crate::auth::permission::ReadMessages;
use crate::database::promptly;
use crate::http::page::{Cursor, Limit, Page};
use crate::problem::Problem;

/// Reads the page after `after`.
pub(super) async fn page(
    app: &App,
    call: &TenantCall<ReadMessages>,
    filter: &EventFilter,
    after: Option<EventPosition>,
    limit: Limit,
) -> Result<EventPage, Problem> {
    let rows = promptly(async {
        let mut transaction = app.store().tenant(call.tenant).await?;
        Ok(transaction.events(filter, after, limit.rows()).await?)
    })
    .await?;
    let page = Page::new(rows, limit, |event| event.position, |event| event);
    let last = page.data.last().map(|event| event.position).or(after);
    let data = page
        .data
        .into_iter()
        .map(|event| RawValue::from_string(event.body).map_err(Problem::internal))
        .collect::<Result<_, _>>()?;
    Ok(EventPage {
        data,
        next_cursor: page.next_cursor,
        resume_cursor: last.map(|position| Cursor(position).encode()),
    })
}
