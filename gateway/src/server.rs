//! Accepting connections, within bounds, until told to stop.
//!
//! Stopping: the gateway says "not ready" at once, accepts for a moment longer so that load balancers notice, then closes its listener and lets
//! every connection finish the request it is at. Long polls and streams end by themselves when the stop begins.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::Service as _;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::http::client_address::Peer;

/// How long a client may take to send a request's head, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// The pause after the kernel has no connection to give (usually: no file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until soft shutdown, then drains.
///
/// # Errors
/// Never; the signature is that of an essential task.
pub async fn serve(app: App, listener: TcpListener, router: Router) -> anyhow::Result<()> {
    let _drained = app.drained().clone().drop_guard();
    let places = Arc::new(Semaphore::new(app.limits().max_connections));
    let connections = TaskTracker::new();
    let closing = CancellationToken::new();
    let service = TowerToHyperService::new(router);
    let stop = stop_accepting(&app);
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &places) => accepted,
        };
        if let Some((stream, peer, place)) = accepted {
            connections.spawn(handle(stream, peer, place, service.clone(), closing.clone()));
        }
    }
    drop(listener);
    closing.cancel();
    connections.close();
    connections.wait().await;
    Ok(())
}

/// Ends when no more connections are to be accepted.
async fn stop_accepting(app: &App) {
    app.shutdown().soft().cancelled().await;
    tracing::info!("not ready any more; draining");
    tokio::time::sleep(app.limits().unready_time()).await;
}

/// The next connection, once there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, Peer, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, address)) => Some((stream, Peer(address.ip()), place)),
        Err(error) => {
            tracing::debug!(%error, "a connection was not accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn handle(
    stream: TcpStream,
    peer: Peer,
    _place: OwnedSemaphorePermit,
    service: TowerToHyperService<Router>,
    closing: CancellationToken,
) {
    // Answers are small: waiting to fill a packet would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was refused");
    }
    let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        service.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        // WebSockets go on by themselves; what they may hold is bounded where events are followed.
        .with_upgrades();
    tokio::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended early");
    }
}
