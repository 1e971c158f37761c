//! Privacy tokens: who may write to a restricted account.
//!
//! After a first message a client issues a token to the other person: it asks the server, the server makes the token and
//! gives it to all of the other person's devices, who put it beside what they send back. A **restricted** account gets
//! messages only from those who hold a token of its own (`<tctoken>`), or who prove that they know a salt that their phone
//! shared with them (`<cstoken>`); everybody else is refused with 463. Ordinary accounts take everything.
//!
//! Sources: wacore src/iq/tctoken.rs; whatsapp-rust src/send/tctoken_lifecycle.rs,
//! src/handlers/notification/privacy_business.rs:9-26; Baileys Socket/messages-send.ts:799-880, Utils/tc-token-utils.ts.
//! The answer to an issue carries no token (whatsapp-rust src/send/tctoken_lifecycle.rs, `record_tc_token_sender_timestamp`).
//! **Assumption.** How the real server checks a `<cstoken>` nobody outside knows; here it is the HMAC of the receiver's LID
//! under the sender's salt, as clients compute it.

use std::collections::BTreeMap;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use crate::accounts::{Account, Number, Spelling};
use crate::network::Network;
use crate::node::{address, attribute, child, child_content, children_of, result};
use crate::stanza::Session;

/// What a token that is refused or missing is answered with.
pub const NO_TOKEN: u16 = 463;

/// How long a token is good, in seconds: four weeks, as clients assume (wacore src/iq/tctoken.rs, buckets).
const LIFETIME: u64 = 4 * 604_800;

/// Properties of the experiments that make clients use tokens (wacore src/iq/abprops.rs).
const TRUSTED_ON_MESSAGES: u32 = 10_518;
const SALTED_SENDING: u32 = 24_941;
const SALT_BY_HISTORY: u32 = 25_189;
const SALT_BY_APP_STATE: u32 = 25_253;

/// One account's part in it.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Whether strangers cannot write to this account.
    pub restricted: bool,
    /// Whether a restricted account takes `<tctoken>`.
    pub accepts_trusted: bool,
    /// Whether a restricted account takes `<cstoken>`.
    pub accepts_salted: bool,
    /// Which experiments the account's companions take part in.
    pub experiments: Experiments,
    /// The tokens that this account has issued, with their time in seconds since 1970.
    issued: BTreeMap<Number, (u64, Vec<u8>)>,
}

/// What the account's companions are told and given about salted tokens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Experiments {
    /// They may send `<cstoken>`.
    pub sends_salted: bool,
    /// The property that they may take the salt from the history.
    pub salt_by_history: bool,
    /// The property that they may take the salt from the app state.
    pub salt_by_app_state: bool,
    /// The phone really puts the salt into the history.
    pub history_has_salt: bool,
    /// The phone really puts the salt into the app state.
    pub app_state_has_salt: bool,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            restricted: false,
            accepts_trusted: true,
            accepts_salted: true,
            experiments: Experiments::default(),
            issued: BTreeMap::new(),
        }
    }
}

impl Tokens {
    /// The settings that a push name asks for: `restricted:…`, or `scenario:` with flags such as `restricted`,
    /// `tc_enabled=0`, `cs_enabled=1`, `nct_send_ab=1`: the contract of the upstream clients' own end-to-end suites.
    /// `None` for an ordinary name.
    pub fn of_push_name(name: &str) -> Option<Self> {
        let mut tokens = Self::default();
        if name.starts_with("restricted:") {
            tokens.restricted = true;
            return Some(tokens);
        }
        let (flags, _) = name.strip_prefix("scenario:")?.split_once(':')?;
        for flag in flags.split(',') {
            let (flag, value) = flag.split_once('=').unwrap_or((flag, "1"));
            let on = value == "1";
            match flag {
                "restricted" => tokens.restricted = on,
                "tc_enabled" => tokens.accepts_trusted = on,
                "cs_enabled" => tokens.accepts_salted = on,
                "nct_send_ab" => tokens.experiments.sends_salted = on,
                "nct_history_ab" => tokens.experiments.salt_by_history = on,
                "nct_syncd_ab" => tokens.experiments.salt_by_app_state = on,
                "nct_history_delivery" => tokens.experiments.history_has_salt = on,
                "nct_syncd_delivery" => tokens.experiments.app_state_has_salt = on,
                unknown => tracing::warn!(flag = unknown, "a scenario flag that this network does not know"),
            }
        }
        Some(tokens)
    }

    /// Who holds a token of this account.
    pub fn holders(&self) -> impl Iterator<Item = Number> {
        self.issued.keys().copied()
    }

