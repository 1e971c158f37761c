//! Groups, communities and newsletters as everybody sees them: the API, events, the read model and the worker's answers carry these shapes.
//!
//! A released shape only ever gains fields. Nothing here knows how WhatsApp writes them on the wire.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::address::Party;
use crate::session::words;

words! {
    /// What somebody is in a group.
    Role {
        /// A member like any other.
        Member = "member",
        /// An administrator.
        Admin = "admin",
        /// The administrator who made the group, or inherited it.
        Owner = "owner",
    }
}

words! {
    /// Who may add members to a group.
    AddMode {
        /// Administrators only.
        Admins = "admins",
        /// Every member.
        Everyone = "everyone",
    }
}

words! {
    /// What kind of group it is.
    GroupKind {
        /// An ordinary group; one that belongs to a community names it.
        Group = "group",
        /// A community: the parent of groups.
        Community = "community",
        /// A community's group for announcements, of which everybody in the community is a member.
        Announcements = "announcements",
        /// A community's general chat.
        General = "general",
    }
}

words! {
    /// What is done to members of a group.
    ParticipantAction {
        /// They become members.
        Add = "add",
        /// They are members no longer, by somebody else's will.
        Remove = "remove",
        /// They left.
        Leave = "leave",
        /// They become administrators.
        Promote = "promote",
        /// They are administrators no longer.
        Demote = "demote",
    }
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// The group's JID.
    #[schema(example = "120363021033254949@g.us")]
    pub jid: String,
    /// Its name.
    #[schema(example = "Support")]
    pub subject: String,
    /// What it is about.
    pub description: Option<String>,
    /// What kind of group it is.
    pub kind: GroupKind,
    /// Who made it.
    pub owner: Option<Party>,
    /// The JID of the community that it belongs to.
    pub community: Option<String>,
    /// Whether only administrators may write.
    pub announce: bool,
    /// Whether only administrators may change subject, description and picture.
    pub locked: bool,
    /// Whether administrators must approve who wants to join.
    pub approval: bool,
    /// Who may add members.
    pub add_mode: AddMode,
    /// Seconds after which messages disappear; 0: they stay.
    pub ephemeral: u32,
    /// How many members it has.
    pub size: u32,
    /// What the session's account is in it; null: no member (any more).
    pub role: Option<Role>,
    /// When it was made.
    #[serde(serialize_with = "crate::timestamp::serialize_option")]
    pub created_at: Option<DateTime<Utc>>,
    /// Its members; absent in lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<Participant>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Participant {
    /// Who.
    #[serde(flatten)]
    pub party: Party,
    /// What this person is in the group.
    pub role: Role,
}

/// Settings of a group; absent ones stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupSettings {
    /// The name: 1 to 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Support")]
    pub subject: Option<String>,
    /// What it is about, at most 2,048 characters; empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether only administrators may write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announce: Option<bool>,
    /// Whether only administrators may change subject, description and picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
    /// Whether administrators must approve who wants to join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<bool>,
    /// Who may add members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_mode: Option<AddMode>,
    /// Seconds after which messages disappear: 0 (they stay), 86400, 604800 or 7776000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<u32>,
}

impl GroupSettings {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

words! {
    /// How it ended for one person.
    ParticipantOutcome {
        /// It was done.
        Done = "done",
        /// The person's privacy settings forbid it: the invitation may be sent to them instead.
        InviteNeeded = "invite_needed",
        /// It was not done.
        Failed = "failed",
    }
}

/// How it ended for one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParticipantResult {
    /// Whom it is about.
    #[serde(flatten)]
    pub party: Party,
    /// How it ended.
    pub outcome: ParticipantOutcome,
    /// Why, as a stable word: `privacy`, `not_found`, `recently_left`, `already_member`, `full`, `not_permitted`, `blocked`, `refused`.
    pub code: Option<String>,
    /// With what the person can join nevertheless.
    pub invitation: Option<Invitation>,
}

impl ParticipantResult {
    /// What WhatsApp answered about one person: `error` is its code (wacore/src/iq/groups.rs:1690; the numbers are HTTP's and WhatsApp's own).
    #[must_use]
    pub fn new(party: Party, error: Option<&str>, invitation: Option<Invitation>) -> Self {
        let code = match error {
            None | Some("200") => None,
            Some("401") => Some("blocked"),
            Some("403") if invitation.is_some() => Some("privacy"),
            Some("403") => Some("not_permitted"),
            Some("404") => Some("not_found"),
            Some("408") => Some("recently_left"),
            Some("409") => Some("already_member"),
            Some("412" | "419" | "500") => Some("full"),
            Some(_) => Some("refused"),
        };
        let outcome = match (code, &invitation) {
            (None, _) => ParticipantOutcome::Done,
            (Some(_), Some(_)) => ParticipantOutcome::InviteNeeded,
            (Some(_), None) => ParticipantOutcome::Failed,
        };
        Self {
            party,
            outcome,
            code: code.map(str::to_owned),
            invitation,
        }
    }
}

/// An invitation to a group for one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Invitation {
    /// The code.
    pub code: String,
    /// Unix time in seconds after which it no longer works.
    pub expires_at: i64,
}

