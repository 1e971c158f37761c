//! Status posts (stories) of the CRM's API: those of the session's account, and those that it has received.

use std::collections::HashMap;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use chrono::Utc;
use serde_json::{Value, json};
use shared::content::Content;
use shared::dialect::crm;
use shared::ids::{MediaId, StatusId};
use shared::message::MessageStatus;
use shared::problem::Code;
use shared::status::Status;
use shared::store::media::StoredMedia;
use shared::store::statuses::StatusFilter;

use super::{About, done, made, ok};
use crate::api::statuses::act::{react_to_status, unreact_to_status, view_status};
use crate::api::statuses::post::post_status;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{Permission, ReadMessages, SendMessages};
use crate::database::promptly;
use crate::dialect::fields::Fields;
use crate::dialect::sending::{self, answer, outcome};
use crate::dialect::{files, words};
use crate::http::body::{self, Document, FileSubmission, Nothing, Submission};
use crate::http::path::Id;
use crate::http::prefer::Prefer;
use crate::problem::Problem;

/// How many posts a page has if not said.
const USUAL_STATUSES: i64 = 20;
/// So many active posts are listed at once.
const MOST_ACTIVE: i64 = 500;
/// How long a post and what is done with one wait for WhatsApp.
const PATIENCE: Prefer = Prefer {
    wait: Some(Duration::from_secs(15)),
};

/// What makes two requests for a post the same, besides a form's file.
const FIELDS: [&str; 13] = [
    "type",
    "content",
    "text",
    "message",
    "body",
    "caption",
    "mediaUrl",
    "mediaFileId",
    "base64",
    "mediaBase64",
    "backgroundColor",
    "textColor",
    "font",
];

/// The routes.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/status/sessions/{session}", get(list).post(create))
        .route("/api/status/sessions/{session}/active", get(active))
        .route("/api/status/sessions/{session}/statuses/{status}/view", post(view))
        .route(
            "/api/status/sessions/{session}/statuses/{status}/reactions",
            post(react).delete(unreact),
        )
}

/// A post. `media`: its file, and where that can be had for some minutes.
fn shown(post: &Status, media: Option<(MediaId, Option<String>)>) -> Value {
    let content = Content::of_map(&post.content);
    let body = match &content {
        Some(content) if content.media().is_some() => content.media().and_then(|media| media.caption.clone()),
        Some(content) => content.summary().map(str::to_owned),
        None => None,
    };
    let (media, url) = media.unzip();
    let is_active = post.expires_at > Utc::now() && post.revoked_at.is_none() && post.status != MessageStatus::Failed;
    json!({
        "id": post.id,
        "whatsappMessageId": post.wa_message_id,
        "from": crm::address(&post.from),
        "fromMe": post.from_me,
        "type": post.kind,
        "body": body.unwrap_or_default(),
        "mediaFileId": media,
        "mediaUrl": url.flatten(),
        "status": crm::status(post.status),
        "timestamp": shared::timestamp::text(post.timestamp),
        "expiresAt": shared::timestamp::text(post.expires_at),
        "isActive": is_active,
        "viewed": post.viewed_at.is_some(),
        "reaction": post.reaction,
        "views": post.views,
    })
}

/// Posts with where their files are.
async fn all_shown<P: Permission>(app: &App, call: &SessionCall<P>, posts: &[Status]) -> Result<Vec<Value>, Problem> {
    let file_of = |post: &Status| Content::of_map(&post.content)?.media()?.media_id;
    let ids: Vec<MediaId> = posts.iter().filter_map(file_of).collect();
    let known: HashMap<MediaId, StoredMedia> = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        let found = transaction.media_of_ids(&ids).await?;
        Ok(found.into_iter().map(|file| (file.id, file)).collect())
    })
    .await?;
    let mut values = Vec::with_capacity(posts.len());
    for post in posts {
        let media = match file_of(post).and_then(|id| known.get(&id)) {
            Some(file) => Some((file.id, files::link(app, file).await?)),
            None => None,
        };
        values.push(shown(post, media));
    }
    Ok(values)
}

