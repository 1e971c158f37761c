//! `deploy/local` itself: started again it changes nothing, wiped it leaves nothing.

use std::path::Path;
use std::process::Output;

use anyhow::{Context as _, ensure};
use harness::directory::Directory;
use harness::process::Process;
use harness::site::Programs;
use stories::Story;
use tokio::process::Command;

stories::stories![
    the_local_stack_starts_restarts_what_died_and_leaves_nothing_when_wiped,
    a_stack_of_the_simulated_network_is_never_presented_to_whatsapp,
];

/// Runs the program behind `deploy/local` on a folder of the story's own.
async fn local(folder: &Path, arguments: &[&str]) -> anyhow::Result<Output> {
    let program = Programs::beside_this_one()?.path("rookery-local");
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("ROOKERY_LOCAL_DIRECTORY", folder)
        .env("ROOKERY_GATEWAYS", "2")
        .env("ROOKERY_WORKERS", "2");
    command.output().await.context("cannot run rookery-local")
}

async fn succeeds(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = local(folder, arguments).await?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "`deploy/local {}` failed:\n{said}\n{complained}",
        arguments.join(" ")
    );
    Ok(said)
}

fn pid_of(folder: &Path, name: &str) -> anyhow::Result<i32> {
    let directory = Directory::existing(folder).context("there is no stack")?;
    let process = Process::find(&directory, name).with_context(|| format!("{name} does not run"))?;
    Ok(process.pid())
}

async fn the_local_stack_starts_restarts_what_died_and_leaves_nothing_when_wiped(story: &Story) -> anyhow::Result<()> {
    let folder = story.folder();
    let told = succeeds(&folder, &["demo"]).await?;
    ensure!(
        told.contains("the official standardwebhooks library verifies it"),
        "{told}"
    );
    for name in [
        "gateway-1",
        "gateway-2",
        "worker-1",
        "worker-2",
        "dispatcher-1",
        "postgres",
        "nats",
        "s3",
        "network",
    ] {
        pid_of(&folder, name)?;
    }
    let status = succeeds(&folder, &["status"]).await?;
    ensure!(status.contains("worker-2") && !status.contains("dead"), "{status}");

    let environment = std::fs::read_to_string(folder.join("env"))?;
    let gateway = pid_of(&folder, "gateway-1")?;
    let directory = Directory::existing(&folder).context("there is no stack")?;
    Process::find(&directory, "worker-2")
        .context("worker-2 does not run")?
        .kill()
        .await?;
    // A killed process leaves its file; status must say so.
    std::fs::write(directory.pid_file("worker-2"), "999999999")?;
    ensure!(
        !local(&folder, &["status"]).await?.status.success(),
        "status does not notice a dead worker"
    );

    succeeds(&folder, &["up", "--simulated"]).await?;
    ensure!(
        pid_of(&folder, "gateway-1")? == gateway,
        "a gateway that ran was started again"
    );
    pid_of(&folder, "worker-2")?;
    ensure!(
        std::fs::read_to_string(folder.join("env"))? == environment,
        "the addresses or keys have changed"
    );

    succeeds(&folder, &["down"]).await?;
    ensure!(
        Process::all_of(&directory)?.is_empty(),
        "something still runs after down"
    );
    ensure!(
        directory.data_of("postgres").is_dir(),
        "down without --wipe removed the data"
    );
    succeeds(&folder, &["up", "--simulated"]).await?;
    succeeds(&folder, &["down", "--wipe"]).await?;
    ensure!(
        Process::all_of(&directory)?.is_empty(),
        "something still runs after down --wipe"
    );
    ensure!(!folder.exists(), "something is left in {}", folder.display());
    Ok(())
}

async fn a_stack_of_the_simulated_network_is_never_presented_to_whatsapp(story: &Story) -> anyhow::Result<()> {
    let folder = story.folder();
    succeeds(&folder, &["up", "--simulated"]).await?;
    let refused = local(&folder, &["up"]).await?;
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    ensure!(!refused.status.success() && said.contains("down --wipe"), "{said}");
    succeeds(&folder, &["down", "--wipe"]).await?;
    Ok(())
}
