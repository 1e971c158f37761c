//! The life of one connection: upgrade, handshake, then pairing or login, then stanzas until one side ends it.
//!
//! Other parts of the network never write to a connection. They put stanzas into its [`Outbound`] or into the device's
//! mailbox and wake it; the connection's own task does the writing, so a slow client delays nobody else.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use crate::network::Network;
use crate::transport::connection::{ClearConnection, Connection, ConnectionError};
use crate::transport::handshake::{self, Answer, Established, HandshakeError};

/// A client that has not finished its handshake by then is dropped.
const HANDSHAKE_TIME: Duration = Duration::from_secs(20);

/// Between the last stanza and the end of the connection, so that the client reads the stanza before it notices the end:
/// with less, Baileys reports 428 in place of the real reason.
const FAREWELL: Duration = Duration::from_millis(250);

/// Transient stanzas beyond this many are dropped: nobody needs the typing of a minute ago.
const TRANSIENT_LIMIT: usize = 256;

/// How many stanzas of a mailbox are written before incoming ones get their turn.
pub const MAILBOX_BATCH: usize = 64;

/// Identifies one connection; never used twice in the life of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct SocketId(pub u64);

/// What others want a connection to do.
#[derive(Default)]
pub struct Outbound {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Default)]
struct Waiting {
    stanzas: VecDeque<Node>,
    ending: Option<Ending>,
}

/// How a connection is to end.
#[derive(Debug)]
pub enum Ending {
    /// Send this last stanza, wait a moment, close.
    Farewell(Node),
    /// Cut the connection without a word.
    Cut,
}

impl Outbound {
    /// Lets the connection look at its mailbox.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Sends a stanza that needs no acknowledgement.
    pub fn push(&self, stanza: Node) {
        self.waiting.lock().stanzas.push_back(stanza);
        self.wake();
    }

    /// Sends a stanza unless too many are waiting already.
    pub fn push_transient(&self, stanza: Node) {
        let mut waiting = self.waiting.lock();
        if waiting.stanzas.len() < TRANSIENT_LIMIT {
            waiting.stanzas.push_back(stanza);
            self.wake.notify_one();
        }
    }

    /// Ends the connection; the first wish wins.
    pub fn end(&self, ending: Ending) {
        self.waiting.lock().ending.get_or_insert(ending);
        self.wake();
    }

    /// Whether the connection is about to end: what it still receives is not listened to.
    pub fn is_ending(&self) -> bool {
        self.waiting.lock().ending.is_some()
    }

    /// Returns when there is something to do.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Takes all stanzas that wait.
    pub fn take(&self) -> VecDeque<Node> {
        std::mem::take(&mut self.waiting.lock().stanzas)
    }

    /// Takes the wish to end the connection.
    pub fn take_ending(&self) -> Option<Ending> {
        self.waiting.lock().ending.take()
    }
}

/// Why a connection ended without anybody's wish.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The transport failed.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The handshake failed.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The handshake took too long.
    #[error("the handshake was not finished in time")]
    HandshakeTime,
    /// The client stopped reading.
    #[error("the client did not read a stanza in time")]
    WritingTime,
}

/// Serves one TCP connection to its end.
pub async fn serve(network: Arc<Network>, stream: TcpStream) {
    let socket = network.next_socket_id();
    network.stats.connection_opened();
    match Box::pin(serve_inner(&network, stream, socket)).await {
        Ok(()) => tracing::debug!(socket = socket.0, "connection ended"),
        Err(error) => tracing::debug!(socket = socket.0, error = %error, "connection failed"),
    }
    network.stats.connection_closed();
}

async fn serve_inner(network: &Arc<Network>, stream: TcpStream, socket: SocketId) -> Result<(), SocketError> {
    // Small stanzas must not wait for each other's acknowledgements.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = %error, "TCP_NODELAY is not available");
    }
    let opening = tokio::time::timeout(HANDSHAKE_TIME, open(network, stream));
    let Some((clear, established)) = opening.await.map_err(|_| SocketError::HandshakeTime)?? else {
        return Ok(());
    };
    let client = Client {
        noise_key: established.client_static,
        payload: Box::new(established.payload.clone()),
        handshake: established.kind,
        socket,
    };
    let connection = clear.secure(established);
    if client.payload.device_pairing_data.is_set() {
        Box::pin(crate::pairing::serve(network, connection, client)).await
    } else {
        Box::pin(crate::login::serve(network, connection, client)).await
    }
}

/// A client that has proven its Noise key and said what it wants.
pub struct Client {
    /// Its static Noise key.
    pub noise_key: [u8; 32],
    /// Registration or login.
    pub payload: Box<waproto::whatsapp::ClientPayload>,
    /// Which handshake it used.
    pub handshake: handshake::HandshakeKind,
    /// The connection's number.
    pub socket: SocketId,
}

async fn open(
    network: &Network,
    stream: TcpStream,
) -> Result<Option<(ClearConnection, Box<Established>)>, SocketError> {
    let mut clear = ClearConnection::accept(stream).await?;
    let Some(hello) = clear.receive().await? else {
        return Ok(None);
    };
    let (reply, pending) = match handshake::answer(&network.server_identity(), &hello)? {
        Answer::Established(reply, established) => {
            clear.send(&reply).await?;
            return Ok(Some((clear, established)));
        }
        Answer::Continue(reply, pending) => (reply, pending),
    };
    clear.send(&reply).await?;
    let Some(finish) = clear.receive().await? else {
        return Ok(None);
    };
    let established = Box::new(pending.finish(&finish)?);
    Ok(Some((clear, established)))
}

/// Ends a connection as wished.
pub async fn end(mut connection: Connection, ending: Ending) -> Result<(), SocketError> {
    if let Ending::Farewell(stanza) = ending {
        connection.send(&stanza).await?;
        tokio::time::sleep(FAREWELL).await;
        connection.close().await;
    }
    Ok(())
}

/// `<stream:error code=…/>`: how the server ends a stream.
pub fn stream_error(code: u16) -> Node {
    NodeBuilder::new("stream:error").attr("code", code).build()
}

/// The stream error that says another connection has taken over, or that the device was removed.
pub fn conflict(kind: &str, code: Option<u16>) -> Node {
    let conflict = NodeBuilder::new("conflict").attr("type", kind).build();
    let builder = NodeBuilder::new("stream:error").children([conflict]);
    match code {
        Some(code) => builder.attr("code", code).build(),
        None => builder.build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::empty;

    #[test]
    fn transient_stanzas_are_bounded_and_others_are_not() {
        let outbound = Outbound::default();
        for _ in 0..TRANSIENT_LIMIT + 10 {
            outbound.push_transient(empty("chatstate"));
        }
        outbound.push(empty("iq"));
        assert_eq!(outbound.take().len(), TRANSIENT_LIMIT + 1);
    }

    #[test]
    fn the_first_wish_to_end_a_connection_wins() {
        let outbound = Outbound::default();
        outbound.end(Ending::Farewell(conflict("replaced", None)));
        outbound.end(Ending::Cut);
        assert!(outbound.is_ending());
        assert!(matches!(outbound.take_ending(), Some(Ending::Farewell(_))));
    }
}
