//! News of groups as facts to store: events, and what is known of the groups.

use shared::address::{Address, Party};
use shared::event::{Event, GroupCreated, GroupJoinRequest, GroupParticipantsChanged, GroupUpdated};
use shared::group::{Group, GroupSettings, ParticipantAction};
use shared::store::read_model::{Change, GroupChange};

use super::{Scribe, Writing, party};
use crate::engine::Person;
use crate::engine::news::{GroupHappening, GroupNews};

impl Scribe {
    /// Notes all that is known of a group.
    pub(super) fn group_known(writing: &mut Writing, group: Box<Group>) {
        writing.facts.changes.push(Change::Group(GroupChange::Known(group)));
    }

    /// Notes every group of the account; whatever is not among them it has left.
    pub(super) fn groups_known(writing: &mut Writing, groups: &[Group]) {
        for group in groups {
            Self::group_known(writing, Box::new(group.clone()));
        }
        let jids = groups.iter().map(|group| group.jid.clone()).collect();
        writing
            .facts
            .changes
            .push(Change::Group(GroupChange::AllKnown { jids }));
    }

    /// Notes that the account is no member of a group any more.
    pub(super) fn group_left(writing: &mut Writing, group: &str) {
        writing.facts.changes.push(Change::Group(GroupChange::Left {
            group: group.to_owned(),
        }));
    }

    /// Writes up something that happened in a group.
    pub(super) fn group_news(&mut self, writing: &mut Writing, news: &GroupNews) {
        let group = news.group.clone();
        let change = match &news.what {
            GroupHappening::Created(made) => Some(GroupChange::Known(made.clone())),
            GroupHappening::Settings(settings) => Some(GroupChange::Settings {
                group,
                settings: settings.clone(),
            }),
            GroupHappening::Participants {
                action, participants, ..
            } => Some(GroupChange::Participants {
                group,
                action: *action,
                participants: parties(participants),
            }),
            GroupHappening::Community(community) => Some(GroupChange::Linked {
                group,
                community: community.clone(),
            }),
            GroupHappening::Other("deleted") => Some(GroupChange::Left { group }),
            GroupHappening::JoinRequests { .. } | GroupHappening::Other(_) => None,
        };
        writing.facts.changes.extend(change.map(Change::Group));
        if self.ignore.groups {
            return;
        }
        let (event, key) = group_event(news);
        self.event_at(writing, &event, news.at, key);
    }
}

/// The event, and what makes the same news told twice one event.
fn group_event(news: &GroupNews) -> (Event, Option<String>) {
    let chat = place(&news.group);
    let by = news.by.as_ref().map(party);
    let told = news.id.as_ref().map(|id| format!("group:{}:{id}", news.group));
    let updated = |changes: GroupSettings, change: Option<&str>| {
        Event::GroupUpdated(GroupUpdated {
            chat: chat.clone(),
            by: by.clone(),
            changes,
            change: change.map(str::to_owned),
        })
    };
    let event = match &news.what {
        GroupHappening::Created(group) => {
            let event = Event::GroupCreated(Box::new(GroupCreated {
                chat,
                group: Group::clone(group),
                by: by.or_else(|| group.owner.clone()),
            }));
            // Whoever made it hears of it twice: in the answer, and as everybody else does.
            return (event, Some(format!("group:created:{}", news.group)));
        }
        GroupHappening::Settings(settings) => updated(settings.clone(), None),
        GroupHappening::Community(community) => {
            let change = if community.is_some() { "linked" } else { "unlinked" };
            updated(GroupSettings::default(), Some(change))
        }
        GroupHappening::Other(change) => updated(GroupSettings::default(), Some(change)),
        GroupHappening::Participants {
            action,
            participants,
            reason,
        } => Event::GroupParticipants(GroupParticipantsChanged {
            chat,
            action: *action,
            participants: parties(participants),
            by: by.or_else(|| own_will(*action, participants)),
            reason: reason.clone(),
        }),
        GroupHappening::JoinRequests {
            change,
            participants,
            method,
        } => Event::GroupJoinRequest(GroupJoinRequest {
            chat,
            change: *change,
            participants: parties(participants),
            by,
            method: method.clone(),
        }),
    };
    (event, told)
}

