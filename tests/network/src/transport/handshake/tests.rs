//! The handshakes against initiators written here from the Noise specification's message patterns, so that a mistake in
//! the responder does not meet the same mistake in a shared initiator. Certificates are checked as a strict client would.

use super::*;
use crate::keys::Seed;
use wacore_libsignal::protocol::PublicKey;
use waproto::whatsapp::CertChain;
use waproto::whatsapp::cert_chain::noise_certificate::Details;
use waproto::whatsapp::handshake_message::ClientFinish;

struct Initiator {
    ephemeral: KeyPair,
    static_key: KeyPair,
    payload: Vec<u8>,
}

impl Initiator {
    fn new() -> Self {
        let payload = ClientPayload {
            username: Some(15_550_001_001),
            device: Some(3),
            ..Default::default()
        };
        Self {
            ephemeral: KeyPair::generate(&mut rand::rng()),
            static_key: KeyPair::generate(&mut rand::rng()),
            payload: payload.encode_to_vec(),
        }
    }

    fn plain_hello(&self) -> Vec<u8> {
        self.hello(None, None)
    }

    fn hello(&self, encrypted_static: Option<Vec<u8>>, payload: Option<Vec<u8>>) -> Vec<u8> {
        HandshakeMessage {
            client_hello: MessageField::some(ClientHello {
                ephemeral: Some(public_bytes(&self.ephemeral).to_vec()),
                r#static: encrypted_static,
                payload,
                ..Default::default()
            }),
            ..Default::default()
        }
        .encode_to_vec()
    }

    /// `-> e, es, s, ss` under a remembered server key.
    fn short_hello(&self, remembered: &[u8; 32]) -> (Vec<u8>, NoiseHandshake) {
        let mut noise = NoiseHandshake::new(NOISE_PATTERN_IK, &GREETING).unwrap();
        noise.authenticate(remembered);
        noise.authenticate(&public_bytes(&self.ephemeral));
        noise
            .mix_shared_secret(self.ephemeral.private_key.serialize(), remembered)
            .unwrap();
        let encrypted_static = noise.encrypt(&public_bytes(&self.static_key)).unwrap();
        noise
            .mix_shared_secret(self.static_key.private_key.serialize(), remembered)
            .unwrap();
        let payload = noise.encrypt(&self.payload).unwrap();
        (self.hello(Some(encrypted_static), Some(payload)), noise)
    }

