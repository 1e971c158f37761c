//! What most stories begin with: a running stack, a tenant with a key, phones, sessions that are linked to them, and a receiver of webhooks.

use std::ops::Deref;
use std::time::Duration;

use harness::client::{Api, Session};
use harness::network::{Phone, ProvisionedAccount};
use harness::stack::{Stack, StackBuilder};
use harness::wait::{NotYet, wait_for};
use serde_json::json;

use crate::story::Story;

/// How long something may take that a story expects to happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running stack and a tenant on it. What a [`Stack`] can do, a scene can do.
#[derive(Debug)]
pub struct Scene {
    stack: Stack,
    /// The API with the operator's key.
    pub admin: Api,
    /// The tenant's id.
    pub tenant: String,
    /// The API with the tenant's key.
    pub api: Api,
}

/// A session that is linked to a phone and connected.
#[derive(Debug, Clone)]
pub struct LinkedSession {
    /// The session's id.
    pub id: String,
    /// The phone of the account's owner.
    pub owner: Phone,
}

impl Deref for Scene {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        &self.stack
    }
}

impl Scene {
    /// One gateway, one worker, one dispatcher.
    ///
    /// # Errors
    /// When the stack does not start.
    pub async fn of(story: &Story) -> anyhow::Result<Self> {
        Self::on(story.stack()?).await
    }

    /// The stack that `builder` describes.
    ///
    /// # Errors
    /// When the stack does not start.
    pub async fn on(builder: StackBuilder) -> anyhow::Result<Self> {
        let stack = builder.start().await?;
        let admin = stack.gateway(1)?;
        let tenant = admin.create_tenant("Story").await?;
        let api = admin.create_key(&tenant).await?;
        Ok(Self {
            stack,
            admin,
            tenant,
            api,
        })
    }

    /// The API of gateway `number` with the tenant's key.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn api_at(&self, number: usize) -> anyhow::Result<Api> {
        Ok(self.api.at(&self.stack.gateway(number)?))
    }

    /// A new person with a phone.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn phone(&self, name: &str) -> anyhow::Result<Phone> {
        self.network().phone(None, name).await
    }

    /// A new session that a new person's phone has linked by QR code; it is connected.
    ///
    /// # Errors
    /// When it cannot be linked.
    pub async fn linked_session(&self, name: &str) -> anyhow::Result<LinkedSession> {
        let owner = self.phone(name).await?;
        let id = self.api.create_session(name).await?.id;
        let qr = self.api.qr(&id, PATIENCE).await?;
        owner.scan(&qr).await?;
        self.wait_for_status(&id, "connected").await?;
        Ok(LinkedSession { id, owner })
    }

    /// A new session with the credentials of an account that is linked already.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub async fn imported_session(&self, account: &ProvisionedAccount) -> anyhow::Result<Session> {
        let body = json!({ "name": account.number, "credentials": account.credentials });
        self.api.create_session_from(&body).await
    }

    /// Waits until a session has a status.
    ///
    /// # Errors
    /// When it takes too long: the text says what the session is instead.
    pub async fn wait_for_status(&self, session: &str, status: &str) -> anyhow::Result<Session> {
        wait_for(format!("{session} to be {status}"), PATIENCE, async || {
            let seen = self.api.session(session).await?;
            if seen.status == status {
                return Ok(seen);
            }
            let reason = seen.reason.unwrap_or_default();
            Err(NotYet::because(format!("it is {} {reason}", seen.status)))
        })
        .await
    }

    /// A webhook of the tenant for these events (none: all), received by the sink under `name`, which checks its signatures.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub async fn webhook(&self, name: &str, events: &[&str]) -> anyhow::Result<String> {
        let webhook = self.api.create_webhook(&self.sink().url(name), events).await?;
        self.sink().expect_secret(name, &webhook.secret).await?;
        Ok(webhook.id)
    }
}
