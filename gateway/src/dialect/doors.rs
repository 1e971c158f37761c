//! Further ways to the dialects: at the root of every host, or at the root of hosts of their own, so that their clients' old base URLs stay valid.
//!
//! A request that comes through such a door gets the prefix `/compat/DIALECT` before it is routed; everything behind sees one form of it only.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use http::Uri;
use http::header::HOST;
use shared::dialect::Dialect;
use tower::ServiceExt as _;

use super::{PREFIX, listed_routes};
use crate::config::DialectOptions;

/// The first parts of the paths that are never a dialect's.
const ALWAYS_OURS: [&str; 2] = ["v1", "compat"];
/// The first parts of the paths that are ours unless a dialect has its own host.
const OURS: [&str; 7] = [
    "healthz",
    "readyz",
    "metrics",
    "panel",
    "docs",
    "openapi.json",
    "asyncapi.json",
];

/// A host at whose root a dialect is served: `crm.example.com=premium`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialectHost {
    /// The host's name in lower case, without a port.
    pub host: String,
    /// The dialect.
    pub dialect: Dialect,
}

/// The text is no host and dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDialectHost {
    /// It is not `HOST=DIALECT`.
    #[error("expected HOST=DIALECT, for example crm.example.com=premium")]
    Form,
    /// There is no such dialect.
    #[error("there is no dialect '{0}'")]
    Dialect(String),
}

impl FromStr for DialectHost {
    type Err = InvalidDialectHost;

    fn from_str(text: &str) -> Result<Self, InvalidDialectHost> {
        let (host, dialect) = text.trim().split_once('=').ok_or(InvalidDialectHost::Form)?;
        let host = host.trim().to_ascii_lowercase();
        let name = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'.' | b'-');
        if host.is_empty() || host.len() > 253 || !host.bytes().all(name) {
            return Err(InvalidDialectHost::Form);
        }
        let dialect = dialect.trim();
        let dialect = dialect
            .parse()
            .map_err(|_| InvalidDialectHost::Dialect(dialect.to_owned()))?;
        Ok(Self { host, dialect })
    }
}

/// The ways to the dialects. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Doors(Arc<Ways>);

#[derive(Debug, Default)]
struct Ways {
    root: Option<Dialect>,
    hosts: HashMap<String, Dialect>,
}

impl Doors {
    /// As configured.
    ///
    /// # Errors
    /// When one host is to serve two dialects.
    pub fn new(options: &DialectOptions) -> anyhow::Result<Self> {
        let mut hosts = HashMap::new();
        for DialectHost { host, dialect } in &options.dialect_hosts {
            let other = hosts.insert(host.clone(), *dialect);
            anyhow::ensure!(
                other.is_none_or(|other| other == *dialect),
                "ROOKERY_DIALECT_HOSTS names the host {host} twice, with different dialects"
            );
        }
        Ok(Self(Arc::new(Ways {
            root: options.root_dialect,
            hosts,
        })))
    }

    /// Lets requests through the doors to the router behind.
    pub fn in_front_of(self, router: Router) -> Router {
        if self.0.root.is_none() && self.0.hosts.is_empty() {
            return router;
        }
        let inside = router.map_request(move |request: Request| self.lead(request));
        Router::new().fallback_service(inside)
    }

    fn lead(&self, mut request: Request) -> Request {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        if let Some(dialect) = self.dialect_of(host, request.uri().path())
            && let Some(uri) = prefixed(request.uri(), dialect)
        {
            *request.uri_mut() = uri;
        }
        request
    }

    /// The dialect to which a request belongs; `None`: to none, it is ours.
    fn dialect_of(&self, host: Option<&str>, path: &str) -> Option<Dialect> {
        let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        if ALWAYS_OURS.contains(&first) {
            return None;
        }
        let ours = OURS.contains(&first);
        let host = host.map(|host| host.split(':').next().unwrap_or_default().to_ascii_lowercase());
        if let Some(dialect) = host.and_then(|host| self.0.hosts.get(&host).copied()) {
            return (!ours || has_route(dialect, path)).then_some(dialect);
        }
        self.0.root.filter(|_| !ours)
    }
}

/// Whether a dialect has a route for a path.
fn has_route(dialect: Dialect, path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    listed_routes(dialect)
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .any(|route| {
            let pattern: Vec<&str> = route.split('/').collect();
            let fits = |(pattern, part): (&&str, &&str)| pattern.starts_with([':', '{']) || pattern == part;
            pattern.len() == parts.len() && pattern.iter().zip(&parts).all(fits)
        })
}

fn prefixed(uri: &Uri, dialect: Dialect) -> Option<Uri> {
    let rest = uri.path_and_query().map_or("/", |rest| rest.as_str());
    // The root itself is the prefix alone.
    let rest = match rest.strip_prefix('/') {
        Some("") => "",
        Some(query) if query.starts_with('?') => query,
        _ => rest,
    };
    format!("{PREFIX}/{dialect}{rest}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doors() -> Doors {
        Doors::new(&DialectOptions {
            root_dialect: Some(Dialect::Chatlink),
            dialect_hosts: vec!["zap.example.com=premium".parse().unwrap()],
            ..DialectOptions::default()
        })
        .unwrap()
    }

    #[test]
    fn a_host_of_its_own_comes_first_and_the_canonical_api_is_never_covered() {
        let doors = doors();
        let own = Some("Zap.Example.com:8080");
        for (host, path, dialect) in [
            (own, "/loja/me", Some(Dialect::Premium)),
            (own, "/panel/me", Some(Dialect::Premium)),
            (own, "/panel", None),
            (own, "/healthz", None),
            (own, "/v1/sessions", None),
            (own, "/compat/chatlink/api/Login", None),
            (own, "/nothing", Some(Dialect::Premium)),
            (Some("other.example.com"), "/api/Login", Some(Dialect::Chatlink)),
            (None, "/api/Login", Some(Dialect::Chatlink)),
            (None, "/", Some(Dialect::Chatlink)),
            (None, "/metrics", None),
            (None, "/v1/sessions", None),
        ] {
            assert_eq!(doors.dialect_of(host, path), dialect, "{host:?} {path}");
        }
    }

    #[test]
    fn what_comes_through_a_door_keeps_its_query() {
        let uri: Uri = "/api/MySessions?token=rk_1&a=%20b".parse().unwrap();
        assert_eq!(
            prefixed(&uri, Dialect::Chatlink).unwrap().to_string(),
            "/compat/chatlink/api/MySessions?token=rk_1&a=%20b"
        );
        assert_eq!(
            prefixed(&"/".parse().unwrap(), Dialect::Multisession).unwrap(),
            "/compat/multisession"
        );
    }

    #[test]
    fn one_host_cannot_serve_two_dialects() {
        let options = DialectOptions {
            dialect_hosts: vec![
                "a.example=premium".parse().unwrap(),
                "a.example=chatlink".parse().unwrap(),
            ],
            ..DialectOptions::default()
        };
        assert!(
            Doors::new(&options)
                .unwrap_err()
                .to_string()
                .contains("ROOKERY_DIALECT_HOSTS")
        );
    }
}
