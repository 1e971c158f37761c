//! `/v1/sessions/{id}/newsletters`: newsletters (channels) that the account follows or has made. Posting in one is sending a message to its JID.
//!
//! Newsletters live on WhatsApp's server: everything here is asked there, nothing is recorded but the messages that arrive. What the protocol engine of
//! this version does not have: inviting administrators, transferring ownership, deleting a newsletter, listing its followers.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::response::Response;
use http::request::Parts;
use serde::Deserialize;
use shared::group::{Newsletter, NewsletterMessages, Newsletters};
use shared::operation::{NewsletterOperation, Operation};
use shared::problem::Code;
use shared::query::{Lookup, NewsletterLookup};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::groups::{LOOK_UP_PROBLEMS, OPERATION_PROBLEMS, without_key};
use crate::api::sessions::SessionPath;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{ReadMessages, SendMessages};
use crate::http::body::{Document, Submission};
use crate::http::checks::Checks;
use crate::http::jid::NewsletterJid;
use crate::http::parameters::Parameters;
use crate::http::prefer::Prefer;
use crate::look_up::look_up;
use crate::openapi::{IdempotencyHeader, PreferHeader};
use crate::operate::{OperationAccepted, OperationDone, operate};
use crate::problem::Problem;

type Reading = SessionCall<ReadMessages>;
type Call = SessionCall<SendMessages>;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(list_newsletters, create_newsletter))
        .routes(routes!(get_newsletter, update_newsletter))
        .routes(routes!(follow_newsletter, unfollow_newsletter))
        .routes(routes!(mute_newsletter, unmute_newsletter))
        .routes(routes!(list_newsletter_messages))
        .routes(routes!(react_in_newsletter, unreact_in_newsletter))
}

/// The path of everything about one newsletter.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
struct NewsletterPath {
    /// The newsletter's JID.
    #[param(example = "120363021033254949@newsletter")]
    #[expect(dead_code, reason = "documentation; the value is taken by its extractor")]
    newsletter_jid: String,
}

/// The newsletter's own number of a message.
#[derive(Debug, Clone, Copy)]
struct ServerId(u64);

impl<S: Send + Sync> FromRequestParts<S> for ServerId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let nothing = || Problem::new(Code::NotFoundOnWhatsapp, "The path names no message of a newsletter.");
        let Path(parameters) = Path::<HashMap<String, String>>::from_request_parts(parts, state)
            .await
            .map_err(|_| nothing())?;
        parameters
            .get("server_id")
            .and_then(|text| text.parse().ok())
            .map(Self)
            .ok_or_else(nothing)
    }
}

/// List the newsletters that the account follows or has made.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/newsletters", tag = "newsletters", params(SessionPath),
    responses((status = 200, description = "The newsletters.", body = Newsletters)),
    extensions(("x-problems" = json!(LOOK_UP_PROBLEMS))))]
async fn list_newsletters(State(app): State<App>, call: Reading) -> Result<Json<Newsletters>, Problem> {
    let lookup = Lookup::Newsletter(NewsletterLookup::Subscribed);
    Ok(Json(look_up(&app, &call, lookup).await?))
}

/// A newsletter to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewNewsletter {
    /// The name: 1 to 100 characters.
    #[schema(example = "Offers of the week")]
    name: String,
    /// What it is about, at most 2,048 characters.
    description: Option<String>,
}

/// What changes about a newsletter.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewsletterChange {
    /// The new name: 1 to 100 characters.
    name: Option<String>,
    /// What it is about from now on, at most 2,048 characters; empty: nothing is said.
    description: Option<String>,
}

fn check(name: Option<&str>, description: Option<&str>) -> Result<(), Problem> {
    let mut checks = Checks::new();
    if let Some(name) = name {
        checks.name("name", name);
    }
    if let Some(description) = description {
        checks.text("description", description, 0..=2_048);
    }
    checks.require(name.is_some() || description.is_some(), "", "must change something");
    checks.finish()
}

