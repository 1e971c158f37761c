//! A database server for tests and for checking statements: it lives as long as the value that stands for it.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;

use crate::directory::Directory;
use crate::process::Process;
use crate::service::Service;
use crate::site::{Mode, Programs, Site, Tuning};

/// How long it may take to stop.
const GRACE: Duration = Duration::from_secs(20);

/// The server. Its role may create databases and nothing else that an application's role may not.
pub(super) struct TestDatabase {
    url: String,
    process: Process,
}

impl TestDatabase {
    pub(super) async fn start(folder: PathBuf) -> anyhow::Result<Self> {
        let tuning = Tuning {
            scratch_database: true,
            hermetic: true,
            ..Tuning::default()
        };
        let directory = Directory::create(&folder)?;
        let site = Site::open(directory, Mode::Simulated, Programs::beside_this_one()?, tuning)?;
        let process = Service::Postgres.start(&site)?;
        let database = Self {
            url: site.database_url()?,
            process,
        };
        Service::Postgres.wait_until_ready(&site, &database.process).await?;
        Ok(database)
    }

    /// Of an empty database.
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        self.process.stop_blocking(Signal::QUIT, GRACE);
    }
}
