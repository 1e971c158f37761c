//! Calling a gateway's router as a client would.

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

/// A client with its API key.
#[derive(Clone)]
pub(crate) struct Client {
    router: Router,
    key: Option<String>,
    /// Appended to every path: `tenant_id` for the operator.
    query: Option<String>,
}

/// A request that is being written.
pub(crate) struct Call {
    router: Router,
    request: http::request::Builder,
    body: Body,
}

/// What was answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
    pub(crate) json: Value,
}

impl Client {
    pub(crate) fn new(router: Router, key: Option<&str>) -> Self {
        Self {
            router,
            key: key.map(str::to_owned),
            query: None,
        }
    }

    /// The same client with another key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            query: None,
            ..self.clone()
        }
    }

    /// The operator on behalf of a tenant.
    pub(crate) fn for_tenant(&self, tenant: &str) -> Self {
        Self {
            query: Some(format!("tenant_id={tenant}")),
            ..self.clone()
        }
    }

    /// The key.
    pub(crate) fn key(&self) -> &str {
        self.key.as_deref().unwrap_or_default()
    }

    pub(crate) fn call(&self, method: &str, path: &str) -> Call {
        let path = match &self.query {
            Some(query) if path.contains('?') => format!("{path}&{query}"),
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        let method: Method = method.parse().unwrap();
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        Call {
            router: self.router.clone(),
            request,
            body: Body::empty(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path).send().await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path).send().await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path).json(&body).send().await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call("PATCH", path).json(&body).send().await
    }
}

impl Call {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.request = self.request.header(name, HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").raw(body.to_string())
    }

    pub(crate) fn raw(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the request and reads the whole answer.
    pub(crate) async fn send(self) -> Answer {
        let (status, headers, body) = self.open().await;
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        let json = serde_json::from_slice(&bytes).unwrap_or_default();
        Answer {
            status,
            headers,
            bytes,
            json,
        }
    }

    /// Sends the request and leaves the answer's body to be read.
    pub(crate) async fn open(self) -> (StatusCode, HeaderMap, Body) {
        let request = self.request.body(self.body).unwrap();
        let (parts, body) = self.router.oneshot(request).await.unwrap().into_parts();
        (parts.status, parts.headers, body)
    }
}

impl Answer {
    /// The text of a field.
    pub(crate) fn text(&self, pointer: &str) -> String {
        match self.json.pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            other => panic!("{pointer} is {other:?} in {}", self.json),
        }
    }

    /// Requires a status.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.bytes));
        self
    }

    /// Requires a problem, complete as it is promised.
    pub(crate) fn expect_problem(self, code: &str) -> Self {
        assert_eq!(self.json["code"], code, "{}", String::from_utf8_lossy(&self.bytes));
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.json["status"], self.status.as_u16());
        assert_eq!(self.json["type"], format!("/docs/problems#{code}"));
        assert_eq!(self.headers["x-request-id"], self.text("/request_id").as_str());
        for field in ["title", "detail"] {
            assert!(!self.text(&format!("/{field}")).is_empty(), "{field} of {code}");
        }
        let invites = matches!(self.status.as_u16(), 429 | 503) || code == "idempotency_in_progress";
        assert!(
            !invites || self.headers.contains_key("retry-after"),
            "{code} without Retry-After"
        );
        self
    }
}
