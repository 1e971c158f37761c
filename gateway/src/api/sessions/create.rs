//! `POST /v1/sessions`.

use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::credentials::Credentials;
use shared::dialect::Dialect;
use shared::ids::SessionId;
use shared::problem::Code;
use shared::session::{Goal, SessionSettings};
use shared::store::TenantTransaction;
use shared::store::backlog::session_secret_place;
use shared::store::sessions::{Metadata, NewSession};
use shared::subject;
use utoipa::ToSchema;

use super::{SessionObject, settings};
use crate::api::webhooks::{self, DialectWebhook, WebhookSecretShown};
use crate::app::App;
use crate::auth::TenantCall;
use crate::auth::permission::WriteSessions;
use crate::database::promptly;
use crate::http::body::Submission;
use crate::http::checks::Checks;
use crate::idempotency::{Admission, Answer, Work};
use crate::openapi::IdempotencyHeader;
use crate::problem::Problem;
use crate::quota::{self, Quota};

/// A session to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateSession {
    /// Its name, for people: 1 to 100 characters.
    #[schema(example = "Support")]
    name: String,
    /// What you want to remember with it: up to 50 texts of up to 500 characters.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, String>, required = false)]
    metadata: Metadata,
    /// How it behaves.
    #[serde(default)]
    settings: SessionSettings,
    /// A webhook for this session alone.
    webhook: Option<SessionWebhook>,
    /// The region that will serve it; absent: the one that answers.
    region: Option<String>,
    /// Credentials of an account that is linked elsewhere, to take it over without pairing. It must not stay connected there.
    credentials: Option<Credentials>,
    /// Whether it is started at once.
    #[serde(default = "yes")]
    #[schema(default = true)]
    start: bool,
    /// Its name in a dialect, with which that dialect's clients will call it.
    #[serde(skip)]
    #[schema(ignore)]
    dialect_name: Option<(Dialect, String)>,
    /// Its webhook in a dialect's words.
    #[serde(skip)]
    #[schema(ignore)]
    dialect_webhook: Option<DialectWebhook>,
}

impl CreateSession {
    /// A session that the clients of a dialect create. `name`: how they will call it; `None`: by its id.
    pub(crate) fn in_dialect(dialect: Dialect, name: Option<String>, settings: SessionSettings, start: bool) -> Self {
        Self {
            name: name.clone().unwrap_or_else(|| dialect.to_string()),
            metadata: Metadata::new(),
            settings,
            webhook: None,
            region: None,
            credentials: None,
            start,
            dialect_name: name.map(|name| (dialect, name)),
            dialect_webhook: None,
        }
    }

    /// The same with a webhook in the dialect's words.
    pub(crate) fn telling(mut self, webhook: Option<DialectWebhook>) -> Self {
        self.dialect_webhook = webhook;
        self
    }

    /// The same with another name for people, if there is one, and with what the dialect's clients want to remember.
    pub(crate) fn shown_as(mut self, name: Option<String>, metadata: Metadata) -> Self {
        self.name = name.unwrap_or(self.name);
        self.metadata = metadata;
        self
    }
}

fn yes() -> bool {
    true
}

/// A webhook that is created with its session.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionWebhook {
    /// Where events are delivered.
    #[schema(example = "https://shop.example/hooks/whatsapp")]
    url: String,
    /// Event types and families (`message.*`); absent: all.
    events: Option<Vec<String>>,
}

/// A session that was just created.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedSession {
    #[serde(flatten)]
    pub(crate) session: SessionObject,
    /// The webhook that was created with it. Its secret is shown only here.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<WebhookSecretShown>,
}

/// Create a session, and start it unless told otherwise.
#[utoipa::path(post, path = "/v1/sessions", tag = "sessions", params(IdempotencyHeader), request_body = CreateSession,
    responses((status = 201, description = "The session.", body = CreatedSession)),
    extensions(("x-problems" = json!(["url_forbidden", "quota_exceeded"]))))]
pub(crate) async fn create_session(
    State(app): State<App>,
    call: TenantCall<WriteSessions>,
    mut submission: Submission<CreateSession>,
) -> Result<Answer, Problem> {
    if call.within().is_some() {
        return Err(Problem::new(
            Code::Forbidden,
            "An API key that is restricted to certain sessions cannot create others.",
        ));
    }
    check(&app, &submission.body)?;
    let proxy = settings::accept(&mut submission.body.settings, app.egress())?;
    let answer = match promptly(create(&app, &call, submission, proxy)).await {
        Err(problem) if problem.code() == Code::QuotaExceeded => {
            quota::announce(&app, call.tenant, Quota::Sessions).await;
            return Err(problem);
        }
        other => other?,
    };
    app.relay().hint(subject::claim_hint(app.region()));
    app.relay().hint(subject::webhook_hint(app.region()));
    Ok(answer)
}

