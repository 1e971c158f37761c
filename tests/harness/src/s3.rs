//! An S3 server of our own (the crate `s3s-fs`): every object is a file below the stack's folder.
//!
//! It speaks the real protocol with real signatures; it does not scale and does not try to.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::http;
use crate::process::Launch;
use crate::site::{BUCKET, Site};
use crate::wait::NotYet;

/// Makes the folder of the objects, and the bucket in it.
///
/// # Errors
/// When it cannot be made.
pub fn prepare(site: &Site) -> anyhow::Result<()> {
    std::fs::create_dir_all(site.directory.data_of("s3").join(BUCKET)).context("cannot create the bucket")
}

/// How the server is started.
///
/// # Errors
/// When no port is free.
pub fn launch(site: &Site) -> anyhow::Result<Launch> {
    Ok(Launch::new("s3", site.programs.path("rookery-s3"))
        .variable("ROOKERY_S3_ADDRESS", format!("127.0.0.1:{}", site.port("s3")?))
        .variable("ROOKERY_S3_FOLDER", site.directory.data_of("s3").display())
        .variable("ROOKERY_S3_ACCESS_KEY", &site.secrets.s3_access_key)
        .variable("ROOKERY_S3_SECRET_KEY", &site.secrets.s3_secret_key))
}

/// Whether the server answers: without a signature it must refuse.
///
/// # Errors
/// [`NotYet`] when it does not.
pub async fn ready(site: &Site) -> Result<(), NotYet> {
    let url = format!("{}/{BUCKET}", site.http_url("s3")?);
    let answer = http::Answer::to(http::client()?.get(url)).await?;
    if answer.status == 403 {
        return Ok(());
    }
    Err(NotYet::because(answer))
}

/// Serves the objects in `folder` until `stop` is cancelled.
///
/// # Errors
/// When the folder cannot be used or the address is taken.
pub async fn serve(
    address: SocketAddr,
    folder: &Path,
    access_key: &str,
    secret_key: &str,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let files =
        FileSystem::new(folder).map_err(|error| anyhow::anyhow!("cannot serve {}: {error:?}", folder.display()))?;
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(access_key, secret_key));
    let service = service.build();
    let listener = TcpListener::bind(address).await.context("cannot listen")?;
    tracing::info!(%address, "serving objects");
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            () = stop.cancelled() => return Ok(()),
        };
        let service = service.clone();
        tokio::spawn(async move {
            let connection = Builder::new(TokioExecutor::new());
            if let Err(error) = connection.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(error, "a connection broke");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{free_port, loopback};
    use crate::wait::wait_for;
    use std::time::Duration;

    #[tokio::test]
    async fn objects_need_a_signature() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        std::fs::write(folder.path().join(BUCKET).join("photo"), "secret").unwrap();
        let address = loopback(free_port().unwrap());
        let stop = CancellationToken::new();
        let path = folder.path().to_owned();
        let server = tokio::spawn({
            let stop = stop.clone();
            async move { serve(address, &path, "access", "secret", stop).await }
        });
        let url = format!("http://{address}/{BUCKET}/photo");
        let answer = wait_for("an answer", Duration::from_secs(10), async || {
            Ok(http::Answer::to(http::client()?.get(&url)).await?)
        })
        .await
        .unwrap();
        assert_eq!(answer.status, 403, "{answer}");
        stop.cancel();
        server.await.unwrap().unwrap();
    }
}
