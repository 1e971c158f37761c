//! Groups of the CRM's API.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Map, Value, json};
use shared::address::Address;
use shared::dialect::crm;
use shared::group::{
    CreatedGroup, Group, InviteCode, JoinOutcome, JoinedGroup, Participant, ParticipantOutcome, ParticipantResult,
    ParticipantResults, Role,
};
use shared::problem::Code;
use shared::store::groups::GroupFilter;

use super::{About, Client, done, made, ok};
use crate::api::groups::invites::{get_invite_code, join_group};
use crate::api::groups::list::{get_group, know};
use crate::api::groups::manage::{create_group, update_group};
use crate::api::groups::participants::{add_group_participants, promote_group_participants, remove_group_participants};
use crate::app::App;
use crate::auth::permission::{ReadMessages, SendMessages};
use crate::database::promptly;
use crate::dialect::fields::Fields;
use crate::dialect::sending::{self, outcome};
use crate::dialect::words;
use crate::http::body::{self, Document, Submission};
use crate::http::checks::Checks;
use crate::http::jid::GroupJid;
use crate::http::parameters::{self, Parameters};
use crate::http::prefer::Prefer;
use crate::problem::Problem;

/// How many groups a page has if not said.
const USUAL_GROUPS: i64 = 20;
/// How long a change waits for WhatsApp.
const PATIENCE: Prefer = Prefer {
    wait: Some(Duration::from_secs(15)),
};

/// The routes.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/groups/sessions/{session}", get(list).post(create))
        .route("/api/groups/sessions/{session}/groups/{group}", get(read).put(update))
        .route(
            "/api/groups/sessions/{session}/groups/{group}/participants",
            post(add).delete(remove),
        )
        .route("/api/groups/sessions/{session}/groups/{group}/promote", post(promote))
        .route(
            "/api/groups/sessions/{session}/groups/{group}/invite-code",
            post(invite_code),
        )
        .route("/api/groups/join-with-code", post(join))
}

/// A group in a list.
fn shown(group: &Group) -> Value {
    json!({
        "id": group.jid,
        "subject": group.subject,
        "description": group.description,
        "owner": group.owner.as_ref().map(crm::address),
        "participantsCount": group.size,
        "isAdmin": group.role.is_some_and(|role| role != Role::Member),
        "isActive": group.role.is_some(),
        "announce": group.announce,
        "restrict": group.locked,
        "createdAt": group.created_at.map(shared::timestamp::text),
    })
}

/// A group with its members.
fn whole(group: &Group) -> Value {
    let participant = |one: &Participant| {
        json!({
            "id": crm::address(&one.party),
            "phoneNumber": one.party.phone,
            "isAdmin": one.role != Role::Member,
            "isSuperAdmin": one.role == Role::Owner,
        })
    };
    let mut value = shown(group);
    value["participants"] = group.participants.iter().map(participant).collect();
    value
}

/// How it ended for one person.
fn result(result: &ParticipantResult) -> Value {
    json!({
        "participantId": crm::address(&result.party),
        "success": has_succeeded(result),
        "code": result.code,
        "inviteCode": result.invitation.as_ref().map(|invitation| &invitation.code),
    })
}

/// Whether the person is now what the client wants; a member who is to be added is one already.
fn has_succeeded(result: &ParticipantResult) -> bool {
    result.outcome == ParticipantOutcome::Done || result.code.as_deref() == Some("already_member")
}

/// What is said where it was done for nobody.
fn failure(result: &ParticipantResult) -> Problem {
    let (code, text) = match result.code.as_deref() {
        Some("privacy") => (
            Code::NotPermittedOnWhatsapp,
            "La privacidad del participante no permite agregarlo: envíele un código de invitación",
        ),
        Some("not_found") => (
            Code::NotFoundOnWhatsapp,
            "El participante no está en el grupo o no usa WhatsApp",
        ),
        Some("recently_left") => (
            Code::NotPermittedOnWhatsapp,
            "El participante salió del grupo hace poco",
        ),
        Some("full") => (Code::WhatsappRefused, "El grupo está completo"),
        Some("not_permitted") => (
            Code::NotPermittedOnWhatsapp,
            "La cuenta no tiene permiso para cambiar a los participantes del grupo",
        ),
        _ => (
            Code::WhatsappRefused,
            "WhatsApp rechazó la operación para el participante",
        ),
    };
    Problem::new(code, "WhatsApp has refused it for everybody who was named.").said(text)
}

