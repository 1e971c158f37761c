//! `deploy/local bench api-fuzz`: many generated requests to released programs.

use std::path::Path;

use super::released_stack;
use crate::fuzz::{self, Effort};

pub(super) async fn run(folder: &Path) -> anyhow::Result<()> {
    let stack = released_stack(folder)?.start().await?;
    fuzz::run(&stack, folder, Effort::LONG).await
}
