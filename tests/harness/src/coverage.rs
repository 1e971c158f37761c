//! What the stories have used of the API, and the table of it: every route, every kind of message, every type of event, and the story that covers it.
//!
//! Nothing is claimed: a stack asks, before it ends, its gateways which routes have answered well and its database which messages and events there
//! were. The table (`tests/COVERAGE.md`) is written from that by `deploy/local coverage`; `deploy/local test` fails when a route, a kind or a type
//! is covered by no story, or when the table names a story that was not told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use shared::content::Content;
use shared::event::EventType;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::http;
use crate::progress::say;
use crate::repository;
use crate::results::{Outcome, StoryResult};
use crate::site::Site;

/// How long a stack may take to answer what was used.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// The file in a stack's folder.
pub const FILE: &str = "coverage.json";

/// What was used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Routes that have answered with 1xx, 2xx or 3xx: `GET /v1/sessions`.
    pub routes: BTreeSet<String>,
    /// Kinds of messages and their direction: `image sent`, `image received`.
    pub kinds: BTreeSet<String>,
    /// Types of events.
    pub events: BTreeSet<String>,
}

impl Coverage {
    /// Adds what another one has.
    pub fn extend(&mut self, other: Self) {
        self.routes.extend(other.routes);
        self.kinds.extend(other.kinds);
        self.events.extend(other.events);
    }

    /// What was used of a running stack. What cannot be asked (any more) is left out.
    pub async fn of(site: &Site, gateways: &[String]) -> Self {
        let mut coverage = Self::default();
        for gateway in gateways {
            if let Ok(text) = metrics_of(site, gateway).await {
                coverage.routes.extend(routes_in(&text));
            }
        }
        if let Ok((kinds, events)) = facts_in(site).await {
            coverage.kinds = kinds;
            coverage.events = events;
        }
        coverage
    }
}

async fn metrics_of(site: &Site, gateway: &str) -> anyhow::Result<String> {
    let url = format!("{}/metrics", site.http_url(gateway)?);
    Ok(http::client()?.get(url).send().await?.text().await?)
}

/// The routes that the gateway's counters name with a good status.
fn routes_in(metrics: &str) -> impl Iterator<Item = String> {
    metrics
        .lines()
        .filter_map(|line| line.strip_prefix("rookery_gateway_requests_total{"))
        .filter_map(|labels| {
            let label = |name: &str| {
                let start = labels.find(&format!("{name}=\""))? + name.len() + 2;
                labels[start..].split('"').next()
            };
            let good = label("status")?.starts_with(['1', '2', '3']);
            good.then(|| Some(format!("{} {}", label("method")?, label("route")?)))?
        })
}

type Names = BTreeSet<String>;

async fn facts_in(site: &Site) -> anyhow::Result<(Names, Names)> {
    let mut connection = PgConnection::connect(&site.database_url()?).await?;
    connection.execute("SET rookery.tenant = '*'").await?;
    let names = async |connection: &mut PgConnection, statement: &'static str| {
        let rows: Vec<(String,)> = sqlx::query_as(statement).fetch_all(connection).await?;
        anyhow::Ok(rows.into_iter().map(|(name,)| name).collect::<Names>())
    };
    let kinds = names(
        &mut connection,
        "SELECT DISTINCT type || CASE WHEN from_me THEN ' sent' ELSE ' received' END FROM message WHERE status NOT IN ('queued', 'failed')",
    )
    .await?;
    let events = names(
        &mut connection,
        "SELECT DISTINCT type FROM event UNION SELECT DISTINCT event_type FROM delivery",
    )
    .await?;
    Ok((kinds, events))
}

/// What stands in a line without a story.
const NONE: &str = "none yet";

/// One line of the table: what it is about and by which stories it may be covered.
type Lines = BTreeMap<String, Vec<String>>;

/// The table as it is now, from what the stories of the latest run have used.
struct Table {
    routes: Lines,
    kinds: Lines,
    events: Lines,
}

impl Table {
    fn of(results: &[StoryResult]) -> anyhow::Result<Self> {
        Ok(Self {
            routes: lines(documented_routes()?, results, |coverage| &coverage.routes),
            kinds: lines(message_kinds(), results, |coverage| &coverage.kinds),
            events: lines(event_types(), results, |coverage| &coverage.events),
        })
    }

