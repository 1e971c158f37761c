//! The gateway's configuration. Every flag is also a variable; `--help` is the reference, so comments are written for operators.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser};
use ipnet::IpNet;
use nkeys::{KeyPair, KeyPairType};
use secrecy::{ExposeSecret as _, SecretString};
use shared::config::{
    BucketOptions, ConfigError, DatabaseOptions, EgressOptions, NatsOptions, RegionOptions, RegionPublicOptions,
    ShutdownOptions, TelemetryOptions, secret,
};
use shared::dialect::Dialect;
use url::Url;

use crate::dialect::doors::DialectHost;
use crate::dialect::open::OpenDoorOptions;
use crate::media::kind::Limits as MediaLimits;

/// The shortest operator key, in characters.
const SHORTEST_ADMIN_KEY: usize = 32;

/// Rookery's gateway: REST in, commands out.
#[derive(Debug, Clone, Parser)]
#[command(name = "rookery-gateway", version, about)]
pub struct Configuration {
    /// Where the API is served.
    #[arg(long, env = "ROOKERY_LISTEN_ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen_address: SocketAddr,
    /// The operator's key.
    #[command(flatten)]
    pub admin: AdminOptions,
    /// The bounds of every request.
    #[command(flatten)]
    pub limits: LimitOptions,
    /// Where this process runs.
    #[command(flatten)]
    pub region: RegionOptions,
    /// The key to which secrets are sealed.
    #[command(flatten)]
    pub region_key: RegionPublicOptions,
    /// PostgreSQL.
    #[command(flatten)]
    pub database: DatabaseOptions,
    /// NATS.
    #[command(flatten)]
    pub nats: NatsOptions,
    /// Credentials for reading events from NATS itself.
    #[command(flatten)]
    pub streams: StreamOptions,
    /// The bucket.
    #[command(flatten)]
    pub bucket: BucketOptions,
    /// How large files may be.
    #[command(flatten)]
    pub media: MediaLimits,
    /// Where webhooks and proxies may lead.
    #[command(flatten)]
    pub egress: EgressOptions,
    /// Where the dialects are served.
    #[command(flatten)]
    pub dialects: DialectOptions,
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryOptions,
    /// How the process stops.
    #[command(flatten)]
    pub shutdown: ShutdownOptions,
}

/// The operator's key.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Administration")]
pub struct AdminOptions {
    /// The operator's key, at least 32 visible ASCII characters: creates tenants and their keys and acts for any tenant.
    #[arg(long, env = "ROOKERY_ADMIN_KEY", hide_env_values = true)]
    pub admin_key: Option<SecretString>,
    /// A file that holds the operator's key.
    #[arg(long, env = "ROOKERY_ADMIN_KEY_FILE")]
    pub admin_key_file: Option<PathBuf>,
}

impl AdminOptions {
    /// Reads the key.
    ///
    /// # Errors
    /// [`ConfigError`] when it is missing, too short, or could not be sent in a header.
    pub fn key(&self) -> Result<SecretString, ConfigError> {
        let key = secret(
            "ROOKERY_ADMIN_KEY",
            self.admin_key.as_ref(),
            self.admin_key_file.as_deref(),
        )?;
        let text = key.expose_secret();
        if text.len() < SHORTEST_ADMIN_KEY || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ConfigError::Invalid(format!(
                "ROOKERY_ADMIN_KEY must have at least {SHORTEST_ADMIN_KEY} visible ASCII characters"
            )));
        }
        Ok(key)
    }
}

/// Where the dialects are served, besides `/compat/DIALECT`, where all of them always are.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Dialects")]
pub struct DialectOptions {
    /// The dialect that is served at the root too, so that its clients' old base URLs stay valid: chatlink, premium, management, crm or multisession.
    /// Rookery's own routes (/v1, /healthz, /readyz, /metrics, /panel, /docs, …) stay where they are.
    #[arg(long, env = "ROOKERY_ROOT_DIALECT")]
    pub root_dialect: Option<Dialect>,
    /// Dialects that are served at the root of hosts of their own: crm.example.com=premium,… There they come before Rookery's own routes, except /v1.
    #[arg(long, env = "ROOKERY_DIALECT_HOSTS", value_delimiter = ',')]
    pub dialect_hosts: Vec<DialectHost>,
    /// Who may use the dialect management without a credential.
    #[command(flatten)]
    pub management_open: OpenDoorOptions,
    /// Where messages go of sessions of the crm dialect that are switched on without a URL of their own: what its servers called FRAPPE_WEBHOOK_URL.
    #[arg(long, env = "ROOKERY_CRM_WEBHOOK_URL")]
    pub crm_webhook_url: Option<Url>,
    /// What signs these deliveries, and those of other sessions to the same host: what its servers called FRAPPE_WEBHOOK_SECRET.
    #[arg(long, env = "ROOKERY_CRM_WEBHOOK_SECRET", hide_env_values = true)]
    pub crm_webhook_secret: Option<SecretString>,
    /// A file that holds this secret.
    #[arg(long, env = "ROOKERY_CRM_WEBHOOK_SECRET_FILE")]
    pub crm_webhook_secret_file: Option<PathBuf>,
}

