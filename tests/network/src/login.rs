//! Login of a linked companion, and its connection from then on.
//!
//! A login is authenticated by the static Noise key alone: it must be the one that the device was linked with. The login
//! payload carries no push name in whatsapp-rust, so everything about the account was bound when it was paired.
//! Sources: Baileys Utils/validate-connection.ts:60-80, Socket/socket.ts:930-991; wacore src/store/device.rs:512-531,
//! wacore src/stanza/connect_failure.rs.

use std::sync::Arc;
use std::time::Duration;

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use crate::accounts::{Account, LiveSocket, Number, Spelling};
use crate::ledger::{Entry, EntryKind};
use crate::network::Network;
use crate::presence;
use crate::socket::{Client, Ending, MAILBOX_BATCH, Outbound, SocketError, conflict, end};
use crate::stanza::{self, Session};
use crate::transport::connection::Connection;

/// The failure that makes clients forget their credentials.
const NOT_LINKED: u16 = 401;

/// A client that does not read one stanza within this time is given up.
const WRITING_TIME: Duration = Duration::from_secs(30);

/// Serves a client that wants to log in.
///
/// # Errors
/// The connection broke.
pub async fn serve(network: &Arc<Network>, mut connection: Connection, client: Client) -> Result<(), SocketError> {
    let number = Number::from_value(client.payload.username.unwrap_or(0));
    if network.faults.refuses_connections(Some(number)) {
        return Ok(());
    }
    if let Some(reason) = network.faults.login_failure(number) {
        return refuse(connection, reason).await;
    }
    let outbound = Arc::new(Outbound::default());
    let Some(session) = enter(network, number, &client, Arc::clone(&outbound)) else {
        return refuse(connection, NOT_LINKED).await;
    };
    network.stats.logged_in(client.handshake);
    let greeted = connection.send(&success(&session)).await;
    let outcome = match greeted {
        Ok(()) => exchange(network, &session, &outbound, connection).await,
        Err(error) => Err(error.into()),
    };
    leave(network, &session);
    outcome
}

async fn refuse(connection: Connection, reason: u16) -> Result<(), SocketError> {
    let failure = NodeBuilder::new("failure").attr("reason", reason);
    let failure = if reason == 402 {
        // A temporary ban tells its code and how many seconds it lasts; whatsapp-rust needs both.
        failure.attr("code", 101).attr("expire", 3600).build()
    } else {
        failure.build()
    };
    end(connection, Ending::Farewell(failure)).await
}

/// Makes this connection the device's current one. `None` when the device is not linked or the key is not its own.
fn enter(network: &Arc<Network>, number: Number, client: &Client, outbound: Arc<Outbound>) -> Option<Session> {
    let account = network.accounts.by_number(number)?;
    let device_id = u16::try_from(client.payload.device.unwrap_or(0)).ok()?;
    {
        let mut state = account.state();
        let device = state.device_mut(device_id)?;
        if device.noise_key != client.noise_key {
            return None;
        }
        device.mailbox.rewind();
        let live = LiveSocket {
            id: client.socket,
            outbound,
            active: false,
            available: false,
        };
        // Two connections of one device would share one ratchet: the old one must go.
        if let Some(old) = device.live.replace(live) {
            old.outbound.end(Ending::Farewell(conflict("replaced", None)));
            network
                .ledger
                .record(Entry::of_device(EntryKind::Replaced, number, device_id, old.id));
        }
        let mut entry = Entry::of_device(EntryKind::Login, number, device_id, client.socket);
        entry.detail = Some(client.handshake.name().to_owned());
        network.ledger.record(entry);
    }
    Some(Session {
        account,
        device: device_id,
        socket: client.socket,
    })
}

/// `lid` with the device is mandatory for Baileys, which stores it as its own (Socket/socket.ts:930-980).
fn success(session: &Session) -> Node {
    NodeBuilder::new("success")
        .attr("t", crate::clock::unix_seconds())
        .attr("lid", session.account.jid(Spelling::Lid, session.device))
        .attr("display_name", session.account.state().name.as_str())
        .attr("location", "rva")
        .build()
}

/// Everything after the login, until one side ends the connection.
async fn exchange(
    network: &Arc<Network>,
    session: &Session,
    outbound: &Outbound,
    mut connection: Connection,
) -> Result<(), SocketError> {
    loop {
        tokio::select! {
            received = connection.receive() => {
                let Some(stanza) = received? else {
                    return Ok(());
                };
                if outbound.is_ending() {
                    continue;
                }
                if let Some(delay) = network.faults.delay(session.account.number) {
                    tokio::time::sleep(delay).await;
                }
                for reply in stanza::handle(network, session, &stanza) {
                    write(&mut connection, &reply).await?;
                }
            }
            () = outbound.woken() => {
                for stanza in outbound.take() {
                    write(&mut connection, &stanza).await?;
                }
                if let Some(ending) = outbound.take_ending() {
                    return end(connection, ending).await;
                }
                write_mailbox(network, session, outbound, &mut connection).await?;
            }
        }
    }
}

/// Writes a part of what waits in the mailbox; wakes itself for the rest, so that reading is not starved.
async fn write_mailbox(
    network: &Network,
    session: &Session,
    outbound: &Outbound,
    connection: &mut Connection,
) -> Result<(), SocketError> {
    let batch = session
        .with_live_device(|device| device.mailbox.take_unsent(MAILBOX_BATCH))
        .unwrap_or_default();
    if batch.len() == MAILBOX_BATCH {
        outbound.wake();
    }
    if batch.is_empty() {
        return Ok(());
    }
    if let Some(delay) = network.faults.delay(session.account.number) {
        tokio::time::sleep(delay).await;
    }
    for mut stanza in batch {
        network.faults.corrupt(session.account.number, &mut stanza);
        network.stats.delivered(&stanza.tag);
        write(connection, &stanza).await?;
    }
    Ok(())
}

async fn write(connection: &mut Connection, stanza: &Node) -> Result<(), SocketError> {
    let writing = tokio::time::timeout(WRITING_TIME, connection.send(stanza));
    writing.await.map_err(|_| SocketError::WritingTime)??;
    Ok(())
}

/// Forgets the connection, unless another one has taken over already.
fn leave(network: &Network, session: &Session) {
    let number = session.account.number;
    let was_current = {
        let mut state = session.account.state();
        let current = state
            .device_mut(session.device)
            .filter(|device| device.is_connected_by(session.socket))
            .map(|device| device.live = None)
            .is_some();
        network.ledger.record(Entry::of_device(
            EntryKind::Disconnect,
            number,
            session.device,
            session.socket,
        ));
        current
    };
    if was_current {
        presence::companion_left(network, &session.account);
    }
}

/// Ends the connections of an account, of one device or of all; answers how many there were.
pub fn end_connections(account: &Account, device: Option<u16>, ending: impl Fn() -> Ending) -> usize {
    let state = account.state();
    let live = state
        .devices
        .iter()
        .filter(|candidate| device.is_none_or(|wanted| candidate.id == wanted))
        .filter_map(|candidate| candidate.live.as_ref());
    live.map(|live| live.outbound.end(ending())).count()
}
