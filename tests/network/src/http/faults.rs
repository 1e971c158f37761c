//! Making things go wrong on purpose.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde_json::{Value, json};

use super::problem::{Problem, read, read_number};
use crate::accounts::Account;
use crate::faults::{Fault, FaultKind};
use crate::login::end_connections;
use crate::network::Network;
use crate::phone;
use crate::socket::{Ending, conflict, stream_error};

/// `POST /faults`: what happens at once happens now, `affected` says to how many connections; anything else becomes a rule.
pub(super) async fn add(State(network): State<Arc<Network>>, body: Bytes) -> Result<Json<Value>, Problem> {
    let mut fault: Fault = read(&body)?;
    if let Some(session) = &fault.session {
        fault.session = Some(read_number(session)?.to_string());
    }
    let affected = if fault.kind.is_immediate() {
        carry_out(&network, &fault)?
    } else {
        network.faults.add(fault.clone());
        0
    };
    Ok(Json(json!({ "fault": fault, "affected": affected })))
}

fn carry_out(network: &Network, fault: &Fault) -> Result<usize, Problem> {
    if fault.kind == FaultKind::RotateCertificate {
        network.rotate_certificate();
        return Ok(0);
    }
    let most = fault
        .count
        .map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let mut affected = 0;
    for account in concerned(network, fault)? {
        if affected >= most {
            break;
        }
        affected += end_connections(&account, None, || ending(fault));
    }
    if fault.kind == FaultKind::DropConnections && fault.session.is_none() && fault.count.is_none() {
        affected += network.pairings.cut_all();
    }
    Ok(affected)
}

fn concerned(network: &Network, fault: &Fault) -> Result<Vec<Arc<Account>>, Problem> {
    let Some(session) = &fault.session else {
        return Ok(network.accounts.all());
    };
    let account = network.accounts.by_number(read_number(session)?);
    account
        .map(|account| vec![account])
        .ok_or_else(|| Problem::unknown_phone(session))
}

fn ending(fault: &Fault) -> Ending {
    if fault.kind == FaultKind::DropConnections {
        return Ending::Cut;
    }
    Ending::Farewell(match &fault.conflict {
        Some(kind) => conflict(kind, fault.code),
        None => stream_error(fault.code.unwrap_or(503)),
    })
}

/// `GET /faults`: the standing rules.
pub(super) async fn list(State(network): State<Arc<Network>>) -> Json<Value> {
    Json(json!({ "faults": network.faults.list() }))
}

/// `DELETE /faults`: everything works again; phones that were out of reach catch up.
pub(super) async fn clear(State(network): State<Arc<Network>>) -> Json<Value> {
    let deleted = network.faults.list();
    network.faults.clear();
    if deleted.iter().any(|fault| fault.kind == FaultKind::PhoneOffline) {
        for account in network.accounts.all() {
            phone::catch_up(&network, &account);
        }
    }
    Json(json!({ "deleted": deleted.len() }))
}
