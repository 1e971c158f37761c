//! The canonical API: every route with its documentation.
//!
//! A handler extracts, makes one call of a use case, and answers. Use cases stand beside their handlers and speak to the store; commands go
//! through [`crate::intake`] and nowhere else.

pub mod api_keys;
pub mod calls;
pub mod chats;
pub mod cluster;
pub mod commands;
pub mod communities;
pub mod contacts;
pub mod events;
pub mod groups;
pub mod labels;
pub mod login;
pub mod media;
pub mod messages;
pub mod newsletters;
pub mod operations;
pub mod profile;
pub mod sessions;
pub mod statistics;
pub mod statuses;
pub mod streams;
pub mod tenants;
pub mod usage;
pub mod users;
pub mod webhooks;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// Every route that needs a key.
pub fn protected() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .merge(sessions::routes())
        .merge(messages::routes())
        .merge(chats::routes())
        .merge(statistics::routes())
        .merge(media::routes())
        .merge(contacts::routes())
        .merge(profile::routes())
        .merge(labels::routes())
        .merge(calls::routes())
        .merge(groups::routes())
        .merge(communities::routes())
        .merge(newsletters::routes())
        .merge(statuses::routes())
        .merge(commands::routes())
        .merge(webhooks::routes())
        .merge(events::routes())
        .merge(tenants::routes())
        .merge(api_keys::routes())
        .merge(streams::routes())
        .merge(usage::routes())
        .merge(users::routes())
        .merge(login::routes())
        .merge(cluster::routes())
}
