//! Identifiers in paths. One that is not well formed names nothing, so it is answered like one that does not exist.

use std::collections::HashMap;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use shared::ids::{
    ApiKeyId, CommandId, DeliveryId, MediaId, MessageId, SessionId, StatusId, TenantId, UserId, WebhookId,
};
use shared::problem::Code;

use crate::problem::Problem;

/// What can stand in a path.
pub trait PathParameter: FromStr {
    /// The parameter's name in the route.
    const NAME: &'static str;
    /// The code when it names nothing.
    const NOT_FOUND: Code;
}

macro_rules! path_parameters {
    ($($id:ident = $name:literal, $code:ident;)*) => {$(
        impl PathParameter for $id {
            const NAME: &'static str = $name;
            const NOT_FOUND: Code = Code::$code;
        }
    )*};
}

path_parameters! {
    TenantId = "tenant_id", TenantNotFound;
    ApiKeyId = "api_key_id", ApiKeyNotFound;
    UserId = "user_id", UserNotFound;
    SessionId = "session_id", SessionNotFound;
    MessageId = "message_id", MessageNotFound;
    MediaId = "media_id", MediaNotFound;
    StatusId = "status_id", StatusNotFound;
    CommandId = "command_id", CommandNotFound;
    WebhookId = "webhook_id", WebhookNotFound;
    DeliveryId = "delivery_id", DeliveryNotFound;
}

/// Takes one identifier from the path.
#[derive(Debug, Clone, Copy)]
pub struct Id<T>(pub T);

impl<T, S> FromRequestParts<S> for Id<T>
where
    T: PathParameter,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let not_found = || Problem::not_found(T::NOT_FOUND);
        let Path(parameters) = Path::<HashMap<String, String>>::from_request_parts(parts, state)
            .await
            .map_err(|_| not_found())?;
        parameters
            .get(T::NAME)
            .and_then(|text| text.parse().ok())
            .map(Self)
            .ok_or_else(not_found)
    }
}
