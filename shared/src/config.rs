//! Configuration that several binaries share, as groups of flags.
//!
//! Every flag is also a variable `ROOKERY_…`; every secret can come from a file named by `ROOKERY_…_FILE` instead. There are no default
//! secrets: a missing one stops the start and says which. `--help` is the reference, so every field's comment is written for operators.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::ids::Region;
use crate::seal::{RegionPublicKey, RegionSecretKey, SealError};

/// The configuration cannot be used. The text names the flag or variable at fault and never its value.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Neither the variable nor its file is given.
    #[error("{name} is not set: give {name} or {name}_FILE")]
    Missing {
        /// The variable.
        name: &'static str,
    },
    /// The file of a secret cannot be read.
    #[error("cannot read the file {path} given by {name}_FILE")]
    File {
        /// The variable.
        name: &'static str,
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key is not a key.
    #[error("{name} is not usable")]
    Key {
        /// The variable.
        name: &'static str,
        /// Why.
        #[source]
        source: SealError,
    },
    /// Two settings contradict each other, or one is out of range.
    #[error("{0}")]
    Invalid(String),
}

/// Takes a secret from its flag or, failing that, from its file.
///
/// # Errors
/// [`ConfigError`] when neither is given or the file cannot be read.
pub fn secret(
    name: &'static str,
    value: Option<&SecretString>,
    file: Option<&Path>,
) -> Result<SecretString, ConfigError> {
    if let Some(value) = value {
        return Ok(value.clone());
    }
    let path = file.ok_or(ConfigError::Missing { name })?;
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::File {
        name,
        path: path.to_owned(),
        source,
    })?;
    Ok(SecretString::from(text.trim().to_owned()))
}

/// Where this process runs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Region")]
pub struct RegionOptions {
    /// The region: 1 to 12 characters of a-z and 0-9. Part of every session id and of every broker subject.
    #[arg(long, env = "ROOKERY_REGION", default_value = "local")]
    pub region: Region,
}

/// The region's secret key, for workers and dispatchers.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Region")]
pub struct RegionSecretOptions {
    /// The region's secret key (32 bytes in base64, from `rookery-worker region-key`): opens credentials and webhook secrets.
    #[arg(long, env = "ROOKERY_REGION_SECRET_KEY", hide_env_values = true)]
    pub region_secret_key: Option<SecretString>,
    /// A file that holds the region's secret key.
    #[arg(long, env = "ROOKERY_REGION_SECRET_KEY_FILE")]
    pub region_secret_key_file: Option<PathBuf>,
}

impl RegionSecretOptions {
    /// Reads the key.
    ///
    /// # Errors
    /// [`ConfigError`] when it is missing or unusable.
    pub fn key(&self) -> Result<RegionSecretKey, ConfigError> {
        const NAME: &str = "ROOKERY_REGION_SECRET_KEY";
        let text = secret(
            NAME,
            self.region_secret_key.as_ref(),
            self.region_secret_key_file.as_deref(),
        )?;
        RegionSecretKey::parse(text.expose_secret()).map_err(|source| ConfigError::Key { name: NAME, source })
    }
}

/// The region's public key, for gateways.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Region")]
pub struct RegionPublicOptions {
    /// The region's public key (32 bytes in base64, from `rookery-worker region-key`): seals secrets that gateways accept.
    #[arg(long, env = "ROOKERY_REGION_PUBLIC_KEY")]
    pub region_public_key: String,
}

impl RegionPublicOptions {
    /// Reads the key.
    ///
    /// # Errors
    /// [`ConfigError`] when it is unusable.
    pub fn key(&self) -> Result<RegionPublicKey, ConfigError> {
        RegionPublicKey::parse(&self.region_public_key).map_err(|source| ConfigError::Key {
            name: "ROOKERY_REGION_PUBLIC_KEY",
            source,
        })
    }
}

/// PostgreSQL.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "PostgreSQL")]
pub struct DatabaseOptions {
    /// `postgres://user:password@host:port/database`.
    #[arg(long, env = "ROOKERY_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<SecretString>,
    /// A file that holds the database URL.
    #[arg(long, env = "ROOKERY_DATABASE_URL_FILE")]
    pub database_url_file: Option<PathBuf>,
    /// The most connections that this process opens.
    #[arg(long, env = "ROOKERY_DATABASE_CONNECTIONS", default_value_t = 16)]
    pub database_connections: u32,
}

impl DatabaseOptions {
    /// The URL, with its password.
    ///
    /// # Errors
    /// [`ConfigError`] when it is missing.
    pub fn url(&self) -> Result<SecretString, ConfigError> {
        secret(
            "ROOKERY_DATABASE_URL",
            self.database_url.as_ref(),
            self.database_url_file.as_deref(),
        )
    }
}

/// NATS.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "NATS")]
pub struct NatsOptions {
    /// One or more addresses, separated by commas: `nats://host:4222`.
    #[arg(long, env = "ROOKERY_NATS_URL", default_value = "nats://127.0.0.1:4222")]
    pub nats_url: String,
    /// A NATS credentials file (user JWT and key).
    #[arg(long, env = "ROOKERY_NATS_CREDENTIALS_FILE")]
    pub nats_credentials_file: Option<PathBuf>,
    /// Replicas of each stream: 3 in production, 1 on one machine.
    #[arg(long, env = "ROOKERY_NATS_REPLICAS", default_value_t = 1, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=5))]
    pub nats_replicas: usize,
}

