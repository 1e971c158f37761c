//! Settings that arrive from outside: a proxy's password is sealed to the region before anything is stored, and shown to nobody.

use shared::egress::Policy;
use shared::ids::{SessionId, TenantId};
use shared::seal::RegionPublicKey;
use shared::session::{ProxySettings, SessionSettings};
use shared::store::backlog::session_secret_place;
use url::{Host, Url};

use crate::http::body::field_problem;
use crate::http::checks::Checks;
use crate::problem::Problem;

const PROXY_FIELD: &str = "settings.proxy.url";
/// The most history that can be asked for, in days.
const LONGEST_HISTORY: u32 = 3_650;

/// Checks settings as a client wrote them, and takes the proxy's whole URL out: what stays is what may be stored and shown.
///
/// # Errors
/// A problem with every field that is wrong.
pub(super) fn accept(settings: &mut SessionSettings, policy: &Policy) -> Result<Option<String>, Problem> {
    let mut checks = Checks::new();
    checks.require(
        settings.history.days <= LONGEST_HISTORY,
        "settings.history.days",
        &format!("must be 0 to {LONGEST_HISTORY}"),
    );
    let proxy = settings
        .proxy
        .as_mut()
        .map(|proxy| take_secret(proxy, policy, &mut checks));
    checks.finish()?;
    Ok(proxy)
}

fn take_secret(proxy: &mut ProxySettings, policy: &Policy, checks: &mut Checks) -> String {
    let whole = proxy.url.clone();
    let usable = Url::parse(&whole).ok().filter(|url| {
        whole.len() <= 2_048
            && matches!(url.scheme(), "http" | "socks5")
            && url.host_str().is_some_and(|host| !host.is_empty())
    });
    checks.require(
        usable.is_some(),
        PROXY_FIELD,
        "must be http://[user:password@]host:port or socks5://…",
    );
    let Some(mut url) = usable else { return whole };
    // A name is resolved, and its addresses checked, by the worker when it connects.
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(address.into()),
        Some(Host::Ipv6(address)) => Some(address.into()),
        // Hosts of unknown schemes are not parsed as addresses by the URL standard.
        Some(Host::Domain(name)) => name.parse().ok(),
        None => None,
    };
    if let Some(address) = address
        && policy.check_address(address).is_err()
    {
        checks.forbidden_url(PROXY_FIELD, "must lead to a public address");
    }
    if url.set_password(None).is_ok() {
        proxy.url = url.into();
    }
    whole
}

/// Seals the proxy's whole URL for the session's workers.
pub(super) fn seal_proxy(whole: &str, key: &RegionPublicKey, tenant: TenantId, session: SessionId) -> Vec<u8> {
    key.seal(
        whole.as_bytes(),
        session_secret_place(tenant.0, &session, "proxy_sealed"),
    )
}

/// The settings after a merge patch (RFC 7396): what is not named stays, null takes a value back to its default.
///
/// # Errors
/// A problem with the field that does not fit.
pub(super) fn merged(current: &SessionSettings, patch: &serde_json::Value) -> Result<SessionSettings, Problem> {
    if !patch.is_object() {
        return Err(Problem::field("settings", "must be an object"));
    }
    let mut merged = serde_json::to_value(current).map_err(Problem::internal)?;
    merge(&mut merged, patch);
    serde_path_to_error::deserialize(merged).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." {
            "settings".to_owned()
        } else {
            format!("settings.{path}")
        };
        field_problem(&path, &error.into_inner().to_string())
    })
}

fn merge(target: &mut serde_json::Value, patch: &serde_json::Value) {
    let serde_json::Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = serde_json::Value::Object(serde_json::Map::new());
    }
    let Some(target) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(serde_json::Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::config::EgressOptions;
    use shared::problem::Code;

    use super::*;

    fn policy() -> Policy {
        Policy::new(&EgressOptions {
            egress_allow: Vec::new(),
            egress_allow_http: false,
        })
    }

    fn with_proxy(url: &str) -> SessionSettings {
        SessionSettings {
            proxy: Some(ProxySettings { url: url.to_owned() }),
            ..SessionSettings::default()
        }
    }

    #[test]
    fn a_proxys_password_is_taken_out_before_settings_are_stored() {
        let mut settings = with_proxy("socks5://user:secret@proxy.example:1080");
        let whole = accept(&mut settings, &policy()).unwrap();
        assert_eq!(whole.as_deref(), Some("socks5://user:secret@proxy.example:1080"));
        assert_eq!(settings.proxy.unwrap().url, "socks5://user@proxy.example:1080");
    }

    #[test]
    fn a_proxy_cannot_lead_into_our_own_network() {
        for url in [
            "http://127.0.0.1:8080/",
            "socks5://10.0.0.1:1080",
            "http://[::1]:3128",
            "socks5://[::ffff:169.254.169.254]:80",
        ] {
            let problem = accept(&mut with_proxy(url), &policy()).unwrap_err();
            assert_eq!(problem.code(), Code::UrlForbidden, "{url}");
        }
        for url in ["", "proxy.example", "ftp://proxy.example", "socks5://", "http://"] {
            let problem = accept(&mut with_proxy(url), &policy()).unwrap_err();
            assert_eq!(problem.errors()[0].field, PROXY_FIELD, "{url}");
        }
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let current = with_proxy("http://proxy.example:3128");
        let patched = merged(&current, &json!({"read_receipts": false, "media": {"download": false}})).unwrap();
        assert!(!patched.read_receipts && !patched.media.download);
        assert_eq!(patched.proxy, current.proxy);
        let removed = merged(&patched, &json!({"proxy": null, "read_receipts": null})).unwrap();
        assert_eq!((removed.proxy, removed.read_receipts), (None, true));
    }

    #[test]
    fn a_patch_that_does_not_fit_names_its_field() {
        let current = SessionSettings::default();
        for (patch, field) in [
            (json!({"reject_call": true}), "settings.reject_call"),
            (json!({"history": {"days": -1}}), "settings.history.days"),
            (json!({"media": 1}), "settings.media"),
            (json!([]), "settings"),
        ] {
            let problem = merged(&current, &patch).unwrap_err();
            assert_eq!(problem.errors()[0].field, field, "{patch}");
        }
    }
}
