//! QR codes: references with a lifetime, offered by the server, shown by the client, scanned by a phone.
//!
//! A client gets six references and shows the first for 60 seconds, each later one for 20 (whatsapp-rust src/pair.rs:113;
//! Baileys Socket/socket.ts:866-905). A reference is valid until the time it is taken from the screen has passed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::{Candidate, LinkError, Pairings, Reference};
use crate::accounts::Account;
use crate::network::Network;
use crate::node::{SERVER, bytes_node};

/// How many codes a client can show before it must connect again.
const REFERENCES: u64 = 6;

/// The secret in a code may come with or without padding: test suites set it by hand.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a QR code says.
#[derive(Debug, PartialEq, Eq)]
pub struct QrCode {
    /// The server's reference.
    pub reference: String,
    /// The client's static Noise key.
    pub noise_key: [u8; 32],
    /// The client's identity key.
    pub identity: [u8; 32],
    /// The secret for the HMAC.
    pub adv_secret: Vec<u8>,
}

impl QrCode {
    /// Reads `reference,noise,identity,secret[,client type]`. Baileys puts an address with `#` in front
    /// (Utils/companion-reg-client-utils.ts:37-47), whatsapp-rust does not (wacore src/pair.rs:57-69), and older forms lack
    /// the last field.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let fields = text.rsplit_once('#').map_or(text, |(_, fields)| fields);
        let mut fields = fields.split(',');
        let reference = fields.next().filter(|reference| !reference.is_empty())?.to_owned();
        let mut key = || BASE64.decode(fields.next()?).ok();
        Some(Self {
            reference,
            noise_key: key()?.try_into().ok()?,
            identity: key()?.try_into().ok()?,
            adv_secret: key().filter(|secret| !secret.is_empty())?,
        })
    }
}

impl Pairings {
    /// Makes references for a client that has just connected, and the stanza that offers them.
    pub(super) fn offer(&self, network: &Network, candidate: &Arc<Candidate>) -> Node {
        let now = Instant::now();
        let mut waiting = self.waiting.lock();
        let references: Vec<Node> = (0..REFERENCES)
            .map(|place| {
                let text = format!("2@{}", BASE64.encode(rand::random::<[u8; 24]>()));
                let valid_until = now + lifetime(network, place);
                let reference = Reference {
                    candidate: Arc::clone(candidate),
                    valid_until,
                };
                waiting.by_reference.insert(text.clone(), reference);
                bytes_node("ref", text)
            })
            .collect();
        let offer = NodeBuilder::new("pair-device").children(references).build();
        NodeBuilder::new("iq")
            .attr("from", SERVER)
            .attr("type", "set")
            .attr("id", network.next_stanza_id())
            .attr("xmlns", "md")
            .children([offer])
            .build()
    }

    /// Forgets a client that is gone.
    pub(super) fn forget(&self, candidate: &Arc<Candidate>) {
        let mut waiting = self.waiting.lock();
        waiting
            .by_reference
            .retain(|_, reference| !Arc::ptr_eq(&reference.candidate, candidate));
        waiting
            .by_number
            .retain(|_, request| !Arc::ptr_eq(request.candidate(), candidate));
    }

    /// Cuts the connections of all clients that wait to be linked; answers how many there were.
    pub fn cut_all(&self) -> usize {
        let waiting = self.waiting.lock();
        let mut cut: Vec<&Arc<Candidate>> = Vec::new();
        for reference in waiting.by_reference.values() {
            if !cut.iter().any(|candidate| Arc::ptr_eq(candidate, &reference.candidate)) {
                reference.candidate.cut();
                cut.push(&reference.candidate);
            }
        }
        cut.len()
    }

    /// The client that shows this code, if the code is valid.
    fn candidate_of(&self, code: &QrCode) -> Result<Arc<Candidate>, LinkError> {
        let waiting = self.waiting.lock();
        let reference = waiting.by_reference.get(&code.reference).ok_or(LinkError::QrExpired)?;
        if reference.valid_until <= Instant::now() {
            return Err(LinkError::QrExpired);
        }
        let candidate = &reference.candidate;
        if candidate.noise_key != code.noise_key || candidate.registration.identity != code.identity {
            return Err(LinkError::KeysDiffer);
        }
        Ok(Arc::clone(candidate))
    }

    /// No other code of this client can be scanned any more.
    fn use_up(&self, candidate: &Arc<Candidate>) {
        self.waiting
            .lock()
            .by_reference
            .retain(|_, reference| !Arc::ptr_eq(&reference.candidate, candidate));
    }
}

/// Until when the code at this place is on the screen, counted from the offer.
fn lifetime(network: &Network, place: u64) -> Duration {
    let later = u32::try_from(place).unwrap_or(u32::MAX);
    network.config.qr_lifetime + network.config.qr_renewal * later
}

/// The push name of the client that shows this code: upstream test suites choose the account by it.
///
/// # Errors
/// The text is no code, or the code is not valid.
pub fn push_name(network: &Network, text: &str) -> Result<Option<String>, LinkError> {
    let code = QrCode::parse(text).ok_or(LinkError::NotAQrCode)?;
    Ok(network.pairings.candidate_of(&code)?.push_name.clone())
}

/// A phone scans a code. Answers with the new device's number once the companion has accepted.
///
/// # Errors
/// The text is no code, the code is not valid, or the companion does not accept.
pub async fn scan(network: &Arc<Network>, account: &Arc<Account>, text: &str) -> Result<u16, LinkError> {
    let code = QrCode::parse(text).ok_or(LinkError::NotAQrCode)?;
    let candidate = network.pairings.candidate_of(&code)?;
    network.pairings.use_up(&candidate);
    super::link(network, account, &candidate, &code.adv_secret).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> String {
        let key = |byte| BASE64.encode([byte; 32]);
        format!("2@ref,{},{},{}", key(1), key(2), key(3))
    }

    #[test]
    fn both_clients_codes_are_read() {
        let plain = QrCode::parse(&format!("{},1", fields())).unwrap();
        let with_address = QrCode::parse(&format!("https://wa.me/settings/linked_devices#{},9\n", fields())).unwrap();
        assert_eq!(plain, with_address);
        assert_eq!(plain.reference, "2@ref");
        assert_eq!((plain.noise_key, plain.identity), ([1; 32], [2; 32]));
        assert_eq!(plain.adv_secret, vec![3; 32]);
    }

    #[test]
    fn an_older_code_without_a_client_type_and_a_secret_without_padding_are_read() {
        let code = QrCode::parse(fields().trim_end_matches('=')).unwrap();
        assert_eq!(code.adv_secret, vec![3; 32]);
    }

    #[test]
    fn nonsense_is_no_code() {
        for text in ["", "hello", "a,b,c,d", "2@ref,AAAA,AAAA,AAAA", ",,,", "#"] {
            assert_eq!(QrCode::parse(text), None, "{text}");
        }
    }
}
