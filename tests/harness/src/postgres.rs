//! PostgreSQL from the machine's packages, in a cluster of our own.
//!
//! The application's role `rookery` owns its database and is no superuser, so that row-level security binds it; the superuser cannot log in at
//! all. `fsync` stays on, except for scratch databases: what a story proves about durability must hold here.
//!
//! PostgreSQL refuses to run as root. Where we are root it runs as the packages' user `postgres`, with the one capability it needs to reach a
//! folder below one that only root may enter.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use secrecy::SecretString;
use shared::store::{Scope, Store};

use crate::process::Launch;
use crate::site::{REGION, Site, find_in_path};
use crate::wait::NotYet;

/// The oldest version that has everything the schema uses.
const OLDEST_VERSION: u32 = 15;
/// Where Debian keeps each version's programs.
const PACKAGES: &str = "/usr/lib/postgresql";
/// The user that Debian's packages create.
const SYSTEM_USER: &str = "postgres";
/// Lets the server pass through folders it may not read, and nothing else.
const CAPABILITY: &str = "+dac_read_search";
/// Room for every pool of a large stack: two pools of 16 in each process.
const MAX_CONNECTIONS: u32 = 500;

/// Makes the cluster of a stack, once: later calls change nothing.
///
/// # Errors
/// When PostgreSQL is not installed, is too old, or cannot make a cluster.
pub fn prepare(site: &Site) -> anyhow::Result<()> {
    let data = data(site);
    if data.join("PG_VERSION").is_file() {
        return Ok(());
    }
    let unfinished = data.with_extension("new");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    let server = Server::find()?;
    match &site.tuning.cluster_template {
        Some(template) => server.copy_cluster(template, &unfinished)?,
        None => server.create_cluster(&unfinished)?,
    }
    server.create_database(
        &unfinished,
        &site.secrets.database_password,
        site.tuning.scratch_database,
    )?;
    // Only a complete cluster gets the name under which it is started.
    fs::rename(&unfinished, &data).context("cannot put the new cluster in its place")
}

/// How the server is started.
///
/// # Errors
/// When PostgreSQL is not installed.
pub fn launch(site: &Site) -> anyhow::Result<Launch> {
    let server = Server::find()?;
    let (program, arguments) = server.command_line("postgres");
    let mut launch = Launch::new("postgres", program);
    launch.arguments = arguments.into_iter().map(Into::into).collect();
    launch = launch
        .argument("-D")
        .argument(data(site))
        .argument("-p")
        .argument(site.port("postgres")?.to_string());
    if site.tuning.scratch_database {
        // Making a database syncs a thousand files: half the time of the tests that make one each.
        launch = launch.argument("-c").argument("fsync=off");
        // Vacuuming what is thrown away in a second only stands in the way of throwing it away.
        launch = launch.argument("-c").argument("autovacuum=off");
        // Tests leave connections behind that freeze while they log in. Until those are given up (60 s by default), no database can be dropped:
        // dropping waits until every process of the server has closed the database's files, and one that logs in does not listen.
        launch = launch.argument("-c").argument("authentication_timeout=5s");
    }
    Ok(launch)
}

/// Whether the application's role can log in.
///
/// # Errors
/// [`NotYet`] when it cannot.
pub async fn ready(site: &Site) -> Result<(), NotYet> {
    let url = SecretString::from(site.database_url()?);
    let store = Store::connect(&url, 1, REGION.parse()?, Scope::Everyone)?;
    match tokio::time::timeout(Duration::from_secs(1), store.is_up()).await {
        Ok(true) => Ok(()),
        _ => Err(NotYet::because("it does not answer")),
    }
}

/// The version of the installed server, for reports.
///
/// # Errors
/// When PostgreSQL is not installed.
pub fn version() -> anyhow::Result<u32> {
    Ok(Server::find()?.version)
}

fn data(site: &Site) -> PathBuf {
    site.directory.data_of("postgres")
}

/// An installed server, and how we run its programs.
#[derive(Debug, Clone)]
struct Server {
    version: u32,
    programs: PathBuf,
    identity: Identity,
}

/// As whom the server's programs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Identity {
    /// As whoever we are: not root.
    Ourselves,
    /// As the packages' user, able to pass through any folder.
    SystemUser,
    /// As the packages' user, able to pass through folders that everybody may pass.
    SystemUserWithoutCapability,
}

impl Server {
    fn find() -> anyhow::Result<Self> {
        static FOUND: OnceLock<Server> = OnceLock::new();
        if let Some(found) = FOUND.get() {
            return Ok(found.clone());
        }
        let (version, programs) = newest_installed()?;
        ensure!(
            version >= OLDEST_VERSION,
            "PostgreSQL {version} is too old: Rookery needs {OLDEST_VERSION} or newer"
        );
        let server = Self {
            version,
            programs,
            identity: Identity::choose()?,
        };
        Ok(FOUND.get_or_init(|| server).clone())
    }

    /// One of the server's programs as a command line.
    fn command_line(&self, program: &str) -> (PathBuf, Vec<String>) {
        let program = self.programs.join(program);
        let Some(setpriv) = self.identity.setpriv() else {
            return (program, Vec::new());
        };
        let mut arguments = setpriv;
        arguments.push(program.display().to_string());
        (find_in_path("setpriv").unwrap_or_else(|| "setpriv".into()), arguments)
    }

    fn command(&self, program: &str) -> Command {
        let (program, arguments) = self.command_line(program);
        let mut command = Command::new(program);
        command.args(arguments);
        command
    }

