//! Messages: accepting them, handing each device its own copy, receipts, retries, and what waits for devices that are away.
//!
//! The server reads no content. It sees who sends what to which devices, and keeps everything until it is acknowledged.

pub mod accept;
pub mod accept_shared;
pub mod accepted;
pub mod fanout;
pub mod offline;
pub mod receipt;
pub mod retry;
pub mod shared;
