//! Groups as clients read and change them: what a holder has recorded, and what becomes of requests. WhatsApp is not part of these stories.

use std::time::Duration;

use futures::StreamExt as _;
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::address::Party;
use shared::command::{Command, Envelope};
use shared::group::{AddMode, Group, GroupKind, GroupSettings, Participant, ParticipantAction, Role};
use shared::ids::SessionId;
use shared::operation::{GroupOperation, Operation};
use shared::query::{Answer, GroupLookup, Lookup, Query, Question};
use shared::store::read_model::{Change, GroupChange};
use shared::store::records::Facts;
use shared::store::{Scope, Store};
use shared::subject;
use tokio::time::timeout;

use crate::gateway::{Options, REGION, World};
use harness::scratch::Nats;
use harness::wait::{SOON, until};

/// The claim of a session that [`crate::database::Database::hold`] has given to a worker once.
const EPOCH: i64 = 1;

/// A store as a worker has it.
pub(crate) fn store_of_a_worker(world: &World) -> Store {
    let url = SecretString::from(world.database.url(None));
    Store::connect(&url, 2, REGION.parse().unwrap(), Scope::Everyone).unwrap()
}

/// Records changes as the session's holder does.
pub(crate) async fn record(store: &Store, session: SessionId, changes: Vec<Change>) {
    let facts = Facts {
        changes,
        ..Facts::default()
    };
    store.record(session, EPOCH, &facts).await.unwrap();
}

fn person(last: &str) -> Party {
    Party {
        jid: format!("1555000{last}@s.whatsapp.net"),
        phone: Some(format!("1555000{last}")),
        lid: Some(format!("10000000000{last}")),
    }
}

fn group(jid: &str, subject: &str, kind: GroupKind, members: &[(&str, Role)]) -> Change {
    let participants: Vec<Participant> = members
        .iter()
        .map(|(last, role)| Participant {
            party: person(last),
            role: *role,
        })
        .collect();
    Change::Group(GroupChange::Known(Box::new(Group {
        jid: jid.to_owned(),
        subject: subject.to_owned(),
        description: Some("What it is about".to_owned()),
        kind,
        owner: Some(person("1001")),
        community: None,
        announce: false,
        locked: false,
        approval: false,
        add_mode: AddMode::Everyone,
        ephemeral: 0,
        size: u32::try_from(participants.len()).unwrap(),
        role: Some(Role::Member),
        created_at: None,
        participants,
    })))
}

