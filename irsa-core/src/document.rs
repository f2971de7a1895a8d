//! IAM policy documents: read strictly, checked by IAM's grammar, measured, compared by meaning.

mod arns;
mod grammar;
mod json;

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) use self::arns::{check_partition, misplaced};
pub(crate) use self::grammar::unknown_key;
pub(crate) use self::json::{decoded, duplicate, malformed, parse_named, parse_strict, unwrapped};
use crate::error::{Error, ErrorKind, Result};
use crate::name::Partition;

/// The most characters that IAM takes on the wire for any policy document (IAM API reference, `policyDocumentType`).
pub(crate) const MAX_DOCUMENT_LENGTH: usize = 131_072;

/// What a document is for: the two kinds have different grammars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DocumentKind {
    /// An identity policy: has `Resource`, no `Principal`.
    Permissions,
    /// A trust policy: has `Principal`, no `Resource`.
    Trust,
}

/// A permissions policy document, such as an inline policy of a role.
///
/// Two documents are equal when they mean the same: the order of keys, statements and list members, and one-element
/// lists in place of single values, make no difference.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct PolicyDocument(Value);

impl PolicyDocument {
    /// Reads a document from JSON text.
    ///
    /// # Errors
    /// `InvalidInput` with line and column where it is not JSON, with the statement where IAM would refuse it.
    pub fn parse(text: &str) -> Result<Self> {
        Self::from_value(parse_strict("policy document", text)?)
    }

    /// Takes a document that is parsed already.
    ///
    /// # Errors
    /// `InvalidInput` with the statement, where IAM would refuse it.
    pub fn from_value(value: Value) -> Result<Self> {
        check(&value, DocumentKind::Permissions)?;
        Ok(Self(value))
    }

    /// Takes what a back end answered: only that it is a JSON object is checked, since it is stored already.
    ///
    /// # Errors
    /// `Unexpected` when it is no JSON object.
    pub fn from_stored(text: &str) -> Result<Self> {
        stored("policy document", text).map(Self)
    }

    /// The document as JSON.
    pub fn as_value(&self) -> &Value {
        &self.0
    }

    /// The document as JSON text without white space.
    pub fn minified(&self) -> String {
        self.0.to_string()
    }

    /// Its size in characters as IAM counts it: without white space.
    pub fn size(&self) -> usize {
        size(&self.0)
    }

    /// Refuses a document with a resource of another partition than `partition`, that of the role.
    ///
    /// # Errors
    /// `InvalidInput`, naming the statement, the ARN and both partitions.
    pub(crate) fn check_partition(&self, partition: &Partition) -> Result<()> {
        check_partition("policy document", &self.0, partition)
    }

    /// Whether any statement denies.
    pub fn has_deny(&self) -> bool {
        self.has_effect("Deny")
    }

    /// Whether any statement allows.
    pub(crate) fn has_allow(&self) -> bool {
        self.has_effect("Allow")
    }

    fn has_effect(&self, effect: &str) -> bool {
        statements(&self.0).any(|statement| statement.get("Effect").and_then(Value::as_str) == Some(effect))
    }
}

impl PartialEq for PolicyDocument {
    fn eq(&self, other: &Self) -> bool {
        canonical(&self.0) == canonical(&other.0)
    }
}

impl Eq for PolicyDocument {}

impl TryFrom<Value> for PolicyDocument {
    type Error = Error;
    fn try_from(value: Value) -> Result<Self> {
        Self::from_value(value)
    }
}

impl From<PolicyDocument> for Value {
    fn from(document: PolicyDocument) -> Self {
        document.0
    }
}

impl fmt::Debug for PolicyDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.minified())
    }
}

/// Everything IAM's grammar demands of a document of this kind.
pub(crate) fn check(value: &Value, kind: DocumentKind) -> Result<()> {
    let field = match kind {
        DocumentKind::Permissions => "policy document",
        DocumentKind::Trust => "trust policy",
    };
    grammar::check(field, value, kind)?;
    check_text(field, value)
}

/// What IAM demands of the text of a document: Latin-1, bounded.
pub(crate) fn check_text(field: &'static str, value: &Value) -> Result<()> {
    let mut seen = Characters::default();
    // Looks at what would be written, without keeping it: audits have many documents.
    let _ = write!(seen, "{value}");
    if let Some(c) = seen.foreign {
        return Err(Error::invalid(field, c.to_string(), "IAM takes no character beyond Latin-1 (U+00FF)"));
    }
    if seen.count > MAX_DOCUMENT_LENGTH {
        return Err(refused(field, value, format!("must have at most {MAX_DOCUMENT_LENGTH} characters")));
    }
    Ok(())
}

