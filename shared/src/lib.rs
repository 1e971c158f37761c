//! What Rookery's binaries share.
//!
//! The words of the domain come first and know nothing of the outside; the adapters after them speak to Postgres, NATS and the operator.
//! `gateway`, `worker` and `dispatcher` depend on this crate and never on each other.
//!
//! | words | adapters |
//! |---|---|
//! | [`ids`], [`address`], [`session`], [`message`], [`chat`] | [`store`]: Postgres |
//! | [`content`]: what messages say | |
//! | [`command`], [`operation`]: what is asked of a session | [`broker`], [`broker_token`], [`subject`]: NATS |
//! | [`event`]: what happened to it | [`bucket`]: object storage |
//! | [`query`]: what is asked of a holder | [`egress`]: requests to URLs from outside |
//! | [`problem`]: what went wrong | [`config`], [`telemetry`], [`operations`], [`lifecycle`]: being a process |
//! | [`seal`], [`api_key`], [`user`], [`credentials`]: secrets and who has them | |
//! | [`dialect`]: older APIs that are served too | |

pub mod address;
pub mod api_key;
pub mod broker;
pub mod broker_token;
pub mod bucket;
pub mod chat;
pub mod command;
pub mod config;
pub mod content;
pub mod credentials;
pub mod dialect;
pub mod egress;
pub mod event;
pub mod group;
pub mod ids;
pub mod lifecycle;
pub mod message;
pub mod operation;
pub mod operations;
pub mod problem;
pub mod qr;
pub mod query;
pub mod seal;
pub mod session;
pub mod status;
pub mod store;
pub mod subject;
pub mod telemetry;
pub mod timestamp;
pub mod user;
pub mod vcard;
