//! The network against a client that shares no code with it: unmodified Baileys, run by Node.
//!
//! Every test starts its own network on free ports. If Node or its packages are missing the tests fail and say which
//! command installs them.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in the functions that its story is told with"
)]

mod baileys;
mod companion;
mod devices;
mod groups;
mod load;
mod messages;
mod newsletters;
mod pairing;
mod protocol;
mod rust;
mod settings;
mod status;
mod trouble;
mod world;
