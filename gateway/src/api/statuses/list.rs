//! Reading status posts.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use shared::address::Address;
use shared::ids::StatusId;
use shared::status::Status;
use shared::store::statuses::StatusFilter;
use uuid::Uuid;

use super::StatusPath;
use crate::api::sessions::{self, SessionPath};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::ReadMessages;
use crate::database::promptly;
use crate::http::checks::Checks;
use crate::http::page::{Cursor, Limit, Page};
use crate::http::parameters::Parameters;
use crate::http::path::Id;
use crate::problem::Problem;

type Call = SessionCall<ReadMessages>;

/// Which posts are listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListStatuses {
    /// How many at most: 1 to 100.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100, default = 50)]
    limit: Limit,
    /// Where to go on: `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<Uuid>>,
    /// Only posts of the session's account (true), or of others (false).
    from_me: Option<bool>,
    /// Only posts of this person: a phone number in digits, `…@s.whatsapp.net`, `…@c.us` or `…@lid`.
    author: Option<String>,
}

async fn page(app: &App, call: &Call, list: ListStatuses, active: bool) -> Result<Json<Page<Status>>, Problem> {
    let mut checks = Checks::new();
    let author = list.author.map(|text| text.parse::<Address>());
    if let Some(author) = &author {
        checks.require(
            author.as_ref().is_ok_and(Address::is_person),
            "author",
            "must be a person's address",
        );
    }
    checks.finish()?;
    let filter = StatusFilter {
        from_me: list.from_me,
        author: author.and_then(Result::ok),
        active,
        ..StatusFilter::default()
    };
    let after = list.cursor.as_ref().map(|Cursor(id)| StatusId(*id));
    let limit = list.limit;
    let posts = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        Ok(transaction.statuses(call.session, &filter, after, limit.rows()).await?)
    })
    .await?;
    Ok(Json(Page::new(posts, limit, |post| post.id.0, |post| post)))
}

/// List status posts, own ones and those of others, newest first. They are kept for a week after they expired.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/statuses", tag = "statuses", params(SessionPath, ListStatuses),
    responses((status = 200, description = "A page of posts.", body = Page<Status>)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable"]))))]
pub(super) async fn list_statuses(
    State(app): State<App>,
    call: Call,
    Parameters(list): Parameters<ListStatuses>,
) -> Result<Json<Page<Status>>, Problem> {
    page(&app, &call, list, false).await
}

/// List the status posts that can be seen right now: neither expired nor taken back.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/statuses/active", tag = "statuses", params(SessionPath, ListStatuses),
    responses((status = 200, description = "A page of posts.", body = Page<Status>)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable"]))))]
pub(super) async fn list_active_statuses(
    State(app): State<App>,
    call: Call,
    Parameters(list): Parameters<ListStatuses>,
) -> Result<Json<Page<Status>>, Problem> {
    page(&app, &call, list, true).await
}

/// Get a status post; of an own one also who has seen it.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/statuses/{status_id}", tag = "statuses", params(SessionPath, StatusPath),
    responses((status = 200, description = "The post.", body = Status)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "status_not_found"]))))]
pub(super) async fn get_status(
    State(app): State<App>,
    call: Call,
    Id(status): Id<StatusId>,
) -> Result<Json<Status>, Problem> {
    let post = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        super::find(&mut transaction, call.session, status).await
    })
    .await?;
    Ok(Json(post))
}
