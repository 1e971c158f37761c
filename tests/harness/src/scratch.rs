//! What integration tests of one crate start from: a database, a broker and a cuttable wire, each of the test's own and gone with its value.
//!
//! For tests that call a crate's library; the stories, which run whole programs, have [`crate::stack`]. Everything here panics when it fails,
//! because then the test has failed.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod connect_proxy;
mod database;
mod nats;
mod proxy;

pub use connect_proxy::ConnectProxy;
pub use database::Database;
pub use nats::Nats;
pub use proxy::Proxy;

/// What `deploy/local test` tells the tests of one crate by a variable.
fn told(variable: &str, meaning: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: it names {meaning}"))
}
