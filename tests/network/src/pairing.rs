//! Linking a companion to an account, by QR code or by an eight-character code.
//!
//! A client without credentials connects, is given references for QR codes, and waits. Somebody with a phone then scans
//! one (`POST /phones/{number}/scan`) or types the code that the client shows (`POST /phones/{number}/enter-code`). The
//! phone signs the companion's identity, the client checks it and signs back, and is told to come again with a login.
//! Sources: whatsapp-rust src/pair.rs and wacore src/pair.rs; Baileys Socket/socket.ts:700-940; whatsmeow pair.go.

pub mod adv;
pub mod code;
pub mod qr;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use buffa::Message as _;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use waproto::whatsapp::ClientPairingProps;
use waproto::whatsapp::client_payload::DevicePairingRegistrationData;

use crate::accounts::device::{DeviceKeys, SignedPreKey};
use crate::accounts::{Account, Device, Mailbox, Number, Spelling};
use crate::devices;
use crate::ledger::{Entry, EntryKind};
use crate::network::Network;
use crate::node::{SERVER, attribute_is, big_endian, bytes_node, child, child_content, error, result};
use crate::prekeys::PreKeyStock;
use crate::socket::{Client, Ending, Outbound, SocketError, end, stream_error};
use crate::transport::connection::Connection;

/// A pause between the companion's signature and the order to come again. Without it whatsapp-rust acts on the order
/// before it has noted that it expects one, and drops its next connection once (src/pair.rs:481).
const BEFORE_RESTART: Duration = Duration::from_millis(250);

/// How long a companion may take to answer the account's signature.
const ANSWER_TIME: Duration = Duration::from_secs(20);

/// Everybody who waits to be linked.
#[derive(Default)]
pub struct Pairings {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    by_reference: HashMap<String, Reference>,
    by_number: HashMap<Number, Arc<code::CodeRequest>>,
}

/// One QR code's reference: whose it is, and until when it is valid.
#[derive(Clone)]
struct Reference {
    candidate: Arc<Candidate>,
    valid_until: Instant,
}

/// A client that wants to become somebody's companion.
pub struct Candidate {
    /// Its static Noise key.
    pub noise_key: [u8; 32],
    /// Its published keys.
    pub registration: Registration,
    /// The push name it registered with, if any.
    pub push_name: Option<String>,
    outbound: Arc<Outbound>,
    link: Mutex<Option<PendingLink>>,
}

/// The keys in a registration payload.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The Signal registration identifier.
    pub registration_id: u32,
    /// The identity key.
    pub identity: [u8; 32],
    /// The signed pre-key.
    pub signed_pre_key: SignedPreKey,
}

struct PendingLink {
    stanza_id: String,
    account: Arc<Account>,
    device: u16,
    key_index: u32,
    details: Vec<u8>,
    signed: waproto::whatsapp::ADVSignedDeviceIdentity,
    done: oneshot::Sender<Result<u16, LinkError>>,
}

/// Why a companion was not linked.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum LinkError {
    /// The text is not a QR code of a companion.
    #[error("this is not the QR code of a companion")]
    NotAQrCode,
    /// The code is unknown, out of date, or was used already.
    #[error("the QR code is unknown, out of date or used")]
    QrExpired,
    /// The code's keys are not those of the client that waits.
    #[error("the QR code's keys are not those of the waiting client")]
    KeysDiffer,
    /// Nobody waits for a code for this number, or no longer.
    #[error("no companion waits for a code for this number, or no longer")]
    CodeExpired,
    /// The code is not the one that the companion shows.
    #[error("the code is not the one that the companion shows")]
    CodeWrong,
    /// The client refused or went away.
    #[error("the companion did not accept: {0}")]
    NotAccepted(String),
}

impl Registration {
    fn read(data: &DevicePairingRegistrationData) -> Option<Self> {
        Some(Self {
            registration_id: big_endian(data.e_regid.as_deref()?)?,
            identity: data.e_ident.as_deref()?.try_into().ok()?,
            signed_pre_key: SignedPreKey {
                id: big_endian(data.e_skey_id.as_deref()?)?,
                public: data.e_skey_val.as_deref()?.try_into().ok()?,
                signature: data.e_skey_sig.clone()?,
            },
        })
    }
}

