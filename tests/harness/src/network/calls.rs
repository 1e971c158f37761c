//! Calls on the simulated network.

use serde::Deserialize;
use serde_json::json;

use super::Phone;

/// What has become of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// Nobody has answered yet.
    Ringing,
    /// The callee took it.
    Accepted,
    /// The callee declined it.
    Rejected,
    /// The caller ended it, or gave up.
    Ended,
}

/// A call.
#[derive(Debug, Clone, Deserialize)]
pub struct Call {
    /// Its identifier.
    pub id: String,
    /// The caller's number.
    pub from: String,
    /// The callee's number.
    pub to: String,
    /// Whether it has a picture.
    pub video: bool,
    /// What has become of it.
    pub state: CallState,
    /// The companions of the callee that have said that they ring.
    pub ringing: Vec<u16>,
    /// The device that took or declined it; 0 is the phone.
    #[serde(default)]
    pub answered_by: Option<u16>,
}

impl Phone {
    /// Calls somebody: every companion of theirs is told. Returns the call's id.
    ///
    /// # Errors
    /// When nobody has this address.
    pub async fn call(&self, to: &str, video: bool) -> anyhow::Result<String> {
        self.id_of("calls", &json!({ "to": to, "video": video })).await
    }

    /// Ends an own call; with the reason `timeout` because nobody answered.
    ///
    /// # Errors
    /// When it is over.
    pub async fn end_call(&self, id: &str, reason: Option<&str>) -> anyhow::Result<()> {
        let body = json!({ "action": "end", "reason": reason });
        self.do_quietly(&format!("calls/{id}"), &body).await
    }

    /// Takes or declines a call on the phone itself: the companions stop ringing.
    ///
    /// # Errors
    /// When it does not ring.
    pub async fn answer_call(&self, id: &str, accept: bool) -> anyhow::Result<()> {
        let action = if accept { "accept" } else { "reject" };
        self.do_quietly(&format!("calls/{id}"), &json!({ "action": action }))
            .await
    }

    /// A call that this person has made or received.
    ///
    /// # Errors
    /// When there is none.
    pub async fn call_state(&self, id: &str) -> anyhow::Result<Call> {
        let path = format!("/phones/{}/calls/{id}", self.number);
        self.network.get(&path).await?.expect(200)?.json()
    }
}
