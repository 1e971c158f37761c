//! Scenario files: what a dialect's clients ask and what they expect, as data, told against a running Rookery.
//!
//! A file in `tests/scenarios/DIALECT` is a list of steps. All files of a dialect are one tale: they are told in the order of their names, and what one
//! keeps (`{name}`) the next ones may use. See `tests/scenarios/README.md` for the steps; [`pattern`] for how answers are compared.

pub mod ask;
pub mod form;
pub mod pattern;
mod person;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::network::{MediaKind, Phone};
use harness::repository;
use harness::sink::Received;
use serde::Deserialize;
use serde_json::Value;

use crate::picture;
use crate::scene::{PATIENCE, Scene};
use ask::Ask;
use pattern::{Variables, compare, filled};

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows, as a sentence.
    pub title: String,
    /// Headers of every request that names none itself.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What happens.
    pub steps: Vec<Step>,
}

/// One step: exactly one of these.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Step {
    /// A request and its answer.
    Ask(Box<Ask>),
    /// A person does something, or sees something.
    Phone(Box<PhoneStep>),
    /// A receiver of webhooks gets something.
    Hook(HookStep),
}

/// What a person does.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhoneStep {
    /// Who; a new name is a new person, whose number is then `{name}`.
    phone: String,
    /// Scans the QR code with this text, or in this picture.
    scans: Option<String>,
    /// Sends a message.
    sends: Option<Value>,
    /// Sends a file.
    sends_file: Option<FileStep>,
    /// Has received a message with this text.
    reads: Option<String>,
    /// Has received a file with these bytes, in base64.
    reads_file: Option<String>,
    /// How many such texts have arrived.
    times: Option<usize>,
    /// Makes a group with these people; its id is then kept under this name.
    makes_group: Option<GroupStep>,
    /// Tells a group's invitation code, which is then kept.
    invites_to: Option<String>,
    /// Marks the message with this id, from this person, as read.
    has_read: Option<ReadStep>,
    /// Changes what they tell of themselves: name, about, picture, business.
    changes_profile: Option<Value>,
    /// Changes something that all their devices share, as their address book.
    changes_app_state: Option<Value>,
    /// Lets others add them to groups, or does not.
    opens_to_groups: Option<bool>,
    /// Shows a text as a status.
    posts_status: Option<person::PostStep>,
    /// Has heard that their message with this id was read.
    hears_of_reading: Option<String>,
    /// Sees a reaction to a message.
    sees_reaction: Option<person::ReactionStep>,
    /// Sees a group as WhatsApp has it.
    sees_group: Option<person::SeenGroup>,
    /// Keeps the id of the message, or the code, under this name.
    #[serde(default)]
    keep: Option<String>,
}

/// A file that a person sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileStep {
    to: String,
    mime_type: String,
    base64: String,
}

/// A group that a person makes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupStep {
    keep: String,
    body: Value,
}

/// A message that a person reads.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadStep {
    id: String,
    from: String,
}

/// A webhook that arrives. Its address is `{sink}/hooks/NAME`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookStep {
    /// The receiver.
    hook: String,
    /// A body that arrives, in any order among others.
    gets: Value,
    /// Headers that come with it.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The secret with which `X-Webhook-Signature` signs it.
    signed_with: Option<String>,
    /// A body that has not arrived before this one.
    never: Option<Value>,
    /// Where links in the body lead: JSON pointers, and the bytes there in base64.
    #[serde(default)]
    links: BTreeMap<String, String>,
    /// What to keep of the body.
    #[serde(default)]
    keep: BTreeMap<String, String>,
}

/// The scenarios of a dialect, in their order.
///
/// # Errors
/// When a file cannot be read.
pub fn of_dialect(dialect: &str) -> anyhow::Result<Vec<Scenario>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder().join(dialect))?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    ensure!(!files.is_empty(), "{dialect} has no scenarios");
    files
        .iter()
        .map(|file| {
            let text = std::fs::read_to_string(file)?;
            serde_json::from_str(&text).with_context(|| format!("{} is no scenario", file.display()))
        })
        .collect()
}

fn folder() -> PathBuf {
    repository::root().join("tests/scenarios")
}

