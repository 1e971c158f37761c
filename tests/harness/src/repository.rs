//! The checkout: where it is, and how its programs are built.
//!
//! Every call names the whole workspace, by naming no package: Cargo unites the features of what one call names, and with the same features
//! nothing is built twice. For the same reason the simulated worker is built by a call of its own, which builds nothing else: the feature
//! `simulated` switches certificate checks off, and no other program may be built with it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::SystemTime;

use anyhow::{Context as _, ensure};
use tokio::process::Command;

use crate::site::Programs;

/// The checkout's root.
///
/// Cargo names the package's folder for what it runs; otherwise the checkout is where we are or above.
#[must_use]
pub fn root() -> PathBuf {
    let from_cargo = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let here = std::env::current_dir().ok();
    from_cargo
        .into_iter()
        .chain(here)
        .find_map(|start| {
            start
                .ancestors()
                .find(|folder| folder.join("deploy/local").is_file())
                .map(Path::to_owned)
        })
        .unwrap_or_else(|| PathBuf::from("."))
}

/// Where the local stack is unless somebody says otherwise.
#[must_use]
pub fn local_directory() -> PathBuf {
    root().join(".local")
}

/// Programs that `deploy/local` has installed because the machine had none.
#[must_use]
pub fn tools() -> PathBuf {
    local_directory().join("tools")
}

/// How programs are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Quickly.
    Development,
    /// As they are released.
    Release,
}

impl Profile {
    /// The arguments for Cargo.
    #[must_use]
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Development => &[],
            Self::Release => &["--release"],
        }
    }

    /// The folder of the target directory into which the programs go.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::Development => "debug",
            Self::Release => "release",
        }
    }
}

/// Builds every program that does not need a feature: gateway, production worker, dispatcher, network and the harness's own.
///
/// # Errors
/// When something does not compile; the compiler has said why.
pub async fn build_programs(profile: Profile) -> anyhow::Result<()> {
    cargo(&["build", "--bins"], profile.arguments(), &[]).await
}

/// Builds what a measured stack consists of besides its worker.
///
/// # Errors
/// When something does not compile; the compiler has said why.
pub async fn build_measured_programs(profile: Profile) -> anyhow::Result<()> {
    let programs = [
        "rookery-gateway",
        "rookery-dispatcher",
        "rookery-network",
        "rookery-s3",
        "rookery-webhook-sink",
    ];
    let arguments: Vec<&str> = programs.iter().flat_map(|program| ["--bin", program]).collect();
    cargo(&["build"], &[&arguments, profile.arguments()].concat(), &[]).await
}

/// Builds the worker that accepts the simulated network's certificate. By itself: see the module's comment.
///
/// # Errors
/// When something does not compile; the compiler has said why.
pub async fn build_simulated_worker(profile: Profile) -> anyhow::Result<()> {
    let only = ["--features", "worker/simulated", "--bin", "rookery-worker-simulated"];
    cargo(&["build"], &[&only, profile.arguments()].concat(), &[]).await
}

/// Runs Cargo in the checkout with these variables besides; what it prints is its progress.
///
/// # Errors
/// When it fails.
pub async fn cargo(command: &[&str], arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<()> {
    let mut cargo = cargo_command();
    cargo.args(command).args(arguments).envs(variables.iter().copied());
    let status = cargo.status().await.context("cannot run cargo")?;
    settle_generated_file()?;
    ensure!(
        status.success(),
        "`cargo {} {}` failed",
        command.join(" "),
        arguments.join(" ")
    );
    Ok(())
}

/// waproto's build script asks to be run again when a file changes that it writes itself. So its first build looks stale to Cargo as soon as it is
/// done, and the next call would compile everything above it a second time: unless the file looks older than it is.
fn settle_generated_file() -> anyhow::Result<()> {
    let built = Programs::beside_this_one()?;
    let target = built.folder().parent().unwrap_or(built.folder());
    for profile in [Profile::Development, Profile::Release] {
        let scripts = std::fs::read_dir(target.join(profile.folder()).join("build"));
        for script in scripts.into_iter().flatten().flatten() {
            let file = script.path().join("out/whatsapp.local.desc");
            if file.is_file() {
                File::options()
                    .write(true)
                    .open(file)?
                    .set_modified(SystemTime::UNIX_EPOCH)?;
            }
        }
    }
    Ok(())
}

/// Cargo in the checkout. It ends when nobody waits for it any more.
#[must_use]
pub fn cargo_command() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).stdin(Stdio::null()).kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        if is_about_another_package(&name.to_string_lossy()) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Cargo describes to a program that it runs the program's own package. Some build scripts would take that for their own, and build themselves and
/// everything above them anew whenever it changes.
fn is_about_another_package(variable: &str) -> bool {
    let prefixes = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
        "CARGO_PRIMARY_",
        "CARGO_TARGET_TMPDIR",
    ];
    prefixes.iter().any(|prefix| variable.starts_with(prefix))
}