/// The bucket for files.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Object storage")]
pub struct BucketOptions {
    /// The bucket that keeps files, on any store that speaks the S3 protocol.
    #[arg(long, env = "ROOKERY_S3_BUCKET")]
    pub s3_bucket: Option<String>,
    /// The store's address, for example `https://minio.internal:9000`. Unset: Amazon's in the region.
    #[arg(long, env = "ROOKERY_S3_ENDPOINT")]
    pub s3_endpoint: Option<Url>,
    /// The address under which clients reach the store, if it is another one: links for downloads and uploads lead there.
    #[arg(long, env = "ROOKERY_S3_PUBLIC_ENDPOINT")]
    pub s3_public_endpoint: Option<Url>,
    /// The store's region.
    #[arg(long, env = "ROOKERY_S3_REGION", default_value = "us-east-1")]
    pub s3_region: String,
    /// Whether the bucket's name stands in the host (`bucket.host`) instead of the path.
    #[arg(long, env = "ROOKERY_S3_VIRTUAL_HOST", default_value_t = false, action = clap::ArgAction::Set)]
    pub s3_virtual_host: bool,
    /// The access key. Unset: the credentials of the machine's role.
    #[arg(long, env = "ROOKERY_S3_ACCESS_KEY", hide_env_values = true)]
    pub s3_access_key: Option<SecretString>,
    /// A file that holds the access key.
    #[arg(long, env = "ROOKERY_S3_ACCESS_KEY_FILE")]
    pub s3_access_key_file: Option<PathBuf>,
    /// The secret key.
    #[arg(long, env = "ROOKERY_S3_SECRET_KEY", hide_env_values = true)]
    pub s3_secret_key: Option<SecretString>,
    /// A file that holds the secret key.
    #[arg(long, env = "ROOKERY_S3_SECRET_KEY_FILE")]
    pub s3_secret_key_file: Option<PathBuf>,
    /// Days for which files are kept; 0: until somebody deletes them.
    #[arg(long, env = "ROOKERY_MEDIA_DAYS", default_value_t = 90, value_parser = clap::value_parser!(i32).range(0..=36_500))]
    pub media_days: i32,
}

impl BucketOptions {
    /// The access key and the secret key; `None` when the machine's role is to be used.
    ///
    /// # Errors
    /// [`ConfigError`] when one is given without the other, or a file cannot be read.
    pub fn credentials(&self) -> Result<Option<(SecretString, SecretString)>, ConfigError> {
        let (key, file) = (self.s3_access_key.as_ref(), self.s3_access_key_file.as_deref());
        if key.is_none() && file.is_none() {
            return Ok(None);
        }
        let access = secret("ROOKERY_S3_ACCESS_KEY", key, file)?;
        let secret_file = self.s3_secret_key_file.as_deref();
        let secret = secret("ROOKERY_S3_SECRET_KEY", self.s3_secret_key.as_ref(), secret_file)?;
        Ok(Some((access, secret)))
    }
}

/// The operations endpoint of workers and dispatchers.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Operations")]
pub struct OperationsOptions {
    /// Where `/healthz`, `/readyz` and `/metrics` are served.
    #[arg(long, env = "ROOKERY_OPERATIONS_ADDRESS", default_value = "127.0.0.1:9090")]
    pub operations_address: SocketAddr,
}

/// Logs and traces.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Telemetry")]
pub struct TelemetryOptions {
    /// What is logged: a level (of Rookery itself; libraries stay at `warn`), or `target=level,…`.
    #[arg(long, env = "ROOKERY_LOG", default_value = "info")]
    pub log: String,
    /// How logs look.
    #[arg(long, env = "ROOKERY_LOG_FORMAT", value_enum, default_value_t = LogFormat::Pretty)]
    pub log_format: LogFormat,
    /// Where traces go (OTLP over HTTP), for example `http://127.0.0.1:4318/v1/traces`. Unset: no traces.
    #[arg(long, env = "ROOKERY_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// How a process stops.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Operations")]
pub struct ShutdownOptions {
    /// Seconds between the request to stop and the end of everything that has not stopped by itself.
    #[arg(long, env = "ROOKERY_SHUTDOWN_SECONDS", default_value_t = 30)]
    pub shutdown_seconds: u64,
}

impl ShutdownOptions {
    /// The time between soft and hard shutdown.
    #[must_use]
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.shutdown_seconds)
    }
}

/// Which of the addresses that URLs from outside may lead to are reachable although they are private.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Egress")]
pub struct EgressOptions {
    /// Networks that webhooks may reach although they are private, for example `127.0.0.0/8` on a developer's machine.
    #[arg(long, env = "ROOKERY_EGRESS_ALLOW", value_delimiter = ',')]
    pub egress_allow: Vec<IpNet>,
    /// Whether webhooks may use `http://`.
    #[arg(long, env = "ROOKERY_EGRESS_ALLOW_HTTP", default_value_t = false, action = clap::ArgAction::Set)]
    pub egress_allow_http: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_secret_names_its_variable_and_a_file_is_read() {
        let missing = secret("ROOKERY_X", None, None).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "ROOKERY_X is not set: give ROOKERY_X or ROOKERY_X_FILE"
        );
        let path = std::env::temp_dir().join(format!("rookery-secret-{}", uuid::Uuid::now_v7()));
        std::fs::write(&path, "hidden\n").unwrap();
        let read = secret("ROOKERY_X", None, Some(&path)).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read.expose_secret(), "hidden");
        assert!(!format!("{read:?}").contains("hidden"));
    }
}
