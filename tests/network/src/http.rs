//! The HTTP interface: it plays the people, breaks things on purpose, and shows what happened.
//!
//! It is open to everybody who can reach it and belongs on a loopback address. Bodies and answers are JSON; numbers are
//! digits, addresses are digits or JIDs in either spelling; groups and `status@broadcast` are addresses too. Errors are `{"error": code, "detail": sentence}`.
//!
//! | route | body → answer |
//! |---|---|
//! | `POST /phones` | `{number?, name?}` → `{number, lid}`; an existing number stays as it is |
//! | `GET /phones/{number}` | → name, presence, and for each companion whether it is connected and what it has not acknowledged |
//! | `POST /phones/{number}/scan` | `{qr}` → `{jid, lid, device}` once the companion has accepted; 409 `qr_expired`, `not_accepted`, 422 `not_a_qr_code`, `keys_differ` |
//! | `POST /phones/{number}/enter-code` | `{code}` → the same; 409 `code_wrong`, `code_expired`, `not_accepted` |
//! | `POST /admin/mock-phone/scan-qr` | the text of a QR code → the same; the client's push name decides whose phone it is |
//! | `POST /phones/{number}/messages` | `{to, type: "text", text}`, `{to, type: "reaction", id, emoji, from_me?}`, `{to, type: "edit", id, text}`, `{to, type: "revoke", id}`, or any kind as `{to, protobuf}`: a `waproto` `Message` in base64 → `{id}` |
//! | `GET /phones/{number}/messages?after=&wait=` | → `{messages, receipts, typing, next}` after a cursor, waiting up to 60 seconds for something |
//! | `POST /phones/{number}/read` | `{ids, from?, played?}` → the senders get read receipts, or played ones |
//! | `POST /phones/{number}/media?kind=` | the file → `{url, direct_path, media_key, file_sha256, file_enc_sha256, file_length, media_key_timestamp}`: uploaded under a fresh key |
//! | `POST /phones/{number}/media/read` | `{direct_path, media_key, kind}` → the file; 404 `unknown_media`, 410 `media_expired`, 422 `media_damaged` |
//! | `POST /phones/{number}/media-retry` | `{answer: "upload" \| "not_found" \| "general_error" \| "decryption_error" \| "ignore"}`: what the phone does when a companion asks for a file again |
//! | `POST /phones/{number}/votes` | `{poll, options}` → `{id}` · `GET /phones/{number}/polls/{id}` → `{votes: [{voter, id, options}]}` |
//! | `POST /phones/{number}/event-responses` | `{event, response: "going" \| "not_going" \| "maybe", extra_guests?}` → `{id}` · `GET /phones/{number}/events/{id}` → `{responses}` |
//! | `POST /phones/{number}/calls` | `{to, video?}` → `{id}` · `GET`, also `/{id}` → see [`crate::calls::Call`] |
//! | `POST /phones/{number}/calls/{id}` | `{action: "end", reason?}` by the caller, `{action: "accept" \| "reject"}` by the callee on the phone |
//! | `GET /media` · `POST /media/expire` · `GET /media/ca` | the stored files · `{direct_path?, status?: 404 \| 410}` → `{expired}` · the authority's certificate in PEM |
//! | `POST /phones/{number}/typing` | `{to, state: "composing" \| "recording" \| "paused"}` |
//! | `POST /phones/{number}/presence` | `{state: "available" \| "unavailable"}` |
//! | `POST /phones/{number}/profile` | `{name?, about?, picture?: base64 \| null, business? \| null}`: a new push name, about text, picture, business profile ([`crate::people::profile::Business`]) |
//! | `GET /phones/{number}/profile` | → the same, and privacy, blocked people, timer, address book |
//! | `POST /phones/{number}/privacy` | `{category, value, add?, remove?}`: who may see or do what; people by number |
//! | `POST /phones/{number}/privacy-tokens` | `{restricted, accepts_trusted?, accepts_salted?}`: strangers cannot write, see [`crate::people::tokens`] |
//! | `POST /phones/{number}/block` | `{who, blocked}` |
//! | `POST /phones/{number}/disappearing` | `{seconds}`: the timer for new chats |
//! | `POST /phones/{number}/app-state` | `{action, …}`, see [`crate::app_state::changes::Action`] → `{collection, version, index}` |
//! | `GET /phones/{number}/app-state?collection=&after=` | → `{mutations, present}`: all changes, decrypted, and what is in force |
//! | `POST /phones/{number}/history` | `{chats: [{id, name?, unread?, archived?, pinned?, messages: [{id?, from_me?, text \| message \| info, timestamp?, …}]}], push_names?, initial?, unasked?, part_size?, inline?}`: what companions get that are linked later |
//! | `GET /pictures/{id}/{kind}` | → the bytes of a profile picture |
//! | `POST /phones/{number}/unlink` | `{device?}` → `{unlinked}`: one companion or all of them are logged out |
//! | `POST /phones/{number}/online` | `{online}`: a phone that is offline holds what comes and what it is to send |
//! | `POST /phones/{number}/groups` | `{subject, participants?, description?, announcement?, locked?, ephemeral?, open_to_members?, approval?, by_number?, community?, parent?}` → `{id, participants: [{jid, number, code, invitation}]}` |
//! | `POST /phones/{number}/groups/{id}/participants` | `{action: "add" \| "remove" \| "promote" \| "demote", participants}` → `{participants}` |
//! | `POST /phones/{number}/groups/{id}/settings` | any of `{subject, description, announcement, locked, ephemeral, open_to_members, approval}` |
//! | `POST /phones/{number}/groups/{id}/leave` | |
//! | `POST /phones/{number}/groups/{id}/invite` | `{reset?}` → `{code}` |
//! | `POST /phones/{number}/groups/{id}/requests` | `{approve?, reject?}` → `{participants: [{jid, code}]}` |
//! | `POST /phones/{number}/groups/{id}/linked-groups` | `{link?, unlink?}` → `{groups: [{jid, code}]}`, for communities |
//! | `POST /phones/{number}/join-group` | `{code, group?}` → `{id, member}`; not a member yet where an admin must approve |
//! | `POST /phones/{number}/group-privacy` | `{open}`: whether others may add this person to groups |
//! | `POST /phones/{number}/status` | `{to: [address], text}` → `{id}` |
//! | `POST /phones/{number}/newsletters` | `{name, description?}` → `{id, invite_code}`; then `POST /phones/{number}/messages` writes in it |
//! | `POST /phones/{number}/newsletters/{id}/following` | `{follow}` |
//! | `POST /phones/{number}/newsletters/{id}/reactions` | `{server_id, emoji?}`; without an emoji it is taken back |
//! | `GET /newsletters/{id}` | → the newsletter with its followers and messages |
//! | `GET /groups` · `GET /groups/{id}` | → `{groups}` · the group with its members, settings and requests |
//! | `POST /provision` | `{count, prefix?, phone?}` → `{accounts}`: linked accounts with their companions' credentials |
//! | `POST /faults`, `GET`, `DELETE` | see [`crate::faults`]: `{kind, session?, count?, delay_ms?, code?, conflict?}` → `{fault, affected}` |
//! | `GET /ledger?session=&after=&limit=` | → `{entries, first, last}`, see [`crate::ledger`] |
//! | `GET /stats` · `GET /root-key` · `GET /healthz` | counters · the certificate root in hexadecimal · health |

