//! `/v1/sessions/{id}/statuses`: status posts (stories), the account's own and those that it has received.

pub(crate) mod act;
mod list;
pub(crate) mod post;

use shared::ids::{SessionId, StatusId};
use shared::problem::Code;
use shared::status::Status;
use shared::store::TenantTransaction;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::problem::Problem;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(list::list_statuses, post::post_status))
        .routes(routes!(list::list_active_statuses))
        .routes(routes!(list::get_status, act::revoke_status))
        .routes(routes!(act::view_status))
        .routes(routes!(act::react_to_status, act::unreact_to_status))
}

/// The path of everything about one post.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
struct StatusPath {
    /// The post's id.
    #[param(example = "sts_06egk3n2g8v6f9d8h2q7c1t0b4")]
    #[expect(dead_code, reason = "documentation; the value is taken by its extractor")]
    status_id: String,
}

/// Reads one post of a session that the caller has been checked for.
async fn find(transaction: &mut TenantTransaction, session: SessionId, status: StatusId) -> Result<Status, Problem> {
    transaction
        .status(session, status)
        .await?
        .ok_or_else(|| Problem::not_found(Code::StatusNotFound))
}
