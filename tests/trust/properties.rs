//! What holds for every document: the evaluator answers as the naive one does, and what means the same is answered alike.

use irsa_core::trust::{Decision, TrustDocument, WebIdentityCaller};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value};

use super::completions::outcomes;
use super::generate::{AUDIENCES, Family, OWN, SUBJECTS, document, statement};
use super::naive::Request;

/// So many cases, or more of them where `PROPTEST_CASES` says so.
pub(super) fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: cases.max(default.cases), failure_persistence: None, ..default }
}

pub(super) fn read(document: &Value) -> TrustDocument {
    TrustDocument::from_value(document).unwrap_or_else(|error| panic!("{document}: {error:?}"))
}

pub(super) fn decide(document: &Value, subject: &str, audience: &str) -> Decision {
    read(document).decide(&WebIdentityCaller::new(OWN.parse().unwrap(), subject, audience))
}

/// Allow and deny are right for every completion; unknown is right where completions differ.
fn agrees(document: &Value, subject: &str, audience: &str) -> Result<(), TestCaseError> {
    let found = outcomes(document, &Request::new(OWN, subject, audience));
    let check = read(document).check(&WebIdentityCaller::new(OWN.parse().unwrap(), subject, audience));
    let said = format!("{subject} for {audience} on {document}: {found:?}, and {check:?}");
    prop_assert!(check.decision != Decision::Allow || !found.deny, "allowed, but may be denied: {said}");
    prop_assert!(check.decision != Decision::Deny || !found.allow, "denied, but may be allowed: {said}");
    prop_assert!(!found.complete || check.decision == found.decision(), "not the decision: {said}");
    prop_assert_eq!(check.conditions.is_empty(), check.decision != Decision::Unknown, "conditions: {}", said);
    prop_assert!(!check.reasons.is_empty(), "no reason: {said}");
    Ok(())
}

fn subjects() -> impl Strategy<Value = &'static str> {
    select(&SUBJECTS)
}

fn audiences() -> impl Strategy<Value = &'static str> {
    prop_oneof![2 => Just(AUDIENCES[0]), 1 => select(&AUDIENCES)]
}

fn any_family() -> impl Strategy<Value = Value> {
    prop_oneof![document(Family::Known), document(Family::Open), document(Family::Wild)]
}

/// Every text and every key of a document, changed.
fn rewritten(value: &Value, change: &impl Fn(&str, &Value) -> Option<Value>, key: &str) -> Value {
    if let Some(value) = change(key, value) {
        return value;
    }
    match value {
        Value::Object(object) => {
            let rewritten = object.iter().map(|(key, value)| (key.clone(), rewritten(value, change, key)));
            Value::Object(rewritten.collect())
        }
        Value::Array(list) => list.iter().map(|value| rewritten(value, change, key)).collect(),
        value => value.clone(),
    }
}

/// A text becomes a list of one, and a list of one a text.
fn relisted(document: &Value) -> Value {
    let names = ["Version", "Effect", "Sid", ""];
    rewritten(
        document,
        &|key, value| match value {
            Value::Array(list) if list.len() == 1 && !list[0].is_object() => Some(list[0].clone()),
            Value::String(text) if !names.contains(&key) && text != "*" => Some(vec![text.clone()].into()),
            Value::Array(list) if list.iter().any(Value::is_object) => None,
            Value::String(_) | Value::Array(_) => Some(value.clone()),
            _ => None,
        },
        "",
    )
}

/// Every object with its keys in the opposite order.
fn reversed(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            Value::Object(object.iter().rev().map(|(key, value)| (key.clone(), reversed(value))).collect())
        }
        Value::Array(list) => list.iter().map(reversed).collect(),
        value => value.clone(),
    }
}

/// Operators, condition keys and actions in capitals, or in small letters; two spellings of one name stay as they are.
fn recased(document: &Value, case: fn(&str) -> String) -> Value {
    let names = |value: &Value| {
        let recased = |object: &Map<String, Value>, inner: &dyn Fn(&Value) -> Value| {
            let recased: Map<_, _> = object.iter().map(|(key, value)| (case(key), inner(value))).collect();
            Value::Object(if recased.len() == object.len() { recased } else { object.clone() })
        };
        let keys = |keys: &Value| recased(keys.as_object().unwrap(), &Value::clone);
        recased(value.as_object().unwrap(), &keys)
    };
    rewritten(
        document,
        &|key, value| match (key, value) {
            ("Condition", _) => Some(names(value)),
            ("Action" | "NotAction", Value::String(text)) => Some(case(text).into()),
            _ => None,
        },
        "",
    )
}

fn statements(document: &Value) -> Vec<Value> {
    let statements = &document["Statement"];
    statements.as_array().cloned().unwrap_or_else(|| vec![statements.clone()])
}

fn with_statements(document: &Value, statements: Vec<Value>) -> Value {
    let mut document = document.clone();
    document["Statement"] = statements.into();
    document
}

