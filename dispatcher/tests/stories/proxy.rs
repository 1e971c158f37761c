//! A wire that can be cut: passes TCP connections on to a server until it is told to drop them all.

use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A proxy on a port of this machine.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    connected: Arc<watch::Sender<bool>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Starts passing connections on to `server` (`host:port`).
    pub(crate) async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connected = Arc::new(watch::Sender::new(true));
        let state = Arc::clone(&connected);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, server.clone(), state.subscribe()));
            }
        });
        Self {
            port,
            connected,
            accepting,
        }
    }

    /// Cuts every connection, and every new one as soon as it is made.
    pub(crate) fn cut(&self) {
        self.connected.send_replace(false);
    }

    /// Lets connections through again.
    pub(crate) fn mend(&self) {
        self.connected.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn pass_on(mut client: TcpStream, server: String, mut connected: watch::Receiver<bool>) {
    if !*connected.borrow() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _ = connected.wait_for(|connected| !connected) => {}
    }
}
