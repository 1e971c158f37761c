//! `GET …/chats` and `GET …/chats/{chat}/messages`.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use shared::chat::Chat;
use shared::ids::MessageId;
use shared::message::Message;
use shared::store::chats::ChatFilter;
use shared::store::messages::MessageFilter;
use uuid::Uuid;

use super::{ChatAddress, ChatPath, find};
use crate::api::sessions::{self, SessionPath};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::ReadMessages;
use crate::database::promptly;
use crate::http::checks::Checks;
use crate::http::page::{Cursor, Limit, Page};
use crate::http::parameters::Parameters;
use crate::problem::Problem;

/// Which chats are listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListChats {
    /// How many at most: 1 to 100.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100, default = 50)]
    limit: Limit,
    /// Where to go on: `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<Uuid>>,
    /// Only chats with something to read or marked as unread (true), or the others (false).
    unread: Option<bool>,
    /// Only archived chats (true), or the others (false).
    archived: Option<bool>,
    /// Only pinned chats (true), or the others (false).
    pinned: Option<bool>,
    /// Only chats whose name, phone number or LID contains this text; case does not matter. 1 to 100 characters.
    search: Option<String>,
}

/// List a session's chats, the last active ones first. Deleted ones are left out until somebody writes again.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/chats", tag = "chats", params(SessionPath, ListChats),
    responses((status = 200, description = "A page of chats.", body = Page<Chat>)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable"]))))]
pub(super) async fn list_chats(
    State(app): State<App>,
    call: SessionCall<ReadMessages>,
    Parameters(list): Parameters<ListChats>,
) -> Result<Json<Page<Chat>>, Problem> {
    let mut checks = Checks::new();
    if let Some(text) = &list.search {
        checks.text("search", text, 1..=100);
    }
    checks.finish()?;
    let filter = ChatFilter {
        unread: list.unread,
        archived: list.archived,
        pinned: list.pinned,
        search: list.search,
    };
    let after = list.cursor.map(|Cursor(place)| place);
    let rows = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        Ok(transaction
            .chats(call.session, &filter, after, list.limit.rows())
            .await?)
    })
    .await?;
    Ok(Json(Page::new(rows, list.limit, |row| row.place, |row| row.chat)))
}

/// Which messages of a chat are listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListChatMessages {
    /// How many at most: 1 to 100.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100, default = 50)]
    limit: Limit,
    /// Where to go on: `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<Uuid>>,
}

/// List a chat's messages, newest first. Older ones than are stored can be asked of the phone: `POST …/history`.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/chats/{chat}/messages", tag = "chats", params(ChatPath, ListChatMessages),
    responses((status = 200, description = "A page of messages.", body = Page<Message>)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "chat_not_found"]))))]
pub(super) async fn list_chat_messages(
    State(app): State<App>,
    call: SessionCall<ReadMessages>,
    ChatAddress(chat): ChatAddress,
    Parameters(list): Parameters<ListChatMessages>,
) -> Result<Json<Page<Message>>, Problem> {
    let after = list.cursor.map(|Cursor(id)| MessageId(id));
    let rows = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        find(&mut transaction, call.session, &chat).await?;
        let filter = MessageFilter {
            chat: Some(chat),
            ..MessageFilter::default()
        };
        Ok(transaction
            .messages(call.session, &filter, after, list.limit.rows())
            .await?)
    })
    .await?;
    Ok(Json(Page::new(
        rows,
        list.limit,
        |message| message.id.0,
        |message| message,
    )))
}