/// Serves a client that wants to be linked.
///
/// # Errors
/// The connection broke.
pub async fn serve(network: &Arc<Network>, mut connection: Connection, client: Client) -> Result<(), SocketError> {
    let registration = client
        .payload
        .device_pairing_data
        .as_option()
        .and_then(Registration::read);
    let Some(registration) = registration else {
        let failure = NodeBuilder::new("failure").attr("reason", 400).build();
        return end(connection, Ending::Farewell(failure)).await;
    };
    let candidate = Arc::new(Candidate {
        noise_key: client.noise_key,
        registration,
        push_name: client.payload.push_name.clone(),
        outbound: Arc::new(Outbound::default()),
        link: Mutex::new(None),
    });
    let offer = network.pairings.offer(network, &candidate);
    let outcome = match connection.send(&offer).await {
        Ok(()) => exchange(network, &candidate, connection).await,
        Err(error) => Err(error.into()),
    };
    network.pairings.forget(&candidate);
    candidate.give_up("the connection ended");
    outcome
}

async fn exchange(
    network: &Arc<Network>,
    candidate: &Arc<Candidate>,
    mut connection: Connection,
) -> Result<(), SocketError> {
    loop {
        tokio::select! {
            received = connection.receive() => {
                let Some(stanza) = received? else {
                    return Ok(());
                };
                if candidate.outbound.is_ending() {
                    continue;
                }
                if is_signature(&stanza) {
                    let restart = finish(network, candidate, &stanza);
                    if restart {
                        tokio::time::sleep(BEFORE_RESTART).await;
                        candidate.outbound.end(Ending::Farewell(stream_error(515)));
                    }
                } else if let Some(reply) = answer(network, candidate, &stanza) {
                    connection.send(&reply).await?;
                }
            }
            () = candidate.outbound.woken() => {
                for stanza in candidate.outbound.take() {
                    connection.send(&stanza).await?;
                }
                if let Some(ending) = candidate.outbound.take_ending() {
                    return end(connection, ending).await;
                }
            }
        }
    }
}

/// Answers what a client says before it is linked: pings and the two stages of pairing by code.
fn answer(network: &Arc<Network>, candidate: &Arc<Candidate>, stanza: &Node) -> Option<Node> {
    if stanza.tag != "iq" {
        return None;
    }
    if attribute_is(stanza, "type", "error") {
        candidate.give_up("it answered with an error");
        return None;
    }
    if attribute_is(stanza, "type", "result") {
        return None;
    }
    if attribute_is(stanza, "xmlns", "w:p") {
        return Some(result(stanza).build());
    }
    match child(stanza, "link_code_companion_reg") {
        Some(request) => Some(code::answer(network, candidate, stanza, request)),
        None => Some(error(stanza, 501, "feature-not-implemented")),
    }
}

fn is_signature(stanza: &Node) -> bool {
    stanza.tag == "iq" && child(stanza, "pair-device-sign").is_some()
}

/// Checks the companion's signature and links it; false when it does not fit.
fn finish(network: &Arc<Network>, candidate: &Arc<Candidate>, stanza: &Node) -> bool {
    let pending = {
        let mut link = candidate.link.lock();
        let expected = link
            .as_ref()
            .is_some_and(|pending| attribute_is(stanza, "id", &pending.stanza_id));
        if expected { link.take() } else { None }
    };
    let Some(pending) = pending else {
        return false;
    };
    let reply = child(stanza, "pair-device-sign").and_then(|sign| child_content(sign, "device-identity"));
    let complete = reply.and_then(|bytes| {
        adv::complete(
            &pending.signed,
            &pending.details,
            &candidate.registration.identity,
            &pending.account.identity,
            bytes,
        )
    });
    let Some(signed_identity) = complete else {
        let refusal = LinkError::NotAccepted("its signature does not fit".to_owned());
        let _ = pending.done.send(Err(refusal));
        return false;
    };
    let device = Device {
        id: pending.device,
        key_index: pending.key_index,
        noise_key: candidate.noise_key,
        keys: DeviceKeys {
            registration_id: candidate.registration.registration_id,
            identity: candidate.registration.identity,
            signed_pre_key: candidate.registration.signed_pre_key.clone(),
            one_time: PreKeyStock::default(),
        },
        signed_identity,
        mailbox: Mailbox::default(),
        live: None,
        bootstrapped: false,
        provisioned: false,
        held: Vec::new(),
    };
    network.ledger.record(Entry::of_account(
        EntryKind::Linked,
        pending.account.number,
        pending.device,
    ));
    crate::app_state::seed_push_name(network, &pending.account);
    devices::link(network, &pending.account, device);
    let _ = pending.done.send(Ok(pending.device));
    true
}

