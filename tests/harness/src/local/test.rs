//! `deploy/local test`: everything that the project checks, from nothing, in one command.
//!
//! A stage that fails does not stop the ones after it: one run shows everything that is wrong. The summary at the end names every stage and every
//! story with its time.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::database::TestDatabase;
use super::statements;
use crate::coverage;
use crate::fuzz::{self, Effort};
use crate::nats;
use crate::progress::{duration, heading, line, say};
use crate::repository::{self, Profile, cargo};
use crate::results::{Outcome, StoryResult, forget_results, read_results};
use crate::stack::{Stack, StackFolders};

/// No stage takes longer: one that does hangs.
const DEADLINE: Duration = Duration::from_secs(40 * 60);
/// The licence checker's version, installed below `.local` when it is missing.
const CARGO_DENY: &str = "0.20.2";

/// The word that selects the stage of that name instead of stories.
const GENERATED_REQUESTS: &str = "generated-requests";

/// How a stage ended.
enum Ending {
    Passed,
    Failed(String),
    /// Not done, and why.
    Left(String),
}

/// One stage and how it went.
struct Stage {
    name: &'static str,
    time: Duration,
    ending: Ending,
}

/// `deploy/local test`
pub(super) async fn run(filter: &[String]) -> anyhow::Result<()> {
    let start = Instant::now();
    forget_results()?;
    if filter == [GENERATED_REQUESTS] {
        programs().await?;
        return generated_requests().await;
    }
    if !filter.is_empty() {
        return stories(filter).await;
    }
    let mut stages = vec![
        stage("format", cargo(&["fmt", "--all", "--check"], &[], &[])).await,
        stage("lints", lints()).await,
        stage("lints of the simulated worker", lints_of_the_simulated_worker()).await,
        stage(
            "licences, sources and banned crates",
            deny(&["licenses", "sources", "bans"]),
        )
        .await,
        advisories().await,
        stage("documentation", documentation()).await,
        stage("recorded SQL statements", statements::check()).await,
        stage("unit and integration tests", tests()).await,
        stage("build of the programs", programs()).await,
    ];
    let built = stages
        .last()
        .is_some_and(|stage| matches!(stage.ending, Ending::Passed));
    stages.push(if built {
        stage("stories", stories(filter)).await
    } else {
        let ending = Ending::Left("the programs are not built".to_owned());
        finished("stories", Duration::ZERO, ending)
    });
    stages.push(if built {
        stage("generated requests", generated_requests()).await
    } else {
        let ending = Ending::Left("the programs are not built".to_owned());
        finished("generated requests", Duration::ZERO, ending)
    });
    stages.push(if built {
        stage("every route, kind and event is covered", async {
            coverage::check(&read_results()?)
        })
        .await
    } else {
        let ending = Ending::Left("the stories were not told".to_owned());
        finished("every route, kind and event is covered", Duration::ZERO, ending)
    });
    summarise(&stages, start.elapsed())
}

/// Does one stage.
async fn stage(name: &'static str, work: impl Future<Output = anyhow::Result<()>>) -> Stage {
    heading(format!("━━ {name}"));
    let start = Instant::now();
    let outcome = tokio::time::timeout(DEADLINE, work).await;
    let ending = match outcome {
        Ok(Ok(())) => Ending::Passed,
        Ok(Err(error)) => Ending::Failed(format!("{error:#}")),
        Err(_) => Ending::Failed(format!("no end after {}", duration(DEADLINE))),
    };
    finished(name, start.elapsed(), ending)
}

fn finished(name: &'static str, time: Duration, ending: Ending) -> Stage {
    let stage = Stage { name, time, ending };
    say(stage.line());
    stage
}

impl Stage {
    fn line(&self) -> String {
        match &self.ending {
            Ending::Passed => line("✓", self.name, self.time),
            Ending::Failed(why) => format!("{}  {why}", line("✗", self.name, self.time)),
            Ending::Left(why) => format!("{}  left out: {why}", line("-", self.name, self.time)),
        }
    }
}

async fn lints() -> anyhow::Result<()> {
    cargo(
        &["clippy", "--workspace", "--all-targets"],
        &["--", "-D", "warnings"],
        &[],
    )
    .await
}

/// By itself, like its build: see [`repository`].
async fn lints_of_the_simulated_worker() -> anyhow::Result<()> {
    let only = ["--features", "worker/simulated", "--bin", "rookery-worker-simulated"];
    cargo(&["clippy"], &[&only[..], &["--", "-D", "warnings"]].concat(), &[]).await
}

async fn documentation() -> anyhow::Result<()> {
    let variables = [("RUSTDOCFLAGS", "-D warnings")];
    let arguments = ["--workspace", "--no-deps", "--document-private-items"];
    cargo(&["doc"], &arguments, &variables).await
}

async fn programs() -> anyhow::Result<()> {
    repository::build_programs(Profile::Development).await?;
    repository::build_simulated_worker(Profile::Development).await
}