fn check(app: &App, body: &CreateSession) -> Result<(), Problem> {
    let mut checks = Checks::new();
    checks.name("name", &body.name);
    checks.metadata(&body.metadata);
    if let Some(region) = &body.region {
        checks.require(
            region == app.region().as_str(),
            "region",
            &format!("this gateway creates sessions in the region {}", app.region()),
        );
    }
    if let Some(webhook) = &body.webhook {
        checks.url("webhook.url", &webhook.url, app.egress());
        checks.event_types("webhook.events", webhook.events.as_deref().unwrap_or_default());
    }
    if let Some(webhook) = &body.dialect_webhook {
        webhook.check(app, &mut checks);
    }
    if let Some(credentials) = &body.credentials {
        check_credentials(&mut checks, credentials);
    }
    checks.finish()
}

fn check_credentials(checks: &mut Checks, credentials: &Credentials) {
    for (field, digits) in [
        ("credentials.phone", &credentials.phone),
        ("credentials.lid", &credentials.lid),
    ] {
        let valid = (5..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        checks.require(valid, field, "must be 5 to 20 digits");
    }
    checks.require(
        (1..=98).contains(&credentials.device),
        "credentials.device",
        "must be 1 to 98",
    );
    let account = STANDARD.decode(&credentials.account);
    checks.require(
        account.is_ok_and(|bytes| !bytes.is_empty()),
        "credentials.account",
        "must be base64",
    );
    checks.text("credentials.push_name", &credentials.push_name, 0..=100);
    checks.text("credentials.platform", &credentials.platform, 0..=100);
}

async fn create(
    app: &App,
    call: &TenantCall<WriteSessions>,
    submission: Submission<CreateSession>,
    proxy: Option<String>,
) -> Result<Answer, Problem> {
    let mut work = match Work::begin(app, call.tenant, submission.idempotency, call.key()).await? {
        Admission::Fresh(work) => work,
        Admission::Replay(answer) => return Ok(answer),
    };
    let outcome = insert(app, &mut work.transaction, submission.body, proxy).await;
    work.settle(outcome).await
}

async fn insert(
    app: &App,
    transaction: &mut TenantTransaction,
    body: CreateSession,
    proxy: Option<String>,
) -> Result<Answer, Problem> {
    require_free_place(transaction).await?;
    let id = SessionId::generate(app.region());
    let tenant = transaction.tenant();
    let imported_credentials = match &body.credentials {
        Some(credentials) => {
            let plaintext = serde_json::to_vec(credentials).map_err(Problem::internal)?;
            let place = session_secret_place(tenant.0, &id, "imported_credentials");
            Some(app.region_key().seal(&plaintext, place))
        }
        None => None,
    };
    transaction
        .create_session(&NewSession {
            id,
            name: body.name,
            metadata: body.metadata,
            settings: body.settings,
            proxy_sealed: proxy.map(|whole| settings::seal_proxy(&whole, app.region_key(), tenant, id)),
            imported_credentials,
            goal: if body.start { Goal::Started } else { Goal::Stopped },
        })
        .await?;
    if let Some((dialect, name)) = body.dialect_name
        && !transaction.name_session(dialect, &name, id).await?
    {
        return Err(Problem::field("name", "is taken"));
    }
    if let Some(webhook) = body.dialect_webhook {
        webhook.create(app, transaction, id).await?;
    }
    let webhook = match body.webhook {
        Some(webhook) => Some(webhooks::create_for_session(app, transaction, id, webhook.url, webhook.events).await?),
        None => None,
    };
    let shows_secret = webhook.is_some();
    let created = CreatedSession {
        session: super::find(transaction, id).await?.into(),
        webhook,
    };
    Ok(Answer::json(StatusCode::CREATED, &created)?.showing_secret(shows_secret))
}

/// Requires that the tenant's quota has room for one more session, and keeps it free until the commit.
async fn require_free_place(transaction: &mut TenantTransaction) -> Result<(), Problem> {
    let quotas = transaction.quotas().await?.unwrap_or_default();
    let Some(most) = quotas.sessions else { return Ok(()) };
    if transaction.count_sessions_exclusively().await? < i64::from(most) {
        return Ok(());
    }
    Err(Problem::new(
        Code::QuotaExceeded,
        format!("The tenant may have {most} sessions at once. Delete one first."),
    ))
}
