//! Calls: a phone calls a person, whose companions ring, and somebody ends it. No sound is ever carried.
//!
//! Sources: wacore src/stanza/call.rs (the stanzas) and src/types/call.rs; whatsapp-rust src/handlers/call.rs (what a companion
//! makes of them); Baileys Socket/messages-recv.ts (`handleCall`, `rejectCall`).
//!
//! * The caller's `<call><offer/></call>` goes to every companion of the callee; each answers with an ack and a receipt that
//!   holds the offer, and from then on it rings there.
//! * A companion's `<reject/>` ends the call for all, unless its reason is `busy`, which speaks for one device only; its
//!   `<accept/>` takes it. The caller then tells the others with `<terminate reason="rejected_elsewhere"/>`,
//!   `accepted_elsewhere` or, when nobody answers, `timeout`.
//!
//! **Assumption.** The server only passes these stanzas on. Calls that a companion begins are acknowledged and ring nowhere.

use std::collections::HashMap;
use std::sync::Arc;

use buffa::MessageField;
use parking_lot::Mutex;
use serde::Serialize;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};
use waproto::whatsapp::Message;
use waproto::whatsapp::message::Call as CallMessage;

use crate::accounts::{Account, Number, Spelling};
use crate::network::Network;
use crate::node::{address, attribute, attribute_is, bytes_node, child, children};
use crate::phone::outbox::Sent;
use crate::phone::{PhoneKeys, send};
use crate::stanza::Session;

/// What a phone says about itself in an offer (wacore src/stanza/call.rs, `CAPABILITY_OFFER`).
const CAPABILITY: [u8; 7] = [0x01, 0x05, 0xF7, 0x09, 0xE0, 0xBB, 0x13];

/// What has become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// Nobody has answered yet.
    Ringing,
    /// The callee took it.
    Accepted,
    /// The callee declined it.
    Rejected,
    /// The caller ended it, or gave up.
    Ended,
}

/// A call.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// Its identifier.
    pub id: String,
    /// The caller's number.
    pub from: String,
    /// The callee's number.
    pub to: String,
    /// Whether it has a picture.
    pub video: bool,
    /// What has become of it.
    pub state: CallState,
    /// The companions that have said that they ring.
    pub ringing: Vec<u16>,
    /// The companion that took or declined it; 0 is the phone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<u16>,
    /// The companions that are busy.
    pub busy: Vec<u16>,
    #[serde(skip)]
    caller: Number,
    #[serde(skip)]
    callee: Number,
    #[serde(skip)]
    spelling: Spelling,
}

/// All calls since the network was started.
#[derive(Default)]
pub struct Calls(Mutex<HashMap<String, Call>>);

impl Calls {
    /// A call by its identifier.
    pub fn find(&self, id: &str) -> Option<Call> {
        self.0.lock().get(id).cloned()
    }

    /// The calls of an account, made and received.
    pub fn of(&self, number: Number) -> Vec<Call> {
        let calls = self.0.lock();
        let concerns = |call: &&Call| call.caller == number || call.callee == number;
        calls.values().filter(concerns).cloned().collect()
    }

    fn change<T>(&self, id: &str, work: impl FnOnce(&mut Call) -> T) -> Option<T> {
        self.0.lock().get_mut(id).map(work)
    }

    /// Changes a call that rings; `None` when there is none.
    fn answer(&self, id: &str, device: u16, state: CallState) -> Option<Call> {
        let mut calls = self.0.lock();
        let call = calls.get_mut(id).filter(|call| call.state == CallState::Ringing)?;
        call.state = state;
        call.answered_by = Some(device);
        Some(call.clone())
    }
}

/// Why something cannot be done with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Nobody has this address, or it is the caller's own.
    #[error("nobody else on this network has this address")]
    Nobody,
    /// There is no such call.
    #[error("this person has no such call")]
    Unknown,
    /// The call is over, or was taken already.
    #[error("the call does not ring any more")]
    Over,
}

