//! `deploy/local bench api-fuzz`: many generated requests to released programs.

use super::Subject;
use crate::fuzz::{self, Effort};

pub(super) async fn run(subject: &Subject) -> anyhow::Result<()> {
    let stack = subject.stack()?.start().await?;
    fuzz::run(&stack, &subject.folder, Effort::LONG).await
}
