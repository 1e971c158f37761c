//! `Idempotency-Key`: a repeated request has one effect and one answer.
//!
//! The key, the effect and the stored answer are one transaction ([`Work`]), so there is no key that is "running" for ever and no effect without
//! its answer. Answers that show a secret (a new API key, a webhook's secret) are stored sealed with a key that only the caller's API key gives:
//! the database alone cannot read them.

mod sealed;

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use secrecy::SecretString;
use serde::Serialize;
use shared::ids::TenantId;
use shared::problem::Code;
use shared::store::TenantTransaction;
use shared::store::idempotency::{IdempotencyKeyState, StoredAnswer};

use crate::app::App;
use crate::problem::Problem;

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// An idempotency key and what its request looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The key, as the client chose it.
    pub key: String,
    /// SHA-256 of method, path and body.
    pub fingerprint: [u8; 32],
    /// For so long a repeat is the same request; `None`: as long as the answer is kept.
    pub window: Option<Duration>,
}

/// A JSON answer, fresh or stored.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The JSON.
    pub body: Bytes,
    replayed: bool,
    shows_secret: bool,
}

impl Answer {
    /// A fresh answer.
    ///
    /// # Errors
    /// [`Code::Internal`] when the value cannot be written as JSON, which no value of ours can cause.
    pub fn json<T: Serialize>(status: StatusCode, value: &T) -> Result<Self, Problem> {
        Ok(Self {
            status,
            body: serde_json::to_vec(value).map_err(Problem::internal)?.into(),
            replayed: false,
            shows_secret: false,
        })
    }

    /// The same answer, if it shows a secret: it is stored so that only its caller can have it again.
    #[must_use]
    pub fn showing_secret(mut self, shows_secret: bool) -> Self {
        self.shows_secret = shows_secret;
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.replayed {
            response
                .headers_mut()
                .insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

/// Whether a request is to be carried out.
#[derive(Debug)]
pub enum Admission {
    /// It is, in this transaction.
    Fresh(Work),
    /// It was carried out before; this was answered.
    Replay(Answer),
}

/// A transaction that carries out a request and remembers its answer.
#[derive(Debug)]
pub struct Work {
    /// The tenant's rows.
    pub transaction: TenantTransaction,
    idempotency: Option<Idempotency>,
    caller: SecretString,
}

impl Work {
    /// Begins. `caller` is the API key that was presented: it opens sealed answers.
    ///
    /// # Errors
    /// [`Code::IdempotencyInProgress`], [`Code::IdempotencyConflict`], or the database's problem.
    pub async fn begin(
        app: &App,
        tenant: TenantId,
        idempotency: Option<Idempotency>,
        caller: &SecretString,
    ) -> Result<Admission, Problem> {
        let mut transaction = app.store().tenant(tenant).await?;
        let state = match &idempotency {
            Some(idempotency) => {
                transaction
                    .take_idempotency_key(&idempotency.key, idempotency.window)
                    .await?
            }
            None => IdempotencyKeyState::Fresh,
        };
        if state == IdempotencyKeyState::Fresh {
            return Ok(Admission::Fresh(Self {
                transaction,
                idempotency,
                caller: caller.clone(),
            }));
        }
        // Gives the key free before the answer is out, so that whoever has the answer can use it again.
        transaction.rollback().await?;
        match (state, idempotency) {
            (IdempotencyKeyState::Answered(stored), Some(idempotency)) => {
                replay(stored, tenant, &idempotency, caller).map(Admission::Replay)
            }
            _ => Err(Problem::new(
                Code::IdempotencyInProgress,
                "A request with this Idempotency-Key is still running. Its answer can be had by repeating the request.",
            )),
        }
    }

    /// Ends the transaction: an answer is remembered and everything is made durable; a problem undoes everything, and nothing is remembered.
    ///
    /// # Errors
    /// The given problem, or the database's; after the latter it is unknown whether the changes are stored.
    pub async fn settle(self, outcome: Result<Answer, Problem>) -> Result<Answer, Problem> {
        let outcome = outcome.map(|answer| (answer, ()));
        self.settle_with(outcome).await.map(|(answer, ())| answer)
    }

    /// The same for an outcome that is more than its answer.
    ///
    /// # Errors
    /// See [`Work::settle`].
    pub async fn settle_with<T>(mut self, outcome: Result<(Answer, T), Problem>) -> Result<(Answer, T), Problem> {
        match outcome {
            Ok((answer, more)) => {
                self.remember(&answer).await?;
                self.transaction.commit().await?;
                Ok((answer, more))
            }
            Err(problem) => {
                if let Err(error) = self.transaction.rollback().await {
                    tracing::debug!(%error, "a refused request was not undone at once");
                }
                Err(problem)
            }
        }
    }

    async fn remember(&mut self, answer: &Answer) -> Result<(), Problem> {
        let Some(idempotency) = &self.idempotency else {
            return Ok(());
        };
        let body = if answer.shows_secret {
            sealed::seal(&answer.body, self.transaction.tenant(), &idempotency.key, &self.caller)
        } else {
            answer.body.to_vec()
        };
        let stored = StoredAnswer {
            fingerprint: idempotency.fingerprint.to_vec(),
            status: answer.status.as_u16(),
            body,
        };
        Ok(self.transaction.store_answer(&idempotency.key, &stored).await?)
    }
}

fn replay(
    stored: StoredAnswer,
    tenant: TenantId,
    idempotency: &Idempotency,
    caller: &SecretString,
) -> Result<Answer, Problem> {
    if stored.fingerprint != idempotency.fingerprint {
        return Err(Problem::new(
            Code::IdempotencyConflict,
            "This Idempotency-Key came with another request before: use a fresh key for a new request.",
        ));
    }
    let Some(body) = sealed::open(stored.body, tenant, &idempotency.key, caller) else {
        return Err(Problem::new(
            Code::IdempotencyConflict,
            "The answer to this Idempotency-Key shows a secret, and the first request came with another API key.",
        ));
    };
    Ok(Answer {
        status: StatusCode::from_u16(stored.status).map_err(Problem::internal)?,
        body: body.into(),
        replayed: true,
        shows_secret: false,
    })
}
