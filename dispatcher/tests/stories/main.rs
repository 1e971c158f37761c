//! Stories of the dispatcher: the real binary with a real Postgres, a real NATS and real receivers.
//!
//! Needs `ROOKERY_TEST_DATABASE_URL` (a server where the role may create databases; each story makes its own and drops it) and
//! `ROOKERY_TEST_NATS_SERVER` (the `nats-server` program; each story starts its own). `deploy/local test` provides both.

#![expect(clippy::unwrap_used, reason = "a story that meets the unexpected has failed")]
#![expect(clippy::print_stdout, reason = "a failed story shows the logs of its dispatchers")]

mod database;
mod delivery;
mod dialects;
mod dispatcher;
mod failures;
mod isolation;
mod leases;
mod operations;
mod outages;
mod receiver;
mod stack;
mod takeover;