/// The group that a text names, with or without `@g.us`.
fn group_named(text: &str) -> Result<Address, Problem> {
    let whole = match text.contains('@') {
        true => text.to_owned(),
        false => format!("{text}@g.us"),
    };
    match whole.parse() {
        Ok(group @ Address::Group(_)) => Ok(group),
        _ => Err(no_group()),
    }
}

fn no_group() -> Problem {
    Problem::new(Code::NotFoundOnWhatsapp, "There is no such group.").said("Grupo no encontrado")
}

/// What a group's clients are told where WhatsApp refuses.
fn explained(problem: Problem) -> Problem {
    match problem.code() {
        Code::NotFoundOnWhatsapp if problem.saying().is_none() => problem.said("Grupo no encontrado"),
        Code::NotPermittedOnWhatsapp if problem.saying().is_none() => {
            problem.said("La cuenta no participa en el grupo o no es administradora")
        }
        _ => problem,
    }
}

impl<P> About<P> {
    fn group(&self) -> Result<GroupJid, Problem> {
        group_named(self.part("group")).map(GroupJid)
    }
}

/// A request of the canonical API.
fn submission<T: serde::de::DeserializeOwned>(value: &Value) -> Result<Submission<T>, Problem> {
    Ok(Submission {
        body: body::parse(value.to_string().as_bytes())?,
        idempotency: None,
    })
}

/// `GET /api/groups/sessions/{sessionId}`.
async fn list(State(app): State<App>, about: About<ReadMessages>) -> Result<Response, Problem> {
    let paging = about.asked.paging(USUAL_GROUPS)?;
    let search = about.asked.get("search").map(str::to_owned);
    if let Some(search) = &search {
        let mut checks = Checks::new();
        checks.text("search", search, 1..=100);
        checks.finish()?;
    }
    know(&app, &about.call, false).await?;
    let filter = GroupFilter {
        search,
        skip: paging.skip(),
        ..GroupFilter::default()
    };
    let (groups, total) = promptly(async {
        let mut transaction = app.store().tenant(about.call.tenant.tenant).await?;
        let total = transaction.count_groups(about.call.session, &filter).await?;
        let groups = transaction
            .groups(about.call.session, &filter, None, paging.limit)
            .await?;
        Ok((groups, total))
    })
    .await?;
    let shown: Vec<Value> = groups.iter().map(shown).collect();
    Ok(ok(json!({ "groups": shown, "pagination": paging.shown(total) })))
}

