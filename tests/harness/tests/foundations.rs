//! What every stack stands on, with the real servers: PostgreSQL, NATS, the object store and the webhook sink.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::{Duration, Instant};

use harness::directory::Directory;
use harness::http::{self, Answer};
use harness::process::Process;
use harness::service::Service;
use harness::site::{Mode, Programs, Site, Tuning};
use rustix::process::Signal;
use secrecy::SecretString;
use shared::ids::TenantId;
use shared::store::tenants::Quotas;
use shared::store::{Scope, Store};

const GRACE: Duration = Duration::from_secs(20);

/// The foundations of one stack; they end with the test.
struct Foundations {
    site: Site,
    processes: Vec<(Service, Process)>,
}

impl Foundations {
    async fn start(folder: &Path) -> Self {
        let directory = Directory::create(folder).unwrap();
        let tuning = Tuning {
            hermetic: true,
            ..Tuning::default()
        };
        let site = Site::open(directory, Mode::Real, Programs::beside_this_one().unwrap(), tuning).unwrap();
        let mut processes = Vec::new();
        for service in Service::foundations(Mode::Real) {
            let process = service.start(&site).unwrap();
            processes.push((service, process));
        }
        for (service, process) in &processes {
            service.wait_until_ready(&site, process).await.unwrap();
        }
        Self { site, processes }
    }

    async fn stop(&self) {
        for (service, process) in &self.processes {
            let by_itself = process.stop(service.stop_signal(), GRACE).await.unwrap();
            assert!(by_itself, "{} had to be killed", process.name());
        }
    }

    async fn migrate(&self) -> Store {
        let url = SecretString::from(self.site.database_url().unwrap());
        let store = Store::connect(&url, 2, "local".parse().unwrap(), Scope::Everyone).unwrap();
        store.migrate().await.unwrap();
        store
    }
}

impl Drop for Foundations {
    fn drop(&mut self) {
        for (_, process) in &self.processes {
            process.stop_blocking(Signal::QUIT, GRACE);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_start_stop_by_themselves_and_keep_their_data_and_ports() {
    let folder = tempfile::tempdir().unwrap();
    let first = Foundations::start(folder.path()).await;
    let url = first.site.database_url().unwrap();
    let store = first.migrate().await;
    let tenant = TenantId::generate();
    let mut transaction = store.tenant(tenant).await.unwrap();
    transaction.create_tenant("Kept", &Quotas::default()).await.unwrap();
    transaction.commit().await.unwrap();
    first.stop().await;
    assert!(Process::all_of(&first.site.directory).unwrap().is_empty());

    let start = Instant::now();
    let second = Foundations::start(folder.path()).await;
    assert!(start.elapsed() < Duration::from_secs(30));
    assert_eq!(second.site.database_url().unwrap(), url);
    let mut administration = second.migrate().await.administration().await.unwrap();
    let kept = administration
        .tenant(tenant)
        .await
        .unwrap()
        .expect("the tenant is still there");
    assert_eq!(kept.name, "Kept");
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_without_the_generated_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let foundations = Foundations::start(folder.path()).await;
    let site = &foundations.site;

    let wrong = site
        .database_url()
        .unwrap()
        .replace(&site.secrets.database_password, "wrong");
    let store = Store::connect(&SecretString::from(wrong), 1, "local".parse().unwrap(), Scope::Everyone).unwrap();
    assert!(!store.is_up().await, "the database takes any password");
    let superuser = site.database_url().unwrap().replace("rookery:", "postgres:");
    let store = Store::connect(
        &SecretString::from(superuser),
        1,
        "local".parse().unwrap(),
        Scope::Everyone,
    )
    .unwrap();
    assert!(!store.is_up().await, "the superuser can log in");

    let url = format!("{}/rookery", site.http_url("s3").unwrap());
    let answer = Answer::to(http::client().unwrap().get(url)).await.unwrap();
    assert_eq!(answer.status, 403, "{answer}");
    foundations.stop().await;
}
