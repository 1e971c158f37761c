//! Groups in our words and in the library's: who is who, what the server says of a group, what its refusals mean.

use chrono::{DateTime, Utc};
use shared::address::{Address, Party};
use shared::group::{
    AddMode, Group, GroupKind, Invitation, Newsletter, NewsletterRole, Participant, ParticipantResult, Role,
};
use shared::problem::Code;
use whatsapp_rust::{
    Client, ErrorChainExt as _, GroupError, GroupMetadata, GroupParticipant, GroupType, Jid, MemberAddMode, MexError,
    NewsletterMetadata, NewsletterVerification, ParticipantChangeResponse, ParticipantType, group_type,
};

use super::foreign::foreign;
use super::incoming::{address, person};
use crate::engine::{OperationError, Person, SendError};

/// The session's account, by both of its ids.
#[derive(Debug, Clone, Default)]
pub(super) struct Me {
    phone: Option<String>,
    lid: Option<String>,
}

impl Me {
    pub(super) fn of(client: &Client) -> Self {
        let device = client.persistence_manager().get_device_snapshot();
        Self {
            phone: device.pn.as_ref().map(|jid| jid.user.to_string()),
            lid: device.lid.as_ref().map(|jid| jid.user.to_string()),
        }
    }

    /// Whether this is the account.
    pub(super) fn is(&self, party: &Party) -> bool {
        let same = |mine: &Option<String>, theirs: &Option<String>| mine.is_some() && mine == theirs;
        same(&self.phone, &party.phone) || same(&self.lid, &party.lid)
    }
}

/// Somebody by every id that is given.
pub(super) fn party(jid: &Jid, others: [Option<&Jid>; 2]) -> Option<Party> {
    let first = address(jid)?;
    let second = others
        .into_iter()
        .flatten()
        .filter_map(address)
        .find(|other| std::mem::discriminant(other) != std::mem::discriminant(&first));
    Some(Party::new(&first, second.as_ref()))
}

/// The same for news.
pub(super) fn somebody(jid: &Jid, others: [Option<&Jid>; 2]) -> Option<Person> {
    let other = others
        .into_iter()
        .flatten()
        .find(|other| std::mem::discriminant(&other.server) != std::mem::discriminant(&jid.server));
    person(jid, other)
}

fn role(participant: ParticipantType) -> Role {
    match participant {
        ParticipantType::Member => Role::Member,
        ParticipantType::Admin => Role::Admin,
        ParticipantType::SuperAdmin => Role::Owner,
    }
}

fn member(participant: &GroupParticipant) -> Option<Participant> {
    Some(Participant {
        party: party(
            &participant.jid,
            [participant.phone_number.as_ref(), participant.lid.as_ref()],
        )?,
        role: role(participant.participant_type),
    })
}

/// A time that WhatsApp gives in Unix seconds.
pub(super) fn time(seconds: Option<u64>) -> Option<DateTime<Utc>> {
    seconds
        .and_then(|seconds| i64::try_from(seconds).ok())
        .filter(|seconds| *seconds > 0)
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
}

/// What the server says of a group.
pub(super) fn group(metadata: &GroupMetadata, me: &Me) -> Group {
    let participants: Vec<Participant> = metadata.participants.iter().filter_map(member).collect();
    let role = participants
        .iter()
        .find(|member| me.is(&member.party))
        .map(|member| member.role);
    let counted = u32::try_from(participants.len()).unwrap_or(u32::MAX);
    let owner = metadata.creator.as_ref();
    Group {
        jid: metadata.id.to_string(),
        subject: foreign(&metadata.subject),
        description: metadata
            .description
            .as_deref()
            .filter(|text| !text.is_empty())
            .map(foreign),
        kind: match group_type(metadata) {
            GroupType::Community => GroupKind::Community,
            GroupType::LinkedAnnouncementGroup => GroupKind::Announcements,
            GroupType::LinkedGeneralGroup => GroupKind::General,
            _ => GroupKind::Group,
        },
        owner: owner.and_then(|jid| party(jid, [metadata.creator_pn.as_ref(), None])),
        community: metadata.parent_group_jid.as_ref().map(Jid::to_string),
        announce: metadata.is_announcement,
        locked: metadata.is_locked,
        approval: metadata.membership_approval,
        add_mode: match metadata.member_add_mode {
            Some(MemberAddMode::AllMemberAdd) => AddMode::Everyone,
            Some(MemberAddMode::AdminAdd) | None => AddMode::Admins,
        },
        ephemeral: metadata
            .ephemeral
            .as_ref()
            .and_then(|timer| timer.expiration)
            .unwrap_or_default(),
        size: metadata.size.unwrap_or(counted).max(counted),
        role,
        created_at: time(metadata.creation_time),
        participants,
    }
}

