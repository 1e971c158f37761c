//! A real browser, headless Chromium, in which a story does what a person does: read, type, click, and look at the screen.
//!
//! It must never act by a shorter way than a person has: nothing here calls a function of the page or its API.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use chromiumoxide::browser::{Browser as Chromium, BrowserConfig};
use chromiumoxide::cdp::browser_protocol::dom::SetFileInputFilesParams;
use chromiumoxide::cdp::browser_protocol::emulation::SetDeviceMetricsOverrideParams;
use chromiumoxide::page::{Page, ScreenshotParams};
use futures::StreamExt as _;
use harness::repository;
use harness::wait::{NotYet, wait_for};

/// How long something on the page may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Notes what the page's own policy forbids, and that the page was never loaded again.
const WATCH: &str = "window.violations = []; window.loaded = (window.loaded ?? 0) + 1; \
                     document.addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective));";

/// An open page. Dropping it ends the browser.
#[derive(Debug)]
pub struct Browser {
    page: Page,
    _chromium: Chromium,
    _reader: tokio::task::JoinHandle<()>,
}

impl Browser {
    /// Starts a browser with a profile of its own in `folder` and opens `address`.
    ///
    /// # Errors
    /// When there is no Chromium, or the page does not load.
    pub async fn open(address: &str, folder: &Path) -> anyhow::Result<Self> {
        let config = BrowserConfig::builder()
            .no_sandbox()
            .new_headless_mode()
            .user_data_dir(folder)
            .viewport(None)
            .window_size(1280, 900)
            .arg("disable-gpu")
            .arg("disable-dev-shm-usage")
            .build()
            .map_err(|reason| anyhow!("{reason}: `deploy/local test` installs Chromium"))?;
        let (chromium, mut handler) = Chromium::launch(config).await.context("Chromium does not start")?;
        let reader = tokio::spawn(async move { while handler.next().await.is_some() {} });
        let page = chromium.new_page("about:blank").await?;
        page.evaluate_on_new_document(WATCH).await?;
        page.goto(address).await?;
        Ok(Self {
            page,
            _chromium: chromium,
            _reader: reader,
        })
    }

    /// Makes the window as large as a screen, in CSS pixels.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn resize(&self, width: i64, height: i64) -> anyhow::Result<()> {
        self.page
            .execute(SetDeviceMetricsOverrideParams::new(width, height, 1.0, width < 600))
            .await?;
        Ok(())
    }

    /// What an expression is on the page: for looking, not for acting.
    ///
    /// # Errors
    /// When it throws.
    pub async fn see(&self, expression: &str) -> anyhow::Result<serde_json::Value> {
        let seen = self.page.evaluate_expression(expression).await?;
        Ok(seen.value().cloned().unwrap_or_default())
    }

    /// Waits until the expression is true.
    ///
    /// # Errors
    /// When it does not become true: the text shows the page.
    pub async fn wait_until(&self, what: &str, expression: &str) -> anyhow::Result<()> {
        wait_for(what, PATIENCE, async || {
            if self.see(expression).await.is_ok_and(|value| value == true) {
                return Ok(());
            }
            let text = self.see("document.body.innerText").await.unwrap_or_default();
            Err(NotYet::because(format!("the page reads {text}")))
        })
        .await
    }

    /// Waits until the text of what `selector` finds first contains `text`.
    ///
    /// # Errors
    /// When it does not.
    pub async fn wait_for_text(&self, selector: &str, text: &str) -> anyhow::Result<()> {
        let (element, wanted) = (serde_json::to_string(selector)?, serde_json::to_string(text)?);
        let shown = format!("document.querySelector({element})?.innerText.includes({wanted}) ?? false");
        self.wait_until(&format!("{selector} to read {text}"), &shown).await
    }

    /// Waits until something is there and visible.
    ///
    /// # Errors
    /// When it is not.
    pub async fn wait_to_see(&self, selector: &str) -> anyhow::Result<()> {
        let element = serde_json::to_string(selector)?;
        let visible = format!("Boolean(document.querySelector({element})?.checkVisibility())");
        self.wait_until(&format!("{selector} to be visible"), &visible).await
    }

    /// Clicks it, as soon as it is visible.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn click(&self, selector: &str) -> anyhow::Result<()> {
        self.wait_to_see(selector).await?;
        self.page.find_element(selector).await?.click().await?;
        Ok(())
    }

    /// Types into a field.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn fill(&self, selector: &str, text: &str) -> anyhow::Result<()> {
        self.click(selector).await?;
        self.page.find_element(selector).await?.type_str(text).await?;
        Ok(())
    }

    /// Types into a field and presses Enter there.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn submit(&self, selector: &str, text: &str) -> anyhow::Result<()> {
        self.fill(selector, text).await?;
        self.page.find_element(selector).await?.press_key("Enter").await?;
        Ok(())
    }

    /// Chooses from a list by keyboard: what begins with the letter.
    ///
    /// # Errors
    /// When the list is not there.
    pub async fn choose(&self, selector: &str, letter: &str) -> anyhow::Result<()> {
        self.wait_to_see(selector).await?;
        let list = self.page.find_element(selector).await?;
        list.focus().await?.press_key(letter).await?;
        Ok(())
    }

    /// Chooses a file for a field.
    ///
    /// # Errors
    /// When the field is not there.
    pub async fn choose_file(&self, selector: &str, file: &Path) -> anyhow::Result<()> {
        let element = self.page.find_element(selector).await?;
        let mut choice = SetFileInputFilesParams::new(vec![file.display().to_string()]);
        choice.backend_node_id = Some(element.backend_node_id);
        self.page.execute(choice).await?;
        Ok(())
    }

    /// What is on the screen, as a PNG; also kept as `name` in the target directory's `screenshots`, for people.
    ///
    /// # Errors
    /// When the picture cannot be taken or kept.
    pub async fn screenshot(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        let picture = self.page.screenshot(ScreenshotParams::builder().build()).await?;
        let folder = repository::root().join("target/screenshots");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(format!("{name}.png")), &picture)?;
        Ok(picture)
    }

    /// The text of the QR code that is on the screen, read from its pixels.
    ///
    /// # Errors
    /// When there is none that can be read.
    pub async fn qr_code(&self, name: &str) -> anyhow::Result<String> {
        crate::picture::code_in(&self.screenshot(name).await?)
    }
}
