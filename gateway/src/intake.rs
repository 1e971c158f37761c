//! The one path from a request to a command: take a number, look at the session, store, commit, and only then carry it to the holder.
//!
//! The number is taken first because its row is locked from then on: what is read afterwards about the session stays true until the commit, and
//! two requests for one session get their effects in the order of their numbers.

use shared::command::{Command, Envelope};
use shared::ids::{CommandId, SessionId, WorkerId};
use shared::problem::Code;
use shared::store::TenantTransaction;
use shared::store::sessions::Session;
use shared::subject;

use crate::app::App;
use crate::problem::Problem;
use crate::quota;

/// A session whose next command number this transaction holds.
#[derive(Debug)]
pub struct Opened {
    /// The session, as it stays until the commit.
    pub session: Session,
    number: i64,
}

/// A command that is stored, and where it goes once it is committed.
#[derive(Debug)]
pub struct Accepted {
    /// The command with its place.
    pub envelope: Envelope,
    /// The worker that holds the session, if one does.
    pub holder: Option<WorkerId>,
}

/// Takes a session's next command number.
///
/// # Errors
/// [`Code::SessionNotFound`], or the database's problem.
pub async fn open(transaction: &mut TenantTransaction, session: SessionId) -> Result<Opened, Problem> {
    let not_found = || Problem::not_found(Code::SessionNotFound);
    let number = transaction.take_command_number(session).await?.ok_or_else(not_found)?;
    let session = transaction.session(session).await?.ok_or_else(not_found)?;
    Ok(Opened { session, number })
}

/// Stores a command under the number that was taken. A message takes a place in the tenant's quota.
///
/// # Errors
/// [`Code::QuotaExceeded`] for a message too many (tell it with [`quota::announce`]), or the database's problem.
pub async fn append(
    transaction: &mut TenantTransaction,
    opened: &Opened,
    id: CommandId,
    command: Command,
) -> Result<Accepted, Problem> {
    let session = &opened.session;
    // Whoever has sent too much may still take it back.
    if matches!(&command, Command::SendMessage(send) if send.content.kind() != "revoke") {
        quota::take_message_place(transaction, session.id).await?;
    }
    transaction
        .append_command(session.id, id, opened.number, &command)
        .await?;
    Ok(Accepted {
        envelope: Envelope {
            id,
            tenant: session.tenant,
            session: session.id,
            sequence: opened.number,
            command,
        },
        holder: session.live_holder(),
    })
}

/// Carries a committed command to its holder, or wakes the workers so that one claims the session. Never waits and promises nothing.
pub fn carry(app: &App, accepted: &Accepted) {
    match accepted.holder {
        Some(holder) => app.relay().command(holder, &accepted.envelope),
        None => app.relay().hint(subject::claim_hint(app.region())),
    }
}
