//! `w:mex`: questions and changes in the form of GraphQL, each named by a number that stands for a stored query.
//!
//! The numbers are those of both clients' versions; where they use different ones for the same, both are here
//! (Baileys Types/Mex.ts; wacore src/iq/mex_operations.rs). A number that is not here gets the error 404, like a query
//! that the real server has forgotten.

use std::sync::Arc;

use serde_json::{Value, json};
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use crate::groups::{Actor, GroupId, Table};
use crate::network::Network;
use crate::newsletters::operations::{self, Operation};
use crate::node::{attribute, child, content, error, result};
use crate::stanza::Session;

/// Why something is refused: a code and a sentence.
#[derive(Debug)]
pub struct GraphError {
    /// The code.
    pub code: u16,
    /// The sentence.
    pub message: &'static str,
}

impl GraphError {
    /// There is no such thing.
    pub const NOT_FOUND: Self = Self {
        code: 404,
        message: "not found",
    };
    /// The actor may not.
    pub const FORBIDDEN: Self = Self {
        code: 403,
        message: "forbidden",
    };
    /// A variable is missing or malformed.
    pub const MALFORMED: Self = Self {
        code: 400,
        message: "bad request",
    };
}

/// Answers one request.
pub fn answer(network: &Arc<Network>, session: &Session, iq: &Node) -> Node {
    let Some(query) = child(iq, "query") else {
        return error(iq, 400, "bad-request");
    };
    let request: Option<Value> = content(query).and_then(|bytes| serde_json::from_slice(bytes).ok());
    let Some(request) = request else {
        return error(iq, 400, "bad-request");
    };
    let number = attribute(query, "query_id").unwrap_or_default();
    let answered = match run(network, session, &number, &request["variables"]) {
        Ok((name, data)) => json!({ "data": { name: data } }),
        Err(refused) => json!({
            "data": null,
            "errors": [{ "message": refused.message, "extensions": { "error_code": refused.code } }],
        }),
    };
    let answer = NodeBuilder::new("result").bytes(answered.to_string()).build();
    result(iq).children([answer]).build()
}

type Answer = Result<(&'static str, Value), GraphError>;

fn run(network: &Arc<Network>, session: &Session, number: &str, variables: &Value) -> Answer {
    let actor = Actor {
        network,
        account: &session.account,
    };
    if let Some(operation) = Operation::of_query(number) {
        let data = operations::run(actor, operation, variables)?;
        return Ok((operation.answer_name(), data));
    }
    match number {
        "9935467776504344" => sub_groups(actor, &variables["group_id"]),
        "24079399904996141" => sub_groups(actor, &variables["input"]["group_jid"]),
        // Properties of a group that this network keeps no trace of.
        "9418211574894172" => Ok(("xwa2_group_update_property", json!({ "state": "ACTIVE" }))),
        "23983697327930364" => Ok(("xwa2_fetch_account_reachout_timelock", json!({ "is_active": false }))),
        "24503548349331633" => Ok(("xwa2_message_capping_info", json!({}))),
        unknown => {
            tracing::debug!(number = unknown, "a stored query that this network does not know");
            Err(GraphError::NOT_FOUND)
        }
    }
}

/// The groups of a community (whatsapp-rust src/features/community.rs:298-400).
fn sub_groups(actor: Actor<'_>, id: &Value) -> Answer {
    let jid = id.as_str().and_then(|text| text.parse().ok());
    let id = jid.as_ref().and_then(GroupId::of).ok_or(GraphError::MALFORMED)?;
    let table = actor.network.groups.lock();
    let community = table.get(id).ok_or(GraphError::NOT_FOUND)?;
    community
        .require_member(actor.number())
        .map_err(|_| GraphError::FORBIDDEN)?;
    let default = list(&table, id, true).into_iter().next();
    let edges: Vec<Value> = list(&table, id, false)
        .into_iter()
        .map(|node| json!({ "node": node }))
        .collect();
    let data = json!({ "id": id.jid().to_string(), "default_sub_group": default, "sub_groups": { "edges": edges } });
    Ok(("xwa2_group_query_by_id", data))
}

fn list(table: &Table, parent: GroupId, default: bool) -> Vec<Value> {
    let groups = table
        .linked_to(parent)
        .filter(|group| group.default_sub_group == default);
    groups
        .map(|group| {
            json!({
                "id": group.jid().to_string(),
                "subject": { "value": group.subject.text },
                "total_participants_count": group.members.len(),
                "creation_time": group.created.to_string(),
                "properties": { "general_chat": group.general_chat },
            })
        })
        .collect()
}