fn rank(decision: Decision) -> u8 {
    match decision {
        Decision::Deny => 0,
        Decision::Unknown => 1,
        Decision::Allow => 2,
    }
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn what_is_known_is_decided(document in document(Family::Known), subject in subjects(), audience in audiences()) {
        agrees(&document, subject, audience)?;
    }

    #[test]
    fn unknown_is_said_where_completions_differ(
        document in document(Family::Open), subject in subjects(), audience in audiences(),
    ) {
        agrees(&document, subject, audience)?;
    }

    #[test]
    fn variables_are_never_guessed(document in document(Family::Variables), subject in subjects(), audience in audiences()) {
        agrees(&document, subject, audience)?;
    }

    #[test]
    fn what_cannot_be_told_is_never_guessed(
        document in document(Family::Wild), subject in subjects(), audience in prop_oneof![audiences(), select(&["5", "true", "10.0.0.1"])],
    ) {
        agrees(&document, subject, audience)?;
    }

    #[test]
    fn a_deny_more_lets_nobody_in(
        document in any_family(), more in statement(Family::Wild), at in any::<Index>(), subject in subjects(),
    ) {
        let before = decide(&document, subject, AUDIENCES[0]);
        for (effect, grows) in [("Deny", false), ("Allow", true)] {
            let mut more = more.clone();
            more["Effect"] = effect.into();
            let mut statements = statements(&document);
            statements.insert(at.index(statements.len() + 1), more.clone());
            let after = decide(&with_statements(&document, statements), subject, AUDIENCES[0]);
            let right = if grows { rank(after) >= rank(before) } else { rank(after) <= rank(before) };
            prop_assert!(right, "{} became {} by {} in {}", before, after, more, document);
        }
    }

    #[test]
    fn what_means_the_same_is_answered_alike(document in any_family(), subject in subjects(), audience in audiences(), turn in 0..3_usize) {
        let before = decide(&document, subject, audience);
        let mut turned = statements(&document);
        let turn = turn % turned.len();
        turned.rotate_left(turn);
        let twice = [statements(&document), statements(&document)].concat();
        let mut listed = with_statements(&document, turned.clone());
        turned.reverse();
        for (what, other) in [
            ("in another order", listed.clone()),
            ("backwards", with_statements(&document, turned)),
            ("twice", with_statements(&document, twice)),
            ("relisted", relisted(&document)),
            ("keys reversed", reversed(&document)),
            ("capitals", recased(&document, str::to_uppercase)),
            ("small letters", recased(&document, str::to_lowercase)),
            ("all at once", reversed(&relisted(&recased(&listed, str::to_uppercase)))),
            ("with identifiers", { listed["Id"] = "a".into(); listed }),
        ] {
            prop_assert_eq!(decide(&other, subject, audience), before, "{}: {} and {}", what, document, other);
        }
    }

    #[test]
    fn text_and_value_are_read_alike(document in any_family(), subject in subjects()) {
        let caller = WebIdentityCaller::new(OWN.parse().unwrap(), subject, AUDIENCES[0]);
        let parsed = TrustDocument::parse(&serde_json::to_string_pretty(&document).unwrap()).unwrap();
        prop_assert_eq!(parsed.check(&caller), read(&document).check(&caller));
        prop_assert_eq!(parsed.decide(&caller), parsed.check(&caller).decision);
    }

    #[test]
    fn nobody_gets_in_where_nothing_is_allowed(
        document in any_family(), at in vec(any::<Index>(), 1..3), junk in junk(), subject in subjects(),
    ) {
        let caller = WebIdentityCaller::new(OWN.parse().unwrap(), subject, AUDIENCES[0]);
        let mut broken = document;
        for at in at {
            replace(&mut broken, at.index(60), &junk);
        }
        if let Ok(read) = TrustDocument::from_value(&broken) {
            let allows = statements(&broken).iter().any(|statement| statement["Effect"] == "Allow");
            prop_assert!(allows || read.decide(&caller) == Decision::Deny, "{broken}");
            prop_assert_eq!(TrustDocument::parse(&broken.to_string()).unwrap().decide(&caller), read.decide(&caller));
        }
        let junk_alone = TrustDocument::from_value(&junk);
        prop_assert!(junk_alone.is_err() || junk.to_string().contains("Statement"), "{junk}");
    }
}

/// Any JSON, of the words that policies are made of.
fn junk() -> impl Strategy<Value = Value> {
    const WORDS: [&str; 16] = [
        "Statement",
        "Effect",
        "Allow",
        "Deny",
        "Principal",
        "Federated",
        "AWS",
        "*",
        "Action",
        "Condition",
        "StringLike",
        "ForAnyValue:",
        "Null",
        "${",
        "oidc.example.com/id/A:sub",
        "\u{0}",
    ];
    let leaf = prop_oneof![
        select(&WORDS).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
        ".{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((select(&WORDS), inner), 0..4).prop_map(|pairs| Value::Object(
                pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

/// Puts another value in the place of the n-th one, counted through the document.
fn replace(value: &mut Value, at: usize, with: &Value) -> Option<usize> {
    if at == 0 {
        *value = with.clone();
        return None;
    }
    let children: Vec<&mut Value> = match value {
        Value::Object(object) => object.values_mut().collect(),
        Value::Array(list) => list.iter_mut().collect(),
        _ => Vec::new(),
    };
    let mut left = at - 1;
    for child in children {
        left = replace(child, left, with)?;
    }
    Some(left)
}