/// A phone calls somebody; answers with the call's identifier.
///
/// # Errors
/// The callee does not exist or is the caller.
pub fn begin(network: &Arc<Network>, caller: &Arc<Account>, to: &Jid, video: bool) -> Result<String, CallError> {
    let callee = network.accounts.find(to).zip(Spelling::of(to));
    let Some((callee, spelling)) = callee.filter(|(callee, _)| callee.number != caller.number) else {
        return Err(CallError::Nobody);
    };
    let id = network.next_message_id();
    let call = Call {
        id: id.clone(),
        from: caller.number.to_string(),
        to: callee.number.to_string(),
        video,
        state: CallState::Ringing,
        ringing: Vec::new(),
        answered_by: None,
        busy: Vec::new(),
        caller: caller.number,
        callee: callee.number,
        spelling,
    };
    network.calls.0.lock().insert(id.clone(), call.clone());
    let sent = Sent {
        id: id.clone(),
        chat: callee.jid(spelling, 0),
        message: Box::new(call_key()),
        kind: "call",
        edit: None,
        peer: false,
    };
    for device in companions(&callee) {
        let enc = {
            let keys = PhoneKeys::of(&network.seed, caller);
            let mut phone = caller.phone();
            send::encrypt(network, caller, &mut phone, &keys, &sent, &callee.jid(spelling, device))
        };
        let offer = offer(caller, &call, enc);
        hand_out(network, caller, &callee, &call, device, offer);
    }
    Ok(id)
}

/// The caller ends a call that rings or goes on; with the reason `timeout` nobody answered.
///
/// # Errors
/// It is not the caller's, or it is over.
pub fn end(network: &Arc<Network>, caller: &Arc<Account>, id: &str, reason: Option<&str>) -> Result<(), CallError> {
    let call = network.calls.find(id).filter(|call| call.caller == caller.number);
    let call = call.ok_or(CallError::Unknown)?;
    if !matches!(call.state, CallState::Ringing | CallState::Accepted) {
        return Err(CallError::Over);
    }
    network.calls.change(id, |call| call.state = CallState::Ended);
    terminate(network, &call, reason, None);
    Ok(())
}

/// The callee takes or declines a call on the phone itself: the companions stop ringing.
///
/// # Errors
/// It is not the callee's, or it does not ring.
pub fn answer_on_phone(network: &Arc<Network>, callee: &Account, id: &str, accept: bool) -> Result<(), CallError> {
    let call = network.calls.find(id).filter(|call| call.callee == callee.number);
    call.ok_or(CallError::Unknown)?;
    let state = if accept {
        CallState::Accepted
    } else {
        CallState::Rejected
    };
    let call = network.calls.answer(id, 0, state).ok_or(CallError::Over)?;
    terminate(network, &call, Some(elsewhere(state)), Some(0));
    Ok(())
}

fn elsewhere(state: CallState) -> &'static str {
    match state {
        CallState::Accepted => "accepted_elsewhere",
        CallState::Ringing | CallState::Rejected | CallState::Ended => "rejected_elsewhere",
    }
}

/// Handles `<call>` of a companion; answers with the acknowledgement, which Baileys waits for.
pub fn from_companion(network: &Arc<Network>, session: &Session, stanza: &Node) -> Vec<Node> {
    let action = children(stanza).first();
    if let Some(action) = action
        && let Some(id) = attribute(action, "call-id")
    {
        act(network, session, action, &id);
    }
    let mut acknowledgement = NodeBuilder::new("ack").attr("class", "call");
    if let Some(id) = attribute(stanza, "id") {
        acknowledgement = acknowledgement.attr("id", id.as_ref());
    }
    if let Some(to) = address(stanza, "to") {
        acknowledgement = acknowledgement.attr("from", to);
    }
    if let Some(action) = action {
        acknowledgement = acknowledgement.attr("type", action.tag.as_ref());
    }
    vec![acknowledgement.build()]
}