/// Who leaves does so by their own will.
fn own_will(action: ParticipantAction, participants: &[Person]) -> Option<Party> {
    match (action, participants) {
        (ParticipantAction::Leave, [only]) => Some(party(only)),
        _ => None,
    }
}

fn parties(people: &[Person]) -> Vec<Party> {
    people.iter().map(party).collect()
}

/// A group as messages in it name it.
fn place(group: &str) -> Party {
    match group.parse::<Address>() {
        Ok(address) => Party::new(&address, None),
        Err(_) => Party {
            jid: group.to_owned(),
            ..Party::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineEvent;
    use crate::session::scribe::tests::{account, data, desk, person, types};
    use chrono::Utc;
    use shared::event::JoinRequestChange;
    use shared::store::known_messages::KnownMessages;

    const GROUP: &str = "120363021033254949@g.us";

    fn news(what: GroupHappening, id: Option<&str>) -> EngineEvent {
        EngineEvent::Group(GroupNews {
            group: GROUP.into(),
            by: Some(person("15550001001")),
            at: Utc::now(),
            id: id.map(str::to_owned),
            what,
        })
    }

    fn added() -> GroupHappening {
        GroupHappening::Participants {
            action: ParticipantAction::Add,
            participants: vec![person("15550001002")],
            reason: None,
        }
    }

    #[test]
    fn who_was_added_by_whom_is_told_once_and_recorded() {
        let mut desk = desk(Some(account()));
        let mut writing = Writing::default();
        let mut ids = KnownMessages::new();
        desk.scribe
            .engine_event(&mut writing, &news(added(), Some("7:0")), &mut ids);
        desk.scribe
            .engine_event(&mut writing, &news(added(), Some("7:0")), &mut ids);
        assert_eq!(types(&writing), ["group.participants"]);
        let data = data(&writing, 0);
        assert_eq!(data["chat"]["jid"], GROUP);
        assert_eq!(data["action"], "add");
        assert_eq!(data["participants"][0]["phone"], "15550001002");
        assert_eq!(data["participants"][0]["lid"], "100015550001002");
        assert_eq!(data["by"]["phone"], "15550001001");
        assert_eq!(writing.facts.changes.len(), 2, "recording may be repeated");
    }

    #[test]
    fn what_is_ignored_is_recorded_all_the_same() {
        let mut desk = desk(Some(account()));
        desk.scribe.ignore.groups = true;
        let mut writing = Writing::default();
        desk.scribe
            .engine_event(&mut writing, &news(added(), None), &mut KnownMessages::new());
        assert!(types(&writing).is_empty());
        assert_eq!(writing.facts.changes.len(), 1);
    }

    #[test]
    fn a_change_says_what_is_different_and_a_request_who_wants_to_join() {
        let mut desk = desk(Some(account()));
        let mut writing = Writing::default();
        let settings = GroupSettings {
            subject: Some("Support 24/7".into()),
            ..GroupSettings::default()
        };
        let request = GroupHappening::JoinRequests {
            change: JoinRequestChange::Created,
            participants: vec![person("15550001003")],
            method: Some("invite_link".into()),
        };
        for what in [
            GroupHappening::Settings(settings),
            GroupHappening::Other("picture"),
            GroupHappening::Community(None),
            request,
        ] {
            desk.scribe
                .engine_event(&mut writing, &news(what, None), &mut KnownMessages::new());
        }
        assert_eq!(
            types(&writing),
            ["group.updated", "group.updated", "group.updated", "group.join_request"]
        );
        assert_eq!(
            data(&writing, 0)["changes"],
            serde_json::json!({"subject": "Support 24/7"})
        );
        assert_eq!(data(&writing, 1)["change"], "picture");
        assert_eq!(data(&writing, 2)["change"], "unlinked");
        assert_eq!(data(&writing, 3)["participants"][0]["phone"], "15550001003");
    }
}
