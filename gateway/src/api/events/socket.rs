//! Events followed live over a WebSocket (RFC 6455): the same events in the same order as the stream of server-sent events.
//!
//! Nothing that the client says counts but closing; what it says is bounded. A client that reads slowly costs one page of memory.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use shared::store::events::{EventFilter, EventPosition};

use super::stream::Follower;
use crate::app::App;
use crate::auth::permission::ReadMessages;
use crate::auth::{TenantCall, WEBSOCKET_PROTOCOL};
use crate::problem::Problem;

/// How often a silent connection shows that it is alive.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// The longest message that is taken from a client.
const LONGEST_MESSAGE: usize = 4_096;

/// Begins to follow after `after`, or now, once the connection is upgraded.
pub(super) async fn follow(
    app: App,
    call: TenantCall<ReadMessages>,
    filter: EventFilter,
    after: Option<EventPosition>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Problem> {
    let follower = Follower::begin(app, call, filter, after).await?;
    Ok(upgrade
        .protocols([WEBSOCKET_PROTOCOL])
        .max_message_size(LONGEST_MESSAGE)
        .on_upgrade(move |socket| serve(follower, socket)))
}

/// Until the client closes, its key stops working or this gateway stops.
async fn serve(mut follower: Follower, mut socket: WebSocket) {
    let mut ping = tokio::time::interval(PING_INTERVAL);
    ping.reset();
    loop {
        let message = tokio::select! {
            event = follower.next() => match event {
                Some(event) => Message::text(event.body),
                None => break,
            },
            said = socket.recv() => match said {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
            _ = ping.tick() => Message::Ping(bytes::Bytes::new()),
        };
        if socket.send(message).await.is_err() {
            return;
        }
    }
    // The client goes on elsewhere, or finds out that its key is refused.
    let goodbye = Message::Close(Some(CloseFrame {
        code: close_code::AWAY,
        reason: "".into(),
    }));
    // Whether the client hears it or not: this is the end.
    socket.send(goodbye).await.ok();
}