/// Refuses a value of a document: a text is quoted once, anything else is shown as the JSON that it is.
pub(crate) fn refused(field: &'static str, value: &Value, rule: impl fmt::Display) -> Error {
    const MAX_SHOWN: usize = 120;
    if let Value::String(text) = value {
        return Error::invalid(field, text, rule);
    }
    let text = value.to_string();
    let mut shown = String::new();
    for c in text.chars().take(MAX_SHOWN) {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    let count = text.chars().count();
    if count > MAX_SHOWN {
        let _ = write!(shown, "… ({count} characters)");
    }
    Error::new(ErrorKind::InvalidInput, format!("{field} {shown}: {rule}"))
        .with_context("field", field)
        .with_context("value", text)
}

/// What a text has, while it is written.
#[derive(Default)]
struct Characters {
    count: usize,
    /// The first beyond Latin-1.
    foreign: Option<char>,
}

impl fmt::Write for Characters {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.is_ascii() {
            self.count += text.len();
            return Ok(());
        }
        self.count += text.chars().count();
        self.foreign = self.foreign.or_else(|| text.chars().find(|c| *c > '\u{FF}'));
        Ok(())
    }
}

/// One declared statement of a trust policy, checked alone.
pub(crate) fn check_trust_statement(statement: &Value) -> Result<()> {
    const FIELD: &str = "trust statement";
    const LABEL: &str = "the statement";
    grammar::check_statement(FIELD, statement, DocumentKind::Trust, LABEL)?;
    if let Value::Object(object) = statement {
        arns::check_principals(FIELD, object, LABEL)?;
    }
    check_text(FIELD, statement)
}

/// Checks the principals of a trust policy that is to be written, as IAM does.
pub(crate) fn check_principals(document: &Value) -> Result<()> {
    let mut statements = statements(document).enumerate();
    statements.try_for_each(|(index, statement)| {
        arns::check_principals("trust policy", statement, &statement_label(index, statement))
    })
}

/// What errors call a statement: its number from 1, and its Sid where it has one.
fn statement_label(index: usize, statement: &Map<String, Value>) -> String {
    match statement.get("Sid").and_then(Value::as_str) {
        Some(sid) if !sid.is_empty() && grammar::is_sid(sid) => format!("statement {} ({sid})", index + 1),
        _ => format!("statement {}", index + 1),
    }
}

/// What a back end answered, as a JSON object.
pub(crate) fn stored(what: &'static str, text: &str) -> Result<Value> {
    match serde_json::from_str::<Value>(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Error::new(ErrorKind::Unexpected, format!("the stored {what} is not a JSON object"))),
        Err(error) => {
            Err(Error::new(ErrorKind::Unexpected, format!("the stored {what} is not JSON")).with_source(error))
        }
    }
}

/// Characters without white space, as the quotas of IAM count them.
pub(crate) fn size(value: &Value) -> usize {
    value.to_string().chars().filter(|c| !c.is_whitespace()).count()
}

/// The statements of a document, whether it has one or a list.
pub(crate) fn statements(document: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    one_or_many(document.get("Statement")).iter().filter_map(Value::as_object)
}

/// A value that may be single or a list, as a slice.
pub(crate) fn one_or_many(value: Option<&Value>) -> &[Value] {
    match value {
        None => &[],
        Some(Value::Array(list)) => list,
        Some(single) => std::slice::from_ref(single),
    }
}

