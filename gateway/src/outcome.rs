//! Waiting for a command's outcome.
//!
//! The worker's hint wakes the waiter at once; looking at the row twice a second finds the outcome also when the hint is lost. A command that was
//! accepted stays accepted: whatever goes wrong while waiting ends in "not known yet", never in a failure.

use std::time::Duration;

use shared::ids::{CommandId, TenantId};
use shared::problem::Code;
use shared::store::commands::{CommandRecord, CommandStatus};
use shared::subject;
use tokio::time::Instant;

use crate::app::App;
use crate::bell::Bell;
use crate::database::promptly;
use crate::problem::Problem;

/// How often the row is looked at without a hint.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Listens for one command's outcome. Opened before the commit, so that no hint can come too early.
#[derive(Debug)]
pub struct OutcomeWatch {
    command: CommandId,
    bell: Bell,
}

impl OutcomeWatch {
    /// Begins to listen.
    pub async fn open(app: &App, command: CommandId) -> Self {
        let bell = Bell::hang(app.broker(), subject::outcome_hint(app.region(), command)).await;
        Self { command, bell }
    }

    /// Waits for another command instead: the one of a first request that this one repeats. Its hints are missed, its row is not.
    #[must_use]
    pub fn of(mut self, command: CommandId) -> Self {
        self.command = command;
        self
    }

    /// The command once it has ended; `None` when it has not within `patience`, or when this gateway is asked to stop.
    pub async fn wait(self, app: &App, tenant: TenantId, patience: Duration) -> Option<CommandRecord> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(record) = self.look(app, tenant).await {
                return Some(record);
            }
            let next_look = deadline.min(Instant::now() + LOOK_INTERVAL);
            tokio::select! {
                () = self.bell.rung() => {}
                () = tokio::time::sleep_until(next_look) => {}
                () = app.shutdown().soft().cancelled() => return None,
            }
            if Instant::now() >= deadline {
                return self.look(app, tenant).await;
            }
        }
    }

    async fn look(&self, app: &App, tenant: TenantId) -> Option<CommandRecord> {
        let looking = async {
            let mut transaction = app.store().tenant(tenant).await?;
            Ok(transaction.command(self.command, None).await?)
        };
        let record = promptly(looking).await.ok().flatten()?;
        (record.status != CommandStatus::Queued).then_some(record)
    }
}

/// The problem of a command that failed; `None` for one that did not.
#[must_use]
pub fn failure(record: &CommandRecord) -> Option<Problem> {
    if record.status != CommandStatus::Failed {
        return None;
    }
    let code = Code::ALL
        .iter()
        .copied()
        .find(|code| Some(code.as_str()) == record.error_code.as_deref())
        .unwrap_or(Code::Internal);
    let detail = record.error_detail.clone().unwrap_or_else(|| code.title().to_owned());
    Some(Problem::new(code, detail))
}
