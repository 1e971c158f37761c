//! The media store's HTTPS side: uploads, downloads, and what is made to go wrong with them.
//!
//! Sources: Baileys Utils/messages-media.ts (`getWAUploadToServer`, `downloadEncryptedContent`); whatsapp-rust src/upload.rs,
//! wacore src/download.rs:430. Both clients insist on HTTPS and accept a host with a port.
//!
//! **Assumption.** An upload needs an authorization from `media_conn`, a download does not: Baileys sends none.

use std::io::{self, SeekFrom};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::Listener;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::{Stream, StreamExt};
use serde::Deserialize;
use serde_json::json;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::store::StoreError;
use crate::accounts::Number;
use crate::faults::{FaultKind, MediaTrouble};
use crate::network::Network;

/// How long a client may take for the handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How many connections with a finished handshake may wait to be served.
const WAITING: usize = 64;
/// How much of a file is in memory at once.
const PIECE: usize = 64 * 1024;

/// Serves the store until it is stopped.
pub async fn serve(network: Arc<Network>, listener: TcpListener, tls: TlsAcceptor, stop: CancellationToken) {
    let (ready, connections) = mpsc::channel(WAITING);
    let address = listener.local_addr();
    let accepting = accept(listener, tls, ready);
    let serving = async {
        let address = address?;
        axum::serve(Handshaken { address, connections }, router(network)).await
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = accepting => {}
        outcome = serving => {
            if let Err(error) = outcome {
                tracing::error!(%error, "the media store failed");
            }
        }
    }
}

