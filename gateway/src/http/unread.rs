//! What is left of a request's body once the request has been answered.
//!
//! A server that closes a connection on which the client still sends makes the client see a reset instead of the answer, and one that says nothing
//! makes it send its next request into a connection that is closing. So the rest is read and thrown away, within bounds; beyond them the answer
//! says that the connection ends. Nothing here may look at what the body says.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CONNECTION, EXPECT};
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;

/// The most that is thrown away, in bytes.
const MOST: usize = 8 * 1024 * 1024;
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A body of which somebody else keeps hold.
struct Shared(Arc<Mutex<Body>>);

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut *self.0.lock()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().size_hint()
    }
}

/// Answers the request, then reads what the answer did not need.
pub async fn read_to_end(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // A client that waits to be asked for its body has sent none of it: reading would ask.
    let unasked = request.headers().contains_key(EXPECT);
    let (parts, body) = request.into_parts();
    let body = Arc::new(Mutex::new(body));
    let shared = Body::new(Shared(Arc::clone(&body)));
    let mut response = next.run(Request::from_parts(parts, shared)).await;
    let finished = body.lock().is_end_stream();
    if !finished && (unasked || !throw_away(&body).await) {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Answers whether the end was reached.
async fn throw_away(body: &Mutex<Body>) -> bool {
    let reading = async {
        let mut left = MOST;
        loop {
            let frame = poll_fn(|context| Pin::new(&mut *body.lock()).poll_frame(context)).await;
            let Some(Ok(frame)) = frame else {
                return frame.is_none();
            };
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(length) else {
                return false;
            };
            left = rest;
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_thrown_away_to_its_end_but_not_without_end() {
        let short = Mutex::new(Body::from(vec![0; MOST]));
        assert!(throw_away(&short).await);
        let chunks = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[0; 65_536])));
        let endless = Mutex::new(Body::from_stream(chunks));
        assert!(!throw_away(&endless).await);
    }
}