fn act(network: &Arc<Network>, session: &Session, action: &Node, id: &str) {
    let concerned = network.calls.find(id);
    if concerned.is_none_or(|call| call.callee != session.account.number) {
        return;
    }
    let state = match action.tag.as_ref() {
        "reject" if attribute_is(action, "reason", "busy") => {
            network.calls.change(id, |call| call.busy.push(session.device));
            return;
        }
        "reject" => CallState::Rejected,
        "accept" => CallState::Accepted,
        _ => return,
    };
    if let Some(call) = network.calls.answer(id, session.device, state) {
        terminate(network, &call, Some(elsewhere(state)), Some(session.device));
    }
}

/// Notes that a companion rings, if this is the receipt for an offer; false when it is another receipt.
pub fn notes_ringing(network: &Network, session: &Session, receipt: &Node) -> bool {
    let Some(offer) = child(receipt, "offer") else {
        return false;
    };
    if let Some(id) = attribute(offer, "call-id") {
        network.calls.change(&id, |call| {
            if !call.ringing.contains(&session.device) {
                call.ringing.push(session.device);
            }
        });
    }
    true
}

/// The caller tells the callee's companions, except the one that knows, that the call is over for them.
fn terminate(network: &Arc<Network>, call: &Call, reason: Option<&str>, except: Option<u16>) {
    let people = network
        .accounts
        .by_number(call.caller)
        .zip(network.accounts.by_number(call.callee));
    let Some((caller, callee)) = people else {
        return;
    };
    for device in companions(&callee) {
        if Some(device) == except {
            continue;
        }
        let mut terminate = action("terminate", &caller, call);
        if let Some(reason) = reason {
            terminate = terminate.attr("reason", reason);
        }
        hand_out(network, &caller, &callee, call, device, terminate.build());
    }
}

fn companions(account: &Account) -> Vec<u16> {
    account.state().devices.iter().map(|device| device.id).collect()
}

fn action(tag: &'static str, caller: &Account, call: &Call) -> NodeBuilder {
    NodeBuilder::new(tag)
        .attr("call-id", call.id.as_str())
        .attr("call-creator", caller.jid(call.spelling, 0))
}

/// The order of the children is that of real offers; the server refuses another one (wacore src/stanza/call.rs, `build_offer`).
fn offer(caller: &Account, call: &Call, enc: Option<Node>) -> Node {
    let audio = |rate: u32| NodeBuilder::new("audio").attr("enc", "opus").attr("rate", rate).build();
    let mut children = vec![audio(8_000), audio(16_000)];
    if call.video {
        let video = NodeBuilder::new("video").attr("enc", "h264").attr("dec", "h264");
        children.push(video.attr("orientation", 0).build());
    }
    children.push(NodeBuilder::new("net").attr("medium", 3).build());
    let mut capability = bytes_node("capability", CAPABILITY);
    capability.attrs.insert("ver", "1");
    children.push(capability);
    children.extend(enc);
    children.push(NodeBuilder::new("encopt").attr("keygen", 2).build());
    action("offer", caller, call)
        .attr("caller_pn", caller.jid(Spelling::Number, 0))
        .attr("device_class", "2016")
        .attr("joinable", 1)
        .children(children)
        .build()
}

fn hand_out(network: &Network, caller: &Account, callee: &Account, call: &Call, device: u16, action: Node) {
    let stanza = NodeBuilder::new("call")
        .attr("from", caller.jid(call.spelling, 0))
        .attr("id", network.next_stanza_id())
        .attr("t", crate::clock::unix_seconds())
        .attr("e", 0)
        .attr("version", "2.25.37.76")
        .attr("platform", "android")
        .attr("notify", caller.state().name.as_str())
        .children([action])
        .build();
    if let Some(device) = callee.state().device_mut(device) {
        device.deliver(stanza);
    }
}

/// The key of a call that carries nothing.
fn call_key() -> Message {
    Message {
        call: MessageField::some(CallMessage {
            call_key: Some(rand::random::<[u8; 32]>().to_vec()),
            ..Default::default()
        }),
        ..Default::default()
    }
}