impl Candidate {
    fn give_up(&self, reason: &str) {
        if let Some(pending) = self.link.lock().take() {
            let _ = pending.done.send(Err(LinkError::NotAccepted(reason.to_owned())));
        }
    }

    /// Sends a stanza to the waiting client.
    pub fn send(&self, stanza: Node) {
        self.outbound.push(stanza);
    }

    /// Cuts the waiting client's connection.
    pub fn cut(&self) {
        self.outbound.end(Ending::Cut);
    }
}

/// Lets an account's phone link a waiting client, once the client's secret is known: signs its identity, sends the
/// signature, waits for the client's own. Answers with the new device's number.
///
/// # Errors
/// The client refused, did not answer in time, or is being linked already.
pub async fn link(
    network: &Arc<Network>,
    account: &Arc<Account>,
    candidate: &Arc<Candidate>,
    adv_secret: &[u8],
) -> Result<u16, LinkError> {
    let (device, key_index, name) = {
        let mut state = account.state();
        let (device, key_index) = state.next_link();
        (device, key_index, state.name.clone())
    };
    let (details, signed) = adv::sign_device(
        &account.identity,
        account.raw_id,
        key_index,
        &candidate.registration.identity,
    );
    let stanza_id = network.next_stanza_id();
    let (done, linked) = oneshot::channel();
    {
        let mut link = candidate.link.lock();
        if link.is_some() {
            return Err(LinkError::QrExpired);
        }
        *link = Some(PendingLink {
            stanza_id: stanza_id.clone(),
            account: Arc::clone(account),
            device,
            key_index,
            details,
            signed: signed.clone(),
            done,
        });
    }
    let sealed = adv::seal(&signed, adv_secret);
    candidate.send(pair_success(network, account, &stanza_id, device, &name, sealed));
    match tokio::time::timeout(ANSWER_TIME, linked).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(LinkError::NotAccepted("the connection ended".to_owned())),
        Err(_) => Err(LinkError::NotAccepted("it did not answer in time".to_owned())),
    }
}

/// `lid` is mandatory for Baileys; `biz name` becomes whatsapp-rust's push name (src/pair.rs:441), so that it need not
/// wait for the app state to learn it.
fn pair_success(
    network: &Network,
    account: &Account,
    stanza_id: &str,
    device: u16,
    name: &str,
    sealed: Vec<u8>,
) -> Node {
    let device = NodeBuilder::new("device")
        .attr("jid", account.jid(Spelling::Number, device))
        .attr("lid", account.jid(Spelling::Lid, device))
        .build();
    let mut children = vec![
        bytes_node("device-identity", sealed),
        NodeBuilder::new("biz").attr("name", name).build(),
        NodeBuilder::new("platform").attr("name", "android").build(),
        device,
    ];
    if network.config.lid_migrated {
        let props = ClientPairingProps {
            is_chat_db_lid_migrated: Some(true),
            ..Default::default()
        };
        children.push(bytes_node("client-props", props.encode_to_vec()));
    }
    let success = NodeBuilder::new("pair-success").children(children).build();
    NodeBuilder::new("iq")
        .attr("from", SERVER)
        .attr("type", "set")
        .attr("id", stanza_id)
        .attr("xmlns", "md")
        .attr("t", crate::clock::unix_seconds())
        .children([success])
        .build()
}
