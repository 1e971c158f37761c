//! Who calls, and what the caller may do.
//!
//! A handler takes one of the extractors here and cannot forget a check: [`TenantCall`] names the tenant and has checked the scope,
//! [`SessionCall`] has also checked that the key may touch the session and that this region serves it, [`AdminCall`] is the operator. The tenant
//! comes from the key alone (or from the token of a user who has logged in, which works like a key); only the operator's key names one, with `?tenant_id=`.

pub mod key_ring;
pub mod login;
pub mod password;
pub mod permission;
pub mod rate;

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret as _, SecretString};
use shared::api_key::{self, Scope};
use shared::ids::{SessionId, TenantId};
use shared::problem::Code;
use shared::store::api_keys::{Credential, KeyAccess};
use uuid::Uuid;

use crate::app::App;
use crate::database::promptly;
use crate::http::parameters;
use crate::http::path::Id;
use crate::problem::Problem;
use permission::Permission;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The subprotocol under which events are followed over a WebSocket.
pub const WEBSOCKET_PROTOCOL: &str = "rookery.v1";

/// Who calls.
#[derive(Debug, Clone)]
enum Identity {
    /// The operator's key: everything of every tenant.
    Operator,
    /// A tenant's key, or the token of one of its users.
    Tenant(Arc<KeyAccess>),
}

/// A caller whose key works.
#[derive(Debug, Clone)]
struct Caller {
    identity: Identity,
    key: SecretString,
}

impl Caller {
    async fn identify(headers: &HeaderMap, app: &App) -> Result<Self, Problem> {
        let Some(key) = presented_key(headers) else {
            return Err(unauthorized(
                "The request carries no API key: Authorization: Bearer KEY, or X-Api-Key: KEY.",
            ));
        };
        Self::of_key(key, app).await
    }

    async fn of_key(key: SecretString, app: &App) -> Result<Self, Problem> {
        let identity = if api_key::matches(app.admin_key(), key.expose_secret()) {
            Identity::Operator
        } else {
            let access = app.keys().find(key.expose_secret()).await?;
            Identity::Tenant(
                access.ok_or_else(|| unauthorized("The API key or token is unknown, revoked or expired."))?,
            )
        };
        Ok(Self { identity, key })
    }
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(Code::Unauthorized, detail)
}

/// The key in the request's headers. A key in the URL is never looked for: URLs end up in logs.
pub(crate) fn presented_key(headers: &HeaderMap) -> Option<SecretString> {
    let text = match headers.get(AUTHORIZATION) {
        Some(value) => {
            let (scheme, key) = value.to_str().ok()?.trim().split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())?
        }
        None => match headers.get(X_API_KEY) {
            Some(value) => value.to_str().ok()?.trim(),
            None => key_of_a_websocket(headers)?,
        },
    };
    (!text.is_empty()).then(|| SecretString::from(text.to_owned()))
}

/// The password of `Authorization: Basic`, its user name where there is no password: for clients of dialects that know a base address only, in which a
/// key can stand (`https://key:KEY@host`).
pub(crate) fn basic_password(headers: &HeaderMap) -> Option<SecretString> {
    let (scheme, encoded) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    let key = if password.is_empty() { user } else { password }.trim();
    (!key.is_empty()).then(|| SecretString::from(key))
}

/// Whether the request carries a credential in its headers, understood or not.
pub(crate) fn carries_credential(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION) || headers.contains_key(X_API_KEY)
}

