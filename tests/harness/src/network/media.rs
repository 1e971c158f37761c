//! Files on the simulated network: what phones upload and read, and what the media store lets go.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use waproto::whatsapp::Message;

use super::{Network, Phone, PhoneMessage};
use crate::http::Answer;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A video.
    Video,
    /// Sound.
    Audio,
    /// Any file.
    Document,
    /// A sticker.
    Sticker,
}

impl MediaKind {
    /// The name in the network's interface.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Document => "document",
            Self::Sticker => "sticker",
        }
    }
}

/// What a message says about a file: enough to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaReference {
    /// What it is.
    pub kind: MediaKind,
    /// Where it is in the media store.
    pub direct_path: String,
    /// Its key.
    pub media_key: Vec<u8>,
    /// How long the message says it is, in bytes.
    pub file_length: Option<u64>,
    /// The digest of the file that the message names.
    pub file_sha256: Option<Vec<u8>>,
}

/// A file that a phone has uploaded: what a message must say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedMedia {
    /// What it is.
    pub kind: MediaKind,
    /// The full address.
    pub url: String,
    /// The address without the host.
    pub direct_path: String,
    /// Its key.
    pub media_key: Vec<u8>,
    /// The digest of the file.
    pub file_sha256: Vec<u8>,
    /// The digest of the ciphertext.
    pub file_enc_sha256: Vec<u8>,
    /// How long the file is, in bytes.
    pub file_length: u64,
}

/// A ciphertext in the media store.
#[derive(Debug, Clone, Deserialize)]
pub struct StoredFile {
    /// Where it is.
    pub direct_path: String,
    /// The kind that its upload named.
    pub kind: String,
    /// How long it is, in bytes.
    pub length: u64,
    /// Its digest, in hexadecimal.
    pub sha256: String,
    /// The number of the account that uploaded it.
    pub uploaded_by: String,
    /// When.
    pub uploaded_at: DateTime<Utc>,
    /// How often it was downloaded.
    pub downloads: u64,
    /// The status that answers downloads since it expired.
    #[serde(default)]
    pub expired: Option<u16>,
}

/// What a phone does when a companion asks for a file again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaRetryAnswer {
    /// It uploads the file again: the beginning.
    Upload,
    /// It says that it has none.
    NotFound,
    /// It says that something went wrong.
    GeneralError,
    /// It says that it cannot decrypt the request.
    DecryptionError,
    /// It says nothing.
    Ignore,
}

impl Network {
    /// Every file that was uploaded, in order, expired ones included.
    ///
    /// # Errors
    /// When the network does not answer.
    pub async fn media(&self) -> anyhow::Result<Vec<StoredFile>> {
        let mut answer: Value = self.get("/media").await?.expect(200)?.json()?;
        serde_json::from_value(answer["files"].take()).context("unexpected files")
    }

    /// Lets one file, or all of them, expire: downloads are answered with `status`, 404 or 410. Returns how many there were.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn expire_media(&self, direct_path: Option<&str>, status: u16) -> anyhow::Result<u64> {
        let body = json!({ "direct_path": direct_path, "status": status });
        let answer: Value = self.post("/media/expire", &body).await?.expect(200)?.json()?;
        answer["expired"].as_u64().context("no count of expired files")
    }

    /// The certificate of the media store's authority, in PEM.
    ///
    /// # Errors
    /// When the network does not answer.
    pub async fn media_ca(&self) -> anyhow::Result<String> {
        Ok(self.get("/media/ca").await?.expect(200)?.text())
    }
}

impl Phone {
    /// Encrypts a file and uploads it; a message about it is made by [`super::file_message`].
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn upload(&self, kind: MediaKind, file: impl Into<reqwest::Body>) -> anyhow::Result<UploadedMedia> {
        let path = format!(
            "{}/phones/{}/media?kind={}",
            self.network.base,
            self.number,
            kind.name()
        );
        let request = self.network.http.post(path).body(file);
        let answer: Value = Answer::to(request).await?.expect(200)?.json()?;
        let text = |name: &str| {
            let text = answer[name].as_str();
            text.map(str::to_owned)
                .with_context(|| format!("an upload without {name}: {answer}"))
        };
        Ok(UploadedMedia {
            kind,
            url: text("url")?,
            direct_path: text("direct_path")?,
            media_key: BASE64.decode(text("media_key")?)?,
            file_sha256: BASE64.decode(text("file_sha256")?)?,
            file_enc_sha256: BASE64.decode(text("file_enc_sha256")?)?,
            file_length: answer["file_length"].as_u64().context("an upload without length")?,
        })
    }

    /// Uploads a file and sends it as what `kind` says. Returns the message's id.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn send_file(
        &self,
        to: &str,
        kind: MediaKind,
        mime_type: &str,
        file: impl Into<reqwest::Body>,
    ) -> anyhow::Result<String> {
        let uploaded = self.upload(kind, file).await?;
        self.send_protobuf(to, &super::file_message(&uploaded, mime_type)).await
    }

    /// Downloads a file that somebody has sent, checks and decrypts it.
    ///
    /// # Errors
    /// When it has expired or does not fit its key.
    pub async fn read_media(&self, media: &MediaReference) -> anyhow::Result<Bytes> {
        Ok(self.try_read_media(media).await?.expect(200)?.body)
    }

    /// The same, for a file that may be gone: 404, 410, or 422 for a damaged one.
    ///
    /// # Errors
    /// When the network does not answer.
    pub async fn try_read_media(&self, media: &MediaReference) -> anyhow::Result<Answer> {
        let body = json!({
            "direct_path": media.direct_path,
            "media_key": BASE64.encode(&media.media_key),
            "kind": media.kind.name(),
        });
        self.act("media/read", &body).await
    }

    /// Decides what this phone does when a companion asks for a file again.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn answer_media_retries(&self, answer: MediaRetryAnswer) -> anyhow::Result<()> {
        let answer = match answer {
            MediaRetryAnswer::Upload => "upload",
            MediaRetryAnswer::NotFound => "not_found",
            MediaRetryAnswer::GeneralError => "general_error",
            MediaRetryAnswer::DecryptionError => "decryption_error",
            MediaRetryAnswer::Ignore => "ignore",
        };
        self.do_quietly("media-retry", &json!({ "answer": answer })).await
    }
}

impl PhoneMessage {
    /// The file that the message carries.
    ///
    /// # Errors
    /// When it carries none.
    pub fn media(&self) -> anyhow::Result<MediaReference> {
        let message = self.message()?;
        reference(super::messages::inner(&message)).with_context(|| format!("{} carries no file", self.id))
    }
}

fn reference(message: &Message) -> Option<MediaReference> {
    macro_rules! of {
        ($($field:ident => $kind:ident),+) => {$(
            if let Some(file) = message.$field.as_option() {
                return Some(MediaReference {
                    kind: MediaKind::$kind,
                    direct_path: file.direct_path.clone()?,
                    media_key: file.media_key.clone()?,
                    file_length: file.file_length,
                    file_sha256: file.file_sha256.clone(),
                });
            }
        )+};
    }
    of!(
        image_message => Image,
        video_message => Video,
        ptv_message => Video,
        audio_message => Audio,
        document_message => Document,
        sticker_message => Sticker
    );
    None
}
