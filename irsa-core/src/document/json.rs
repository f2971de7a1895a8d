//! Strict JSON: a duplicate key in an object is an error, not a silent loss.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result};

/// Reads JSON text; serde_json bounds the depth at 128.
pub(crate) fn parse_strict(field: &'static str, text: &str) -> Result<Value> {
    parse_named(field, text).map_err(|error| error.with_context("field", field))
}

/// Reads JSON text that errors call by a name, such as that of its file.
pub(crate) fn parse_named(name: &str, text: &str) -> Result<Value> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| malformed(name, text, &error))
}

/// Why a text cannot be read, with line and column once.
pub(crate) fn malformed(name: &str, text: &str, error: &serde_json::Error) -> Error {
    let (line, column) = (error.line(), error.column());
    let what = if error.is_data() { "cannot be read" } else { "is not valid JSON" };
    let cause = error.to_string();
    let cause = cause.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&cause);
    let cause = match cause.strip_prefix("duplicate field `").and_then(|field| field.strip_suffix('`')) {
        _ if text.trim().is_empty() => "it is empty".to_owned(),
        Some(field) => duplicate(field),
        None => cause.to_owned(),
    };
    let malformed =
        Error::new(ErrorKind::InvalidInput, format!("{name} {what} at line {line}, column {column}")).with_cause(cause);
    if !error.is_data() && looks_like_yaml(text) {
        return malformed.with_hint("this looks like YAML: convert it to JSON first, for example with `yq -o json`");
    }
    malformed
}

/// How it is said that a key is given twice in an object.
pub(crate) fn duplicate(key: &str) -> String {
    format!("duplicate key {key:?}")
}

/// Whether a text that is not JSON begins as YAML does.
fn looks_like_yaml(text: &str) -> bool {
    let lines = text.lines().map(str::trim_end);
    let Some(line) = lines.into_iter().find(|line| !line.is_empty() && !line.starts_with('#')) else { return false };
    let is_key = |key: &str| {
        !key.is_empty()
            && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-\"' ".contains(c))
            && !key.starts_with('"')
    };
    line == "---"
        || line.starts_with("- ")
        || line.split_once(':').is_some_and(|(key, value)| is_key(key) && (value.is_empty() || value.starts_with(' ')))
}

/// The JSON of a text as tools give it: without byte order mark; decoded where it is URL-encoded, as IAM answers documents
/// (IAM API reference, `GetRole`: RFC 3986, where `+` is itself); out of a JSON string, where it is in one.
pub(crate) fn unwrapped(text: &str) -> Cow<'_, str> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if text.trim_start().starts_with('"')
        && let Ok(inside) = serde_json::from_str::<String>(text)
    {
        return Cow::Owned(decoded(&inside).into_owned());
    }
    decoded(text)
}

/// No JSON begins with `%`; a document that begins with white space is encoded with it.
pub(crate) fn decoded(text: &str) -> Cow<'_, str> {
    match text.trim_start().starts_with('%') {
        true => Cow::Owned(percent_decode_str(text.trim()).decode_utf8_lossy().into_owned()),
        false => Cow::Borrowed(text),
    }
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(Self)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(duplicate(&key)));
            }
            object.insert(key, map.next_value_seed(Self)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (String, Vec<String>, Option<String>) {
        let error = parse_strict("policy document", text).unwrap_err();
        (error.to_string(), error.causes(), error.hint().map(ToString::to_string))
    }

    #[test]
    fn the_place_is_given_once() {
        let (error, causes, hint) = refused("{\n  \"a\": 1,\n}");
        assert_eq!(error, "policy document is not valid JSON at line 3, column 1");
        assert_eq!((causes, hint), (vec!["trailing comma".to_owned()], None));
        assert_eq!(refused(" \n").1, ["it is empty"]);
    }

    #[test]
    fn a_duplicate_key_is_refused_where_it_is() {
        let (error, causes, _) = refused("{\"a\": {\"b\": 1,\n\"b\": 2}}");
        assert_eq!(error, "policy document cannot be read at line 2, column 3");
        assert_eq!(causes, ["duplicate key \"b\""]);
    }

    #[test]
    fn yaml_is_recognised() {
        for text in [
            "Version: \"2012-10-17\"\nStatement: []\n",
            "# a comment\n\n---\nVersion: x",
            "---\n",
            "- Effect: Allow",
            "Statement:\n- Effect: Allow",
        ] {
            assert!(refused(text).2.is_some_and(|hint| hint.contains("YAML")), "{text}");
        }
        for text in ["{\"a\": }", "<html>", "data \"aws_iam_policy_document\" \"x\" {", "https://x", "{a: 1}", "x"] {
            assert_eq!(refused(text).2, None, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(100_000);
        assert!(parse_strict("policy document", &deep).is_err());
    }

    #[test]
    fn text_after_the_document_is_refused() {
        assert!(parse_strict("policy document", "{} {}").is_err());
    }

    #[test]
    fn wrapped_documents_are_unwrapped() {
        for text in [
            "{\"a\":1}",
            "\u{FEFF}{\"a\":1}",
            "%7B%22a%22%3A1%7D",
            "%7B%22a%22%3A1%7D\n",
            r#""{\"a\":1}""#,
            r#" "%7B%22a%22%3A1%7D" "#,
        ] {
            assert_eq!(unwrapped(text), "{\"a\":1}", "{text}");
        }
        assert_eq!(unwrapped("\"x"), "\"x");
        assert_eq!(unwrapped("{\"a\":\"%7B\"}"), "{\"a\":\"%7B\"}");
        assert_eq!(unwrapped("%7B%22a+b%22%3A1%7D"), "{\"a+b\":1}", "`+` is itself");
    }
}