/// What the server answered about each of the people who were asked for, in that order.
pub(super) fn results(asked: &[Party], answers: &[ParticipantChangeResponse]) -> Vec<ParticipantResult> {
    let mut results = Vec::with_capacity(asked.len());
    for party in asked {
        let party = party.clone();
        let answer = answers.iter().find(|answer| {
            let answered = self::party(&answer.jid, [answer.phone_number.as_ref(), None]).unwrap_or_default();
            let same = |one: &Option<String>, other: &Option<String>| one.is_some() && one == other;
            same(&answered.phone, &party.phone) || same(&answered.lid, &party.lid)
        });
        // With one question there is no doubt which answer belongs to it, by whatever id it names the person.
        let answer = answer.or_else(|| (asked.len() == 1).then(|| answers.first()).flatten());
        let party = match answer.and_then(|answer| self::party(&answer.jid, [answer.phone_number.as_ref(), None])) {
            Some(answered) if party.lid.is_none() || party.phone.is_none() => merged(party, answered),
            _ => party,
        };
        let invitation = answer
            .and_then(|answer| answer.add_request.as_ref())
            .map(|invite| Invitation {
                code: foreign(&invite.code),
                expires_at: i64::try_from(invite.expiration).unwrap_or(i64::MAX),
            });
        let error = match answer {
            Some(answer) => answer.error.as_deref(),
            None => Some("none"),
        };
        results.push(ParticipantResult::new(party, error, invitation));
    }
    results
}

fn merged(one: Party, other: Party) -> Party {
    let phone = one.phone.or(other.phone);
    Party {
        jid: match &phone {
            Some(phone) => Address::Phone(phone.clone()).to_string(),
            None => one.jid,
        },
        phone,
        lid: one.lid.or(other.lid),
    }
}

/// A person by both ids, as far as the library knows the other one.
pub(super) async fn both_ids(client: &Client, person: &Address) -> Party {
    let other = match person.to_string().parse::<Jid>() {
        Ok(jid) => client.get_lid_pn_entry(&jid).await.ok().flatten(),
        Err(_) => None,
    };
    let other = other.map(|entry| match person {
        Address::Lid(_) => Address::Phone(entry.phone_number.to_string()),
        _ => Address::Lid(entry.lid.to_string()),
    });
    Party::new(person, other.as_ref())
}

/// Every member of a group but the account itself, as the group addresses them. They come from the library's cache, which follows the group's news; the
/// server is asked when they are not there.
pub(super) async fn others(client: &Client, group: &Jid) -> Result<Vec<Jid>, SendError> {
    let me = Me::of(client);
    let info = client
        .groups()
        .query_info(group)
        .await
        .map_err(|error| match group_failed(error) {
            OperationError::NotConnected => SendError::NotConnected,
            OperationError::Refused { detail, .. } => SendError::Refused(detail),
            OperationError::Failed(detail) => SendError::Failed(detail),
        })?;
    let others = info.participants.iter().filter(|member| {
        let known = address(member);
        known.is_some_and(|member| !me.is(&Party::new(&member, None)))
    });
    Ok(others.map(Jid::to_non_ad).collect())
}

/// What a newsletter's server says of it.
pub(super) fn newsletter(metadata: &NewsletterMetadata) -> Newsletter {
    use whatsapp_rust::NewsletterRole as Library;
    Newsletter {
        jid: metadata.jid.to_string(),
        name: foreign(&metadata.name),
        description: metadata
            .description
            .as_deref()
            .filter(|text| !text.is_empty())
            .map(foreign),
        followers: metadata.subscriber_count,
        verified: metadata.verification == NewsletterVerification::Verified,
        invite_code: metadata.invite_code.as_deref().map(foreign),
        picture_url: metadata.picture_url.as_deref().map(foreign),
        role: metadata.role.as_ref().map(|role| match role {
            Library::Owner => NewsletterRole::Owner,
            Library::Admin => NewsletterRole::Admin,
            Library::Subscriber => NewsletterRole::Follower,
            _ => NewsletterRole::Guest,
        }),
        created_at: time(metadata.creation_time),
    }
}

