//! The grammar of IAM policies (IAM user guide, "Grammar of the IAM JSON policy language"), as far as IAM refuses.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::arns::check_resources;
use super::{DocumentKind, one_or_many, refused, statement_label};
use crate::error::{Error, Result};

/// Checks a whole document; `field` is how errors call it.
pub(super) fn check(field: &'static str, document: &Value, kind: DocumentKind) -> Result<()> {
    let refuse = |value: &Value, rule: String| Err(refused(field, value, rule));
    let Value::Object(object) = document else {
        return refuse(document, "must be a JSON object with a Statement".to_owned());
    };
    for (key, value) in object {
        match key.as_str() {
            "Version" if matches!(value.as_str(), Some("2012-10-17" | "2008-10-17")) => {}
            "Version" => return refuse(value, "Version must be \"2012-10-17\" or \"2008-10-17\"".to_owned()),
            "Id" if value.is_string() => {}
            "Id" => return refuse(value, "Id must be a string".to_owned()),
            "Statement" => {}
            other => return Err(unknown_key(field, other, &["Version", "Id", "Statement"], "the document")),
        }
    }
    let statements = one_or_many(object.get("Statement"));
    if statements.is_empty() {
        return refuse(document, "must have at least one Statement".to_owned());
    }
    let mut sids = BTreeSet::new();
    for (index, statement) in statements.iter().enumerate() {
        let place = statement
            .as_object()
            .map_or_else(|| format!("statement {}", index + 1), |statement| statement_label(index, statement));
        check_statement(field, statement, kind, &place)?;
        if let Some(sid) = statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty())
            && !sids.insert(sid)
        {
            return Err(Error::invalid(field, sid, format!("{place}: every Sid must be unique in the document")));
        }
    }
    Ok(())
}

/// Checks one statement; `place` is how errors call it.
pub(super) fn check_statement(field: &'static str, statement: &Value, kind: DocumentKind, place: &str) -> Result<()> {
    let refuse = |value: &Value, rule: &str| Err(refused(field, value, format!("{place}: {rule}")));
    let Value::Object(object) = statement else {
        return refuse(statement, "must be a JSON object");
    };
    const KEYS: [&str; 9] =
        ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
    for key in object.keys() {
        if !KEYS.contains(&key.as_str()) {
            return Err(unknown_key(field, key, &KEYS, place));
        }
    }
    match object.get("Sid") {
        None => {}
        Some(Value::String(sid)) if is_sid(sid) => {}
        Some(sid) => return refuse(sid, "Sid must be of A-Z a-z 0-9"),
    }
    match object.get("Effect").map(|effect| (effect, effect.as_str())) {
        Some((_, Some("Allow" | "Deny"))) => {}
        Some((effect, _)) => return refuse(effect, "Effect must be \"Allow\" or \"Deny\""),
        None => return refuse(statement, "must have an Effect"),
    }
    exactly_one(field, object, ["Action", "NotAction"], place)?;
    match kind {
        DocumentKind::Permissions => {
            for key in ["Principal", "NotPrincipal"] {
                if let Some(value) = object.get(key) {
                    return refuse(value, &format!("{key} belongs into a trust policy, not into a permissions policy"));
                }
            }
            exactly_one(field, object, ["Resource", "NotResource"], place)?;
            check_resources(field, object, place)?;
        }
        DocumentKind::Trust => {
            if let Some(value) = object.get("NotPrincipal") {
                return refuse(value, "IAM takes no NotPrincipal in a trust policy");
            }
            for key in ["Resource", "NotResource"] {
                if let Some(value) = object.get(key) {
                    return refuse(value, &format!("a trust policy has no {key}"));
                }
            }
            check_principal(field, object, place)?;
        }
    }
    check_actions(field, object, kind, place)?;
    check_condition(field, object.get("Condition"), place)
}

pub(super) fn is_sid(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric())
}

fn exactly_one(field: &'static str, object: &Map<String, Value>, keys: [&str; 2], place: &str) -> Result<()> {
    let [one, other] = keys;
    let value = match (object.get(one), object.get(other)) {
        (Some(value), None) | (None, Some(value)) => value,
        _ => {
            let rule = format!("{place}: must have {one} or {other}, one of them");
            return Err(refused(field, &Value::Object(object.clone()), rule));
        }
    };
    let ok = !one_or_many(Some(value)).is_empty() && one_or_many(Some(value)).iter().all(Value::is_string);
    if !ok {
        return Err(refused(field, value, format!("{place}: {one} must be a string or a list of strings")));
    }
    Ok(())
}

