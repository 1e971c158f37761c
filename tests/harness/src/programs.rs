//! What the harness's own server programs have in common: a log, a runtime, and an end when they are asked to stop.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Runs a server until it ends by itself or a signal ends it.
///
/// # Errors
/// When the runtime cannot be started or the server fails.
pub fn run(server: impl AsyncFnOnce(CancellationToken) -> anyhow::Result<()>) -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_ansi(false).init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = CancellationToken::new();
        tokio::select! {
            outcome = server(stop.clone()) => outcome,
            // What a sink or a store still has in hand is in nobody's interest any more.
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        }
    })
}
