//! How the stories went, in a file: the runner of the stories writes it, the summary of `deploy/local test` reads it.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::coverage::Coverage;
use crate::site::Programs;

/// How one story went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoryResult {
    /// The theme.
    pub theme: String,
    /// The sentence.
    pub sentence: String,
    /// How long it took.
    pub seconds: f64,
    /// How it ended.
    pub outcome: Outcome,
    /// What it used.
    #[serde(default)]
    pub coverage: Coverage,
}

/// How a story ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// What it promises holds.
    Passed,
    /// What it promises does not hold.
    Failed,
}

/// Writes how the stories of this run went.
///
/// # Errors
/// When the file cannot be written.
pub fn write_results(results: &[StoryResult]) -> anyhow::Result<()> {
    let path = path()?;
    let text = serde_json::to_string_pretty(results)?;
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads how the stories of the latest run went.
///
/// # Errors
/// When there was none, or the file is damaged.
pub fn read_results() -> anyhow::Result<Vec<StoryResult>> {
    let path = path()?;
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
}

/// Forgets the latest run.
///
/// # Errors
/// When the file cannot be removed.
pub fn forget_results() -> anyhow::Result<()> {
    let path = path()?;
    if path.exists() {
        fs::remove_file(path)?;
    }
    Ok(())
}

fn path() -> anyhow::Result<PathBuf> {
    Ok(Programs::beside_this_one()?.path("stories.json"))
}
