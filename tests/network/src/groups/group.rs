//! One group: its members, its texts and its settings, and what they allow whom.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use wacore_binary::{Jid, Server};

use super::Refusal;
use crate::accounts::{Account, Number, Spelling};

/// A group's identifier, the digits before `@g.us`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId(pub u64);

impl GroupId {
    /// From an address; `None` when it is not a group's.
    pub fn of(jid: &Jid) -> Option<Self> {
        (jid.server == Server::Group).then(|| Self::parse(&jid.user))?
    }

    /// From digits.
    pub fn parse(digits: &str) -> Option<Self> {
        digits.parse().ok().map(Self)
    }

    /// The address.
    pub fn jid(self) -> Jid {
        Jid::group(self.to_string())
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Nothing special.
    Member,
    /// Change the group.
    Admin,
    /// The founder: an admin that stays one.
    Founder,
}

impl Role {
    /// The `type` on the wire; members have none.
    pub fn wire_name(self) -> Option<&'static str> {
        match self {
            Self::Member => None,
            Self::Admin => Some("admin"),
            Self::Founder => Some("superadmin"),
        }
    }
}

/// A person in a group.
#[derive(Clone)]
pub struct Member {
    /// The person.
    pub account: Arc<Account>,
    /// What they may do.
    pub role: Role,
}

/// The group's name.
#[derive(Clone)]
pub struct Subject {
    /// The text.
    pub text: String,
    /// Who wrote it.
    pub author: Arc<Account>,
    /// When, in seconds since 1970.
    pub at: u64,
}

/// The group's description.
#[derive(Clone)]
pub struct Description {
    /// Names this version; whoever changes it names the version they saw.
    pub id: String,
    /// The text.
    pub text: String,
    /// Who wrote it.
    pub author: Arc<Account>,
    /// When, in seconds since 1970.
    pub at: u64,
}

/// How somebody came to ask for membership, as the wire names it (wacore src/stanza/groups.rs, `MembershipRequestMethod`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestMethod {
    /// By an invite link.
    InviteLink,
    /// From the community that the group belongs to.
    LinkedGroupJoin,
    /// A member that is no admin wanted to add them.
    NonAdminAdd,
}

impl RequestMethod {
    /// The name on the wire.
    pub fn wire_name(self) -> &'static str {
        match self {
            Self::InviteLink => "invite_link",
            Self::LinkedGroupJoin => "linked_group_join",
            Self::NonAdminAdd => "non_admin_add",
        }
    }
}

/// Somebody who wants to be a member.
#[derive(Clone)]
pub struct JoinRequest {
    /// Who.
    pub account: Arc<Account>,
    /// How.
    pub method: RequestMethod,
    /// When, in seconds since 1970.
    pub at: u64,
}

/// An invitation to one person whose privacy settings forbid adding them.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// For whom.
    pub invited: Number,
    /// From which admin.
    pub admin: Number,
    /// Until when, in seconds since 1970.
    pub expires: u64,
}

/// What a community is, beyond a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Whether new members of its groups need an admin's approval.
    pub closed: bool,
    /// Whether members may add groups to it.
    pub open_to_new_groups: bool,
}

/// A group's settings; all are off in a new group.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Only admins send messages.
    pub announcement: bool,
    /// Only admins change subject, description and the lifetime of messages.
    pub locked: bool,
    /// How long messages live, in seconds; 0 for ever.
    pub ephemeral: u32,
    /// Every member may add others.
    pub open_to_members: bool,
    /// Admins approve new members.
    pub approval: bool,
    /// Further switches, by their names on the wire.
    pub switches: BTreeSet<&'static str>,
}

