//! The local stack's S3 server, as a process of its own.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use harness::{programs, s3};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serves a folder as S3, to whoever signs with the key.
#[derive(Debug, Parser)]
struct Options {
    /// Where to listen.
    #[arg(long, env = "ROOKERY_S3_ADDRESS")]
    address: SocketAddr,
    /// The folder: each folder in it is a bucket.
    #[arg(long, env = "ROOKERY_S3_FOLDER")]
    folder: PathBuf,
    /// The access key.
    #[arg(long, env = "ROOKERY_S3_ACCESS_KEY", hide_env_values = true)]
    access_key: String,
    /// The secret key.
    #[arg(long, env = "ROOKERY_S3_SECRET_KEY", hide_env_values = true)]
    secret_key: String,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    programs::run(async |stop| {
        s3::serve(
            options.address,
            &options.folder,
            &options.access_key,
            &options.secret_key,
            stop,
        )
        .await
    })
}
