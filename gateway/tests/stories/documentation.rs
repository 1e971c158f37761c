//! What a gateway serves of itself without a key.

use crate::gateway::World;

#[tokio::test]
async fn health_readiness_metrics_and_documentation_need_no_key() {
    let world = World::new().await;
    let stranger = world.gateway.stranger();
    assert_eq!(stranger.get("/healthz").await.expect(200).bytes, b"ok\n");
    let ready = stranger.get("/readyz").await.expect(200);
    assert_eq!(ready.json["ready"], true);
    assert_eq!(ready.json["checks"]["postgres"], true);
    assert_eq!(
        ready.json["checks"]["nats"], false,
        "a gateway is ready without its broker"
    );
    stranger.get("/metrics").await.expect(200);

    let document = stranger.get("/openapi.json").await.expect(200);
    assert_eq!(document.json["info"]["title"], "Rookery");
    assert!(document.json["components"]["schemas"]["Problem"].is_object());
    stranger.get("/docs").await.expect(303);
    let page = stranger.get("/docs/").await.expect(200);
    assert!(String::from_utf8_lossy(&page.bytes).contains("swagger"));
    stranger.get("/docs/swagger-ui-bundle.js").await.expect(200);
}

#[tokio::test]
async fn every_problems_type_leads_to_its_paragraph() {
    let world = World::new().await;
    let stranger = world.gateway.stranger();
    let problem = stranger.get("/v1/sessions").await.expect_problem("unauthorized");
    let kind = problem.text("/type");
    let (page, anchor) = kind.split_once('#').unwrap();
    let page = stranger.get(page).await.expect(200);
    let text = String::from_utf8_lossy(&page.bytes);
    assert!(text.contains(&format!("id=\"{anchor}\"")));
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
}

/// References inside the document must lead somewhere, or generated clients do not compile.
#[tokio::test]
async fn every_reference_in_the_document_resolves() {
    let world = World::new().await;
    let document = world.gateway.stranger().get("/openapi.json").await.expect(200).json;
    let mut open = vec![&document];
    let mut references = 0;
    while let Some(value) = open.pop() {
        match value {
            serde_json::Value::Object(map) => {
                if let Some(reference) = map.get("$ref").and_then(|reference| reference.as_str()) {
                    let pointer = reference.trim_start_matches('#');
                    assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                    references += 1;
                }
                open.extend(map.values());
            }
            serde_json::Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    assert!(references > 50);
}

#[tokio::test]
async fn the_panel_loads_nothing_from_elsewhere_and_finds_its_files() {
    let world = World::new().await;
    let stranger = world.gateway.stranger();
    let page = stranger.get("/panel").await.expect(200);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let html = String::from_utf8_lossy(&page.bytes).into_owned();
    assert!(!html.contains("://"), "something is loaded from elsewhere");

    let script = stranger.get("/panel/main.js").await.expect(200);
    assert!(
        script.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/javascript")
    );
    // Every file that a page or a script names is there, under the same policy.
    let mut names = vec![];
    for text in [html, String::from_utf8_lossy(&script.bytes).into_owned()] {
        names.extend(files_named_in(&text));
    }
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        let file = stranger.get(&format!("/panel/{name}")).await.expect(200);
        assert_eq!(file.headers["content-security-policy"], policy, "{name}");
    }
}

/// The names after `/panel/` and `./` in quotes.
fn files_named_in(text: &str) -> Vec<String> {
    let quoted = text.split('"').skip(1).step_by(2);
    let name = |quoted: &str| {
        let name = quoted.strip_prefix("/panel/").or_else(|| quoted.strip_prefix("./"))?;
        Some(name.to_owned())
    };
    quoted.filter_map(name).collect()
}

/// The document is part of the repository, so that every change of the API shows in its diff. `UPDATE_GOLDEN=1` writes it.
#[tokio::test]
async fn the_committed_document_is_the_one_that_is_served() {
    let world = World::new().await;
    let served = world.gateway.stranger().get("/openapi.json").await.expect(200).json;
    let text = format!("{}\n", serde_json::to_string_pretty(&served).unwrap());
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "gateway/openapi.json is not what the gateway serves: UPDATE_GOLDEN=1 cargo test -p gateway --test stories committed"
    );
}