/// The texts of a field that is one text or an array of them.
fn texts(fields: &Fields, name: &str) -> Vec<String> {
    match fields.value(name) {
        Some(Value::Array(items)) => items.iter().filter_map(text).collect(),
        _ => fields.text(name).into_iter().collect(),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// People, each as a number or as a JID.
fn people(field: &str, texts: &[String]) -> Result<Vec<String>, Problem> {
    let one = |text: &String| match text.parse::<Address>() {
        Ok(person) if person.is_person() => Ok(person.to_string()),
        _ => Err(words::invalid(format!(
            "El valor de {field} debe ser un número con código de país o un JID de persona"
        ))),
    };
    texts.iter().map(one).collect()
}

/// `POST /api/groups/sessions/{sessionId}`.
async fn create(State(app): State<App>, about: About<SendMessages>, request: Request) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let fields = Fields::read(&app, request).await?;
    let subject = fields.first(&["subject", "name"]);
    let subject = subject.ok_or_else(|| words::invalid("subject es requerido"))?;
    let participants = people("participants", &texts(&fields, "participants"))?;
    let mut wanted = json!({ "subject": subject, "participants": participants });
    if let Some(description) = fields.first(&["description", "desc"]) {
        wanted["description"] = description.into();
    }
    let path = format!("/crm/groups/{}", about.call.session);
    let submission = Submission {
        idempotency: sending::idempotency(&headers, &path, &wanted)?,
        ..submission(&wanted)?
    };
    let created = create_group(State(app.clone()), about.call.clone(), PATIENCE, submission).await?;
    let created: CreatedGroup = outcome(created).await?;
    let results: Vec<Value> = created.results.iter().map(result).collect();
    Ok(made(
        "Grupo creado correctamente",
        json!({ "group": whole(&created.group), "results": results }),
    ))
}

/// `GET /api/groups/sessions/{sessionId}/groups/{groupId}`: as WhatsApp has it now, or as it is recorded where WhatsApp cannot be asked.
async fn read(State(app): State<App>, about: About<ReadMessages>) -> Result<Response, Problem> {
    let group = about.group()?;
    let look = async |refresh: &str| {
        let wanted = [("refresh".to_owned(), refresh.to_owned())];
        let wanted = Parameters(parameters::parse(wanted.into_iter())?);
        get_group(State(app.clone()), about.call.clone(), group.clone(), wanted).await
    };
    let found = match look("true").await {
        Err(problem) if matches!(problem.code(), Code::SessionNotConnected | Code::Timeout) => look("false").await,
        other => other,
    };
    let found = found.map_err(explained)?;
    Ok(ok(json!({ "group": whole(&found.0) })))
}

/// A truth value under one of these names.
fn truth(fields: &Fields, names: &[&str]) -> Result<Option<bool>, Problem> {
    match names.iter().find_map(|name| Some((name, fields.text(name)?))) {
        None => Ok(None),
        Some((_, text)) if text == "true" => Ok(Some(true)),
        Some((_, text)) if text == "false" => Ok(Some(false)),
        Some((name, _)) => Err(words::invalid(format!("El valor de {name} debe ser true o false"))),
    }
}

/// What of a group is to change, as the canonical API's request.
fn settings(fields: &Fields) -> Result<Value, Problem> {
    let mut settings = Map::new();
    if let Some(subject) = fields.first(&["subject", "name"]) {
        settings.insert("subject".to_owned(), subject.into());
    }
    // An empty one removes it.
    let description = ["description", "desc"].iter().find_map(|name| fields.value(name));
    if let Some(Value::String(description)) = description {
        settings.insert("description".to_owned(), description.as_str().into());
    }
    for (setting, names) in [
        ("announce", ["announce", "announcement"]),
        ("locked", ["restrict", "locked"]),
    ] {
        if let Some(truth) = truth(fields, &names)? {
            settings.insert(setting.to_owned(), truth.into());
        }
    }
    if settings.is_empty() {
        return Err(words::invalid("Se requiere subject, description, announce o restrict"));
    }
    Ok(settings.into())
}

/// `PUT /api/groups/sessions/{sessionId}/groups/{groupId}`.
async fn update(State(app): State<App>, about: About<SendMessages>, request: Request) -> Result<Response, Problem> {
    let group = about.group()?;
    let settings = settings(&Fields::read(&app, request).await?)?;
    let settings = Document(body::parse(settings.to_string().as_bytes())?);
    let changed = update_group(State(app.clone()), about.call.clone(), group, PATIENCE, settings).await;
    let changed: Group = outcome(changed.map_err(explained)?).await?;
    Ok(done(
        "Grupo actualizado correctamente",
        json!({ "group": whole(&changed) }),
    ))
}

/// What is done to participants.
#[derive(Debug, Clone, Copy)]
enum Change {
    Add,
    Remove,
    Promote,
}

impl Change {
    fn message(self) -> &'static str {
        match self {
            Self::Add => "Participante agregado correctamente",
            Self::Remove => "Participante removido correctamente",
            Self::Promote => "Participante promovido a administrador correctamente",
        }
    }
}

async fn change(app: &App, about: About<SendMessages>, request: Request, change: Change) -> Result<Response, Problem> {
    let GroupJid(group) = about.group()?;
    let fields = Fields::read(app, request).await?;
    let (field, named) = match fields.text("participantId") {
        Some(one) => ("participantId", vec![one]),
        None => ("participants", texts(&fields, "participants")),
    };
    if named.is_empty() {
        return Err(words::invalid("participantId es requerido"));
    }
    let people = json!({ "participants": people(field, &named)? });
    let (state, call, jid) = (State(app.clone()), about.call, GroupJid(group.clone()));
    let changed = match change {
        Change::Add => add_group_participants(state, call, jid, PATIENCE, submission(&people)?).await,
        Change::Promote => promote_group_participants(state, call, jid, PATIENCE, submission(&people)?).await,
        Change::Remove => {
            let people = Document(body::parse(people.to_string().as_bytes())?);
            remove_group_participants(state, call, jid, PATIENCE, people).await
        }
    };
    let changed: ParticipantResults = outcome(changed.map_err(explained)?).await?;
    if let Some(first) = changed.results.first()
        && !changed.results.iter().any(has_succeeded)
    {
        return Err(failure(first));
    }
    let results: Vec<Value> = changed.results.iter().map(result).collect();
    Ok(done(
        change.message(),
        json!({ "groupId": group, "participants": results }),
    ))
}