/// The operator's webhook of the crm dialect.
#[derive(Debug, Clone)]
pub struct CrmWebhook {
    /// Where it leads.
    pub url: Url,
    /// What signs its deliveries; `None`: a secret of each webhook's own.
    pub secret: Option<SecretString>,
}

impl DialectOptions {
    /// The operator's webhook of the crm dialect, if there is one.
    ///
    /// # Errors
    /// [`ConfigError`] when there is a secret and no URL, or the secret cannot be read or is empty.
    pub fn crm_webhook(&self) -> Result<Option<CrmWebhook>, ConfigError> {
        const NAME: &str = "ROOKERY_CRM_WEBHOOK_SECRET";
        let (value, file) = (
            self.crm_webhook_secret.as_ref(),
            self.crm_webhook_secret_file.as_deref(),
        );
        let secret = match (value, file) {
            (None, None) => None,
            _ => Some(secret(NAME, value, file)?),
        };
        if secret.as_ref().is_some_and(|secret| secret.expose_secret().is_empty()) {
            return Err(ConfigError::Invalid(format!("{NAME} is empty")));
        }
        match (&self.crm_webhook_url, secret) {
            (Some(url), secret) => Ok(Some(CrmWebhook {
                url: url.clone(),
                secret,
            })),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(ConfigError::Invalid(format!(
                "{NAME} is given without ROOKERY_CRM_WEBHOOK_URL"
            ))),
        }
    }
}

/// Credentials with which tenants read their events from NATS itself. Needs a NATS server with decentralised authentication.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Streams")]
pub struct StreamOptions {
    /// The public key (`A…`) of the NATS account in which tenants' credentials work. Unset: tenants get no credentials.
    #[arg(long, env = "ROOKERY_STREAM_ACCOUNT")]
    pub stream_account: Option<String>,
    /// The seed (`SA…`) of one of the account's signing keys.
    #[arg(long, env = "ROOKERY_STREAM_SIGNING_KEY", hide_env_values = true)]
    pub stream_signing_key: Option<SecretString>,
    /// A file that holds the seed.
    #[arg(long, env = "ROOKERY_STREAM_SIGNING_KEY_FILE")]
    pub stream_signing_key_file: Option<PathBuf>,
    /// Where tenants reach NATS, if it is not where this process does.
    #[arg(long, env = "ROOKERY_STREAM_URL")]
    pub stream_url: Option<String>,
    /// Seconds for which a credential works.
    #[arg(long, env = "ROOKERY_STREAM_CREDENTIAL_SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(60..=86_400))]
    pub stream_credential_seconds: u64,
}

impl StreamOptions {
    /// Reads the signing key.
    ///
    /// # Errors
    /// [`ConfigError`] when it is missing or no account's key.
    pub fn signing_key(&self) -> Result<KeyPair, ConfigError> {
        let seed = secret(
            "ROOKERY_STREAM_SIGNING_KEY",
            self.stream_signing_key.as_ref(),
            self.stream_signing_key_file.as_deref(),
        )?;
        let key = KeyPair::from_seed(seed.expose_secret().trim()).ok();
        key.filter(|key| matches!(key.key_pair_type(), KeyPairType::Account))
            .ok_or_else(|| {
                ConfigError::Invalid("ROOKERY_STREAM_SIGNING_KEY must be the seed of an account's key (SA…)".to_owned())
            })
    }
}

/// The bounds of every request.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitOptions {
    /// The largest body, in bytes.
    #[arg(long, env = "ROOKERY_MAX_BODY_BYTES", default_value_t = 1024 * 1024)]
    pub max_body_bytes: usize,
    /// Seconds after which a request is given up. Longer than the longest wait that clients may ask for (30).
    #[arg(long, env = "ROOKERY_REQUEST_SECONDS", default_value_t = 35)]
    pub request_seconds: u64,
    /// Seconds after which a request that moves a file is given up.
    #[arg(long, env = "ROOKERY_MEDIA_SECONDS", default_value_t = 3600)]
    pub media_seconds: u64,
    /// Seconds for which links to files work.
    #[arg(long, env = "ROOKERY_MEDIA_URL_SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub media_url_seconds: u64,
    /// Requests that run at once; one more is answered with 503.
    #[arg(long, env = "ROOKERY_MAX_REQUESTS", default_value_t = 1024)]
    pub max_requests: usize,
    /// Clients that follow events live at once; one more is answered with 503.
    #[arg(long, env = "ROOKERY_MAX_EVENT_STREAMS", default_value_t = 1024)]
    pub max_event_streams: usize,
    /// Connections that are open at once; further ones wait in the kernel's queue.
    #[arg(long, env = "ROOKERY_MAX_CONNECTIONS", default_value_t = 8192)]
    pub max_connections: usize,
    /// Proxies in front of the gateway, as networks separated by commas: what they say in `X-Forwarded-For` is believed. Without them everybody behind a
    /// proxy is one address, which matters where failed logins are counted.
    #[arg(long, env = "ROOKERY_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<IpNet>,
    /// Seconds between "not ready" and the end of accepting connections when stopping, so that load balancers notice.
    #[arg(long, env = "ROOKERY_UNREADY_SECONDS", default_value_t = 1)]
    pub unready_seconds: u64,
}

