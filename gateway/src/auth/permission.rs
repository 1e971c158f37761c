//! What a route demands of a tenant's key, as types, so that a handler states it in its signature.

use shared::api_key::Scope;

/// One demand.
pub trait Permission: Send + Sync + 'static {
    /// Any of these scopes will do.
    const ANY_OF: &'static [Scope];
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $($scope:ident)|+;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl Permission for $name {
            const ANY_OF: &'static [Scope] = &[$(Scope::$scope),+];
        }
    )*};
}

permissions! {
    /// Read sessions.
    ReadSessions = SessionsRead;
    /// Create, change, link, start and stop sessions. A QR code links an account, so reading it needs this.
    WriteSessions = SessionsWrite;
    /// Read messages and events.
    ReadMessages = MessagesRead;
    /// Send messages.
    SendMessages = MessagesSend;
    /// Read and download files.
    ReadMedia = MediaRead;
    /// Upload and delete files.
    WriteMedia = MediaWrite;
    /// Manage webhooks and their deliveries.
    WriteWebhooks = WebhooksWrite;
    /// Learn the outcome of a command: for everybody who may give one, or may read what it did.
    FollowCommands = SessionsRead | SessionsWrite | MessagesRead | MessagesSend;
}
