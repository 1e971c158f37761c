//! Tells all stories, one or two at a time, and reports how each went.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use futures::FutureExt as _;
use harness::coverage::{self, Coverage};
use harness::directory::{Directory, tail};
use harness::repository::{self, Profile};
use harness::results::{Outcome, StoryResult, write_results};
use harness::stack::{StackFolders, remove_run};
use libtest_mimic::{Arguments, Failed, Trial};
use parking_lot::Mutex;
use tokio::signal::unix::{SignalKind, signal};

use crate::story::{Story, Tale};

/// No story takes longer.
const DEADLINE: Duration = Duration::from_secs(240);
/// Stories that are told at the same time, unless the command line says otherwise: most of the time each waits for something.
const AT_ONCE: usize = 2;
/// Lines of each log that explain a failure.
const LOG_LINES: usize = 15;

/// Tells the stories that the command line selects.
#[must_use]
pub fn run(tales: Vec<Tale>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    if arguments.list {
        let trials = tales.into_iter().map(|tale| trial(tale, || Ok(()))).collect();
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    match tell_all(&arguments, tales) {
        Ok(code) => code,
        Err(error) => {
            harness::progress::say(format!("the stories cannot be told: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn tell_all(arguments: &Arguments, tales: Vec<Tale>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        repository::build_programs(Profile::Development).await?;
        repository::build_simulated_worker(Profile::Development).await
    })?;
    let folders = Arc::new(runtime.block_on(StackFolders::of_this_run())?);
    clean_up_when_interrupted(folders.root().to_owned());
    let results = Arc::new(Mutex::new(Vec::new()));
    let trials = tales
        .into_iter()
        .map(|tale| {
            let folders = Arc::clone(&folders);
            let results = Arc::clone(&results);
            trial(tale, move || {
                let start = Instant::now();
                let mut coverage = Coverage::default();
                let outcome = tell_one(tale, folders, &mut coverage);
                results.lock().push(StoryResult {
                    coverage,
                    theme: tale.theme().to_owned(),
                    sentence: tale.sentence(),
                    seconds: start.elapsed().as_secs_f64(),
                    outcome: if outcome.is_ok() {
                        Outcome::Passed
                    } else {
                        Outcome::Failed
                    },
                });
                outcome.map_err(|error| Failed::from(format!("{error:#}")))
            })
        })
        .collect();
    let conclusion = libtest_mimic::run(arguments, trials);
    write_results(&results.lock())?;
    // Empty unless a story failed: then its logs are worth keeping.
    std::fs::remove_dir(folders.root()).ok();
    Ok(conclusion.exit_code())
}

fn trial(tale: Tale, tell: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    Trial::test(tale.sentence(), tell).with_kind(tale.theme())
}

/// Tells one story in a runtime of its own, so that nothing of it goes on afterwards.
fn tell_one(tale: Tale, folders: Arc<StackFolders>, used: &mut Coverage) -> anyhow::Result<()> {
    let story = Story::new(folders);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let telling = AssertUnwindSafe(tale.tell(&story)).catch_unwind();
        match tokio::time::timeout(DEADLINE, telling).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => Err(anyhow!("it panicked: {}", text_of(&*panic))),
            Err(_) => Err(anyhow!("it did not end within {} s", DEADLINE.as_secs())),
        }
    });
    // Whatever the story has started is dropped, and with it every process.
    runtime.shutdown_timeout(Duration::from_secs(5));
    for folder in story.used_folders() {
        if let Ok(text) = std::fs::read_to_string(folder.join(coverage::FILE)) {
            used.extend(serde_json::from_str(&text).unwrap_or_default());
        }
    }
    match outcome {
        Ok(()) => remove_folders(&story),
        Err(error) => Err(anyhow!("{error:#}{}", explain(&story))),
    }
}

fn remove_folders(story: &Story) -> anyhow::Result<()> {
    for folder in story.used_folders() {
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
    }
    Ok(())
}

/// Where the logs of a failed story are, and how they end.
fn explain(story: &Story) -> String {
    let mut text = String::new();
    for folder in story.used_folders() {
        let Some(directory) = Directory::existing(&folder) else {
            continue;
        };
        text.push_str(&format!("\n\nThe logs are in {}.", directory.logs().display()));
        for log in logs_of(&directory) {
            let name = log
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
                .unwrap_or_default();
            let lines = tail(&log, LOG_LINES);
            if !lines.is_empty() {
                text.push_str(&format!("\n{name}:\n  {}", lines.join("\n  ")));
            }
        }
    }
    text
}

fn logs_of(directory: &Directory) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory.logs()).into_iter().flatten().flatten();
    let mut logs: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    logs.sort();
    logs
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a word".to_owned())
}

/// Somebody pressed Ctrl-C: the processes have sessions of their own and would not notice.
fn clean_up_when_interrupted(root: PathBuf) {
    std::thread::spawn(move || {
        let outcome = clean_up(&root);
        if let Err(error) = outcome {
            harness::progress::say(format!("{error:#}"));
        }
        std::process::exit(130);
    });
}

fn clean_up(root: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        wait_for_interruption().await.context("cannot listen for signals")?;
        remove_run(root).await
    })
}

async fn wait_for_interruption() -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}
