//! The processes of a stack by name: how each is prepared, started, known to be ready, and asked to stop.

use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;

use crate::process::{Launch, Process};
use crate::site::{Mode, Site};
use crate::wait::{NotYet, wait_for};
use crate::{binaries, nats, network, postgres, s3, sink};

/// How long a process may take until it is ready: generous, for a machine that compiles something else meanwhile.
const READY_DEADLINE: Duration = Duration::from_secs(60);
/// How many lines of its log explain why a process did not become ready.
const LOG_LINES: usize = 25;

/// One process of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// The database.
    Postgres,
    /// The broker.
    Nats,
    /// The object store.
    S3,
    /// The simulated WhatsApp network.
    Network,
    /// The receiver of webhooks.
    WebhookSink,
    /// A gateway, by number from 1.
    Gateway(usize),
    /// A worker, by number from 1.
    Worker(usize),
    /// A dispatcher, by number from 1.
    Dispatcher(usize),
}

/// How many of each of our binaries a stack runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Gateways.
    pub gateways: usize,
    /// Workers.
    pub workers: usize,
    /// Dispatchers.
    pub dispatchers: usize,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            gateways: 1,
            workers: 1,
            dispatchers: 1,
        }
    }
}

impl Service {
    /// What the binaries need to run: independent of each other, so they can start at the same time.
    #[must_use]
    pub fn foundations(mode: Mode) -> Vec<Self> {
        let mut services = vec![Self::Postgres, Self::Nats, Self::S3, Self::WebhookSink];
        if mode == Mode::Simulated {
            services.push(Self::Network);
        }
        services
    }

    /// Our binaries.
    #[must_use]
    pub fn binaries(counts: Counts) -> Vec<Self> {
        let gateways = (1..=counts.gateways).map(Self::Gateway);
        let workers = (1..=counts.workers).map(Self::Worker);
        let dispatchers = (1..=counts.dispatchers).map(Self::Dispatcher);
        gateways.chain(workers).chain(dispatchers).collect()
    }

    /// The service called `name`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let number = |prefix: &str| name.strip_prefix(prefix)?.parse().ok().filter(|number| *number > 0);
        match name {
            "postgres" => Some(Self::Postgres),
            "nats" => Some(Self::Nats),
            "s3" => Some(Self::S3),
            "network" => Some(Self::Network),
            "webhook-sink" => Some(Self::WebhookSink),
            _ => number("gateway-")
                .map(Self::Gateway)
                .or_else(|| number("worker-").map(Self::Worker))
                .or_else(|| number("dispatcher-").map(Self::Dispatcher)),
        }
    }

    /// Its name: of its log, its process identifier and its port.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Postgres => "postgres".to_owned(),
            Self::Nats => "nats".to_owned(),
            Self::S3 => "s3".to_owned(),
            Self::Network => "network".to_owned(),
            Self::WebhookSink => "webhook-sink".to_owned(),
            Self::Gateway(number) => format!("gateway-{number}"),
            Self::Worker(number) => format!("worker-{number}"),
            Self::Dispatcher(number) => format!("dispatcher-{number}"),
        }
    }

    /// The signal that asks it to stop soon.
    #[must_use]
    pub fn stop_signal(self) -> Signal {
        match self {
            // SIGTERM would make PostgreSQL wait until every client has left.
            Self::Postgres => Signal::INT,
            _ => Signal::TERM,
        }
    }

    /// When it is stopped, compared with others: clients before what they use.
    #[must_use]
    pub fn stop_order(self) -> u8 {
        match self {
            Self::Gateway(_) => 0,
            Self::Worker(_) => 1,
            Self::Dispatcher(_) => 2,
            Self::Network | Self::WebhookSink | Self::S3 => 3,
            Self::Nats | Self::Postgres => 4,
        }
    }

    /// Where people reach it.
    ///
    /// # Errors
    /// When no port is free.
    pub fn address(self, site: &Site) -> anyhow::Result<String> {
        match self {
            Self::Postgres | Self::Nats => Ok(format!("127.0.0.1:{}", site.port(&self.name())?)),
            Self::Network => site.http_url("network-http"),
            _ => site.http_url(&self.name()),
        }
    }

    /// Makes what it needs before its start.
    fn prepare(self, site: &Site) -> anyhow::Result<()> {
        match self {
            Self::Postgres => postgres::prepare(site),
            Self::Nats => nats::prepare(site),
            Self::S3 => s3::prepare(site),
            Self::Network | Self::WebhookSink => Ok(()),
            Self::Gateway(_) | Self::Worker(_) | Self::Dispatcher(_) => binaries::prepare(site),
        }
    }

    /// How it is started.
    fn launch(self, site: &Site) -> anyhow::Result<Launch> {
        let mut launch = match self {
            Self::Postgres => postgres::launch(site),
            Self::Nats => nats::launch(site),
            Self::S3 => s3::launch(site),
            Self::Network => network::launch(site),
            Self::WebhookSink => sink::launch(site),
            Self::Gateway(number) => binaries::gateway(site, number),
            Self::Worker(number) => binaries::worker(site, number),
            Self::Dispatcher(number) => binaries::dispatcher(site, number),
        }?;
        launch.hermetic = site.tuning.hermetic;
        Ok(launch)
    }

    async fn ready(self, site: &Site) -> Result<(), NotYet> {
        match self {
            Self::Postgres => postgres::ready(site).await,
            Self::Nats => nats::ready(site).await,
            Self::S3 => s3::ready(site).await,
            Self::Network => network::ready(site).await,
            Self::WebhookSink => sink::ready(site).await,
            Self::Gateway(_) | Self::Worker(_) | Self::Dispatcher(_) => binaries::ready(site, &self.name()).await,
        }
    }

    /// Starts it; it may not be ready yet.
    ///
    /// # Errors
    /// When it cannot be prepared or started.
    pub fn start(self, site: &Site) -> anyhow::Result<Process> {
        self.prepare(site)
            .and_then(|()| Process::start(&site.directory, &self.launch(site)?))
            .with_context(|| format!("cannot start {}", self.name()))
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// When it ends or takes too long: the text has the end of its log.
    pub async fn wait_until_ready(self, site: &Site, process: &Process) -> anyhow::Result<()> {
        let mut died = false;
        let outcome = wait_for(format!("{} to be ready", self.name()), READY_DEADLINE, async || {
            if !process.is_running() {
                died = true;
                return Ok(());
            }
            self.ready(site).await
        })
        .await;
        let log = || process.log_tail(LOG_LINES).join("\n  ");
        if died {
            anyhow::bail!(
                "{} ended right after its start; its log ends with:\n  {}",
                self.name(),
                log()
            );
        }
        outcome.with_context(|| format!("the log of {} ends with:\n  {}\n", self.name(), log()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_is_found_by_its_name() {
        let counts = Counts {
            gateways: 2,
            workers: 12,
            dispatchers: 1,
        };
        let mut all = Service::foundations(Mode::Simulated);
        all.extend(Service::binaries(counts));
        assert_eq!(all.len(), 5 + 15);
        for service in all {
            assert_eq!(Service::parse(&service.name()), Some(service));
        }
        for nonsense in ["", "worker", "worker-0", "worker-x", "gateway-1.new"] {
            assert_eq!(Service::parse(nonsense), None, "{nonsense}");
        }
    }
}
