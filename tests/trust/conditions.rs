//! The rules of conditions: operators, several values, names, absent keys, sets, and what is not given. How the tables read
//! stands in `rules.rs`.

use irsa_core::trust::Decision::{Allow, Deny, Unknown};
use serde_json::json;

use super::properties::decide;
use super::rules::{AUDIENCE, allowing, conditions, conditions_on_audiences};

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
