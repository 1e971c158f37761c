//! News of groups from the library's words to ours.

use shared::event::JoinRequestChange;
use shared::group::{AddMode, GroupSettings, ParticipantAction};
use wacore::iq::groups::GroupInfoResponse;
use wacore::protocol::ProtocolNode as _;
use wacore::stanza::groups::{GroupNotificationAction as Action, GroupParticipantInfo, MembershipRequestMethod};
use wacore::types::events::{GroupUpdate, PictureUpdate};
use whatsapp_rust::{GroupMetadata, Jid};

use super::super::foreign::foreign;
use super::super::groups::{Me, group, somebody};
use crate::engine::Person;
use crate::engine::news::{GroupHappening, GroupNews};

/// What the news says; `None` when it is nothing that this version tells of.
pub(super) fn news(update: &GroupUpdate, me: &Me) -> Option<GroupNews> {
    let by = update
        .participant
        .as_ref()
        .and_then(|jid| somebody(jid, [update.participant_pn.as_ref(), None]));
    let what = happening(update, by.as_ref(), me)?;
    Some(GroupNews {
        group: update.group_jid.to_string(),
        by,
        at: update.timestamp,
        id: update
            .notification_id
            .as_deref()
            .map(|id| format!("{}:{}", foreign(id), update.action_index)),
        what,
    })
}

/// A group's picture is told of apart from everything else.
pub(super) fn picture(update: &PictureUpdate) -> GroupNews {
    GroupNews {
        group: update.jid.to_string(),
        by: update.author.as_ref().and_then(|jid| somebody(jid, [None, None])),
        at: update.timestamp,
        id: None,
        what: GroupHappening::Other(if update.removed { "picture_removed" } else { "picture" }),
    }
}

/// Whether the account itself has just become a member, so that the group is yet to be read.
pub(super) fn adds_me(news: &GroupNews, me: &Me) -> bool {
    match &news.what {
        GroupHappening::Participants {
            action: ParticipantAction::Add,
            participants,
            ..
        } => participants.iter().any(|person| {
            let party = shared::address::Party::new(&person.address, person.alternative.as_ref());
            me.is(&party)
        }),
        _ => false,
    }
}

fn happening(update: &GroupUpdate, by: Option<&Person>, me: &Me) -> Option<GroupHappening> {
    let participants = |action, people: &[GroupParticipantInfo], reason: Option<&String>| {
        Some(GroupHappening::Participants {
            action,
            participants: people.iter().filter_map(member).collect(),
            reason: reason.map(|reason| foreign(reason)),
        })
    };
    let settings = |settings| Some(GroupHappening::Settings(settings));
    let nothing = GroupSettings::default;
    match &update.action {
        Action::Add {
            participants: people,
            reason,
        } => participants(ParticipantAction::Add, people, reason.as_ref()),
        Action::Remove {
            participants: people,
            reason,
        } => {
            let own_will = matches!((by, people.as_slice()), (Some(by), [only]) if member(only).is_some_and(|left| same(by, &left)));
            let action = if own_will {
                ParticipantAction::Leave
            } else {
                ParticipantAction::Remove
            };
            participants(action, people, reason.as_ref())
        }
        Action::Promote { participants: people } => participants(ParticipantAction::Promote, people, None),
        Action::Demote { participants: people } => participants(ParticipantAction::Demote, people, None),
        Action::Subject { subject, .. } => settings(GroupSettings {
            subject: Some(foreign(subject)),
            ..nothing()
        }),
        Action::Description { description, .. } => settings(GroupSettings {
            description: Some(description.as_deref().map(foreign).unwrap_or_default()),
            ..nothing()
        }),
        Action::Locked { .. } | Action::Unlocked => settings(GroupSettings {
            locked: Some(matches!(update.action, Action::Locked { .. })),
            ..nothing()
        }),
        Action::Announce | Action::NotAnnounce => settings(GroupSettings {
            announce: Some(matches!(update.action, Action::Announce)),
            ..nothing()
        }),
        Action::Ephemeral { expiration, .. } => settings(GroupSettings {
            ephemeral: Some(*expiration),
            ..nothing()
        }),
        Action::MembershipApprovalMode { enabled } => settings(GroupSettings {
            approval: Some(*enabled),
            ..nothing()
        }),
        Action::MemberAddMode { mode } => settings(GroupSettings {
            add_mode: Some(if mode == "all_member_add" {
                AddMode::Everyone
            } else {
                AddMode::Admins
            }),
            ..nothing()
        }),
        Action::CreatedMembershipRequests {
            request_method,
            requests,
            ..
        } => Some(GroupHappening::JoinRequests {
            change: JoinRequestChange::Created,
            participants: requests.iter().filter_map(member).collect(),
            method: Some(method(request_method)),
        }),
        Action::MembershipApprovalRequest { request_method, .. } => Some(GroupHappening::JoinRequests {
            change: JoinRequestChange::Created,
            participants: by.cloned().into_iter().collect(),
            method: Some(method(request_method)),
        }),
        Action::RevokedMembershipRequests { participants } => Some(GroupHappening::JoinRequests {
            change: JoinRequestChange::Revoked,
            participants: participants
                .iter()
                .filter_map(|jid| somebody(jid, [None, None]))
                .collect(),
            method: None,
        }),
        Action::RevokeInvite => Some(GroupHappening::Other("invite_code")),
        Action::Create { raw } => {
            let raw = raw.as_node_ref();
            let node = raw
                .get_optional_child("group")
                .or_else(|| raw.get_optional_child("community"))?;
            let info = GroupInfoResponse::try_from_node_ref(node).ok()?;
            let made = group(&GroupMetadata::from(info), me);
            Some(GroupHappening::Created(Box::new(made)))
        }
        Action::Delete { .. } => Some(GroupHappening::Other("deleted")),
        Action::Link { link_type, raw } if link_type == "parent_group" => {
            let raw = raw.as_node_ref();
            let parent = raw
                .get_optional_child("group")?
                .attrs()
                .optional_string("jid")?
                .to_string();
            Some(GroupHappening::Community(
                parent.parse::<Jid>().ok().map(|jid| jid.to_string()),
            ))
        }
        Action::Link { .. } => Some(GroupHappening::Other("linked")),
        Action::Unlink { unlink_type, .. } if unlink_type == "parent_group" => Some(GroupHappening::Community(None)),
        Action::Unlink { .. } => Some(GroupHappening::Other("unlinked")),
        Action::Suspended => Some(GroupHappening::Other("suspended")),
        Action::Unsuspended => Some(GroupHappening::Other("unsuspended")),
        _ => None,
    }
}

