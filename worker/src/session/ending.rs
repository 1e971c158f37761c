//! How a session ends by its owner's wish: stopped, unlinked or removed.

use std::time::Duration;

use shared::problem::Code;
use shared::session::{Goal, SessionStatus};
use shared::store::leases::Release;
use tokio::time::Instant;

use super::recorder::Decision;
use super::{Next, Session};

/// How long WhatsApp may take to answer what is on its way before an orderly end goes on.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);
/// How long a session that must be unlinked may take to connect for that.
const CONNECT_PATIENCE: Duration = Duration::from_secs(15);
/// How long the database may take before an attempt is repeated.
const RETRY: Duration = Duration::from_millis(500);

impl Session {
    /// Waits a little for the answers to messages that are on the wire, so that the next holder need not wonder about them.
    pub(super) async fn wait_for_answers(&mut self) {
        let deadline = Instant::now() + ANSWER_PATIENCE;
        while self.outgoing.lock().awaits_answers() && Instant::now() < deadline {
            tokio::select! {
                () = self.claim.wait_until_lost() => return,
                notice = self.notices.recv() => match notice {
                    // The answers are already stored; this is only about when.
                    Some(_) => {}
                    None => return,
                },
                (sequence, started, result) = super::poll_slot(&mut self.sending), if self.sending.is_some() => {
                    self.sending = None;
                    self.sent(sequence, started, result);
                }
                () = tokio::time::sleep_until(deadline) => return,
            }
        }
    }

    /// Closes the connection; the account stays linked and messages that wait go on waiting.
    pub(super) async fn stop(&mut self) -> Option<Release> {
        self.wait_for_answers().await;
        self.close_engine().await;
        self.recorder.decide(Decision::Status(SessionStatus::Stopped, None));
        self.answer_verbs();
        self.finished(Goal::Stopping).await
    }

    /// Unlinks the account, as far as WhatsApp can be reached, and forgets its credentials.
    pub(super) async fn log_out(&mut self) -> Option<Release> {
        self.unlink().await;
        self.forget_account().await;
        self.recorder
            .decide(Decision::Status(SessionStatus::LoggedOut, Some("logged_out_by_user")));
        self.answer_verbs();
        self.finished(Goal::LoggingOut).await
    }

    /// Unlinks the account and removes the session with everything that belongs to it.
    pub(super) async fn delete(&mut self) -> Option<Release> {
        self.unlink().await;
        self.answer_verbs();
        // Whoever waits for the command hears of it before its row is gone.
        if !self
            .recorder
            .decide_and_wait(Decision::Status(SessionStatus::Stopped, Some("deleted")))
            .await
        {
            return None;
        }
        loop {
            match self.context.store.remove_session(self.id(), self.lease.epoch).await {
                // The lease's row is gone with the session's.
                Ok(_) => return None,
                Err(error) => {
                    tracing::warn!(session = %self.id(), %error, "a session is removed a little later");
                    tokio::select! {
                        () = self.claim.wait_until_lost() => return None,
                        () = tokio::time::sleep(RETRY) => {}
                    }
                }
            }
        }
    }

    async fn finished(&mut self, reached: Goal) -> Option<Release> {
        (!self.claim.is_lost()).then_some(Release::Stop { reached })
    }

    /// Tells WhatsApp that this device is no longer linked. Needs a connection, and makes one if there is none.
    async fn unlink(&mut self) {
        if !self.linked && self.held.imported_credentials.is_none() {
            self.end_engine().await;
            return;
        }
        if self.engine.is_none() && !matches!(self.open_engine().await, Next::Continue) {
            return;
        }
        let deadline = Instant::now() + CONNECT_PATIENCE;
        while self.connected.is_none() && self.engine.is_some() {
            let next = tokio::select! {
                () = self.claim.wait_until_lost() => return,
                notice = self.notices.recv() => match notice {
                    Some(notice) => Box::pin(self.heard(notice)).await,
                    None => return,
                },
                () = tokio::time::sleep_until(deadline) => break,
            };
            // It has ended by itself, for example because it was unlinked already.
            if matches!(next, Next::Finish(_)) {
                break;
            }
        }
        self.wait_for_answers().await;
        self.sending = None;
        self.asking = None;
        if let Some(open) = self.engine.take() {
            if self.connected.is_some() {
                open.engine.logout().await;
            } else {
                tracing::warn!(session = %self.id(), "WhatsApp could not be told: the phone may go on listing this device");
                open.engine.kill().await;
            }
        }
        self.connection_lost();
    }

    /// Forgets the credentials, and ends the messages that can no longer be sent.
    pub(super) async fn forget_account(&mut self) {
        self.linked = false;
        self.key = None;
        self.held.wrapped_key = None;
        self.held.imported_credentials = None;
        let unsent: Vec<i64> = self.outgoing.lock().iter().map(|(sequence, _)| sequence).collect();
        for sequence in unsent {
            self.fail(
                sequence,
                Code::SessionNotPaired,
                "the account was unlinked before the message was sent",
            );
        }
        self.recorder.decide(Decision::Unlinked);
        loop {
            match self.context.store.forget_credentials(self.id(), self.lease.epoch).await {
                Ok(true) => return,
                Ok(false) => return self.claim.lose(),
                Err(error) => {
                    tracing::warn!(session = %self.id(), %error, "credentials are forgotten a little later");
                    tokio::select! {
                        () = self.claim.wait_until_lost() => return,
                        () = tokio::time::sleep(RETRY) => {}
                    }
                }
            }
        }
    }
}
