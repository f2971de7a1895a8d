//! The rules of values that are no plain texts: numbers, dates, truths, addresses, ARNs, and policy variables. How the tables
//! read stands in `rules.rs`.

use irsa_core::trust::Decision::{self, Allow, Deny, Unknown};

use super::rules::{SUBJECT, all_right, allowing, conditions_on_audiences, wrong_either_way};

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
    let both = SUBJECT;
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