pub mod admin;
pub mod calls;
pub mod evidence;
pub mod faults;
pub mod groups;
pub mod history;
pub mod media;
pub mod newsletters;
pub mod people;
pub mod phones;
pub mod problem;
pub mod provision;
pub mod secrets;
pub mod status;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::network::Network;

/// Serves the interface until it is stopped.
pub async fn serve(network: Arc<Network>, listener: TcpListener, stop: CancellationToken) {
    let serving = axum::serve(listener, router(network));
    tokio::select! {
        () = stop.cancelled() => {}
        outcome = serving => {
            if let Err(error) = outcome {
                tracing::error!(%error, "the HTTP interface failed");
            }
        }
    }
}

fn router(network: Arc<Network>) -> Router {
    Router::new()
        .route("/phones", post(phones::create))
        .route("/phones/{number}", get(phones::describe))
        .route("/phones/{number}/scan", post(phones::scan))
        .route("/phones/{number}/enter-code", post(phones::enter_code))
        .route("/phones/{number}/messages", post(phones::send).get(phones::received))
        .route("/phones/{number}/read", post(phones::read))
        .route("/phones/{number}/typing", post(phones::typing))
        .route("/phones/{number}/presence", post(phones::presence))
        .route(
            "/phones/{number}/profile",
            post(people::change_profile).get(people::describe),
        )
        .route("/phones/{number}/privacy", post(people::change_privacy))
        .route("/phones/{number}/privacy-tokens", post(people::change_tokens))
        .route("/phones/{number}/block", post(people::block))
        .route("/phones/{number}/disappearing", post(people::default_timer))
        .route(
            "/phones/{number}/app-state",
            post(people::change_app_state).get(people::app_state),
        )
        .route("/phones/{number}/history", post(history::give))
        .route("/pictures/{id}/{kind}", get(people::picture))
        .route("/phones/{number}/unlink", post(phones::unlink))
        .route("/phones/{number}/online", post(phones::online))
        .route("/phones/{number}/media", post(media::upload))
        .route("/phones/{number}/media/read", post(media::read))
        .route("/phones/{number}/media-retry", post(media::retry))
        .route("/phones/{number}/votes", post(secrets::vote))
        .route("/phones/{number}/polls/{id}", get(secrets::votes))
        .route("/phones/{number}/event-responses", post(secrets::respond))
        .route("/phones/{number}/events/{id}", get(secrets::responses))
        .route("/phones/{number}/calls", post(calls::begin).get(calls::list))
        .route("/phones/{number}/calls/{id}", post(calls::act).get(calls::describe))
        .route("/media", get(media::list))
        .route("/media/expire", post(media::expire))
        .route("/media/ca", get(media::authority))
        .route("/phones/{number}/groups", post(groups::create))
        .route("/phones/{number}/groups/{id}/participants", post(groups::change_people))
        .route("/phones/{number}/groups/{id}/settings", post(groups::change))
        .route("/phones/{number}/groups/{id}/leave", post(groups::leave))
        .route("/phones/{number}/groups/{id}/invite", post(groups::invite))
        .route("/phones/{number}/groups/{id}/requests", post(groups::decide))
        .route("/phones/{number}/groups/{id}/linked-groups", post(groups::link))
        .route("/phones/{number}/join-group", post(groups::join))
        .route("/phones/{number}/group-privacy", post(groups::privacy))
        .route("/phones/{number}/status", post(status::post))
        .route("/phones/{number}/newsletters", post(newsletters::create))
        .route("/phones/{number}/newsletters/{id}/following", post(newsletters::follow))
        .route("/phones/{number}/newsletters/{id}/reactions", post(newsletters::react))
        .route("/newsletters/{id}", get(newsletters::describe))
        .route("/groups", get(groups::list))
        .route("/groups/{id}", get(groups::describe))
        .route("/admin/mock-phone/scan-qr", post(admin::scan_by_push_name))
        .route("/provision", post(provision::provision))
        .route("/faults", post(faults::add).get(faults::list).delete(faults::clear))
        .route("/root-key", get(admin::root_key))
        .route("/stats", get(evidence::stats))
        .route("/ledger", get(evidence::ledger))
        .route("/healthz", get(admin::healthz))
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method)
        .with_state(network)
}