fn jids(answer: &Value) -> Vec<&str> {
    let groups = answer["data"].as_array().unwrap();
    groups.iter().map(|group| group["jid"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn recorded_groups_are_listed_searched_and_read_with_their_members() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    world.database.hold(session).await;
    let store = store_of_a_worker(&world);
    let members = [("1001", Role::Owner), ("1002", Role::Member)];
    let (first, second, third) = ("10000000001@g.us", "10000000002@g.us", "10000000003@g.us");
    let changes = vec![
        group(first, "Support 100%", GroupKind::Group, &members),
        group(second, "support, second line", GroupKind::Group, &members),
        group(third, "Neighbours", GroupKind::Community, &members),
        Change::Group(GroupChange::AllKnown {
            jids: [first, second, third].map(str::to_owned).to_vec(),
        }),
    ];
    record(&store, session, changes).await;

    let path = format!("/v1/sessions/{session}/groups");
    let page = tenant.client.get(&format!("{path}?limit=2")).await.expect(200);
    assert_eq!(jids(&page.json), [first, second]);
    assert!(
        page.json["data"][0].get("participants").is_none(),
        "a list has no members"
    );
    let cursor = page.text("/next_cursor");
    let rest = tenant
        .client
        .get(&format!("{path}?limit=2&cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!(jids(&rest.json), [third]);
    assert_eq!(rest.json["next_cursor"], Value::Null);
    for (query, found) in [
        ("search=SUPPORT", vec![first, second]),
        ("search=100%25", vec![first]),
        ("search=_", vec![]),
        ("kind=community", vec![third]),
        ("kind=group&kind=community&search=neigh", vec![third]),
    ] {
        let page = tenant.client.get(&format!("{path}?{query}")).await.expect(200);
        assert_eq!(jids(&page.json), found, "{query}");
    }
    let read = tenant.client.get(&format!("{path}/{first}")).await.expect(200);
    assert_eq!(read.json["subject"], "Support 100%");
    assert_eq!(
        read.json["participants"],
        json!([
            {"jid": "15550001001@s.whatsapp.net", "phone": "15550001001", "lid": "100000000001001", "role": "owner"},
            {"jid": "15550001002@s.whatsapp.net", "phone": "15550001002", "lid": "100000000001002", "role": "member"},
        ])
    );
    // Another tenant's session has none of it.
    let stranger = world.tenant().await;
    stranger
        .client
        .get(&path)
        .await
        .expect(404)
        .expect_problem("session_not_found");
}

#[tokio::test]
async fn a_group_follows_what_is_told_of_it() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    world.database.hold(session).await;
    let store = store_of_a_worker(&world);
    let jid = "10000000001@g.us";
    let members = [("1001", Role::Owner), ("1002", Role::Member)];
    let participants = |action, people: Vec<Party>| {
        Change::Group(GroupChange::Participants {
            group: jid.to_owned(),
            action,
            participants: people,
        })
    };
    record(&store, session, vec![group(jid, "Support", GroupKind::Group, &members)]).await;
    let by_lid_only = Party {
        jid: "100000000001003@lid".to_owned(),
        phone: None,
        lid: Some("100000000001003".to_owned()),
    };
    let changes = vec![
        participants(ParticipantAction::Add, vec![by_lid_only]),
        // The same person again, now with the phone number: still one member.
        participants(ParticipantAction::Add, vec![person("1003")]),
        participants(ParticipantAction::Promote, vec![person("1003")]),
        participants(ParticipantAction::Remove, vec![person("1002")]),
        Change::Group(GroupChange::Settings {
            group: jid.to_owned(),
            settings: GroupSettings {
                subject: Some("Support 24/7".to_owned()),
                description: Some(String::new()),
                announce: Some(true),
                ephemeral: Some(86_400),
                ..GroupSettings::default()
            },
        }),
        // Nothing is known of this one: it is read as a whole when somebody asks.
        Change::Group(GroupChange::Participants {
            group: "10000000009@g.us".to_owned(),
            action: ParticipantAction::Add,
            participants: vec![person("1003")],
        }),
    ];
    record(&store, session, changes).await;

    let path = format!("/v1/sessions/{session}/groups/{jid}");
    let read = tenant.client.get(&path).await.expect(200).json;
    assert_eq!(read["subject"], "Support 24/7");
    assert_eq!(read["description"], Value::Null, "an empty description is none");
    assert_eq!((&read["announce"], &read["locked"]), (&json!(true), &json!(false)));
    assert_eq!((&read["ephemeral"], &read["size"]), (&json!(86_400), &json!(2)));
    let roles: Vec<(&str, &str)> = read["participants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| (member["phone"].as_str().unwrap(), member["role"].as_str().unwrap()))
        .collect();
    assert_eq!(roles, [("15550001001", "owner"), ("15550001003", "admin")]);
    assert_eq!(world.database.count("group_info").await, 1);

    // What is sent into the group disappears when the rest of it does.
    let messages = format!("/v1/sessions/{session}/messages");
    let body = json!({"to": jid, "type": "text", "text": {"body": "Hello"}});
    let sent = tenant.client.post(&messages, body).await.expect(202);
    let stored = tenant.client.get(&format!("{messages}/{}", sent.text("/id"))).await;
    assert_eq!(stored.json["ephemeral"], 86_400);

    // A list without it: the account has left.
    record(
        &store,
        session,
        vec![Change::Group(GroupChange::AllKnown { jids: Vec::new() })],
    )
    .await;
    let read = tenant.client.get(&path).await.expect(200).json;
    assert_eq!(read["role"], Value::Null);
    let list = format!("/v1/sessions/{session}/groups");
    assert_eq!(tenant.client.get(&list).await.expect(200).json["data"], json!([]));
    let left = tenant.client.get(&format!("{list}?left=true")).await.expect(200);
    assert_eq!(jids(&left.json), [jid]);

    // Nothing of it outlives the session.
    assert!(store.remove_session(session, EPOCH).await.unwrap());
    for table in ["group_info", "group_participant", "group_sync"] {
        assert_eq!(world.database.count(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn what_is_asked_of_a_group_reaches_the_holder_and_its_result_the_client() {
    let nats = Nats::start().await;
    let world = World::with(Options {
        nats: Some(nats.url()),
        ..Options::default()
    })
    .await;
    until("the gateway is connected to its broker", SOON, async || {
        world.gateway.app.broker().is_connected().then_some(())
    })
    .await;
    let somebody = async_nats::connect(nats.url()).await.unwrap();
    let region = world.gateway.app.region();
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let worker = world.database.hold(session).await;
    let mut commands = somebody.subscribe(subject::commands_of(region, worker)).await.unwrap();
    let mut questions = somebody.subscribe(subject::queries_of(region, worker)).await.unwrap();
    somebody.flush().await.unwrap();

    let path = format!("/v1/sessions/{session}/groups");
    let body = json!({"subject": "Support", "participants": ["15550001001"], "announce": true});
    let call = tenant.client.post(&path, body);
    let result = json!({"jid": "10000000001@g.us", "results": []});
    let work = async {
        let message = timeout(SOON, commands.next()).await.unwrap().unwrap();
        let envelope = Envelope::decode(&message.payload).unwrap();
        world
            .database
            .finish_command(envelope.id, None, Some(result.clone()))
            .await;
        envelope.command
    };
    let (answer, command) = tokio::join!(call, work);
    assert_eq!(answer.expect(200).json, result);
    let Command::Operation(Operation::Group(GroupOperation::Create { settings, participants })) = command else {
        panic!("a group is made by an operation: {command:?}");
    };
    assert_eq!(settings.subject.as_deref(), Some("Support"));
    assert_eq!((settings.announce, settings.locked), (Some(true), None));
    assert_eq!(participants, ["15550001001".parse().unwrap()]);

    // A refusal is a problem with its own status.
    let leave = format!("{path}/10000000001@g.us/leave");
    let leave = tenant.client.post(&leave, json!({}));
    let work = async {
        let message = timeout(SOON, commands.next()).await.unwrap().unwrap();
        let id = Envelope::decode(&message.payload).unwrap().id;
        let refusal = Some(("not_permitted_on_whatsapp", "no member"));
        world.database.finish_command(id, refusal, None).await;
    };
    let (answer, ()) = tokio::join!(leave, work);
    answer.expect(403).expect_problem("not_permitted_on_whatsapp");

    // A group of which nothing is recorded is asked for.
    let path = format!("{path}/10000000002@g.us");
    let get = tenant.client.get(&path);
    let answering = async {
        let message = timeout(SOON, questions.next()).await.unwrap().unwrap();
        let question: Question = serde_json::from_slice(&message.payload).unwrap();
        let wanted = Lookup::Group(GroupLookup::Metadata {
            group: "10000000002@g.us".parse().unwrap(),
        });
        assert_eq!(question.query, Query::LookUp { what: wanted });
        let refused = Answer::Refused {
            code: "not_found_on_whatsapp".to_owned(),
            detail: "no such group".to_owned(),
        };
        let reply = serde_json::to_vec(&refused).unwrap();
        somebody.publish(message.reply.unwrap(), reply.into()).await.unwrap();
        somebody.flush().await.unwrap();
    };
    let (answer, ()) = timeout(Duration::from_secs(20), async { tokio::join!(get, answering) })
        .await
        .unwrap();
    answer.expect(404).expect_problem("not_found_on_whatsapp");
}

#[tokio::test]
async fn wrong_requests_about_groups_name_their_fields_and_do_nothing() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let groups = format!("/v1/sessions/{session}/groups");
    let one = format!("{groups}/10000000001@g.us");
    for (method, path, body, field) in [
        ("POST", groups.clone(), json!({}), "subject"),
        ("POST", groups.clone(), json!({"subject": " "}), "subject"),
        ("POST", groups.clone(), json!({"subject": "x".repeat(101)}), "subject"),
        ("POST", groups.clone(), json!({"subject": "a\0"}), "subject"),
        (
            "POST",
            groups.clone(),
            json!({"subject": "a", "participants": ["1@g.us"]}),
            "participants[0]",
        ),
        (
            "POST",
            groups.clone(),
            json!({"subject": "a", "participants": ["15550001001", "+15550001001"]}),
            "participants[1]",
        ),
        (
            "POST",
            groups.clone(),
            json!({"subject": "a", "ephemeral": 60}),
            "ephemeral",
        ),
        (
            "POST",
            groups.clone(),
            json!({"subject": "a", "add_mode": "nobody"}),
            "add_mode",
        ),
        ("PATCH", one.clone(), json!({}), ""),
        ("PATCH", one.clone(), json!({"picture": "x"}), "picture"),
        (
            "PATCH",
            one.clone(),
            json!({"description": "x".repeat(2_049)}),
            "description",
        ),
        (
            "POST",
            format!("{one}/participants"),
            json!({"participants": []}),
            "participants",
        ),
        (
            "DELETE",
            format!("{one}/participants"),
            json!({"participants": ["nobody"]}),
            "participants[0]",
        ),
        (
            "POST",
            format!("{one}/requests"),
            json!({"action": "ignore", "participants": ["15550001001"]}),
            "action",
        ),
        ("PUT", format!("{one}/picture"), json!({"base64": "aGVsbG8="}), "base64"),
        (
            "POST",
            format!("{groups}/join"),
            json!({"code": "https://example.com/abc"}),
            "code",
        ),
        (
            "POST",
            format!("{groups}/join"),
            json!({"code": "abcd1234", "group": "15550001001"}),
            "group",
        ),
        ("GET", format!("{groups}/invite-info?code=a"), Value::Null, "code"),
        (
            "GET",
            format!("{groups}?search={}", "x".repeat(101)),
            Value::Null,
            "search",
        ),
        ("GET", format!("{groups}?cursor=abc"), Value::Null, "cursor"),
        (
            "POST",
            format!("/v1/sessions/{session}/communities"),
            json!({"name": ""}),
            "name",
        ),
        (
            "POST",
            format!("/v1/sessions/{session}/communities/10000000001@g.us/groups/link"),
            json!({"groups": ["1"]}),
            "groups[0]",
        ),
        (
            "POST",
            format!("/v1/sessions/{session}/newsletters"),
            json!({"name": ""}),
            "name",
        ),
        (
            "PATCH",
            format!("/v1/sessions/{session}/newsletters/10000000001@newsletter"),
            json!({}),
            "",
        ),
        (
            "PUT",
            format!("/v1/sessions/{session}/newsletters/10000000001@newsletter/messages/7/reaction"),
            json!({"emoji": "a b"}),
            "emoji",
        ),
        (
            "GET",
            format!("/v1/sessions/{session}/newsletters/10000000001@newsletter/messages?limit=0"),
            Value::Null,
            "limit",
        ),
    ] {
        let call = tenant.client.call(method, &path);
        let answer = if body.is_null() {
            call.send().await
        } else {
            call.json(&body).send().await
        };
        let answer = answer.expect(422).expect_problem("validation_failed");
        assert_eq!(
            answer.json["errors"][0]["field"], field,
            "{method} {path}: {}",
            answer.json
        );
    }
    for path in [
        format!("{groups}/nonsense"),
        format!("{groups}/15550001001@s.whatsapp.net"),
        format!("/v1/sessions/{session}/newsletters/10000000001@g.us"),
    ] {
        let answer = tenant.client.get(&path).await;
        answer.expect(404).expect_problem("not_found_on_whatsapp");
    }
    assert_eq!(world.database.count("command").await, 0);
}
