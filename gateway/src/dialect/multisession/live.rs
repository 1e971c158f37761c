//! News of sessions over Socket.IO, as the web pages and programs of this API listen to them: whoever has joined a session by its name hears of its codes,
//! its connection, its messages and their receipts.
//!
//! The events are those of `GET /v1/events`, read from the rows in the same order, and written as the webhook's are. Nothing is heard without a key. A
//! socket that reads too slowly is closed; nothing is told again after that, because Socket.IO has no place for a cursor.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use parking_lot::Mutex;
use serde_json::Value;
use shared::dialect::around::{Reader, Unreadable};
use shared::dialect::{WebhookFormat, multisession};
use shared::event::Envelope;
use shared::store::events::EventFilter;
use socketioxide::extract::{Data, SocketRef};
use socketioxide::{SendError, SocketError, SocketIo};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Client, Multisession};
use crate::api::events::stream::Follower;
use crate::app::App;
use crate::auth::TenantCall;
use crate::auth::permission::ReadMessages;
use crate::dialect::{PREFIX, Speech as _};
use crate::http::parameters;
use crate::problem::Problem;

/// Where Socket.IO's clients look for it.
const PATH: &str = "/socket.io/";
/// The largest packet that a client may send, in bytes: it only ever says names.
const LARGEST_PACKET: u64 = 16 * 1024;
/// The most sessions that a socket may join.
const MOST_JOINED: usize = 1_000;
/// How long a full socket may take until it has room again.
const SLOWEST: Duration = Duration::from_secs(10);
/// How often a full socket, or a database that is away, is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

type Call = TenantCall<ReadMessages>;

/// The route, with its whole path: unlike other requests these take as long as somebody listens.
pub fn routes(app: &App) -> Router<App> {
    let path = format!("{PREFIX}/{}{PATH}", Multisession::DIALECT);
    let (service, io) = SocketIo::builder()
        .req_path(path.clone())
        .max_payload(LARGEST_PACKET)
        .build_svc();
    let served = app.clone();
    io.ns("/", async move |socket: SocketRef| connected(&served, &socket));
    let soft = app.shutdown().soft().clone();
    app.shutdown().spawn(async move {
        soft.cancelled().await;
        io.close().await;
    });
    Router::new()
        .route_service(&path, service)
        .route_layer(from_fn_with_state(app.clone(), admit))
}

/// Lets in whoever shakes hands with a key; the packets that follow carry the id that the handshake gave.
async fn admit(State(app): State<App>, client: Client, mut request: Request, next: Next) -> Result<Response, Problem> {
    if !parameters::pairs(request.uri()).any(|(name, _)| name == "sid") {
        let call: Call = client.tenant(&app).await?;
        request.extensions_mut().insert(call);
    }
    Ok(next.run(request).await)
}

/// What one socket listens to.
struct Listener {
    app: App,
    call: Call,
    /// The sessions, as the client calls them.
    joined: Mutex<HashSet<String>>,
    /// Somebody follows the events for it.
    follows: AtomicBool,
    gone: CancellationToken,
}

fn connected(app: &App, socket: &SocketRef) {
    let Some(call) = socket.req_parts().extensions.get::<Call>().cloned() else {
        socket.clone().disconnect().ok();
        return;
    };
    let listener = Arc::new(Listener {
        app: app.clone(),
        call,
        joined: Mutex::default(),
        follows: AtomicBool::new(false),
        gone: CancellationToken::new(),
    });
    let gone = listener.gone.clone();
    socket.on_disconnect(async move || gone.cancel());
    socket.on(
        "join-session",
        async move |socket: SocketRef, Data(name): Data<String>| {
            listener.join(name, socket);
        },
    );
}

impl Listener {
    fn join(self: &Arc<Self>, name: String, socket: SocketRef) {
        {
            let mut joined = self.joined.lock();
            if joined.len() < MOST_JOINED {
                joined.insert(name);
            }
        }
        if self.follows.swap(true, Ordering::Relaxed) {
            return;
        }
        let listener = Arc::clone(self);
        self.app.shutdown().spawn(async move {
            tokio::select! {
                () = listener.follow(&socket) => {}
                () = listener.gone.cancelled() => return,
            }
            // Its key was refused, it is too slow, or this gateway stops: the client connects again, here or elsewhere.
            socket.disconnect().ok();
        });
    }

    /// Tells the socket what happens, until it cannot be told any more.
    async fn follow(&self, socket: &SocketRef) {
        let filter = EventFilter {
            sessions: self.call.within().map(<[Uuid]>::to_vec),
            types: multisession::live_event_types(),
        };
        let app = &self.app;
        let Ok(mut follower) = Follower::begin(app.clone(), self.call.clone(), filter, None).await else {
            return;
        };
        let reader = Reader::new(app.store().clone(), Some(app.files().bucket.clone()));
        let mut names = HashMap::new();
        while let Some(event) = follower.next().await {
            let Ok(envelope) = serde_json::from_str::<Envelope>(&event.body) else {
                continue;
            };
            // Until it is told, a message's file is in memory.
            let place = app.base64_permits().acquire_owned().await;
            let news = loop {
                match self.news(&reader, &envelope, &mut names).await {
                    Ok(news) => break news,
                    // What is told late is better than what is left out.
                    Err(error) => {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "a socket waits for what cannot be read"
                        );
                        tokio::time::sleep(LOOK_INTERVAL).await;
                    }
                }
            };
            if let Some((name, news)) = news
                && !tell(socket, name, &news).await
            {
                return;
            }
            drop(place);
        }
    }

    /// What the socket hears of an event: nothing of a session that it has not joined. `names`: those that are known already; a session never changes
    /// its name.
    async fn news(
        &self,
        reader: &Reader,
        envelope: &Envelope,
        names: &mut HashMap<Uuid, String>,
    ) -> Result<Option<(&'static str, Value)>, Unreadable> {
        let session = envelope.session_id;
        let name = match names.get(&session.uuid) {
            Some(name) => name,
            None => {
                let mut transaction = self.app.store().tenant(envelope.tenant_id).await?;
                let mut found = transaction.session_names(Multisession::DIALECT, &[session]).await?;
                let name = found.remove(&session.uuid).unwrap_or_else(|| session.to_string());
                names.entry(session.uuid).or_insert(name)
            }
        };
        if !self.joined.lock().contains(name) {
            return Ok(None);
        }
        let format = WebhookFormat::Multisession;
        let around = reader.surroundings(format, Multisession::DIALECT, envelope).await?;
        Ok(multisession::live(envelope, &around))
    }
}

/// Sends news as soon as the socket has room. Answers whether it had in time.
async fn tell(socket: &SocketRef, name: &str, news: &Value) -> bool {
    let sent = tokio::time::timeout(SLOWEST, async {
        loop {
            match socket.emit(name, news) {
                Err(SendError::Socket(SocketError::InternalChannelFull)) => tokio::time::sleep(LOOK_INTERVAL).await,
                other => return other.is_ok(),
            }
        }
    });
    sent.await.unwrap_or(false)
}
