//! An HTTP proxy that tunnels (`CONNECT`, RFC 9110 section 9.3.6), wants a password, counts, and can close the way to a port.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the proxy knows.
#[derive(Debug, Default)]
struct Seen {
    /// Tunnels by the port they lead to.
    tunnels: HashMap<u16, usize>,
    /// Bytes from clients by the port they went to, of tunnels that have ended or go on.
    bytes: HashMap<u16, u64>,
    closed: HashSet<u16>,
    refused: usize,
}

/// A running proxy. It ends with the test's runtime.
#[derive(Debug)]
pub struct ConnectProxy {
    /// Where it listens on this machine.
    pub port: u16,
    seen: Arc<Mutex<Seen>>,
}

impl ConnectProxy {
    /// Starts a proxy for whoever has this name and password.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(user: &str, password: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let expected = format!("Basic {}", BASE64.encode(format!("{user}:{password}")));
        tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let (seen, expected) = (Arc::clone(&seen), expected.clone());
                    tokio::spawn(async move { serve(client, &expected, &seen).await });
                }
            }
        });
        Ok(Self { port, seen })
    }

    /// How many tunnels were opened to a port.
    #[must_use]
    pub fn tunnels_to(&self, port: u16) -> usize {
        self.seen.lock().tunnels.get(&port).copied().unwrap_or_default()
    }

    /// How many bytes clients have sent to a port.
    #[must_use]
    pub fn bytes_to(&self, port: u16) -> u64 {
        self.seen.lock().bytes.get(&port).copied().unwrap_or_default()
    }

    /// How many tunnels were refused.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.seen.lock().refused
    }

    /// Opens no more tunnels to a port.
    pub fn refuse(&self, port: u16) {
        self.seen.lock().closed.insert(port);
    }

    /// Opens tunnels to it again.
    pub fn allow(&self, port: u16) {
        self.seen.lock().closed.remove(&port);
    }
}

async fn serve(mut client: TcpStream, expected: &str, seen: &Mutex<Seen>) -> anyhow::Result<()> {
    let (reader, mut writer) = client.split();
    let mut reader = BufReader::new(reader);
    let (target, authorized) = request(&mut reader, expected).await?;
    let port: u16 = target.rsplit(':').next().context("no port")?.parse()?;
    if !authorized {
        writer
            .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            .await?;
        bail!("a wrong password");
    }
    let refused = {
        let mut seen = seen.lock();
        let refused = seen.closed.contains(&port);
        seen.refused += usize::from(refused);
        refused
    };
    if refused {
        writer.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await?;
        return Ok(());
    }
    let mut server = TcpStream::connect(&target).await?;
    *seen.lock().tunnels.entry(port).or_default() += 1;
    writer.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    let (mut from_server, mut to_server) = server.split();
    let upwards = async {
        loop {
            let piece = reader.fill_buf().await?;
            let length = piece.len();
            if length == 0 {
                return to_server.shutdown().await;
            }
            to_server.write_all(piece).await?;
            reader.consume(length);
            *seen.lock().bytes.entry(port).or_default() += length as u64;
        }
    };
    tokio::try_join!(upwards, async {
        tokio::io::copy(&mut from_server, &mut writer).await?;
        writer.shutdown().await
    })?;
    Ok(())
}

/// The target of a `CONNECT`, and whether it came with the right password.
async fn request(
    reader: &mut (impl tokio::io::AsyncBufRead + Unpin),
    expected: &str,
) -> anyhow::Result<(String, bool)> {
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    let mut words = line.split_whitespace();
    let (Some("CONNECT"), Some(target)) = (words.next(), words.next()) else {
        bail!("not a CONNECT: {line}");
    };
    let target = target.to_owned();
    let mut authorized = false;
    loop {
        line.clear();
        reader.read_line(&mut line).await?;
        let header = line.trim_end();
        if header.is_empty() {
            return Ok((target, authorized));
        }
        if let Some((name, value)) = header.split_once(':') {
            authorized |= name.eq_ignore_ascii_case("proxy-authorization") && value.trim() == expected;
        }
    }
}