    fn uncovered(&self) -> Vec<&str> {
        [&self.routes, &self.kinds, &self.events]
            .into_iter()
            .flatten()
            .filter(|(_, stories)| stories.is_empty())
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// What is wrong with the recorded table: a line that is missing, that is about nothing any more, or that names a story which was not told. That very
    /// story need not have covered the line in this run: some events come just before or just after a story's end.
    fn wrong_lines(&self, recorded: &str, results: &[StoryResult]) -> Vec<String> {
        let told: BTreeSet<String> = results
            .iter()
            .map(|result| format!("[{}] {}", result.theme, result.sentence))
            .collect();
        let mut found = BTreeSet::new();
        let mut wrong = Vec::new();
        for line in recorded.lines().filter_map(|line| line.strip_prefix("| `")) {
            let Some((name, story)) = line.trim_end_matches(" |").split_once("` | ") else {
                continue;
            };
            found.insert(name);
            let lines = [&self.routes, &self.kinds, &self.events];
            let covering = lines.into_iter().find_map(|lines| lines.get(name));
            let right = match covering {
                Some(stories) => (story == NONE) == stories.is_empty() && (story == NONE || told.contains(story)),
                None => false,
            };
            if !right {
                wrong.push(name.to_owned());
            }
        }
        let all = [&self.routes, &self.kinds, &self.events].into_iter().flatten();
        wrong.extend(
            all.map(|(name, _)| name.clone())
                .filter(|name| !found.contains(name.as_str())),
        );
        wrong
    }

    /// The text of the file. A story that stood in a line before stays there as long as it still covers it.
    fn text(&self, before: &str) -> String {
        let mut text = String::from(
            "# What is tested by what\n\n\
             Written by `deploy/local coverage` from what the stories have really used; `deploy/local test` fails when a line loses its story, has \
             the wrong one, or is new and has none.\n",
        );
        for (title, lines) in [
            ("Routes", &self.routes),
            ("Kinds of messages", &self.kinds),
            ("Types of events", &self.events),
        ] {
            text.push_str(&format!("\n## {title}\n\n| what | story |\n|---|---|\n"));
            for (name, stories) in lines {
                let stood_before = stories
                    .iter()
                    .find(|story| before.contains(&format!("| `{name}` | {story} |")));
                let story = stood_before.or(stories.first()).map_or(NONE, String::as_str);
                text.push_str(&format!("| `{name}` | {story} |\n"));
            }
        }
        text
    }
}

fn lines(names: BTreeSet<String>, results: &[StoryResult], of: fn(&Coverage) -> &BTreeSet<String>) -> Lines {
    names
        .into_iter()
        .map(|name| {
            let mut stories: Vec<String> = results
                .iter()
                .filter(|result| result.outcome == Outcome::Passed && of(&result.coverage).contains(&name))
                .map(|result| format!("[{}] {}", result.theme, result.sentence))
                .collect();
            stories.sort();
            (name, stories)
        })
        .collect()
}

/// Every route of the API, as the committed document lists them.
fn documented_routes() -> anyhow::Result<BTreeSet<String>> {
    let path = repository::root().join("gateway/openapi.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let document: serde_json::Value = serde_json::from_str(&text)?;
    let paths = document["paths"].as_object().context("the document has no paths")?;
    Ok(paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().into_iter().flatten().filter_map(move |(method, _)| {
                let method = method.to_uppercase();
                let is_method = ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str());
                is_method.then(|| format!("{method} {path}"))
            })
        })
        .collect())
}

/// Kinds that come only from others: phones make them, not this API.
const ONLY_RECEIVED: [&str; 5] = ["list_reply", "buttons_reply", "group_invite", "unsupported", "keep"];
/// Kinds that change another message: they arrive as events of their own.
const NOT_STORED_WHEN_RECEIVED: [&str; 6] = ["reaction", "edit", "revoke", "pin", "poll_vote", "event_response"];

