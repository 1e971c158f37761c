//! The network against a client that shares no code with it: unmodified Baileys, run by Node.
//!
//! Every test starts its own network on free ports. If Node or its packages are missing the tests fail and say which
//! command installs them.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in the functions that its story is told with"
)]

mod app_state;
mod baileys;
mod calls;
mod companion;
mod devices;
mod groups;
mod history;
mod load;
mod media;
mod messages;
mod newsletters;
mod pairing;
mod people;
mod protocol;
mod rust;
mod secrets;
mod settings;
mod status;
mod trouble;
mod upstream;
mod world;