/// Make a newsletter.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/newsletters", tag = "newsletters",
    params(SessionPath, IdempotencyHeader, PreferHeader), request_body = NewNewsletter,
    responses((status = 200, description = "The newsletter.", body = Newsletter),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
async fn create_newsletter(
    State(app): State<App>,
    call: Call,
    prefer: Prefer,
    submission: Submission<NewNewsletter>,
) -> Result<Response, Problem> {
    let NewNewsletter { name, description } = submission.body;
    check(Some(&name), description.as_deref())?;
    let submission = Submission {
        body: Operation::Newsletter(NewsletterOperation::Create { name, description }),
        idempotency: submission.idempotency,
    };
    operate(&app, &call, prefer, submission).await
}

/// Get a newsletter, also one that the account does not follow.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/newsletters/{newsletter_jid}", tag = "newsletters",
    params(SessionPath, NewsletterPath), responses((status = 200, description = "The newsletter.", body = Newsletter)),
    extensions(("x-problems" = json!(LOOK_UP_PROBLEMS))))]
async fn get_newsletter(
    State(app): State<App>,
    call: Reading,
    NewsletterJid(newsletter): NewsletterJid,
) -> Result<Json<Newsletter>, Problem> {
    let lookup = Lookup::Newsletter(NewsletterLookup::Metadata { newsletter });
    Ok(Json(look_up(&app, &call, lookup).await?))
}

