//! The files of the media store: ciphertexts on disk, found by their direct paths, until they expire.
//!
//! Files are written and read piece by piece: a document of 100 MB costs as much memory as a small one. Every upload gets a
//! path of its own, also when the same ciphertext was uploaded before, so that a test can tell a file that was sent on from
//! one that was uploaded again. An expired file stays on disk: its owner's phone still has it and may upload it again.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{self, SHA256};
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use serde::Serialize;
use tempfile::TempDir;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use crate::accounts::Number;
use crate::keys::Seed;

/// The largest ciphertext that is accepted: documents of 2 GiB, and what the encryption adds.
pub const LARGEST: u64 = 2 * 1024 * 1024 * 1024 + 1024;

/// Why a file cannot be stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is larger than [`LARGEST`].
    #[error("the file is larger than 2 GiB")]
    TooLarge,
    /// The digest in the upload's path is not that of the body.
    #[error("the body's SHA-256 is not the one that the path names")]
    WrongDigest,
    /// The disk failed.
    #[error("the file cannot be written: {0}")]
    Disk(#[from] io::Error),
}

/// A stored file, as tests see it.
#[derive(Clone, Debug, Serialize)]
pub struct StoredFile {
    /// Where it is downloaded, without the host.
    pub direct_path: String,
    /// The kind that its upload named, such as `image`.
    pub kind: String,
    /// How long the ciphertext is, in bytes.
    pub length: u64,
    /// The digest of the ciphertext, in hexadecimal.
    pub sha256: String,
    /// Whose device uploaded it.
    pub uploaded_by: String,
    /// When.
    pub uploaded_at: DateTime<Utc>,
    /// How many downloads have begun, refused ones not counted.
    pub downloads: u64,
    /// The status that answers downloads since it expired: 404 or 410.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired: Option<u16>,
    #[serde(skip)]
    place: PathBuf,
}

impl StoredFile {
    /// Opens the ciphertext.
    ///
    /// # Errors
    /// The disk fails.
    pub async fn open(&self) -> io::Result<File> {
        File::open(&self.place).await
    }
}

enum Folder {
    Given(PathBuf),
    Temporary(TempDir),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Given(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

/// Removes what an earlier network has left: nobody knows its paths any more.
fn forget_files(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let place = entry?.path();
        if place.extension().is_some_and(|extension| extension == "enc") {
            std::fs::remove_file(place)?;
        }
    }
    Ok(())
}

/// All files.
pub struct MediaStore {
    host: String,
    seed: Seed,
    folder: Folder,
    uploads: AtomicU64,
    files: Mutex<HashMap<String, StoredFile>>,
}

impl MediaStore {
    /// An empty store that clients reach at this host, in this folder or in a temporary one.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(host: String, seed: Seed, folder: Option<PathBuf>) -> io::Result<Self> {
        let folder = match folder {
            Some(folder) => {
                std::fs::create_dir_all(&folder)?;
                forget_files(&folder)?;
                Folder::Given(folder)
            }
            None => Folder::Temporary(tempfile::Builder::new().prefix("rookery-network-media-").tempdir()?),
        };
        Ok(Self {
            host,
            seed,
            folder,
            uploads: AtomicU64::new(0),
            files: Mutex::default(),
        })
    }

    /// The host and port of the store, as `<host hostname>` and addresses name it.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The full address of a direct path.
    pub fn url(&self, direct_path: &str) -> String {
        format!("https://{}{direct_path}", self.host)
    }

    /// What an account's devices show to be let in: its number and a code over it.
    pub fn authorization(&self, number: Number) -> String {
        let code = self.seed.bytes("media authorization", &[number.value()]);
        format!("{number}.{}", hex::encode(&code[..16]))
    }

    /// Whose authorization this is; `None` when it is nobody's.
    pub fn authorized(&self, authorization: &str) -> Option<Number> {
        let (number, _) = authorization.split_once('.')?;
        let number = Number::parse(number)?;
        (self.authorization(number) == authorization).then_some(number)
    }

    /// Begins a file; it is forgotten if it is not finished.
    ///
    /// # Errors
    /// The disk fails.
    pub async fn begin(&self) -> Result<Spool, StoreError> {
        let number = self.uploads.fetch_add(1, Ordering::Relaxed) + 1;
        let place = self.folder.path().join(format!("{}-{number}.enc", std::process::id()));
        let file = File::create(&place).await?;
        Ok(Spool {
            number,
            file,
            place: Unfinished(Some(place)),
            digest: digest::Context::new(&SHA256),
            length: 0,
        })
    }

    /// Keeps a file under a new direct path.
    ///
    /// # Errors
    /// The digest is not the expected one, or the disk fails.
    pub async fn finish(
        &self,
        mut spool: Spool,
        kind: &str,
        owner: Number,
        expected: Option<&[u8]>,
    ) -> Result<StoredFile, StoreError> {
        spool.file.flush().await?;
        let sha256 = spool.digest.finish();
        if expected.is_some_and(|expected| expected != sha256.as_ref()) {
            return Err(StoreError::WrongDigest);
        }
        let Some(place) = spool.place.0.take() else {
            return Err(StoreError::WrongDigest);
        };
        Ok(self.keep(
            spool.number,
            StoredFile {
                direct_path: String::new(),
                kind: kind.to_owned(),
                length: spool.length,
                sha256: hex::encode(sha256),
                uploaded_by: owner.to_string(),
                uploaded_at: Utc::now(),
                downloads: 0,
                expired: None,
                place,
            },
        ))
    }

