//! `/v1/tenants`: the operator's customers.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use shared::api_key;
use shared::ids::TenantId;
use shared::problem::Code;
use shared::store::TenantTransaction;
use shared::store::tenants::{Quotas, Tenant};
use shared::subject;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::auth::AdminCall;
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
        .routes(routes!(create_tenant, list_tenants))
        .routes(routes!(get_tenant, update_tenant))
}

/// A customer of the operator.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tenant)]
pub struct TenantObject {
    /// Its id.
    #[schema(value_type = String, example = "ten_06egk3n2g8v6f9d8h2q7c1t0b4")]
    id: TenantId,
    /// Its name, for people.
    name: String,
    /// What it may use; an absent limit is unlimited.
    quotas: Quotas,
    /// Since when its keys are refused, if they are.
    suspended_at: Option<Timestamp>,
    /// When it was created.
    created_at: Timestamp,
}

impl From<Tenant> for TenantObject {
    fn from(tenant: Tenant) -> Self {
        Self {
            id: tenant.id,
            name: tenant.name,
            quotas: tenant.quotas,
            suspended_at: tenant.suspended_at.map(Timestamp),
            created_at: tenant.created_at.into(),
        }
    }
}

/// A tenant to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTenant {
    /// Its name, for people: 1 to 100 characters.
    #[schema(example = "Example Shops Ltd.")]
    name: String,
    /// What it may use; an absent limit is unlimited.
    #[serde(default)]
    quotas: Quotas,
}

/// Create a tenant.
#[utoipa::path(post, path = "/v1/tenants", tag = "tenants", params(IdempotencyHeader), request_body = CreateTenant,
    responses((status = 201, description = "The tenant.", body = TenantObject)))]
async fn create_tenant(
    State(app): State<App>,
    call: AdminCall,
    submission: Submission<CreateTenant>,
) -> Result<Answer, Problem> {
    let mut checks = Checks::new();
    checks.name("name", &submission.body.name);
    checks.finish()?;
    promptly(create(&app, &call, submission)).await
}

async fn create(app: &App, call: &AdminCall, submission: Submission<CreateTenant>) -> Result<Answer, Problem> {
    let tenant = match &submission.idempotency {
        Some(idempotency) => tenant_for_key(call, &idempotency.key),
        None => TenantId::generate(),
    };
    let mut work = match Work::begin(app, tenant, submission.idempotency, &call.key).await? {
        Admission::Fresh(work) => work,
        Admission::Replay(answer) => return Ok(answer),
    };
    let outcome = insert(&mut work.transaction, &submission.body).await;
    work.settle(outcome).await
}

async fn insert(transaction: &mut TenantTransaction, body: &CreateTenant) -> Result<Answer, Problem> {
    let created = transaction
        .create_tenant(&body.name, &body.quotas)
        .await?
        .ok_or_else(|| {
            Problem::new(
                Code::IdempotencyConflict,
                "This Idempotency-Key has created a tenant long ago: use a fresh key for a new tenant.",
            )
        })?;
    Answer::json(StatusCode::CREATED, &TenantObject::from(created))
}

/// Idempotency keys belong to a tenant, and here the tenant is yet to be made: its id comes from the key, so that a repeat finds it.
fn tenant_for_key(call: &AdminCall, idempotency_key: &str) -> TenantId {
    let operator = api_key::hash(call.key.expose_secret());
    let name = [operator.as_slice(), idempotency_key.as_bytes()].concat();
    TenantId(Uuid::new_v5(&Uuid::NAMESPACE_OID, &name))
}

/// Which tenants are listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListTenants {
    /// How many at most: 1 to 100.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100, default = 50)]
    limit: Limit,
    /// Where to go on: `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<(chrono::DateTime<chrono::Utc>, Uuid)>>,
}

/// List tenants, newest first.
#[utoipa::path(get, path = "/v1/tenants", tag = "tenants", params(ListTenants),
    responses((status = 200, description = "A page of tenants.", body = Page<TenantObject>)))]
async fn list_tenants(
    State(app): State<App>,
    _call: AdminCall,
    Parameters(list): Parameters<ListTenants>,
) -> Result<Json<Page<TenantObject>>, Problem> {
    let after = list.cursor.map(|Cursor((created_at, id))| (created_at, TenantId(id)));
    let rows = promptly(async {
        let mut transaction = app.store().administration().await?;
        Ok(transaction.tenants(after, list.limit.rows()).await?)
    })
    .await?;
    Ok(Json(Page::new(
        rows,
        list.limit,
        |tenant| (tenant.created_at, tenant.id.0),
        TenantObject::from,
    )))
}

/// Get a tenant.
#[utoipa::path(get, path = "/v1/tenants/{tenant_id}", tag = "tenants",
    params(("tenant_id" = String, Path, description = "The tenant's id.")),
    responses((status = 200, description = "The tenant.", body = TenantObject)),
    extensions(("x-problems" = json!(["tenant_not_found"]))))]
async fn get_tenant(State(app): State<App>, _call: AdminCall, Id(tenant): Id<TenantId>) -> Result<Response, Problem> {
    let found = promptly(async { Ok(app.store().administration().await?.tenant(tenant).await?) }).await?;
    let tenant = found.ok_or_else(|| Problem::not_found(Code::TenantNotFound))?;
    Ok(Json(TenantObject::from(tenant)).into_response())
}

/// What is to change about a tenant. What is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateTenant {
    /// A new name: 1 to 100 characters.
    name: Option<String>,
    /// What it may use from now on, all of it: a limit that is absent here is unlimited.
    quotas: Option<Quotas>,
    /// Whether its keys are refused. Its sessions stay as they are; its users' logins end.
    suspended: Option<bool>,
}

/// Change a tenant's name or quotas, or suspend it. Gateways learn of a suspension within two seconds.
#[utoipa::path(patch, path = "/v1/tenants/{tenant_id}", tag = "tenants",
    params(("tenant_id" = String, Path, description = "The tenant's id.")), request_body = UpdateTenant,
    responses((status = 200, description = "The changed tenant.", body = TenantObject)),
    extensions(("x-problems" = json!(["tenant_not_found"]))))]
async fn update_tenant(
    State(app): State<App>,
    _call: AdminCall,
    Id(tenant): Id<TenantId>,
    Document(body): Document<UpdateTenant>,
) -> Result<Json<TenantObject>, Problem> {
    let mut checks = Checks::new();
    if let Some(name) = &body.name {
        checks.name("name", name);
    }
    checks.finish()?;
    let changed = promptly(async {
        let mut transaction = app.store().administration().await?;
        let changed = transaction
            .update_tenant(tenant, body.name.as_deref(), body.quotas.as_ref(), body.suspended)
            .await?
            .ok_or_else(|| Problem::not_found(Code::TenantNotFound))?;
        transaction.commit().await?;
        Ok(changed)
    })
    .await?;
    app.relay().hint(subject::api_key_hint(app.region()));
    if body.suspended == Some(true) {
        // Nobody waits for a broker that is away: then nothing is read from it either, and credentials expire.
        app.shutdown().spawn({
            let app = app.clone();
            async move {
                if !app.broker().remove_tenant_consumers(tenant).await {
                    tracing::warn!(%tenant, "consumers of a suspended tenant may still be there");
                }
            }
        });
    }
    Ok(Json(changed.into()))
}
