//! One client connection: a WebSocket that carries frames, at first in clear for the handshake, then encrypted nodes.
//!
//! Its size matters, because thousands of them idle at the same time: tungstenite's read buffer is set to 4 KiB instead of
//! 128 KiB (measured: 85 KiB less for each connection) and nothing is buffered on the way out.

use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as WebSocketMessage;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use wacore_binary::Node;
use wacore_noise::NoiseCipher;

use super::frame::{self, FrameReader};
use super::handshake::Established;

/// Room for one frame of the largest size, and no more.
const LARGEST_MESSAGE: usize = 17 * 1024 * 1024;

/// Why a connection cannot be continued.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The WebSocket failed or was refused.
    #[error("the WebSocket failed")]
    WebSocket(#[source] Box<tokio_tungstenite::tungstenite::Error>),
    /// The bytes are not frames.
    #[error("the bytes are not frames")]
    Frame(#[from] frame::FrameError),
    /// Something else than binary messages was sent.
    #[error("a text message arrived where only binary ones are allowed")]
    Text,
    /// A frame could not be decrypted: the counters or keys no longer agree.
    #[error("a frame could not be decrypted")]
    Cipher(#[from] wacore_noise::NoiseError),
    /// A decrypted frame is not a node, or a node cannot be written.
    #[error("a frame is not a binary node")]
    Node(#[from] wacore_binary::BinaryError),
}

impl From<tokio_tungstenite::tungstenite::Error> for ConnectionError {
    fn from(error: tokio_tungstenite::tungstenite::Error) -> Self {
        Self::WebSocket(Box::new(error))
    }
}

/// A connection before its session is established: frames in clear.
pub struct ClearConnection {
    stream: WebSocketStream<TcpStream>,
    frames: FrameReader,
}

impl ClearConnection {
    /// Performs the WebSocket upgrade. Any path is accepted; real clients use `/ws/chat`.
    ///
    /// # Errors
    /// The peer does not speak WebSocket.
    pub async fn accept(stream: TcpStream) -> Result<Self, ConnectionError> {
        let config = WebSocketConfig::default()
            .read_buffer_size(4096)
            .write_buffer_size(0)
            .max_message_size(Some(LARGEST_MESSAGE))
            .max_frame_size(Some(LARGEST_MESSAGE));
        let stream = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await?;
        Ok(Self {
            stream,
            frames: FrameReader::default(),
        })
    }

    /// The next frame, or `None` when the client has closed the connection.
    ///
    /// # Errors
    /// The connection is broken or carries something else than frames.
    pub async fn receive(&mut self) -> Result<Option<Vec<u8>>, ConnectionError> {
        loop {
            if let Some(frame) = self.frames.next_frame()? {
                return Ok(Some(frame));
            }
            match self.stream.next().await {
                Some(Ok(WebSocketMessage::Binary(bytes))) => self.frames.feed(&bytes),
                Some(Ok(WebSocketMessage::Close(_))) | None => return Ok(None),
                Some(Ok(WebSocketMessage::Text(_))) => return Err(ConnectionError::Text),
                // Pings are answered by tungstenite itself.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// The connection is broken or the payload too long.
    pub async fn send(&mut self, payload: &[u8]) -> Result<(), ConnectionError> {
        let frame = frame::encode(payload)?;
        self.stream.send(WebSocketMessage::Binary(frame.into())).await?;
        Ok(())
    }

    /// Continues with the keys of a finished handshake.
    pub fn secure(self, established: Box<Established>) -> Connection {
        Connection {
            clear: self,
            incoming: established.incoming,
            outgoing: established.outgoing,
            received: 0,
            sent: 0,
        }
    }
}

/// An established connection: nodes in, nodes out.
pub struct Connection {
    clear: ClearConnection,
    incoming: NoiseCipher,
    outgoing: NoiseCipher,
    received: u32,
    sent: u32,
}

impl Connection {
    /// The next node, or `None` when the client has closed the connection. Safe to cancel: nothing is lost between calls.
    ///
    /// # Errors
    /// The connection is broken, or what arrived cannot be decrypted or read.
    pub async fn receive(&mut self) -> Result<Option<Node>, ConnectionError> {
        let Some(mut frame) = self.clear.receive().await? else {
            return Ok(None);
        };
        self.incoming.decrypt_in_place_with_counter(self.received, &mut frame)?;
        self.received = self.received.wrapping_add(1);
        let unpacked = wacore_binary::util::unpack(&frame)?;
        let node = wacore_binary::marshal::unmarshal_ref(&unpacked)?.to_owned();
        tracing::trace!(?node, "received");
        Ok(Some(node))
    }

    /// Sends one node.
    ///
    /// # Errors
    /// The connection is broken or the node too long for a frame.
    pub async fn send(&mut self, node: &Node) -> Result<(), ConnectionError> {
        tracing::trace!(?node, "sending");
        let mut bytes = wacore_binary::marshal(node)?;
        self.outgoing.encrypt_in_place_with_counter(self.sent, &mut bytes)?;
        self.sent = self.sent.wrapping_add(1);
        self.clear.send(&bytes).await
    }

    /// Closes the WebSocket with a close frame; failures do not matter any more.
    pub async fn close(mut self) {
        let _ = self.clear.stream.close(None).await;
    }
}
