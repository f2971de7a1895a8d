//! The rules of IAM one by one, each with a document that it decides. The naive evaluator has to know them as well.
//!
//! In the tables SUB and AUD are the keys of the caller's provider, OTHER is another provider's `sub`, A is the caller's
//! subject `system:serviceaccount:default:app`; the caller's audience is `sts.amazonaws.com`.

use irsa_core::trust::Decision::{self, Allow, Deny, Unknown};
use serde_json::{Value, json};

use super::completions::outcomes;
use super::generate::OWN;
use super::naive::Request;
use super::properties::decide;

const SUBJECT: &str = "system:serviceaccount:default:app";
const AUDIENCE: &str = "sts.amazonaws.com";

fn filled(text: &str) -> Value {
    let text = text
        .replace("OTHER", "oidc.example.com/id/B:sub")
        .replace("SUB", "oidc.example.com/id/A:sub")
        .replace("AUD", "oidc.example.com/id/A:aud")
        .replace("\"A\"", &format!("\"{SUBJECT}\""))
        .replace("OWN", OWN);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn allowing(condition: &str) -> Value {
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
fn wrong_either_way(rule: &str, document: &Value, audience: &str, expected: Decision) -> Vec<String> {
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

fn all_right(wrong: impl IntoIterator<Item = String>) {
    let wrong: Vec<String> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rows of a rule, a condition and what it says of the caller.
fn conditions(rows: &[(&str, &str, Decision)]) {
    all_right(
        rows.iter()
            .flat_map(|(rule, condition, expected)| wrong_either_way(rule, &allowing(condition), AUDIENCE, *expected)),
    );
}

/// Rows of a rule, a condition, an audience and what it says of the caller with that audience.
fn conditions_on_audiences(rows: &[(&str, &str, &str, Decision)]) {
    all_right(rows.iter().flat_map(|(rule, condition, audience, expected)| {
        wrong_either_way(rule, &allowing(condition), audience, *expected)
    }));
}

#[test]
fn string_operators() {
    conditions(&[
        ("equal, with case", r#"{"StringEquals": {"SUB": "A"}}"#, Allow),
        ("equal, with case", r#"{"StringEquals": {"SUB": "system:serviceaccount:default:App"}}"#, Deny),
        ("equal is the whole text", r#"{"StringEquals": {"SUB": "system:serviceaccount:default:ap"}}"#, Deny),
        ("equal takes no wildcards", r#"{"StringEquals": {"SUB": "system:serviceaccount:default:*"}}"#, Deny),
        ("equal takes no wildcards", r#"{"StringEquals": {"SUB": "*"}}"#, Deny),
        ("not equal", r#"{"StringNotEquals": {"SUB": "system:serviceaccount:default:other"}}"#, Allow),
        ("not equal", r#"{"StringNotEquals": {"SUB": "A"}}"#, Deny),
        ("not equal takes no wildcards", r#"{"StringNotEquals": {"SUB": "*"}}"#, Allow),
        ("equal but for case", r#"{"StringEqualsIgnoreCase": {"SUB": "SYSTEM:serviceaccount:Default:APP"}}"#, Allow),
        ("equal but for case takes no wildcards", r#"{"StringEqualsIgnoreCase": {"SUB": "*"}}"#, Deny),
        (
            "not even but for case",
            r#"{"StringNotEqualsIgnoreCase": {"SUB": "system:serviceaccount:default:APP"}}"#,
            Deny,
        ),
        ("not even but for case", r#"{"StringNotEqualsIgnoreCase": {"SUB": "b"}}"#, Allow),
        ("like takes wildcards", r#"{"StringLike": {"SUB": "system:serviceaccount:default:*"}}"#, Allow),
        ("like without a wildcard is equal", r#"{"StringLike": {"SUB": "A"}}"#, Allow),
        ("like is about the whole text", r#"{"StringLike": {"SUB": "serviceaccount:default:app"}}"#, Deny),
        ("like has case", r#"{"StringLike": {"SUB": "SYSTEM:*"}}"#, Deny),
        ("not like", r#"{"StringNotLike": {"SUB": "system:serviceaccount:kube-*"}}"#, Allow),
        ("not like", r#"{"StringNotLike": {"SUB": "system:serviceaccount:def*"}}"#, Deny),
    ]);
}

#[test]
fn wildcards() {
    conditions(&[
        ("a star is any run of characters, colons too", r#"{"StringLike": {"SUB": "system:*"}}"#, Allow),
        ("a star is any run, slashes too", r#"{"StringLike": {"SUB": "*"}}"#, Allow),
        ("a star may be nothing", r#"{"StringLike": {"SUB": "system:serviceaccount:default:app*"}}"#, Allow),
        ("stars may stand anywhere", r#"{"StringLike": {"SUB": "*:default:*p"}}"#, Allow),
        ("stars in a row", r#"{"StringLike": {"SUB": "system:***:app"}}"#, Allow),
        ("a question mark is one character", r#"{"StringLike": {"SUB": "system:serviceaccount:default:a??"}}"#, Allow),
        ("a question mark is not none", r#"{"StringLike": {"SUB": "system:serviceaccount:default:app?"}}"#, Deny),
        ("a question mark is a colon too", r#"{"StringLike": {"SUB": "system?serviceaccount?default?app"}}"#, Allow),
        ("brackets are no class", r#"{"StringLike": {"SUB": "system:serviceaccount:default:[a]pp"}}"#, Deny),
        ("a backslash escapes nothing", r#"{"StringLike": {"SUB": "system:serviceaccount:default:\\app"}}"#, Deny),
        ("a backslash escapes no star", r#"{"StringLike": {"SUB": "system:serviceaccount:default:\\*"}}"#, Deny),
        ("braces are no choice", r#"{"StringLike": {"SUB": "system:serviceaccount:default:{app,b}"}}"#, Deny),
        ("a star after a wrong part", r#"{"StringLike": {"SUB": "system:serviceaccount:defaults*"}}"#, Deny),
        ("backtracking", r#"{"StringLike": {"SUB": "*a*p*p"}}"#, Allow),
        ("backtracking", r#"{"StringLike": {"SUB": "*a*p*p*p"}}"#, Deny),
    ]);
    for (rule, pattern, subject, expected) in [
        ("a star runs over slashes", "a*c", "a/b/c", Allow),
        ("a question mark is a slash", "a?c", "a/c", Allow),
        ("a bracket is itself", "[a]*", "[a]b", Allow),
        ("a backslash is itself", "\\*", "\\b", Allow),
        ("a question mark is one character of any length in bytes", "?", "\u{e9}", Allow),
        ("a star is a line break too", "a*b", "a\nb", Allow),
        ("the empty pattern", "", "", Allow),
        ("the empty pattern", "", "a", Deny),
        ("nothing fits a star", "*", "", Allow),
        ("nothing fits no question mark", "?", "", Deny),
    ] {
        let document = allowing(&json!({"StringLike": {"SUB": pattern}}).to_string());
        assert_eq!(decide(&document, subject, AUDIENCE), expected, "{rule}: {pattern} on {subject}");
    }
}

#[test]
fn several_values_keys_and_operators() {
    conditions(&[
        ("values of a key are alternatives", r#"{"StringEquals": {"SUB": ["b", "A"]}}"#, Allow),
        ("values of a key are alternatives", r#"{"StringEquals": {"SUB": ["b", "c"]}}"#, Deny),
        ("none of a negated list may match", r#"{"StringNotEquals": {"SUB": ["b", "A"]}}"#, Deny),
        ("none of a negated list may match", r#"{"StringNotLike": {"SUB": ["b*", "*c"]}}"#, Allow),
        ("an empty list matches nothing", r#"{"StringEquals": {"SUB": []}}"#, Deny),
        ("nothing of an empty list matches", r#"{"StringNotEquals": {"SUB": []}}"#, Allow),
        ("all keys must hold", r#"{"StringEquals": {"SUB": "A", "AUD": "sts.amazonaws.com"}}"#, Allow),
        ("all keys must hold", r#"{"StringEquals": {"SUB": "A", "AUD": "b"}}"#, Deny),
        ("all operators must hold", r#"{"StringEquals": {"SUB": "A"}, "StringLike": {"SUB": "b*"}}"#, Deny),
        ("all operators must hold", r#"{"StringNotEquals": {"SUB": "b"}, "StringLike": {"AUD": "sts*"}}"#, Allow),
        ("no condition holds", r"{}", Allow),
        ("no key holds", r#"{"StringEquals": {}}"#, Allow),
        ("numbers and booleans are texts", r#"{"StringNotEquals": {"SUB": [1, true]}}"#, Allow),
    ]);
    conditions_on_audiences(&[
        ("a number as text", r#"{"StringEquals": {"AUD": 5}}"#, "5", Allow),
        ("a boolean as text", r#"{"StringEquals": {"AUD": true}}"#, "true", Allow),
    ]);
}

#[test]
fn names_have_no_case() {
    conditions(&[
        ("operators", r#"{"stringequals": {"SUB": "A"}}"#, Allow),
        ("operators", r#"{"STRINGNOTLIKE": {"SUB": "system:*"}}"#, Deny),
        ("set operators", r#"{"forallvalues:stringequalsifexists": {"SUB": "b"}}"#, Deny),
        ("keys", r#"{"StringEquals": {"OIDC.EXAMPLE.COM/ID/a:Sub": "A"}}"#, Allow),
        ("keys", r#"{"StringEquals": {"oidc.example.com/id/a:sub": "b"}}"#, Deny),
        (
            "two spellings of a key are two tests",
            r#"{"StringEquals": {"SUB": "A", "oidc.example.com/id/a:Sub": "b"}}"#,
            Deny,
        ),
        (
            "two spellings of an operator are two tests",
            r#"{"StringEquals": {"SUB": "A"}, "stringequals": {"SUB": "b"}}"#,
            Deny,
        ),
    ]);
}

#[test]
fn absent_keys() {
    conditions(&[
        ("a claim of another provider is absent", r#"{"StringEquals": {"OTHER": "A"}}"#, Deny),
        ("an absent key is like nothing", r#"{"StringLike": {"OTHER": "*"}}"#, Deny),
        ("an absent key is no number", r#"{"NumericLessThan": {"OTHER": "5"}}"#, Deny),
        ("an absent key is no truth", r#"{"Bool": {"OTHER": "false"}}"#, Deny),
        ("an absent key is not equal", r#"{"StringNotEquals": {"OTHER": "A"}}"#, Allow),
        ("an absent key is not like", r#"{"StringNotLike": {"OTHER": "*"}}"#, Allow),
        ("an absent key is not equal but for case", r#"{"StringNotEqualsIgnoreCase": {"OTHER": "A"}}"#, Allow),
        ("an absent key is no other number", r#"{"NumericNotEquals": {"OTHER": "5"}}"#, Allow),
        ("an absent key is at no address", r#"{"NotIpAddress": {"OTHER": "10.0.0.0/8"}}"#, Allow),
        ("an absent key is no ARN", r#"{"ArnNotLike": {"OTHER": "arn:aws:iam::*:role/*"}}"#, Allow),
        ("if it exists", r#"{"StringEqualsIfExists": {"OTHER": "A"}}"#, Allow),
        ("if it exists", r#"{"BoolIfExists": {"OTHER": "true"}}"#, Allow),
        ("if it exists, and it does", r#"{"StringEqualsIfExists": {"SUB": "b"}}"#, Deny),
        ("if it exists, and it does", r#"{"StringLikeIfExists": {"SUB": "system:*"}}"#, Allow),
        ("if it exists, and it does", r#"{"StringNotEqualsIfExists": {"SUB": "A"}}"#, Deny),
        ("null", r#"{"Null": {"OTHER": "true"}}"#, Allow),
        ("null", r#"{"Null": {"OTHER": "false"}}"#, Deny),
        ("null", r#"{"Null": {"SUB": "true"}}"#, Deny),
        ("null", r#"{"Null": {"SUB": "false"}}"#, Allow),
        ("null with a boolean", r#"{"Null": {"SUB": false}}"#, Allow),
        ("null either way", r#"{"Null": {"SUB": ["true", "false"]}}"#, Allow),
        (
            "a provider's ARN is no key of a token",
            r#"{"StringEquals": {"arn:aws:iam::123456789012:oidc-provider/SUB": "A"}}"#,
            Deny,
        ),
        ("an issuer's URL is no key of a token", r#"{"StringEquals": {"https://SUB": "A"}}"#, Deny),
        ("a longer issuer is another one", r#"{"StringEquals": {"oidc.example.com/id/A/B:sub": "A"}}"#, Deny),
        ("a shorter issuer is another one", r#"{"StringEquals": {"oidc.example.com:sub": "A"}}"#, Deny),
        ("well-known providers are other ones", r#"{"StringNotEquals": {"accounts.google.com:aud": "A"}}"#, Allow),
    ]);
}

#[test]
fn set_operators() {
    conditions(&[
        ("any value", r#"{"ForAnyValue:StringEquals": {"SUB": ["b", "A"]}}"#, Allow),
        ("any value", r#"{"ForAnyValue:StringLike": {"SUB": "b*"}}"#, Deny),
        ("any value of none", r#"{"ForAnyValue:StringEquals": {"OTHER": "A"}}"#, Deny),
        ("any value of none, negated", r#"{"ForAnyValue:StringNotEquals": {"OTHER": "A"}}"#, Deny),
        ("any value, negated", r#"{"ForAnyValue:StringNotEquals": {"SUB": "A"}}"#, Deny),
        ("any value, negated", r#"{"ForAnyValue:StringNotEquals": {"SUB": "b"}}"#, Allow),
        ("any value if it exists", r#"{"ForAnyValue:StringEqualsIfExists": {"OTHER": "A"}}"#, Allow),
        ("all values", r#"{"ForAllValues:StringEquals": {"SUB": ["b", "A"]}}"#, Allow),
        ("all values", r#"{"ForAllValues:StringLike": {"SUB": "b*"}}"#, Deny),
        ("all values of none", r#"{"ForAllValues:StringEquals": {"OTHER": "A"}}"#, Allow),
        ("all values of none", r#"{"ForAllValues:StringLike": {"OTHER": "b*"}}"#, Allow),
        ("all values of none, negated", r#"{"ForAllValues:StringNotEquals": {"OTHER": "A"}}"#, Allow),
        ("all values, negated", r#"{"ForAllValues:StringNotEquals": {"SUB": ["b", "A"]}}"#, Deny),
        ("all values, none wanted", r#"{"ForAllValues:StringEquals": {"SUB": []}}"#, Deny),
        ("of a key that is not given", r#"{"ForAllValues:StringEquals": {"aws:TagKeys": "a"}}"#, Unknown),
        ("of a key that is not given", r#"{"ForAnyValue:StringEquals": {"aws:TagKeys": "a"}}"#, Unknown),
    ]);
}

#[test]
fn context_that_is_not_given() {
    conditions(&[
        ("the address", r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#, Unknown),
        ("the address", r#"{"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#, Unknown),
        ("the clock", r#"{"DateLessThan": {"aws:CurrentTime": "2000-01-01T00:00:00Z"}}"#, Unknown),
        ("the transport", r#"{"Bool": {"aws:SecureTransport": "true"}}"#, Unknown),
        ("tags", r#"{"StringEquals": {"aws:PrincipalTag/team": "a"}}"#, Unknown),
        ("tags of any name", r#"{"StringEquals": {"aws:RequestTag/example.com/team:name": "a"}}"#, Unknown),
        ("tags of any name", r#"{"StringNotEquals": {"aws:PrincipalTag/v1.2:name": "a"}}"#, Unknown),
        ("the session's name", r#"{"StringLike": {"sts:RoleSessionName": "a*"}}"#, Unknown),
        ("claims beyond sub and aud", r#"{"StringEquals": {"oidc.example.com/id/A:amr": "a"}}"#, Unknown),
        ("keys without a prefix", r#"{"StringEquals": {"sub": "A"}}"#, Unknown),
        ("keys of other services", r#"{"StringEquals": {"saml:sub": "a"}}"#, Unknown),
        ("whether it is there", r#"{"Null": {"aws:SourceIp": "true"}}"#, Unknown),
        (
            "it can make nothing of what is false already",
            r#"{"StringEquals": {"SUB": "b", "aws:SourceIp": "a"}}"#,
            Deny,
        ),
        ("it decides what is true so far", r#"{"StringEquals": {"SUB": "A", "aws:SourceIp": "a"}}"#, Unknown),
        ("an operator that nobody knows", r#"{"StringMatches": {"SUB": "A"}}"#, Unknown),
        ("a set operator that nobody knows", r#"{"ForSomeValues:StringEquals": {"SUB": "A"}}"#, Unknown),
        ("null knows no suffix", r#"{"NullIfExists": {"SUB": "true"}}"#, Unknown),
        ("nothing equals nothing", r#"{"StringEquals": {"aws:SourceIp": []}}"#, Deny),
        ("nothing of nothing is equal", r#"{"StringNotEquals": {"aws:SourceIp": []}}"#, Allow),
        ("like anything, or not there", r#"{"StringLikeIfExists": {"sts:RoleSessionName": "*"}}"#, Allow),
        ("like nothing, or not there", r#"{"StringNotLike": {"sts:RoleSessionName": "*"}}"#, Unknown),
        ("there and not there", r#"{"Null": {"aws:SourceIp": "true", "AWS:sourceip": "false"}}"#, Deny),
        (
            "equal and not equal",
            r#"{"StringEquals": {"sts:RoleSessionName": "a"}, "StringNotEquals": {"sts:RoleSessionName": "a"}}"#,
            Deny,
        ),
        (
            "two texts at once",
            r#"{"StringEquals": {"sts:RoleSessionName": "a"}, "StringLike": {"sts:RoleSessionName": "b*"}}"#,
            Deny,
        ),
        (
            "two texts of several",
            r#"{"ForAnyValue:StringEquals": {"aws:TagKeys": "a"}, "ForAnyValue:StringLike": {"aws:TagKeys": "b*"}}"#,
            Unknown,
        ),
    ]);
}

#[test]
fn other_types() {
    conditions_on_audiences(&[
        ("numbers", r#"{"NumericEquals": {"AUD": "5"}}"#, "5", Allow),
        ("numbers", r#"{"NumericEquals": {"AUD": 5}}"#, "5.0", Allow),
        ("numbers", r#"{"NumericNotEquals": {"AUD": "5"}}"#, "5", Deny),
        ("numbers", r#"{"NumericNotEquals": {"AUD": ["4", "6"]}}"#, "5", Allow),
        ("numbers", r#"{"NumericLessThan": {"AUD": "10"}}"#, "9", Allow),
        ("numbers", r#"{"NumericLessThan": {"AUD": "9"}}"#, "9", Deny),
        ("numbers", r#"{"NumericLessThanEquals": {"AUD": "9"}}"#, "9", Allow),
        ("numbers", r#"{"NumericGreaterThan": {"AUD": "9"}}"#, "10", Allow),
        ("numbers", r#"{"NumericGreaterThanEquals": {"AUD": "10"}}"#, "9", Deny),
        ("no number", r#"{"NumericEquals": {"AUD": "5"}}"#, "five", Unknown),
        ("dates", r#"{"DateEquals": {"AUD": "2026-01-01T00:00:00Z"}}"#, "2026-01-01T00:00:00Z", Allow),
        ("dates", r#"{"DateNotEquals": {"AUD": "2026-01-01T00:00:00Z"}}"#, "2026-01-01T00:00:00Z", Deny),
        ("dates", r#"{"DateLessThan": {"AUD": "2026-01-01T00:00:00Z"}}"#, "2025-12-31T23:59:59Z", Allow),
        ("dates", r#"{"DateLessThanEquals": {"AUD": "2026-01-01T00:00:00Z"}}"#, "2026-01-01T00:00:01Z", Deny),
        ("dates", r#"{"DateGreaterThan": {"AUD": "2024-02-29T00:00:00Z"}}"#, "2024-03-01T00:00:00Z", Allow),
        ("dates", r#"{"DateGreaterThanEquals": {"AUD": "2024-03-01T00:00:00Z"}}"#, "2024-02-29T23:59:59Z", Deny),
        ("no date", r#"{"DateLessThan": {"AUD": "2026-01-01T00:00:00Z"}}"#, "soon", Unknown),
        ("truths", r#"{"Bool": {"AUD": "true"}}"#, "true", Allow),
        ("truths", r#"{"Bool": {"AUD": true}}"#, "false", Deny),
        ("no truth", r#"{"Bool": {"AUD": "true"}}"#, "maybe", Unknown),
        ("addresses", r#"{"IpAddress": {"AUD": "10.0.0.0/8"}}"#, "10.200.0.1", Allow),
        ("addresses", r#"{"IpAddress": {"AUD": "10.0.0.0/8"}}"#, "11.0.0.1", Deny),
        ("addresses", r#"{"IpAddress": {"AUD": "10.0.0.1"}}"#, "10.0.0.1", Allow),
        ("addresses", r#"{"IpAddress": {"AUD": "0.0.0.0/0"}}"#, "11.0.0.1", Allow),
        ("addresses", r#"{"IpAddress": {"AUD": ["10.0.0.0/8", "2001:db8::/32"]}}"#, "2001:db8:1::1", Allow),
        ("addresses", r#"{"NotIpAddress": {"AUD": ["10.0.0.0/8", "11.0.0.0/8"]}}"#, "11.0.0.1", Deny),
        ("no address", r#"{"IpAddress": {"AUD": "10.0.0.0/8"}}"#, "here", Unknown),
        (
            "ARNs",
            r#"{"ArnEquals": {"AUD": "arn:aws:iam::123456789012:role/a"}}"#,
            "arn:aws:iam::123456789012:role/a",
            Allow,
        ),
        (
            "ARNs take wildcards",
            r#"{"ArnLike": {"AUD": "arn:aws:iam::*:role/*"}}"#,
            "arn:aws:iam::123456789012:role/a",
            Allow,
        ),
        (
            "ARNs take wildcards",
            r#"{"ArnEquals": {"AUD": "arn:*:iam::12345678901?:role/*"}}"#,
            "arn:aws:iam::123456789012:role/a",
            Allow,
        ),
        (
            "a wildcard keeps to its part",
            r#"{"ArnLike": {"AUD": "arn:aws:*:*:*:a"}}"#,
            "arn:aws:iam::123456789012:b:a",
            Deny,
        ),
        (
            "ARNs have case",
            r#"{"ArnLike": {"AUD": "arn:aws:iam::*:role/A"}}"#,
            "arn:aws:iam::123456789012:role/a",
            Deny,
        ),
        ("ARNs", r#"{"ArnNotLike": {"AUD": "arn:aws:iam::*:role/*"}}"#, "arn:aws:iam::123456789012:role/a", Deny),
        ("ARNs", r#"{"ArnNotEquals": {"AUD": "arn:aws:iam::1*:user/*"}}"#, "arn:aws:iam::123456789012:role/a", Allow),
        ("no ARN", r#"{"ArnLike": {"AUD": "arn:aws:iam::*:role/*"}}"#, "role", Unknown),
        ("if it exists, and it is no number", r#"{"NumericEqualsIfExists": {"AUD": "5"}}"#, "five", Unknown),
    ]);
}

#[test]
fn variables() {
    let both = "system:serviceaccount:default:app";
    conditions_on_audiences(&[
        ("the caller's claims", r#"{"StringEquals": {"SUB": "${oidc.example.com/id/A:sub}"}}"#, both, Allow),
        (
            "the caller's claims, without case",
            r#"{"StringEquals": {"AUD": "${OIDC.example.com/id/a:Sub}"}}"#,
            both,
            Allow,
        ),
        (
            "a variable within a text",
            r#"{"StringEquals": {"SUB": "${oidc.example.com/id/A:aud}:app"}}"#,
            "system:serviceaccount:default",
            Allow,
        ),
        (
            "a variable within a pattern",
            r#"{"StringLike": {"SUB": "*:${oidc.example.com/id/A:aud}:*"}}"#,
            "default",
            Allow,
        ),
        (
            "what is put in is no pattern",
            r#"{"StringLike": {"SUB": "${oidc.example.com/id/A:aud}"}}"#,
            "system:*",
            Deny,
        ),
        (
            "a variable without a value equals nothing",
            r#"{"StringEquals": {"SUB": "${oidc.example.com/id/B:sub}"}}"#,
            both,
            Deny,
        ),
        (
            "a variable without a value is like nothing",
            r#"{"StringLike": {"SUB": "${oidc.example.com/id/B:sub}*"}}"#,
            both,
            Deny,
        ),
        ("no value is not equal", r#"{"StringNotEquals": {"SUB": "${oidc.example.com/id/B:sub}"}}"#, both, Allow),
        (
            "the default of an absent key",
            r#"{"StringEquals": {"SUB": "${oidc.example.com/id/B:sub, 'system:serviceaccount:default:app'}"}}"#,
            both,
            Allow,
        ),
        (
            "the default of an absent key",
            r#"{"StringEquals": {"SUB": "${oidc.example.com/id/B:sub, 'b'}"}}"#,
            both,
            Deny,
        ),
        (
            "no default for a key that is there",
            r#"{"StringEquals": {"AUD": "${oidc.example.com/id/A:sub, 'b'}"}}"#,
            "b",
            Deny,
        ),
        (
            "variables that nobody gave",
            r#"{"StringEquals": {"SUB": "system:serviceaccount:${aws:PrincipalTag/ns}:app"}}"#,
            both,
            Unknown,
        ),
        (
            "they cannot help a wrong text",
            r#"{"StringEquals": {"SUB": "system:node:${aws:PrincipalTag/ns}"}}"#,
            both,
            Deny,
        ),
        (
            "they may have a default",
            r#"{"StringEquals": {"SUB": "system:serviceaccount:${aws:PrincipalTag/ns, 'default'}:app"}}"#,
            both,
            Unknown,
        ),
        ("a literal star", r#"{"StringLike": {"SUB": "system:${*}"}}"#, both, Deny),
        ("a literal star", r#"{"StringLike": {"AUD": "a${*}"}}"#, "a*", Allow),
        ("a literal star", r#"{"StringEquals": {"AUD": "a${*}"}}"#, "a*", Allow),
        ("a literal question mark", r#"{"StringLike": {"AUD": "a${?}"}}"#, "ab", Deny),
        ("a literal question mark", r#"{"StringLike": {"AUD": "a${?}"}}"#, "a?", Allow),
        ("a literal dollar", r#"{"StringEquals": {"AUD": "${$}{aws:username}"}}"#, "${aws:username}", Allow),
        ("a dollar alone is itself", r#"{"StringEquals": {"AUD": "a$b"}}"#, "a$b", Allow),
        (
            "what is put in has no case where none is compared",
            r#"{"StringEqualsIgnoreCase": {"SUB": "system:${oidc.example.com/id/A:aud}"}}"#,
            "ServiceAccount:default:APP",
            Allow,
        ),
        (
            "nor has a default",
            r#"{"StringEqualsIgnoreCase": {"AUD": "${oidc.example.com/id/B:sub, 'Default'}"}}"#,
            "dEFAULT",
            Allow,
        ),
        (
            "nor where it is negated",
            r#"{"StringNotEqualsIgnoreCase": {"AUD": "${oidc.example.com/id/A:sub}"}}"#,
            "SYSTEM:ServiceAccount:default:app",
            Deny,
        ),
    ]);
    for version in [Some("2008-10-17"), None] {
        let old = |(rule, condition, audience, expected): (&str, &str, &str, Decision)| {
            let mut document = allowing(condition);
            match version {
                None => drop(document.as_object_mut().unwrap().remove("Version")),
                Some(version) => document["Version"] = version.into(),
            }
            wrong_either_way(rule, &document, audience, expected)
        };
        let claim = r#"{"StringEquals": {"AUD": "${oidc.example.com/id/A:sub}"}}"#;
        let rows = [
            ("an older version has no variables", claim, "${oidc.example.com/id/A:sub}", Allow),
            ("an older version has no variables", claim, both, Deny),
            ("a star is a star", r#"{"StringLike": {"AUD": "${*}"}}"#, "${b}", Allow),
        ];
        all_right(rows.into_iter().flat_map(old));
    }
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
    let deny_b = r#"{"Condition": {"StringEquals": {"SUB": "b"}}}"#;
    let is_a = r#"{"Condition": {"StringEquals": {"SUB": "A"}}}"#;
    let session = r#"{"Condition": {"StringEquals": {"sts:RoleSessionName": "a"}}}"#;
    let no_session = r#"{"Condition": {"StringNotEquals": {"sts:RoleSessionName": "a"}}}"#;
    let unknown_operator = r#"{"Condition": {"StringMatches": {"SUB": "b"}}}"#;
    let rows: &[(&str, &[(&str, &str)], Decision)] = &[
        ("nothing is allowed by itself", &[], Deny),
        ("nothing is allowed by a deny elsewhere", &[("Deny", deny_b)], Deny),
        ("statements are alternatives", &[("Allow", deny_b), ("Allow", is_a)], Allow),
        ("a deny wins", &[("Allow", is_a), ("Deny", is_a)], Deny),
        ("a deny wins wherever it stands", &[("Deny", "{}"), ("Allow", is_a)], Deny),
        ("a deny for somebody else", &[("Allow", is_a), ("Deny", deny_b)], Allow),
        ("a deny of another action", &[("Allow", is_a), ("Deny", r#"{"Action": "sts:AssumeRole"}"#)], Allow),
        ("a deny of all other actions", &[("Allow", is_a), ("Deny", r#"{"NotAction": "sts:AssumeRole"}"#)], Deny),
        (
            "a deny for other principals",
            &[("Allow", is_a), ("Deny", r#"{"NotPrincipal": {"Federated": "OWN"}}"#)],
            Allow,
        ),
        ("a deny of which nobody knows", &[("Allow", is_a), ("Deny", session)], Unknown),
        ("a deny of which nobody knows, of nobody", &[("Allow", deny_b), ("Deny", session)], Deny),
        ("a deny with an operator that nobody knows", &[("Allow", is_a), ("Deny", unknown_operator)], Unknown),
        ("an allow of which nobody knows, and a sure one", &[("Allow", session), ("Allow", is_a)], Allow),
        ("an allow of which nobody knows, and a sure deny", &[("Allow", session), ("Deny", is_a)], Deny),
        ("either way", &[("Allow", session), ("Allow", no_session)], Allow),
        ("neither way", &[("Allow", session), ("Deny", session)], Deny),
        ("a deny that needs what the allow excludes", &[("Allow", session), ("Deny", no_session)], Unknown),
        (
            "denied by another provider's absent claim",
            &[("Allow", is_a), ("Deny", r#"{"Condition": {"StringNotEquals": {"OTHER": "b"}}}"#)],
            Deny,
        ),
    ];
    all_right(
        rows.iter().flat_map(|(rule, statements, expected)| wrong(rule, &document(statements), AUDIENCE, *expected)),
    );
    let single = json!({"Statement": document(&[("Allow", is_a)])["Statement"][0]});
    assert_eq!(decide(&single, SUBJECT, AUDIENCE), Allow, "one statement needs no list");
}
