//! Questions about groups whose answers the library reads only in part: the mode of adding, which it takes from tokens alone; the phone numbers of those
//! who want to join; the groups of a community, for which it has only the way of newer servers. The questions themselves are the library's own.

use shared::address::Address;
use shared::group::{GroupKind, JoinRequest, Subgroup};
use wacore::iq::groups::{GetMembershipRequestsIq, GroupInfoResponse, GroupParticipatingIq, GroupQueryIq};
use wacore::iq::spec::IqSpec;
use wacore::protocol::ProtocolNode as _;
use wacore::request::InfoQuery;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{NodeContent, NodeRef};
use whatsapp_rust::{Client, GroupError, GroupMetadata, IqError, Jid, MemberAddMode};

use super::foreign::foreign;
use super::groups::{both_ids, party, time};
use super::incoming::address;

/// All of a group as the server has it.
pub(super) async fn metadata(client: &Client, group: &Jid) -> Result<GroupMetadata, GroupError> {
    let found = client.execute(Whole(GroupQueryIq::new(group))).await?;
    found.ok_or_else(|| GroupError::InvalidRequest("WhatsApp answered without the group".to_owned()))
}

/// All groups of the account as the server has them.
pub(super) async fn participating(client: &Client) -> Result<Vec<GroupMetadata>, IqError> {
    client.execute(All(GroupParticipatingIq::new())).await
}

/// Who wants to join a group.
pub(super) async fn join_requests(client: &Client, group: &Jid) -> Result<Vec<JoinRequest>, IqError> {
    let asked = client.execute(Requests(GetMembershipRequestsIq::new(group))).await?;
    let mut requests = Vec::with_capacity(asked.len());
    for (jid, phone, at) in asked {
        let Some(mut person) = party(&jid, [phone.as_ref(), None]) else {
            continue;
        };
        if (person.phone.is_none() || person.lid.is_none())
            && let Some(known) = address(&jid)
        {
            person = both_ids(client, &known).await;
        }
        requests.push(JoinRequest {
            party: person,
            requested_at: time(at),
        });
    }
    Ok(requests)
}

/// The groups of a community.
pub(super) async fn subgroups(client: &Client, community: &Jid) -> Result<Vec<Subgroup>, IqError> {
    client.execute(Subgroups(community.clone())).await
}

/// `<group>` or `<community>` with everything in it.
fn whole(node: &NodeRef<'_>) -> anyhow::Result<GroupMetadata> {
    let mut metadata = GroupMetadata::from(GroupInfoResponse::try_from_node_ref(node)?);
    // The library reads the mode as a token of the protocol's dictionary; it also comes as plain bytes.
    if metadata.member_add_mode.is_none() {
        let mode = node
            .get_optional_child("member_add_mode")
            .and_then(NodeRef::content_as_string);
        metadata.member_add_mode = match mode.as_deref() {
            Some("all_member_add") => Some(MemberAddMode::AllMemberAdd),
            Some("admin_add") => Some(MemberAddMode::AdminAdd),
            _ => None,
        };
    }
    Ok(metadata)
}

struct Whole(GroupQueryIq);

impl IqSpec for Whole {
    type Response = Option<GroupMetadata>;

    fn build_iq(&self) -> InfoQuery<'static> {
        self.0.build_iq()
    }

    fn parse_response(&self, response: &NodeRef<'_>) -> anyhow::Result<Self::Response> {
        response
            .get_optional_child("group")
            .or_else(|| response.get_optional_child("community"))
            .map(whole)
            .transpose()
    }
}

struct All(GroupParticipatingIq);

impl IqSpec for All {
    type Response = Vec<GroupMetadata>;

    fn build_iq(&self) -> InfoQuery<'static> {
        self.0.build_iq()
    }

    fn parse_response(&self, response: &NodeRef<'_>) -> anyhow::Result<Self::Response> {
        let mut all: Vec<GroupMetadata> = Vec::new();
        for (list, tag) in [("groups", "group"), ("communities", "community")] {
            let Some(list) = response.get_optional_child(list) else {
                continue;
            };
            for node in list.get_children_by_tag(tag) {
                let metadata = whole(node)?;
                if all.iter().all(|known| known.id != metadata.id) {
                    all.push(metadata);
                }
            }
        }
        Ok(all)
    }
}

struct Requests(GetMembershipRequestsIq);

impl IqSpec for Requests {
    /// Who, by which phone number, and when.
    type Response = Vec<(Jid, Option<Jid>, Option<u64>)>;

