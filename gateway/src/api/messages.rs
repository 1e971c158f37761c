//! `/v1/sessions/{id}/messages`: what a session sends and has received.

mod change;
mod compose;
mod list;
mod marks;
pub(crate) mod media;
mod preview;
pub(crate) mod request;
pub(crate) mod send;
mod shape;

pub(crate) use send::wa_message_id;

use axum::Json;
use axum::extract::State;
use shared::ids::{MessageId, SessionId};
use shared::message::Message;
use shared::problem::Code;
use shared::store::TenantTransaction;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::sessions::{self, SessionPath};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::ReadMessages;
use crate::database::promptly;
use crate::http::path::Id;
use crate::problem::Problem;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(send::send_message, list::list_messages))
        .routes(routes!(get_message, change::edit_message, change::revoke_message))
        .routes(routes!(change::react_to_message, change::take_reaction_back))
        .routes(routes!(change::pin_message, change::unpin_message))
        .routes(routes!(marks::mark_read))
        .routes(routes!(marks::mark_played))
        .routes(routes!(marks::star_message, marks::unstar_message))
}

/// Reads one message of a session that the caller has been checked for.
async fn find(transaction: &mut TenantTransaction, session: SessionId, message: MessageId) -> Result<Message, Problem> {
    transaction
        .message(session, message)
        .await?
        .ok_or_else(|| Problem::not_found(Code::MessageNotFound))
}

/// Get a message.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/messages/{message_id}", tag = "messages",
    params(SessionPath, ("message_id" = String, Path, description = "The message's id.")),
    responses((status = 200, description = "The message.", body = Message)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "message_not_found"]))))]
async fn get_message(
    State(app): State<App>,
    call: SessionCall<ReadMessages>,
    Id(message): Id<MessageId>,
) -> Result<Json<Message>, Problem> {
    let message = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        find(&mut transaction, call.session, message).await
    })
    .await?;
    Ok(Json(message))
}