    /// Without `?`: whatsapp-rust appends its authorization to it (wacore src/download.rs:430).
    fn keep(&self, number: u64, mut file: StoredFile) -> StoredFile {
        let short = file.sha256.get(..16).unwrap_or_default();
        file.direct_path = format!("/v/t62/{}/{number}-{short}.enc", file.kind);
        self.files.lock().insert(file.direct_path.clone(), file.clone());
        file
    }

    /// Stores a file's ciphertext again, as the phone that has it does when others cannot download it any more.
    pub fn upload_again(&self, direct_path: &str, owner: Number) -> Option<StoredFile> {
        let file = self.find(direct_path)?;
        let number = self.uploads.fetch_add(1, Ordering::Relaxed) + 1;
        Some(self.keep(
            number,
            StoredFile {
                uploaded_by: owner.to_string(),
                uploaded_at: Utc::now(),
                downloads: 0,
                expired: None,
                ..file
            },
        ))
    }

    /// A file by its direct path, expired or not.
    pub fn find(&self, direct_path: &str) -> Option<StoredFile> {
        self.files.lock().get(direct_path).cloned()
    }

    /// Counts a download.
    pub fn count_download(&self, direct_path: &str) {
        if let Some(file) = self.files.lock().get_mut(direct_path) {
            file.downloads += 1;
        }
    }

    /// All files, in the order of their uploads.
    pub fn list(&self) -> Vec<StoredFile> {
        let mut files: Vec<StoredFile> = self.files.lock().values().cloned().collect();
        files.sort_by_key(|file| file.uploaded_at);
        files
    }

    /// Lets one file expire, or all of them; downloads are then answered with this status. Answers with how many did.
    pub fn expire(&self, direct_path: Option<&str>, status: u16) -> usize {
        let mut expired = 0;
        for file in self.files.lock().values_mut() {
            if direct_path.is_none_or(|wanted| wanted == file.direct_path) {
                file.expired = Some(status);
                expired += 1;
            }
        }
        expired
    }
}

/// A file that is being written.
pub struct Spool {
    number: u64,
    file: File,
    place: Unfinished,
    digest: digest::Context,
    length: u64,
}

impl Spool {
    /// Writes the next piece.
    ///
    /// # Errors
    /// The file becomes too large, or the disk fails.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), StoreError> {
        self.length += piece.len() as u64;
        if self.length > LARGEST {
            return Err(StoreError::TooLarge);
        }
        self.digest.update(piece);
        self.file.write_all(piece).await?;
        Ok(())
    }
}

/// Removes a file that was given up.
struct Unfinished(Option<PathBuf>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(place) = self.0.take() {
            // The folder goes with the network at the latest.
            let _ = std::fs::remove_file(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> MediaStore {
        MediaStore::new("127.0.0.1:1".to_owned(), Seed::new("media"), None).unwrap()
    }

    async fn put(store: &MediaStore, bytes: &[u8], digest: Option<&[u8]>) -> Result<StoredFile, StoreError> {
        let mut spool = store.begin().await?;
        spool.write(bytes).await?;
        store
            .finish(spool, "image", Number::from_value(15_550_001_001), digest)
            .await
    }

    #[tokio::test]
    async fn a_file_under_another_digest_is_refused_and_leaves_nothing() {
        let store = store();
        let digest = digest::digest(&SHA256, b"ciphertext");
        assert!(put(&store, b"ciphertext", Some(digest.as_ref())).await.is_ok());
        assert!(matches!(
            put(&store, b"another", Some(digest.as_ref())).await,
            Err(StoreError::WrongDigest)
        ));
        assert_eq!(store.list().len(), 1);
        assert_eq!(std::fs::read_dir(store.folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn an_expired_file_can_be_uploaded_again_under_another_path() {
        let store = store();
        let first = put(&store, b"ciphertext", None).await.unwrap();
        assert_eq!(store.expire(Some("/v/elsewhere"), 410), 0);
        assert_eq!(store.expire(Some(&first.direct_path), 410), 1);
        let again = store
            .upload_again(&first.direct_path, Number::from_value(15_550_001_001))
            .unwrap();
        assert_ne!(again.direct_path, first.direct_path);
        assert_eq!(store.find(&first.direct_path).unwrap().expired, Some(410));
        assert_eq!(store.find(&again.direct_path).unwrap().expired, None);
        assert_eq!(again.sha256, first.sha256);
    }

    #[test]
    fn an_authorization_is_its_accounts_own() {
        let store = store();
        let number = Number::from_value(15_550_001_001);
        assert_eq!(store.authorized(&store.authorization(number)), Some(number));
        let code = store.authorization(number);
        let code = code.split_once('.').unwrap().1;
        assert_eq!(store.authorized(&format!("15550001002.{code}")), None);
        assert_eq!(store.authorized(""), None);
    }
}
