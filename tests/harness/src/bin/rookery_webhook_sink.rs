//! The local stack's webhook sink, as a process of its own.

use std::net::SocketAddr;

use clap::Parser;
use harness::{programs, sink};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Receives webhooks, checks their signatures and shows what it got.
#[derive(Debug, Parser)]
struct Options {
    /// Where to listen.
    #[arg(long, env = "ROOKERY_SINK_ADDRESS")]
    address: SocketAddr,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    programs::run(async |stop| {
        let listener = TcpListener::bind(options.address).await?;
        tracing::info!(address = %options.address, "receiving webhooks");
        Ok(sink::server::serve(listener, stop).await?)
    })
}
