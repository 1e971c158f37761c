//! `/v1/users`: the people of tenants who log in. The operator manages them, as it does keys.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::ids::{TenantId, UserId};
use shared::problem::Code;
use shared::store::users::{NewUser, User, UserChanges};
use shared::user::{Role, normal_email};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::auth::password::GivenPassword;
use crate::auth::{AdminCall, login, password};
use crate::database::promptly;
use crate::http::body::{Document, Submission};
use crate::http::checks::Checks;
use crate::http::page::{Cursor, Limit, Page};
use crate::http::parameters::Parameters;
use crate::http::path::Id;
use crate::http::timestamp::Timestamp;
use crate::idempotency::{Admission, Answer, Work};
use crate::openapi::IdempotencyHeader;
use crate::problem::Problem;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(create_user, list_users))
        .routes(routes!(get_user, update_user, delete_user))
}

/// A person who logs in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserObject {
    /// Its id.
    #[schema(value_type = String, example = "usr_06egk3n2g8v6f9d8h2q7c1t0b4")]
    id: UserId,
    /// For whom the person works.
    #[schema(value_type = String)]
    tenant_id: TenantId,
    /// The email, in lower case.
    #[schema(example = "ana@example.com")]
    email: String,
    /// What the person may do.
    role: Role,
    /// Whether the person is kept out.
    disabled: bool,
    /// When the person logged in last.
    last_login_at: Option<Timestamp>,
    /// When it was made.
    created_at: Timestamp,
}

impl From<User> for UserObject {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            tenant_id: user.tenant,
            email: user.email,
            role: user.role,
            disabled: user.disabled_at.is_some(),
            last_login_at: user.last_login_at.map(Timestamp),
            created_at: user.created_at.into(),
        }
    }
}

/// A user to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    /// For whom the person works.
    #[schema(value_type = String)]
    tenant_id: TenantId,
    /// The email: unique among all users, whatever its case.
    #[schema(example = "ana@example.com", max_length = 254)]
    email: String,
    /// The password: 8 to 256 characters.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 256)]
    password: GivenPassword,
    /// What the person may do; `owner` if not said.
    #[serde(default = "owner")]
    #[schema(required = false)]
    role: Role,
}

fn owner() -> Role {
    Role::Owner
}

/// Make a user.
#[utoipa::path(post, path = "/v1/users", tag = "users", params(IdempotencyHeader), request_body = CreateUser,
    responses((status = 201, description = "The user.", body = UserObject)),
    extensions(("x-problems" = json!(["tenant_not_found", "email_taken"]))))]
async fn create_user(
    State(app): State<App>,
    call: AdminCall,
    submission: Submission<CreateUser>,
) -> Result<Answer, Problem> {
    let Submission { body, idempotency } = submission;
    let mut checks = Checks::new();
    let email = normal_email(&body.email);
    checks.require(
        email.is_some(),
        "email",
        "must be an email address of at most 254 characters",
    );
    password::check(&mut checks, "password", &body.password.0);
    checks.finish()?;
    let known = promptly(async { Ok(app.store().administration().await?.tenant(body.tenant_id).await?) }).await?;
    if known.is_none() {
        return Err(Problem::not_found(Code::TenantNotFound));
    }
    let user = NewUser {
        id: UserId::generate(),
        email: email.unwrap_or_default(),
        // Before the transaction, which should be short.
        password_hash: app.passwords().hash(&body.password.0).await?,
        role: body.role,
    };
    promptly(async {
        let idempotency = idempotency.map(|idempotency| idempotency.keyed(&call.key));
        let mut work = match Work::begin(&app, body.tenant_id, idempotency, &call.key).await? {
            Admission::Fresh(work) => work,
            Admission::Replay(answer) => return Ok(answer),
        };
        let outcome = match work.transaction.create_user(&user).await {
            Ok(Some(user)) => Answer::json(StatusCode::CREATED, &UserObject::from(user)),
            Ok(None) => Err(Problem::new(
                Code::EmailTaken,
                "A user logs in with this email already, of this tenant or of another.",
            )),
            Err(error) => Err(error.into()),
        };
        work.settle(outcome).await
    })
    .await
}

