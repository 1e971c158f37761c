//! Invitations: a group's code, what a code leads to, joining by one.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use shared::address::Address;
use shared::group::{Group, InviteCode, JoinedGroup};
use shared::operation::{GroupOperation, Operation};
use shared::query::{GroupLookup, Lookup};
use utoipa::ToSchema;

use super::{GroupPath, LOOK_UP_PROBLEMS, OPERATION_PROBLEMS};
use crate::api::sessions::SessionPath;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{ReadMessages, SendMessages};
use crate::http::body::{Nothing, Submission};
use crate::http::checks::Checks;
use crate::http::jid::GroupJid;
use crate::http::parameters::Parameters;
use crate::http::prefer::Prefer;
use crate::look_up::look_up;
use crate::openapi::{IdempotencyHeader, PreferHeader};
use crate::operate::{OperationAccepted, operate};
use crate::problem::Problem;

/// The code of an invitation, or the whole link; `None` when it is neither.
fn code_of(text: &str) -> Option<String> {
    let text = text.trim();
    let code = match text.split_once("chat.whatsapp.com/") {
        Some((_, rest)) => rest.trim_start_matches("invite/").split(['?', '/', '#']).next()?,
        None => text,
    };
    let valid = (4..=64).contains(&code.len())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    valid.then(|| code.to_owned())
}

fn check_code(checks: &mut Checks, text: &str) -> String {
    let code = code_of(text);
    checks.require(
        code.is_some(),
        "code",
        "must be an invitation's code (4 to 64 letters, digits, - and _) or its link",
    );
    code.unwrap_or_default()
}

/// Get a group's invitation code. Only administrators may.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/groups/{group_jid}/invite-code", tag = "groups", params(SessionPath, GroupPath),
    responses((status = 200, description = "The code.", body = InviteCode)),
    extensions(("x-problems" = json!(LOOK_UP_PROBLEMS))))]
pub(crate) async fn get_invite_code(
    State(app): State<App>,
    call: SessionCall<ReadMessages>,
    GroupJid(group): GroupJid,
) -> Result<Json<InviteCode>, Problem> {
    let code = look_up(&app, &call, Lookup::Group(GroupLookup::InviteCode { group })).await?;
    Ok(Json(code))
}

/// Make a new invitation code; the old one stops working.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/groups/{group_jid}/invite-code", tag = "groups",
    params(SessionPath, GroupPath, IdempotencyHeader, PreferHeader), request_body(content = Nothing, description = "Nothing."),
    responses((status = 200, description = "The new code.", body = InviteCode),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
pub(super) async fn reset_invite_code(
    State(app): State<App>,
    call: SessionCall<SendMessages>,
    GroupJid(group): GroupJid,
    prefer: Prefer,
    submission: Submission<Nothing>,
) -> Result<Response, Problem> {
    let submission = Submission {
        body: Operation::Group(GroupOperation::ResetInviteCode { group }),
        idempotency: submission.idempotency,
    };
    operate(&app, &call, prefer, submission).await
}

/// An invitation.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct InviteInfo {
    /// The code, or the whole link.
    #[param(example = "F0oBarB4zQux12345678Ab")]
    code: String,
}

/// See what group an invitation leads to, without joining it.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/groups/invite-info", tag = "groups", params(SessionPath, InviteInfo),
    responses((status = 200, description = "The group, with those members that WhatsApp shows.", body = Group)),
    extensions(("x-problems" = json!(LOOK_UP_PROBLEMS))))]
pub(super) async fn get_invite_info(
    State(app): State<App>,
    call: SessionCall<ReadMessages>,
    Parameters(wanted): Parameters<InviteInfo>,
) -> Result<Json<Group>, Problem> {
    let mut checks = Checks::new();
    let code = check_code(&mut checks, &wanted.code);
    checks.finish()?;
    let group = look_up(&app, &call, Lookup::Group(GroupLookup::InviteInfo { code })).await?;
    Ok(Json(group))
}

/// An invitation to accept: its code alone, or all that a message of the kind `group_invite` holds.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Joining {
    /// The code, or the whole link.
    #[schema(example = "F0oBarB4zQux12345678Ab")]
    code: String,
    /// For an invitation that came as a message: the group's JID.
    group: Option<String>,
    /// For an invitation that came as a message: who sent it.
    inviter: Option<String>,
    /// For an invitation that came as a message: Unix time in seconds until which it works.
    #[schema(minimum = 0)]
    expires_at: Option<i64>,
}

fn check(request: Joining) -> Result<GroupOperation, Problem> {
    let mut checks = Checks::new();
    let code = check_code(&mut checks, &request.code);
    let personal = request.group.is_some() || request.inviter.is_some() || request.expires_at.is_some();
    if !personal {
        checks.finish()?;
        return Ok(GroupOperation::Join { code });
    }
    let group = request.group.unwrap_or_default().parse::<Address>();
    let inviter = request.inviter.unwrap_or_default().parse::<Address>();
    checks.require(matches!(group, Ok(Address::Group(_))), "group", "must be a group's JID");
    checks.require(
        inviter.as_ref().is_ok_and(Address::is_person),
        "inviter",
        "must be a person's address",
    );
    checks.require(
        request.expires_at.is_some_and(|time| time >= 0),
        "expires_at",
        "must be a Unix time in seconds",
    );
    checks.finish()?;
    match (group, inviter, request.expires_at) {
        (Ok(group), Ok(inviter), Some(expires_at)) => Ok(GroupOperation::AcceptInvitation {
            group,
            code,
            expires_at,
            inviter,
        }),
        _ => Err(Problem::field("", "is not an invitation")),
    }
}

/// Join a group by its code, or by an invitation that came as a message.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/groups/join", tag = "groups", params(SessionPath, IdempotencyHeader, PreferHeader),
    request_body = Joining,
    responses((status = 200, description = "The account is a member, or has asked to become one.", body = JoinedGroup),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
pub(crate) async fn join_group(
    State(app): State<App>,
    call: SessionCall<SendMessages>,
    prefer: Prefer,
    submission: Submission<Joining>,
) -> Result<Response, Problem> {
    let submission = Submission {
        body: Operation::Group(check(submission.body)?),
        idempotency: submission.idempotency,
    };
    operate(&app, &call, prefer, submission).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::parse;

    #[test]
    fn a_code_is_found_in_its_links() {
        for text in [
            "F0oBarB4zQux12345678Ab",
            " https://chat.whatsapp.com/F0oBarB4zQux12345678Ab ",
            "https://chat.whatsapp.com/invite/F0oBarB4zQux12345678Ab?mode=r",
            "chat.whatsapp.com/F0oBarB4zQux12345678Ab/",
        ] {
            assert_eq!(code_of(text).as_deref(), Some("F0oBarB4zQux12345678Ab"), "{text}");
        }
        for text in ["", "abc", "https://example.com/F0oBarB4zQux", "a b c d", "a\0bcd"] {
            assert_eq!(code_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_personal_invitation_is_complete_or_refused() {
        let whole =
            r#"{"code":"abcd1234","group":"120363021033254949@g.us","inviter":"15550001001","expires_at":1795170000}"#;
        assert!(matches!(
            check(parse(whole.as_bytes()).unwrap()),
            Ok(GroupOperation::AcceptInvitation { .. })
        ));
        let partly = r#"{"code":"abcd1234","group":"15550001001"}"#;
        let problem = check(parse(partly.as_bytes()).unwrap()).unwrap_err();
        let fields: Vec<&str> = problem.errors().iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["group", "inviter", "expires_at"]);
    }
}
