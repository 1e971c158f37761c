//! The panel, in a real browser, by somebody who never calls an API.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use stories::browser::Browser;
use stories::scene::PATIENCE;
use stories::{Scene, Story};

stories::stories![
    a_person_links_a_phone_by_the_screen_and_chats_in_a_browser,
    the_operator_sees_the_cluster_and_hands_out_a_key,
];

/// The widths that every page is looked at in.
const SCREENS: [(&str, i64, i64); 2] = [("1280", 1280, 900), ("390", 390, 844)];

async fn open(scene: &Scene) -> anyhow::Result<Browser> {
    let folder = scene.site().directory.data_of("browser");
    let browser = Browser::open(&format!("{}/panel", scene.api.base()), &folder).await?;
    browser.resize(1280, 900).await?;
    Ok(browser)
}

/// Keeps a picture of the page on a large and on a small screen, and checks that nothing sticks out of either.
async fn look(browser: &Browser, page: &str) -> anyhow::Result<()> {
    for (name, width, height) in SCREENS {
        browser.resize(width, height).await?;
        let overflow = browser.see("document.documentElement.scrollWidth - innerWidth").await?;
        ensure!(
            overflow.as_i64().context("no width")? <= 0,
            "{page} is {overflow} pixels too wide for {name}"
        );
        let empty = browser
            .see("/undefined|\\bnull\\b|NaN/.test(document.body.innerText)")
            .await?;
        ensure!(
            empty == false || page == "events",
            "{page} shows something empty as a word"
        );
        browser.screenshot(&format!("panel-{page}-{name}")).await?;
    }
    browser.resize(1280, 900).await
}

/// Nothing was loaded again since the beginning, and the page did nothing that its policy forbids.
async fn nothing_strange(browser: &Browser) -> anyhow::Result<()> {
    let loaded = browser.see("window.loaded").await?;
    ensure!(loaded == 1, "the page was loaded {loaded} times");
    let violations = browser.see("window.violations").await?;
    ensure!(violations == serde_json::json!([]), "forbidden: {violations}");
    let problem = browser.see("document.getElementById('problem').innerText").await?;
    ensure!(problem == "", "the page complains: {problem}");
    Ok(())
}

async fn a_person_links_a_phone_by_the_screen_and_chats_in_a_browser(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["message.received"]).await?;
    let (owner, contact) = (
        scene.phone("Front desk").await?,
        scene.phone("<script>document.title='taken'</script>").await?,
    );
    let user = serde_json::json!({ "tenant_id": scene.tenant, "email": "ana@example.com", "password": "correct horse battery", "role": "owner" });
    scene.admin.post("/v1/users", &user).created().await?;
    let browser = open(&scene).await?;

    browser.fill("#email", "Ana@example.com").await?;
    browser.submit("#password", "correct horse battery").await?;
    browser.submit("#name", "Front desk").await?;
    browser.wait_for_text("#qr-time", "works for another").await?;
    browser
        .wait_until(
            "the QR code to be drawn",
            "document.getElementById('qr').naturalWidth > 0",
        )
        .await?;
    let code = browser.qr_code("panel-code").await?;
    look(&browser, "sessions").await?;
    owner.scan(&code).await?;
    browser
        .wait_until(
            "the session to be connected",
            "document.getElementById('session-status')?.dataset.state === 'connected'",
        )
        .await?;
    browser.wait_for_text("#session-account", owner.number.as_str()).await?;

    browser.click("#to-chats").await?;
    browser.submit("#to", contact.number.as_str()).await?;
    browser.submit("#text", "Hello from the panel").await?;
    let read = contact
        .first_message(PATIENCE, |message| {
            message.text.as_deref() == Some("Hello from the panel")
        })
        .await?;
    ensure!(read.from_phone.as_deref() == Some(owner.number.as_str()), "{read:?}");
    browser.wait_for_text("#messages .mine small", "delivered").await?;

    let hostile = "<img src=x onerror=\"document.title='taken'\"> Good morning";
    contact.send_text(&owner.number, hostile).await?;
    browser.wait_for_text("#messages li:not(.mine) .text", hostile).await?;
    browser.wait_for_text("#chats", "Good morning").await?;
    // Seen is read: no badge stays, and the order is that of the conversation.
    browser
        .wait_until(
            "the chat to be read",
            "document.querySelectorAll('#chats .badge').length === 0",
        )
        .await?;
    let order = browser
        .see("[...document.querySelectorAll('#messages li')].map((line) => line.className).join()")
        .await?;
    ensure!(order == "mine,", "the conversation's order is {order}");

    let file = scene.site().directory.data_of("menu.txt");
    std::fs::write(&file, "Soup, fish, cake")?;
    browser.choose_file("#file", &file).await?;
    browser.submit("#text", "The menu").await?;
    let read = contact
        .first_message(PATIENCE, |message| message.kind == "document")
        .await?;
    ensure!(read.from_phone.as_deref() == Some(owner.number.as_str()), "{read:?}");
    browser.wait_for_text("#messages li:last-child", "menu.txt").await?;
    look(&browser, "conversation").await?;

    browser.click("a[href='#/webhooks']").await?;
    browser
        .wait_until(
            "the webhook to be delivered",
            "document.querySelector('#deliveries tr')?.dataset.status === 'succeeded'",
        )
        .await?;
    let before = scene.sink().received("shop", 0, Duration::ZERO).await?.next;
    browser.click("#deliveries button").await?;
    let again = scene.sink().received("shop", before, PATIENCE).await?;
    ensure!(again.webhooks.len() == 1, "the webhook was not replayed once");
    look(&browser, "webhooks").await?;

    browser.click("a[href='#/events']").await?;
    browser.wait_for_text("#events", "message.received").await?;
    look(&browser, "events").await?;

    ensure!(
        browser.see("document.title").await? == "Rookery",
        "a name or a text was run as a script"
    );
    nothing_strange(&browser).await?;
    browser.click("#leave").await?;
    browser.wait_to_see("#key").await?;
    let kept = browser.see("JSON.stringify(sessionStorage) + document.cookie").await?;
    ensure!(kept == "{}", "the browser keeps {kept}");
    Ok(())
}

async fn the_operator_sees_the_cluster_and_hands_out_a_key(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let browser = open(&scene).await?;
    browser.submit("#key", scene.admin.key()).await?;
    browser.wait_for_text("#sessions", "Front desk").await?;

    browser.click("a[href='#/cluster']").await?;
    browser.wait_for_text("#workers", "wrk_").await?;
    browser.wait_for_text("#workers .state", "alive").await?;
    browser.wait_for_text("#cluster-summary", "1 sessions want").await?;
    look(&browser, "cluster").await?;

    browser.click("a[href='#/keys']").await?;
    browser.submit("#key-name", "Orders").await?;
    browser.wait_for_text("#new-key", "rk_").await?;
    let shown = browser
        .see("document.getElementById('new-key').innerText.match(/rk_\\S+/)[0]")
        .await?;
    let made = scene.api.with_key(shown.as_str().context("no key")?);
    ensure!(
        made.session(&session.id).await?.id == session.id,
        "the key does not work"
    );
    browser.wait_for_text("#keys", "Orders").await?;
    look(&browser, "keys").await?;

    // In another language, chosen with a person's own means.
    browser.choose("#language", "P").await?;
    browser.wait_for_text("nav", "Sessões").await?;
    ensure!(
        browser.see("document.documentElement.lang").await? == "pt",
        "the page's language is not said"
    );
    nothing_strange(&browser).await
}
