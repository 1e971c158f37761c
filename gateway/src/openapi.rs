//! The OpenAPI document: collected from the routes, completed here with what every route has in common.
//!
//! A handler names the codes that are its own (`x-problems`); those that any route of its kind can answer with are added, and each code appears
//! under the status that [`Code::status`] gives it. So the document cannot drift from what the gateway answers.

use std::collections::BTreeMap;

use shared::problem::Code;
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, OpenApi, PathItem, Ref, RefOr, Required, Response, ResponseBuilder, SecurityRequirement,
};

use crate::http::parameters;
use crate::problem::{self, FieldError, ProblemBody};

/// The extension that lists an operation's codes.
const PROBLEMS: &str = "x-problems";
/// The tags of routes that belong to the operator, who names no tenant with them.
const OPERATOR_TAGS: [&str; 5] = ["tenants", "users", "api-keys", "login", "cluster"];

/// The header that makes a request repeatable.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IdempotencyHeader {
    /// Makes the request repeatable: the same key with the same body has one effect and gets one answer, for two days. 1 to 255 visible ASCII
    /// characters.
    #[param(
        rename = "idempotency-key",
        required = false,
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]+$",
        example = "order-4711"
    )]
    #[expect(dead_code, reason = "documentation; the value is read with the body")]
    idempotency_key: Option<String>,
}

/// The header that asks for patience.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
pub struct PreferHeader {
    /// `wait=N`: wait up to N seconds, at most 30, for the outcome.
    #[param(rename = "prefer", required = false, example = "wait=5")]
    #[expect(dead_code, reason = "documentation; the value is read by its extractor")]
    prefer: Option<String>,
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Rookery",
        description = "A horizontally scaled WhatsApp gateway. Every failure is a problem (RFC 9457) with a stable `code`; \
                       [this page](/docs/problems) explains each of them."
    ),
    components(schemas(ProblemBody<'static>, FieldError)),
    tags(
        (name = "sessions", description = "WhatsApp accounts linked as companion devices."),
        (name = "messages", description = "Sending and reading messages."),
        (name = "chats", description = "Conversations: lists, marks, reading, history."),
        (name = "media", description = "Files in messages: uploading, describing, downloading."),
        (name = "contacts", description = "People, as a session knows them and as WhatsApp shows them."),
        (name = "profile", description = "What the account shows of itself, and to whom."),
        (name = "labels", description = "What WhatsApp's business apps put on chats."),
        (name = "calls", description = "Who called."),
        (name = "groups", description = "Groups: members, settings, invitations, requests to join."),
        (name = "communities", description = "Communities and the groups in them."),
        (name = "newsletters", description = "Newsletters (channels): followed, made, posted in by sending messages to them."),
        (name = "statuses", description = "Status posts (stories): own ones and those of others."),
        (name = "commands", description = "Outcomes of what was asked of a session."),
        (name = "webhooks", description = "Where events are delivered, and operating the deliveries."),
        (name = "events", description = "Facts about sessions, as a list or followed live."),
        (name = "tenants", description = "The operator's customers. Operator's key only."),
        (name = "users", description = "People of a tenant who log in. Operator's key only."),
        (name = "login", description = "Logging in with email and password: a token that works like an API key."),
        (name = "cluster", description = "The workers of this region and what they hold. Operator's key only."),
        (name = "api-keys", description = "The keys of tenants. Operator's key only."),
        (name = "operations", description = "Health and metrics of this process.")
    )
)]
struct Skeleton;

/// The document before any route is added.
#[must_use]
pub fn skeleton() -> OpenApi {
    let mut document = Skeleton::openapi();
    if let Some(components) = &mut document.components {
        components.add_security_scheme(
            "bearer",
            SecurityScheme::Http(
                HttpBuilder::new()
                    .scheme(HttpAuthScheme::Bearer)
                    .description(Some(
                        "An API key, or the token of a login: `Authorization: Bearer KEY`.",
                    ))
                    .build(),
            ),
        );
        components.add_security_scheme(
            "api_key",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
                "X-Api-Key",
                "The same API key in a header of its own.",
            ))),
        );
    }
    let either = ["bearer", "api_key"].map(|scheme| SecurityRequirement::new(scheme, Vec::<String>::new()));
    document.security = Some(either.to_vec());
    document
}

/// Adds what every route has in common.
pub fn complete(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            if !is_public(operation) {
                complete_operation(operation);
            }
        }
    }
}

/// Every operation of a path.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.post,
        &mut item.put,
        &mut item.patch,
        &mut item.delete,
    ]
    .into_iter()
    .flatten()
}

/// Whether an operation is for everybody: it needs no key, which it says with an empty requirement of its own, and answers no problems.
fn is_public(operation: &Operation) -> bool {
    operation.security.is_some() && operation.request_body.is_none()
}

fn complete_operation(operation: &mut Operation) {
    let of_tenant = !operation
        .tags
        .iter()
        .flatten()
        .any(|tag| OPERATOR_TAGS.contains(&tag.as_str()));
    if of_tenant {
        operation
            .parameters
            .get_or_insert_default()
            .push(tenant_parameter().into());
    }
    let codes = codes(operation, of_tenant);
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in &codes {
        by_status.entry(code.status()).or_default().push(*code);
    }
    for (status, codes) in by_status {
        operation
            .responses
            .responses
            .insert(status.to_string(), RefOr::T(problem_response(&codes)));
    }
    let words: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    operation
        .extensions
        .get_or_insert_default()
        .insert(PROBLEMS.to_owned(), serde_json::json!(words));
}

