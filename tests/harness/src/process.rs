//! Processes of a stack: started apart from us, found again later, stopped for certain.
//!
//! Each process has a session and process group of its own (`setsid`), so it outlives the program that started it and a signal to the group
//! reaches whatever it has started itself. Its identifier is written to the stack's `pids` folder; because identifiers are used again by
//! others, a process is only believed to be ours if its environment carries our mark. The same mark finds processes whose file was lost.
//!
//! This module knows nothing about what the processes are.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, anyhow, ensure};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::directory::{Directory, open_log, tail, write_private};
use crate::wait::{NotYet, wait_for};

/// The mark: which stack a process belongs to…
const STACK_MARK: &str = "ROOKERY_STACK_DIRECTORY";
/// …and under which name.
const NAME_MARK: &str = "ROOKERY_STACK_PROCESS";
/// How long a killed process may take to be gone: the kernel has to free its memory.
const DEATH_DEADLINE: Duration = Duration::from_secs(10);

/// How a process is started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The name under which its log and its identifier are kept.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables it gets, besides those that are not Rookery's own.
    pub environment: Vec<(String, String)>,
    /// Whether Rookery's own variables (`ROOKERY_…`) of whoever starts it are kept from it.
    pub hermetic: bool,
}

impl Launch {
    /// `program` under `name`, without arguments.
    #[must_use]
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            hermetic: false,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds a variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    /// Whether a variable of whoever starts the process must not reach it: it belongs to another stack, or contradicts a file that we name.
    fn is_kept_from(&self, name: &str) -> bool {
        let in_a_file = format!("{name}_FILE");
        name == "DATABASE_URL"
            || (self.hermetic && name.starts_with("ROOKERY_"))
            || self.environment.iter().any(|(ours, _)| *ours == in_a_file)
    }
}

/// One process of a stack. Dropping it changes nothing: processes end when somebody ends them.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: Pid,
    directory: Directory,
    /// Present where we are its parent: a parent must collect its dead.
    child: Mutex<Option<Child>>,
}

impl Process {
    /// Starts a process; its output goes to the end of its log.
    ///
    /// # Errors
    /// When the program or the log cannot be opened.
    pub fn start(directory: &Directory, launch: &Launch) -> anyhow::Result<Self> {
        ensure!(
            launch.program.is_file(),
            "there is no program {}",
            launch.program.display()
        );
        let log = open_log(&directory.log_file(&launch.name))?;
        let mut command = Command::new("setsid");
        for (name, _) in std::env::vars_os() {
            if launch.is_kept_from(&name.to_string_lossy()) {
                command.env_remove(name);
            }
        }
        command
            .arg(&launch.program)
            .args(&launch.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .current_dir(directory.root())
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .envs(mark(directory, &launch.name));
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", launch.program.display()))?;
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| anyhow!("{} has no process identifier", launch.name))?;
        write_private(
            &directory.pid_file(&launch.name),
            &format!("{}\n", pid.as_raw_nonzero()),
        )?;
        Ok(Self {
            name: launch.name.clone(),
            pid,
            directory: directory.clone(),
            child: Mutex::new(Some(child)),
        })
    }

    /// The process that was started as `name` in this stack, if it still runs.
    #[must_use]
    pub fn find(directory: &Directory, name: &str) -> Option<Self> {
        let text = fs::read_to_string(directory.pid_file(name)).ok()?;
        let pid = Pid::from_raw(text.trim().parse().ok()?)?;
        let process = Self {
            name: name.to_owned(),
            pid,
            directory: directory.clone(),
            child: Mutex::new(None),
        };
        process.is_running().then_some(process)
    }