/// A group.
pub struct Group {
    /// Its identifier.
    pub id: GroupId,
    /// How members are addressed in it.
    pub addressing: Spelling,
    /// Who created it.
    pub founder: Arc<Account>,
    /// When, in seconds since 1970.
    pub created: u64,
    /// The members, in the order in which they joined.
    pub members: Vec<Member>,
    /// The name.
    pub subject: Subject,
    /// The description.
    pub description: Option<Description>,
    /// The settings.
    pub settings: Settings,
    /// The code of its invite link.
    pub invite_code: String,
    /// Who wants to be a member.
    pub requests: Vec<JoinRequest>,
    /// Invitations by code.
    pub invitations: HashMap<String, Invitation>,
    /// Set for communities.
    pub parent: Option<Parent>,
    /// The community it belongs to.
    pub linked_parent: Option<GroupId>,
    /// Whether it is its community's announcement group, which every member of the community is in.
    pub default_sub_group: bool,
    /// Whether it is its community's general chat.
    pub general_chat: bool,
}

impl Group {
    /// The address.
    pub fn jid(&self) -> Jid {
        self.id.jid()
    }

    /// How a person is addressed in this group.
    pub fn address_of(&self, account: &Account) -> Jid {
        account.jid(self.addressing, 0)
    }

    /// A member.
    pub fn member(&self, number: Number) -> Option<&Member> {
        self.members.iter().find(|member| member.account.number == number)
    }

    /// A member, to change it.
    pub fn member_mut(&mut self, number: Number) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.account.number == number)
    }

    /// Whether a person is in the group.
    pub fn is_member(&self, number: Number) -> bool {
        self.member(number).is_some()
    }

    /// Whether a person is an admin.
    pub fn is_admin(&self, number: Number) -> bool {
        self.member(number).is_some_and(|member| member.role > Role::Member)
    }

    /// The persons in the group.
    pub fn accounts(&self) -> Vec<Arc<Account>> {
        self.members.iter().map(|member| Arc::clone(&member.account)).collect()
    }

    /// The admins.
    pub fn admins(&self) -> Vec<Arc<Account>> {
        let admins = self.members.iter().filter(|member| member.role > Role::Member);
        admins.map(|member| Arc::clone(&member.account)).collect()
    }

    /// Takes somebody out; false when they were not in.
    pub fn take_out(&mut self, number: Number) -> bool {
        let before = self.members.len();
        self.members.retain(|member| member.account.number != number);
        self.members.len() < before
    }

    /// Puts somebody in and forgets their requests and invitations; false when they were in already.
    pub fn put_in(&mut self, account: &Arc<Account>, role: Role) -> bool {
        if self.is_member(account.number) {
            return false;
        }
        self.members.push(Member {
            account: Arc::clone(account),
            role,
        });
        self.requests.retain(|request| request.account.number != account.number);
        self.invitations
            .retain(|_, invitation| invitation.invited != account.number);
        true
    }

    /// Only members may go on.
    ///
    /// # Errors
    /// The person is not a member.
    pub fn require_member(&self, number: Number) -> Result<(), Refusal> {
        self.is_member(number).then_some(()).ok_or(Refusal::NotAMember)
    }

    /// Only admins may go on.
    ///
    /// # Errors
    /// The person is not a member or not an admin.
    pub fn require_admin(&self, number: Number) -> Result<(), Refusal> {
        self.require_member(number)?;
        self.is_admin(number).then_some(()).ok_or(Refusal::NotAnAdmin)
    }

    /// Members may go on, in a locked group only admins.
    ///
    /// # Errors
    /// The person is not a member, or not an admin of a locked group.
    pub fn require_editor(&self, number: Number) -> Result<(), Refusal> {
        if self.settings.locked {
            return self.require_admin(number);
        }
        self.require_member(number)
    }

    /// Whether a person may send messages.
    ///
    /// # Errors
    /// The person is not a member, or not an admin of a group in which only admins send.
    pub fn require_sender(&self, number: Number) -> Result<(), Refusal> {
        if self.settings.announcement {
            return self.require_admin(number);
        }
        self.require_member(number)
    }
}
