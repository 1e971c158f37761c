//! `DELETE /v1/sessions/{id}`: invisible at once; a worker then unlinks the account and removes every trace.

use axum::extract::State;
use http::StatusCode;
use shared::command::Command;
use shared::ids::CommandId;
use shared::session::Goal;

use super::SessionPath;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::WriteSessions;
use crate::database::promptly;
use crate::intake::{self, Accepted};
use crate::problem::Problem;

/// Remove a session with all its data and credentials. Its account is unlinked.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}", tag = "sessions", params(SessionPath),
    responses((status = 204, description = "The session is gone. Unlinking the account and removing the data go on in the background.")),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable"]))))]
pub(crate) async fn delete_session(
    State(app): State<App>,
    call: SessionCall<WriteSessions>,
) -> Result<StatusCode, Problem> {
    let accepted = promptly(delete(&app, &call)).await?;
    intake::carry(&app, &accepted);
    Ok(StatusCode::NO_CONTENT)
}

async fn delete(app: &App, call: &SessionCall<WriteSessions>) -> Result<Accepted, Problem> {
    let mut transaction = app.store().tenant(call.tenant.tenant).await?;
    let opened = intake::open(&mut transaction, call.session).await?;
    let accepted = intake::append(&mut transaction, &opened, CommandId::generate(), Command::Delete).await?;
    transaction.set_goal(call.session, Goal::Deleting).await?;
    // While it still has a name.
    transaction.tell_removal(call.session).await?;
    transaction.hide_session(call.session).await?;
    transaction.commit().await?;
    Ok(accepted)
}
