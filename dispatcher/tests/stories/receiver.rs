//! A tenant's receiver, which answers as a story tells it to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::HeaderMap;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use harness::wait::{SOON, until};

/// How a receiver answers one request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// With a status and a short body.
    Status(u16),
    /// With a status and one header.
    Header(u16, &'static str, String),
    /// With 200, after some time.
    Late(Duration),
    /// Never.
    Never,
    /// With 200 and a body that never ends: so many bytes each time.
    Endless {
        /// Bytes at a time.
        chunk: usize,
        /// The time between them.
        pause: Duration,
    },
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) at: Instant,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Whether the official library accepts it with this secret.
    pub(crate) fn verifies_with(&self, secret: &str) -> bool {
        standardwebhooks::Webhook::new(secret)
            .unwrap()
            .verify(&self.body, &self.headers)
            .is_ok()
    }
}

/// A receiver on this machine.
pub(crate) struct Receiver {
    pub(crate) port: u16,
    script: Arc<Script>,
    serving: JoinHandle<()>,
}

struct Script {
    /// What comes next; the last one is repeated for ever.
    replies: Mutex<Vec<Reply>>,
    received: Mutex<Vec<Received>>,
    busy: AtomicUsize,
    busiest: AtomicUsize,
}

impl Receiver {
    /// Starts a receiver that gives these answers in turn, and the last one from then on.
    pub(crate) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut replies: Vec<Reply> = replies.into_iter().collect();
        replies.reverse();
        let script = Arc::new(Script {
            replies: Mutex::new(replies),
            received: Mutex::default(),
            busy: AtomicUsize::new(0),
            busiest: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { port, script, serving }
    }

    /// A receiver that accepts everything.
    pub(crate) async fn willing() -> Self {
        Self::start([Reply::Status(200)]).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// From now on every answer is this one.
    pub(crate) fn answer_with(&self, reply: Reply) {
        *self.script.replies.lock() = vec![reply];
    }

    /// What came so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.script.received.lock().clone()
    }

    /// The most requests that were under way at once.
    pub(crate) fn busiest(&self) -> usize {
        self.script.busiest.load(Ordering::SeqCst)
    }

    /// Waits until so many requests came.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Received> {
        until(&format!("{count} requests at a receiver"), SOON, async || {
            let received = self.received();
            (received.len() >= count).then_some(received)
        })
        .await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Counts a request as under way until it is answered or the sender has given up.
struct Busy(Arc<Script>);

impl Busy {
    fn begin(script: &Arc<Script>) -> Self {
        let busy = script.busy.fetch_add(1, Ordering::SeqCst) + 1;
        script.busiest.fetch_max(busy, Ordering::SeqCst);
        Self(Arc::clone(script))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn answer(State(script): State<Arc<Script>>, headers: HeaderMap, body: Bytes) -> Response {
    let _busy = Busy::begin(&script);
    let reply = {
        let mut replies = script.replies.lock();
        let last = replies.len() == 1;
        if last {
            replies[0].clone()
        } else {
            replies.pop().unwrap()
        }
    };
    script.received.lock().push(Received {
        at: Instant::now(),
        headers,
        body,
    });
    let response = Response::builder();
    match reply {
        Reply::Status(status) => response.status(status).body(Body::from(format!("status {status}"))),
        Reply::Header(status, name, value) => response.status(status).header(name, value).body(Body::empty()),
        Reply::Late(delay) => {
            tokio::time::sleep(delay).await;
            response.body(Body::from("late"))
        }
        Reply::Never => std::future::pending().await,
        Reply::Endless { chunk, pause } => {
            let chunks = stream::unfold((), move |()| async move {
                tokio::time::sleep(pause).await;
                Some((Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; chunk])), ()))
            });
            response.body(Body::from_stream(chunks))
        }
    }
    .unwrap()
}
