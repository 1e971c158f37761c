//! Reading groups: from what is recorded, and from WhatsApp where nothing is recorded yet or the client asks for it.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use shared::group::{Group, GroupKind};
use shared::problem::Code;
use shared::query::{GroupLookup, Lookup};
use shared::store::groups::GroupFilter;
use tokio::time::Instant;

use super::{GroupPath, LOOK_UP_PROBLEMS};
use crate::api::sessions::{self, SessionPath};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::ReadMessages;
use crate::database::promptly;
use crate::http::checks::Checks;
use crate::http::jid::GroupJid;
use crate::http::page::{Cursor, Limit, Page, Place};
use crate::http::parameters::Parameters;
use crate::look_up::look_up;
use crate::problem::Problem;

type Call = SessionCall<ReadMessages>;

/// How long the holder may take to record what it has read.
const RECORDING: Duration = Duration::from_secs(5);
/// How often to look whether it has.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// The longest JID of a group, in bytes.
const LONGEST_JID: usize = 64;

/// A place in the list of groups: the last JID seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupPlace(String);

impl Place for GroupPlace {
    fn to_bytes(&self) -> Vec<u8> {
        self.0.as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        (text.len() <= LONGEST_JID && text.ends_with("@g.us") && !text.contains('\0')).then(|| Self(text.to_owned()))
    }
}

/// Which groups are listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListGroups {
    /// How many at most: 1 to 100.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100, default = 50)]
    limit: Limit,
    /// Where to go on: `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<GroupPlace>>,
    /// Only groups whose subject has this text in it, whatever the case: 1 to 100 characters.
    search: Option<String>,
    /// Only groups of this kind; may be repeated.
    #[serde(default)]
    #[param(required = false)]
    kind: Vec<GroupKind>,
    /// Also groups in which the account is no member any more.
    #[serde(default)]
    #[param(required = false)]
    left: bool,
    /// Ask WhatsApp first. Without it that is done once, when the groups were never read before.
    #[serde(default)]
    #[param(required = false)]
    refresh: bool,
}

/// List the account's groups, without their members.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/groups", tag = "groups", params(SessionPath, ListGroups),
    responses((status = 200, description = "A page of groups.", body = Page<Group>)),
    extensions(("x-problems" = json!(LOOK_UP_PROBLEMS))))]
pub(crate) async fn list_groups(
    State(app): State<App>,
    call: Call,
    Parameters(list): Parameters<ListGroups>,
) -> Result<Json<Page<Group>>, Problem> {
    let mut checks = Checks::new();
    if let Some(search) = &list.search {
        checks.text("search", search, 1..=100);
    }
    checks.finish()?;
    know(&app, &call, list.refresh).await?;
    let filter = GroupFilter {
        search: list.search,
        kinds: list.kind,
        left: list.left,
        ..GroupFilter::default()
    };
    let after = list.cursor.map(|Cursor(GroupPlace(jid))| jid);
    let groups = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        Ok(transaction
            .groups(call.session, &filter, after.as_deref(), list.limit.rows())
            .await?)
    })
    .await?;
    let place = |group: &Group| GroupPlace(group.jid.clone());
    Ok(Json(Page::new(groups, list.limit, place, |group| group)))
}

/// Has the account's groups recorded: read from WhatsApp now where that is wanted, else where it was never done.
///
/// # Errors
/// [`Code::SessionNotFound`]; where it is wanted also what keeps them from being read.
pub(crate) async fn know(app: &App, call: &Call, refresh: bool) -> Result<(), Problem> {
    let read_at = read_at(app, call).await?;
    if refresh {
        return read(app, call, read_at).await;
    }
    // An account that is away has no list to read; what is recorded is better than nothing.
    if read_at.is_none()
        && let Err(problem) = read(app, call, read_at).await
    {
        tracing::debug!(?problem, "the groups could not be read from WhatsApp yet");
    }
    Ok(())
}

/// When the groups were last read as a whole; also whether there is such a session.
async fn read_at(app: &App, call: &Call) -> Result<Option<DateTime<Utc>>, Problem> {
    promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        Ok(transaction.groups_read_at(call.session).await?)
    })
    .await
}

/// Has the holder read all groups, and waits until they are recorded.
async fn read(app: &App, call: &Call, before: Option<DateTime<Utc>>) -> Result<(), Problem> {
    let _count: serde_json::Value = look_up(app, call, Lookup::Group(GroupLookup::Participating)).await?;
    let deadline = Instant::now() + RECORDING;
    while read_at(app, call).await? == before {
        if Instant::now() >= deadline {
            return Err(Problem::new(
                Code::Timeout,
                "What WhatsApp answered was not recorded in time.",
            ));
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok(())
}

/// How a group is read.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GetGroup {
    /// Ask WhatsApp. Without it that is done only for a group of which nothing is recorded.
    #[serde(default)]
    #[param(required = false)]
    refresh: bool,
}

/// Get a group with its members.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/groups/{group_jid}", tag = "groups", params(SessionPath, GroupPath, GetGroup),
    responses((status = 200, description = "The group.", body = Group)),
    extensions(("x-problems" = json!(LOOK_UP_PROBLEMS))))]
pub(crate) async fn get_group(
    State(app): State<App>,
    call: Call,
    GroupJid(group): GroupJid,
    Parameters(wanted): Parameters<GetGroup>,
) -> Result<Json<Group>, Problem> {
    let recorded = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        Ok(transaction.group(call.session, &group).await?)
    })
    .await?;
    match recorded {
        Some(recorded) if !wanted.refresh => Ok(Json(recorded)),
        _ => Ok(Json(
            look_up(&app, &call, Lookup::Group(GroupLookup::Metadata { group })).await?,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_a_groups_jid_and_nothing_else() {
        let place = GroupPlace("120363021033254949@g.us".into());
        assert_eq!(Cursor::decode(&Cursor(place.clone()).encode()), Some(Cursor(place)));
        for text in ["", "120363021033254949@newsletter", "a\0@g.us"] {
            let cursor = Cursor(GroupPlace(text.into())).encode();
            assert_eq!(Cursor::<GroupPlace>::decode(&cursor), None, "{text}");
        }
    }
}
