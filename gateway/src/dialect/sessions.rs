//! Sessions in a dialect: creating, finding, starting, stopping, linking and removing them, and their webhook, by the canonical API's use cases.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use shared::command::Command;
use shared::dialect::Dialect;
use shared::ids::SessionId;
use shared::problem::Code;
use shared::qr;
use shared::session::{Goal, SessionSettings};
use shared::store::sessions::{Session, SessionFilter};
use shared::store::webhooks::Webhook;
use uuid::Uuid;

use super::sending::answer;
use crate::api::sessions::create::{self, CreateSession};
use crate::api::sessions::verbs;
use crate::api::sessions::{self, qr as code, remove};
use crate::api::webhooks::manage;
use crate::app::App;
use crate::auth::permission::{Permission, WriteSessions, WriteWebhooks};
use crate::auth::{SessionCall, TenantCall};
use crate::database::promptly;
use crate::http::body::{Nothing, Submission};
use crate::http::prefer::Prefer;
use crate::idempotency::Idempotency;
use crate::problem::Problem;

/// The older APIs listed all sessions at once. So many, at most.
const MOST_SESSIONS: i64 = 1_000;

/// A session as a dialect's clients see it.
#[derive(Debug, Clone)]
pub struct NamedSession {
    /// How they call it.
    pub name: String,
    /// The session.
    pub session: Session,
}

impl NamedSession {
    /// Whether it is linked and live.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.session.status == shared::session::SessionStatus::Connected
    }

    /// Whether somebody wants it to run.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.session.goal == Goal::Started
    }
}

/// Creates a session. `name`: how the dialect's clients call it; `None`: by its id.
///
/// # Errors
/// [`Code::QuotaExceeded`], [`Code::Forbidden`], or [`Code::ValidationFailed`] when the name cannot be one or is taken.
pub async fn create(
    app: &App,
    call: TenantCall<WriteSessions>,
    dialect: Dialect,
    name: Option<&str>,
    start: bool,
    idempotency: Option<Idempotency>,
) -> Result<SessionId, Problem> {
    let body = CreateSession::in_dialect(dialect, name.map(str::to_owned), SessionSettings::default(), start);
    create_as(app, call, body, idempotency).await
}

/// Creates a session as `body` describes it.
///
/// # Errors
/// As [`create()`].
pub(crate) async fn create_as(
    app: &App,
    call: TenantCall<WriteSessions>,
    body: CreateSession,
    idempotency: Option<Idempotency>,
) -> Result<SessionId, Problem> {
    #[derive(serde::Deserialize)]
    struct Created {
        id: SessionId,
    }
    let submission = Submission { body, idempotency };
    let created = create::create_session(State(app.clone()), call, submission).await?;
    let created: Created = serde_json::from_slice(&created.body).map_err(Problem::internal)?;
    Ok(created.id)
}

/// One session as the dialect's clients see it.
///
/// # Errors
/// [`Code::SessionNotFound`], or the database's problem.
pub async fn read<P: Permission>(app: &App, call: &SessionCall<P>, dialect: Dialect) -> Result<NamedSession, Problem> {
    promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        let session = sessions::find(&mut transaction, call.session).await?;
        let mut names = transaction.session_names(dialect, &[session.id]).await?;
        Ok(named(&mut names, session))
    })
    .await
}

/// All sessions that the key may touch, newest first.
///
/// # Errors
/// The database's problem.
pub async fn list<P: Permission>(
    app: &App,
    call: &TenantCall<P>,
    dialect: Dialect,
) -> Result<Vec<NamedSession>, Problem> {
    let filter = SessionFilter {
        within: call.within().map(<[Uuid]>::to_vec),
        ..SessionFilter::default()
    };
    promptly(async {
        let mut transaction = app.store().tenant(call.tenant).await?;
        let sessions = transaction.sessions(&filter, None, MOST_SESSIONS).await?;
        let ids: Vec<SessionId> = sessions.iter().map(|session| session.id).collect();
        let mut names = transaction.session_names(dialect, &ids).await?;
        Ok(sessions.into_iter().map(|session| named(&mut names, session)).collect())
    })
    .await
}

fn named(names: &mut HashMap<Uuid, String>, session: Session) -> NamedSession {
    NamedSession {
        name: names.remove(&session.id.uuid).unwrap_or_else(|| session.id.to_string()),
        session,
    }
}

/// Gives a session a command that changes what is wanted of it, and waits `patience` for its outcome.
///
/// # Errors
/// The command's problem.
pub async fn give(
    app: &App,
    call: &SessionCall<WriteSessions>,
    command: Command,
    patience: Option<Duration>,
) -> Result<(), Problem> {
    let submission = Submission {
        body: Nothing {},
        idempotency: None,
    };
    let response = verbs::give(app, call, Prefer { wait: patience }, submission, command).await?;
    let _: serde::de::IgnoredAny = answer(response).await?;
    Ok(())
}

/// Removes a session with all its data; its account is unlinked.
///
/// # Errors
/// [`Code::SessionNotFound`], or the database's problem.
pub async fn delete(app: &App, call: SessionCall<WriteSessions>) -> Result<(), Problem> {
    remove::delete_session(State(app.clone()), call).await.map(|_| ())
}

/// The code that links an account, and its picture.
#[derive(Debug, Clone)]
pub struct LinkPicture {
    /// What the picture shows.
    pub code: String,
    /// A PNG as a `data:` URL.
    pub picture: String,
    /// When the code stops working.
    pub expires_at: DateTime<Utc>,
}

/// The code that links an account, once there is one; waits `patience` for it.
///
/// # Errors
/// [`Code::SessionAlreadyPaired`], [`Code::SessionNotStarted`], [`Code::QrNotAvailable`].
pub async fn link_picture(
    app: &App,
    call: &SessionCall<WriteSessions>,
    patience: Duration,
) -> Result<LinkPicture, Problem> {
    let found = code::wait_for_qr(app, call.tenant.tenant, call.session, patience).await?;
    let png = qr::png(&found.code).map_err(Problem::internal)?;
    Ok(LinkPicture {
        picture: format!("data:image/png;base64,{}", STANDARD.encode(png)),
        code: found.code,
        expires_at: found.expires_at,
    })
}

/// The webhook that tells a dialect's news of one session, or of all.
///
/// # Errors
/// The database's problem.
pub async fn webhook<P: Permission>(
    app: &App,
    call: &TenantCall<P>,
    dialect: Dialect,
    session: Option<SessionId>,
) -> Result<Option<Webhook>, Problem> {
    promptly(async {
        let mut transaction = app.store().tenant(call.tenant).await?;
        Ok(transaction
            .webhook_in_format(dialect.into(), session, call.within())
            .await?)
    })
    .await
}

/// Sets where a dialect's news of one session, or of all, are delivered; `None`: nowhere any more.
///
/// # Errors
/// [`Code::UrlForbidden`], [`Code::Forbidden`], or the database's problem.
pub async fn set_webhook(
    app: &App,
    call: &TenantCall<WriteWebhooks>,
    dialect: Dialect,
    session: Option<SessionId>,
    url: Option<&str>,
) -> Result<(), Problem> {
    manage::set_in_format(app, call, dialect.into(), session, url).await
}

/// Whether a problem says that a session's name was taken a moment ago by somebody else.
#[must_use]
pub fn is_taken(problem: &Problem) -> bool {
    problem.code() == Code::ValidationFailed
        && problem
            .errors()
            .iter()
            .any(|error| error.field == "name" && error.message == "is taken")
}
