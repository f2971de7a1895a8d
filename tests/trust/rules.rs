//! The rules of IAM one by one, each with a document that it decides: statements and their elements. The naive evaluator has
//! to know them as well. The rules of conditions are in `conditions.rs` and `values.rs`.
//!
//! In the tables SUB and AUD are the keys of the caller's provider, OTHER is another provider's `sub`, A is the caller's
//! subject `system:serviceaccount:default:app`; the caller's audience is `sts.amazonaws.com`.

use irsa_core::trust::Decision::{self, Allow, Deny, Unknown};
use serde_json::{Value, json};

use super::completions::outcomes;
use super::generate::OWN;
use super::naive::Request;
use super::properties::decide;

pub(super) const SUBJECT: &str = "system:serviceaccount:default:app";
pub(super) const AUDIENCE: &str = "sts.amazonaws.com";

fn filled(text: &str) -> Value {
    let text = text
        .replace("OTHER", "oidc.example.com/id/B:sub")
        .replace("SUB", "oidc.example.com/id/A:sub")
        .replace("AUD", "oidc.example.com/id/A:aud")
        .replace("\"A\"", &format!("\"{SUBJECT}\""))
        .replace("OWN", OWN);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub(super) fn allowing(condition: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Federated": OWN},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": filled(condition),
        },
    })
}

/// What is wrong with what the two evaluators say of a document.
fn wrong(rule: &str, document: &Value, audience: &str, expected: Decision) -> Vec<String> {
    let mut wrong = Vec::new();
    let said = decide(document, SUBJECT, audience);
    if said != expected {
        wrong.push(format!("{rule}: {said} in place of {expected}: {document}"));
    }
    let naive = outcomes(document, &Request::new(OWN, SUBJECT, audience));
    if naive.complete && naive.decision() != expected {
        wrong.push(format!("{rule}: the naive evaluator does not know it: {document}, {naive:?}"));
    }
    wrong
}

/// The same, and that whoever is allowed by a condition is out where the same condition denies.
pub(super) fn wrong_either_way(rule: &str, document: &Value, audience: &str, expected: Decision) -> Vec<String> {
    let mut wrong = wrong(rule, document, audience, expected);
    let mut denied = document.clone();
    denied["Statement"] = json!([denied["Statement"], {
        "Effect": "Deny", "Principal": {"Federated": "*"}, "Action": "*", "Condition": denied["Statement"]["Condition"],
    }]);
    let said = decide(&denied, SUBJECT, audience);
    if said != Deny && (expected != Unknown || said == Allow) {
        wrong.push(format!("{rule}: {said} although it denies as well: {denied}"));
    }
    wrong
}

pub(super) fn all_right(wrong: impl IntoIterator<Item = String>) {
    let wrong: Vec<String> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rows of a rule, a condition and what it says of the caller.
pub(super) fn conditions(rows: &[(&str, &str, Decision)]) {
    all_right(
        rows.iter()
            .flat_map(|(rule, condition, expected)| wrong_either_way(rule, &allowing(condition), AUDIENCE, *expected)),
    );
}

/// Rows of a rule, a condition, an audience and what it says of the caller with that audience.
pub(super) fn conditions_on_audiences(rows: &[(&str, &str, &str, Decision)]) {
    all_right(rows.iter().flat_map(|(rule, condition, audience, expected)| {
        wrong_either_way(rule, &allowing(condition), audience, *expected)
    }));
}

/// A document of statements, each an effect and the elements beside it.
fn document(statements: &[(&str, &str)]) -> Value {
    let statement = |(effect, rest): &(&str, &str)| {
        let mut statement =
            json!({"Effect": effect, "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": OWN}});
        let statement_of = statement.as_object_mut().unwrap();
        for (key, value) in filled(rest).as_object().unwrap() {
            for replaced in ["Action", "Principal"].iter().filter(|name| *key == format!("Not{name}")) {
                statement_of.remove(*replaced);
            }
            statement_of.insert(key.clone(), value.clone());
        }
        statement
    };
    json!({"Version": "2012-10-17", "Statement": statements.iter().map(statement).collect::<Vec<_>>()})
}

