//! A whole Rookery for one story: its own database, broker, network, receiver, gateways, workers and dispatchers, on ports of its own.
//!
//! Everything is a real process of a built binary. Whatever happens in the story, also a panic, no process outlives the stack; its folder with
//! the logs stays until somebody removes it, because a failed story is explained by its logs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use futures::future::try_join_all;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, test_kill_process};

use crate::client::Api;
use crate::coverage::{self, Coverage};
use crate::directory::{Directory, tail};
use crate::network::Network;
use crate::process::Process;
use crate::service::{Counts, Service};
use crate::sink::Sink;
use crate::site::{Mode, Programs, Site, Tuning};

/// How long PostgreSQL may take to stop at once; everything else is killed without being asked.
const QUICK_STOP: Duration = Duration::from_secs(5);

/// What a stack is to consist of.
#[derive(Debug)]
pub struct StackBuilder {
    folder: PathBuf,
    programs: Programs,
    counts: Counts,
    tuning: Tuning,
}

impl StackBuilder {
    /// How many gateways; one by default.
    #[must_use]
    pub fn gateways(mut self, count: usize) -> Self {
        self.counts.gateways = count;
        self
    }

    /// How many workers; one by default.
    #[must_use]
    pub fn workers(mut self, count: usize) -> Self {
        self.counts.workers = count;
        self
    }

    /// How many dispatchers; one by default.
    #[must_use]
    pub fn dispatchers(mut self, count: usize) -> Self {
        self.counts.dispatchers = count;
        self
    }

    /// Sets a variable of gateways, workers and dispatchers. `{sink}` stands for the address before the names of the sink's receivers.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.tuning.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds an argument of the simulated network.
    #[must_use]
    pub fn network_argument(mut self, argument: &str) -> Self {
        self.tuning.network_arguments.push(argument.to_owned());
        self
    }

    /// Uses programs from another folder, for example released ones.
    #[must_use]
    pub fn programs(mut self, programs: Programs) -> Self {
        self.programs = programs;
        self
    }

    /// Starts everything and waits until all of it is ready.
    ///
    /// # Errors
    /// When something does not become ready; its log's end is in the text. What has started is stopped again.
    pub async fn start(self) -> anyhow::Result<Stack> {
        let start = Instant::now();
        let directory = Directory::create(&self.folder)?;
        let site = Site::open(directory, Mode::Simulated, self.programs, self.tuning)?;
        let network = Network::of(&site)?;
        let sink = Sink::of(&site)?;
        let mut stack = Stack {
            site: Arc::new(site),
            processes: Mutex::default(),
            network,
            sink,
            startup: Duration::ZERO,
        };
        stack.start_all(&Service::foundations(Mode::Simulated)).await?;
        let binaries = Service::binaries(self.counts);
        // The first gateway brings the schema up to date; workers would only wait for it.
        let (gateways, others): (Vec<Service>, Vec<Service>) = binaries
            .into_iter()
            .partition(|service| matches!(service, Service::Gateway(_)));
        stack.start_all(&gateways).await?;
        stack.start_all(&others).await?;
        stack.startup = start.elapsed();
        Ok(stack)
    }
}

/// A running stack.
#[derive(Debug)]
pub struct Stack {
    site: Arc<Site>,
    processes: Mutex<BTreeMap<String, Arc<Process>>>,
    network: Network,
    sink: Sink,
    startup: Duration,
}

impl Stack {
    /// A stack in `folder`, which must not hold another.
    ///
    /// # Errors
    /// When the folder of the built programs is unknown.
    pub fn builder(folder: &Path) -> anyhow::Result<StackBuilder> {
        let programs = Programs::beside_this_one()?;
        let template = programs.folder().join("postgres-template");
        Ok(StackBuilder {
            folder: folder.to_owned(),
            programs,
            counts: Counts::default(),
            tuning: Tuning {
                cluster_template: Some(template),
                hermetic: true,
                ..Tuning::default()
            },
        })
    }

    /// The plan of the stack.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// How long the start took.
    #[must_use]
    pub fn startup(&self) -> Duration {
        self.startup
    }