/// `POST /api/groups/sessions/{sessionId}/groups/{groupId}/participants`.
async fn add(State(app): State<App>, about: About<SendMessages>, request: Request) -> Result<Response, Problem> {
    change(&app, about, request, Change::Add).await
}

/// `DELETE /api/groups/sessions/{sessionId}/groups/{groupId}/participants`, with a body.
async fn remove(State(app): State<App>, about: About<SendMessages>, request: Request) -> Result<Response, Problem> {
    change(&app, about, request, Change::Remove).await
}

/// `POST /api/groups/sessions/{sessionId}/groups/{groupId}/promote`.
async fn promote(State(app): State<App>, about: About<SendMessages>, request: Request) -> Result<Response, Problem> {
    change(&app, about, request, Change::Promote).await
}

/// `POST /api/groups/sessions/{sessionId}/groups/{groupId}/invite-code`: the code that works now. A new one would break every link that was given
/// out before.
async fn invite_code(State(app): State<App>, about: About<ReadMessages>) -> Result<Response, Problem> {
    let group = about.group()?;
    let GroupJid(jid) = group.clone();
    let code = get_invite_code(State(app), about.call, group).await;
    let InviteCode { code, link } = code.map_err(explained)?.0;
    Ok(done(
        "Código de invitación generado correctamente",
        json!({ "groupId": jid, "inviteCode": code, "inviteUrl": link }),
    ))
}

/// `POST /api/groups/join-with-code`: with a code, or with the whole link.
async fn join(State(app): State<App>, client: Client, request: Request) -> Result<Response, Problem> {
    client.tenant::<SendMessages>(&app).await?;
    let fields = Fields::read(&app, request).await?;
    let required = |name: &str| {
        fields
            .text(name)
            .ok_or_else(|| words::invalid(format!("{name} es requerido")))
    };
    let (session, code) = (required("sessionId")?, required("inviteCode")?);
    let call = client.session::<SendMessages>(&app, &session).await?;
    let no_code = |problem: Problem| match problem.code() {
        Code::ValidationFailed | Code::NotFoundOnWhatsapp | Code::WhatsappRefused => {
            problem.said("El código de invitación no es válido o ya no funciona")
        }
        Code::NotPermittedOnWhatsapp => problem.said("WhatsApp no permite que la cuenta se una al grupo"),
        _ => problem,
    };
    let wanted = submission(&json!({ "code": code }))?;
    let joined = join_group(State(app), call, PATIENCE, wanted).await.map_err(no_code)?;
    let joined: JoinedGroup = outcome(joined).await?;
    let (message, status) = match joined.outcome {
        JoinOutcome::Joined => ("La cuenta se unió al grupo correctamente", "joined"),
        JoinOutcome::Requested => ("Un administrador debe aprobar el ingreso al grupo", "requested"),
    };
    Ok(done(message, json!({ "groupId": joined.jid, "status": status })))
}

#[cfg(test)]
mod tests {
    use shared::address::Party;
    use shared::group::Invitation;

    use super::*;
    use crate::dialect::Speech as _;
    use crate::dialect::crm::Crm;

    #[test]
    fn a_group_is_named_with_and_without_its_server() {
        for text in [
            "120363021033254949",
            "120363021033254949@g.us",
            "34657032985-1400000000",
        ] {
            assert!(matches!(group_named(text), Ok(Address::Group(_))), "{text}");
        }
        for text in ["", "grupo", "34657032985@s.whatsapp.net"] {
            assert_eq!(
                Crm::tell(&group_named(text).unwrap_err()).1["error"],
                "Grupo no encontrado",
                "{text}"
            );
        }
    }

    #[test]
    fn a_member_who_is_added_again_is_no_failure_and_privacy_is_one_with_an_invitation() {
        let party = Party::new(&Address::Phone("34657032985".into()), None);
        let member = ParticipantResult::new(party.clone(), Some("409"), None);
        assert_eq!(result(&member)["success"], true);
        let invitation = Invitation {
            code: "abcd".into(),
            expires_at: 0,
        };
        let shy = ParticipantResult::new(party, Some("403"), Some(invitation));
        assert_eq!(
            result(&shy),
            json!({ "participantId": "34657032985@s.whatsapp.net", "success": false, "code": "privacy", "inviteCode": "abcd" })
        );
        assert_eq!(Crm::tell(&failure(&shy)).0.as_u16(), 403);
    }
}
