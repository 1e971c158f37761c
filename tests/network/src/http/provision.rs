//! Accounts that are linked already, for load: one companion each, whose credentials the caller imports somewhere.
//!
//! A login with them needs no pairing, uploads no pre-keys and reads no app state, so it costs as few round trips as the
//! protocol allows.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use buffa::Message as _;
use serde::{Deserialize, Serialize};
use wacore_libsignal::protocol::KeyPair;
use waproto::whatsapp::ADVSignedDeviceIdentity;

use super::problem::{Problem, read};
use crate::accounts::device::{DeviceKeys, SignedPreKey};
use crate::accounts::directory::NewAccount;
use crate::accounts::{Account, Device, Mailbox, Spelling};
use crate::keys::{Seed, public_bytes, sign};
use crate::network::Network;
use crate::pairing::adv;
use crate::prekeys::PreKeyStock;

/// How many accounts one request can make.
const MOST: u32 = 20_000;

/// The identifier of a provisioned companion's signed pre-key.
const SIGNED_PRE_KEY_ID: u32 = 1;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    count: u32,
    prefix: Option<String>,
    /// Whether the accounts have phones that take part.
    phone: Option<bool>,
}

#[derive(Debug, Serialize)]
pub(super) struct Provisioned {
    accounts: Vec<ProvisionedAccount>,
}

#[derive(Debug, Serialize)]
struct ProvisionedAccount {
    number: String,
    lid: String,
    device: u16,
    jid: String,
    credentials: Credentials,
}

#[derive(Debug, Serialize)]
struct Credentials {
    registration_id: u32,
    noise_key: Pair,
    identity_key: Pair,
    signed_pre_key: SignedPair,
    adv_secret_key: String,
    phone: String,
    lid: String,
    device: u16,
    account: String,
    push_name: String,
    platform: &'static str,
}

#[derive(Debug, Serialize)]
struct Pair {
    private: String,
    public: String,
}

#[derive(Debug, Serialize)]
struct SignedPair {
    id: u32,
    private: String,
    public: String,
    signature: String,
}

impl Pair {
    fn of(pair: &KeyPair) -> Self {
        Self {
            private: BASE64.encode(pair.private_key.serialize()),
            public: BASE64.encode(public_bytes(pair)),
        }
    }
}

/// `POST /provision`.
pub(super) async fn provision(State(network): State<Arc<Network>>, body: Bytes) -> Result<Json<Provisioned>, Problem> {
    let wanted: Wanted = read(&body)?;
    if !(1..=MOST).contains(&wanted.count) {
        return Err(Problem::unreadable(format!("count must be between 1 and {MOST}")));
    }
    let prefix = wanted.prefix.unwrap_or_else(|| "load".to_owned());
    let without_phone = !wanted.phone.unwrap_or(true);
    let work = tokio::task::spawn_blocking(move || {
        let accounts = (1..=wanted.count)
            .map(|place| provision_one(&network, &format!("{prefix} {place}"), without_phone))
            .collect();
        Provisioned { accounts }
    });
    let failed = |_| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "interrupted",
            "the work was interrupted",
        )
    };
    Ok(Json(work.await.map_err(failed)?))
}

fn provision_one(network: &Network, name: &str, without_phone: bool) -> ProvisionedAccount {
    let new = NewAccount {
        number: None,
        name: Some(name.to_owned()),
        without_phone,
    };
    let account = network.accounts.get_or_create(&network.seed, new);
    let (device, key_index) = account.state().next_link();
    let companion = CompanionKeys::derive(&network.seed, &account, device);
    let signed_identity = companion.certificate(&account, key_index);
    let credentials = companion.credentials(&account, device, name, &signed_identity);
    let mut state = account.state();
    state
        .devices
        .push(companion.into_device(device, key_index, signed_identity));
    state.signed_list = None;
    ProvisionedAccount {
        number: account.number.to_string(),
        lid: account.lid.to_string(),
        device,
        jid: account.jid(Spelling::Number, device).to_string(),
        credentials,
    }
}

/// The secrets of a companion, which normally only the companion itself has.
struct CompanionKeys {
    registration_id: u32,
    noise: KeyPair,
    identity: KeyPair,
    signed_pre_key: KeyPair,
    signed_pre_key_signature: [u8; 64],
    adv_secret: [u8; 32],
}

impl CompanionKeys {
    fn derive(seed: &Seed, account: &Account, device: u16) -> Self {
        let numbers = [account.number.value(), u64::from(device)];
        let identity = seed.key_pair("companion identity", &numbers);
        let signed_pre_key = seed.key_pair("companion signed pre-key", &numbers);
        Self {
            registration_id: seed.registration_id("companion registration", &numbers),
            noise: seed.key_pair("companion noise", &numbers),
            signed_pre_key_signature: sign(&identity, &signed_pre_key.public_key.serialize()),
            adv_secret: seed.bytes("companion secret", &numbers),
            identity,
            signed_pre_key,
        }
    }

    /// The complete `ADVSignedDeviceIdentity`, signed by both sides.
    fn certificate(&self, account: &Account, key_index: u32) -> Vec<u8> {
        let identity = public_bytes(&self.identity);
        let (details, signed) = adv::sign_device(&account.identity, account.raw_id, key_index, &identity);
        let message = adv::device_message(&details, &identity, &account.identity);
        let complete = ADVSignedDeviceIdentity {
            device_signature: Some(sign(&self.identity, &message).to_vec()),
            ..signed
        };
        complete.encode_to_vec()
    }

    fn credentials(&self, account: &Account, device: u16, name: &str, signed_identity: &[u8]) -> Credentials {
        let signed = Pair::of(&self.signed_pre_key);
        Credentials {
            registration_id: self.registration_id,
            noise_key: Pair::of(&self.noise),
            identity_key: Pair::of(&self.identity),
            signed_pre_key: SignedPair {
                id: SIGNED_PRE_KEY_ID,
                private: signed.private,
                public: signed.public,
                signature: BASE64.encode(self.signed_pre_key_signature),
            },
            adv_secret_key: BASE64.encode(self.adv_secret),
            phone: account.number.to_string(),
            lid: account.lid.to_string(),
            device,
            account: BASE64.encode(signed_identity),
            push_name: name.to_owned(),
            platform: "android",
        }
    }

    fn into_device(self, id: u16, key_index: u32, signed_identity: Vec<u8>) -> Device {
        Device {
            id,
            key_index,
            noise_key: public_bytes(&self.noise),
            keys: DeviceKeys {
                registration_id: self.registration_id,
                identity: public_bytes(&self.identity),
                signed_pre_key: SignedPreKey {
                    id: SIGNED_PRE_KEY_ID,
                    public: public_bytes(&self.signed_pre_key),
                    signature: self.signed_pre_key_signature.to_vec(),
                },
                one_time: PreKeyStock::default(),
            },
            signed_identity,
            mailbox: Mailbox::default(),
            live: None,
            bootstrapped: false,
            provisioned: true,
            held: Vec::new(),
        }
    }
}
