//! The dialects: what their clients ask and expect, as scenario files, told against a running Rookery.

use stories::scenario;
use stories::scenario::pattern::Variables;
use stories::{Scene, Story};

stories::stories![
    the_clients_of_multisession_are_at_home,
    the_clients_of_chatlink_are_at_home,
    the_clients_of_premium_are_at_home,
];

async fn told(story: &Story, dialect: &str) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let variables = Variables::from([
        ("key".to_owned(), scene.api.key().to_owned()),
        ("sink".to_owned(), scene.sink().url("").trim_end_matches('/').to_owned()),
        ("base".to_owned(), scene.api.base().to_owned()),
    ]);
    scenario::tell(&scene, dialect, variables).await
}

async fn the_clients_of_multisession_are_at_home(story: &Story) -> anyhow::Result<()> {
    told(story, "multisession").await
}

async fn the_clients_of_chatlink_are_at_home(story: &Story) -> anyhow::Result<()> {
    told(story, "chatlink").await
}

async fn the_clients_of_premium_are_at_home(story: &Story) -> anyhow::Result<()> {
    told(story, "premium").await
}
