//! What a policy document grants and denies, in its smallest parts: one action on one resource each.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::document::{PolicyDocument, canonical_statement, statements};

/// The keys whose lists say as much as a statement for each of their values.
const SPLIT: [&str; 2] = ["Action", "Resource"];
/// A statement of more parts stays whole.
const MOST_PARTS: usize = 4096;

/// What a document grants and denies: parts of statements without Sid, by their meaning.
#[derive(Debug, Default, PartialEq)]
pub(super) struct PermissionSet {
    pub(super) allows: BTreeMap<String, Value>,
    pub(super) denies: BTreeMap<String, Value>,
}

impl PermissionSet {
    pub(super) fn of(document: Option<&PolicyDocument>) -> Self {
        let mut content = Self::default();
        for statement in document.into_iter().flat_map(|document| statements(document.as_value())) {
            let mut bare = statement.clone();
            // The same Sid may stand in both documents, with another meaning.
            bare.shift_remove("Sid");
            let deny = statement.get("Effect").and_then(Value::as_str) == Some("Deny");
            let side = if deny { &mut content.denies } else { &mut content.allows };
            side.extend(parts(bare).into_iter().map(|part| (canonical_statement(&part).to_string(), part)));
        }
        content
    }

    /// Its statements, as few as they can be.
    pub(super) fn statements(&self) -> Vec<Value> {
        let parts = self.allows.values().chain(self.denies.values()).cloned().collect();
        SPLIT.iter().fold(parts, |statements, key| joined(statements, key))
    }
}

/// The parts of a statement.
fn parts(statement: Map<String, Value>) -> Vec<Value> {
    let count = |key: &str| statement.get(key).and_then(Value::as_array).map_or(1, Vec::len);
    if SPLIT.iter().map(|key| count(key)).product::<usize>() > MOST_PARTS {
        return vec![Value::Object(statement)];
    }
    SPLIT.iter().fold(vec![Value::Object(statement)], |parts, key| {
        let each = |part: Value| match part.get(key).and_then(Value::as_array).cloned() {
            Some(values) => values.into_iter().map(|value| with(&part, key, value)).collect(),
            None => vec![part],
        };
        parts.into_iter().flat_map(each).collect()
    })
}

fn with(statement: &Value, key: &str, value: Value) -> Value {
    let mut statement = statement.clone();
    statement[key] = value;
    statement
}

/// The statements that differ in one key alone become one with a list.
fn joined(statements: Vec<Value>, key: &str) -> Vec<Value> {
    let mut joined: Vec<(String, Vec<Value>, Value)> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for statement in statements {
        let Some(value) = statement.get(key).cloned() else {
            joined.push((String::new(), Vec::new(), statement));
            continue;
        };
        let rest = canonical_statement(&with(&statement, key, Value::Null)).to_string();
        match places.get(&rest) {
            Some(at) => joined[*at].1.push(value),
            None => {
                places.insert(rest.clone(), joined.len());
                joined.push((rest, vec![value], statement));
            }
        }
    }
    let whole = |(_, values, statement): (String, Vec<Value>, Value)| match values.len() {
        0 | 1 => statement,
        _ => with(&statement, key, Value::Array(values)),
    };
    joined.into_iter().map(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(statements: &Value) -> PolicyDocument {
        PolicyDocument::from_value(json!({"Version": "2012-10-17", "Statement": statements})).unwrap()
    }

    #[test]
    fn a_document_is_taken_apart_and_put_together() {
        let two = json!([
            {"Sid": "One", "Effect": "Allow", "Action": ["s3:Get*", "s3:Put*"], "Resource": ["arn:aws:s3:::a", "arn:aws:s3:::b"]},
            {"Effect": "Deny", "NotAction": ["s3:Get*", "iam:*"], "Resource": "*"},
        ]);
        let content = PermissionSet::of(Some(&document(&two)));
        assert_eq!((content.allows.len(), content.denies.len()), (4, 1), "what NotAction lists holds together");
        let mut bare = two.clone();
        bare[0].as_object_mut().unwrap().remove("Sid");
        assert_eq!(document(&Value::Array(content.statements())), document(&bare));
    }

    #[test]
    fn what_means_the_same_has_the_same_content() {
        let one = json!({"Effect": "Allow", "Action": ["a:b", "a:c"], "Resource": "*"});
        let two = json!([{"Effect": "Allow", "Action": "a:c", "Resource": ["*"]}, {"Effect": "Allow", "Action": "a:b", "Resource": "*"}]);
        assert_eq!(PermissionSet::of(Some(&document(&one))), PermissionSet::of(Some(&document(&two))));
    }

    #[test]
    fn a_condition_stays_with_its_part() {
        let other = json!([
            {"Effect": "Allow", "Action": "a:b", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}},
            {"Effect": "Allow", "Action": "a:c", "Resource": "*"},
        ]);
        assert_eq!(PermissionSet::of(Some(&document(&other))).statements().len(), 2);
    }

    #[test]
    fn what_is_too_large_stays_whole() {
        let actions: Vec<String> = (0..100).map(|n| format!("a:b{n}")).collect();
        let resources: Vec<String> = (0..100).map(|n| format!("arn:aws:s3:::b{n}")).collect();
        let large = json!({"Effect": "Allow", "Action": actions, "Resource": resources});
        assert_eq!(PermissionSet::of(Some(&document(&large))).allows.len(), 1);
    }
}
