//! `GET /v1/sessions/{id}/messages`.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use shared::ids::MessageId;
use shared::message::Message;
use shared::store::messages::MessageFilter;

use uuid::Uuid;

use crate::api::sessions::{self, SessionPath};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::ReadMessages;
use crate::database::promptly;
use crate::http::checks::Checks;
use crate::http::page::{Cursor, Limit, Page};
use crate::http::parameters::Parameters;
use crate::problem::Problem;

/// Which messages are listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListMessages {
    /// How many at most: 1 to 100.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100, default = 50)]
    limit: Limit,
    /// Where to go on: `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<Uuid>>,
    /// Only messages of this conversation: a phone number in digits, `…@s.whatsapp.net`, `…@c.us`, `…@lid` or `…@g.us`.
    chat: Option<String>,
    /// Only messages of this kind, for example `text`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Only messages that the session's account wrote (true), or that others wrote (false).
    from_me: Option<bool>,
    /// Only messages written at or after this time.
    since: Option<DateTime<Utc>>,
    /// Only messages written before this time.
    until: Option<DateTime<Utc>>,
    /// Only messages of others that wait to be read (true).
    #[serde(default)]
    #[param(value_type = Option<bool>)]
    unread: bool,
    /// Only messages that contain all of these words, in any order; words of three and more letters may go on (`hel` finds `hello`). Case does not
    /// matter. 1 to 200 characters.
    search: Option<String>,
}

impl ListMessages {
    /// What is asked of the store; with the limit and the place.
    pub(in crate::api) fn filter(self) -> Result<MessageFilter, Problem> {
        let mut checks = Checks::new();
        let chat = self.chat.map(|text| text.parse());
        if let Some(Err(error)) = &chat {
            let error: &shared::address::InvalidAddress = error;
            checks.require(false, "chat", &error.to_string());
        }
        if let Some(kind) = &self.kind {
            let word =
                (1..=32).contains(&kind.len()) && kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            checks.require(word, "type", "must be a kind of message, for example text");
        }
        for (field, time) in [("since", self.since), ("until", self.until)] {
            if let Some(time) = time {
                checks.time(field, time);
            }
        }
        if let Some(text) = &self.search {
            checks.text("search", text, 1..=200);
        }
        checks.finish()?;
        Ok(MessageFilter {
            chat: chat.and_then(Result::ok),
            kind: self.kind,
            from_me: self.from_me,
            since: self.since,
            until: self.until,
            unread: self.unread,
            search: self.search,
        })
    }
}

/// List a session's messages, newest first.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/messages", tag = "messages", params(SessionPath, ListMessages),
    responses((status = 200, description = "A page of messages.", body = Page<Message>)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable"]))))]
pub(super) async fn list_messages(
    State(app): State<App>,
    call: SessionCall<ReadMessages>,
    Parameters(list): Parameters<ListMessages>,
) -> Result<Json<Page<Message>>, Problem> {
    let limit = list.limit;
    let after = list.cursor.as_ref().map(|Cursor(id)| MessageId(*id));
    let filter = list.filter()?;
    let rows = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        Ok(transaction.messages(call.session, &filter, after, limit.rows()).await?)
    })
    .await?;
    Ok(Json(Page::new(rows, limit, |message| message.id.0, |message| message)))
}
