//! Who calls a dialect: the credential as that dialect's clients send it, and the sessions as they call them.

use std::convert::Infallible;
use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use http::request::Parts;
use secrecy::SecretString;
use shared::ids::SessionId;
use shared::problem::Code;
use shared::store::dialect_numbers::NumberKind;

use super::Speech;
use super::open::OpenDoor;
use crate::app::App;
use crate::auth::permission::Permission;
use crate::auth::{self, SessionCall, TenantCall};
use crate::database::promptly;
use crate::problem::Problem;

/// What is said of a request without any credential.
pub const NO_CREDENTIAL: &str = "The request carries no credential.";
/// The longest name of a session, in characters.
const LONGEST_NAME: usize = 100;

/// The caller of a dialect, before any check. Nothing can be done with it but to ask for a call.
#[derive(Debug)]
pub struct Client<S> {
    key: Option<SecretString>,
    /// What serves it without a key of its own.
    open: Option<Result<OpenDoor, Problem>>,
    named: Vec<String>,
    speech: PhantomData<fn() -> S>,
}

impl<S: Speech> FromRequestParts<App> for Client<S> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let key = S::key(parts);
        let open = match key {
            Some(_) => None,
            None => S::open_door(app, parts),
        };
        Ok(Self {
            key,
            open,
            named: auth::tenant_parameters(parts),
            speech: PhantomData,
        })
    }
}

impl<S: Speech> Client<S> {
    /// The same client with a credential that came in the body, unless it had one.
    #[must_use]
    pub fn or_key(mut self, key: Option<&str>) -> Self {
        if self.key.is_none() {
            self.key = key.filter(|key| !key.is_empty()).map(SecretString::from);
        }
        self
    }

    /// Whether it carries no credential at all.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.key.is_none()
    }

    /// A call on the tenant's behalf.
    ///
    /// # Errors
    /// [`Code::Unauthorized`], [`Code::Forbidden`], or the database's problem.
    pub async fn tenant<P: Permission>(&self, app: &App) -> Result<TenantCall<P>, Problem> {
        match (&self.key, &self.open) {
            (Some(key), _) => TenantCall::of_key(key.clone(), &self.named, app).await,
            (None, Some(Ok(door))) => door.call(&self.named, app).await,
            (None, Some(Err(refused))) => Err(refused.clone()),
            (None, None) => Err(Problem::new(Code::Unauthorized, NO_CREDENTIAL)),
        }
    }

    /// A call on the session that the client calls `name`: by its own name, by our id, or by its number where
    /// the dialect has numbers.
    ///
    /// # Errors
    /// As [`Client::tenant`], and [`Code::SessionNotFound`].
    pub async fn session<P: Permission>(&self, app: &App, name: &str) -> Result<SessionCall<P>, Problem> {
        let call = self.tenant::<P>(app).await?;
        match find::<S, P>(app, &call, name).await? {
            Some(session) => call.on(session, app),
            None => Err(Problem::not_found(Code::SessionNotFound)),
        }
    }
}

/// The session that a dialect's clients call `name`, if there is one that the key may touch.
///
/// # Errors
/// The database's problem.
pub async fn find<S: Speech, P: Permission>(
    app: &App,
    call: &TenantCall<P>,
    name: &str,
) -> Result<Option<SessionId>, Problem> {
    if !(1..=LONGEST_NAME).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Ok(None);
    }
    let id: Option<SessionId> = name.parse().ok();
    let digits = name.bytes().all(|byte| byte.is_ascii_digit());
    let number: Option<i64> = (S::DIALECT.has_numbers() && digits)
        .then(|| name.parse().ok())
        .flatten();
    let found = promptly(async {
        let mut transaction = app.store().tenant(call.tenant).await?;
        if let Some(named) = transaction.session_named(S::DIALECT, name).await? {
            return Ok(Some(named));
        }
        let id = match (id, number) {
            (Some(id), _) => Some(id),
            (None, Some(number)) => {
                let numbered = transaction.numbered(NumberKind::Session, number).await?;
                numbered.and_then(|numbered| numbered.session)
            }
            (None, None) => None,
        };
        match id {
            Some(id) => Ok(transaction.session(id).await?.map(|session| session.id)),
            None => Ok(None),
        }
    })
    .await?;
    Ok(found.filter(|session| call.may_touch(*session)))
}
