//! The binary itself, with as many idle companions as one machine is to hold.

use std::process::Stdio;
use std::time::Instant;

use futures::StreamExt;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::companion::{Companion, Credentials};
use crate::world::{PATIENCE, World};

const COMPANIONS: usize = 2_000;
const AT_ONCE: usize = 32;
const MOST_BYTES_EACH: u64 = 40 * 1024;

async fn start_binary() -> (Child, World) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rookery-network"))
        .args(["--log", "warn", "--seed", "load"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let text = |name: &str| ready[name].as_str().unwrap().to_owned();
    (
        child,
        World::at(text("http_url"), text("protocol_url"), text("root_key")),
    )
}

async fn memory(world: &World) -> u64 {
    world.get("/stats").await["memory_rss"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_idle_companions_cost_less_than_40_kib_each() {
    network::limits::raise_open_files();
    let (mut child, world) = start_binary().await;
    let before = memory(&world).await;
    let accounts = Credentials::provision(&world, COMPANIONS).await;
    let begin = Instant::now();
    let connected: Vec<Companion> = futures::stream::iter(&accounts)
        .map(|account| account.active(&world))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let took = begin.elapsed();
    assert_eq!(world.get("/stats").await["connections"], COMPANIONS);

    let each = (memory(&world).await - before) / COMPANIONS as u64;
    println!(
        "{COMPANIONS} companions logged in within {took:.1?} ({:.0} per second); {:.1} KiB of memory each, account included",
        COMPANIONS as f64 / took.as_secs_f64(),
        each as f64 / 1024.0
    );
    assert!(each < MOST_BYTES_EACH, "{each} bytes each");
    drop(connected);

    let id = rustix::process::Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    let status = timeout(PATIENCE, child.wait()).await.expect("SIGTERM ends it").unwrap();
    assert!(status.success(), "{status}");
}
