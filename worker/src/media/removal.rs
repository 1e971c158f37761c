//! Deletes objects whose files were deleted, belong to a removed session, or have had their time; then the rows.

use shared::bucket::Bucket;
use shared::store::Store;

/// How many at a time.
const BITE: i64 = 200;

/// Deletes what is to be deleted now. Several workers may do so at once: each step may be repeated.
pub async fn remove_media(store: &Store, bucket: &Bucket) {
    loop {
        let files = match store.media_to_remove(BITE).await {
            Ok(files) if files.is_empty() => return,
            Ok(files) => files,
            Err(error) => return tracing::debug!(%error, "files are removed later"),
        };
        for (media, key) in files {
            if let Err(error) = bucket.delete(&key).await {
                return tracing::debug!(%error, "files are removed later");
            }
            if let Err(error) = store.forget_media(media).await {
                return tracing::debug!(%error, "files are removed later");
            }
        }
    }
}