fn member(participant: &GroupParticipantInfo) -> Option<Person> {
    somebody(
        &participant.jid,
        [participant.phone_number.as_ref(), participant.lid.as_ref()],
    )
}

fn same(one: &Person, other: &Person) -> bool {
    let ids = |person: &Person| [Some(person.address.clone()), person.alternative.clone()];
    ids(one)
        .into_iter()
        .flatten()
        .any(|id| ids(other).into_iter().flatten().any(|other| other == id))
}

fn method(method: &MembershipRequestMethod) -> String {
    match method {
        MembershipRequestMethod::LinkedGroupJoin => "linked_group_join",
        MembershipRequestMethod::NonAdminAdd => "non_admin_add",
        MembershipRequestMethod::InviteLink => "invite_link",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Utc;

    fn update(action: Action) -> GroupUpdate {
        GroupUpdate::builder()
            .group_jid("120363021033254949@g.us".parse().unwrap())
            .notification_id("77".into())
            .participant("100000000001001@lid".parse().unwrap())
            .participant_pn("15550001001@s.whatsapp.net".parse().unwrap())
            .timestamp(Utc::now())
            .is_lid_addressing_mode(true)
            .action(action)
            .build()
    }

    fn someone(lid: &str, phone: Option<&str>) -> GroupParticipantInfo {
        GroupParticipantInfo {
            jid: lid.parse().unwrap(),
            phone_number: phone.map(|phone| phone.parse().unwrap()),
            display_name: None,
            r#type: None,
            lid: None,
            username: None,
            join_time: None,
            group_history_sent_state: None,
        }
    }

    #[test]
    fn who_removes_oneself_has_left() {
        let people = vec![someone("100000000001001@lid", None)];
        let leave = update(Action::Remove {
            participants: people.clone(),
            reason: None,
        });
        let news = news(&leave, &Me::default()).unwrap();
        assert_eq!(news.id.as_deref(), Some("77:0"));
        let GroupHappening::Participants { action, .. } = news.what else {
            panic!("members changed");
        };
        assert_eq!(action, ParticipantAction::Leave);
        let removed = update(Action::Remove {
            participants: vec![someone("100000000001002@lid", None)],
            reason: None,
        });
        let GroupHappening::Participants { action, .. } = super::news(&removed, &Me::default()).unwrap().what else {
            panic!("members changed");
        };
        assert_eq!(action, ParticipantAction::Remove);
    }

    #[test]
    fn members_come_with_both_ids_and_texts_can_be_stored() {
        let added = update(Action::Add {
            participants: vec![someone("100000000001002@lid", Some("15550001002@s.whatsapp.net"))],
            reason: Some("in\0vite".into()),
        });
        let GroupHappening::Participants {
            participants, reason, ..
        } = news(&added, &Me::default()).unwrap().what
        else {
            panic!("members changed");
        };
        assert_eq!(participants[0].address.lid(), Some("100000000001002"));
        assert_eq!(
            participants[0]
                .alternative
                .as_ref()
                .and_then(shared::address::Address::phone),
            Some("15550001002")
        );
        assert_eq!(reason.as_deref(), Some("in\u{FFFD}vite"));
    }

    #[test]
    fn a_setting_says_what_it_is_now() {
        let described = update(Action::Description {
            id: "1".into(),
            description: None,
        });
        assert_eq!(
            news(&described, &Me::default()).unwrap().what,
            GroupHappening::Settings(GroupSettings {
                description: Some(String::new()),
                ..GroupSettings::default()
            })
        );
        let unlocked = update(Action::Unlocked);
        assert_eq!(
            news(&unlocked, &Me::default()).unwrap().what,
            GroupHappening::Settings(GroupSettings {
                locked: Some(false),
                ..GroupSettings::default()
            })
        );
    }
}
