//! A simulated WhatsApp network: the server side of the multi-device protocol, and the people on it.
//!
//! Unmodified clients connect to it, are linked by QR code or by code, log in and talk to each other with real Signal
//! encryption; simulated people with phones talk to them. It exists so that everything around WhatsApp can be tested on
//! one machine, repeatably, and broken on purpose.
//!
//! # How to read it
//! Bytes become stanzas in [`transport`], a connection lives in [`socket`], is linked in [`pairing`] or logs in in
//! [`login`]; from then on [`stanza`] and [`iq`] find the handler of whatever a device says: [`prekeys`], [`usync`],
//! [`messages`], [`groups`], [`status`], [`newsletters`], [`mex`], [`presence`], [`calls`], [`people`], [`app_state`],
//! [`devices`], [`settings`]. Files are in [`media`]. People and their devices are in [`accounts`], their phones in
//! [`phone`]. [`http`] plays the people, [`upstream`] lets other test suites in, [`faults`] breaks things, [`ledger`] and [`stats`] tell what
//! happened.
//!
//! # What it proves and what not
//! A client that works here speaks the protocol as two independent clients do. It proves nothing about WhatsApp's own
//! limits, bans, checks and latency, which nobody can simulate. Where this network assumes something that no source
//! shows, the module says so: see [`messages::accepted`] and [`messages::receipt`].
//!
//! # Sources
//! Protocol facts name their public source by repository or crate, path and line: whatsapp-rust 0.7.0 and its `wacore`
//! crates, Baileys 7.0.0-rc14, whatsmeow.

pub mod accounts;
pub mod app_state;
pub mod calls;
pub mod clock;
pub mod devices;
pub mod faults;
pub mod groups;
pub mod http;
pub mod iq;
pub mod keys;
pub mod ledger;
pub mod limits;
pub mod login;
pub mod media;
pub mod messages;
pub mod mex;
pub mod network;
pub mod newsletters;
pub mod node;
pub mod pairing;
pub mod people;
pub mod phone;
pub mod prekeys;
pub mod presence;
pub mod settings;
pub mod socket;
pub mod stanza;
pub mod stats;
pub mod status;
pub mod transport;
pub mod upstream;
pub mod usync;

pub use network::{Config, Network, Running};
