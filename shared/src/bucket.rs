//! The bucket: files in object storage, over the S3 protocol.
//!
//! Nothing here holds a whole file: files go in and out in pieces, and clients reach the bucket by URLs that are signed and expire. Which object
//! belongs to whom is decided by [`crate::store::media`]; a key is never made of what a client says.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer as _};
use object_store::{
    Attribute, Attributes, ClientOptions, GetOptions, MultipartUpload, ObjectStore, ObjectStoreExt as _,
    PutMultipartOptions, PutOptions, PutPayload, RetryConfig,
};
use reqwest::Method;
use secrecy::ExposeSecret as _;
use url::Url;

use crate::config::{BucketOptions, ConfigError};
use crate::ids::{MediaId, TenantId};

/// How much of a file is in memory while it goes in: S3 takes no smaller parts, but for the last one.
pub const PART: usize = 5 * 1024 * 1024;
/// A file that is larger gets the whole room of a part at once: one that grows would be copied, and for a moment be there twice.
const SMALL: usize = 256 * 1024;
/// How long a connection to the bucket may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the bucket may be silent within an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a request is repeated; whoever wants more tries again later by himself.
const RETRY_TIME: Duration = Duration::from_secs(5);

/// What went wrong with an object.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// There is no such object.
    #[error("there is no such object")]
    NotFound,
    /// The bucket cannot be reached, or refuses. Worth another try later.
    #[error("the bucket cannot be used")]
    Unavailable(#[source] object_store::Error),
}

impl From<object_store::Error> for BucketError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            other => Self::Unavailable(other),
        }
    }
}

/// A region's bucket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bucket {
    store: Arc<AmazonS3>,
    /// Signs URLs for clients, who may reach the bucket under another address.
    signer: Arc<AmazonS3>,
}

/// The pieces of an object, in order.
pub type Pieces = BoxStream<'static, Result<Bytes, BucketError>>;

/// Where a file lies: below its tenant, under its own id.
#[must_use]
pub fn object_key(tenant: TenantId, media: MediaId) -> String {
    format!("{tenant}/{media}")
}

impl Bucket {
    /// The bucket that an operator has configured. Connects when first used.
    ///
    /// # Errors
    /// [`ConfigError`] when something is missing or contradicts itself.
    pub fn new(options: &BucketOptions) -> Result<Self, ConfigError> {
        let store = builder(options, options.s3_endpoint.as_ref())?;
        let signer = match &options.s3_public_endpoint {
            Some(public) => Arc::new(build(builder(options, Some(public))?)?),
            None => Arc::new(build(store.clone())?),
        };
        Ok(Self {
            store: Arc::new(build(store)?),
            signer,
        })
    }

    /// Begins to store an object, which exists once [`Upload::finish`] has answered.
    #[must_use]
    pub fn upload(&self, key: &str, mime_type: &str) -> Upload {
        Upload {
            store: Arc::clone(&self.store),
            path: Path::from(key),
            attributes: attributes(mime_type),
            part: BytesMut::new(),
            multipart: None,
        }
    }

    /// Reads an object from its byte `from` on.
    ///
    /// # Errors
    /// [`BucketError`] when it is not there or cannot be had.
    pub async fn read(&self, key: &str, from: u64) -> Result<Pieces, BucketError> {
        let options = match from {
            0 => GetOptions::default(),
            from => GetOptions {
                range: Some(object_store::GetRange::Offset(from)),
                ..GetOptions::default()
            },
        };
        let found = self.store.get_opts(&Path::from(key), options).await?;
        Ok(found
            .into_stream()
            .map(|piece| piece.map_err(BucketError::from))
            .boxed())
    }

    /// An object's size in bytes.
    ///
    /// # Errors
    /// [`BucketError`] when it is not there or cannot be had.
    pub async fn size(&self, key: &str) -> Result<u64, BucketError> {
        Ok(self.store.head(&Path::from(key)).await?.size)
    }

    /// Whether the bucket answers, found out by asking for an object that need not be there.
    pub async fn answers(&self, key: &str) -> bool {
        !matches!(self.size(key).await, Err(BucketError::Unavailable(_)))
    }