/// Rows of a rule, what stands in a statement that allows, and what it says.
fn elements(rows: &[(&str, &str, Decision)]) {
    all_right(
        rows.iter().flat_map(|(rule, rest, expected)| wrong(rule, &document(&[("Allow", rest)]), AUDIENCE, *expected)),
    );
}

#[test]
fn actions() {
    elements(&[
        ("the action", r#"{"Action": "sts:AssumeRoleWithWebIdentity"}"#, Allow),
        ("actions have no case", r#"{"Action": "STS:assumerolewithwebidentity"}"#, Allow),
        ("actions take wildcards", r#"{"Action": "sts:AssumeRole*"}"#, Allow),
        ("actions take wildcards", r#"{"Action": "sts:*"}"#, Allow),
        ("actions take wildcards", r#"{"Action": "*"}"#, Allow),
        ("actions take wildcards", r#"{"Action": "s?s:A*y"}"#, Allow),
        ("the whole name", r#"{"Action": "sts:AssumeRole"}"#, Deny),
        ("the whole name", r#"{"Action": "sts:AssumeRoleWithWebIdentit"}"#, Deny),
        ("another way in", r#"{"Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"]}"#, Deny),
        ("one of several", r#"{"Action": ["sts:TagSession", "sts:AssumeRoleWithWebIdentity"]}"#, Allow),
        ("none", r#"{"Action": []}"#, Deny),
        ("all but", r#"{"NotAction": "sts:AssumeRole"}"#, Allow),
        ("all but", r#"{"NotAction": "sts:*"}"#, Deny),
        ("all but", r#"{"NotAction": ["sts:TagSession", "STS:ASSUMEROLEWITH*"]}"#, Deny),
        ("all but none", r#"{"NotAction": []}"#, Allow),
    ]);
}

#[test]
fn principals() {
    elements(&[
        ("the provider", r#"{"Principal": {"Federated": "OWN"}}"#, Allow),
        ("one of several", r#"{"Principal": {"Federated": ["accounts.google.com", "OWN"]}}"#, Allow),
        (
            "another provider",
            r#"{"Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/oidc.example.com/id/B"}}"#,
            Deny,
        ),
        (
            "ARNs have case",
            r#"{"Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/oidc.example.com/id/a"}}"#,
            Deny,
        ),
        (
            "another account",
            r#"{"Principal": {"Federated": "arn:aws:iam::210987654321:oidc-provider/oidc.example.com/id/A"}}"#,
            Deny,
        ),
        (
            "another partition",
            r#"{"Principal": {"Federated": "arn:aws-cn:iam::123456789012:oidc-provider/oidc.example.com/id/A"}}"#,
            Deny,
        ),
        ("a wildcard alone is everybody", r#"{"Principal": {"Federated": "*"}}"#, Allow),
        (
            "a wildcard is no part of a name",
            r#"{"Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/*"}}"#,
            Deny,
        ),
        ("everybody", r#"{"Principal": "*"}"#, Allow),
        ("accounts are no web identities", r#"{"Principal": {"AWS": "123456789012"}}"#, Deny),
        ("roles are no web identities", r#"{"Principal": {"AWS": ["arn:aws:iam::123456789012:root"]}}"#, Deny),
        ("whether all of AWS is, nobody says", r#"{"Principal": {"AWS": "*"}}"#, Unknown),
        ("whether all of AWS is, nobody says", r#"{"Principal": {"AWS": ["123456789012", "*"]}}"#, Unknown),
        ("services are no web identities", r#"{"Principal": {"Service": "ec2.amazonaws.com"}}"#, Deny),
        ("services are no web identities", r#"{"Principal": {"Service": "*"}}"#, Deny),
        ("canonical users are no web identities", r#"{"Principal": {"CanonicalUser": "79a59d"}}"#, Deny),
        ("kinds are alternatives", r#"{"Principal": {"Service": "ec2.amazonaws.com", "Federated": "OWN"}}"#, Allow),
        ("kinds are alternatives", r#"{"Principal": {"AWS": "*", "Federated": ["OWN"]}}"#, Allow),
        ("none", r#"{"Principal": {"Federated": []}}"#, Deny),
        ("all but the provider", r#"{"NotPrincipal": {"Federated": "OWN"}}"#, Deny),
        ("all but another provider", r#"{"NotPrincipal": {"Federated": "accounts.google.com"}}"#, Allow),
        ("all but nobody says whom", r#"{"NotPrincipal": {"AWS": "*"}}"#, Unknown),
        ("all but everybody", r#"{"NotPrincipal": "*"}"#, Deny),
    ]);
    let mut nobody = document(&[("Allow", "{}")]);
    nobody["Statement"][0].as_object_mut().unwrap().remove("Principal");
    assert_eq!(decide(&nobody, SUBJECT, AUDIENCE), Unknown, "no principal at all");
    elements(&[
        ("a resource says nothing that is known", r#"{"Resource": "arn:aws:s3:::b"}"#, Unknown),
        ("every resource is no limit", r#"{"Resource": "*"}"#, Allow),
    ]);
}

#[test]
fn statements() {
    const DENY_B: &str = r#"{"Condition": {"StringEquals": {"SUB": "b"}}}"#;
    const IS_A: &str = r#"{"Condition": {"StringEquals": {"SUB": "A"}}}"#;
    const SESSION: &str = r#"{"Condition": {"StringEquals": {"sts:RoleSessionName": "a"}}}"#;
    const NO_SESSION: &str = r#"{"Condition": {"StringNotEquals": {"sts:RoleSessionName": "a"}}}"#;
    const UNKNOWN_OPERATOR: &str = r#"{"Condition": {"StringMatches": {"SUB": "b"}}}"#;
    type Row = (&'static str, &'static [(&'static str, &'static str)], Decision);
    let rows: &[Row] = &[
        ("nothing is allowed by itself", &[], Deny),
        ("nothing is allowed by a deny elsewhere", &[("Deny", DENY_B)], Deny),
        ("statements are alternatives", &[("Allow", DENY_B), ("Allow", IS_A)], Allow),
        ("a deny wins", &[("Allow", IS_A), ("Deny", IS_A)], Deny),
        ("a deny wins wherever it stands", &[("Deny", "{}"), ("Allow", IS_A)], Deny),
        ("a deny for somebody else", &[("Allow", IS_A), ("Deny", DENY_B)], Allow),
        ("a deny of another action", &[("Allow", IS_A), ("Deny", r#"{"Action": "sts:AssumeRole"}"#)], Allow),
        ("a deny of all other actions", &[("Allow", IS_A), ("Deny", r#"{"NotAction": "sts:AssumeRole"}"#)], Deny),
        (
            "a deny for other principals",
            &[("Allow", IS_A), ("Deny", r#"{"NotPrincipal": {"Federated": "OWN"}}"#)],
            Allow,
        ),
        ("a deny of which nobody knows", &[("Allow", IS_A), ("Deny", SESSION)], Unknown),
        ("a deny of which nobody knows, of nobody", &[("Allow", DENY_B), ("Deny", SESSION)], Deny),
        ("a deny with an operator that nobody knows", &[("Allow", IS_A), ("Deny", UNKNOWN_OPERATOR)], Unknown),
        ("an allow of which nobody knows, and a sure one", &[("Allow", SESSION), ("Allow", IS_A)], Allow),
        ("an allow of which nobody knows, and a sure deny", &[("Allow", SESSION), ("Deny", IS_A)], Deny),
        ("either way", &[("Allow", SESSION), ("Allow", NO_SESSION)], Allow),
        ("neither way", &[("Allow", SESSION), ("Deny", SESSION)], Deny),
        ("a deny that needs what the allow excludes", &[("Allow", SESSION), ("Deny", NO_SESSION)], Unknown),
        (
            "denied by another provider's absent claim",
            &[("Allow", IS_A), ("Deny", r#"{"Condition": {"StringNotEquals": {"OTHER": "b"}}}"#)],
            Deny,
        ),
    ];
    all_right(
        rows.iter().flat_map(|(rule, statements, expected)| wrong(rule, &document(statements), AUDIENCE, *expected)),
    );
    let single = json!({"Statement": document(&[("Allow", IS_A)])["Statement"][0]});
    assert_eq!(decide(&single, SUBJECT, AUDIENCE), Allow, "one statement needs no list");
}
