//! The server's part of the three Noise handshakes, all over `25519_AESGCM_SHA256` with the greeting as prologue.
//!
//! * **XX**, for a client that does not know our key: hello, our hello, finish.
//! * **IK**, for a client that remembers it: the first message already carries its static key and payload.
//! * **XXfallback**, when the remembered key is out of date: we answer an IK hello as if it had been XX, under another
//!   protocol name; the client notices the encrypted static key in our hello and follows.
//!
//! Sources: wacore-noise src/handshake.rs and src/state.rs, Baileys Utils/noise-handler.ts:21-225. This module performs no
//! input or output and decides nothing about who may log in.

use buffa::{Message, MessageField};
use wacore_binary::consts::{NOISE_PATTERN_IK, NOISE_PATTERN_XX, NOISE_PATTERN_XXFALLBACK};
use wacore_libsignal::protocol::{KeyPair, PrivateKey};
use wacore_noise::{NoiseCipher, NoiseHandshake};
use waproto::whatsapp::handshake_message::{ClientHello, ServerHello};
use waproto::whatsapp::{ClientPayload, HandshakeMessage};

use super::certificate::ServerIdentity;
use super::frame::GREETING;
use crate::keys::public_bytes;

/// Which of the three handshakes a connection used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeKind {
    /// Full handshake of a client without our key.
    Xx,
    /// Short handshake of a client that remembers our key.
    Ik,
    /// Full handshake that repairs a short one with an outdated key.
    XxFallback,
}

impl HandshakeKind {
    /// The name used in the ledger and in `GET /stats`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Xx => "xx",
            Self::Ik => "ik",
            Self::XxFallback => "xxfallback",
        }
    }
}

/// Why a handshake was given up.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// A message is not a `HandshakeMessage` or lacks a part.
    #[error("a handshake message is malformed: {0}")]
    Malformed(&'static str),
    /// A part could not be decrypted or a key is not a key.
    #[error("the handshake's cryptography does not fit")]
    Cryptography(#[from] wacore_noise::HandshakeError),
}

/// A finished handshake: who the client proved to be, what it asks for, and the ciphers of the session.
pub struct Established {
    /// Which handshake it was.
    pub kind: HandshakeKind,
    /// The client's static Noise key, proven.
    pub client_static: [u8; 32],
    /// Registration or login.
    pub payload: ClientPayload,
    /// Decrypts what the client sends.
    pub incoming: NoiseCipher,
    /// Encrypts what we send.
    pub outgoing: NoiseCipher,
}

/// What to do after a client hello.
pub enum Answer {
    /// Send the bytes; the session is established.
    Established(Vec<u8>, Box<Established>),
    /// Send the bytes and wait for the client's finish.
    Continue(Vec<u8>, Box<Pending>),
}

/// An XX or XXfallback handshake that waits for the client's last message.
pub struct Pending {
    kind: HandshakeKind,
    noise: NoiseHandshake,
    ephemeral: PrivateKey,
}

/// Answers a client hello.
///
/// # Errors
/// The message cannot be read, or its keys do not fit.
pub fn answer(server: &ServerIdentity, message: &[u8]) -> Result<Answer, HandshakeError> {
    let hello = decode(message)?
        .client_hello
        .into_option()
        .ok_or(HandshakeError::Malformed("no client hello"))?;
    let ephemeral = hello
        .ephemeral
        .as_deref()
        .ok_or(HandshakeError::Malformed("no ephemeral key"))?;
    if hello.r#static.is_none() {
        return answer_in_full(server, ephemeral, HandshakeKind::Xx);
    }
    match answer_in_short(server, ephemeral, &hello) {
        Ok(answer) => Ok(answer),
        // Not an attack: the client encrypted for a key that we have replaced since.
        Err(HandshakeError::Cryptography(_)) => answer_in_full(server, ephemeral, HandshakeKind::XxFallback),
        Err(error) => Err(error),
    }
}

fn answer_in_full(
    server: &ServerIdentity,
    client_ephemeral: &[u8],
    kind: HandshakeKind,
) -> Result<Answer, HandshakeError> {
    let pattern = if kind == HandshakeKind::XxFallback {
        NOISE_PATTERN_XXFALLBACK
    } else {
        NOISE_PATTERN_XX
    };
    let own_ephemeral = KeyPair::generate(&mut rand::rng());
    let mut noise = NoiseHandshake::new(pattern, &GREETING)?;
    noise.authenticate(client_ephemeral);
    noise.authenticate(&public_bytes(&own_ephemeral));
    noise.mix_shared_secret(own_ephemeral.private_key.serialize(), client_ephemeral)?;
    let encrypted_static = noise.encrypt(&public_bytes(&server.static_key))?;
    noise.mix_shared_secret(server.static_key.private_key.serialize(), client_ephemeral)?;
    let encrypted_chain = noise.encrypt(&server.certificate_chain)?;
    let hello = encode_hello(&own_ephemeral, Some(encrypted_static), encrypted_chain);
    Ok(Answer::Continue(
        hello,
        Box::new(Pending {
            kind,
            noise,
            ephemeral: own_ephemeral.private_key,
        }),
    ))
}

