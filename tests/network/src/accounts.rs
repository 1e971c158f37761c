//! The people of the network: accounts, their numbers, their devices, and what waits for them.
//!
//! An account is known by a phone number and by a LID ("linked identifier"), and every address can be spelled either way.
//! Devices are keyed by account, never by spelling. All state of an account is behind one mutex that is never held across
//! an await and never while another account's mutex is held.

pub mod account;
pub mod device;
pub mod directory;
pub mod identifier;
pub mod mailbox;

pub use account::{Account, AccountState};
pub use device::{Device, LiveSocket};
pub use directory::Directory;
pub use identifier::{DeviceAddress, Lid, Number, Spelling};
pub use mailbox::Mailbox;