fn check_actions(field: &'static str, object: &Map<String, Value>, kind: DocumentKind, place: &str) -> Result<()> {
    for action in one_or_many(object.get("Action").or_else(|| object.get("NotAction"))).iter().filter_map(Value::as_str)
    {
        let rule = match action.split_once(':') {
            _ if action == "*" => continue,
            None => "an action has the form SERVICE:ACTION, or is *",
            Some((vendor, name)) if vendor.is_empty() || name.is_empty() => "an action has the form SERVICE:ACTION",
            Some((_, name)) if name.contains(':') => "an action has one colon",
            Some((vendor, _)) if vendor != "*" && !vendor.chars().all(is_vendor_character) => {
                "the service of an action is of A-Z a-z 0-9 . -, without wildcards"
            }
            Some((vendor, _)) if kind == DocumentKind::Trust && !vendor.eq_ignore_ascii_case("sts") => {
                "a trust policy may only name actions of sts"
            }
            Some(_) => continue,
        };
        return Err(Error::invalid(field, action, format!("{place}: {rule}")));
    }
    Ok(())
}

/// The characters of a service prefix. IAM accepts `*` alone for any service, but no other wildcard.
fn is_vendor_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-.".contains(c)
}

fn check_principal(field: &'static str, statement: &Map<String, Value>, place: &str) -> Result<()> {
    let refuse = |value: &Value, rule: &str| Err(refused(field, value, format!("{place}: {rule}")));
    match statement.get("Principal") {
        None => refuse(&Value::Object(statement.clone()), "a trust policy must have a Principal"),
        Some(Value::String(star)) if star == "*" => Ok(()),
        Some(Value::Object(map)) if !map.is_empty() => {
            for (kind, value) in map {
                if !["AWS", "Federated", "Service", "CanonicalUser"].contains(&kind.as_str()) {
                    return Err(unknown_key(field, kind, &["AWS", "Federated", "Service", "CanonicalUser"], place));
                }
                let list = one_or_many(Some(value));
                if list.is_empty() || !list.iter().all(Value::is_string) {
                    return refuse(value, "a principal must be a string or a list of strings");
                }
            }
            Ok(())
        }
        Some(other) => refuse(other, "Principal must be \"*\" or an object such as {\"Service\": ...}"),
    }
}

fn check_condition(field: &'static str, condition: Option<&Value>, place: &str) -> Result<()> {
    let refuse = |value: &Value, rule: &str| Err(refused(field, value, format!("{place}: {rule}")));
    let Some(condition) = condition else { return Ok(()) };
    let Value::Object(operators) = condition else {
        return refuse(condition, "Condition must be an object of operators");
    };
    for (operator, keys) in operators {
        if !known_operator(operator) {
            return Err(Error::invalid(
                field,
                operator.clone(),
                format!("{place}: is not a condition operator of IAM"),
            ));
        }
        let Value::Object(keys) = keys else {
            return refuse(keys, "a condition operator must hold an object of keys");
        };
        if keys.values().any(|values| one_or_many(Some(values)).is_empty()) {
            return refuse(condition, "a condition key must have at least one value");
        }
        for value in keys.values().flat_map(|value| one_or_many(Some(value))) {
            if !(value.is_string() || value.is_boolean() || value.is_number()) {
                return refuse(value, "a condition value must be a string, a number or a boolean, or a list of these");
            }
            if is_date_operator(operator) && value.as_str().is_some_and(|date| !is_like_a_date(date)) {
                return refuse(
                    value,
                    "a date must be in ISO 8601, such as 2026-01-31T00:00:00Z, or in seconds since 1970",
                );
            }
        }
    }
    Ok(())
}

fn is_date_operator(operator: &str) -> bool {
    operator.rsplit(':').next().is_some_and(|name| name.to_ascii_lowercase().starts_with("date"))
}

/// Whether IAM may read a text as a date: it has the characters of one. Policy variables are dates too.
fn is_like_a_date(text: &str) -> bool {
    let mut characters = text.chars();
    let first = characters.next();
    text.contains("${")
        || (first.is_some_and(|c| c.is_ascii_digit() || c == '-')
            && characters.all(|c| c.is_ascii_digit() || "TtZz:.+-".contains(c)))
}

