//! How long a request waits for the database.
//!
//! The store bounds how long it waits for a connection; a database that accepts connections and then falls silent (stopped, or behind a dead
//! network) is only noticed by a deadline around the work itself.

use std::future::Future;
use std::time::Duration;

use crate::problem::Problem;

/// After this the database counts as unavailable: a little more than the store waits for a connection.
pub const PATIENCE: Duration = Duration::from_millis(2_500);

/// Runs work that speaks to the database and to nothing else. When the deadline passes the work is dropped, and its transaction with it; a commit
/// that was under way may or may not have happened.
///
/// # Errors
/// The work's own problem, or [`shared::problem::Code::Unavailable`] when it took too long.
pub async fn promptly<T>(work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(outcome) => outcome,
        Err(elapsed) => Err(Problem::unavailable(elapsed)),
    }
}
