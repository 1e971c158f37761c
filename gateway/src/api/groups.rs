//! `/v1/sessions/{id}/groups`: the account's groups, their members, settings and invitations.

pub(crate) mod invites;
pub(crate) mod list;
pub(crate) mod manage;
pub(crate) mod participants;
mod picture;
mod requests;

use shared::operation::Operation;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::http::body::Submission;

/// The codes with which an operation on the account can end.
pub(crate) const OPERATION_PROBLEMS: &[&str] = &[
    "session_not_found",
    "region_unavailable",
    "session_not_paired",
    "session_not_started",
    "whatsapp_refused",
    "not_permitted_on_whatsapp",
    "not_found_on_whatsapp",
    "rate_limited",
    "outcome_unknown",
];

/// The codes with which a look-up can end.
pub(crate) const LOOK_UP_PROBLEMS: &[&str] = &[
    "session_not_found",
    "region_unavailable",
    "session_not_paired",
    "session_not_started",
    "session_not_connected",
    "whatsapp_refused",
    "not_permitted_on_whatsapp",
    "not_found_on_whatsapp",
    "rate_limited",
];

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(list::list_groups, manage::create_group))
        .routes(routes!(invites::get_invite_info))
        .routes(routes!(invites::join_group))
        .routes(routes!(list::get_group, manage::update_group))
        .routes(routes!(manage::leave_group))
        .routes(routes!(picture::set_group_picture, picture::remove_group_picture))
        .routes(routes!(
            participants::add_group_participants,
            participants::remove_group_participants
        ))
        .routes(routes!(participants::promote_group_participants))
        .routes(routes!(participants::demote_group_participants))
        .routes(routes!(invites::get_invite_code, invites::reset_invite_code))
        .routes(routes!(requests::list_join_requests, requests::answer_join_requests))
}

/// The path of everything about one group.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct GroupPath {
    /// The group's JID.
    #[param(example = "120363021033254949@g.us")]
    #[expect(dead_code, reason = "documentation; the value is taken by its extractor")]
    group_jid: String,
}

/// An operation that comes with a method that is repeatable by itself, so without a key.
pub(super) fn without_key(operation: Operation) -> Submission<Operation> {
    Submission {
        body: operation,
        idempotency: None,
    }
}
