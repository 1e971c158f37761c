//! What an engine tells of groups and status posts. Only words: who writes them up is the scribe's business.

use chrono::{DateTime, Utc};
use shared::event::JoinRequestChange;
use shared::group::{Group, GroupSettings, ParticipantAction};

use super::Person;

/// Something happened in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupNews {
    /// The group's JID.
    pub group: String,
    /// Who did it.
    pub by: Option<Person>,
    /// When.
    pub at: DateTime<Utc>,
    /// What WhatsApp calls this piece of news: the same when it is told again.
    pub id: Option<String>,
    /// What happened.
    pub what: GroupHappening,
}

/// What can happen in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupHappening {
    /// It was made, with the account in it.
    Created(Box<Group>),
    /// Settings changed.
    Settings(GroupSettings),
    /// Members came, went, or got another role.
    Participants {
        /// What was done.
        action: ParticipantAction,
        /// To whom.
        participants: Vec<Person>,
        /// How it came about, as WhatsApp's word.
        reason: Option<String>,
    },
    /// Somebody wants to join, or no longer.
    JoinRequests {
        /// What became of it.
        change: JoinRequestChange,
        /// Who.
        participants: Vec<Person>,
        /// How they ask, as WhatsApp's word.
        method: Option<String>,
    },
    /// It belongs to this community from now on; `None`: to none any more.
    Community(Option<String>),
    /// Something without a value: a word of `group.updated`'s `change`.
    Other(&'static str),
}

/// The account has done something with a status post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusNews {
    /// It told the author that it has seen the post.
    Seen {
        /// WhatsApp's id of the post.
        wa_message_id: String,
    },
    /// It reacted to a post, or no longer.
    Reacted {
        /// WhatsApp's id of the post.
        wa_message_id: String,
        /// The emoji; empty: no longer.
        emoji: String,
    },
    /// It took an own post back.
    Revoked {
        /// WhatsApp's id of the post.
        wa_message_id: String,
    },
}
