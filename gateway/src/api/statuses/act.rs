//! What the account does with status posts: see them, react to them, take own ones back.

use axum::extract::State;
use axum::response::Response;
use shared::address::Address;
use shared::ids::StatusId;
use shared::operation::{Operation, StatusOperation};
use shared::status::Status;

use super::StatusPath;
use crate::api::groups::{OPERATION_PROBLEMS, without_key};
use crate::api::messages::wa_message_id;
use crate::api::newsletters::ReactionBody;
use crate::api::sessions::{self, SessionPath};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::SendMessages;
use crate::database::promptly;
use crate::http::body::{Document, Nothing, Submission};
use crate::http::path::Id;
use crate::http::prefer::Prefer;
use crate::openapi::{IdempotencyHeader, PreferHeader};
use crate::operate::{OperationAccepted, OperationDone, operate};
use crate::problem::Problem;

type Call = SessionCall<SendMessages>;

async fn read(app: &App, call: &Call, status: StatusId) -> Result<(Status, Vec<Address>), Problem> {
    promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        let post = super::find(&mut transaction, call.session, status).await?;
        let audience = transaction.status_audience(call.session, status).await?;
        Ok((post, audience))
    })
    .await
}

/// The author of somebody else's post. Posts go by LID where it is known.
fn author(post: &Status) -> Result<Address, Problem> {
    if post.from_me {
        return Err(Problem::field("status_id", "must be a post of somebody else"));
    }
    match (&post.from.lid, &post.from.phone) {
        (Some(lid), _) => Ok(Address::Lid(lid.clone())),
        (None, Some(phone)) => Ok(Address::Phone(phone.clone())),
        (None, None) => post
            .from
            .jid
            .parse()
            .map_err(|_| Problem::internal(anyhow::anyhow!("the author of a post is nobody"))),
    }
}

/// Tell the author of a post that the account has seen it.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/statuses/{status_id}/view", tag = "statuses",
    params(SessionPath, StatusPath, IdempotencyHeader, PreferHeader), request_body(content = Nothing, description = "Nothing."),
    responses((status = 200, description = "The author is told.", body = OperationDone),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!([&["status_not_found"], OPERATION_PROBLEMS].concat()))))]
pub(crate) async fn view_status(
    State(app): State<App>,
    call: Call,
    Id(status): Id<StatusId>,
    prefer: Prefer,
    submission: Submission<Nothing>,
) -> Result<Response, Problem> {
    let (post, _) = read(&app, &call, status).await?;
    let submission = Submission {
        body: Operation::Status(StatusOperation::View {
            author: author(&post)?,
            wa_message_id: post.wa_message_id,
        }),
        idempotency: submission.idempotency,
    };
    operate(&app, &call, prefer, submission).await
}

async fn react(app: &App, call: &Call, prefer: Prefer, status: StatusId, emoji: String) -> Result<Response, Problem> {
    let (post, _) = read(app, call, status).await?;
    let operation = StatusOperation::React {
        author: author(&post)?,
        wa_message_id: post.wa_message_id,
        emoji,
        reaction_id: wa_message_id(),
    };
    operate(app, call, prefer, without_key(Operation::Status(operation))).await
}

/// React to a post.
#[utoipa::path(put, path = "/v1/sessions/{session_id}/statuses/{status_id}/reaction", tag = "statuses",
    params(SessionPath, StatusPath, PreferHeader), request_body = ReactionBody,
    responses((status = 200, description = "It is on its way.", body = OperationDone),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!([&["status_not_found"], OPERATION_PROBLEMS].concat()))))]
pub(crate) async fn react_to_status(
    State(app): State<App>,
    call: Call,
    Id(status): Id<StatusId>,
    prefer: Prefer,
    Document(reaction): Document<ReactionBody>,
) -> Result<Response, Problem> {
    let emoji = reaction.checked()?;
    react(&app, &call, prefer, status, emoji).await
}

/// Take back a reaction to a post.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}/statuses/{status_id}/reaction", tag = "statuses",
    params(SessionPath, StatusPath, PreferHeader),
    responses((status = 200, description = "It is on its way.", body = OperationDone),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!([&["status_not_found"], OPERATION_PROBLEMS].concat()))))]
pub(crate) async fn unreact_to_status(
    State(app): State<App>,
    call: Call,
    Id(status): Id<StatusId>,
    prefer: Prefer,
) -> Result<Response, Problem> {
    react(&app, &call, prefer, status, String::new()).await
}

/// Take an own post back.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}/statuses/{status_id}", tag = "statuses",
    params(SessionPath, StatusPath, PreferHeader),
    responses((status = 200, description = "It is on its way.", body = OperationDone),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!([&["status_not_found"], OPERATION_PROBLEMS].concat()))))]
pub(super) async fn revoke_status(
    State(app): State<App>,
    call: Call,
    Id(status): Id<StatusId>,
    prefer: Prefer,
) -> Result<Response, Problem> {
    let (post, audience) = read(&app, &call, status).await?;
    if !post.from_me {
        return Err(Problem::field("status_id", "must be an own post"));
    }
    if audience.is_empty() {
        return Err(Problem::field(
            "status_id",
            "must be a post that was made here: who may see one of another device is not known",
        ));
    }
    let operation = StatusOperation::Revoke {
        wa_message_id: post.wa_message_id,
        audience,
        revocation_id: wa_message_id(),
    };
    operate(&app, &call, prefer, without_key(Operation::Status(operation))).await
}
