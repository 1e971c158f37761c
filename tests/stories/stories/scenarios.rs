//! The dialects: what their clients ask and expect, as scenario files, told against a running Rookery.

use serde_json::json;
use stories::scenario;
use stories::scenario::pattern::Variables;
use stories::{Scene, Story};

stories::stories![
    the_scenarios_of_multisession_hold,
    the_scenarios_of_chatlink_hold,
    the_scenarios_of_premium_hold,
];

async fn told(story: &Story, dialect: &str) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
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

async fn the_scenarios_of_multisession_hold(story: &Story) -> anyhow::Result<()> {
    told(story, "multisession").await
}

async fn the_scenarios_of_chatlink_hold(story: &Story) -> anyhow::Result<()> {
    told(story, "chatlink").await
}

async fn the_scenarios_of_premium_hold(story: &Story) -> anyhow::Result<()> {
    told(story, "premium").await
}
