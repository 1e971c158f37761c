//! The query string of lists. Unknown parameters are refused like unknown fields, each failure names its parameter.
//!
//! `tenant_id` belongs to every route and is read by [`crate::auth`]; it is not part of a list's own parameters.

use axum::extract::FromRequestParts;
use http::Uri;
use http::request::Parts;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::problem::Problem;

/// The parameter with which the operator's key names a tenant.
pub const TENANT: &str = "tenant_id";

/// A list's parameters.
#[derive(Debug)]
pub struct Parameters<T>(pub T);

/// Every parameter with its value, in order.
pub fn pairs(uri: &Uri) -> impl Iterator<Item = (String, String)> + '_ {
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned()
}

/// Reads parameters into `T`.
///
/// # Errors
/// A problem that names the parameter at fault.
pub fn parse<T: DeserializeOwned>(pairs: impl Iterator<Item = (String, String)>) -> Result<T, Problem> {
    let query: String = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let deserializer = serde_html_form::Deserializer::from_bytes(query.as_bytes());
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let path = error.path().to_string();
        super::body::field_problem(&path, &error.into_inner().to_string())
    })
}

impl<T, S> FromRequestParts<S> for Parameters<T>
where
    T: DeserializeOwned,
    S: Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parse(pairs(&parts.uri).filter(|(name, _)| name != TENANT)).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::http::page::Limit;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Listing {
        #[serde(default)]
        limit: Limit,
        #[serde(default)]
        status: Vec<String>,
        from_me: Option<bool>,
    }

    fn read(query: &str) -> Result<Listing, Problem> {
        let uri: Uri = format!("/v1/things?{query}").parse().unwrap();
        parse(pairs(&uri).filter(|(name, _)| name != TENANT))
    }

    #[test]
    fn parameters_are_read_with_their_types() {
        let listing = read("limit=7&status=a&status=b%20c&from_me=true&tenant_id=ten_x").unwrap();
        assert_eq!(listing.limit.rows(), 8);
        assert_eq!(listing.status, ["a", "b c"]);
        assert_eq!(listing.from_me, Some(true));
        assert_eq!(read("").unwrap().limit, Limit::default());
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=many", "limit"),
            ("from_me=maybe", "from_me"),
            ("colour=red", "colour"),
        ] {
            let problem = read(query).unwrap_err();
            assert_eq!(problem.errors()[0].field, field, "{query}: {problem:?}");
        }
    }
}
