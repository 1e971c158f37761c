//! `/v1/sessions/{id}/chats`: conversations, their marks and their messages.
//!
//! What is shown comes from the read model. What is changed goes to WhatsApp as an operation of the session and comes back from there: the read model
//! follows when WhatsApp has taken it.

pub(crate) mod actions;
mod list;
pub(crate) mod update;

use std::collections::HashMap;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use http::request::Parts;
use shared::address::Address;
use shared::chat::Chat;
use shared::content::MessageKey;
use shared::ids::SessionId;
use shared::operation::chat::ChatPoint;
use shared::problem::Code;
use shared::store::TenantTransaction;
use shared::store::chats::ChatMessage;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::sessions;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::ReadMessages;
use crate::database::promptly;
use crate::problem::Problem;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(list::list_chats))
        .routes(routes!(get_chat, update::update_chat, actions::delete_chat))
        .routes(routes!(list::list_chat_messages))
        .routes(routes!(actions::read_chat))
        .routes(routes!(actions::clear_chat))
        .routes(routes!(actions::show_typing))
        .routes(routes!(actions::fetch_history))
}

/// The path of everything about one chat.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ChatPath {
    /// The session's id.
    #[param(example = "ses_local_06egk3n2g8v6f9d8h2q7c1t0b4")]
    #[expect(dead_code, reason = "documentation; the value is taken by the call's extractor")]
    session_id: String,
    /// The person or group: a phone number in digits, `…@s.whatsapp.net`, `…@c.us`, `…@lid`, `…@g.us` or `…@newsletter`.
    #[param(example = "15550001001")]
    #[expect(dead_code, reason = "documentation; the value is taken by an extractor of its own")]
    chat: String,
}

/// The chat that the path names. A text that names nobody is answered like a chat that does not exist.
#[derive(Debug, Clone)]
pub(crate) struct ChatAddress(pub(crate) Address);

impl<S: Send + Sync> FromRequestParts<S> for ChatAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let not_found = || Problem::not_found(Code::ChatNotFound);
        let Path(parameters) = Path::<HashMap<String, String>>::from_request_parts(parts, state)
            .await
            .map_err(|_| not_found())?;
        let address = parameters.get("chat").and_then(|text| text.parse().ok());
        address.map(Self).ok_or_else(not_found)
    }
}

/// Reads one chat of a session that the caller has been checked for.
pub(crate) async fn find(
    transaction: &mut TenantTransaction,
    session: SessionId,
    chat: &Address,
) -> Result<Chat, Problem> {
    transaction
        .chat(session, chat)
        .await?
        .ok_or_else(|| Problem::not_found(Code::ChatNotFound))
}

/// The address under which WhatsApp knows the chat.
fn address(chat: &Chat) -> Result<Address, Problem> {
    chat.party
        .jid
        .parse()
        .map_err(|_| Problem::internal(anyhow::anyhow!("a stored chat has an address")))
}

/// A message as WhatsApp's actions name it.
fn point(message: &ChatMessage) -> ChatPoint {
    ChatPoint {
        key: key(message),
        at: message.at,
    }
}

fn key(message: &ChatMessage) -> MessageKey {
    MessageKey {
        wa_message_id: message.wa_message_id.clone(),
        from_me: message.from_me,
        author: (!message.from_me).then(|| message.sender.clone()),
    }
}

/// Get a chat.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/chats/{chat}", tag = "chats", params(ChatPath),
    responses((status = 200, description = "The chat.", body = Chat)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "chat_not_found"]))))]
async fn get_chat(
    State(app): State<App>,
    call: SessionCall<ReadMessages>,
    ChatAddress(chat): ChatAddress,
) -> Result<Json<Chat>, Problem> {
    let chat = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        find(&mut transaction, call.session, &chat).await
    })
    .await?;
    Ok(Json(chat))
}
