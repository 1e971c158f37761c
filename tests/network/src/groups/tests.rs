//! The rules of groups, without any client.

use std::sync::Arc;

use wacore_binary::Jid;

use super::create::{NewGroup, create};
use super::group::{Parent, Settings};
use super::invites::{self, Joined};
use super::participants::{add, leave, remove, set_role};
use super::settings::{Setting, set, set_description, set_subject};
use super::{Actor, GroupId, Refusal, Role, community, requests};
use crate::accounts::directory::NewAccount;
use crate::accounts::{Account, Spelling};
use crate::{Config, Network, Running};

struct Place {
    running: Running,
    ada: Arc<Account>,
    grace: Arc<Account>,
    mary: Arc<Account>,
}

impl Place {
    async fn new() -> Self {
        let running = Network::start(Config::default()).await.unwrap();
        let person = || {
            let network = running.network();
            network.accounts.get_or_create(&network.seed, NewAccount::default())
        };
        let (ada, grace, mary) = (person(), person(), person());
        Self {
            running,
            ada,
            grace,
            mary,
        }
    }

    fn network(&self) -> &Arc<Network> {
        self.running.network()
    }

    fn by<'a>(&'a self, account: &'a Arc<Account>) -> Actor<'a> {
        Actor {
            network: self.network(),
            account,
        }
    }

    /// A group of Ada and Grace.
    fn group(&self, settings: Settings) -> GroupId {
        let new = NewGroup {
            subject: "Group".to_owned(),
            participants: vec![self.grace.jid(Spelling::Lid, 0)],
            settings,
            ..NewGroup::default()
        };
        create(self.by(&self.ada), &mut self.network().groups.lock(), new)
            .unwrap()
            .0
    }
}

fn person(account: &Account) -> Vec<Jid> {
    vec![account.jid(Spelling::Number, 0)]
}

#[tokio::test]
async fn each_person_who_is_added_has_an_outcome() {
    let place = Place::new().await;
    let id = place.group(Settings::default());
    let mut table = place.network().groups.lock();
    table.set_closed(place.mary.number, true);
    let wanted = [
        place.grace.jid(Spelling::Number, 0),
        Jid::pn("15559999999"),
        place.mary.jid(Spelling::Lid, 0),
    ];
    let outcomes = add(place.by(&place.ada), &mut table, id, &wanted).unwrap();
    let codes: Vec<Option<u16>> = outcomes.iter().map(|outcome| outcome.error).collect();
    assert_eq!(codes, [Some(409), Some(404), Some(403)]);
    assert_eq!(
        outcomes[0].jid,
        place.grace.jid(Spelling::Lid, 0),
        "as addressed in the group"
    );

    // The invitation is for her alone and works once.
    let (code, _) = outcomes[2].invitation.clone().unwrap();
    let stranger = place
        .network()
        .accounts
        .get_or_create(&place.network().seed, NewAccount::default());
    let refused = invites::accept(place.by(&stranger), &mut table, id, &code);
    assert_eq!(refused, Err(Refusal::Gone));
    let joined = invites::accept(place.by(&place.mary), &mut table, id, &code);
    assert_eq!(joined, Ok(Joined::Member(id)));
    assert!(table.get(id).unwrap().invitations.is_empty());
}

#[tokio::test]
async fn only_members_look_and_only_admins_change() {
    let place = Place::new().await;
    let id = place.group(Settings {
        locked: true,
        announcement: true,
        ..Settings::default()
    });
    let mut table = place.network().groups.lock();
    let (grace, mary) = (place.by(&place.grace), place.by(&place.mary));
    assert_eq!(set_subject(mary, &mut table, id, "Mine"), Err(Refusal::NotAMember));
    assert_eq!(set_subject(grace, &mut table, id, "Mine"), Err(Refusal::NotAnAdmin));
    assert_eq!(
        table.get(id).unwrap().require_sender(place.grace.number),
        Err(Refusal::NotAnAdmin)
    );
    assert_eq!(
        add(grace, &mut table, id, &person(&place.mary)).unwrap_err(),
        Refusal::NotAnAdmin
    );
    let open = Setting::OpenToMembers(true);
    assert_eq!(set(grace, &mut table, id, open), Err(Refusal::NotAnAdmin));
    set(place.by(&place.ada), &mut table, id, open).unwrap();
    add(grace, &mut table, id, &person(&place.mary)).unwrap();
    assert!(table.get(id).unwrap().is_member(place.mary.number));
}

