//! A bare companion in Rust: it can log in and exchange nodes, and knows nothing else. It shows what the server really puts
//! on the wire, where a full client would hide it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use buffa::{Message as _, MessageField};
use futures::{SinkExt, StreamExt};
use network::keys::public_bytes;
use network::node::attribute_is;
use network::transport::frame::{self, GREETING};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message as WebSocketMessage;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::consts::{NOISE_PATTERN_IK, NOISE_PATTERN_XX};
use wacore_libsignal::protocol::{KeyPair, PrivateKey};
use wacore_noise::{NoiseCipher, NoiseHandshake};
use waproto::whatsapp::handshake_message::{ClientFinish, ClientHello, ServerHello};
use waproto::whatsapp::{ClientPayload, HandshakeMessage};

use crate::world::{PATIENCE, Person, World};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A provisioned account's companion, not connected.
#[derive(Clone)]
pub(crate) struct Credentials {
    /// The person.
    pub(crate) person: Person,
    noise: KeyPair,
    username: u64,
}

/// A connected companion.
pub(crate) struct Companion {
    socket: Socket,
    outgoing: NoiseCipher,
    incoming: NoiseCipher,
    sent: u32,
    received: u32,
    requests: u32,
}

impl Credentials {
    /// New accounts with one companion each.
    pub(crate) async fn provision(world: &World, count: usize) -> Vec<Self> {
        let answer = world
            .post("/provision", json!({ "count": count, "prefix": "test" }))
            .await;
        answer["accounts"].as_array().unwrap().iter().map(Self::read).collect()
    }

    fn read(account: &Value) -> Self {
        let secret = &account["credentials"]["noise_key"]["private"];
        let secret = BASE64.decode(secret.as_str().unwrap()).unwrap();
        let text = |name: &str| account[name].as_str().unwrap().to_owned();
        Self {
            noise: KeyPair::try_from(PrivateKey::deserialize(&secret).unwrap()).unwrap(),
            username: text("number").parse().unwrap(),
            person: Person {
                number: text("number"),
                lid: text("lid"),
            },
        }
    }

    fn payload(&self) -> Vec<u8> {
        ClientPayload {
            username: Some(self.username),
            device: Some(1),
            ..Default::default()
        }
        .encode_to_vec()
    }