/// IAM user guide, "IAM JSON policy elements: Condition operators".
fn known_operator(operator: &str) -> bool {
    const OPERATORS: [&str; 27] = [
        "StringEquals",
        "StringNotEquals",
        "StringEqualsIgnoreCase",
        "StringNotEqualsIgnoreCase",
        "StringLike",
        "StringNotLike",
        "NumericEquals",
        "NumericNotEquals",
        "NumericLessThan",
        "NumericLessThanEquals",
        "NumericGreaterThan",
        "NumericGreaterThanEquals",
        "DateEquals",
        "DateNotEquals",
        "DateLessThan",
        "DateLessThanEquals",
        "DateGreaterThan",
        "DateGreaterThanEquals",
        "Bool",
        "BinaryEquals",
        "IpAddress",
        "NotIpAddress",
        "ArnEquals",
        "ArnLike",
        "ArnNotEquals",
        "ArnNotLike",
        "Null",
    ];
    let name = operator.split_once(':').map_or(operator, |(set, rest)| match set {
        "ForAllValues" | "ForAnyValue" => rest,
        _ => operator,
    });
    let name = name.strip_suffix("IfExists").unwrap_or(name);
    OPERATORS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

pub(crate) fn unknown_key(field: &'static str, key: &str, known: &[&str], place: &str) -> Error {
    let error = Error::invalid(field, key, format!("{place}: unknown key; known are {}", known.join(", ")));
    match crate::text::did_you_mean(&crate::text::nearest(key, known.iter().copied())) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn permissions(statement: Value) -> Result<()> {
        check("policy document", &json!({"Version": "2012-10-17", "Statement": statement}), DocumentKind::Permissions)
    }

    fn trust(statement: Value) -> Result<()> {
        check("trust policy", &json!({"Version": "2012-10-17", "Statement": [statement]}), DocumentKind::Trust)
    }

    #[test]
    fn what_iam_takes_is_taken() {
        assert!(permissions(json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})).is_ok());
        assert!(
            permissions(json!({"Effect": "Allow", "Action": ["*:*", "s3-x.y:Get*"], "Resource": "*", "Condition": {
            "DateLessThan": {"aws:CurrentTime": ["2026-01-31T00:00:00Z", "1795000000", "2016-12-13t2:00:00.59+23"]}}}))
            .is_ok()
        );
        assert!(permissions(json!([{"Sid": "", "Effect": "Deny", "NotAction": ["s3:Get*"], "NotResource": ["*"],
            "Condition": {"ForAnyValue:StringLikeIfExists": {"aws:TagKeys": ["a"]}, "Bool": {"aws:SecureTransport": true}}}])).is_ok());
        assert!(
            trust(
                json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})
            )
            .is_ok()
        );
        assert!(trust(json!({"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRoleWithWebIdentity"})).is_ok());
    }

    #[test]
    fn what_iam_refuses_is_refused_with_the_place() {
        for (statement, word) in [
            (json!({"Action": "s3:*", "Resource": "*"}), "Effect"),
            (json!({"Effect": "allow", "Action": "s3:*", "Resource": "*"}), "Effect"),
            (json!({"Effect": "Allow", "Resource": "*"}), "Action"),
            (json!({"Effect": "Allow", "Action": "s3:*", "NotAction": "s3:*", "Resource": "*"}), "Action"),
            (json!({"Effect": "Allow", "Action": "s3:*"}), "Resource"),
            (json!({"Effect": "Allow", "Action": "s3", "Resource": "*"}), "SERVICE:ACTION"),
            (json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Principal": "*"}), "Principal"),
            (json!({"Effect": "Allow", "Action": "s3:List:Bucket", "Resource": "*"}), "one colon"),
            (json!({"Effect": "Allow", "NotAction": "a a:ListBucket", "Resource": "*"}), "the service of an action"),
            (json!({"Effect": "Allow", "Action": "s*:Get", "Resource": "*"}), "the service of an action"),
            (json!({"Effect": "Allow", "Action": "s3:*", "Resource": "bucket"}), "must be an ARN"),
            (json!({"Effect": "Allow", "Action": "s3:*", "NotResource": ["*", "arn:aws:s3::b"]}), "five colons"),
            (
                json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*",
                    "Condition": {"ForAnyValue:DateGreaterThanIfExists": {"aws:CurrentTime": ["2026-01-31T00:00:00Z", "2026-01-31 00:00"]}}}),
                "ISO 8601",
            ),
            (
                json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"StringIs": {"a": "b"}}}),
                "operator",
            ),
            (
                json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"StringEquals": {"a": {"b": 1}}}}),
                "condition value",
            ),
            (json!({"Effect": "Allow", "Action": 1, "Resource": "*"}), "Action"),
            (json!({"Sid": "a b", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}), "Sid"),
            (json!([]), "Statement"),
        ] {
            let error = permissions(statement.clone()).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.contains(word), "{statement}: {error}");
        }
        for (statement, word) in [
            (json!({"Effect": "Allow", "Action": "sts:AssumeRole"}), "Principal"),
            (json!({"Effect": "Allow", "NotPrincipal": {"AWS": "*"}, "Action": "sts:AssumeRole"}), "NotPrincipal"),
            (json!({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject"}), "sts"),
            (
                json!({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole", "Resource": "*"}),
                "Resource",
            ),
            (json!({"Effect": "Allow", "Principal": {"Aws": "*"}, "Action": "sts:AssumeRole"}), "unknown key"),
        ] {
            let error = trust(statement.clone()).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.contains(word), "{statement}: {error}");
        }
    }

    #[test]
    fn a_misspelt_key_is_answered_with_the_nearest() {
        let error = permissions(json!({"Effect": "Allow", "Actions": "s3:*", "Resource": "*"})).err();
        assert_eq!(error.as_ref().and_then(Error::hint), Some(&"did you mean Action?".into()));
    }

    #[test]
    fn sids_are_unique() {
        let one = json!({"Sid": "A", "Effect": "Allow", "Action": "s3:*", "Resource": "*"});
        assert!(permissions(json!([one, one])).is_err());
    }
}
