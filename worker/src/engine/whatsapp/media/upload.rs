//! To WhatsApp's media servers: a file out of the bucket, encrypted and uploaded as a stream, and remembered so that it is uploaded once.
//!
//! The address of an upload holds the SHA-256 of the ciphertext, so the file is read and encrypted twice with the same key: once for the hash, once
//! for the servers. That costs a second reading and no memory.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures::StreamExt as _;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use shared::bucket::{Bucket, BucketError, Pieces};
use shared::content::Content;
use shared::ids::{MediaId, TenantId};
use shared::seal::RegionSecretKey;
use shared::store::Store;
use shared::store::media::transfers::upload_place;
use wacore::download::MediaType;
use wacore::net::WHATSAPP_WEB_ORIGIN;
use wacore::upload::{EncryptedMediaInfo, MediaEncryptor, encrypted_len};
use whatsapp_rust::Client;

use super::{address, media_type};
use crate::engine::whatsapp::http::Web;
use crate::engine::{SendError, UploadedMedia};

/// How long an upload is used again. WhatsApp keeps files for about a month; recipients may be offline for most of it.
const FRESH: Duration = Duration::from_secs(7 * 24 * 3600);

/// Uploads files for all sessions of a worker.
#[derive(Clone)]
pub struct Uploads {
    /// The database.
    pub store: Store,
    /// The bucket.
    pub bucket: Bucket,
    /// Seals what is remembered of an upload.
    pub region_key: RegionSecretKey,
}

impl std::fmt::Debug for Uploads {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Uploads")
    }
}

/// What the media servers answer to an upload.
#[derive(Deserialize)]
struct Answer {
    url: String,
    direct_path: String,
}

impl Uploads {
    /// Sees to it that WhatsApp has the content's file. `None`: the content has none.
    pub(in crate::engine::whatsapp) async fn prepare(
        &self,
        client: &Client,
        web: &Web,
        tenant: TenantId,
        content: &Content,
    ) -> Result<Option<UploadedMedia>, SendError> {
        let Some(media) = content.media() else {
            return Ok(None);
        };
        let (Some(id), Some(media_type)) = (media.media_id, media_type(content.kind())) else {
            return Err(SendError::Refused("the message names no file of ours".to_owned()));
        };
        let kind = content.kind();
        let found = self.store.sendable_media(tenant, id, kind, FRESH).await;
        let found = found.map_err(|error| SendError::Waiting(error.to_string()))?;
        let found = found.ok_or_else(|| SendError::Refused("the file was deleted before it was sent".to_owned()))?;
        if let Some(uploaded) = found
            .uploaded
            .as_deref()
            .and_then(|sealed| self.open(tenant, id, sealed))
        {
            return Ok(Some(uploaded));
        }
        let size = u64::try_from(found.size).unwrap_or_default();
        let uploaded = self.upload(client, web, &found.object_key, size, media_type).await?;
        let sealed = serde_json::to_vec(&uploaded).map_err(|error| SendError::Failed(error.to_string()))?;
        let sealed = self.region_key.public().seal(&sealed, upload_place(tenant, &id));
        if let Err(error) = self.store.remember_media_upload(tenant, id, kind, &sealed).await {
            tracing::warn!(%error, "an upload is not remembered: the file will be uploaded again");
        }
        Ok(Some(uploaded))
    }

    /// What is remembered of an upload, unless WhatsApp says in its path that it is about to be gone.
    fn open(&self, tenant: TenantId, media: MediaId, sealed: &[u8]) -> Option<UploadedMedia> {
        let opened = self.region_key.open(sealed, upload_place(tenant, &media)).ok()?;
        let uploaded: UploadedMedia = serde_json::from_slice(opened.expose_secret()).ok()?;
        let tomorrow = chrono::Utc::now().timestamp() + 24 * 3600;
        (expiry(&uploaded.direct_path).is_none_or(|expiry| expiry > tomorrow)).then_some(uploaded)
    }

    async fn upload(
        &self,
        client: &Client,
        web: &Web,
        key: &str,
        size: u64,
        media_type: MediaType,
    ) -> Result<UploadedMedia, SendError> {
        let failed = |error: &dyn std::fmt::Display| SendError::Failed(error.to_string());
        let media_key: [u8; 32] = rand::random();
        let info = self.hash(key, media_key, media_type).await?;
        if info.file_length != size {
            return Err(SendError::Refused(
                "the file in the bucket is not the one that was stored".to_owned(),
            ));
        }
        let http = web.files().map_err(|error| failed(&error))?;
        let token = URL_SAFE_NO_PAD.encode(info.file_enc_sha256);
        let path = format!("{}/{token}", media_type.upload_path());
        let length = encrypted_len(usize::try_from(size).map_err(|error| failed(&error))?);
        let mut outcome = SendError::Failed("WhatsApp names no media servers".to_owned());
        // An authorization may have run out without our knowing: then once more with a fresh one.
        for fresh in [false, true] {
            let route = client.refresh_media_conn(fresh).await;
            let route = route.map_err(|_| SendError::NotConnected)?;
            let mut refused = false;
            for host in &route.hosts {
                let query = [("auth", route.auth.as_str()), ("token", token.as_str())];
                let Some(url) = address(&host.hostname, &path, &query) else {
                    continue;
                };
                let pieces = self.bucket.read(key, 0).await.map_err(of_bucket)?;
                let body = encrypted(pieces, media_key, media_type).map_err(|error| failed(&error))?;
                let request = http
                    .post(url)
                    .header("content-type", "application/octet-stream")
                    .header("content-length", length)
                    .header("origin", WHATSAPP_WEB_ORIGIN)
                    .body(body);
                let answer = match request.send().await {
                    Ok(answer) => answer,
                    Err(error) => {
                        outcome = SendError::Failed(format!("an upload broke off: {}", error.without_url()));
                        continue;
                    }
                };
                let status = answer.status();
                if status.is_success() {
                    let answer: Answer = answer.json().await.map_err(|error| failed(&error.without_url()))?;
                    return Ok(uploaded(answer, info));
                }
                outcome = SendError::Failed(format!("a media server answered {status}"));
                refused |= matches!(status.as_u16(), 401 | 403);
            }
            if !refused {
                break;
            }
        }
        Err(outcome)
    }

