//! Stories of the gateway: the real router with a real Postgres; NATS is away unless a story starts one.
//!
//! Needs `ROOKERY_TEST_DATABASE_URL` (a server where the role may create databases and is no superuser, so that row-level security binds it; each
//! story makes its own database and drops it) and, for the stories about the broker, `ROOKERY_TEST_NATS_SERVER` (the `nats-server` program).
//! `deploy/local test` provides both.

#![expect(clippy::unwrap_used, reason = "a story that meets the unexpected has failed")]

mod bad_input;
mod broker;
mod chats;
mod client;
mod database;
mod dialects;
mod documentation;
mod erasure;
mod events;
mod gateway;
mod groups;
mod idempotency;
mod isolation;
mod keys;
mod kinds;
mod management;
mod media;
mod messages;
mod outages;
mod pairing;
mod people;
mod people_changes;
mod plans;
mod quotas;
mod row_security;
mod search;
mod secrets;
mod sessions;
mod shutdown;
mod statuses;
mod users;
mod webhooks;