/// Change a newsletter's name or description.
#[utoipa::path(patch, path = "/v1/sessions/{session_id}/newsletters/{newsletter_jid}", tag = "newsletters",
    params(SessionPath, NewsletterPath, PreferHeader), request_body = NewsletterChange,
    responses((status = 200, description = "The newsletter as it is now.", body = Newsletter),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
async fn update_newsletter(
    State(app): State<App>,
    call: Call,
    NewsletterJid(newsletter): NewsletterJid,
    prefer: Prefer,
    Document(change): Document<NewsletterChange>,
) -> Result<Response, Problem> {
    check(change.name.as_deref(), change.description.as_deref())?;
    let operation = NewsletterOperation::Update {
        newsletter,
        name: change.name,
        description: change.description,
    };
    operate(&app, &call, prefer, without_key(Operation::Newsletter(operation))).await
}

/// Follow a newsletter.
#[utoipa::path(put, path = "/v1/sessions/{session_id}/newsletters/{newsletter_jid}/follow", tag = "newsletters",
    params(SessionPath, NewsletterPath, PreferHeader),
    responses((status = 200, description = "The newsletter.", body = Newsletter),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
async fn follow_newsletter(
    State(app): State<App>,
    call: Call,
    NewsletterJid(newsletter): NewsletterJid,
    prefer: Prefer,
) -> Result<Response, Problem> {
    let operation = Operation::Newsletter(NewsletterOperation::Follow { newsletter });
    operate(&app, &call, prefer, without_key(operation)).await
}

/// Follow a newsletter no longer.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}/newsletters/{newsletter_jid}/follow", tag = "newsletters",
    params(SessionPath, NewsletterPath, PreferHeader),
    responses((status = 200, description = "The account does not follow it.", body = OperationDone),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
async fn unfollow_newsletter(
    State(app): State<App>,
    call: Call,
    NewsletterJid(newsletter): NewsletterJid,
    prefer: Prefer,
) -> Result<Response, Problem> {
    let operation = Operation::Newsletter(NewsletterOperation::Unfollow { newsletter });
    operate(&app, &call, prefer, without_key(operation)).await
}

/// Silence a newsletter.
#[utoipa::path(put, path = "/v1/sessions/{session_id}/newsletters/{newsletter_jid}/mute", tag = "newsletters",
    params(SessionPath, NewsletterPath, PreferHeader),
    responses((status = 200, description = "It is silent.", body = OperationDone),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
async fn mute_newsletter(
    State(app): State<App>,
    call: Call,
    NewsletterJid(newsletter): NewsletterJid,
    prefer: Prefer,
) -> Result<Response, Problem> {
    let operation = NewsletterOperation::Mute {
        newsletter,
        muted: true,
    };
    operate(&app, &call, prefer, without_key(Operation::Newsletter(operation))).await
}

/// Silence a newsletter no longer.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}/newsletters/{newsletter_jid}/mute", tag = "newsletters",
    params(SessionPath, NewsletterPath, PreferHeader),
    responses((status = 200, description = "It is heard again.", body = OperationDone),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
async fn unmute_newsletter(
    State(app): State<App>,
    call: Call,
    NewsletterJid(newsletter): NewsletterJid,
    prefer: Prefer,
) -> Result<Response, Problem> {
    let operation = NewsletterOperation::Mute {
        newsletter,
        muted: false,
    };
    operate(&app, &call, prefer, without_key(Operation::Newsletter(operation))).await
}

/// Which messages of a newsletter are listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListNewsletterMessages {
    /// How many at most: 1 to 100.
    #[serde(default = "fifty")]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100, default = 50)]
    limit: u32,
    /// Only messages before this one, by the newsletter's own number.
    before: Option<u64>,
}

fn fifty() -> u32 {
    50
}

/// List messages of a newsletter, as its server keeps them.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/newsletters/{newsletter_jid}/messages", tag = "newsletters",
    params(SessionPath, NewsletterPath, ListNewsletterMessages),
    responses((status = 200, description = "The messages.", body = NewsletterMessages)),
    extensions(("x-problems" = json!(LOOK_UP_PROBLEMS))))]
async fn list_newsletter_messages(
    State(app): State<App>,
    call: Reading,
    NewsletterJid(newsletter): NewsletterJid,
    Parameters(list): Parameters<ListNewsletterMessages>,
) -> Result<Json<NewsletterMessages>, Problem> {
    if !(1..=100).contains(&list.limit) {
        return Err(Problem::field("limit", "must be 1 to 100"));
    }
    let lookup = Lookup::Newsletter(NewsletterLookup::Messages {
        newsletter,
        count: list.limit,
        before: list.before,
    });
    Ok(Json(look_up(&app, &call, lookup).await?))
}

/// A reaction.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReactionBody {
    /// An emoji: 1 to 16 characters.
    #[schema(example = "👍")]
    pub(super) emoji: String,
}

impl ReactionBody {
    /// The emoji, checked.
    ///
    /// # Errors
    /// A problem that names the field.
    pub(super) fn checked(self) -> Result<String, Problem> {
        let mut checks = Checks::new();
        checks.text("emoji", &self.emoji, 1..=16);
        checks.require(
            !self
                .emoji
                .chars()
                .any(|character| character.is_control() || character.is_whitespace()),
            "emoji",
            "must be an emoji",
        );
        checks.finish()?;
        Ok(self.emoji)
    }
}

/// React to a message of a newsletter.
#[utoipa::path(put, path = "/v1/sessions/{session_id}/newsletters/{newsletter_jid}/messages/{server_id}/reaction", tag = "newsletters",
    params(SessionPath, NewsletterPath, PreferHeader, ("server_id" = u64, Path, description = "The newsletter's own number of the message.")),
    request_body = ReactionBody,
    responses((status = 200, description = "It is on its way.", body = OperationDone),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
async fn react_in_newsletter(
    State(app): State<App>,
    call: Call,
    NewsletterJid(newsletter): NewsletterJid,
    ServerId(server_id): ServerId,
    prefer: Prefer,
    Document(reaction): Document<ReactionBody>,
) -> Result<Response, Problem> {
    let operation = NewsletterOperation::React {
        newsletter,
        server_id,
        emoji: reaction.checked()?,
    };
    operate(&app, &call, prefer, without_key(Operation::Newsletter(operation))).await
}

/// Take back a reaction to a message of a newsletter.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}/newsletters/{newsletter_jid}/messages/{server_id}/reaction", tag = "newsletters",
    params(SessionPath, NewsletterPath, PreferHeader, ("server_id" = u64, Path, description = "The newsletter's own number of the message.")),
    responses((status = 200, description = "It is on its way.", body = OperationDone),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
async fn unreact_in_newsletter(
    State(app): State<App>,
    call: Call,
    NewsletterJid(newsletter): NewsletterJid,
    ServerId(server_id): ServerId,
    prefer: Prefer,
) -> Result<Response, Problem> {
    let operation = NewsletterOperation::React {
        newsletter,
        server_id,
        emoji: String::new(),
    };
    operate(&app, &call, prefer, without_key(Operation::Newsletter(operation))).await
}