/// `GET /api/status/sessions/{sessionId}`: own posts and those of others, newest first.
async fn list(State(app): State<App>, about: About<ReadMessages>) -> Result<Response, Problem> {
    let paging = about.asked.paging(USUAL_STATUSES)?;
    let filter = StatusFilter {
        skip: paging.skip(),
        ..StatusFilter::default()
    };
    let (posts, total) = promptly(async {
        let mut transaction = app.store().tenant(about.call.tenant.tenant).await?;
        let total = transaction.count_statuses(about.call.session, &filter).await?;
        let posts = transaction
            .statuses(about.call.session, &filter, None, paging.limit)
            .await?;
        Ok((posts, total))
    })
    .await?;
    let shown = all_shown(&app, &about.call, &posts).await?;
    Ok(ok(json!({ "statuses": shown, "pagination": paging.shown(total) })))
}

/// `GET /api/status/sessions/{sessionId}/active`: those that can be seen right now, all at once.
async fn active(State(app): State<App>, about: About<ReadMessages>) -> Result<Response, Problem> {
    let filter = StatusFilter {
        active: true,
        ..StatusFilter::default()
    };
    let (posts, total) = promptly(async {
        let mut transaction = app.store().tenant(about.call.tenant.tenant).await?;
        let total = transaction.count_statuses(about.call.session, &filter).await?;
        let posts = transaction
            .statuses(about.call.session, &filter, None, MOST_ACTIVE)
            .await?;
        Ok((posts, total))
    })
    .await?;
    let shown = all_shown(&app, &about.call, &posts).await?;
    Ok(ok(json!({ "statuses": shown, "total": total })))
}

/// The file of a post: by a link, in base64, in a form, or by the id of one that was uploaded.
async fn file(app: &App, call: &SessionCall<SendMessages>, fields: &Fields) -> Result<Option<MediaId>, Problem> {
    let tenant = call.tenant.tenant;
    if let Some(file) = &fields.file {
        return Ok(Some(file.id));
    }
    if let Some(id) = fields.text("mediaFileId") {
        let id = id.parse().map_err(|_| Problem::not_found(Code::MediaNotFound))?;
        return Ok(Some(id));
    }
    if let Some(link) = fields.text("mediaUrl") {
        let file = files::from_link(app, tenant, "mediaUrl", &link, None).await?;
        return Ok(Some(file.id));
    }
    for name in ["base64", "mediaBase64"] {
        if let Some(text) = fields.text(name) {
            let mime_type = fields.text("mimetype");
            let file = files::from_base64(app, tenant, name, &text, mime_type.as_deref(), None).await?;
            return Ok(Some(file.id));
        }
    }
    Ok(None)
}

/// The post that a client wants, as the canonical API's request.
async fn wanted(app: &App, call: &SessionCall<SendMessages>, fields: &Fields) -> Result<Value, Problem> {
    let kind = fields.text("type");
    let text = fields.first(&["content", "text", "message", "body"]);
    let caption = fields.text("caption");
    let mut post = match kind.as_deref() {
        Some(kind @ ("image" | "video")) => {
            let file = file(app, call, fields).await?;
            let file = file.ok_or_else(|| words::invalid("mediaUrl o base64 es requerido"))?;
            let mut content = json!({ "media_id": file });
            if let Some(caption) = caption.or(text) {
                content["caption"] = caption.into();
            }
            let mut post = json!({ "type": kind });
            post[kind] = content;
            post
        }
        Some("text") | None => {
            let text = text.or(caption);
            let text = text.ok_or_else(|| words::invalid("content es requerido para un estado de texto"))?;
            let mut content = json!({ "body": text });
            for (field, name) in [("background", "backgroundColor"), ("color", "textColor")] {
                if let Some(color) = fields.text(name) {
                    content[field] = color.into();
                }
            }
            if let Some(font) = fields.text("font") {
                let font: u8 = font
                    .parse()
                    .map_err(|_| words::invalid("El valor de font no es válido"))?;
                content["font"] = font.into();
            }
            json!({ "type": "text", "text": content })
        }
        Some(_) => return Err(words::invalid("type debe ser text, image o video")),
    };
    if let Some(Value::Array(people)) = fields.value("statusJidList") {
        post["audience"] = json!({ "mode": "allow", "people": people });
    }
    Ok(post)
}