    /// Encrypts the file for its hashes alone.
    async fn hash(
        &self,
        key: &str,
        media_key: [u8; 32],
        media_type: MediaType,
    ) -> Result<EncryptedMediaInfo, SendError> {
        let mut pieces = self.bucket.read(key, 0).await.map_err(of_bucket)?;
        let mut encryptor = encryptor(media_key, media_type).map_err(|error| SendError::Failed(error.to_string()))?;
        let mut scratch = Vec::new();
        while let Some(piece) = pieces.next().await {
            encryptor.update(&piece.map_err(of_bucket)?, &mut scratch);
            scratch.clear();
        }
        encryptor
            .finalize(&mut scratch)
            .map_err(|error| SendError::Failed(error.to_string()))
    }
}

fn of_bucket(error: BucketError) -> SendError {
    match error {
        BucketError::NotFound => SendError::Refused("the file was deleted before it was sent".to_owned()),
        BucketError::Unavailable(error) => SendError::Waiting(format!("the bucket cannot be used: {error}")),
    }
}

fn encryptor(media_key: [u8; 32], media_type: MediaType) -> anyhow::Result<MediaEncryptor> {
    let sidecar = matches!(media_type, MediaType::Audio | MediaType::Video);
    MediaEncryptor::with_key_and_sidecar(media_key, media_type, sidecar)
}

/// The encrypted file as a request's body.
fn encrypted(pieces: Pieces, media_key: [u8; 32], media_type: MediaType) -> anyhow::Result<reqwest::Body> {
    let state = (pieces, Some(encryptor(media_key, media_type)?));
    let stream = futures::stream::try_unfold(state, |(mut pieces, encryptor)| async move {
        let Some(mut encryptor) = encryptor else {
            return Ok(None);
        };
        let mut out = Vec::new();
        let next = match pieces.next().await.transpose()? {
            Some(piece) => {
                encryptor.update(&piece, &mut out);
                Some(encryptor)
            }
            None => {
                encryptor.finalize(&mut out)?;
                None
            }
        };
        Ok::<_, anyhow::Error>(Some((Bytes::from(out), (pieces, next))))
    });
    Ok(reqwest::Body::wrap_stream(stream))
}

fn uploaded(answer: Answer, info: EncryptedMediaInfo) -> UploadedMedia {
    UploadedMedia {
        url: answer.url,
        direct_path: answer.direct_path,
        media_key: info.media_key.to_vec(),
        sha256: info.file_sha256.to_vec(),
        encrypted_sha256: info.file_enc_sha256.to_vec(),
        size: info.file_length,
        streaming_sidecar: info.streaming_sidecar,
    }
}

/// When a path stops working, where it says so: `oe`, Unix time in seconds as hexadecimal digits.
fn expiry(direct_path: &str) -> Option<i64> {
    let (_, query) = direct_path.split_once('?')?;
    let (_, value) = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "oe")?;
    i64::from_str_radix(&value, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_when_it_expires() {
        assert_eq!(
            expiry("/v/t62.7118-24/1?ccb=11-4&oh=01_x&oe=68A1B2C3&_nc_sid=5e"),
            Some(0x68A1_B2C3)
        );
        assert_eq!(expiry("/v/t62.7118-24/1?ccb=11-4"), None);
        assert_eq!(expiry("/v/1"), None);
        assert_eq!(expiry("/v/1?oe=never"), None);
    }

    #[tokio::test]
    async fn the_stream_is_what_the_library_would_have_uploaded() {
        let file: Vec<u8> = (0..100_003_u32)
            .map(|index| u8::try_from(index % 253).unwrap())
            .collect();
        let pieces: Vec<_> = file
            .chunks(777)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let body = encrypted(futures::stream::iter(pieces).boxed(), [7; 32], MediaType::Video).unwrap();
        let sent = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
        let whole = wacore::upload::encrypt_media_with_key(&file, MediaType::Video, Some(&[7; 32])).unwrap();
        assert_eq!(sent.as_ref(), whole.data_to_upload);
        assert_eq!(sent.len(), encrypted_len(file.len()), "the length that was announced");
    }
}
