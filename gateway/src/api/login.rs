//! `/v1/login` and `/v1/logout`: a token for email and password, and its end.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use shared::ids::TenantId;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::users::UserObject;
use crate::app::App;
use crate::auth::password::GivenPassword;
use crate::auth::{LoginCall, login};
use crate::http::body::{Document, Nothing};
use crate::http::checks::Checks;
use crate::http::client_address::ClientAddress;
use crate::http::timestamp::Timestamp;
use crate::problem::Problem;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(log_in))
        .routes(routes!(log_out))
}

/// Who logs in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogIn {
    /// The email, in any case.
    #[schema(example = "ana@example.com", max_length = 1000)]
    email: String,
    /// The password.
    #[schema(value_type = String, format = Password, max_length = 1000)]
    password: GivenPassword,
}

/// Somebody who has logged in.
#[derive(Serialize, ToSchema)]
pub struct LoggedIn {
    /// The token: `Authorization: Bearer TOKEN` wherever a key is taken, with the scopes of the user's role.
    #[schema(example = "rt_…")]
    token: String,
    /// When it stops working: two days from now.
    expires_at: Timestamp,
    /// Who it is.
    user: UserObject,
    /// For whom the user works.
    #[schema(value_type = String)]
    tenant_id: TenantId,
}

/// Log in. An unknown email and a wrong password get the same answer; after ten failures with an email within 15 minutes, or a hundred from an address,
/// further attempts are refused for a while without being looked at.
#[utoipa::path(post, path = "/v1/login", tag = "login", request_body = LogIn, security(()),
    responses((status = 200, description = "A token for two days.", body = LoggedIn)),
    extensions(("x-problems" = json!(["rate_limited", "tenant_suspended"]))))]
async fn log_in(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    Document(body): Document<LogIn>,
) -> Result<Json<LoggedIn>, Problem> {
    let mut checks = Checks::new();
    checks.text("email", &body.email, 0..=1_000);
    checks.text("password", body.password.0.expose_secret(), 0..=1_000);
    checks.finish()?;
    let login = login::log_in(&app, &body.email, &body.password.0, address).await?;
    Ok(Json(LoggedIn {
        token: login.token.expose_secret().to_owned(),
        expires_at: login.expires_at.into(),
        tenant_id: login.user.tenant,
        user: login.user.into(),
    }))
}

/// Log out: the token that the request carries stops working everywhere within two seconds.
#[utoipa::path(post, path = "/v1/logout", tag = "login", request_body(content = Option<Nothing>),
    responses((status = 204, description = "The login has ended.")))]
async fn log_out(State(app): State<App>, call: LoginCall, _body: Document<Nothing>) -> Result<StatusCode, Problem> {
    login::log_out(&app, &call.token).await?;
    Ok(StatusCode::NO_CONTENT)
}
