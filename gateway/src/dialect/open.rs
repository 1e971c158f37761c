//! Serving requests that carry no credential, for a dialect whose clients know none. Only the operator opens such a door, for one named tenant, with an API
//! key of that tenant: so there is one authentication, the key's scopes and sessions bound what such requests may, and revoking it closes the door.
//!
//! Whoever reaches the port comes through. Browsers of people who may reach it are led there by any web page, so requests that a page of another site
//! makes are refused; a page whose own name leads here (DNS rebinding) cannot be told from ours.

use std::path::PathBuf;

use clap::Args;
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret as _, SecretString};
use shared::api_key;
use shared::config::{ConfigError, secret};
use shared::ids::TenantId;
use shared::problem::Code;

use crate::app::App;
use crate::auth::TenantCall;
use crate::auth::permission::Permission;
use crate::problem::Problem;

/// Opens the dialect management, whose clients know no credentials.
#[derive(Debug, Clone, Default, Args)]
pub struct OpenDoorOptions {
    /// Opens the dialect management, whose clients know no credentials, to requests that carry none: they act for this tenant (ten_…), with the key of
    /// ROOKERY_MANAGEMENT_OPEN_KEY. Whoever can reach this gateway can then do what that key may, so give it few scopes and let only your own network
    /// reach the port. Unset: such requests are refused.
    #[arg(long, env = "ROOKERY_MANAGEMENT_OPEN_TENANT")]
    pub management_open_tenant: Option<TenantId>,
    /// The API key of that tenant with which these requests are served. Its scopes and sessions bound what they may; revoking it closes the door.
    #[arg(long, env = "ROOKERY_MANAGEMENT_OPEN_KEY", hide_env_values = true)]
    pub management_open_key: Option<SecretString>,
    /// A file that holds this key.
    #[arg(long, env = "ROOKERY_MANAGEMENT_OPEN_KEY_FILE")]
    pub management_open_key_file: Option<PathBuf>,
}

impl OpenDoorOptions {
    /// The door; `None`: there is none.
    ///
    /// # Errors
    /// [`ConfigError`] when only one of tenant and key is set, or the key is no tenant's API key.
    pub fn door(&self, admin_key: &SecretString) -> Result<Option<OpenDoor>, ConfigError> {
        const NAME: &str = "ROOKERY_MANAGEMENT_OPEN_KEY";
        let (value, file) = (
            self.management_open_key.as_ref(),
            self.management_open_key_file.as_deref(),
        );
        let Some(tenant) = self.management_open_tenant else {
            return match (value, file) {
                (None, None) => Ok(None),
                _ => Err(ConfigError::Invalid(format!(
                    "{NAME} is given without ROOKERY_MANAGEMENT_OPEN_TENANT"
                ))),
            };
        };
        let key = secret(NAME, value, file)?;
        // Neither the operator's key nor the token of a login.
        if !api_key::is_well_formed(key.expose_secret()) || api_key::matches(admin_key, key.expose_secret()) {
            return Err(ConfigError::Invalid(format!(
                "{NAME} must be an API key of the tenant (rk_…)"
            )));
        }
        Ok(Some(OpenDoor { tenant, key }))
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// For whom, and with which key, requests without a credential are served.
#[derive(Debug, Clone)]
pub struct OpenDoor {
    tenant: TenantId,
    key: SecretString,
}

impl OpenDoor {
    /// A call with the door's key.
    ///
    /// # Errors
    /// As with any key, and [`Code::Unauthorized`] when the key is another tenant's.
    pub(super) async fn call<P: Permission>(&self, named: &[String], app: &App) -> Result<TenantCall<P>, Problem> {
        let call = TenantCall::of_key(self.key.clone(), named, app).await?;
        if call.tenant == self.tenant {
            return Ok(call);
        }
        tracing::warn!(tenant.id = %self.tenant, "{}", Fault::OtherTenant.text());
        Err(Problem::new(Code::Unauthorized, "The request carries no credential."))
    }

    /// Tells the operator's log what keeps the door closed, as soon as that can be known: right after the start.
    pub(crate) async fn look(&self, app: &App) {
        let fault = match app.keys().find(self.key.expose_secret()).await {
            Ok(Some(access)) if access.tenant == self.tenant => {
                tracing::warn!(
                    tenant.id = %self.tenant,
                    "the dialect management serves requests that carry no credential: whoever reaches this gateway acts for the tenant"
                );
                return;
            }
            Ok(Some(_)) => Fault::OtherTenant,
            Ok(None) => Fault::Unknown,
            // The first request will tell.
            Err(_) => return,
        };
        tracing::error!(tenant.id = %self.tenant, "{}", fault.text());
    }
}

/// What keeps a door closed.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Unknown,
    OtherTenant,
}

impl Fault {
    fn text(self) -> &'static str {
        match self {
            Self::Unknown => {
                "the key of ROOKERY_MANAGEMENT_OPEN_KEY is unknown, revoked or expired: requests without a credential are refused"
            }
            Self::OtherTenant => {
                "the key of ROOKERY_MANAGEMENT_OPEN_KEY is not one of the tenant ROOKERY_MANAGEMENT_OPEN_TENANT: requests without a credential are refused"
            }
        }
    }
}

/// Whether a page of another site makes the request, as browsers say it: by `Sec-Fetch-Site` (Fetch Metadata), older ones by `Origin` (RFC 6454).
pub(super) fn is_of_another_site(headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    // `none`: a person typed the address.
    if text(&SEC_FETCH_SITE).is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return true;
    }
    let Some(origin) = text(&ORIGIN) else { return false };
    let host = text(&HOST).unwrap_or_default();
    let own = origin.split_once("://").map(|(_, authority)| authority);
    !own.is_some_and(|own| !own.is_empty() && own.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn refused(given: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("gateway.example:8080"));
        for (name, value) in given {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        is_of_another_site(&headers)
    }

    #[test]
    fn pages_of_other_sites_are_told_from_our_own_and_from_programs() {
        for given in [
            &[][..],
            &[("origin", "http://gateway.example:8080")],
            &[("sec-fetch-site", "none")],
            &[
                ("sec-fetch-site", "same-origin"),
                ("origin", "http://Gateway.example:8080"),
            ],
        ] {
            assert!(!refused(given), "{given:?}");
        }
        for given in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "http://gateway.example")],
            &[("origin", "null")],
            &[("origin", "http://")],
            &[("sec-fetch-site", "cross-site")],
            &[
                ("sec-fetch-site", "same-site"),
                ("origin", "http://gateway.example:8080"),
            ],
        ] {
            assert!(refused(given), "{given:?}");
        }
    }

    #[test]
    fn a_door_needs_a_tenant_and_an_api_key_and_never_the_operators() {
        let operator = api_key::generate();
        let tenant = Some(TenantId::generate());
        let door = |tenant: Option<TenantId>, key: Option<&str>| {
            let options = OpenDoorOptions {
                management_open_tenant: tenant,
                management_open_key: key.map(SecretString::from),
                management_open_key_file: None,
            };
            options.door(&operator)
        };
        let key = api_key::generate();
        let key = Some(key.expose_secret());
        assert!(door(None, None).unwrap().is_none());
        assert!(door(tenant, key).unwrap().is_some());
        for (tenant, key) in [
            (tenant, None),
            (None, key),
            (tenant, Some("no API key")),
            (tenant, Some(operator.expose_secret())),
        ] {
            let error = door(tenant, key).unwrap_err().to_string();
            assert!(error.contains("ROOKERY_MANAGEMENT_OPEN_KEY"), "{error}");
        }
    }
}
