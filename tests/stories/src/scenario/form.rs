//! A form in the URL's encoding as the JSON that it was made of, the way PHP reads it: names in brackets nest, and every value is a text.

use serde_json::{Map, Value};
use url::form_urlencoded;

/// Reads a form: `a[b]=x&c[0]=y` is `{"a": {"b": "x"}, "c": ["y"]}`.
#[must_use]
pub fn read(form: &str) -> Value {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(form.as_bytes()) {
        let (first, rest) = name.split_once('[').unwrap_or((&name, ""));
        let mut path = vec![first];
        path.extend(
            rest.strip_suffix(']')
                .unwrap_or(rest)
                .split("][")
                .filter(|_| !rest.is_empty()),
        );
        insert(&mut fields, &path, value.into_owned());
    }
    with_arrays(Value::Object(fields))
}

fn insert(fields: &mut Map<String, Value>, path: &[&str], value: String) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        fields.insert((*first).to_owned(), Value::String(value));
        return;
    }
    let below = fields
        .entry((*first).to_owned())
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(below) = below {
        insert(below, rest, value);
    }
}

/// Objects whose fields are 0, 1, 2, … are arrays.
fn with_arrays(value: Value) -> Value {
    let Value::Object(fields) = value else { return value };
    let mut fields: Map<String, Value> = fields
        .into_iter()
        .map(|(name, value)| (name, with_arrays(value)))
        .collect();
    let indices: Vec<String> = (0..fields.len()).map(|index| index.to_string()).collect();
    if fields.is_empty() || !indices.iter().all(|index| fields.contains_key(index)) {
        return Value::Object(fields);
    }
    indices.iter().filter_map(|index| fields.remove(index)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_written_as_a_form_is_read_back() {
        assert_eq!(
            read("tipo=statusMudou&sessao=MINHA%20LOJA&json%5Bmessage%5D=CONNECTED"),
            json!({"tipo": "statusMudou", "sessao": "MINHA LOJA", "json": {"message": "CONNECTED"}})
        );
        assert_eq!(
            read("a[0]=x&a[1][b]=1&c=&d[k][10]=y&t=%2B+%26"),
            json!({"a": ["x", {"b": "1"}], "c": "", "d": {"k": {"10": "y"}}, "t": "+ &"})
        );
        assert_eq!(read(""), json!({}));
        let value = json!({"a": [{"b": "ç"}, "x"], "c": {"d e": ""}});
        assert_eq!(read(&shared::dialect::form::write(&value)), value);
    }
}