    /// Every process that carries the mark of this stack, also those whose file was lost.
    ///
    /// # Errors
    /// When the list of processes cannot be read.
    pub fn all_of(directory: &Directory) -> anyhow::Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").context("cannot list processes")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let Some(pid) = Pid::from_raw(pid) else { continue };
            let Some((stack, name)) = mark_of(pid) else { continue };
            if stack == directory.root() {
                found.push(Self {
                    name,
                    pid,
                    directory: directory.clone(),
                    child: Mutex::new(None),
                });
            }
        }
        found.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(found)
    }

    /// Its name in the stack.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its identifier.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Whether it runs. A dead one that nobody has collected yet does not.
    #[must_use]
    pub fn is_running(&self) -> bool {
        if let Some(child) = self.child.lock().as_mut() {
            return matches!(child.try_wait(), Ok(None));
        }
        mark_of(self.pid).is_some_and(|(stack, name)| stack == self.directory.root() && name == self.name)
    }

    /// Whether its program has been built anew since it was started.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        fs::read_link(format!("/proc/{}/exe", self.pid()))
            .is_ok_and(|program| program.as_os_str().as_bytes().ends_with(b" (deleted)"))
    }

    /// How long ago it was started, as far as its file tells.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let written = fs::metadata(self.directory.pid_file(&self.name))
            .ok()?
            .modified()
            .ok()?;
        SystemTime::now().duration_since(written).ok()
    }

    /// Its resident memory in bytes.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        self.memory("VmRSS:")
    }

    /// The highest that its resident memory ever was, or since [`Process::forget_highest_resident`], in bytes.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn highest_resident_bytes(&self) -> anyhow::Result<u64> {
        self.memory("VmHWM:")
    }

    /// Lets the highest resident memory begin anew at what it is now (proc_pid_clear_refs(5): `5`).
    ///
    /// # Errors
    /// When the kernel does not know this.
    pub fn forget_highest_resident(&self) -> anyhow::Result<()> {
        fs::write(format!("/proc/{}/clear_refs", self.pid()), "5")
            .with_context(|| format!("the kernel does not count the memory of {} anew", self.name))
    }

    fn memory(&self, line: &str) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))
            .with_context(|| format!("{} is gone", self.name))?;
        let kibibytes: u64 = status
            .lines()
            .find_map(|found| found.strip_prefix(line))
            .and_then(|rest| rest.trim().strip_suffix("kB"))
            .and_then(|number| number.trim().parse().ok())
            .ok_or_else(|| anyhow!("{} has no {line}", self.name))?;
        Ok(kibibytes * 1024)
    }

    /// Sends a signal to the process itself.
    ///
    /// # Errors
    /// When it is gone or belongs to somebody else.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        ensure!(self.is_running(), "{} does not run", self.name);
        kill_process(self.pid, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Holds it still (SIGSTOP), as a machine that hangs does.
    ///
    /// # Errors
    /// When it is gone.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// When it is gone.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Kills it and everything it has started (SIGKILL), and waits until it is gone.
    ///
    /// # Errors
    /// When it is still there after ten seconds, or belongs to somebody else.
    pub async fn kill(&self) -> anyhow::Result<()> {
        self.kill_group()?;
        self.wait_until_gone(DEATH_DEADLINE).await
    }

    /// Asks it to stop, and kills it if it has not after `grace`. Returns whether it stopped by itself.
    ///
    /// # Errors
    /// When it cannot be ended at all.
    pub async fn stop(&self, signal: Signal, grace: Duration) -> anyhow::Result<bool> {
        if self.is_running() {
            self.signal(signal)?;
            // One that is held still would never see the request.
            self.signal(Signal::CONT).ok();
        }
        if self.wait_until_gone(grace).await.is_ok() {
            // What it has started may still be there.
            kill_process_group(self.pid, Signal::KILL).ok();
            return Ok(true);
        }
        self.kill().await?;
        Ok(false)
    }

    /// Like [`Process::stop`], for where nothing can be awaited: at the end of a story, also of one that panics.
    pub fn stop_blocking(&self, signal: Signal, grace: Duration) {
        if self.is_running() {
            kill_process(self.pid, signal).ok();
        }
        let start = Instant::now();
        while self.is_running() && start.elapsed() < grace {
            std::thread::park_timeout(Duration::from_millis(2));
        }
        self.kill_group().ok();
        if let Some(child) = self.child.lock().as_mut() {
            child.wait().ok();
        }
        fs::remove_file(self.directory.pid_file(&self.name)).ok();
    }

    /// The end of its log.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> Vec<String> {
        tail(&self.directory.log_file(&self.name), lines)
    }

    fn kill_group(&self) -> anyhow::Result<()> {
        if !self.is_running() {
            return Ok(());
        }
        kill_process_group(self.pid, Signal::KILL).with_context(|| format!("cannot kill {}", self.name))
    }

    async fn wait_until_gone(&self, deadline: Duration) -> anyhow::Result<()> {
        wait_for(format!("{} to end", self.name), deadline, async || {
            if self.is_running() {
                return Err(NotYet::because("it still runs"));
            }
            Ok(())
        })
        .await?;
        fs::remove_file(self.directory.pid_file(&self.name)).ok();
        Ok(())
    }
}

