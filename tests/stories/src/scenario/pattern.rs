//! How an answer is compared with what a scenario expects of it.
//!
//! Everything must be equal, field for field, but for these: `<string>`, `<number>`, `<bool>`, `<array>`, `<object>`, `<null or string>`, `<any>` stand
//! for any such value, `<png>` for a PNG as a `data:` URL. An object with the field `...` may have more fields; an array that begins with `...` may have
//! more entries, in any order. `{name}` stands for what an earlier step has kept.

use std::collections::BTreeMap;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// What earlier steps have kept.
pub type Variables = BTreeMap<String, String>;

/// The mark of an open object or array.
const OPEN: &str = "...";

/// A text with `{name}`s filled in.
#[must_use]
pub fn filled_text(text: &str, variables: &Variables) -> String {
    let mut text = text.to_owned();
    for (name, value) in variables {
        text = text.replace(&format!("{{{name}}}"), value);
    }
    text
}

/// A value with every `{name}` in its texts filled in.
#[must_use]
pub fn filled(value: &Value, variables: &Variables) -> Value {
    match value {
        Value::String(text) => Value::String(filled_text(text, variables)),
        Value::Array(items) => items.iter().map(|item| filled(item, variables)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (filled_text(name, variables), filled(value, variables)))
            .collect(),
        other => other.clone(),
    }
}

/// Keeps parts of an answer: names and JSON pointers.
///
/// # Errors
/// When the answer has no such part.
pub fn keep(wanted: &BTreeMap<String, String>, answer: &Value, variables: &mut Variables) -> anyhow::Result<()> {
    for (name, pointer) in wanted {
        let value = answer
            .pointer(pointer)
            .with_context(|| format!("nothing at {pointer} in {answer}"))?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        variables.insert(name.clone(), text);
    }
    Ok(())
}

/// Whether an answer is as expected.
///
/// # Errors
/// The first difference, with its place.
pub fn compare(wanted: &Value, found: &Value) -> Result<(), String> {
    compare_at("", wanted, found)
}

fn compare_at(place: &str, wanted: &Value, found: &Value) -> Result<(), String> {
    let differs = || Err(format!("at '{place}': expected {wanted}, found {found}"));
    match (wanted, found) {
        (Value::String(text), _) if text.starts_with('<') && text.ends_with('>') => match is_a(text, found) {
            true => Ok(()),
            false => differs(),
        },
        (Value::Object(wanted), Value::Object(found)) => {
            for (name, value) in wanted.iter().filter(|(name, _)| *name != OPEN) {
                let Some(found) = found.get(name) else {
                    return Err(format!("at '{place}': there is no {name} in {found:?}"));
                };
                compare_at(&format!("{place}/{name}"), value, found)?;
            }
            let more = found.keys().find(|name| !wanted.contains_key(*name));
            match more {
                Some(name) if !wanted.contains_key(OPEN) => Err(format!("at '{place}': unexpected {name}")),
                _ => Ok(()),
            }
        }
        (Value::Array(wanted), Value::Array(found)) => {
            if wanted.first().is_some_and(|first| first == OPEN) {
                for wanted in &wanted[1..] {
                    if !found.iter().any(|found| compare(wanted, found).is_ok()) {
                        return Err(format!("at '{place}': there is no {wanted} in {found:?}"));
                    }
                }
                return Ok(());
            }
            if wanted.len() != found.len() {
                return differs();
            }
            for (index, (wanted, found)) in wanted.iter().zip(found).enumerate() {
                compare_at(&format!("{place}/{index}"), wanted, found)?;
            }
            Ok(())
        }
        _ if wanted == found => Ok(()),
        _ => differs(),
    }
}

fn is_a(kind: &str, found: &Value) -> bool {
    match kind {
        "<any>" => true,
        "<string>" => found.as_str().is_some_and(|text| !text.is_empty()),
        "<null or string>" => found.is_null() || found.is_string(),
        "<number>" => found.is_number(),
        "<bool>" => found.is_boolean(),
        "<array>" => found.is_array(),
        "<object>" => found.is_object(),
        "<png>" => found
            .as_str()
            .and_then(|text| text.strip_prefix("data:image/png;base64,"))
            .and_then(|text| STANDARD.decode(text).ok())
            .is_some_and(|bytes| bytes.starts_with(b"\x89PNG\r\n\x1a\n")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_equal_but_for_what_is_left_open() {
        let found = json!({"id": 7, "name": "Juan", "tags": ["a", "b"], "at": "2026"});
        for wanted in [
            json!({"id": "<number>", "name": "Juan", "tags": ["a", "b"], "at": "<string>"}),
            json!({"...": true, "tags": ["...", "b"]}),
            json!("<object>"),
        ] {
            assert_eq!(compare(&wanted, &found), Ok(()));
        }
        for (wanted, place) in [
            (json!({"id": 7}), "unexpected"),
            (json!({"...": true, "name": "Ana"}), "/name"),
            (json!({"...": true, "tags": ["b", "a"]}), "/tags/0"),
            (json!({"...": true, "tags": ["...", "c"]}), "/tags"),
            (json!({"...": true, "id": "<string>"}), "/id"),
            (json!({"...": true, "none": 1}), "none"),
        ] {
            assert!(compare(&wanted, &found).unwrap_err().contains(place), "{wanted}");
        }
    }
}