/// The strings of a value that may be single or a list; numbers and booleans as IAM reads them.
pub(crate) fn strings(value: Option<&Value>) -> Vec<String> {
    one_or_many(value).iter().filter_map(scalar).collect()
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

/// The one form of all documents that mean the same.
pub(crate) fn canonical(document: &Value) -> Value {
    let Value::Object(object) = document else { return document.clone() };
    let mut sorted = Map::new();
    for key in object.keys().collect::<BTreeSet<_>>() {
        let value = &object[key];
        let value = if key == "Statement" { canonical_statements(value) } else { value.clone() };
        sorted.insert(key.clone(), value);
    }
    Value::Object(sorted)
}

fn canonical_statements(value: &Value) -> Value {
    let mut list: Vec<Value> = one_or_many(Some(value)).iter().map(canonical_statement).collect();
    list.sort_by_cached_key(Value::to_string);
    Value::Array(list)
}

/// The one form of all statements that mean the same.
pub(crate) fn canonical_statement(statement: &Value) -> Value {
    let Value::Object(object) = statement else { return statement.clone() };
    let mut sorted = Map::new();
    for key in object.keys().collect::<BTreeSet<_>>() {
        let value = &object[key];
        let value = match (key.as_str(), value) {
            // An empty Sid is none (what gen3's script writes).
            ("Sid", Value::String(sid)) if sid.is_empty() => continue,
            ("Principal" | "NotPrincipal", Value::Object(map)) => sorted_map(map, sorted_list),
            ("Condition", Value::Object(operators)) if operators.is_empty() => continue,
            ("Condition", Value::Object(operators)) => sorted_map(operators, |keys| match keys {
                Value::Object(keys) => sorted_map(keys, sorted_list),
                other => other.clone(),
            }),
            ("Action" | "NotAction" | "Resource" | "NotResource", value) => sorted_list(value),
            (_, value) => value.clone(),
        };
        sorted.insert(key.clone(), value);
    }
    Value::Object(sorted)
}

fn sorted_map(map: &Map<String, Value>, each: impl Fn(&Value) -> Value) -> Value {
    let keys: BTreeSet<&String> = map.keys().collect();
    Value::Object(keys.into_iter().map(|key| (key.clone(), each(&map[key]))).collect())
}

fn sorted_list(value: &Value) -> Value {
    let set: BTreeSet<String> = strings(Some(value)).into_iter().collect();
    if set.is_empty() {
        return value.clone();
    }
    Value::Array(set.into_iter().map(Value::String).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn document(value: Value) -> Option<PolicyDocument> {
        PolicyDocument::from_value(value).ok()
    }

    #[test]
    fn equal_meaning_is_equal() {
        let a = document(
            json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}),
        );
        let b = document(
            json!({"Statement": [{"Resource": ["*"], "Sid": "", "Action": ["s3:Get*"], "Effect": "Allow"}], "Version": "2012-10-17"}),
        );
        let c = document(
            json!({"Statement": [{"Resource": ["*"], "Action": ["s3:Put*"], "Effect": "Allow"}], "Version": "2012-10-17"}),
        );
        assert!(a.is_some() && a == b);
        assert_ne!(a, c);
    }

    #[test]
    fn white_space_is_not_counted() {
        let spaced = PolicyDocument::parse("{ \"Version\": \"2012-10-17\",\n \"Statement\": [ ] }").ok();
        assert_eq!(spaced.map(|d| d.size()), None, "an empty Statement is refused");
        let value = json!({"a": "b c"});
        assert_eq!(size(&value), r#"{"a":"bc"}"#.len());
    }

    #[test]
    fn characters_beyond_latin_1_are_refused() {
        let text = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::桶"}]}"#;
        let error = PolicyDocument::parse(text).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("Latin-1") && error.contains('桶'), "{error}");
    }

    #[test]
    fn values_are_quoted_once() {
        let message = |value: Value| {
            let document = json!({"Version": "2012-10-17", "Statement": {"Sid": value, "Effect": "Allow", "Action": "s3:*", "Resource": "*"}});
            PolicyDocument::from_value(document).map_err(|error| error.to_string()).unwrap_err()
        };
        let rule = "statement 1: Sid must be of A-Z a-z 0-9";
        assert_eq!(message(json!("a b")), format!("policy document \"a b\": {rule}"));
        assert_eq!(message(json!({"a": "b\u{7f}"})), format!("policy document {{\"a\":\"b\\u{{7f}}\"}}: {rule}"));
        let long = message(json!(vec![1; 200]));
        assert!(long.contains("1,1… (401 characters): ") && long.len() < 250, "{long}");
    }

    #[test]
    fn deny_is_seen() {
        let deny = json!({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}});
        assert_eq!(document(deny).map(|d| d.has_deny()), Some(true));
    }

    proptest! {
        #[test]
        fn order_and_lists_never_change_the_meaning(actions in proptest::collection::vec("s3:[A-Z][a-z]{1,4}", 1..5), swap in any::<bool>()) {
            let mut turned = actions.clone();
            turned.reverse();
            let first = json!({"Effect": "Allow", "Action": actions, "Resource": "*"});
            let second = json!({"Resource": ["*"], "Effect": "Allow", "Action": turned});
            let other = json!({"Effect": "Deny", "Action": "*", "Resource": "*"});
            let a = json!({"Statement": [first, other]});
            let b = if swap { json!({"Statement": [other, second]}) } else { json!({"Statement": [second, other]}) };
            prop_assert_eq!(canonical(&a).to_string(), canonical(&b).to_string());
        }
    }
}