/// What a failure means: the connection is gone, WhatsApp said no (and why), or another try may help.
pub(super) fn failed<E: std::error::Error + Send + Sync + 'static>(error: E) -> OperationError {
    if error.is_transport_unavailable() {
        return OperationError::NotConnected;
    }
    if let Some(rejection) = error.server_rejection() {
        return refused(u32::from(rejection.code), rejection.text);
    }
    for cause in error.sources() {
        if let Some(MexError::ExtensionError { code, message }) = cause.downcast_ref::<MexError>() {
            return refused(u32::try_from(*code).unwrap_or_default(), message);
        }
    }
    OperationError::Failed(error.to_string())
}

/// A refusal by its number (wacore/src/iq/groups.rs:144 lists those of invitations; the others are as in HTTP).
fn refused(code: u32, text: &str) -> OperationError {
    let what = |meaning: &str| format!("{meaning} (WhatsApp's code {code}: {})", foreign(text));
    let (problem, detail) = match code {
        401 | 403 | 405 => (
            Code::NotPermittedOnWhatsapp,
            what("the account may not do this: it is no administrator, no member, or was removed"),
        ),
        404 => (Code::NotFoundOnWhatsapp, what("there is no such thing at WhatsApp")),
        410 => (Code::NotFoundOnWhatsapp, what("the invitation works no longer")),
        412 | 419 => (Code::WhatsappRefused, what("it is full")),
        423 => (Code::NotPermittedOnWhatsapp, what("it is locked")),
        501 => (Code::WhatsappRefused, what("WhatsApp does not know this")),
        429 => (Code::RateLimited, what("WhatsApp wants it slower")),
        500.. => return OperationError::Failed(what("WhatsApp could not do it")),
        _ => (Code::WhatsappRefused, what("WhatsApp refused")),
    };
    OperationError::Refused { code: problem, detail }
}

/// The same for groups: what the library itself refuses before anything is asked of WhatsApp cannot succeed later.
pub(super) fn group_failed(error: GroupError) -> OperationError {
    match error {
        GroupError::InvalidRequest(reason) => OperationError::refused(reason),
        other => failed(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> Me {
        Me {
            phone: Some("15550009999".into()),
            lid: Some("100000000009999".into()),
        }
    }

    #[test]
    fn somebody_is_known_by_both_ids_whichever_comes_first() {
        let phone: Jid = "15550001001@s.whatsapp.net".parse().unwrap();
        let lid: Jid = "100000000001001@lid".parse().unwrap();
        for party in [
            party(&phone, [None, Some(&lid)]).unwrap(),
            party(&lid, [Some(&phone), None]).unwrap(),
            party(&lid, [Some(&phone), Some(&lid)]).unwrap(),
        ] {
            assert_eq!(party.jid, "15550001001@s.whatsapp.net");
            assert_eq!(party.phone.as_deref(), Some("15550001001"));
            assert_eq!(party.lid.as_deref(), Some("100000000001001"));
        }
    }

    #[test]
    fn the_account_is_recognised_by_either_id_and_nobody_by_none() {
        let by_lid = Party {
            lid: Some("100000000009999".into()),
            ..Party::default()
        };
        assert!(me().is(&by_lid));
        assert!(!Me::default().is(&Party::default()), "two unknown ids are not the same");
    }

    #[test]
    fn a_refusal_says_what_it_means() {
        let code = |number| match refused(number, "no") {
            OperationError::Refused { code, detail } => {
                assert!(detail.contains(&number.to_string()), "{detail}");
                Some(code)
            }
            _ => None,
        };
        assert_eq!(code(403), Some(Code::NotPermittedOnWhatsapp));
        assert_eq!(code(401), Some(Code::NotPermittedOnWhatsapp));
        assert_eq!(code(404), Some(Code::NotFoundOnWhatsapp));
        assert_eq!(code(406), Some(Code::WhatsappRefused));
        assert_eq!(code(429), Some(Code::RateLimited));
        assert_eq!(code(500), None, "another try may help");
    }
}