fn message_kinds() -> BTreeSet<String> {
    let sent = Content::KINDS
        .iter()
        .filter(|kind| !ONLY_RECEIVED.contains(kind))
        .map(|kind| format!("{kind} sent"));
    let received = Content::KINDS
        .iter()
        .filter(|kind| !NOT_STORED_WHEN_RECEIVED.contains(kind))
        .map(|kind| format!("{kind} received"));
    sent.chain(received).collect()
}

fn event_types() -> BTreeSet<String> {
    EventType::ALL.iter().map(ToString::to_string).collect()
}

fn path() -> PathBuf {
    repository::root().join("tests/COVERAGE.md")
}

/// Writes the table from the latest run of all stories.
///
/// # Errors
/// When there was none, or the file cannot be written.
pub fn write(results: &[StoryResult]) -> anyhow::Result<()> {
    let before = std::fs::read_to_string(path()).unwrap_or_default();
    let table = Table::of(results)?;
    std::fs::write(path(), table.text(&before))?;
    for name in table.uncovered() {
        say(format!("  no story covers {name}"));
    }
    Ok(())
}

/// Whether every route, kind and type is covered, and whether the table says so. Lines that the table admits to be without a story may stay so for now;
/// no other may lose its story, and a new one needs one.
///
/// # Errors
/// When it is not, with every line that is missing.
pub fn check(results: &[StoryResult]) -> anyhow::Result<()> {
    let table = Table::of(results)?;
    let recorded = std::fs::read_to_string(path()).unwrap_or_default();
    let admitted = |name: &&str| recorded.contains(&format!("| `{name}` | {NONE} |"));
    let (open, lost): (Vec<&str>, Vec<&str>) = table.uncovered().into_iter().partition(admitted);
    if !lost.is_empty() {
        bail!("no story covers: {}", lost.join(", "));
    }
    if !open.is_empty() {
        say(format!(
            "  {} lines of tests/COVERAGE.md still have no story",
            open.len()
        ));
    }
    let wrong = table.wrong_lines(&recorded, results);
    if !wrong.is_empty() {
        bail!(
            "tests/COVERAGE.md must be written anew (`deploy/local coverage`): {}",
            wrong.join(", ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(sentence: &str, routes: &[&str]) -> StoryResult {
        StoryResult {
            theme: "theme".into(),
            sentence: sentence.into(),
            seconds: 0.0,
            outcome: Outcome::Passed,
            coverage: Coverage {
                routes: routes.iter().map(|route| (*route).to_owned()).collect(),
                ..Coverage::default()
            },
        }
    }

    #[test]
    fn only_routes_that_answered_well_count() {
        let metrics = "# HELP\n\
            rookery_gateway_requests_total{method=\"GET\",route=\"/v1/sessions\",status=\"200\"} 3\n\
            rookery_gateway_requests_total{method=\"POST\",route=\"/v1/sessions\",status=\"422\"} 1\n\
            other{method=\"GET\",route=\"/x\",status=\"200\"} 1\n";
        assert_eq!(routes_in(metrics).collect::<Vec<_>>(), ["GET /v1/sessions"]);
    }

    #[test]
    fn a_line_keeps_its_story_as_long_as_that_covers_it() {
        let names = || BTreeSet::from(["GET /a".to_owned(), "GET /b".to_owned()]);
        let results = [result("first", &["GET /a"]), result("second", &["GET /a"])];
        let table = Table {
            routes: lines(names(), &results, |coverage| &coverage.routes),
            kinds: Lines::new(),
            events: Lines::new(),
        };
        assert_eq!(table.uncovered(), ["GET /b"]);
        assert!(table.text("").contains("| `GET /a` | [theme] first |"));
        assert!(
            table
                .text("| `GET /a` | [theme] second |")
                .contains("| `GET /a` | [theme] second |")
        );
        assert!(
            table
                .text("| `GET /a` | [theme] third |")
                .contains("| `GET /a` | [theme] first |")
        );

        let good = "| `GET /a` | [theme] second |\n| `GET /b` | none yet |\n";
        assert_eq!(table.wrong_lines(good, &results), Vec::<String>::new());
        let bad = "| `GET /a` | [theme] untold |\n| `GET /c` | [theme] first |\n";
        assert_eq!(table.wrong_lines(bad, &results), ["GET /a", "GET /c", "GET /b"]);
    }
}
