//! `GET /v1/sessions`.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use http::request::Parts;
use serde::Deserialize;
use shared::session::SessionStatus;
use shared::store::sessions::{Metadata, SessionFilter};

use uuid::Uuid;

use super::SessionObject;
use crate::app::App;
use crate::auth::TenantCall;
use crate::auth::permission::ReadSessions;
use crate::database::promptly;
use crate::http::checks::Checks;
use crate::http::page::{Cursor, Limit, Page};
use crate::http::parameters;
use crate::problem::Problem;

/// Which sessions are listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListSessions {
    /// How many at most: 1 to 100.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100, default = 50)]
    limit: Limit,
    /// Where to go on: `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<Uuid>>,
    /// Only sessions with this status; may be repeated.
    #[serde(default)]
    #[param(required = false)]
    status: Vec<SessionStatus>,
    /// Only sessions whose metadata have all of these entries: `metadata[key]=value`.
    #[serde(skip)]
    #[param(required = false, style = DeepObject, explode, value_type = std::collections::HashMap<String, String>)]
    metadata: Metadata,
}

impl<S: Sync> FromRequestParts<S> for ListSessions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let mut metadata = Metadata::new();
        let mut others = Vec::new();
        for (name, value) in parameters::pairs(&parts.uri) {
            if name == parameters::TENANT {
                continue;
            }
            match metadata_key(&name) {
                Some(key) => {
                    metadata.insert(key.to_owned(), value);
                }
                None => others.push((name, value)),
            }
        }
        let mut checks = Checks::new();
        checks.metadata(&metadata);
        checks.finish()?;
        let list: Self = parameters::parse(others.into_iter())?;
        Ok(Self { metadata, ..list })
    }
}

/// The key in `metadata[key]`.
fn metadata_key(name: &str) -> Option<&str> {
    name.strip_prefix("metadata[")?.strip_suffix(']')
}

/// List sessions, newest first.
#[utoipa::path(get, path = "/v1/sessions", tag = "sessions", params(ListSessions),
    responses((status = 200, description = "A page of sessions.", body = Page<SessionObject>)))]
pub(super) async fn list_sessions(
    State(app): State<App>,
    call: TenantCall<ReadSessions>,
    list: ListSessions,
) -> Result<Json<Page<SessionObject>>, Problem> {
    let filter = SessionFilter {
        statuses: list.status,
        metadata: list.metadata,
        within: call.within().map(<[Uuid]>::to_vec),
    };
    let rows = promptly(async {
        let mut transaction = app.store().tenant(call.tenant).await?;
        let after = list.cursor.map(|Cursor(id)| id);
        Ok(transaction.sessions(&filter, after, list.limit.rows()).await?)
    })
    .await?;
    Ok(Json(Page::new(
        rows,
        list.limit,
        |session| session.id.uuid,
        SessionObject::from,
    )))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    async fn read(query: &str) -> Result<ListSessions, Problem> {
        let request = Request::get(format!("/v1/sessions?{query}")).body(()).unwrap();
        ListSessions::from_request_parts(&mut request.into_parts().0, &()).await
    }

    #[tokio::test]
    async fn statuses_and_metadata_are_filters() {
        let list = read("status=connected&status=qr&metadata[shop]=1&metadata%5Bcity%5D=K%C3%B6ln&limit=3")
            .await
            .unwrap();
        assert_eq!(list.status, [SessionStatus::Connected, SessionStatus::Qr]);
        assert_eq!(list.metadata["shop"], "1");
        assert_eq!(list.metadata["city"], "Köln");
    }

    #[tokio::test]
    async fn an_unknown_status_or_parameter_is_refused() {
        for query in [
            "status=asleep",
            "metadata=1",
            "metadata[]=1",
            "metadata[a]=%00",
            "state=qr",
        ] {
            assert!(read(query).await.is_err(), "{query}");
        }
    }
}