    /// Deletes an object; one that is not there is no error.
    ///
    /// # Errors
    /// [`BucketError::Unavailable`].
    pub async fn delete(&self, key: &str) -> Result<(), BucketError> {
        match self.store.delete(&Path::from(key)).await.map_err(BucketError::from) {
            Ok(()) | Err(BucketError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A URL under which anybody can download the object for so long, as a file called `file_name` if it has a name.
    ///
    /// # Errors
    /// [`BucketError::Unavailable`] when the credentials cannot be had.
    pub async fn download_url(
        &self,
        key: &str,
        mime_type: &str,
        file_name: Option<&str>,
        lifetime: Duration,
    ) -> Result<Url, BucketError> {
        let disposition = disposition(mime_type, file_name);
        let options = SignedUrlOptions::default().with_query([
            ("response-content-disposition", disposition.as_str()),
            ("response-content-type", mime_type),
        ]);
        let url = self
            .signer
            .signed_url_opts(Method::GET, &Path::from(key), lifetime, &options)
            .await?;
        Ok(url)
    }

    /// A URL to which anybody can upload the object for so long (PUT).
    ///
    /// # Errors
    /// [`BucketError::Unavailable`] when the credentials cannot be had.
    pub async fn upload_url(&self, key: &str, lifetime: Duration) -> Result<Url, BucketError> {
        Ok(self.signer.signed_url(Method::PUT, &Path::from(key), lifetime).await?)
    }
}

/// An object on its way in. Dropped before its end, nothing of it stays.
#[derive(Debug)]
pub struct Upload {
    store: Arc<AmazonS3>,
    path: Path,
    attributes: Attributes,
    /// What has come together. The same memory serves one part after the other.
    part: BytesMut,
    multipart: Option<Box<dyn MultipartUpload>>,
}

impl Upload {
    /// Adds a piece. Waits while the bucket takes what has come together.
    ///
    /// # Errors
    /// [`BucketError::Unavailable`]: the upload is of no more use.
    pub async fn write(&mut self, mut piece: &[u8]) -> Result<(), BucketError> {
        while !piece.is_empty() {
            if self.part.len() >= PART {
                self.send_part().await?;
            }
            let room = PART.saturating_sub(self.part.len());
            let (now, later) = piece.split_at(room.min(piece.len()));
            if self.part.len() + now.len() > SMALL {
                self.part.reserve(room);
            }
            self.part.extend_from_slice(now);
            piece = later;
        }
        Ok(())
    }

    async fn send_part(&mut self) -> Result<(), BucketError> {
        let part = self.part.split().freeze();
        let multipart = match &mut self.multipart {
            Some(multipart) => multipart,
            none => {
                let options = PutMultipartOptions {
                    attributes: self.attributes.clone(),
                    ..PutMultipartOptions::default()
                };
                none.insert(self.store.put_multipart_opts(&self.path, options).await?)
            }
        };
        multipart.put_part(PutPayload::from(part.clone())).await?;
        if let Ok(mut free) = part.try_into_mut() {
            free.clear();
            self.part = free;
        }
        Ok(())
    }

    /// Stores the object.
    ///
    /// # Errors
    /// [`BucketError::Unavailable`]: it is not stored.
    pub async fn finish(mut self) -> Result<(), BucketError> {
        if self.multipart.is_none() {
            let options = PutOptions {
                attributes: self.attributes.clone(),
                ..PutOptions::default()
            };
            let whole = PutPayload::from(self.part.split().freeze());
            self.store.put_opts(&self.path, whole, options).await?;
            return Ok(());
        }
        if !self.part.is_empty() {
            self.send_part().await?;
        }
        if let Some(multipart) = &mut self.multipart {
            multipart.complete().await?;
        }
        self.multipart = None;
        Ok(())
    }
}

impl Drop for Upload {
    /// Parts of an upload that did not end would be kept, and paid for, without being seen.
    fn drop(&mut self) {
        let (Some(mut multipart), Ok(runtime)) = (self.multipart.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        runtime.spawn(async move {
            if let Err(error) = multipart.abort().await {
                tracing::warn!(%error, "the parts of an upload stay in the bucket until its life-cycle rule removes them");
            }
        });
    }
}

fn attributes(mime_type: &str) -> Attributes {
    // A stranger may have chosen it: what could not stand in a header is not believed.
    let sane = mime_type.contains('/')
        && mime_type.len() <= 127
        && mime_type.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let mime_type = if sane { mime_type } else { "application/octet-stream" };
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::ContentType, mime_type.to_owned().into());
    attributes.insert(Attribute::ContentDisposition, disposition(mime_type, None).into());
    attributes
}

/// Whether a browser shows the file or saves it. What could run in the bucket's name (HTML, SVG) is only ever saved.
fn disposition(mime_type: &str, file_name: Option<&str>) -> String {
    let shown = ["image/jpeg", "image/png", "image/gif", "image/webp"].contains(&mime_type)
        || mime_type.starts_with("video/")
        || mime_type.starts_with("audio/");
    let how = if shown { "inline" } else { "attachment" };
    match file_name {
        // RFC 6266: the name in UTF-8, every byte outside of the safe ones escaped.
        Some(name) => {
            let escaped: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
            format!("{how}; filename*=UTF-8''{}", escaped.replace('+', "%20"))
        }
        None => how.to_owned(),
    }
}

fn builder(options: &BucketOptions, endpoint: Option<&Url>) -> Result<AmazonS3Builder, ConfigError> {
    let bucket = options.s3_bucket.as_ref().ok_or(ConfigError::Missing {
        name: "ROOKERY_S3_BUCKET",
    })?;
    let client = ClientOptions::new()
        // Files take as long as they take; silence is what is limited.
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_read_timeout(READ_TIMEOUT)
        .with_http1_only();
    let retry = RetryConfig {
        max_retries: 2,
        retry_timeout: RETRY_TIME,
        ..RetryConfig::default()
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(&options.s3_region)
        .with_virtual_hosted_style_request(options.s3_virtual_host)
        .with_client_options(client)
        .with_retry(retry);
    if let Some(endpoint) = endpoint {
        let text = endpoint.as_str().trim_end_matches('/');
        builder = builder.with_endpoint(text).with_allow_http(endpoint.scheme() == "http");
    }
    if let Some((access, secret)) = options.credentials()? {
        builder = builder
            .with_access_key_id(access.expose_secret())
            .with_secret_access_key(secret.expose_secret());
    }
    Ok(builder)
}

fn build(builder: AmazonS3Builder) -> Result<AmazonS3, ConfigError> {
    builder
        .build()
        .map_err(|error| ConfigError::Invalid(format!("ROOKERY_S3_… cannot be used: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_saved_under_its_name_and_what_could_run_is_never_shown() {
        assert_eq!(disposition("image/png", None), "inline");
        assert_eq!(disposition("image/svg+xml", None), "attachment");
        assert_eq!(
            disposition("text/html", Some("a \"b\";\r\n é.html")),
            "attachment; filename*=UTF-8''a%20%22b%22%3B%0D%0A%20%C3%A9.html"
        );
    }
}
