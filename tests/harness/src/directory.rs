//! The folder of one stack: where its data, logs, secrets and process identifiers are.
//!
//! The local stack's folder is `.local` in the checkout; every story has one of its own. Everything of a stack is below its folder, so
//! removing the folder removes the stack.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// One stack's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory(PathBuf);

impl Directory {
    /// The folder at `root`, created if need be, readable by its owner only.
    ///
    /// # Errors
    /// When the folder cannot be created.
    pub fn create(root: &Path) -> anyhow::Result<Self> {
        create_private(root)?;
        let root = root
            .canonicalize()
            .with_context(|| format!("cannot find {}", root.display()))?;
        let directory = Self(root);
        for folder in [
            directory.pids(),
            directory.logs(),
            directory.data(),
            directory.secrets(),
        ] {
            create_private(&folder)?;
        }
        Ok(directory)
    }

    /// The folder at `root` if it is there.
    #[must_use]
    pub fn existing(root: &Path) -> Option<Self> {
        let root = root.canonicalize().ok()?;
        root.join("pids").is_dir().then_some(Self(root))
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// One file per process, named like it, that holds its process identifier and nothing else.
    #[must_use]
    pub fn pids(&self) -> PathBuf {
        self.0.join("pids")
    }

    /// The file with the process identifier of `process`.
    #[must_use]
    pub fn pid_file(&self, process: &str) -> PathBuf {
        self.pids().join(process)
    }

    /// What the processes write.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// What `process` writes.
    #[must_use]
    pub fn log_file(&self, process: &str) -> PathBuf {
        self.logs().join(format!("{process}.log"))
    }

    /// What the servers keep.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// What the server `process` keeps.
    #[must_use]
    pub fn data_of(&self, process: &str) -> PathBuf {
        self.data().join(process)
    }

    /// Generated secrets, one file each.
    #[must_use]
    pub fn secrets(&self) -> PathBuf {
        self.0.join("secrets")
    }

    /// Addresses and keys for scripts: `NAME=value` lines.
    #[must_use]
    pub fn environment_file(&self) -> PathBuf {
        self.0.join("env")
    }

    /// Removes the folder and everything in it.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn remove(&self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.0).with_context(|| format!("cannot remove {}", self.0.display()))
    }
}

fn create_private(path: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot create the folder {}", path.display()))
}

/// Writes a file that only its owner may read. It is complete or not there: a crash leaves no half-written one.
///
/// # Errors
/// When the file cannot be written.
pub fn write_private(path: &Path, content: &str) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        // Created for its owner only, and under a name that nobody else uses.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(content.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Opens a log for appending, readable by its owner only.
///
/// # Errors
/// When the file cannot be opened.
pub fn open_log(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot open the log {}", path.display()))
}

/// The last `count` lines of a log, or nothing when there is no log.
#[must_use]
pub fn tail(path: &Path, count: usize) -> Vec<String> {
    let content = fs::read(path).unwrap_or_default();
    let content = String::from_utf8_lossy(&content);
    let lines: Vec<&str> = content.lines().collect();
    lines[lines.len().saturating_sub(count)..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn secrets_are_readable_by_their_owner_only_even_where_an_open_file_was_before() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::create(&folder.path().join("stack")).unwrap();
        let path = directory.secrets().join("key");
        fs::write(&path, "left behind").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        write_private(&path, "hidden").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "hidden");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::metadata(directory.root()).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }

    #[test]
    fn the_tail_of_a_log_is_its_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert!(tail(&path, 3).is_empty());
        fs::write(&path, "one\ntwo\nthree\nfour\n").unwrap();
        assert_eq!(tail(&path, 2), ["three", "four"]);
        assert_eq!(tail(&path, 9).len(), 4);
    }
}
