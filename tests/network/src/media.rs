//! The media store: encrypted files over HTTPS, as WhatsApp's media servers keep them.
//!
//! Clients encrypt a file, upload it under the digest of its ciphertext, and put the path that they get into a message;
//! whoever reads the message downloads the ciphertext and decrypts it. The store never sees a key. [`store`] keeps the files,
//! [`server`] serves them, [`tls`] makes the certificates, and [`cipher`] is the encryption that people's phones use: the store
//! itself must never call it.

pub mod cipher;
pub mod server;
pub mod store;
pub mod tls;

pub use store::MediaStore;
