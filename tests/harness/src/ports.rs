//! Free ports on the loopback interface.
//!
//! Ports come from below the range from which the kernel takes the near end of outgoing connections (32768 and up on Linux): a server that is
//! restarted must find its port free again, and an outgoing connection must not sit on it meanwhile.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::bail;
use parking_lot::Mutex;
use rand::RngExt as _;

const LOWEST: u16 = 15_000;
const HIGHEST: u16 = 31_999;
const ATTEMPTS: usize = 1_000;

/// What this program has handed out: two stacks of one test run start at the same time.
static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// A port that nobody listens on and that this program has not handed out before.
///
/// # Errors
/// When no port is free.
pub fn free_port() -> anyhow::Result<u16> {
    let mut taken = TAKEN.lock();
    let taken = taken.get_or_insert_with(HashSet::new);
    let mut random = rand::rng();
    for _ in 0..ATTEMPTS {
        let port = random.random_range(LOWEST..=HIGHEST);
        if !taken.contains(&port) && is_free(port) {
            taken.insert(port);
            return Ok(port);
        }
    }
    bail!("no free port between {LOWEST} and {HIGHEST} on 127.0.0.1")
}

/// Whether nobody listens on the port right now.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The port on the loopback interface.
#[must_use]
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_handed_out_once_and_can_be_bound() {
        let ports: HashSet<u16> = (0..50).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 50);
        for port in ports {
            let listener = TcpListener::bind(loopback(port)).unwrap();
            assert!(!is_free(port));
            drop(listener);
        }
    }
}