    /// The API of gateway `number`, with the administration key.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn gateway(&self, number: usize) -> anyhow::Result<Api> {
        let url = self.site.http_url(&Service::Gateway(number).name())?;
        Api::new(&url, &self.site.secrets.admin_key)
    }

    /// The simulated network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The receiver of webhooks.
    #[must_use]
    pub fn sink(&self) -> &Sink {
        &self.sink
    }

    /// A process of the stack.
    ///
    /// # Errors
    /// When it was never started.
    pub fn process(&self, service: Service) -> anyhow::Result<Arc<Process>> {
        let name = service.name();
        let process = self.processes.lock().get(&name).cloned();
        process.ok_or_else(|| anyhow!("this stack has no {name}"))
    }

    /// Kills a process at once (SIGKILL), as a crash does.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(&self, service: Service) -> anyhow::Result<()> {
        self.process(service)?.kill().await
    }

    /// Asks a process to stop and waits until it has.
    ///
    /// # Errors
    /// When it does not stop by itself within `grace`.
    pub async fn stop(&self, service: Service, grace: Duration) -> anyhow::Result<()> {
        let by_itself = self.process(service)?.stop(service.stop_signal(), grace).await?;
        anyhow::ensure!(
            by_itself,
            "{} did not stop within {grace:?} and was killed",
            service.name()
        );
        Ok(())
    }

    /// Starts a process (again) and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn start(&self, service: Service) -> anyhow::Result<()> {
        self.begin(service).await?;
        let process = self.process(service)?;
        service.wait_until_ready(&self.site, &process).await
    }

    /// The end of a process's log.
    #[must_use]
    pub fn log_tail(&self, service: Service, lines: usize) -> Vec<String> {
        tail(&self.site.directory.log_file(&service.name()), lines)
    }

    /// Starts services side by side and waits for all of them.
    async fn start_all(&self, services: &[Service]) -> anyhow::Result<()> {
        try_join_all(services.iter().map(|service| self.start(*service))).await?;
        Ok(())
    }

    /// Starts a process on a thread that may block: making a cluster takes a moment.
    async fn begin(&self, service: Service) -> anyhow::Result<()> {
        let site = Arc::clone(&self.site);
        let process = tokio::task::spawn_blocking(move || service.start(&site)).await??;
        self.processes.lock().insert(service.name(), Arc::new(process));
        Ok(())
    }

    /// Writes down what was used, for the table of what is tested. A stack that cannot say so any more is left out.
    fn keep_coverage(&self) {
        let gateways: Vec<String> = self
            .processes
            .lock()
            .keys()
            .filter(|name| matches!(Service::parse(name), Some(Service::Gateway(_))))
            .cloned()
            .collect();
        let site = Arc::clone(&self.site);
        // A thread of its own: this may run on a thread that must not block on a future.
        let asking = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .ok()?;
            runtime.block_on(async {
                let asking = Coverage::of(&site, &gateways);
                tokio::time::timeout(coverage::PATIENCE, asking).await.ok()
            })
        });
        if let Ok(Some(coverage)) = asking.join()
            && let Ok(text) = serde_json::to_string(&coverage)
        {
            // What is not written is not counted, and then the table shows it.
            std::fs::write(self.site.directory.root().join(coverage::FILE), text).ok();
        }
    }

    /// Ends every process; what the stack wrote stays in its folder.
    fn end(&self) {
        let mut processes: Vec<(Service, Arc<Process>)> = std::mem::take(&mut *self.processes.lock())
            .into_iter()
            .filter_map(|(name, process)| Some((Service::parse(&name)?, process)))
            .collect();
        processes.sort_by_key(|(service, _)| service.stop_order());
        for (service, process) in processes {
            match service {
                // Immediate shutdown: the server ends its own children, which have groups of their own.
                Service::Postgres => process.stop_blocking(Signal::QUIT, QUICK_STOP),
                _ => process.stop_blocking(Signal::KILL, QUICK_STOP),
            }
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.keep_coverage();
        self.end();
    }
}

/// The folders of the stacks of one test run, and the removal of what earlier runs have left behind.
#[derive(Debug)]
pub struct StackFolders {
    run: PathBuf,
    next: AtomicUsize,
}

impl StackFolders {
    /// Folders for this process, below the target directory. What runs that were killed have left there is ended and removed.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub async fn of_this_run() -> anyhow::Result<Self> {
        let programs = Programs::beside_this_one()?;
        let all = programs.folder().join("stories");
        std::fs::create_dir_all(&all)?;
        for entry in std::fs::read_dir(&all)? {
            let run = entry?.path();
            if !owner_lives(&run) {
                remove_run(&run).await?;
            }
        }
        let run = all.join(std::process::id().to_string());
        std::fs::create_dir_all(&run)?;
        Ok(Self {
            run,
            next: AtomicUsize::new(1),
        })
    }

    /// A folder for one more stack.
    #[must_use]
    pub fn next(&self) -> PathBuf {
        self.run.join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Where the folders of this run are.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.run
    }
}

/// A run's folder is named like the process that owns it.
fn owner_lives(run: &Path) -> bool {
    let owner = run
        .file_name()
        .and_then(|name| name.to_str()?.parse().ok())
        .and_then(Pid::from_raw);
    owner.is_some_and(|pid| test_kill_process(pid).is_ok())
}

/// Ends every process of every stack below `run`, and removes the folder.
///
/// # Errors
/// When something cannot be ended or removed.
pub async fn remove_run(run: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(run)? {
        let Some(directory) = Directory::existing(&entry?.path()) else {
            continue;
        };
        for process in Process::all_of(&directory)? {
            process.kill().await?;
        }
    }
    std::fs::remove_dir_all(run).with_context(|| format!("cannot remove {}", run.display()))
}