    fn create_cluster(&self, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        if self.identity != Identity::Ourselves {
            give_to_system_user(folder)?;
        }
        let mut initdb = self.command("initdb");
        initdb
            .arg("-D")
            .arg(folder)
            // Nobody may log in until our own rules are written.
            .args([
                "-U",
                SYSTEM_USER,
                "--auth=reject",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
            ])
            .args(["--no-sync", "--no-instructions"]);
        run(initdb, None)?;
        configure(folder)
    }

    /// Copies the empty cluster at `template`, which is made when it is missing: quicker than making one for every story.
    fn copy_cluster(&self, template: &Path, folder: &Path) -> anyhow::Result<()> {
        let lock = File::create(template.with_extension("lock"))?;
        lock.lock()?;
        let complete = template.with_extension("complete");
        if !complete.is_file() {
            if template.exists() {
                fs::remove_dir_all(template)?;
            }
            self.create_cluster(template)?;
            fs::write(&complete, "")?;
        }
        let mut copy = Command::new("cp");
        copy.args(["--archive", "--reflink=auto"]).arg(template).arg(folder);
        run(copy, None)
    }

    /// Creates the role and its database in single-user mode: no server has to be started for it.
    fn create_database(&self, folder: &Path, password: &str, may_create_databases: bool) -> anyhow::Result<()> {
        let right = if may_create_databases { "CREATEDB" } else { "NOCREATEDB" };
        let statements = format!(
            "CREATE ROLE rookery LOGIN NOSUPERUSER NOBYPASSRLS {right} PASSWORD '{password}';\n\
             CREATE DATABASE rookery OWNER rookery;\n"
        );
        let mut postgres = self.command("postgres");
        postgres.args(["--single", "-D"]).arg(folder).arg("postgres");
        run(postgres, Some(statements.as_bytes()))
    }
}

impl Identity {
    fn choose() -> anyhow::Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Ourselves);
        }
        for identity in [Self::SystemUser, Self::SystemUserWithoutCapability] {
            let mut command = Command::new("setpriv");
            command.args(identity.setpriv().unwrap_or_default()).arg("true");
            if run(command, None).is_ok() {
                return Ok(identity);
            }
        }
        bail!(
            "PostgreSQL does not run as root, and switching to its user '{SYSTEM_USER}' failed: run this as an ordinary user, \
             or install Debian's package postgresql, which creates that user"
        )
    }

    /// The arguments of `setpriv`, where it is needed.
    fn setpriv(self) -> Option<Vec<String>> {
        let mut arguments = vec![
            format!("--reuid={SYSTEM_USER}"),
            format!("--regid={SYSTEM_USER}"),
            "--init-groups".to_owned(),
        ];
        match self {
            Self::Ourselves => return None,
            Self::SystemUser => {
                arguments.push(format!("--inh-caps={CAPABILITY}"));
                arguments.push(format!("--ambient-caps={CAPABILITY}"));
            }
            Self::SystemUserWithoutCapability => {}
        }
        Some(arguments)
    }
}

fn newest_installed() -> anyhow::Result<(u32, PathBuf)> {
    let packaged = fs::read_dir(PACKAGES)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let programs = entry.path().join("bin");
            programs.join("postgres").is_file().then_some((version, programs))
        })
        .max();
    if let Some(newest) = packaged {
        return Ok(newest);
    }
    let postgres = find_in_path("postgres").ok_or_else(|| {
        anyhow!("PostgreSQL is not installed: `deploy/local` installs it, or `apt-get install postgresql`")
    })?;
    let output = Command::new(&postgres).arg("--version").output()?;
    // "postgres (PostgreSQL) 15.18 (Debian …)"
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text
        .split_whitespace()
        .find_map(|word| word.split('.').next()?.parse().ok())
        .ok_or_else(|| anyhow!("cannot read the version of PostgreSQL from '{}'", text.trim()))?;
    let programs = postgres.parent().map(Path::to_owned).unwrap_or_default();
    Ok((version, programs))
}

fn configure(folder: &Path) -> anyhow::Result<()> {
    let settings = format!(
        "\n# Written by Rookery's local stack.\n\
         listen_addresses = '127.0.0.1'\n\
         unix_socket_directories = ''\n\
         max_connections = {MAX_CONNECTIONS}\n\
         log_line_prefix = '%m [%p] %a '\n"
    );
    let path = folder.join("postgresql.conf");
    let mut text = fs::read_to_string(&path)?;
    text.push_str(&settings);
    fs::write(&path, text)?;
    // The role's own databases and no others: the superuser has no way in.
    let rules = "# TYPE  DATABASE  USER     ADDRESS       METHOD\n\
                 host    all       rookery  127.0.0.1/32  scram-sha-256\n";
    fs::write(folder.join("pg_hba.conf"), rules).context("cannot write the cluster's settings")
}

fn give_to_system_user(folder: &Path) -> anyhow::Result<()> {
    let mut chown = Command::new("chown");
    chown.arg(format!("{SYSTEM_USER}:{SYSTEM_USER}")).arg(folder);
    run(chown, None)
}

/// Runs a command to its end; what it said is in the error when it fails.
fn run(mut command: Command, input: Option<&[u8]>) -> anyhow::Result<()> {
    use std::io::Write as _;
    let program = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {program}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading everything says why itself.
        stdin.write_all(input.unwrap_or_default()).ok();
    }
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    // In single-user mode the server reports a failed statement and goes on.
    let refused = said
        .lines()
        .find(|line| line.contains("ERROR:") || line.contains("FATAL:"));
    ensure!(
        output.status.success() && refused.is_none(),
        "{program} failed: {}",
        refused.unwrap_or_else(|| said.trim())
    );
    Ok(())
}