    fn build_iq(&self) -> InfoQuery<'static> {
        self.0.build_iq()
    }

    fn parse_response(&self, response: &NodeRef<'_>) -> anyhow::Result<Self::Response> {
        let Some(list) = response.get_optional_child("membership_approval_requests") else {
            return Ok(Vec::new());
        };
        let mut requests = Vec::new();
        for node in list.get_children_by_tag("membership_approval_request") {
            let text = |name: &str| node.attrs().optional_string(name).map(|text| text.to_string());
            let jid = |name: &str| text(name).and_then(|text| text.parse::<Jid>().ok());
            if let Some(person) = jid("jid") {
                let at = text("request_time").and_then(|text| text.parse().ok());
                requests.push((person, jid("phone_number"), at));
            }
        }
        Ok(requests)
    }
}

/// As Baileys and whatsmeow ask (whatsmeow group.go, `GetSubGroups`).
struct Subgroups(Jid);

impl IqSpec for Subgroups {
    type Response = Vec<Subgroup>;

    fn build_iq(&self) -> InfoQuery<'static> {
        let question = NodeBuilder::new("sub_groups").build();
        InfoQuery::get_ref("w:g2", &self.0, Some(NodeContent::Nodes(vec![question])))
    }

    fn parse_response(&self, response: &NodeRef<'_>) -> anyhow::Result<Self::Response> {
        let Some(list) = response.get_optional_child("sub_groups") else {
            return Ok(Vec::new());
        };
        let mut groups = Vec::new();
        for node in list.get_children_by_tag("group") {
            let text = |name: &str| node.attrs().optional_string(name).map(|text| text.to_string());
            let Some(id) = text("id").or_else(|| text("jid")) else {
                continue;
            };
            let jid = if id.contains('@') { id } else { format!("{id}@g.us") };
            // What is not a group's address is nothing that anybody could use.
            let Ok(jid @ Address::Group(_)) = jid.parse::<Address>() else {
                continue;
            };
            let has = |tag: &str| node.get_optional_child(tag).is_some();
            groups.push(Subgroup {
                jid: jid.to_string(),
                subject: text("subject").as_deref().map(foreign).unwrap_or_default(),
                kind: if has("default_sub_group") {
                    GroupKind::Announcements
                } else if has("general_chat") {
                    GroupKind::General
                } else {
                    GroupKind::Group
                },
                size: text("size").and_then(|text| text.parse().ok()),
            });
        }
        Ok(groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_of_a_community_are_read_with_their_kinds() {
        let group = |id: &str, mark: Option<&'static str>| {
            let builder = NodeBuilder::new("group").attr("id", id).attr("subject", "a\0b");
            let marks = mark.map(|mark| NodeBuilder::new(mark).build());
            builder.children(marks).build()
        };
        let list = NodeBuilder::new("sub_groups").children([
            group("120363021033254949", Some("default_sub_group")),
            group("120363021033254950@g.us", None),
            group("nonsense", None),
        ]);
        let answer = NodeBuilder::new("iq").children([list.build()]).build();
        let question = Subgroups("120363021033254948@g.us".parse().unwrap());
        let groups = question.parse_response(&answer.as_node_ref()).unwrap();
        let found: Vec<_> = groups.iter().map(|group| (group.jid.as_str(), group.kind)).collect();
        assert_eq!(
            found,
            [
                ("120363021033254949@g.us", GroupKind::Announcements),
                ("120363021033254950@g.us", GroupKind::Group)
            ]
        );
        assert_eq!(groups[0].subject, "a\u{FFFD}b");
    }

    #[test]
    fn who_wants_to_join_comes_with_a_phone_number() {
        let request = NodeBuilder::new("membership_approval_request")
            .attr("jid", "100000000001001@lid")
            .attr("phone_number", "15550001001@s.whatsapp.net")
            .attr("request_time", "1795167000");
        let list = NodeBuilder::new("membership_approval_requests").children([request.build()]);
        let answer = NodeBuilder::new("iq").children([list.build()]).build();
        let question = Requests(GetMembershipRequestsIq::new(
            &"120363021033254948@g.us".parse().unwrap(),
        ));
        let requests = question.parse_response(&answer.as_node_ref()).unwrap();
        let (jid, phone, at) = &requests[0];
        assert_eq!(jid.to_string(), "100000000001001@lid");
        assert_eq!(phone.as_ref().unwrap().to_string(), "15550001001@s.whatsapp.net");
        assert_eq!(*at, Some(1_795_167_000));
    }
}