/// What is said of a post that cannot be made, in the words of this API.
fn explained(problem: Problem) -> Problem {
    let Some(field) = problem.errors().first().map(|error| error.field.clone()) else {
        return problem;
    };
    match field.as_str() {
        "audience" => problem.said(
            "Ningún contacto guardado puede ver el estado: guarde contactos en el teléfono o indique statusJidList",
        ),
        "text.body" => problem.said("El texto de un estado debe tener entre 1 y 700 caracteres"),
        "text.background" => problem.said("El valor de backgroundColor debe ser un color como #1E6E4F"),
        "text.color" => problem.said("El valor de textColor debe ser un color como #FFFFFF"),
        "text.font" => problem.said("El valor de font no es válido"),
        "status_id" => problem.said("Es un estado de la propia cuenta"),
        "emoji" => problem.said("El valor de reaction debe ser un emoji"),
        field if field.starts_with("audience.people") => {
            problem.said("statusJidList debe tener números o JID de personas, sin repetir")
        }
        _ => problem,
    }
}

/// `POST /api/status/sessions/{sessionId}`.
async fn create(State(app): State<App>, about: About<SendMessages>, request: Request) -> Result<Response, Problem> {
    #[derive(serde::Deserialize)]
    struct Accepted {
        id: StatusId,
    }
    let call = about.call;
    let headers = request.headers().clone();
    let fields = Fields::with_file(&app, call.tenant.tenant, request).await?;
    // As the client wrote it: a file has another id each time.
    let given: Vec<Option<String>> = FIELDS.iter().map(|name| fields.text(name)).collect();
    let path = format!("/crm/statuses/{}", call.session);
    let idempotency = sending::idempotency(&headers, &path, &json!(given))?;
    let wanted = wanted(&app, &call, &fields).await?;
    let submission = FileSubmission {
        submission: Submission {
            body: body::parse(wanted.to_string().as_bytes()).map_err(explained)?,
            idempotency,
        },
        place: None,
    };
    let posted = post_status(State(app.clone()), call.clone(), PATIENCE, submission).await;
    let Accepted { id } = answer(posted.map_err(explained)?).await?;
    let post = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        let found = transaction.status(call.session, id).await?;
        found.ok_or_else(|| Problem::not_found(Code::StatusNotFound))
    })
    .await?;
    let shown = all_shown(&app, &call, &[post]).await?.pop();
    Ok(made("Estado publicado correctamente", json!({ "status": shown })))
}

impl<P> About<P> {
    fn status(&self) -> Result<StatusId, Problem> {
        self.part("status")
            .parse()
            .map_err(|_| Problem::not_found(Code::StatusNotFound))
    }
}

/// `POST /api/status/sessions/{sessionId}/statuses/{statusId}/view`: its author is told.
async fn view(State(app): State<App>, about: About<SendMessages>) -> Result<Response, Problem> {
    let status = about.status()?;
    let submission = Submission {
        body: Nothing {},
        idempotency: None,
    };
    let viewed = view_status(State(app), about.call, Id(status), PATIENCE, submission).await;
    let _: Value = outcome(viewed.map_err(explained)?).await?;
    Ok(done(
        "Estado marcado como visto",
        json!({ "statusId": status, "viewed": true }),
    ))
}

/// `POST /api/status/sessions/{sessionId}/statuses/{statusId}/reactions`.
async fn react(State(app): State<App>, about: About<SendMessages>, request: Request) -> Result<Response, Problem> {
    let status = about.status()?;
    let fields = Fields::read(&app, request).await?;
    let reaction = fields.first(&["reaction", "emoji"]);
    let reaction = reaction.ok_or_else(|| words::invalid("reaction es requerido"))?;
    let wanted = Document(body::parse(json!({ "emoji": reaction }).to_string().as_bytes())?);
    let reacted = react_to_status(State(app), about.call, Id(status), PATIENCE, wanted).await;
    let _: Value = outcome(reacted.map_err(explained)?).await?;
    Ok(done(
        "Reacción agregada correctamente",
        json!({ "statusId": status, "reaction": reaction }),
    ))
}

/// `DELETE /api/status/sessions/{sessionId}/statuses/{statusId}/reactions`.
async fn unreact(State(app): State<App>, about: About<SendMessages>) -> Result<Response, Problem> {
    let status = about.status()?;
    let taken_back = unreact_to_status(State(app), about.call, Id(status), PATIENCE).await;
    let _: Value = outcome(taken_back.map_err(explained)?).await?;
    Ok(done(
        "Reacción removida correctamente",
        json!({ "statusId": status, "reaction": null }),
    ))
}
