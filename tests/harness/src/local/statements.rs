//! `deploy/local statements`: records in `.sqlx` what the compiler needs to know of the database to check our SQL, so that building needs no
//! database. `deploy/local test` records again elsewhere and compares, so that the record cannot become untrue.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::UNIX_EPOCH;
use std::{fs, io};

use anyhow::{Context as _, ensure};
use sqlx::PgPool;
use sqlx::migrate::Migrator;

use super::database::TestDatabase;
use crate::progress::say;
use crate::repository::{cargo, root};
use crate::stack::StackFolders;

/// A statement's file by its name, which is the statement's hash.
type Record = BTreeMap<String, String>;

/// `deploy/local statements`
pub(super) async fn record() -> anyhow::Result<()> {
    let current = compile_and_record().await?;
    let folder = root().join(".sqlx");
    let before = read(&folder)?;
    for name in before.keys().filter(|name| !current.contains_key(*name)) {
        fs::remove_file(folder.join(name))?;
    }
    fs::create_dir_all(&folder)?;
    for (name, text) in &current {
        fs::write(folder.join(name), text)?;
    }
    say(format!("  {} statements are recorded in .sqlx", current.len()));
    Ok(())
}

/// Whether `.sqlx` says what the compiler sees now.
pub(super) async fn check() -> anyhow::Result<()> {
    let current = compile_and_record().await?;
    let recorded = read(&root().join(".sqlx"))?;
    let differing = current
        .iter()
        .filter(|(name, text)| recorded.get(*name) != Some(text))
        .count();
    let superfluous = recorded.keys().filter(|name| !current.contains_key(*name)).count();
    ensure!(
        differing + superfluous == 0,
        "of {} statements {differing} are recorded wrongly or not at all, and {superfluous} are recorded that are gone: \
         `deploy/local statements` records them anew",
        current.len()
    );
    Ok(())
}

/// Compiles the crate that holds all SQL against a database with the schema of this checkout.
async fn compile_and_record() -> anyhow::Result<Record> {
    let folders = StackFolders::of_this_run().await?;
    let database = TestDatabase::start(folders.next()).await?;
    // Read from the checkout: the migrations that are compiled in may be older than those that are to be recorded.
    let pool = PgPool::connect(database.url()).await?;
    Migrator::new(root().join("migrations")).await?.run(&pool).await?;
    pool.close().await;

    let written = folders.next();
    fs::create_dir_all(&written)?;
    // Rust has no way to say that a crate depends on a database. With an argument it has never had, it is compiled for certain, and nothing else is.
    let unseen = format!("recorded_{}", UNIX_EPOCH.elapsed()?.as_nanos());
    let folder = written.display().to_string();
    let variables = [
        ("DATABASE_URL", database.url()),
        ("SQLX_OFFLINE", "false"),
        ("SQLX_OFFLINE_DIR", &folder),
    ];
    let compiler = ["--", "--cfg", &unseen];
    cargo(
        &["rustc", "--package", "shared", "--lib", "--profile", "check"],
        &compiler,
        &variables,
    )
    .await?;
    let record = read(&written)?;
    drop(database);
    fs::remove_dir_all(folders.root())?;
    ensure!(!record.is_empty(), "the compiler has not recorded a single statement");
    Ok(record)
}

fn read(folder: &Path) -> anyhow::Result<Record> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Record::new()),
        entries => entries.with_context(|| format!("cannot read {}", folder.display()))?,
    };
    let mut record = Record::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("query-") {
            record.insert(name, fs::read_to_string(entry.path())?);
        }
    }
    Ok(record)
}
