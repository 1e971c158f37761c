//! Files on the phone's side: encrypting and uploading one, downloading and decrypting one.
//!
//! A phone goes to the store directly and not over HTTPS; what it writes and reads is the same ciphertext that clients
//! download and upload.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use serde::Serialize;
use tokio::io::AsyncReadExt;

use crate::accounts::Account;
use crate::media::cipher::{Checker, CipherError, Decryptor, Encryptor, MAC_LENGTH, MEDIA_KEY_LENGTH, MediaKind};
use crate::media::server::pieces;
use crate::media::store::{StoreError, StoredFile};
use crate::network::Network;

/// What a message must say about an uploaded file. Keys and digests are base64.
#[derive(Clone, Debug, Serialize)]
pub struct UploadedMedia {
    /// The full address.
    pub url: String,
    /// The address without the host.
    pub direct_path: String,
    /// The key from which the others derive.
    pub media_key: String,
    /// The digest of the file.
    pub file_sha256: String,
    /// The digest of the ciphertext.
    pub file_enc_sha256: String,
    /// How long the file is, in bytes.
    pub file_length: u64,
    /// When the key was made, in seconds since 1970.
    pub media_key_timestamp: u64,
}

/// Why a file cannot be uploaded or read.
#[derive(Debug, thiserror::Error)]
pub enum PhoneMediaError {
    /// There is no file under the path.
    #[error("the media store has no such file")]
    Unknown,
    /// The file is there no more.
    #[error("the file has expired")]
    Expired,
    /// It cannot be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be encrypted or decrypted.
    #[error(transparent)]
    Cipher(#[from] CipherError),
    /// The body ended early, or the disk failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Encrypts a file under a fresh key and stores it.
///
/// # Errors
/// The body ends early, or the file cannot be stored.
pub async fn upload(
    network: &Network,
    account: &Account,
    kind: MediaKind,
    body: Body,
) -> Result<UploadedMedia, PhoneMediaError> {
    let media_key: [u8; MEDIA_KEY_LENGTH] = rand::random();
    let mut encryptor = Encryptor::new(&media_key, kind)?;
    let mut spool = network.media.begin().await?;
    let mut body = body.into_data_stream();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(io::Error::other)?;
        spool.write(&encryptor.update(&piece)?).await?;
    }
    let (rest, encrypted) = encryptor.finish()?;
    spool.write(&rest).await?;
    let file = network.media.finish(spool, kind.path(), account.number, None).await?;
    Ok(UploadedMedia {
        url: network.media.url(&file.direct_path),
        direct_path: file.direct_path,
        media_key: BASE64.encode(media_key),
        file_sha256: BASE64.encode(encrypted.file_sha256),
        file_enc_sha256: BASE64.encode(hex::decode(&file.sha256).unwrap_or_default()),
        file_length: encrypted.file_length,
        media_key_timestamp: crate::clock::unix_seconds(),
    })
}

/// Reads a file that somebody has sent. The whole ciphertext is checked before the first byte is decrypted.
///
/// # Errors
/// The file is not there any more, or the key or the kind is not its own.
pub async fn read(
    network: &Arc<Network>,
    direct_path: &str,
    media_key: &[u8; MEDIA_KEY_LENGTH],
    kind: MediaKind,
) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>, PhoneMediaError> {
    let file = network.media.find(direct_path).ok_or(PhoneMediaError::Unknown)?;
    if file.expired.is_some() {
        return Err(PhoneMediaError::Expired);
    }
    let length = check(&file, media_key, kind).await?;
    network.media.count_download(direct_path);
    let ciphertext = Box::pin(pieces(file.open().await?, length));
    let decryptor = Decryptor::new(media_key, kind)?;
    let states = futures::stream::try_unfold(
        (ciphertext, Some(decryptor)),
        |(mut ciphertext, decryptor)| async move {
            let Some(mut decryptor) = decryptor else {
                return Ok(None);
            };
            let decrypted = match ciphertext.try_next().await? {
                Some(piece) => {
                    let decrypted = decryptor.update(&piece).map_err(io::Error::other)?;
                    return Ok(Some((Bytes::from(decrypted), (ciphertext, Some(decryptor)))));
                }
                None => decryptor.finish().map_err(io::Error::other)?,
            };
            Ok(Some((Bytes::from(decrypted), (ciphertext, None))))
        },
    );
    Ok(states)
}

/// Checks the code at the end; answers with the length of what is before it.
async fn check(file: &StoredFile, media_key: &[u8; MEDIA_KEY_LENGTH], kind: MediaKind) -> Result<u64, PhoneMediaError> {
    let length = file.length.checked_sub(MAC_LENGTH as u64).ok_or(CipherError::Damaged)?;
    let mut checker = Checker::new(media_key, kind);
    let mut ciphertext = Box::pin(pieces(file.open().await?, length));
    while let Some(piece) = ciphertext.try_next().await? {
        checker.update(&piece);
    }
    let mut code = Vec::with_capacity(MAC_LENGTH);
    let mut end = file.open().await?;
    tokio::io::AsyncSeekExt::seek(&mut end, io::SeekFrom::Start(length)).await?;
    end.read_to_end(&mut code).await?;
    if !checker.fits(&code) {
        return Err(CipherError::Damaged.into());
    }
    Ok(length)
}