fn answer_in_short(
    server: &ServerIdentity,
    client_ephemeral: &[u8],
    hello: &ClientHello,
) -> Result<Answer, HandshakeError> {
    let encrypted_static = hello
        .r#static
        .as_deref()
        .ok_or(HandshakeError::Malformed("no static key"))?;
    let encrypted_payload = hello
        .payload
        .as_deref()
        .ok_or(HandshakeError::Malformed("no payload"))?;

    let server_private = server.static_key.private_key.serialize();
    let mut noise = NoiseHandshake::new(NOISE_PATTERN_IK, &GREETING)?;
    noise.authenticate(&public_bytes(&server.static_key));
    noise.authenticate(client_ephemeral);
    noise.mix_shared_secret(server_private, client_ephemeral)?;
    let client_static = noise.decrypt(encrypted_static)?;
    noise.mix_shared_secret(server_private, &client_static)?;
    let payload = noise.decrypt(encrypted_payload)?;

    let own_ephemeral = KeyPair::generate(&mut rand::rng());
    noise.authenticate(&public_bytes(&own_ephemeral));
    noise.mix_shared_secret(own_ephemeral.private_key.serialize(), client_ephemeral)?;
    noise.mix_shared_secret(own_ephemeral.private_key.serialize(), &client_static)?;
    let encrypted_chain = noise.encrypt(&server.certificate_chain)?;
    let reply = encode_hello(&own_ephemeral, None, encrypted_chain);
    let established = establish(HandshakeKind::Ik, noise, &client_static, &payload)?;
    Ok(Answer::Established(reply, Box::new(established)))
}

impl Pending {
    /// Reads the client's last message.
    ///
    /// # Errors
    /// The message cannot be read, or its keys do not fit.
    pub fn finish(self, message: &[u8]) -> Result<Established, HandshakeError> {
        let finish = decode(message)?
            .client_finish
            .into_option()
            .ok_or(HandshakeError::Malformed("no client finish"))?;
        let encrypted_static = finish
            .r#static
            .as_deref()
            .ok_or(HandshakeError::Malformed("no static key"))?;
        let encrypted_payload = finish
            .payload
            .as_deref()
            .ok_or(HandshakeError::Malformed("no payload"))?;

        let mut noise = self.noise;
        let client_static = noise.decrypt(encrypted_static)?;
        noise.mix_shared_secret(self.ephemeral.serialize(), &client_static)?;
        let payload = noise.decrypt(encrypted_payload)?;
        establish(self.kind, noise, &client_static, &payload)
    }
}

fn establish(
    kind: HandshakeKind,
    noise: NoiseHandshake,
    client_static: &[u8],
    payload: &[u8],
) -> Result<Established, HandshakeError> {
    let client_static = client_static
        .try_into()
        .map_err(|_| HandshakeError::Malformed("the static key has not 32 bytes"))?;
    let payload = ClientPayload::decode_from_slice(payload)
        .map_err(|_| HandshakeError::Malformed("the payload is not a ClientPayload"))?;
    // The first key of a Noise split belongs to the initiator's direction, which is our incoming one.
    let (incoming, outgoing) = noise.finish()?;
    Ok(Established {
        kind,
        client_static,
        payload,
        incoming,
        outgoing,
    })
}

fn decode(message: &[u8]) -> Result<HandshakeMessage, HandshakeError> {
    HandshakeMessage::decode_from_slice(message).map_err(|_| HandshakeError::Malformed("not a HandshakeMessage"))
}

fn encode_hello(ephemeral: &KeyPair, encrypted_static: Option<Vec<u8>>, encrypted_chain: Vec<u8>) -> Vec<u8> {
    HandshakeMessage {
        server_hello: MessageField::some(ServerHello {
            ephemeral: Some(public_bytes(ephemeral).to_vec()),
            r#static: encrypted_static,
            payload: Some(encrypted_chain),
            ..Default::default()
        }),
        ..Default::default()
    }
    .encode_to_vec()
}

#[cfg(test)]
mod tests;
