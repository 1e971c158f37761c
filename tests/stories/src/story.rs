//! One story: its name, and the stacks that it starts.

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::LocalBoxFuture;
use harness::stack::{Stack, StackBuilder, StackFolders};
use parking_lot::Mutex;

/// How a story is told.
type Telling = for<'story> fn(&'story Story) -> LocalBoxFuture<'story, anyhow::Result<()>>;

/// A story that waits to be told.
#[derive(Clone, Copy)]
pub struct Tale {
    theme: &'static str,
    function: &'static str,
    tell: Telling,
}

impl std::fmt::Debug for Tale {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Tale({}::{})", self.theme(), self.function)
    }
}

impl Tale {
    /// The story told by `function` in `module`.
    #[must_use]
    pub const fn new(module: &'static str, function: &'static str, tell: Telling) -> Self {
        Self {
            theme: module,
            function,
            tell,
        }
    }

    /// The theme: the last part of the module's path.
    #[must_use]
    pub fn theme(&self) -> &'static str {
        self.theme.rsplit("::").next().unwrap_or(self.theme)
    }

    /// The sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        self.function.replace('_', " ")
    }

    /// Tells it.
    ///
    /// # Errors
    /// When what it promises does not hold.
    pub async fn tell(&self, story: &Story) -> anyhow::Result<()> {
        (self.tell)(story).await
    }
}

/// What a story has at hand while it is told.
#[derive(Debug)]
pub struct Story {
    folders: Arc<StackFolders>,
    used: Mutex<Vec<PathBuf>>,
}

impl Story {
    /// A story whose stacks get their folders from `folders`.
    #[must_use]
    pub fn new(folders: Arc<StackFolders>) -> Self {
        Self {
            folders,
            used: Mutex::default(),
        }
    }

    /// A stack of its own, to be described and started.
    ///
    /// # Errors
    /// When the folder of the built programs is unknown.
    pub fn stack(&self) -> anyhow::Result<StackBuilder> {
        Stack::builder(&self.folder())
    }

    /// A folder of its own.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let folder = self.folders.next();
        self.used.lock().push(folder.clone());
        folder
    }

    /// The folders it has used.
    #[must_use]
    pub fn used_folders(&self) -> Vec<PathBuf> {
        self.used.lock().clone()
    }
}
