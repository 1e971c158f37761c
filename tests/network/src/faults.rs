//! What is made to go wrong, on purpose and by name, for one account or for all.
//!
//! A standing fault is a rule that waits for its occasion and is used up after `count` of them, or stays until it is
//! deleted. Faults that happen at once (`drop_connections`, `stream_error`, `rotate_certificate`) are carried out by
//! [`crate::http::faults`] and leave no rule.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use wacore_binary::{Node, NodeContent};
use wacore_libsignal::protocol::PreKeySignalMessage;

use crate::accounts::Number;
use crate::node::attribute_is;

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// At once: cut live connections without a word.
    DropConnections,
    /// Standing: end new connections at once; with a session, after the handshake.
    RefuseConnections,
    /// Standing: wait `delay_ms` before each stanza in and each delivery out.
    Delay,
    /// At once: end live connections with a stream error.
    StreamError,
    /// Standing: answer a login with this failure.
    Failure,
    /// Standing: refuse a message with this code.
    Nack,
    /// Standing, once unless `count` says otherwise: damage the next delivered ciphertext.
    CorruptFrame,
    /// Standing: accept and deliver a message but never acknowledge it.
    LoseAck,
    /// At once: replace the server's static key.
    RotateCertificate,
    /// Standing: phones neither receive nor send until the fault is deleted.
    PhoneOffline,
    /// Standing: the media store answers an upload with `code` (503 without one), or later, when there is only `delay_ms`.
    MediaUpload,
    /// Standing: the same for a download. With a session it happens only to clients that name theirs: Baileys does not.
    MediaDownload,
}

impl FaultKind {
    /// Whether the fault happens at once and leaves no rule.
    pub fn is_immediate(self) -> bool {
        matches!(
            self,
            Self::DropConnections | Self::StreamError | Self::RotateCertificate
        )
    }
}

/// A fault as it is asked for and listed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// The account's number, or all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// How often a standing fault happens; without it until it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// How long, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// The code of a stream error, failure or refusal.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "reason", alias = "error")]
    pub code: Option<u16>,
    /// The conflict of a stream error: `replaced` or `device_removed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<String>,
}

impl Fault {
    fn concerns(&self, number: Option<Number>) -> bool {
        match (&self.session, number) {
            (None, _) => true,
            (Some(session), Some(number)) => *session == number.to_string(),
            (Some(_), None) => false,
        }
    }
}

/// What the media store does with a request in place of answering it at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaTrouble {
    /// How long the request waits.
    pub delay: Duration,
    /// The status that answers it then, if it is refused.
    pub code: Option<u16>,
}

/// The standing faults.
#[derive(Default)]
pub struct Faults {
    rules: Mutex<Vec<Fault>>,
    /// How many rules there are, so that the usual case takes no lock.
    standing: AtomicUsize,
}

impl Faults {
    /// Adds a standing fault.
    pub fn add(&self, mut fault: Fault) {
        if fault.kind == FaultKind::CorruptFrame {
            fault.count.get_or_insert(1);
        }
        let mut rules = self.rules.lock();
        rules.push(fault);
        self.standing.store(rules.len(), Ordering::Release);
    }

    /// Deletes all standing faults.
    pub fn clear(&self) {
        let mut rules = self.rules.lock();
        rules.clear();
        self.standing.store(0, Ordering::Release);
    }

    /// The standing faults.
    pub fn list(&self) -> Vec<Fault> {
        self.rules.lock().clone()
    }

    /// The first fault of this kind that concerns the account; it is used up once.
    fn occasion(&self, kind: FaultKind, number: Option<Number>) -> Option<Fault> {
        if self.standing.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut rules = self.rules.lock();
        let place = rules
            .iter()
            .position(|rule| rule.kind == kind && rule.concerns(number))?;
        let rule = &mut rules[place];
        let fault = rule.clone();
        if let Some(left) = &mut rule.count {
            *left = left.saturating_sub(1);
            if *left == 0 {
                rules.remove(place);
                self.standing.store(rules.len(), Ordering::Release);
            }
        }
        Some(fault)
    }

    /// Whether a new connection is ended; before the handshake the account is not known.
    pub fn refuses_connections(&self, number: Option<Number>) -> bool {
        self.occasion(FaultKind::RefuseConnections, number).is_some()
    }

    /// The failure that answers this login, if any.
    pub fn login_failure(&self, number: Number) -> Option<u16> {
        let fault = self.occasion(FaultKind::Failure, Some(number))?;
        Some(fault.code.unwrap_or(503))
    }

    /// How long the next stanza of this account waits.
    pub fn delay(&self, number: Number) -> Option<Duration> {
        let fault = self.occasion(FaultKind::Delay, Some(number))?;
        Some(Duration::from_millis(fault.delay_ms.unwrap_or(100)))
    }

    /// The code with which the next message of this account is refused.
    pub fn refuses_message(&self, number: Number) -> Option<u16> {
        let fault = self.occasion(FaultKind::Nack, Some(number))?;
        Some(fault.code.unwrap_or(463))
    }

    /// Whether the next message of this account stays without acknowledgement.
    pub fn loses_acknowledgement(&self, number: Number) -> bool {
        self.occasion(FaultKind::LoseAck, Some(number)).is_some()
    }

    /// Whether this account's phone is out of reach.
    pub fn phone_is_offline(&self, number: Number) -> bool {
        self.standing.load(Ordering::Acquire) > 0
            && self
                .rules
                .lock()
                .iter()
                .any(|rule| rule.kind == FaultKind::PhoneOffline && rule.concerns(Some(number)))
    }

