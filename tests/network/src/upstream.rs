//! One address with TLS for everything, as the upstream clients' own end-to-end suites expect it: WebSocket under `/ws`, the
//! HTTP interface under every other path.
//!
//! It only looks at the path of a connection's first request and then passes bytes on; what is behind it knows nothing of
//! it. The certificate is that of the media store, which the suites do not check (Baileys src/__tests__/e2e/helpers;
//! whatsapp-rust tests/e2e/src/lib.rs:36-80).

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How long a client may take until its first line is there.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest first line.
const LONGEST_LINE: usize = 8 * 1024;

/// Where connections are passed on to.
#[derive(Clone, Copy, Debug)]
pub struct Targets {
    /// Where clients speak WhatsApp's protocol.
    pub protocol: SocketAddr,
    /// The HTTP interface.
    pub http: SocketAddr,
}

/// Serves the address until it is stopped.
pub async fn serve(listener: TcpListener, tls: TlsAcceptor, targets: Targets, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (tls, stop) = (tls.clone(), stop.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        outcome = pass_on(stream, tls, targets) => {
                            if let Err(error) = outcome {
                                tracing::debug!(%error, "a connection to the upstream address ended");
                            }
                        }
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the upstream address cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn pass_on(stream: TcpStream, tls: TlsAcceptor, targets: Targets) -> std::io::Result<()> {
    let mut client = timeout(PATIENCE, tls.accept(stream)).await??;
    let mut read = Vec::new();
    timeout(PATIENCE, async {
        while !read.contains(&b'\n') && read.len() < LONGEST_LINE {
            if client.read_buf(&mut read).await? == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
            }
        }
        Ok(())
    })
    .await??;
    let target = if is_protocol(&read) {
        targets.protocol
    } else {
        targets.http
    };
    let mut server = TcpStream::connect(target).await?;
    server.set_nodelay(true)?;
    server.write_all(&read).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// Whether the first line of a request asks for the protocol.
fn is_protocol(request: &[u8]) -> bool {
    request.starts_with(b"GET /ws")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_sockets_go_to_the_protocol() {
        assert!(is_protocol(b"GET /ws/chat HTTP/1.1\r\n"));
        assert!(!is_protocol(b"POST /admin/mock-phone/scan-qr HTTP/1.1\r\n"));
    }
}