#[tokio::test]
async fn whoever_changes_a_description_must_have_seen_the_last_one() {
    let place = Place::new().await;
    let id = place.group(Settings::default());
    let mut table = place.network().groups.lock();
    let ada = place.by(&place.ada);
    let version = |id: &str| Some((id.to_owned(), "text".to_owned()));
    set_description(ada, &mut table, id, None, version("A")).unwrap();
    assert_eq!(
        set_description(ada, &mut table, id, None, version("B")),
        Err(Refusal::Conflict)
    );
    set_description(ada, &mut table, id, Some("A"), version("B")).unwrap();
    assert_eq!(
        set_description(ada, &mut table, id, Some("A"), None),
        Err(Refusal::Conflict)
    );
    set_description(ada, &mut table, id, Some("B"), None).unwrap();
    assert!(table.get(id).unwrap().description.is_none());
}

#[tokio::test]
async fn the_founder_stays_an_admin_and_leaves_an_heir() {
    let place = Place::new().await;
    let id = place.group(Settings::default());
    let mut table = place.network().groups.lock();
    let (ada, grace) = (place.by(&place.ada), place.by(&place.grace));
    set_role(ada, &mut table, id, &person(&place.grace), true).unwrap();
    let founder = person(&place.ada);
    assert_eq!(
        set_role(grace, &mut table, id, &founder, false).unwrap()[0].error,
        Some(403)
    );
    assert_eq!(
        remove(grace, &mut table, id, &founder, false).unwrap()[0].error,
        Some(403)
    );
    assert_eq!(
        remove(grace, &mut table, id, &person(&place.mary), false).unwrap()[0].error,
        Some(404)
    );
    set_role(ada, &mut table, id, &person(&place.grace), false).unwrap();
    leave(ada, &mut table, id).unwrap();
    assert_eq!(
        table.get(id).unwrap().member(place.grace.number).unwrap().role,
        Role::Admin
    );
    assert_eq!(leave(ada, &mut table, id), Err(Refusal::NotAMember));
}

#[tokio::test]
async fn a_link_leads_in_until_it_is_reset_and_an_admin_may_have_to_approve() {
    let place = Place::new().await;
    let id = place.group(Settings::default());
    let mut table = place.network().groups.lock();
    let (ada, mary) = (place.by(&place.ada), place.by(&place.mary));
    assert_eq!(
        invites::code(place.by(&place.grace), &table, id),
        Err(Refusal::NotAnAdmin)
    );
    let old = invites::code(ada, &table, id).unwrap();
    let new = invites::reset(ada, &mut table, id).unwrap();
    assert_eq!(invites::join(mary, &mut table, &old), Err(Refusal::Gone));
    assert_eq!(invites::join(mary, &mut table, "nonsense"), Err(Refusal::NotAcceptable));
    set(ada, &mut table, id, Setting::Approval(true)).unwrap();
    assert_eq!(invites::join(mary, &mut table, &new), Ok(Joined::Requested(id)));
    assert_eq!(
        invites::join(mary, &mut table, &new),
        Ok(Joined::Requested(id)),
        "asking twice is asking once"
    );
    assert_eq!(table.get(id).unwrap().requests.len(), 1);
    let decided = requests::decide(ada, &mut table, id, &person(&place.mary), true).unwrap();
    assert_eq!(decided, [(place.mary.jid(Spelling::Lid, 0), None)]);
    assert!(table.get(id).unwrap().is_member(place.mary.number));
    assert_eq!(invites::join(mary, &mut table, &new), Err(Refusal::Conflict));
}

#[tokio::test]
async fn who_is_out_of_a_community_is_out_of_its_groups() {
    let place = Place::new().await;
    let mut table = place.network().groups.lock();
    let ada = place.by(&place.ada);
    let community = NewGroup {
        subject: "Village".to_owned(),
        parent: Some(Parent {
            closed: false,
            open_to_new_groups: false,
        }),
        ..NewGroup::default()
    };
    let (parent, _) = create(ada, &mut table, community).unwrap();
    let sub = |by: &Account| NewGroup {
        subject: "Choir".to_owned(),
        participants: person(by),
        linked_parent: Some(parent),
        ..NewGroup::default()
    };
    let refused = create(place.by(&place.grace), &mut table, sub(&place.mary));
    assert_eq!(refused.unwrap_err(), Refusal::NotAMember);
    create(ada, &mut table, sub(&place.grace)).unwrap();
    let of_grace = |table: &super::Table| table.of_member(place.grace.number).count();
    assert_eq!(of_grace(&table), 3, "the choir, the community and its announcements");
    remove(ada, &mut table, parent, &person(&place.grace), true).unwrap();
    assert_eq!(of_grace(&table), 0);
    community::delete(ada, &mut table, parent).unwrap();
    let left: Vec<&str> = table.all().map(|group| group.subject.text.as_str()).collect();
    assert_eq!(left, ["Choir"]);
}
