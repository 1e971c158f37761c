//! The dialects: what their clients ask and expect, as scenario files, told against a running Rookery.

use std::collections::HashSet;

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use harness::wait::{NotYet, wait_for};
use serde_json::{Value, json};
use stories::scenario;
use stories::scenario::pattern::Variables;
use stories::scene::PATIENCE;
use stories::{Scene, Story};

stories::stories![
    the_scenarios_of_multisession_hold,
    the_scenarios_of_chatlink_hold,
    the_scenarios_of_premium_hold,
    the_scenarios_of_management_hold,
    the_scenarios_of_crm_hold,
    one_session_used_through_two_dialects_and_v1_at_once_is_one_truth,
];

/// What signs the operator's webhook of the crm dialect.
const FRAPPE_SECRET: &str = "tu_secreto";

/// Texts that each of the three ways sends.
const EACH: usize = 10;

async fn told(story: &Story, dialect: &str) -> anyhow::Result<()> {
    // The operator's webhook of the crm dialect.
    let builder = story
        .stack()?
        .variable("ROOKERY_CRM_WEBHOOK_URL", "{sink}/frappe")
        .variable("ROOKERY_CRM_WEBHOOK_SECRET", FRAPPE_SECRET);
    let scene = Scene::on(builder).await?;
    // ChatLink's clients log in with a person's email and password.
    let password = "la contraseña de Ana";
    let user = json!({ "tenant_id": scene.tenant, "email": "ana@example.com", "password": password });
    scene.admin.post("/v1/users", &user).created().await?;
    let variables = Variables::from([
        ("password".to_owned(), password.to_owned()),
        ("key".to_owned(), scene.api.key().to_owned()),
        ("sink".to_owned(), scene.sink().url("").trim_end_matches('/').to_owned()),
        ("base".to_owned(), scene.api.base().to_owned()),
    ]);
    scenario::tell(&scene, dialect, variables).await
}

async fn the_scenarios_of_crm_hold(story: &Story) -> anyhow::Result<()> {
    told(story, "crm").await
}

async fn the_scenarios_of_multisession_hold(story: &Story) -> anyhow::Result<()> {
    told(story, "multisession").await
}

async fn the_scenarios_of_chatlink_hold(story: &Story) -> anyhow::Result<()> {
    told(story, "chatlink").await
}

async fn the_scenarios_of_premium_hold(story: &Story) -> anyhow::Result<()> {
    told(story, "premium").await
}

async fn the_scenarios_of_management_hold(story: &Story) -> anyhow::Result<()> {
    told(story, "management").await
}

/// The texts of a list of messages, in its order.
fn texts(list: &Value, field: &str) -> anyhow::Result<Vec<String>> {
    let list = list.as_array().with_context(|| format!("not a list: {list}"))?;
    let text = |message: &Value| message.pointer(field).and_then(Value::as_str).map(str::to_owned);
    list.iter()
        .map(|message| text(message).with_context(|| format!("no text: {message}")))
        .collect()
}

async fn one_session_used_through_two_dialects_and_v1_at_once_is_one_truth(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::on(story.stack()?.gateways(2)).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    let (api, other) = (&scene.api, &scene.api_at(2)?);
    let name = &session.id;

    let v1 = async |number: usize| {
        api.send_text(name, &contact.number, &format!("v1 {number}"))
            .await
            .map(drop)
    };
    let multisession = async |number: usize| {
        let body = json!({ "sessionId": name, "number": contact.number, "message": format!("multisession {number}") });
        other
            .post("/compat/multisession/api/send-message", &body)
            .send()
            .await?
            .expect(200)
            .map(drop)
    };
    let premium = async |number: usize| {
        let path = format!(
            "/compat/premium/{name}/enviarmsg?numero={}&msg=premium%20{number}",
            contact.number
        );
        api.get(&path).send().await?.expect(200).map(drop)
    };
    futures::try_join!(
        try_join_all((0..EACH).map(v1)),
        try_join_all((0..EACH).map(multisession)),
        try_join_all((0..EACH).map(premium)),
    )?;
    let ways = ["v1", "multisession", "premium"];
    let expected: HashSet<String> = ways
        .iter()
        .flat_map(|way| (0..EACH).map(move |number| format!("{way} {number}")))
        .collect();
    for text in &expected {
        contact
            .first_message(PATIENCE, |message| message.text.as_deref() == Some(text))
            .await?;
    }
    contact.send_text(&session.owner.number, "The answer").await?;

    // The same messages, each once, and in the same order wherever they are asked for.
    let lists = async || -> anyhow::Result<[Vec<String>; 3]> {
        let path = format!("/v1/sessions/{name}/messages?limit=100");
        let newest_first: Value = other.get(&path).ok().await?.json()?;
        let mut canonical = texts(&newest_first["data"], "/text/body")?;
        canonical.reverse();
        let path = format!("/compat/multisession/api/messages/{name}?limit=100");
        let multisession: Value = api.get(&path).ok().await?.json()?;
        let path = format!("/compat/premium/{name}/todasmensagens?numero={}", contact.number);
        let premium: Value = other.get(&path).ok().await?.json()?;
        Ok([
            canonical,
            texts(&multisession["messages"], "/body")?,
            texts(&premium, "/body")?,
        ])
    };
    let [canonical, multisession, premium] = wait_for("the answer in all three lists", PATIENCE, async || {
        let seen = lists().await?;
        let answered = |list: &Vec<String>| list.last().is_some_and(|last| last == "The answer");
        if seen.iter().all(answered) {
            return Ok(seen);
        }
        Err(NotYet::because(format!("they are {seen:?}")))
    })
    .await?;
    let sent: HashSet<String> = canonical.iter().take(expected.len()).cloned().collect();
    ensure!(
        canonical.len() == expected.len() + 1 && sent == expected,
        "v1 lists {canonical:?}"
    );
    ensure!(
        multisession == canonical,
        "multisession lists {multisession:?}, v1 {canonical:?}"
    );
    ensure!(premium == canonical, "premium lists {premium:?}, v1 {canonical:?}");
    Ok(())
}