/// The dialects that have scenarios.
///
/// # Errors
/// When the folder cannot be read.
pub fn dialects() -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The routes that a dialect's documentation lists, `METHOD PATH` each.
///
/// # Errors
/// When the list cannot be read.
pub fn listed_routes(dialect: &str) -> anyhow::Result<Vec<String>> {
    let file = repository::root().join(format!("gateway/src/dialect/{dialect}/routes.txt"));
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    // What stands behind method and path is for the dialect itself.
    let route = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    Ok(text.lines().map(route).collect())
}

/// The listed routes that no scenario asks for with success.
///
/// # Errors
/// When something cannot be read.
pub fn untold_routes(dialect: &str) -> anyhow::Result<Vec<String>> {
    let scenarios = of_dialect(dialect)?;
    let asked: Vec<&Ask> = scenarios
        .iter()
        .flat_map(|scenario| &scenario.steps)
        .filter_map(|step| match step {
            Step::Ask(ask) if ask.answer < 400 => Some(ask.as_ref()),
            _ => None,
        })
        .collect();
    let mut routes = listed_routes(dialect)?;
    routes.retain(|route| !asked.iter().any(|ask| ask.is_for(route)));
    Ok(routes)
}

/// Tells the scenarios of a dialect on a scene, at the gateway's address `base` with `{tenant_key}` and `{sink}` known.
///
/// # Errors
/// When an answer is another than the expected one: the text says where.
pub async fn tell(scene: &Scene, dialect: &str, variables: Variables) -> anyhow::Result<()> {
    let mut telling = Telling {
        scene,
        base: format!("{}/compat/{dialect}", scene.api.base()),
        phones: BTreeMap::new(),
        variables,
    };
    for scenario in of_dialect(dialect)? {
        for (number, step) in scenario.steps.iter().enumerate() {
            let told = telling.step(&scenario, step).await;
            told.with_context(|| format!("{dialect}: \"{}\", step {}", scenario.title, number + 1))?;
        }
    }
    Ok(())
}

struct Telling<'a> {
    scene: &'a Scene,
    base: String,
    phones: BTreeMap<String, Phone>,
    variables: Variables,
}