/// Browsers can set no header on a WebSocket but the subprotocols: there the key stands after ours.
fn key_of_a_websocket(headers: &HeaderMap) -> Option<&str> {
    let (ours, key) = headers.get(SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?.split_once(',')?;
    (ours.trim() == WEBSOCKET_PROTOCOL).then_some(key.trim())
}

/// What the query says about a tenant, unread: only the operator may say anything.
pub(crate) fn tenant_parameters(parts: &Parts) -> Vec<String> {
    parameters::pairs(&parts.uri)
        .filter(|(name, _)| name == parameters::TENANT)
        .map(|(_, value)| value)
        .collect()
}

/// The tenant that the operator names.
fn named_tenant(values: &[String]) -> Result<Option<TenantId>, Problem> {
    match values {
        [] => Ok(None),
        [text] => match text.parse() {
            Ok(tenant) => Ok(Some(tenant)),
            Err(_) => Err(Problem::field(parameters::TENANT, "must be a tenant's id (ten_…)")),
        },
        _ => Err(Problem::field(parameters::TENANT, "must be given once")),
    }
}

/// A call on one tenant's behalf that may do `P`.
#[derive(Debug, Clone)]
pub struct TenantCall<P> {
    /// Whose data it is about.
    pub tenant: TenantId,
    caller: Caller,
    permission: PhantomData<fn() -> P>,
}

impl<P> TenantCall<P> {
    /// The sessions that the key may touch; `None`: all of the tenant's.
    #[must_use]
    pub fn within(&self) -> Option<&[Uuid]> {
        match &self.caller.identity {
            Identity::Operator => None,
            Identity::Tenant(access) => access.sessions.as_deref(),
        }
    }

    /// Whether the key may touch a session.
    #[must_use]
    pub fn may_touch(&self, session: SessionId) -> bool {
        self.within().is_none_or(|sessions| sessions.contains(&session.uuid))
    }

    /// The key that was presented: what only its owner may read again is sealed with it.
    #[must_use]
    pub fn key(&self) -> &SecretString {
        &self.caller.key
    }

    /// Whether the key still works and the tenant is not suspended, for calls that live long.
    ///
    /// # Errors
    /// [`Code::Unavailable`] when the database is away.
    pub async fn still_works(&self, app: &App) -> Result<bool, Problem> {
        match &self.caller.identity {
            Identity::Operator => Ok(true),
            Identity::Tenant(_) => {
                let access = app.keys().find(self.caller.key.expose_secret()).await?;
                Ok(access.is_some_and(|access| !access.suspended))
            }
        }
    }
}

/// The tenant for whom a call works, after all checks of the key.
async fn tenant_of(caller: &Caller, named: &[String], any_of: &[Scope], app: &App) -> Result<TenantId, Problem> {
    let access = match &caller.identity {
        Identity::Operator => {
            let tenant = named_tenant(named)?.ok_or_else(|| {
                Problem::field(
                    parameters::TENANT,
                    "is required with the operator's key: whose data is it about?",
                )
            })?;
            existing_tenant(app, tenant).await?;
            return Ok(tenant);
        }
        Identity::Tenant(access) => access,
    };
    if !named.is_empty() {
        return Err(Problem::new(
            Code::Forbidden,
            "Only the operator's key may name a tenant: leave tenant_id out.",
        ));
    }
    if access.suspended {
        return Err(Problem::not_found(Code::TenantSuspended));
    }
    if let Some(rate) = access.requests_per_second
        && let Err(patience) = app.request_rates().take(access.tenant, rate)
    {
        let problem = Problem::new(
            Code::RateLimited,
            format!("The tenant may make {rate} requests a second, and makes more."),
        );
        return Err(problem.retry_after(patience).rate_limit(rate));
    }
    if !any_of.iter().any(|scope| access.scopes.contains(scope)) {
        let scopes: Vec<&str> = any_of.iter().map(|scope| scope.as_str()).collect();
        return Err(Problem::new(
            Code::Forbidden,
            format!("The API key lacks the scope {}.", scopes.join(" or ")),
        ));
    }
    Ok(access.tenant)
}

async fn existing_tenant(app: &App, tenant: TenantId) -> Result<(), Problem> {
    let found = promptly(async { Ok(app.store().administration().await?.tenant(tenant).await?) }).await?;
    found
        .map(|_| ())
        .ok_or_else(|| Problem::not_found(Code::TenantNotFound))
}

impl<P: Permission> TenantCall<P> {
    async fn admit(caller: Caller, named: &[String], app: &App) -> Result<Self, Problem> {
        let tenant = tenant_of(&caller, named, P::ANY_OF, app).await?;
        tracing::Span::current().record("tenant.id", tracing::field::display(tenant));
        Ok(Self {
            tenant,
            caller,
            permission: PhantomData,
        })
    }

    /// A call with a key that came in another way than the canonical API's: the dialects'. `named`: the tenants that the request names.
    ///
    /// # Errors
    /// As for a request of the canonical API.
    pub async fn of_key(key: SecretString, named: &[String], app: &App) -> Result<Self, Problem> {
        Self::admit(Caller::of_key(key, app).await?, named, app).await
    }

    /// The same call on one session.
    ///
    /// # Errors
    /// [`Code::RegionUnavailable`], or [`Code::SessionNotFound`] when the key may not touch the session.
    pub fn on(self, session: SessionId, app: &App) -> Result<SessionCall<P>, Problem> {
        tracing::Span::current().record("session.id", tracing::field::display(session));
        if session.region != app.region() {
            return Err(Problem::new(
                Code::RegionUnavailable,
                format!(
                    "The session belongs to the region {}, which this gateway cannot reach.",
                    session.region
                ),
            ));
        }
        if !self.may_touch(session) {
            return Err(Problem::not_found(Code::SessionNotFound));
        }
        Ok(SessionCall { tenant: self, session })
    }
}

impl<P: Permission> FromRequestParts<App> for TenantCall<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = Caller::identify(&parts.headers, app).await?;
        Self::admit(caller, &tenant_parameters(parts), app).await
    }
}

