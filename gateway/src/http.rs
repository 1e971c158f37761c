//! The HTTP side of a request: how bodies, parameters and headers become values, and values become answers.
//!
//! Nothing here knows what a session or a message is. Every failure is a [`crate::problem::Problem`].

pub mod accept;
pub mod body;
pub mod checks;
pub mod client_address;
pub mod jid;
pub mod middleware;
pub mod page;
pub mod parameters;
pub mod path;
pub mod prefer;
pub mod timestamp;
pub mod unread;