impl LimitOptions {
    /// After which time a request is given up.
    #[must_use]
    pub fn request_time(&self) -> Duration {
        Duration::from_secs(self.request_seconds)
    }

    /// After which time a request that moves a file is given up.
    #[must_use]
    pub fn media_time(&self) -> Duration {
        Duration::from_secs(self.media_seconds)
    }

    /// How long links to files work.
    #[must_use]
    pub fn media_url_time(&self) -> Duration {
        Duration::from_secs(self.media_url_seconds)
    }

    /// How long a stopping gateway says "not ready" and still accepts.
    #[must_use]
    pub fn unready_time(&self) -> Duration {
        Duration::from_secs(self.unready_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admin(key: &str) -> Result<SecretString, ConfigError> {
        AdminOptions {
            admin_key: Some(SecretString::from(key.to_owned())),
            admin_key_file: None,
        }
        .key()
    }

    #[test]
    fn a_weak_or_missing_operator_key_stops_the_start() {
        let missing = AdminOptions {
            admin_key: None,
            admin_key_file: None,
        };
        assert!(matches!(missing.key(), Err(ConfigError::Missing { .. })));
        for key in ["", "admin", &"k".repeat(31), &"with space ".repeat(4)] {
            let error = admin(key).unwrap_err();
            assert!(error.to_string().contains("ROOKERY_ADMIN_KEY"));
            assert!(
                key.is_empty() || !error.to_string().contains(key),
                "the value is not shown"
            );
        }
        assert!(admin(&"k".repeat(32)).is_ok());
    }

    #[test]
    fn a_dialect_that_does_not_exist_or_a_host_that_is_none_stops_the_start() {
        let parse =
            |argument: &str| Configuration::try_parse_from(["rookery-gateway", "--region-public-key=key", argument]);
        let config = parse("--dialect-hosts=crm.example.com=premium,Old.Example.com=chatlink").unwrap();
        assert_eq!(config.dialects.dialect_hosts[1].host, "old.example.com");
        assert_eq!(config.dialects.dialect_hosts[1].dialect, Dialect::Chatlink);
        for (argument, named) in [
            ("--root-dialect=klingon", "ROOT_DIALECT"),
            ("--dialect-hosts=crm.example.com", "DIALECT_HOSTS"),
            ("--dialect-hosts=crm.example.com=klingon", "DIALECT_HOSTS"),
            ("--dialect-hosts=https://crm.example.com=premium", "DIALECT_HOSTS"),
            ("--dialect-hosts==premium", "DIALECT_HOSTS"),
        ] {
            let error = parse(argument).unwrap_err().to_string();
            let flag = named.to_lowercase().replace('_', "-");
            assert!(error.contains(&flag), "{argument}: {error}");
        }
    }

    #[test]
    fn the_crms_secret_needs_its_url_and_is_never_empty() {
        let options = |url: Option<&str>, secret: Option<&str>| DialectOptions {
            crm_webhook_url: url.map(|url| url.parse().unwrap()),
            crm_webhook_secret: secret.map(SecretString::from),
            ..DialectOptions::default()
        };
        let url = Some("https://crm.example.com/api/method/app.api.webhook.handle_webhook");
        assert!(options(None, None).crm_webhook().unwrap().is_none());
        assert!(options(url, None).crm_webhook().unwrap().unwrap().secret.is_none());
        let whole = options(url, Some("tu_secreto")).crm_webhook().unwrap().unwrap();
        assert_eq!(whole.secret.unwrap().expose_secret(), "tu_secreto");
        for (url, secret) in [(None, "tu_secreto"), (url, "")] {
            let error = options(url, Some(secret)).crm_webhook().unwrap_err().to_string();
            assert!(error.contains("ROOKERY_CRM_WEBHOOK_SECRET"), "{error}");
            assert!(!error.contains("tu_secreto"), "the value is not shown");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Configuration::command().debug_assert();
    }
}