    /// What happens to the next upload or download, if anything.
    pub fn troubles_media(&self, kind: FaultKind, number: Option<Number>) -> Option<MediaTrouble> {
        let fault = self.occasion(kind, number)?;
        let code = match fault.delay_ms {
            Some(_) => fault.code,
            None => Some(fault.code.unwrap_or(503)),
        };
        Some(MediaTrouble {
            delay: Duration::from_millis(fault.delay_ms.unwrap_or(0)),
            code,
        })
    }

    /// Damages the ciphertexts of a message on its way to this account, if a fault wants it. Only the last byte of the
    /// authentication code changes: the receiver can read the header and cannot decrypt.
    pub fn corrupt(&self, number: Number, stanza: &mut Node) {
        if self.standing.load(Ordering::Acquire) == 0 || stanza.tag != "message" {
            return;
        }
        let Some(NodeContent::Nodes(children)) = &mut stanza.content else {
            return;
        };
        let mut ciphertexts: Vec<&mut Node> = children.iter_mut().filter(|child| child.tag == "enc").collect();
        if ciphertexts.is_empty() || self.occasion(FaultKind::CorruptFrame, Some(number)).is_none() {
            return;
        }
        for enc in &mut ciphertexts {
            let opens_session = attribute_is(enc, "type", "pkmsg");
            if let Some(NodeContent::Bytes(bytes)) = &mut enc.content
                && let Some(place) = last_byte_of_code(bytes, opens_session)
            {
                bytes[place] ^= 0x5A;
            }
        }
    }
}

/// Where the authentication code of a ciphertext ends: at the end of an ordinary message, and at the end of the ordinary
/// message inside one that opens a session.
fn last_byte_of_code(bytes: &[u8], opens_session: bool) -> Option<usize> {
    if !opens_session {
        return bytes.len().checked_sub(1);
    }
    let message = PreKeySignalMessage::try_from(bytes).ok()?;
    let inner = message.message().serialized();
    let start = bytes.windows(inner.len()).position(|window| window == inner)?;
    Some(start + inner.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{child_content, empty};
    use wacore_binary::builder::NodeBuilder;

    fn fault(text: &str) -> Fault {
        serde_json::from_str(text).unwrap()
    }

    fn number(value: u64) -> Number {
        Number::from_value(value)
    }

    fn message() -> Node {
        let enc = NodeBuilder::new("enc").bytes(vec![1, 2, 3]).build();
        NodeBuilder::new("message").children([enc]).build()
    }

    #[test]
    fn a_fault_for_one_account_spares_the_others() {
        let faults = Faults::default();
        faults.add(fault(r#"{"kind":"nack","session":"11111","code":475}"#));
        assert_eq!(faults.refuses_message(number(22_222)), None);
        assert_eq!(faults.refuses_message(number(11_111)), Some(475));
        assert_eq!(faults.refuses_message(number(11_111)), Some(475));
        faults.clear();
        assert_eq!(faults.refuses_message(number(11_111)), None);
    }

    #[test]
    fn a_counted_fault_is_used_up() {
        let faults = Faults::default();
        faults.add(fault(r#"{"kind":"failure","reason":403,"count":2}"#));
        assert_eq!(faults.login_failure(number(11_111)), Some(403));
        assert_eq!(faults.login_failure(number(22_222)), Some(403));
        assert_eq!(faults.login_failure(number(11_111)), None);
        assert!(faults.list().is_empty());
    }

    #[test]
    fn corruption_changes_the_next_ciphertext_only() {
        let faults = Faults::default();
        faults.add(fault(r#"{"kind":"corrupt_frame","session":"11111"}"#));
        let mut receipt = empty("receipt");
        faults.corrupt(number(11_111), &mut receipt);
        let (mut first, mut second) = (message(), message());
        faults.corrupt(number(11_111), &mut first);
        faults.corrupt(number(11_111), &mut second);
        assert_ne!(child_content(&first, "enc"), child_content(&message(), "enc"));
        assert_eq!(child_content(&second, "enc"), child_content(&message(), "enc"));
    }

    #[test]
    fn refusing_one_account_does_not_refuse_unknown_connections() {
        let faults = Faults::default();
        faults.add(fault(r#"{"kind":"refuse_connections","session":"11111"}"#));
        assert!(!faults.refuses_connections(None));
        assert!(faults.refuses_connections(Some(number(11_111))));
        faults.add(fault(r#"{"kind":"refuse_connections"}"#));
        assert!(faults.refuses_connections(None));
    }

    #[test]
    fn a_delayed_download_succeeds_and_a_failed_one_has_a_status() {
        let faults = Faults::default();
        faults.add(fault(r#"{"kind":"media_download","delay_ms":5,"count":1}"#));
        faults.add(fault(r#"{"kind":"media_download","count":1}"#));
        let trouble = |delay, code| {
            Some(MediaTrouble {
                delay: Duration::from_millis(delay),
                code,
            })
        };
        assert_eq!(faults.troubles_media(FaultKind::MediaDownload, None), trouble(5, None));
        assert_eq!(
            faults.troubles_media(FaultKind::MediaDownload, None),
            trouble(0, Some(503))
        );
        assert_eq!(faults.troubles_media(FaultKind::MediaDownload, None), None);
    }

    #[test]
    fn an_unknown_kind_or_field_is_an_error() {
        assert!(serde_json::from_str::<Fault>(r#"{"kind":"earthquake"}"#).is_err());
        assert!(serde_json::from_str::<Fault>(r#"{"kind":"delay","delay":5}"#).is_err());
    }
}