/// Every test that is not a story. Those that need a database make one each on a server that lives as long as this stage.
async fn tests() -> anyhow::Result<()> {
    let folders = StackFolders::of_this_run().await?;
    let database = TestDatabase::start(folders.next()).await?;
    let server = nats::find_server()?.display().to_string();
    let variables = [
        ("ROOKERY_TEST_DATABASE_URL", database.url()),
        ("ROOKERY_TEST_NATS_SERVER", server.as_str()),
    ];
    let outcome = cargo(
        &["test", "--workspace", "--exclude", "stories", "--no-fail-fast"],
        &[],
        &variables,
    )
    .await;
    drop(database);
    std::fs::remove_dir_all(folders.root())?;
    outcome?;
    // What the stage of the stories promises of itself, above all that no route of a dialect is without a scenario.
    cargo(&["test", "--lib"], &["--", "scenario::", "documents::"], &[]).await
}

async fn stories(filter: &[String]) -> anyhow::Result<()> {
    let filter: Vec<&str> = filter.iter().map(String::as_str).collect();
    let arguments = [&["--"], &filter[..]].concat();
    cargo(&["test", "--test", "rookery-stories"], &arguments, &[]).await
}

/// Puts generated requests to a stack and checks the answers against the OpenAPI document.
async fn generated_requests() -> anyhow::Result<()> {
    let folders = StackFolders::of_this_run().await?;
    let folder = folders.next();
    let stack = Stack::builder(&folder)?.start().await?;
    let outcome = fuzz::run(&stack, &folder, Effort::SHORT).await;
    drop(stack);
    if outcome.is_ok() {
        std::fs::remove_dir_all(folders.root())?;
    }
    outcome
}

/// Runs cargo-deny, which is installed first when it is missing.
async fn deny(checks: &[&str]) -> anyhow::Result<()> {
    let output = deny_output(checks).await?;
    say(output.1.trim_end());
    ensure!(output.0, "cargo deny found something");
    Ok(())
}

/// Known vulnerabilities. Their list is on GitHub: where that cannot be reached, they are left out and the summary says so.
async fn advisories() -> Stage {
    const NAME: &str = "known vulnerabilities";
    heading(format!("━━ {NAME}"));
    let start = Instant::now();
    let ending = match deny_output(&["advisories"]).await {
        Ok((true, _)) => Ending::Passed,
        Ok((false, said)) if said.contains("failed to fetch advisory database") => {
            Ending::Left("the list on GitHub cannot be reached".to_owned())
        }
        Ok((false, said)) => {
            say(said);
            Ending::Failed("cargo deny found something".to_owned())
        }
        Err(error) => Ending::Failed(format!("{error:#}")),
    };
    finished(NAME, start.elapsed(), ending)
}

/// Whether cargo-deny is content, and what it says.
async fn deny_output(checks: &[&str]) -> anyhow::Result<(bool, String)> {
    let program = repository::tools().join("bin/cargo-deny");
    if !program.is_file() {
        let root = repository::tools().display().to_string();
        // Quickly built rather than quickly run: it runs for two seconds.
        let arguments = ["--version", CARGO_DENY, "--locked", "--debug", "--root", &root];
        cargo(&["install", "cargo-deny"], &arguments, &[]).await?;
    }
    let mut command = tokio::process::Command::new(&program);
    command
        .args(["--color", "never", "--config", ".deny.toml", "check"])
        .args(checks)
        .current_dir(repository::root());
    let output = command.output().await.context("cannot run cargo-deny")?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Ok((output.status.success(), said))
}

/// Every stage and every story with its time, and whether all is well.
fn summarise(stages: &[Stage], total: Duration) -> anyhow::Result<()> {
    let stories = read_results().unwrap_or_default();
    heading("━━ summary");
    for stage in stages {
        say(stage.line());
    }
    summarise_stories(&stories);
    say(line("=", "altogether", total));
    let failed: Vec<&str> = stages
        .iter()
        .filter(|stage| matches!(stage.ending, Ending::Failed(_)))
        .map(|stage| stage.name)
        .collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    say("\n✓ everything passed");
    Ok(())
}

fn summarise_stories(stories: &[StoryResult]) {
    let mut sorted: Vec<&StoryResult> = stories.iter().collect();
    sorted.sort_by(|left, right| (&left.theme, &left.sentence).cmp(&(&right.theme, &right.sentence)));
    let passed = stories.iter().filter(|story| story.outcome == Outcome::Passed).count();
    heading(format!("  {passed} of {} stories hold:", stories.len()));
    for story in sorted {
        let sign = match story.outcome {
            Outcome::Passed => "✓",
            Outcome::Failed => "✗",
        };
        say(format!(
            "  {sign} {:>6.1} s  [{}] {}",
            story.seconds, story.theme, story.sentence
        ));
    }
    say("");
}
