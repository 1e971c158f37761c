//! Asking the worker that holds a session: about itself, or about something that only WhatsApp's server knows.
//!
//! Nothing is stored and nothing is repeated: an answer comes now or the client is told why not.

use std::time::Duration;

use serde::de::DeserializeOwned;
use shared::ids::{SessionId, WorkerId};
use shared::problem::Code;
use shared::query::{Answer, Lookup, Query, Question};
use shared::subject;

use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::Permission;
use crate::database::promptly;
use crate::problem::Problem;

/// How long the holder may take to answer from memory.
pub const AT_ONCE: Duration = Duration::from_secs(1);
/// How long the holder may take to ask WhatsApp's server; the holder itself gives up a little earlier.
const LOOK_UP_DEADLINE: Duration = Duration::from_secs(15);

/// Asks WhatsApp's server through the session that the caller has been checked for.
///
/// # Errors
/// [`Code::SessionNotFound`], [`Code::SessionNotPaired`], [`Code::SessionNotStarted`], [`Code::SessionNotConnected`], [`Code::Timeout`], or what WhatsApp
/// answered.
pub async fn look_up<P: Permission, T: DeserializeOwned>(
    app: &App,
    call: &SessionCall<P>,
    lookup: Lookup,
) -> Result<T, Problem> {
    let session = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        let session = crate::api::sessions::find(&mut transaction, call.session).await?;
        crate::operate::require_usable(&session)?;
        Ok(session)
    })
    .await?;
    let not_connected = || Problem::new(Code::SessionNotConnected, "The session has no connection right now.");
    let holder = session.live_holder().ok_or_else(not_connected)?;
    let query = Query::LookUp { what: lookup };
    match ask(app, holder, session.id, query, LOOK_UP_DEADLINE).await {
        Some(Answer::Found { value }) => serde_json::from_value(value).map_err(Problem::internal),
        Some(Answer::Refused { code, detail }) => {
            let code = Code::ALL.iter().copied().find(|known| known.as_str() == code);
            Err(Problem::new(code.unwrap_or(Code::Internal), detail))
        }
        Some(Answer::NotHeld | Answer::Status(_)) => Err(not_connected()),
        None => Err(Problem::new(
            Code::Timeout,
            "The worker that holds the session did not answer in time.",
        )),
    }
}

/// Asks the holder; `None` when it does not answer in time.
pub async fn ask(app: &App, holder: WorkerId, session: SessionId, query: Query, deadline: Duration) -> Option<Answer> {
    if !app.broker().is_connected() {
        return None;
    }
    let question = Question {
        session_id: session,
        query,
    };
    let payload = serde_json::to_vec(&question).ok()?;
    let reply = app
        .broker()
        .request(subject::queries_of(app.region(), holder), payload.into(), deadline)
        .await?;
    serde_json::from_slice(&reply).ok()
}