    /// The experiments as `<prop>` children.
    pub fn properties(&self) -> Vec<Node> {
        let experiments = self.experiments;
        let flags = [
            (TRUSTED_ON_MESSAGES, true),
            (SALTED_SENDING, experiments.sends_salted),
            (SALT_BY_HISTORY, experiments.salt_by_history),
            (SALT_BY_APP_STATE, experiments.salt_by_app_state),
        ];
        let property = |(code, _): (u32, bool)| {
            NodeBuilder::new("prop")
                .attr("config_code", code)
                .attr("config_value", "1")
                .build()
        };
        flags.into_iter().filter(|(_, on)| *on).map(property).collect()
    }
}

/// Gives a new account the settings that its push name asks for, once.
pub fn configure(network: &Arc<Network>, account: &Arc<Account>, name: &str) {
    let Some(tokens) = Tokens::of_push_name(name) else {
        return;
    };
    let in_app_state = tokens.experiments.app_state_has_salt;
    {
        let mut state = account.state();
        if state.links > 0 {
            return;
        }
        state.settings.tokens = tokens;
    }
    if in_app_state {
        crate::app_state::phone::write_salt(network, account, &salt(network, account));
    }
}

/// The salt that an account's phone shares with its companions.
pub fn salt(network: &Network, account: &Account) -> Vec<u8> {
    network.seed.bytes("token salt", &[account.number.value()]).to_vec()
}

/// Answers `iq privacy set <tokens>`: the receivers' devices get the tokens, the asker an empty result.
pub fn issue(network: &Arc<Network>, session: &Session, iq: &Node) -> Node {
    if let Some(tokens) = child(iq, "tokens") {
        for token in children_of(tokens, "token") {
            let holder = address(token, "jid").and_then(|jid| network.accounts.find(&jid));
            let timestamp = attribute(token, "t").and_then(|t| t.parse().ok());
            if let Some(holder) = holder.filter(|holder| holder.number != session.account.number) {
                let timestamp = timestamp.unwrap_or_else(crate::clock::unix_seconds);
                give(network, &session.account, &holder, timestamp);
            }
        }
    }
    result(iq).build()
}

/// A restricted account's phone issues a token when it writes to somebody, as a companion does.
pub fn issue_from_phone(network: &Network, issuer: &Account, holder: &Account) {
    let due = {
        let state = issuer.state();
        let tokens = &state.settings.tokens;
        tokens.restricted && !tokens.issued.contains_key(&holder.number)
    };
    if due && issuer.number != holder.number {
        give(network, issuer, holder, crate::clock::unix_seconds());
    }
}

fn give(network: &Network, issuer: &Account, holder: &Account, timestamp: u64) {
    let numbers = [issuer.number.value(), holder.number.value(), timestamp];
    let token = network.seed.bytes("privacy token", &numbers)[..16].to_vec();
    issuer
        .state()
        .settings
        .tokens
        .issued
        .insert(holder.number, (timestamp, token.clone()));
    let token = NodeBuilder::new("token")
        .attr("type", "trusted_contact")
        .attr("t", timestamp)
        .bytes(token)
        .build();
    let notification = network
        .notification("privacy_token", issuer.jid(Spelling::Number, 0))
        .attr("sender_lid", issuer.jid(Spelling::Lid, 0))
        .children([NodeBuilder::new("tokens").children([token]).build()])
        .build();
    for device in &mut holder.state().devices {
        device.deliver(notification.clone());
    }
}

/// Whether what a sender put beside a request or a message opens the way to the receiver.
pub fn admits(network: &Network, sender: &Account, receiver: &Account, node: &Node) -> bool {
    if sender.number == receiver.number {
        return true;
    }
    let tokens = {
        let state = receiver.state();
        if !state.settings.tokens.restricted {
            return true;
        }
        state.settings.tokens.clone()
    };
    let trusted = tokens.accepts_trusted
        && child_content(node, "tctoken").is_some_and(|shown| {
            let now = crate::clock::unix_seconds();
            let issued = tokens.issued.get(&sender.number);
            issued.is_some_and(|(since, token)| token == shown && now < since + LIFETIME)
        });
    let salted = tokens.accepts_salted
        && child_content(node, "cstoken").is_some_and(|shown| proves_salt(network, sender, receiver, shown));
    trusted || salted
}

fn proves_salt(network: &Network, sender: &Account, receiver: &Account, shown: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&salt(network, sender)) else {
        return false;
    };
    mac.update(receiver.jid(Spelling::Lid, 0).to_string().as_bytes());
    mac.verify_slice(shown).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_name_may_ask_for_restrictions() {
        assert!(Tokens::of_push_name("Ada").is_none());
        assert!(Tokens::of_push_name("restricted:Ada").unwrap().restricted);
        let tokens = Tokens::of_push_name("scenario:restricted,cs_enabled=0,nct_send_ab=1:Ada").unwrap();
        assert!(tokens.restricted && tokens.accepts_trusted && !tokens.accepts_salted);
        assert!(tokens.experiments.sends_salted && !tokens.experiments.history_has_salt);
        assert_eq!(tokens.properties().len(), 2);
    }
}