    /// Connects and logs in with the full handshake; answers with the first node as well.
    pub(crate) async fn connect(&self, world: &World) -> (Companion, Node) {
        let (mut socket, _) = tokio_tungstenite::connect_async(world.protocol_url()).await.unwrap();
        let ephemeral = KeyPair::generate(&mut rand::rng());
        let mut noise = NoiseHandshake::new(NOISE_PATTERN_XX, &GREETING).unwrap();
        noise.authenticate(&public_bytes(&ephemeral));
        send_hello(&mut socket, &ephemeral, None, None).await;
        let hello = server_hello(&mut socket).await;
        let server_ephemeral = hello.ephemeral.unwrap();
        noise.authenticate(&server_ephemeral);
        noise
            .mix_shared_secret(ephemeral.private_key.serialize(), &server_ephemeral)
            .unwrap();
        let server_static = noise.decrypt(&hello.r#static.unwrap()).unwrap();
        noise
            .mix_shared_secret(ephemeral.private_key.serialize(), &server_static)
            .unwrap();
        noise.decrypt(&hello.payload.unwrap()).unwrap();
        let encrypted_static = noise.encrypt(&public_bytes(&self.noise)).unwrap();
        noise
            .mix_shared_secret(self.noise.private_key.serialize(), &server_ephemeral)
            .unwrap();
        let payload = noise.encrypt(&self.payload()).unwrap();
        let finish = HandshakeMessage {
            client_finish: MessageField::some(ClientFinish {
                r#static: Some(encrypted_static),
                payload: Some(payload),
                ..Default::default()
            }),
            ..Default::default()
        };
        let frame = frame::encode(&finish.encode_to_vec()).unwrap();
        socket.send(WebSocketMessage::Binary(frame.into())).await.unwrap();
        Companion::begin(socket, noise).await
    }

    /// Connects and logs in with the short handshake under the server's key.
    pub(crate) async fn connect_shortly(&self, world: &World) -> (Companion, Node) {
        let (mut socket, _) = tokio_tungstenite::connect_async(world.protocol_url()).await.unwrap();
        let server = public_bytes(&world.network().server_identity().static_key);
        let ephemeral = KeyPair::generate(&mut rand::rng());
        let mut noise = NoiseHandshake::new(NOISE_PATTERN_IK, &GREETING).unwrap();
        noise.authenticate(&server);
        noise.authenticate(&public_bytes(&ephemeral));
        noise
            .mix_shared_secret(ephemeral.private_key.serialize(), &server)
            .unwrap();
        let encrypted_static = noise.encrypt(&public_bytes(&self.noise)).unwrap();
        noise
            .mix_shared_secret(self.noise.private_key.serialize(), &server)
            .unwrap();
        let payload = noise.encrypt(&self.payload()).unwrap();
        send_hello(&mut socket, &ephemeral, Some(encrypted_static), Some(payload)).await;
        let hello = server_hello(&mut socket).await;
        assert!(hello.r#static.is_none(), "no fallback is needed");
        let server_ephemeral = hello.ephemeral.unwrap();
        noise.authenticate(&server_ephemeral);
        noise
            .mix_shared_secret(ephemeral.private_key.serialize(), &server_ephemeral)
            .unwrap();
        noise
            .mix_shared_secret(self.noise.private_key.serialize(), &server_ephemeral)
            .unwrap();
        noise.decrypt(&hello.payload.unwrap()).unwrap();
        Companion::begin(socket, noise).await
    }

    /// Connects, logs in and asks for delivery.
    pub(crate) async fn active(&self, world: &World) -> Companion {
        let (mut companion, success) = self.connect(world).await;
        assert_eq!(success.tag, "success", "{success:?}");
        companion.activate().await;
        companion
    }
}

async fn send_hello(socket: &mut Socket, ephemeral: &KeyPair, encrypted: Option<Vec<u8>>, payload: Option<Vec<u8>>) {
    let hello = HandshakeMessage {
        client_hello: MessageField::some(ClientHello {
            ephemeral: Some(public_bytes(ephemeral).to_vec()),
            r#static: encrypted,
            payload,
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut bytes = GREETING.to_vec();
    bytes.extend(frame::encode(&hello.encode_to_vec()).unwrap());
    socket.send(WebSocketMessage::Binary(bytes.into())).await.unwrap();
}

/// The next frame; the server puts exactly one into each WebSocket message.
async fn next_frame(socket: &mut Socket) -> Option<Vec<u8>> {
    loop {
        let message = timeout(PATIENCE, socket.next())
            .await
            .expect("the server says something");
        match message {
            Some(Ok(WebSocketMessage::Binary(bytes))) => return Some(bytes[3..].to_vec()),
            Some(Ok(WebSocketMessage::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}

async fn server_hello(socket: &mut Socket) -> ServerHello {
    let frame = next_frame(socket).await.expect("the server answers the hello");
    HandshakeMessage::decode_from_slice(&frame)
        .unwrap()
        .server_hello
        .into_option()
        .unwrap()
}

impl Companion {
    async fn begin(socket: Socket, noise: NoiseHandshake) -> (Self, Node) {
        let (outgoing, incoming) = noise.finish().unwrap();
        let mut companion = Self {
            socket,
            outgoing,
            incoming,
            sent: 0,
            received: 0,
            requests: 0,
        };
        let first = companion.next().await.expect("the server answers the login");
        (companion, first)
    }

    /// The next node, or `None` when the server has closed the connection.
    pub(crate) async fn next(&mut self) -> Option<Node> {
        let mut frame = next_frame(&mut self.socket).await?;
        self.incoming
            .decrypt_in_place_with_counter(self.received, &mut frame)
            .unwrap();
        self.received += 1;
        let bytes = wacore_binary::util::unpack(&frame).unwrap();
        Some(wacore_binary::marshal::unmarshal_ref(&bytes).unwrap().to_owned())
    }

    /// Skips nodes until one with this tag comes.
    pub(crate) async fn next_with_tag(&mut self, tag: &str) -> Node {
        loop {
            let node = self
                .next()
                .await
                .unwrap_or_else(|| panic!("closed before <{tag}> came"));
            if node.tag == tag {
                return node;
            }
        }
    }

    /// Sends a node.
    pub(crate) async fn send(&mut self, node: &Node) {
        let mut bytes = wacore_binary::marshal(node).unwrap();
        self.outgoing
            .encrypt_in_place_with_counter(self.sent, &mut bytes)
            .unwrap();
        self.sent += 1;
        let frame = frame::encode(&bytes).unwrap();
        self.socket.send(WebSocketMessage::Binary(frame.into())).await.unwrap();
    }

    /// Sends a request and answers with its answer; other nodes in between are skipped.
    pub(crate) async fn request(&mut self, namespace: &str, kind: &str, child: Option<Node>) -> Node {
        self.requests += 1;
        let id = format!("r{}", self.requests);
        let iq = NodeBuilder::new("iq")
            .attr("to", "s.whatsapp.net")
            .attr("xmlns", namespace)
            .attr("type", kind)
            .attr("id", id.as_str())
            .children(child)
            .build();
        self.send(&iq).await;
        loop {
            let node = self.next_with_tag("iq").await;
            if attribute_is(&node, "id", &id) {
                return node;
            }
        }
    }

    /// Asks for delivery and waits for the end of the backlog; answers with the backlog.
    pub(crate) async fn activate(&mut self) -> Vec<Node> {
        let active = NodeBuilder::new("active").build();
        let answer = self.request("passive", "set", Some(active)).await;
        assert!(attribute_is(&answer, "type", "result"));
        let mut backlog = Vec::new();
        loop {
            let node = self.next().await.expect("the backlog has an end");
            let ends = node.tag == "ib" && node.get_optional_child("offline").is_some();
            if ends {
                return backlog;
            }
            backlog.push(node);
        }
    }
}
