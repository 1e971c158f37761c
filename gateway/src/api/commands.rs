//! `/v1/commands/{id}`: what became of an accepted command.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shared::ids::{CommandId, SessionId};
use shared::message::MessageError;
use shared::problem::Code;
use shared::store::commands::{CommandRecord, CommandStatus};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::TenantCall;
use crate::auth::permission::FollowCommands;
use crate::database::promptly;
use crate::http::path::Id;
use crate::http::timestamp::Timestamp;
use crate::problem::Problem;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(get_command))
}

/// A command and its outcome.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Command)]
pub struct CommandObject {
    /// Its id.
    #[schema(value_type = String, example = "cmd_06egk3n2g8v6f9d8h2q7c1t0b4")]
    id: CommandId,
    /// The session it is for.
    #[schema(value_type = String)]
    session_id: SessionId,
    /// What kind it is.
    #[schema(example = "message.send")]
    kind: String,
    /// How far it has come.
    status: CommandStatus,
    /// Why it failed.
    error: Option<MessageError>,
    /// What it gave, if it gave something.
    #[schema(value_type = Option<Object>)]
    result: Option<serde_json::Value>,
    /// When it was accepted.
    created_at: Timestamp,
    /// When it ended.
    finished_at: Option<Timestamp>,
}

impl From<CommandRecord> for CommandObject {
    fn from(record: CommandRecord) -> Self {
        let detail = record.error_detail.unwrap_or_default();
        Self {
            id: record.id,
            session_id: record.session,
            kind: record.kind,
            status: record.status,
            error: record.error_code.map(|code| MessageError { code, detail }),
            result: record.result,
            created_at: record.created_at.into(),
            finished_at: record.finished_at.map(Timestamp),
        }
    }
}

/// Get a command's outcome. Outcomes are kept for a week.
#[utoipa::path(get, path = "/v1/commands/{command_id}", tag = "commands",
    params(("command_id" = String, Path, description = "The command's id.")),
    responses((status = 200, description = "The command.", body = CommandObject)),
    extensions(("x-problems" = json!(["command_not_found"]))))]
async fn get_command(
    State(app): State<App>,
    call: TenantCall<FollowCommands>,
    Id(command): Id<CommandId>,
) -> Result<Json<CommandObject>, Problem> {
    let found = promptly(async {
        let mut transaction = app.store().tenant(call.tenant).await?;
        Ok(transaction.command(command, call.within()).await?)
    })
    .await?;
    let record = found.ok_or_else(|| Problem::not_found(Code::CommandNotFound))?;
    Ok(Json(record.into()))
}
