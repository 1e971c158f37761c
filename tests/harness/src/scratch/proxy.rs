//! A wire that can be cut, frozen or lost: passes TCP connections on to a server.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the proxy does with connections, old and new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Bytes go through.
    Open,
    /// Connections are closed at once.
    Cut,
    /// Connections stay, and nothing goes through.
    Frozen,
}

/// A proxy in front of one address.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens on this machine.
    pub port: u16,
    mode: Arc<watch::Sender<Mode>>,
    /// Connections that were accepted under a lower number are lost: they stay open and silent for ever.
    route: Arc<watch::Sender<u32>>,
}

impl Proxy {
    /// Starts passing connections on to `target` (`host:port`).
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mode = Arc::new(watch::Sender::new(Mode::Open));
        let modes = mode.subscribe();
        let route = Arc::new(watch::Sender::new(0));
        let routes = route.subscribe();
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                tokio::spawn(until_lost(stream, target.clone(), modes.clone(), routes.clone()));
            }
        });
        Self { port, mode, route }
    }

    /// Cuts every connection, and every new one as soon as it is made.
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// Keeps every connection and lets nothing through.
    pub fn freeze(&self) {
        self.mode.send_replace(Mode::Frozen);
    }

    /// Loses every connection that exists, as a router does that forgets its table: neither side is told. New ones work.
    pub fn lose_connections(&self) {
        self.route.send_modify(|route| *route += 1);
    }

    /// Lets everything through again.
    pub fn open(&self) {
        self.mode.send_replace(Mode::Open);
    }
}

async fn until_lost(
    mut inside: TcpStream,
    target: String,
    modes: watch::Receiver<Mode>,
    mut routes: watch::Receiver<u32>,
) {
    let route = *routes.borrow_and_update();
    let lost = async {
        // An end of the proxy is an end of the story.
        if routes.wait_for(|now| *now != route).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = carry(&mut inside, target, modes) => {}
        () = lost => std::future::pending().await,
    }
}

async fn carry(inside: &mut TcpStream, target: String, mut modes: watch::Receiver<Mode>) {
    if *modes.borrow_and_update() == Mode::Cut {
        return;
    }
    let Ok(mut outside) = TcpStream::connect(target).await else {
        return;
    };
    loop {
        let mode = *modes.borrow_and_update();
        match mode {
            Mode::Cut => return,
            Mode::Frozen => {
                if modes.changed().await.is_err() {
                    return;
                }
            }
            Mode::Open => tokio::select! {
                _ = copy_bidirectional(inside, &mut outside) => return,
                changed = modes.changed() => if changed.is_err() { return },
            },
        }
    }
}
