//! `/v1/api-keys`: making, listing and revoking the keys of tenants.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use shared::api_key::{self, Scope};
use shared::ids::{ApiKeyId, SessionId, TenantId};
use shared::problem::Code;
use shared::store::TenantTransaction;
use shared::store::api_keys::{ApiKey, NewApiKey};
use shared::subject;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::auth::AdminCall;
use crate::database::promptly;
use crate::http::body::Submission;
use crate::http::checks::Checks;
use crate::http::page::{Cursor, Limit, Page};
use crate::http::parameters::Parameters;
use crate::http::path::Id;
use crate::http::timestamp::Timestamp;
use crate::idempotency::{Admission, Answer, Work};
use crate::openapi::IdempotencyHeader;
use crate::problem::Problem;

/// The most sessions that a key's list may name.
const MOST_SESSIONS: usize = 1_000;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(create_api_key, list_api_keys))
        .routes(routes!(revoke_api_key))
}

/// An API key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct ApiKeyObject {
    /// Its id.
    #[schema(value_type = String, example = "key_06egk3n2g8v6f9d8h2q7c1t0b4")]
    id: ApiKeyId,
    /// Whose it is.
    #[schema(value_type = String)]
    tenant_id: TenantId,
    /// What it is for.
    name: String,
    /// The key's first characters, to tell keys apart.
    #[schema(example = "rk_4fGh")]
    hint: String,
    /// What it may do.
    scopes: Vec<Scope>,
    /// The sessions that it may touch; null: all of the tenant's.
    #[schema(value_type = Option<Vec<String>>)]
    sessions: Option<Vec<SessionId>>,
    /// When it stops working.
    expires_at: Option<Timestamp>,
    /// When it was revoked.
    revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    last_used_at: Option<Timestamp>,
    /// When it was made.
    created_at: Timestamp,
}

impl From<ApiKey> for ApiKeyObject {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            tenant_id: key.tenant,
            name: key.name,
            hint: key.hint,
            scopes: key.scopes,
            sessions: key.sessions,
            expires_at: key.expires_at.map(Timestamp),
            revoked_at: key.revoked_at.map(Timestamp),
            last_used_at: key.last_used_at.map(Timestamp),
            created_at: key.created_at.into(),
        }
    }
}

/// A fresh API key. The only answer that ever shows the key itself.
#[derive(Serialize, ToSchema)]
pub struct CreatedApiKey {
    #[serde(flatten)]
    api_key: ApiKeyObject,
    /// The key. It is shown once and cannot be had again.
    #[schema(example = "rk_…")]
    key: String,
}

/// An API key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKey {
    /// Whose it will be.
    #[schema(value_type = String)]
    tenant_id: TenantId,
    /// What it is for: 1 to 100 characters.
    #[schema(example = "Order notifications")]
    name: String,
    /// What it may do. `admin` cannot be given.
    #[schema(min_items = 1)]
    scopes: Vec<Scope>,
    /// The sessions that it may touch; absent: all of the tenant's. Such a key cannot create sessions.
    #[schema(value_type = Option<Vec<String>>)]
    sessions: Option<Vec<SessionId>>,
    /// When it stops working.
    expires_at: Option<DateTime<Utc>>,
}

/// Make an API key.
#[utoipa::path(post, path = "/v1/api-keys", tag = "api-keys", params(IdempotencyHeader), request_body = CreateApiKey,
    responses((status = 201, description = "The key, shown once.", body = CreatedApiKey)),
    extensions(("x-problems" = json!(["tenant_not_found"]))))]
async fn create_api_key(
    State(app): State<App>,
    call: AdminCall,
    submission: Submission<CreateApiKey>,
) -> Result<Answer, Problem> {
    check(&submission.body)?;
    promptly(create(&app, &call, submission)).await
}

