//! How bytes become stanzas: WebSocket messages carry frames, frames carry a Noise session, the session carries binary
//! nodes.
//!
//! This layer knows keys and bytes only. It never learns what a stanza means: that begins in [`crate::socket`].

pub mod certificate;
pub mod connection;
pub mod frame;
pub mod handshake;
