//! What is taken and what is refused.

use super::*;
use crate::http::body::parse;

fn problem(body: &str) -> Problem {
    match parse(body.as_bytes()) {
        Ok(request) => check(request).unwrap_err(),
        Err(problem) => problem,
    }
}

#[test]
fn a_message_is_read_as_the_cloud_api_writes_it() {
    let body = r#"{"to":"+1 555 000 1001","type":"text","text":{"body":"Hello","preview_url":false},"ephemeral":0,
                   "mentions":["15550001002"]}"#;
    let draft = check(parse(body.as_bytes()).unwrap()).unwrap();
    assert_eq!(draft.to, Some(Address::Phone("15550001001".into())));
    assert_eq!(draft.mentions, [Address::Phone("15550001002".into())]);
}

#[test]
fn every_wrong_field_is_named() {
    let long = format!(
        r#"{{"to":"15550001001","type":"text","text":{{"body":"{}"}}}}"#,
        "x".repeat(65_537)
    );
    for (body, fields) in [
        (
            r#"{"to":"nobody","type":"text","text":{"body":""}}"#,
            vec!["to", "text.body"],
        ),
        (r#"{"to":"15550001001","type":"text"}"#, vec!["text"]),
        (
            r#"{"to":"15550001001","type":"text","text":{"body":"a\u0000b"}}"#,
            vec!["text.body"],
        ),
        (
            r#"{"to":"15550001001","type":"song","text":{"body":"a"}}"#,
            vec!["type"],
        ),
        (
            r#"{"to":"15550001001","type":"text","text":{"body":"a"},"ephemeral":60}"#,
            vec!["ephemeral"],
        ),
        (
            r#"{"to":"15550001001","type":"text","text":{"body":"a"},"mentions":["1@g.us"]}"#,
            vec!["mentions[0]"],
        ),
        (
            r#"{"to":"15550001001","type":"text","text":{"body":"a"},"context":{"message_id":"x"}}"#,
            vec!["context.message_id"],
        ),
        (r#"{"to":15550001001,"type":"text","text":{"body":"a"}}"#, vec!["to"]),
        (long.as_str(), vec!["text.body"]),
    ] {
        let problem = problem(body);
        let named: Vec<&str> = problem.errors().iter().map(|error| error.field.as_str()).collect();
        assert_eq!(named, fields, "{problem:?}");
    }
}
