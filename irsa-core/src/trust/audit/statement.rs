//! Parts of one statement of a trust policy, as its JSON has them.

use serde_json::{Map, Value};

use crate::document::strings;
use crate::trust::evaluate::glob::Glob;

/// How a statement is called: its number, and its Sid where it has one.
pub(in crate::trust) fn label(index: usize, statement: &Map<String, Value>) -> String {
    match statement.get("Sid").and_then(Value::as_str) {
        Some(sid) if !sid.is_empty() => format!("statement {} ({sid})", index + 1),
        _ => format!("statement {}", index + 1),
    }
}

/// Whether a statement is about an action.
pub(in crate::trust) fn is_about(statement: &Map<String, Value>, action: &str) -> bool {
    let wanted = action.to_ascii_lowercase();
    let names = |key: &str| {
        strings(statement.get(key)).iter().any(|glob| Glob::wild(&glob.to_ascii_lowercase()).matches(&wanted))
    };
    match (statement.contains_key("Action"), statement.contains_key("NotAction")) {
        (true, false) => names("Action"),
        (false, true) => !names("NotAction"),
        _ => false,
    }
}

pub(in crate::trust) fn effect(statement: &Map<String, Value>) -> Option<&str> {
    statement.get("Effect").and_then(Value::as_str)
}

/// The principals of a statement as pairs of kind and text.
pub(in crate::trust) fn principals(statement: &Map<String, Value>) -> Vec<(&'static str, String)> {
    match statement.get("Principal") {
        Some(Value::String(text)) if text == "*" => vec![("everyone", text.clone())],
        Some(Value::Object(kinds)) => {
            let each = kinds.iter().flat_map(|(kind, value)| {
                let kind = match kind.as_str() {
                    "AWS" => "aws",
                    "Service" => "service",
                    "Federated" => "federated",
                    "CanonicalUser" => "canonical_user",
                    _ => "unknown",
                };
                strings(Some(value)).into_iter().map(move |text| (kind, text))
            });
            each.collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a statement has no conditions.
pub(in crate::trust) fn is_unconditional(statement: &Map<String, Value>) -> bool {
    statement.get("Condition").is_none_or(|condition| condition.as_object().is_some_and(Map::is_empty))
}
