//! Starts and stops a whole Rookery on this machine: the local stack, its story and its tests.

pub mod baileys;
pub mod bench;
pub mod binaries;
pub mod client;
pub mod directory;
pub mod http;
pub mod local;
pub mod nats;
pub mod network;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod programs;
pub mod progress;
pub mod report;
pub mod repository;
pub mod results;
pub mod s3;
pub mod scratch;
pub mod secrets;
pub mod service;
pub mod sink;
pub mod site;
pub mod stack;
pub mod wait;
