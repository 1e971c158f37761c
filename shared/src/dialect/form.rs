//! A JSON value as a form in the URL's encoding (`application/x-www-form-urlencoded`), nested with brackets as the npm package `qs` writes it and as PHP
//! reads it into `$_POST`. Only writes; reading forms is the business of whoever receives them.

use std::fmt::Write as _;

use serde_json::Value;

/// The content type of what [`write()`] writes.
pub const CONTENT_TYPE: &str = "application/x-www-form-urlencoded";

/// Writes an object: `a=1&b[c]=x&d[0]=y`, names and brackets percent-encoded. `null` is an empty value; empty arrays and objects are not there at all,
/// as with `qs`.
#[must_use]
pub fn write(value: &Value) -> String {
    let mut form = String::new();
    write_at(&mut form, "", value);
    form
}

fn write_at(form: &mut String, name: &str, value: &Value) {
    let below = |part: &str| match name {
        "" => part.to_owned(),
        name => format!("{name}[{part}]"),
    };
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                write_at(form, &below(field), value);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                write_at(form, &below(&index.to_string()), value);
            }
        }
        Value::String(text) => pair(form, name, text),
        Value::Null => pair(form, name, ""),
        Value::Bool(_) | Value::Number(_) => pair(form, name, &value.to_string()),
    }
}

fn pair(form: &mut String, name: &str, value: &str) {
    if !form.is_empty() {
        form.push('&');
    }
    encode(form, name);
    form.push('=');
    encode(form, value);
}

/// Everything but the unreserved characters (RFC 3986 §2.3) as `%XX`; a space too.
fn encode(form: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            form.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(form, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_qs_writes_them() {
        for (value, form) in [
            (
                json!({"json": {"message": "CONNECTED"}, "sessao": "NOME DA SUA SESSAO", "tipo": "statusMudou"}),
                "json%5Bmessage%5D=CONNECTED&sessao=NOME%20DA%20SUA%20SESSAO&tipo=statusMudou",
            ),
            (
                json!({"a": ["x", {"b": 1}], "c": null, "d": true, "e": false}),
                "a%5B0%5D=x&a%5B1%5D%5Bb%5D=1&c=&d=true&e=false",
            ),
            (
                json!({"a": [["x", "y"], ["z"]]}),
                "a%5B0%5D%5B0%5D=x&a%5B0%5D%5B1%5D=y&a%5B1%5D%5B0%5D=z",
            ),
            (
                json!({"text": "Olá & até=já+1%\n\u{1F426}"}),
                "text=Ol%C3%A1%20%26%20at%C3%A9%3Dj%C3%A1%2B1%25%0A%F0%9F%90%A6",
            ),
            (json!({"keep": "-._~", "(p)": "!'*"}), "%28p%29=%21%27%2A&keep=-._~"),
            (
                json!({"number": -1.5, "large": 9_007_199_254_740_993_i64}),
                "large=9007199254740993&number=-1.5",
            ),
            (
                json!({"empty": "", "none": [], "nothing": {}, "deep": {"none": []}}),
                "empty=",
            ),
            (json!({"a b": {"c[d": 1}}), "a%20b%5Bc%5Bd%5D=1"),
            (json!({}), ""),
        ] {
            // The order of fields is the map's own and says nothing.
            let sorted = |form: &str| {
                let mut pairs: Vec<String> = form.split('&').map(str::to_owned).collect();
                pairs.sort_unstable();
                pairs
            };
            assert_eq!(sorted(&write(&value)), sorted(form), "{value}");
        }
    }
}