impl Telling<'_> {
    async fn step(&mut self, scenario: &Scenario, step: &Step) -> anyhow::Result<()> {
        match step {
            Step::Ask(ask) => ask.told(&self.base, &scenario.headers, &mut self.variables).await,
            Step::Phone(step) => self.phone(step).await,
            Step::Hook(step) => self.hook(step).await,
        }
    }

    fn text(&self, text: &str) -> String {
        pattern::filled_text(text, &self.variables)
    }

    async fn person(&mut self, name: &str) -> anyhow::Result<Phone> {
        if let Some(phone) = self.phones.get(name) {
            return Ok(phone.clone());
        }
        let phone = self.scene.phone(name).await?;
        self.variables.insert(name.to_owned(), phone.number.clone());
        self.phones.insert(name.to_owned(), phone.clone());
        Ok(phone)
    }

    async fn phone(&mut self, step: &PhoneStep) -> anyhow::Result<()> {
        let phone = self.person(&step.phone).await?;
        if let Some(code) = &step.scans {
            let code = self.text(code);
            let code = match code.strip_prefix("data:image/png;base64,") {
                Some(picture) => picture::code_in(&STANDARD.decode(picture)?)?,
                None => code,
            };
            phone.scan(&code).await?;
        }
        if let Some(message) = &step.sends {
            let id = phone.send(&filled(message, &self.variables)).await?;
            if let Some(name) = &step.keep {
                self.variables.insert(name.clone(), id);
            }
        }
        if let Some(file) = &step.sends_file {
            let kind = MediaKind::Image;
            let bytes = STANDARD.decode(&file.base64)?;
            phone
                .send_file(&self.text(&file.to), kind, &file.mime_type, bytes)
                .await?;
        }
        if let Some(group) = &step.makes_group {
            let id = phone.create_group(&filled(&group.body, &self.variables)).await?;
            self.variables.insert(group.keep.clone(), id);
        }
        if let (Some(group), Some(name)) = (&step.invites_to, &step.keep) {
            let group = self.scene.network().group(&self.text(group)).await?;
            let code = group["invite_code"].as_str().context("a group has a code")?;
            self.variables.insert(name.clone(), code.to_owned());
        }
        if let Some(read) = &step.has_read {
            let (id, from) = (self.text(&read.id), self.text(&read.from));
            phone.read(&[&id], &from).await?;
        }
        if let Some(text) = &step.reads {
            let text = self.text(text);
            let found = phone
                .first_message(PATIENCE, |message| message.text.as_deref() == Some(&text))
                .await?;
            if let Some(name) = &step.keep {
                self.variables.insert(name.clone(), found.id.clone());
            }
            if let Some(times) = step.times {
                let page = phone.received(0, Duration::ZERO).await?;
                let same = page
                    .messages
                    .iter()
                    .filter(|message| message.text.as_deref() == Some(&text))
                    .count();
                ensure!(same == times, "\"{text}\" has arrived {same} times");
            }
        }
        if let Some(bytes) = &step.reads_file {
            let wanted = STANDARD.decode(bytes)?;
            self.reads_file(&phone, &wanted).await?;
        }
        self.more(&phone, step).await
    }

    async fn reads_file(&self, phone: &Phone, wanted: &[u8]) -> anyhow::Result<()> {
        let mut looked_at = Vec::new();
        let start = std::time::Instant::now();
        loop {
            let page = phone.received(0, Duration::from_secs(1)).await?;
            for message in page.messages {
                if looked_at.contains(&message.id) {
                    continue;
                }
                if let Ok(media) = message.media()
                    && phone.read_media(&media).await? == wanted
                {
                    return Ok(());
                }
                looked_at.push(message.id);
            }
            if start.elapsed() > PATIENCE {
                bail!("none of the messages {looked_at:?} carries the file");
            }
        }
    }

    async fn hook(&mut self, step: &HookStep) -> anyhow::Result<()> {
        let wanted = filled(&step.gets, &self.variables);
        let mut others = Vec::new();
        let found = self
            .scene
            .sink()
            .first(&step.hook, PATIENCE, |webhook| {
                let body = body_of(webhook).unwrap_or_default();
                match compare(&wanted, &body) {
                    Ok(()) => true,
                    Err(difference) => {
                        others.push(difference);
                        false
                    }
                }
            })
            .await
            .with_context(|| format!("what came differs: {others:#?}"))?;
        for (name, value) in &step.headers {
            let (wanted, header) = (self.text(value), found.headers.get(&name.to_lowercase()));
            ensure!(
                header == Some(&wanted),
                "expected the header {name}: {wanted}, found {header:?}"
            );
        }
        if let Some(secret) = &step.signed_with {
            ensure!(
                found.is_signed_with(&self.text(secret)),
                "it is not signed with {secret}"
            );
        }
        if let Some(unwanted) = &step.never {
            let unwanted = filled(unwanted, &self.variables);
            let page = self.scene.sink().received(&step.hook, 0, Duration::ZERO).await?;
            for webhook in page.webhooks {
                let body = body_of(&webhook).unwrap_or_default();
                ensure!(compare(&unwanted, &body).is_err(), "this should not have come: {body}");
            }
        }
        let body = body_of(&found)?;
        ask::follow(&step.links, &body).await?;
        pattern::keep(&step.keep, &body, &mut self.variables)
    }
}

/// What arrived, whether as JSON or as a form: in a form every value is a text.
fn body_of(webhook: &Received) -> serde_json::Result<Value> {
    let kind = webhook.headers.get("content-type");
    match kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
        true => Ok(form::read(&webhook.body)),
        false => serde_json::from_str(&webhook.body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_that_a_dialects_documentation_lists_is_told_by_a_scenario() {
        let dialects = dialects().unwrap();
        let mut known: Vec<&str> = shared::dialect::Dialect::ALL.iter().map(|one| one.as_str()).collect();
        known.sort_unstable();
        assert_eq!(
            dialects, known,
            "a dialect without scenarios, or scenarios without a dialect"
        );
        let mut untold = Vec::new();
        for dialect in &dialects {
            for route in untold_routes(dialect).unwrap() {
                untold.push(format!("{dialect}: {route}"));
            }
        }
        assert!(untold.is_empty(), "{untold:#?}");
    }

    #[test]
    fn the_lists_have_as_many_routes_as_the_documentations() {
        for (dialect, count) in [
            ("chatlink", 9),
            ("crm", 43),
            ("management", 15),
            ("multisession", 12),
            ("premium", 32),
        ] {
            assert_eq!(listed_routes(dialect).unwrap().len(), count, "{dialect}");
        }
    }
}