/// The variables that mark a process as one of a stack, for processes that are started in another way.
#[must_use]
pub fn mark(directory: &Directory, name: &str) -> [(&'static str, OsString); 2] {
    [
        (STACK_MARK, directory.root().as_os_str().to_owned()),
        (NAME_MARK, name.into()),
    ]
}

/// The stack and the name in a process's environment: nothing for a process that is dead or not ours.
fn mark_of(pid: Pid) -> Option<(PathBuf, String)> {
    let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).ok()?;
    let variable = |name: &str| {
        environment
            .split(|byte| *byte == 0)
            .filter_map(|entry| entry.strip_prefix(name.as_bytes()))
            .find_map(|rest| rest.strip_prefix(b"="))
    };
    let stack = Path::new(OsStr::from_bytes(variable(STACK_MARK)?)).to_owned();
    let name = String::from_utf8_lossy(variable(NAME_MARK)?).into_owned();
    Some((stack, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    fn directory() -> (tempfile::TempDir, Directory) {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::create(&folder.path().join("stack")).unwrap();
        (folder, directory)
    }

    fn shell(name: &str, script: &str) -> Launch {
        Launch::new(name, "/bin/sh").argument("-c").argument(script)
    }

    async fn wait_for_log(process: &Process, text: &str) {
        wait_for(text, DEADLINE, async || {
            let log = process.log_tail(20).join("\n");
            if log.contains(text) {
                return Ok(());
            }
            Err(NotYet::because(log))
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn a_process_is_found_again_by_name_and_stops_when_asked() {
        let (_folder, directory) = directory();
        let script = "trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.01; done";
        let process = Process::start(&directory, &shell("polite", script)).unwrap();
        wait_for_log(&process, "up").await;
        let found = Process::find(&directory, "polite").unwrap();
        assert_eq!(found.pid(), process.pid());
        assert_eq!(
            Process::all_of(&directory)
                .unwrap()
                .iter()
                .filter(|one| one.pid() == found.pid())
                .count(),
            1
        );
        assert!(
            process.stop(Signal::TERM, DEADLINE).await.unwrap(),
            "it stops by itself"
        );
        assert!(process.log_tail(5).contains(&"asked".to_owned()));
        assert!(Process::find(&directory, "polite").is_none());
        assert!(!directory.pid_file("polite").exists());
    }

    #[tokio::test]
    async fn one_that_does_not_listen_is_killed_with_all_it_has_started() {
        let (_folder, directory) = directory();
        let script = "trap '' TERM; sh -c 'trap \"\" TERM; while :; do sleep 1; done' & echo up; wait";
        let process = Process::start(&directory, &shell("deaf", script)).unwrap();
        wait_for_log(&process, "up").await;
        assert!(!process.stop(Signal::TERM, Duration::from_millis(50)).await.unwrap());
        wait_for("the child to be gone too", DEADLINE, async || {
            match Process::all_of(&directory)?.len() {
                0 => Ok(()),
                some => Err(NotYet::because(format!("{some} left"))),
            }
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn one_that_is_held_still_can_be_stopped() {
        let (_folder, directory) = directory();
        let process = Process::start(&directory, &shell("held", "echo up; exec sleep 60")).unwrap();
        wait_for_log(&process, "up").await;
        process.pause().unwrap();
        assert!(process.stop(Signal::TERM, DEADLINE).await.unwrap());
    }

    #[tokio::test]
    async fn an_identifier_that_now_belongs_to_another_program_is_not_believed() {
        let (_folder, directory) = directory();
        let stranger = std::process::id();
        write_private(&directory.pid_file("worker-1"), &stranger.to_string()).unwrap();
        assert!(Process::find(&directory, "worker-1").is_none());
    }

    #[tokio::test]
    async fn a_program_that_is_missing_is_named() {
        let (_folder, directory) = directory();
        let error = Process::start(&directory, &Launch::new("ghost", "/nonexistent/ghost")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/ghost"), "{error}");
    }
}
