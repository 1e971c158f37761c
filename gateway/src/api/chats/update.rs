//! `PATCH …/chats/{chat}`: archive, pin, mute, mark as unread, the timer of disappearing messages.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use shared::chat::{Chat, FOREVER};
use shared::operation::chat::{ChatMarks, Mute};
use shared::operation::{ChatOperation, Operation};
use utoipa::ToSchema;

use super::{ChatAddress, ChatPath, address, find, point};
use crate::api::sessions;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::SendMessages;
use crate::database::promptly;
use crate::http::body::{Document, Submission};
use crate::http::checks::Checks;
use crate::http::prefer::Prefer;
use crate::openapi::PreferHeader;
use crate::operate::{OperationAccepted, OperationDone, operate};
use crate::problem::Problem;

/// The timers that WhatsApp offers: off, a day, a week, 90 days.
const TIMERS: [u32; 4] = [0, 86_400, 604_800, 7_776_000];

/// What is to change about a chat. What is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateChat {
    /// Whether it is put away.
    archived: Option<bool>,
    /// Whether it stands at the top.
    pinned: Option<bool>,
    /// Until when it is silent; null: no longer; the end of the year 9999 (`9999-12-31T23:59:59Z`): for ever.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    muted_until: Option<Option<DateTime<Utc>>>,
    /// Whether it shows as unread. False also marks its messages as read, without telling their authors.
    marked_unread: Option<bool>,
    /// After how many seconds new messages disappear: 0 (never), 86400, 604800 or 7776000.
    ephemeral: Option<u32>,
}

/// Tells null from absent.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<DateTime<Utc>>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn check(body: &UpdateChat) -> Result<ChatMarks, Problem> {
    let mut checks = Checks::new();
    if let Some(Some(until)) = body.muted_until {
        checks.require(
            until > Utc::now() && until <= FOREVER + chrono::TimeDelta::seconds(1),
            "muted_until",
            "must be a time to come, at most the end of the year 9999",
        );
    }
    if let Some(seconds) = body.ephemeral {
        checks.require(
            TIMERS.contains(&seconds),
            "ephemeral",
            "must be 0, 86400, 604800 or 7776000",
        );
    }
    checks.require(
        !(body.archived == Some(true) && body.pinned == Some(true)),
        "pinned",
        "must not be true for a chat that is archived",
    );
    checks.finish()?;
    Ok(ChatMarks {
        archived: body.archived,
        pinned: body.pinned,
        muted: body.muted_until.map(|until| Mute {
            until: until.map(|until| until.min(FOREVER)),
        }),
        marked_unread: body.marked_unread,
        ephemeral: body.ephemeral,
    })
}

/// Change a chat's marks, on all of the account's devices. Answers the chat when WhatsApp has taken the change.
#[utoipa::path(patch, path = "/v1/sessions/{session_id}/chats/{chat}", tag = "chats", params(ChatPath, PreferHeader), request_body = UpdateChat,
    responses((status = 200, description = "It is done.", body = OperationDone),
              (status = 202, description = "It is accepted and will be done.", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "chat_not_found", "session_not_paired", "session_not_started",
        "whatsapp_refused", "timeout"]))))]
pub(crate) async fn update_chat(
    State(app): State<App>,
    call: SessionCall<SendMessages>,
    ChatAddress(chat): ChatAddress,
    prefer: Prefer,
    Document(body): Document<UpdateChat>,
) -> Result<Response, Problem> {
    let marks = check(&body)?;
    let (chat, last) = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        let chat: Chat = find(&mut transaction, call.session, &chat).await?;
        let ends = transaction.ends_of_chat(call.session, &chat.party.jid).await?;
        Ok((address(&chat)?, ends.map(|(newest, _)| point(&newest))))
    })
    .await?;
    let submission = Submission {
        body: Operation::Chat(ChatOperation::Update { chat, marks, last }),
        idempotency: None,
    };
    operate(&app, &call, prefer, submission).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::parse;

    fn read(body: &str) -> Result<ChatMarks, Problem> {
        check(&parse(body.as_bytes())?)
    }

    #[test]
    fn null_ends_muting_and_absence_leaves_it() {
        assert_eq!(read(r#"{"archived":true}"#).unwrap().muted, None);
        assert_eq!(
            read(r#"{"muted_until":null}"#).unwrap().muted,
            Some(Mute { until: None })
        );
        let forever = read(r#"{"muted_until":"9999-12-31T23:59:59Z"}"#).unwrap();
        assert_eq!(forever.muted, Some(Mute { until: Some(FOREVER) }));
    }

    #[test]
    fn what_whatsapp_does_not_offer_is_refused() {
        for (body, field) in [
            (r#"{"muted_until":"2001-01-01T00:00:00Z"}"#, "muted_until"),
            (r#"{"ephemeral":60}"#, "ephemeral"),
            (r#"{"archived":true,"pinned":true}"#, "pinned"),
            (r#"{"colour":"red"}"#, "colour"),
        ] {
            assert_eq!(read(body).unwrap_err().errors()[0].field, field, "{body}");
        }
    }
}