/// Accepts connections; handshakes run side by side, so a client that stays silent holds nobody up.
async fn accept(listener: TcpListener, tls: TlsAcceptor, ready: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                let (tls, ready) = (tls.clone(), ready.clone());
                tokio::spawn(async move {
                    if let Ok(Ok(stream)) = timeout(HANDSHAKE_TIME, tls.accept(stream)).await {
                        let _ = ready.send((stream, address)).await;
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the media store cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Connections whose handshake is done.
struct Handshaken {
    address: SocketAddr,
    connections: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl Listener for Handshaken {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.connections.recv().await {
            Some(connection) => connection,
            // Nobody accepts any more: the network is being stopped.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

fn router(network: Arc<Network>) -> Router {
    Router::new()
        .route("/{family}/{kind}/{token}", post(upload))
        .route("/v/{*path}", get(download))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(network)
}

fn refusal(status: StatusCode, detail: &str) -> Response {
    (status, Json(json!({ "error": status.as_u16(), "detail": detail }))).into_response()
}

#[derive(Debug, Deserialize)]
struct Upload {
    #[serde(default)]
    auth: String,
    resume: Option<String>,
    file_offset: Option<u64>,
}

/// `POST /mms/{kind}/{token}?auth=&token=`: the token is the digest of the body in URL-safe base64.
async fn upload(
    State(network): State<Arc<Network>>,
    Path((family, kind, token)): Path<(String, String, String)>,
    Query(query): Query<Upload>,
    request: Request,
) -> Response {
    if !["mms", "newsletter", "product", "pps"].contains(&family.as_str()) {
        return refusal(StatusCode::NOT_FOUND, "there is no such upload path");
    }
    let Some(owner) = network.media.authorized(&query.auth) else {
        return refusal(StatusCode::UNAUTHORIZED, "the authorization is not one of media_conn");
    };
    if let Some(refusal) = trouble(&network, FaultKind::MediaUpload, Some(owner)).await {
        return refusal;
    }
    if query.resume.is_some() {
        // No upload is ever continued: a client begins again.
        return Json(json!({ "resume": "not_found" })).into_response();
    }
    if query.file_offset.is_some_and(|offset| offset > 0) {
        return refusal(StatusCode::BAD_REQUEST, "there is nothing to continue");
    }
    let Ok(digest) = URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')) else {
        return refusal(StatusCode::BAD_REQUEST, "the token is not base64");
    };
    match receive(&network, request.into_body(), &kind, owner, &digest).await {
        Ok(file) => {
            let url = network.media.url(&file.direct_path);
            Json(json!({ "url": url, "direct_path": file.direct_path })).into_response()
        }
        Err(error @ StoreError::TooLarge) => refusal(StatusCode::PAYLOAD_TOO_LARGE, &error.to_string()),
        Err(error @ StoreError::WrongDigest) => refusal(StatusCode::BAD_REQUEST, &error.to_string()),
        Err(error @ StoreError::Disk(_)) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

async fn receive(
    network: &Network,
    body: Body,
    kind: &str,
    owner: Number,
    digest: &[u8],
) -> Result<super::store::StoredFile, StoreError> {
    let mut spool = network.media.begin().await?;
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        spool.write(&piece.map_err(io::Error::other)?).await?;
    }
    network.media.finish(spool, kind, owner, Some(digest)).await
}

#[derive(Debug, Deserialize)]
struct Download {
    auth: Option<String>,
}

/// `GET /v/…`: the whole ciphertext, or the part that `Range` names.
async fn download(
    State(network): State<Arc<Network>>,
    Path(path): Path<String>,
    Query(query): Query<Download>,
    headers: HeaderMap,
) -> Response {
    let account = query.auth.as_deref().and_then(|auth| network.media.authorized(auth));
    if let Some(refusal) = trouble(&network, FaultKind::MediaDownload, account).await {
        return refusal;
    }
    let direct_path = format!("/v/{path}");
    let Some(file) = network.media.find(&direct_path) else {
        return refusal(StatusCode::NOT_FOUND, "there is no such file");
    };
    if let Some(status) = file.expired {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::GONE);
        return refusal(status, "the file has expired");
    }
    let range = headers.get(RANGE).and_then(|range| range.to_str().ok());
    let (status, part) = match range.map(|range| read_range(range, file.length)) {
        None | Some(Wanted::Whole) => (StatusCode::OK, (0, file.length)),
        Some(Wanted::Part(start, end)) => (StatusCode::PARTIAL_CONTENT, (start, end)),
        Some(Wanted::Nothing) => {
            let range = [(CONTENT_RANGE, format!("bytes */{}", file.length))];
            return (StatusCode::RANGE_NOT_SATISFIABLE, range).into_response();
        }
    };
    let body = match part_of(file.open().await, part.0, part.1 - part.0).await {
        Ok(body) => body,
        Err(error) => return refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    };
    network.media.count_download(&direct_path);
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        axum::http::HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(ACCEPT_RANGES, axum::http::HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, (part.1 - part.0).into());
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(range) = format!("bytes {}-{}/{}", part.0, part.1 - 1, file.length).parse()
    {
        headers.insert(CONTENT_RANGE, range);
    }
    response
}

/// Waits and refuses as a fault wants it.
async fn trouble(network: &Network, kind: FaultKind, account: Option<Number>) -> Option<Response> {
    let MediaTrouble { delay, code } = network.faults.troubles_media(kind, account)?;
    tokio::time::sleep(delay).await;
    let status = StatusCode::from_u16(code?).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    Some(refusal(status, "a fault wants it"))
}

async fn part_of(file: io::Result<File>, start: u64, length: u64) -> io::Result<Body> {
    let mut file = file?;
    file.seek(SeekFrom::Start(start)).await?;
    Ok(Body::from_stream(pieces(file, length)))
}

/// The next `length` bytes of a file, piece by piece.
pub fn pieces(file: File, length: u64) -> impl Stream<Item = io::Result<Bytes>> + Send {
    futures::stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let wanted = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        let mut piece = vec![0; wanted];
        let read = file.read(&mut piece).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        piece.truncate(read);
        Ok(Some((Bytes::from(piece), (file, left - read as u64))))
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    /// From the first place up to, not including, the second.
    Part(u64, u64),
    Nothing,
}

/// Reads `Range: bytes=…` with one range (RFC 9110, section 14); anything else means the whole file, as the RFC allows.
fn read_range(range: &str, length: u64) -> Wanted {
    let Some((first, last)) = range
        .strip_prefix("bytes=")
        .filter(|range| !range.contains(','))
        .and_then(|range| range.split_once('-'))
    else {
        return Wanted::Whole;
    };
    let (start, end) = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if last < first => return Wanted::Whole,
        (Ok(first), Ok(last)) => (first, last.saturating_add(1).min(length)),
        (Ok(first), Err(_)) if last.trim().is_empty() => (first, length),
        (Err(_), Ok(suffix)) if first.trim().is_empty() => (length.saturating_sub(suffix), length),
        _ => return Wanted::Whole,
    };
    if start >= end {
        return Wanted::Nothing;
    }
    Wanted::Part(start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        assert_eq!(read_range("bytes=0-9", 100), Wanted::Part(0, 10));
        assert_eq!(read_range("bytes=90-", 100), Wanted::Part(90, 100));
        assert_eq!(read_range("bytes=-10", 100), Wanted::Part(90, 100));
        assert_eq!(read_range("bytes=50-500", 100), Wanted::Part(50, 100));
        assert_eq!(read_range("bytes=100-", 100), Wanted::Nothing);
        assert_eq!(read_range("bytes=-0", 100), Wanted::Nothing);
        for whole in ["bytes=9-3", "bytes=0-1,4-5", "bytes=x-", "items=0-1", "bytes=-"] {
            assert_eq!(read_range(whole, 100), Wanted::Whole, "{whole}");
        }
    }
}