fn check(body: &CreateApiKey) -> Result<(), Problem> {
    let mut checks = Checks::new();
    checks.name("name", &body.name);
    checks.require(!body.scopes.is_empty(), "scopes", "must name at least one scope");
    checks.require(
        !body.scopes.contains(&Scope::Admin),
        "scopes",
        "must not contain admin: only the operator's key has it",
    );
    if let Some(sessions) = &body.sessions {
        checks.require(
            (1..=MOST_SESSIONS).contains(&sessions.len()),
            "sessions",
            &format!("must name 1 to {MOST_SESSIONS} sessions"),
        );
    }
    if let Some(expires_at) = body.expires_at {
        checks.time("expires_at", expires_at);
        checks.require(expires_at > Utc::now(), "expires_at", "must be in the future");
    }
    checks.finish()
}

async fn create(app: &App, call: &AdminCall, submission: Submission<CreateApiKey>) -> Result<Answer, Problem> {
    let tenant = submission.body.tenant_id;
    let known = app.store().administration().await?.tenant(tenant).await?;
    if known.is_none() {
        return Err(Problem::not_found(Code::TenantNotFound));
    }
    let mut work = match Work::begin(app, tenant, submission.idempotency, &call.key).await? {
        Admission::Fresh(work) => work,
        Admission::Replay(answer) => return Ok(answer),
    };
    let outcome = insert(&mut work.transaction, submission.body).await;
    work.settle(outcome).await
}

async fn insert(transaction: &mut TenantTransaction, body: CreateApiKey) -> Result<Answer, Problem> {
    if let Some(sessions) = &body.sessions {
        super::sessions::require_known(transaction, "sessions", sessions).await?;
    }
    let secret = api_key::generate();
    let mut scopes = body.scopes;
    scopes.dedup();
    let made = transaction
        .create_api_key(&NewApiKey {
            id: ApiKeyId::generate(),
            name: body.name,
            secret_hash: api_key::hash(secret.expose_secret()),
            hint: api_key::hint(&secret),
            scopes,
            sessions: body.sessions,
            expires_at: body.expires_at,
        })
        .await?;
    let shown = CreatedApiKey {
        api_key: made.into(),
        key: secret.expose_secret().to_owned(),
    };
    Ok(Answer::json(StatusCode::CREATED, &shown)?.showing_secret(true))
}

/// Which keys are listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListApiKeys {
    /// How many at most: 1 to 100.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100, default = 50)]
    limit: Limit,
    /// Where to go on: `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<Uuid>>,
}

/// List API keys, newest first, revoked ones included.
#[utoipa::path(get, path = "/v1/api-keys", tag = "api-keys",
    params(ListApiKeys, ("tenant_id" = Option<String>, Query, description = "Only this tenant's keys.")),
    responses((status = 200, description = "A page of keys.", body = Page<ApiKeyObject>)))]
async fn list_api_keys(
    State(app): State<App>,
    call: AdminCall,
    Parameters(list): Parameters<ListApiKeys>,
) -> Result<Json<Page<ApiKeyObject>>, Problem> {
    let after = list.cursor.map(|Cursor(id)| ApiKeyId(id));
    let rows = promptly(async {
        let mut transaction = app.store().administration().await?;
        Ok(transaction
            .api_keys(call.named_tenant, after, list.limit.rows())
            .await?)
    })
    .await?;
    Ok(Json(Page::new(rows, list.limit, |key| key.id.0, ApiKeyObject::from)))
}

/// Revoke an API key. It stops working everywhere within two seconds.
#[utoipa::path(delete, path = "/v1/api-keys/{api_key_id}", tag = "api-keys",
    params(("api_key_id" = String, Path, description = "The key's id.")),
    responses((status = 204, description = "The key is revoked, now or before.")),
    extensions(("x-problems" = json!(["api_key_not_found"]))))]
async fn revoke_api_key(
    State(app): State<App>,
    _call: AdminCall,
    Id(key): Id<ApiKeyId>,
) -> Result<StatusCode, Problem> {
    let found = promptly(async {
        let mut transaction = app.store().administration().await?;
        let found = transaction.revoke_api_key(key).await?;
        transaction.commit().await?;
        Ok(found)
    })
    .await?;
    if !found {
        return Err(Problem::not_found(Code::ApiKeyNotFound));
    }
    app.keys().forget();
    app.relay().hint(subject::api_key_hint(app.region()));
    Ok(StatusCode::NO_CONTENT)
}