/// A call on one session that may do `P`. That the session exists is found out with whatever is read or written for the call.
#[derive(Debug, Clone)]
pub struct SessionCall<P> {
    /// On whose behalf.
    pub tenant: TenantCall<P>,
    /// The session.
    pub session: SessionId,
}

impl<P: Permission> FromRequestParts<App> for SessionCall<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let tenant = TenantCall::<P>::from_request_parts(parts, app).await?;
        let Id(session) = Id::<SessionId>::from_request_parts(parts, app).await?;
        tenant.on(session, app)
    }
}

/// A call of the operator.
#[derive(Debug, Clone)]
pub struct AdminCall {
    /// The tenant that the query names, if it does.
    pub named_tenant: Option<TenantId>,
    /// The operator's key.
    pub key: SecretString,
}

impl FromRequestParts<App> for AdminCall {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = Caller::identify(&parts.headers, app).await?;
        match caller.identity {
            Identity::Operator => Ok(Self {
                named_tenant: named_tenant(&tenant_parameters(parts))?,
                key: caller.key,
            }),
            Identity::Tenant(_) => Err(Problem::new(
                Code::Forbidden,
                "Only the operator's key may manage tenants, their users and API keys.",
            )),
        }
    }
}

/// A call of a user who has logged in.
#[derive(Debug, Clone)]
pub struct LoginCall {
    /// The token that was presented.
    pub token: SecretString,
}

impl FromRequestParts<App> for LoginCall {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = Caller::identify(&parts.headers, app).await?;
        match caller.identity {
            Identity::Tenant(access) if matches!(access.credential, Credential::Login(_)) => {
                Ok(Self { token: caller.key })
            }
            _ => Err(Problem::new(
                Code::Forbidden,
                "Only the token of a login can be logged out; an API key is revoked.",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn key(name: &'static str, value: &'static str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        presented_key(&headers).map(|key| key.expose_secret().to_owned())
    }

    #[test]
    fn a_key_comes_in_either_header_and_in_no_other_way() {
        assert_eq!(key("authorization", "Bearer rk_1").as_deref(), Some("rk_1"));
        assert_eq!(key("authorization", "bearer  rk_1 ").as_deref(), Some("rk_1"));
        assert_eq!(key("x-api-key", "rk_1").as_deref(), Some("rk_1"));
        for (name, value) in [
            ("authorization", "Basic cmtfMQ=="),
            ("authorization", "rk_1"),
            ("authorization", "Bearer "),
            ("authorization", ""),
            ("x-api-key", " "),
            ("cookie", "key=rk_1"),
        ] {
            assert_eq!(key(name, value), None, "{name}: {value}");
        }
    }

    #[test]
    fn an_unreadable_authorization_does_not_fall_back_to_the_other_header() {
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", HeaderValue::from_static("rk_1"));
        headers.insert("authorization", HeaderValue::from_static("Basic abc"));
        assert!(presented_key(&headers).is_none());
    }
}
