//! Connections for protocol state, from the same URL as all others.
//!
//! Two drivers read that URL and do not know the same options. Here only those count that say where the server is, as whom to log in and how the
//! connection is protected: `sslmode` and `sslrootcert`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

/// Opens the pool. Connects when first used.
///
/// # Errors
/// When the URL cannot be read. The text never contains it.
pub fn connect(url: &SecretString, connections: u32) -> anyhow::Result<Pool> {
    let mut url: Url = url.expose_secret().parse().context("not a URL")?;
    let option = |name: &str| {
        url.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    let (mode, roots) = (option("sslmode"), option("sslrootcert"));
    url.set_query(None);
    let mut config: tokio_postgres::Config = url.as_str().parse().context("not a PostgreSQL URL")?;
    config
        .application_name("rookery-worker-protocol")
        .connect_timeout(Duration::from_secs(5))
        .tcp_user_timeout(Duration::from_secs(10))
        .options("-c rookery.tenant=* -c statement_timeout=15000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=2000");
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = match mode.as_deref() {
        None | Some("disable" | "allow" | "prefer") => {
            config.ssl_mode(SslMode::Disable);
            Manager::from_config(config, tokio_postgres::NoTls, recycling)
        }
        Some("require" | "verify-ca" | "verify-full") => {
            config.ssl_mode(SslMode::Require);
            Manager::from_config(config, MakeRustlsConnect::new(tls(roots.as_deref())?), recycling)
        }
        Some(other) => anyhow::bail!("sslmode={other} is not known"),
    };
    Ok(Pool::builder(manager).max_size(usize::try_from(connections)?).build()?)
}

/// Stricter than `libpq`: where the connection must be encrypted, the server's certificate is always checked.
fn tls(roots: Option<&str>) -> anyhow::Result<rustls::ClientConfig> {
    let mut trusted = rustls::RootCertStore::empty();
    match roots {
        None => trusted.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            for certificate in
                CertificateDer::pem_file_iter(path).with_context(|| format!("cannot read sslrootcert {path}"))?
            {
                trusted.add(certificate?)?;
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trusted)
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(url: &str) -> Result<(), String> {
        connect(&SecretString::from(url.to_owned()), 1)
            .map(drop)
            .map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn options_of_the_other_driver_are_no_mistake_and_an_unknown_protection_is() {
        assert_eq!(
            outcome("postgres://u:p@127.0.0.1:5432/db?statement-cache-capacity=10&sslmode=prefer"),
            Ok(())
        );
        assert_eq!(outcome("postgres://u:p@db.example/db?sslmode=verify-full"), Ok(()));
        assert!(
            outcome("postgres://u:p@127.0.0.1/db?sslmode=maybe")
                .unwrap_err()
                .contains("sslmode=maybe")
        );
        assert!(
            outcome("postgres://u:hidden@127.0.0.1/db?sslmode=require&sslrootcert=/nowhere")
                .is_err_and(|error| !error.contains("hidden"))
        );
    }
}