/// Which users are listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListUsers {
    /// How many at most: 1 to 100.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100, default = 50)]
    limit: Limit,
    /// Where to go on: `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<Uuid>>,
}

/// List users, newest first.
#[utoipa::path(get, path = "/v1/users", tag = "users",
    params(ListUsers, ("tenant_id" = Option<String>, Query, description = "Only this tenant's users.")),
    responses((status = 200, description = "A page of users.", body = Page<UserObject>)))]
async fn list_users(
    State(app): State<App>,
    call: AdminCall,
    Parameters(list): Parameters<ListUsers>,
) -> Result<Json<Page<UserObject>>, Problem> {
    let after = list.cursor.map(|Cursor(id)| UserId(id));
    let rows = promptly(async {
        let mut transaction = app.store().administration().await?;
        Ok(transaction.users(call.named_tenant, after, list.limit.rows()).await?)
    })
    .await?;
    Ok(Json(Page::new(rows, list.limit, |user| user.id.0, UserObject::from)))
}

/// Get a user.
#[utoipa::path(get, path = "/v1/users/{user_id}", tag = "users",
    params(("user_id" = String, Path, description = "The user's id.")),
    responses((status = 200, description = "The user.", body = UserObject)),
    extensions(("x-problems" = json!(["user_not_found"]))))]
async fn get_user(State(app): State<App>, _call: AdminCall, Id(user): Id<UserId>) -> Result<Json<UserObject>, Problem> {
    let found = promptly(async { Ok(app.store().administration().await?.user(user).await?) }).await?;
    let user = found.ok_or_else(|| Problem::not_found(Code::UserNotFound))?;
    Ok(Json(user.into()))
}

/// What is to change about a user. What is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateUser {
    /// A new password: 8 to 256 characters. Every login of the user ends.
    #[schema(value_type = Option<String>, format = Password, min_length = 8, max_length = 256)]
    password: Option<GivenPassword>,
    /// What the person may do from now on.
    role: Option<Role>,
    /// Whether the person is kept out. Every login of the user ends.
    disabled: Option<bool>,
}

/// Change a user's password or role, or keep the person out. Tokens follow within two seconds.
#[utoipa::path(patch, path = "/v1/users/{user_id}", tag = "users",
    params(("user_id" = String, Path, description = "The user's id.")), request_body = UpdateUser,
    responses((status = 200, description = "The changed user.", body = UserObject)),
    extensions(("x-problems" = json!(["user_not_found"]))))]
async fn update_user(
    State(app): State<App>,
    _call: AdminCall,
    Id(user): Id<UserId>,
    Document(body): Document<UpdateUser>,
) -> Result<Json<UserObject>, Problem> {
    let mut checks = Checks::new();
    if let Some(password) = &body.password {
        password::check(&mut checks, "password", &password.0);
    }
    checks.finish()?;
    let password_hash = match &body.password {
        Some(password) => Some(app.passwords().hash(&password.0).await?),
        None => None,
    };
    let changes = UserChanges {
        password_hash,
        role: body.role,
        disabled: body.disabled,
    };
    let changed = promptly(async {
        let mut transaction = app.store().administration().await?;
        let changed = transaction
            .update_user(user, &changes)
            .await?
            .ok_or_else(|| Problem::not_found(Code::UserNotFound))?;
        transaction.commit().await?;
        Ok(changed)
    })
    .await?;
    login::forget(&app);
    Ok(Json(changed.into()))
}

/// Remove a user. Tokens stop working within two seconds.
#[utoipa::path(delete, path = "/v1/users/{user_id}", tag = "users",
    params(("user_id" = String, Path, description = "The user's id.")),
    responses((status = 204, description = "The user is gone.")),
    extensions(("x-problems" = json!(["user_not_found"]))))]
async fn delete_user(State(app): State<App>, _call: AdminCall, Id(user): Id<UserId>) -> Result<StatusCode, Problem> {
    let found = promptly(async {
        let mut transaction = app.store().administration().await?;
        let found = transaction.delete_user(user).await?;
        transaction.commit().await?;
        Ok(found)
    })
    .await?;
    if !found {
        return Err(Problem::not_found(Code::UserNotFound));
    }
    login::forget(&app);
    Ok(StatusCode::NO_CONTENT)
}
