//! `GET /v1/streams/credentials`: reading events from NATS itself.

use axum::Json;
use axum::extract::State;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use shared::problem::Code;
use shared::subject;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::TenantCall;
use crate::auth::permission::ReadMessages;
use crate::http::checks::Checks;
use crate::http::parameters::Parameters;
use crate::http::timestamp::Timestamp;
use crate::problem::Problem;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(get_stream_credentials))
}

/// Which consumer is wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct GetStreamCredentials {
    /// Which of the tenant's consumers is made ready, 1 to 4. Readers of one consumer share its events; each consumer gets all of them.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 4, default = 1)]
    consumer: Option<u8>,
}

/// How to read the tenant's events from NATS.
#[derive(Serialize, ToSchema)]
pub(crate) struct StreamCredentials {
    /// Where NATS is reached; several addresses are separated by commas.
    #[schema(example = "nats://nats.example.com:4222")]
    url: String,
    /// The JetStream domain that the client must be told: the consumer is reached under `$JS.<domain>.API`.
    #[schema(example = "rookery")]
    domain: &'static str,
    /// The stream that holds the events of the last three days.
    #[schema(example = "WA_EVT_eu1")]
    stream: String,
    /// The subjects of the tenant's events: `wa.evt.<region>.<tenant>.<session>.<type>`. The consumer delivers these and no others.
    subjects: Vec<String>,
    /// The durable pull consumer that is ready. Messages are acknowledged one by one, and come again after 30 seconds if they are not.
    consumer: String,
    /// What the client's inboxes must begin with: without it the client may not receive answers.
    inbox_prefix: String,
    /// The credentials file that every NATS client takes.
    credentials: String,
    /// When it stops working: get the next one before.
    expires_at: Timestamp,
}

/// Get a credential for reading the tenant's events from NATS directly, at least once and in order: pull from the consumer, acknowledge each message.
/// A consumer begins with the oldest event that is still there, remembers where its readers are, and is forgotten after three days without them. The
/// credential is for reading only, and only these events; a key that is restricted to some sessions gets none.
#[utoipa::path(get, path = "/v1/streams/credentials", tag = "events", params(GetStreamCredentials),
    responses((status = 200, description = "Where and how to read, with a credential for about an hour.", body = StreamCredentials)),
    extensions(("x-problems" = json!(["streams_not_enabled"]))))]
async fn get_stream_credentials(
    State(app): State<App>,
    call: TenantCall<ReadMessages>,
    Parameters(wanted): Parameters<GetStreamCredentials>,
) -> Result<Json<StreamCredentials>, Problem> {
    let number = wanted.consumer.unwrap_or(1);
    let mut checks = Checks::new();
    checks.require(
        (1..=subject::TENANT_CONSUMERS).contains(&number),
        "consumer",
        &format!("must be 1 to {}", subject::TENANT_CONSUMERS),
    );
    checks.finish()?;
    if call.within().is_some() {
        return Err(Problem::new(
            Code::Forbidden,
            "A key that is restricted to certain sessions cannot read all of the tenant's events.",
        ));
    }
    let streams = app.streams().ok_or_else(|| {
        Problem::new(
            Code::StreamsNotEnabled,
            "The operator of this installation gives no credentials for its streams.",
        )
    })?;
    let consumer = app
        .broker()
        .tenant_consumer(call.tenant, number)
        .await
        .map_err(|error| {
            Problem::new(
                Code::Unavailable,
                "The broker cannot be reached right now. The request may be repeated.",
            )
            .caused_by(error)
        })?;
    let credential = streams.credential(app.region(), call.tenant)?;
    Ok(Json(StreamCredentials {
        url: credential.url,
        domain: subject::TENANTS_DOMAIN,
        stream: subject::event_stream(app.region()),
        subjects: vec![subject::events_of(app.region(), call.tenant)],
        consumer,
        inbox_prefix: credential.inbox_prefix,
        credentials: credential.credentials.expose_secret().to_owned(),
        expires_at: credential.expires_at.into(),
    }))
}