/// How it ended for everybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParticipantResults {
    /// One entry for each person, in the order of the request.
    pub results: Vec<ParticipantResult>,
}

/// A group that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedGroup {
    /// The group.
    #[serde(flatten)]
    pub group: Group,
    /// How it ended for each of the people who were to become members.
    pub results: Vec<ParticipantResult>,
}

/// A group's invitation code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InviteCode {
    /// The code.
    #[schema(example = "F0oBarB4zQux12345678Ab")]
    pub code: String,
    /// The same as a link.
    #[schema(example = "https://chat.whatsapp.com/F0oBarB4zQux12345678Ab")]
    pub link: String,
}

words! {
    /// How joining ended.
    JoinOutcome {
        /// The account is a member.
        Joined = "joined",
        /// An administrator must approve.
        Requested = "requested",
    }
}

/// How joining a group ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinedGroup {
    /// The group's JID.
    #[schema(example = "120363021033254949@g.us")]
    pub jid: String,
    /// How it ended.
    pub outcome: JoinOutcome,
}

/// Somebody who wants to join a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinRequest {
    /// Who.
    #[serde(flatten)]
    pub party: Party,
    /// When this person asked.
    #[serde(serialize_with = "crate::timestamp::serialize_option")]
    pub requested_at: Option<DateTime<Utc>>,
}

/// People who want to join a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinRequests {
    /// The requests that wait.
    pub data: Vec<JoinRequest>,
}

/// A group of a community.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Subgroup {
    /// The group's JID.
    pub jid: String,
    /// Its name.
    pub subject: String,
    /// What kind of group it is.
    pub kind: GroupKind,
    /// How many members it has, if WhatsApp says so.
    pub size: Option<u32>,
}

/// The groups of a community.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Subgroups {
    /// The groups.
    pub data: Vec<Subgroup>,
}

/// How linking one group to a community, or unlinking it, ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LinkResult {
    /// The group's JID.
    pub jid: String,
    /// Whether it was done.
    pub done: bool,
    /// WhatsApp's code where it was not.
    pub code: Option<u32>,
}

/// How linking groups to a community, or unlinking them, ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LinkResults {
    /// One entry for each group.
    pub results: Vec<LinkResult>,
}

words! {
    /// What the session's account is in a newsletter.
    NewsletterRole {
        /// It made it.
        Owner = "owner",
        /// It may post.
        Admin = "admin",
        /// It follows.
        Follower = "follower",
        /// Nothing.
        Guest = "guest",
    }
}

/// A newsletter (channel).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Newsletter {
    /// The newsletter's JID.
    #[schema(example = "120363021033254949@newsletter")]
    pub jid: String,
    /// Its name.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// How many people follow it.
    pub followers: u64,
    /// Whether WhatsApp has verified it.
    pub verified: bool,
    /// The code with which it is found: `https://whatsapp.com/channel/CODE`.
    pub invite_code: Option<String>,
    /// Where WhatsApp shows its picture.
    pub picture_url: Option<String>,
    /// What the session's account is in it.
    pub role: Option<NewsletterRole>,
    /// When it was made.
    #[serde(serialize_with = "crate::timestamp::serialize_option")]
    pub created_at: Option<DateTime<Utc>>,
}

/// Newsletters that the account follows or has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Newsletters {
    /// The newsletters.
    pub data: Vec<Newsletter>,
}

/// A message of a newsletter, as its server keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NewsletterMessage {
    /// WhatsApp's id, as other messages have one.
    pub wa_message_id: String,
    /// The newsletter's own number of the message: reactions and pages name it.
    pub server_id: u64,
    /// Whether the session's account wrote it.
    pub from_me: bool,
    /// The kind of content; the field of the same name holds it. Null where the message has been deleted.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The content under its kind.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub content: serde_json::Map<String, serde_json::Value>,
    /// How often which emoji was given.
    pub reactions: Vec<NewsletterReaction>,
    /// When it was posted.
    #[serde(serialize_with = "crate::timestamp::serialize")]
    pub timestamp: DateTime<Utc>,
}

/// How often an emoji was given to a newsletter's message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewsletterReaction {
    /// The emoji.
    pub emoji: String,
    /// How often.
    pub count: u64,
}

/// Messages of a newsletter, as its server keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NewsletterMessages {
    /// The messages.
    pub data: Vec<NewsletterMessage>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatsapps_codes_become_words_and_an_invitation_shows_the_way_out() {
        let result = |error, invitation| {
            let result = ParticipantResult::new(Party::default(), error, invitation);
            (result.outcome, result.code)
        };
        let invitation = || {
            Some(Invitation {
                code: "c".into(),
                expires_at: 1,
            })
        };
        assert_eq!(result(None, None), (ParticipantOutcome::Done, None));
        assert_eq!(result(Some("200"), None), (ParticipantOutcome::Done, None));
        assert_eq!(
            result(Some("403"), invitation()),
            (ParticipantOutcome::InviteNeeded, Some("privacy".into()))
        );
        for (error, code) in [
            ("403", "not_permitted"),
            ("404", "not_found"),
            ("409", "already_member"),
            ("999", "refused"),
        ] {
            assert_eq!(
                result(Some(error), None),
                (ParticipantOutcome::Failed, Some(code.into())),
                "{error}"
            );
        }
    }
}
