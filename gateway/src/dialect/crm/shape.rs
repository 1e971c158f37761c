//! What the CRM's answers look like: sessions as that API showed them.

use serde_json::{Value, json};
use shared::session::SessionStatus;

use super::Crm;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::Permission;
use crate::database::promptly;
use crate::dialect::Speech as _;
use crate::dialect::sessions::NamedSession;
use crate::problem::Problem;

/// Where a session remembers the number that its client expects, until an account is linked.
pub(super) const EXPECTED_NUMBER: &str = "phoneNumber";

/// A session as this API's clients know it.
#[derive(Debug)]
pub(super) struct Known {
    /// With how they call it.
    pub(super) named: NamedSession,
    /// Its number.
    pub(super) number: i64,
}

impl Known {
    /// Reads it.
    pub(super) async fn read<P: Permission>(app: &App, call: &SessionCall<P>) -> Result<Self, Problem> {
        promptly(async {
            let mut transaction = app.store().tenant(call.tenant.tenant).await?;
            let session = crate::api::sessions::find(&mut transaction, call.session).await?;
            let mut names = transaction.session_names(Crm::DIALECT, &[session.id]).await?;
            let number = transaction.session_number(session.id).await?;
            transaction.commit().await?;
            Ok(Self {
                named: NamedSession {
                    name: names.remove(&session.id.uuid).unwrap_or_else(|| session.id.to_string()),
                    session,
                },
                number: number.unwrap_or_default(),
            })
        })
        .await
    }

    /// How its clients call it.
    pub(super) fn name(&self) -> &str {
        &self.named.name
    }

    /// What it is, in this API's words.
    pub(super) fn status(&self) -> &'static str {
        status_word(self.named.session.status)
    }

    fn has_qr(&self) -> bool {
        self.named.session.status == SessionStatus::Qr
    }

    /// The account's number; until one is linked, the one that the client said.
    pub(super) fn phone_number(&self) -> Option<&str> {
        let session = &self.named.session;
        match &session.account {
            Some(account) => account.phone.as_deref(),
            None => session.metadata.get(EXPECTED_NUMBER).map(String::as_str),
        }
    }

    /// A session in lists.
    pub(super) fn shown(&self) -> Value {
        json!({
            "id": self.number,
            "sessionId": self.named.name,
            "sessionName": self.named.session.name,
            "status": self.status(),
            "phoneNumber": self.phone_number(),
            "isConnected": self.named.is_connected(),
            "hasQR": self.has_qr(),
        })
    }
}

/// What a session is, in the words of this API.
pub(super) fn status_word(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Connected => "connected",
        SessionStatus::Qr | SessionStatus::Passkey => "qr_code",
        SessionStatus::Starting | SessionStatus::Connecting => "connecting",
        SessionStatus::Stopped
        | SessionStatus::Disconnected
        | SessionStatus::LoggedOut
        | SessionStatus::Banned
        | SessionStatus::Failed => "disconnected",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_one_of_the_four_words() {
        for status in SessionStatus::ALL {
            let word = status_word(*status);
            assert!(["connected", "disconnected", "qr_code", "connecting"].contains(&word));
        }
    }
}