/// Every code with which an operation can answer.
fn codes(operation: &Operation, of_tenant: bool) -> Vec<Code> {
    let mut codes = vec![
        Code::Unauthorized,
        Code::Forbidden,
        Code::ValidationFailed,
        Code::Overloaded,
        Code::Unavailable,
        Code::Timeout,
        Code::Internal,
    ];
    if of_tenant {
        codes.extend([Code::TenantSuspended, Code::TenantNotFound, Code::RateLimited]);
    }
    if operation.request_body.is_some() {
        codes.extend([Code::MalformedBody, Code::BodyTooLarge, Code::UnsupportedMediaType]);
    }
    if has_parameter(operation, "idempotency-key") {
        codes.extend([Code::IdempotencyConflict, Code::IdempotencyInProgress]);
    }
    let own = operation
        .extensions
        .as_ref()
        .and_then(|extensions| extensions.get(PROBLEMS)?.as_array().cloned())
        .unwrap_or_default();
    codes.extend(own.iter().filter_map(|word| word.as_str()?.parse::<Code>().ok()));
    codes.sort_by_key(|code| (code.status(), code.as_str()));
    codes.dedup();
    codes
}

fn has_parameter(operation: &Operation, name: &str) -> bool {
    operation.parameters.iter().flatten().any(|parameter| match parameter {
        RefOr::T(parameter) => parameter.name == name,
        RefOr::Ref(_) => false,
    })
}

fn tenant_parameter() -> Parameter {
    utoipa::openapi::path::ParameterBuilder::new()
        .name(parameters::TENANT)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(
            "Whose data it is about. Required with the operator's key, refused with a tenant's.",
        ))
        .schema(Some(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .pattern(Some("^ten_[0-9a-v]{26}$")),
        ))
        .build()
}

fn problem_response(codes: &[Code]) -> Response {
    let description: Vec<String> = codes
        .iter()
        .map(|code| format!("[`{code}`]({}#{code}): {}.", problem::DOCUMENTATION, code.title()))
        .collect();
    ResponseBuilder::new()
        .description(description.join(" "))
        .content(
            problem::CONTENT_TYPE,
            ContentBuilder::new()
                .schema(Some(Ref::from_schema_name("Problem")))
                .build(),
        )
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> OpenApi {
        crate::documented_routes(|routes| routes).split_for_parts().1
    }

    fn json() -> serde_json::Value {
        let mut document = document();
        complete(&mut document);
        serde_json::to_value(document).unwrap()
    }

    fn each_operation(document: &serde_json::Value) -> Vec<(String, serde_json::Value)> {
        let mut all = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                all.push((format!("{method} {path}"), operation.clone()));
            }
        }
        all
    }

    #[test]
    fn every_route_needs_a_key_except_the_public_ones() {
        let document = json();
        assert_eq!(
            document["security"],
            serde_json::json!([{"bearer": []}, {"api_key": []}])
        );
        for (name, operation) in each_operation(&document) {
            let public = ["get /healthz", "get /readyz", "get /metrics"].contains(&name.as_str());
            assert_eq!(
                operation.get("security").is_some(),
                public || name == "post /v1/login",
                "{name}"
            );
            assert_eq!(operation["responses"].get("401").is_none(), public, "{name}");
        }
    }

    #[test]
    fn every_route_says_what_it_is_and_how_it_fails() {
        for (name, operation) in each_operation(&json()) {
            assert!(
                operation["summary"].as_str().is_some_and(|text| !text.is_empty()),
                "{name}"
            );
            let responses = operation["responses"].as_object().unwrap();
            let succeeds = |status: &String| status.starts_with(['1', '2', '3']);
            assert!(responses.keys().any(succeeds), "{name}");
            if !name.contains("/v1/") {
                continue;
            }
            assert!(responses.contains_key("503"), "{name}");
            for id in [
                "session_id",
                "webhook_id",
                "message_id",
                "command_id",
                "delivery_id",
                "status_id",
                "user_id",
            ] {
                if name.contains(&format!("{{{id}}}")) {
                    let not_found = responses["404"]["description"].as_str().unwrap();
                    assert!(
                        not_found.contains(&id.replace("_id", "_not_found")),
                        "{name}: {not_found}"
                    );
                }
            }
            // A login is another one each time, and once logged out is logged out.
            let idempotent = operation["parameters"].to_string().contains("idempotency-key")
                || ["post /v1/login", "post /v1/logout"].contains(&name.as_str());
            assert!(idempotent || !name.starts_with("post "), "{name}");
        }
    }

    #[test]
    fn every_code_that_a_handler_names_exists() {
        let document = document();
        for item in document.paths.paths.values() {
            for operation in [&item.get, &item.post, &item.patch, &item.delete].into_iter().flatten() {
                let own = operation
                    .extensions
                    .as_ref()
                    .and_then(|extensions| extensions.get(PROBLEMS)?.as_array().cloned())
                    .unwrap_or_default();
                for word in own {
                    assert!(word.as_str().unwrap().parse::<Code>().is_ok(), "{word}");
                }
            }
        }
    }
}
