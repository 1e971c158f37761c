//! The documentations of the older APIs, whose printed examples are run as they stand. They are not part of this repository, because others wrote them:
//! `ROOKERY_SEEDS` names their folder, which is otherwise looked for beside the checkout.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use harness::repository;
use serde_json::Value;

/// Where they are; `None`: not on this machine.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("ROOKERY_SEEDS").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| repository::root().join("../shared/seeds"));
    folder.join("crm.md").is_file().then_some(folder)
}

/// The examples of one language that a dialect's documentation prints, in its order.
///
/// # Errors
/// When the documentation cannot be read.
pub fn examples(dialect: &str, language: &str) -> anyhow::Result<Vec<String>> {
    let folder = folder().context("the documentations are not here")?;
    let text = std::fs::read(folder.join(format!("{dialect}.md")))?;
    // Some of their letters are broken; the examples' are not.
    let text = String::from_utf8_lossy(&text).into_owned();
    let start = format!("```{language}\n");
    let blocks = text.split(&start).skip(1).filter_map(|rest| rest.split("\n```").next());
    Ok(blocks.map(str::to_owned).collect())
}

/// A request as the documentations write them: a line with method and path, headers, and a body behind an empty line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrintedRequest {
    /// The method.
    pub method: String,
    /// The path, as printed.
    pub path: String,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body; for a form with files the lines `name: value`.
    pub body: String,
}

impl PrintedRequest {
    /// Reads an example; `None`: it is no request but something for a shell.
    #[must_use]
    pub fn of(example: &str) -> Option<Self> {
        let mut lines = example.lines().skip_while(|line| line.starts_with('#'));
        let (method, path) = lines.next()?.split_once(' ')?;
        let known = ["GET", "POST", "PUT", "DELETE"];
        if !known.contains(&method) || !path.starts_with('/') {
            return None;
        }
        let mut headers = Vec::new();
        let mut body = Vec::new();
        let mut in_body = false;
        for line in lines {
            if in_body {
                body.push(line);
            } else if line.is_empty() || line == "Body:" {
                in_body = !body.is_empty() || line == "Body:" || !headers.is_empty();
            } else if let Some((name, value)) = line.split_once(": ") {
                headers.push((name.trim().to_owned(), without_remark(value).to_owned()));
            }
        }
        let body: Vec<&str> = body
            .into_iter()
            .filter(|line| *line != "Body:")
            .map(without_remark)
            .collect();
        Some(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers,
            body: body.join("\n").trim().to_owned(),
        })
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        Some(&headers.find(|(known, _)| known.eq_ignore_ascii_case(name))?.1)
    }

    /// The JSON of the body.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("no JSON: {}", self.body))
    }

    /// The lines of a form.
    ///
    /// # Errors
    /// When a line is none.
    pub fn form(&self) -> anyhow::Result<Vec<(String, String)>> {
        let line = |line: &str| {
            let (name, value) = line.split_once(": ").with_context(|| format!("no field: {line}"))?;
            anyhow::Ok((name.to_owned(), value.to_owned()))
        };
        let fields: Vec<_> = self.body.lines().map(line).collect::<anyhow::Result<_>>()?;
        ensure!(!fields.is_empty(), "a form without fields");
        Ok(fields)
    }
}

/// What stands before a remark for the reader, `  # …` or `// …`.
fn without_remark(line: &str) -> &str {
    let end = line.find(" #").or_else(|| line.find(" // ")).unwrap_or(line.len());
    line[..end].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_the_documentations_write_them() {
        let json =
            PrintedRequest::of("# Remark\nPOST /a/b\nContent-Type: application/json\n\n{\n  \"c\": \"https://d/e\"\n}")
                .unwrap();
        assert_eq!((json.method.as_str(), json.path.as_str()), ("POST", "/a/b"));
        assert_eq!(json.header("content-type"), Some("application/json"));
        assert_eq!(json.json().unwrap(), serde_json::json!({ "c": "https://d/e" }));

        let remarks = PrintedRequest::of("POST /a\nHeaders:\n  X-Key: K\n  X-Flag: true  # if you like\nContent-Type: application/json\n\nBody:\n{\n  \"b\": true  # or not\n}").unwrap();
        assert_eq!(remarks.header("X-Flag"), Some("true"));
        assert_eq!(remarks.json().unwrap(), serde_json::json!({ "b": true }));

        let form =
            PrintedRequest::of("POST /a\nContent-Type: multipart/form-data\n\nb: c d\nfile: [f] // or g").unwrap();
        assert_eq!(
            form.form().unwrap(),
            [("b".into(), "c d".into()), ("file".into(), "[f]".into())]
        );

        assert_eq!(PrintedRequest::of("GET /a/{b}").unwrap().body, "");
        assert_eq!(PrintedRequest::of("docker compose up -d"), None);
        assert_eq!(PrintedRequest::of("Headers:\n  X-Flag: true"), None);
    }
}