    /// Reads a full server hello, checks the certificates and writes the finish.
    fn finish(&self, pattern: &str, root: &[u8; 32], reply: &[u8]) -> (Vec<u8>, NoiseHandshake) {
        let hello = server_hello(reply);
        let mut noise = NoiseHandshake::new(pattern, &GREETING).unwrap();
        noise.authenticate(&public_bytes(&self.ephemeral));
        let server_ephemeral = hello.ephemeral.unwrap();
        noise.authenticate(&server_ephemeral);
        noise
            .mix_shared_secret(self.ephemeral.private_key.serialize(), &server_ephemeral)
            .unwrap();
        let server_static = noise.decrypt(&hello.r#static.unwrap()).unwrap();
        noise
            .mix_shared_secret(self.ephemeral.private_key.serialize(), &server_static)
            .unwrap();
        let chain = noise.decrypt(&hello.payload.unwrap()).unwrap();
        check_chain(&chain, root, &server_static);
        let encrypted_static = noise.encrypt(&public_bytes(&self.static_key)).unwrap();
        noise
            .mix_shared_secret(self.static_key.private_key.serialize(), &server_ephemeral)
            .unwrap();
        let payload = noise.encrypt(&self.payload).unwrap();
        let finish = HandshakeMessage {
            client_finish: MessageField::some(ClientFinish {
                r#static: Some(encrypted_static),
                payload: Some(payload),
                ..Default::default()
            }),
            ..Default::default()
        };
        (finish.encode_to_vec(), noise)
    }
}

fn server_hello(reply: &[u8]) -> ServerHello {
    HandshakeMessage::decode_from_slice(reply)
        .unwrap()
        .server_hello
        .into_option()
        .unwrap()
}

fn check_chain(chain: &[u8], root: &[u8; 32], server_static: &[u8]) {
    let chain = CertChain::decode_from_slice(chain).unwrap();
    let intermediate = chain.intermediate.into_option().unwrap();
    let intermediate_key = Details::decode_from_slice(intermediate.details.as_ref().unwrap())
        .unwrap()
        .key
        .unwrap();
    let leaf = chain.leaf.into_option().unwrap();
    for (issuer, certificate) in [(&root[..], intermediate), (&intermediate_key[..], leaf.clone())] {
        let issuer = PublicKey::from_djb_public_key_bytes(issuer).unwrap();
        assert!(issuer.verify_signature(&certificate.details.unwrap(), &certificate.signature.unwrap()));
    }
    let leaf_key = Details::decode_from_slice(&leaf.details.unwrap()).unwrap().key.unwrap();
    assert_eq!(leaf_key, server_static);
}

/// Both directions of the session must fit together.
fn check_session(client: NoiseHandshake, server: &Established, initiator: &Initiator) {
    let (to_server, to_client) = client.finish().unwrap();
    let mut bytes = to_server.encrypt_with_counter(0, b"from the client").unwrap();
    server.incoming.decrypt_in_place_with_counter(0, &mut bytes).unwrap();
    assert_eq!(bytes, b"from the client");
    let mut bytes = server.outgoing.encrypt_with_counter(5, b"from the server").unwrap();
    to_client.decrypt_in_place_with_counter(5, &mut bytes).unwrap();
    assert_eq!(bytes, b"from the server");
    assert_eq!(server.client_static, public_bytes(&initiator.static_key));
    assert_eq!(server.payload.username, Some(15_550_001_001));
    assert_eq!(server.payload.device, Some(3));
}

#[test]
fn a_client_without_our_key_uses_the_full_handshake() {
    let server = ServerIdentity::derive(&Seed::new("handshake"), 0);
    let initiator = Initiator::new();
    let Answer::Continue(reply, pending) = answer(&server, &initiator.plain_hello()).unwrap() else {
        panic!("XX needs a third message");
    };
    let (finish, noise) = initiator.finish(NOISE_PATTERN_XX, &server.root_public_key, &reply);
    let established = pending.finish(&finish).unwrap();
    assert_eq!(established.kind, HandshakeKind::Xx);
    check_session(noise, &established, &initiator);
}

#[test]
fn a_client_that_remembers_our_key_needs_one_message() {
    let server = ServerIdentity::derive(&Seed::new("handshake"), 0);
    let initiator = Initiator::new();
    let (hello, mut noise) = initiator.short_hello(&public_bytes(&server.static_key));
    let Answer::Established(reply, established) = answer(&server, &hello).unwrap() else {
        panic!("IK needs no third message");
    };
    let hello = server_hello(&reply);
    assert!(hello.r#static.is_none(), "a static key here would announce a fallback");
    let server_ephemeral = hello.ephemeral.unwrap();
    noise.authenticate(&server_ephemeral);
    noise
        .mix_shared_secret(initiator.ephemeral.private_key.serialize(), &server_ephemeral)
        .unwrap();
    noise
        .mix_shared_secret(initiator.static_key.private_key.serialize(), &server_ephemeral)
        .unwrap();
    noise.decrypt(&hello.payload.unwrap()).unwrap();
    assert_eq!(established.kind, HandshakeKind::Ik);
    check_session(noise, &established, &initiator);
}

#[test]
fn a_client_that_remembers_an_old_key_falls_back() {
    let seed = Seed::new("handshake");
    let remembered = public_bytes(&ServerIdentity::derive(&seed, 0).static_key);
    let server = ServerIdentity::derive(&seed, 1);
    let initiator = Initiator::new();
    let (hello, _) = initiator.short_hello(&remembered);
    let Answer::Continue(reply, pending) = answer(&server, &hello).unwrap() else {
        panic!("a fallback needs a third message");
    };
    let (finish, noise) = initiator.finish(NOISE_PATTERN_XXFALLBACK, &server.root_public_key, &reply);
    let established = pending.finish(&finish).unwrap();
    assert_eq!(established.kind, HandshakeKind::XxFallback);
    check_session(noise, &established, &initiator);
}

#[test]
fn nonsense_is_refused_without_a_panic() {
    let server = ServerIdentity::derive(&Seed::new("handshake"), 0);
    for bytes in [&b""[..], b"\xff\xff\xff", b"GET / HTTP/1.1", &[0x12, 0x02, 0x0a, 0x00]] {
        assert!(answer(&server, bytes).is_err(), "{bytes:?}");
    }
    let initiator = Initiator::new();
    let Answer::Continue(_, pending) = answer(&server, &initiator.plain_hello()).unwrap() else {
        panic!("XX needs a third message");
    };
    assert!(pending.finish(&initiator.plain_hello()).is_err());
}
