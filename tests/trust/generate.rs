//! Random trust policies over a small alphabet, so that conditions meet, and the callers that can tell them apart.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

pub(super) const OWN: &str = "arn:aws:iam::123456789012:oidc-provider/oidc.example.com/id/A";
const NEIGHBOURS: [&str; 4] = [
    "arn:aws:iam::123456789012:oidc-provider/oidc.example.com/id/B",
    "arn:aws:iam::123456789012:oidc-provider/oidc.example.com/id/a",
    "arn:aws:iam::210987654321:oidc-provider/oidc.example.com/id/A",
    "arn:aws-cn:iam::123456789012:oidc-provider/oidc.example.com/id/A",
];

pub(super) const SUBJECTS: [&str; 18] = [
    "system:serviceaccount:a:b",
    "system:serviceaccount:a:bb",
    "system:serviceaccount:a:ab",
    "system:serviceaccount:ab:b",
    "system:serviceaccount:b:a",
    "system:serviceaccount:b:b",
    "system:serviceaccount:a:b:b",
    "system:serviceaccount:a/b:b",
    "system:serviceaccount:A:b",
    "System:ServiceAccount:a:b",
    "system:serviceaccount:c:c",
    "system:serviceaccount:a:",
    "system:serviceaccount:a:*",
    "system:serviceaccount",
    "system:node:a",
    "a",
    "b",
    "${oidc.example.com/id/A:aud}",
];

pub(super) const AUDIENCES: [&str; 5] = ["sts.amazonaws.com", "a", "b", "A", "sts"];

const SUBJECT_VALUES: [&str; 28] = [
    "system:serviceaccount:a:b",
    "system:serviceaccount:a:bb",
    "system:serviceaccount:ab:b",
    "system:serviceaccount:b:b",
    "system:serviceaccount:a:*",
    "system:serviceaccount:a*:b",
    "system:serviceaccount:*:b",
    "system:serviceaccount:*b",
    "system:serviceaccount:?:b",
    "system:serviceaccount:?:?",
    "system:serviceaccount:a:?*",
    "system:serviceaccount:b*",
    "system:serviceaccount:*",
    "system:*",
    "*:a:*",
    "*b",
    "*",
    "?",
    "*[ab]",
    "a",
    "SYSTEM:SERVICEACCOUNT:A:B",
    "system:serviceaccount:a:${*}",
    "system:serviceaccount:${?}:b",
    "system:serviceaccount:a:${oidc.example.com/id/A:aud}",
    "system:serviceaccount:${OIDC.example.com/id/A:AUD}:*",
    "${oidc.example.com/id/A:sub}",
    "${oidc.example.com/id/B:aud, 'a'}",
    "${oidc.example.com/id/B:aud}*",
];
const SMALL_VALUES: [&str; 9] = ["a", "b", "ab", "A", "a*", "*b", "?", "*", "${oidc.example.com/id/A:aud}"];
/// With variables whose values are not given.
const OPEN_VALUES: [&str; 6] = [
    "system:serviceaccount:${aws:PrincipalTag/ns}:b",
    "system:serviceaccount:${AWS:PrincipalTag/ns, 'a'}:?",
    "${aws:PrincipalTag/ns}",
    "${sts:RoleSessionName, 'b'}*",
    "a",
    "*",
];
const SET_VALUES: [&str; 5] = ["a", "b", "c", "a*", "*"];
const AUDIENCE_VALUES: [&str; 8] = ["sts.amazonaws.com", "sts.amazonaws.com", "a", "b", "A", "sts*", "*", "?"];

/// How a document may be made: the families of operators and elements that may stand in it.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Family {
    /// Sub and aud of the own provider and of another one, under string operators: everything is known.
    Known,
    /// Keys that no caller gives as well.
    Open,
    /// Variables with the values of such keys as well.
    Variables,
    /// All operators, `Resource`, no principal.
    Wild,
}

pub(super) fn document(family: Family) -> impl Strategy<Value = Value> {
    let version = prop_oneof![
        3 => Just(Some("2012-10-17")),
        1 => Just(Some("2008-10-17")),
        1 => Just(None),
    ];
    // Of statements that are random in every element, most say nothing; so there is one that says something.
    let first = prop_oneof![3 => trusting(family).boxed(), 1 => statement(family).boxed()];
    (version, first, vec(statement(family), 0..3), any::<bool>()).prop_map(
        |(version, first, mut statements, single)| {
            let mut document = Map::new();
            if let Some(version) = version {
                document.insert("Version".to_owned(), version.into());
            }
            statements.insert(0, first);
            let statement =
                if single && statements.len() == 1 { statements.remove(0) } else { Value::Array(statements) };
            document.insert("Statement".to_owned(), statement);
            Value::Object(document)
        },
    )
}

/// A statement that allows tokens of the provider on up to two conditions.
fn trusting(family: Family) -> impl Strategy<Value = Value> {
    vec(condition(family), 0..3).prop_map(|conditions| {
        let mut statement = json!({"Effect": "Allow", "Principal": {"Federated": OWN}});
        statement["Action"] = "sts:AssumeRoleWithWebIdentity".into();
        with_conditions(statement, conditions)
    })
}

pub(super) fn statement(family: Family) -> impl Strategy<Value = Value> {
    let effect = prop_oneof![1 => Just("Allow"), 1 => Just("Deny")];
    let resource = prop_oneof![12 => Just(None), 1 => Just(Some("*")), 1 => Just(Some("arn:aws:s3:::a"))];
    (effect, principal(family), action(), vec(condition(family), 0..4), resource).prop_map(
        move |(effect, principal, action, conditions, resource)| {
            let mut statement = Map::new();
            statement.insert("Effect".to_owned(), effect.into());
            statement.extend(principal);
            statement.extend([action]);
            if let Some(resource) = resource.filter(|_| family == Family::Wild) {
                statement.insert("Resource".to_owned(), resource.into());
            }
            with_conditions(Value::Object(statement), conditions)
        },
    )
}

fn with_conditions(mut statement: Value, conditions: Vec<(String, String, Value)>) -> Value {
    let mut condition = Map::new();
    for (operator, key, values) in conditions {
        let keys = condition.entry(operator).or_insert_with(|| json!({}));
        keys.as_object_mut().unwrap().entry(key).or_insert(values);
    }
    if !condition.is_empty() {
        statement["Condition"] = condition.into();
    }
    statement
}

/// One value, or a list.
fn one_or_many(values: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => select(values).prop_map(Value::from),
        2 => vec(select(values), 1..4).prop_map(Value::from),
    ]
}

fn principal(family: Family) -> impl Strategy<Value = Option<(String, Value)>> {
    let federated = prop_oneof![
        6 => Just(json!(OWN)),
        1 => Just(json!("*")),
        1 => Just(json!([NEIGHBOURS[0], OWN])),
        1 => select(&NEIGHBOURS).prop_map(Value::from),
    ];
    let star = if family == Family::Known { vec![false] } else { vec![false, true] };
    let aws = select(star).prop_map(|star| if star { "*" } else { "arn:aws:iam::123456789012:root" });
    let map = prop_oneof![
        12 => federated.prop_map(|federated| json!({ "Federated": federated })),
        1 => Just(json!("*")),
        1 => Just(json!({"Service": ["ec2.amazonaws.com"]})),
        1 => Just(json!({"Service": "ec2.amazonaws.com", "Federated": [OWN], "CanonicalUser": "*"})),
        1 => aws.clone().prop_map(|aws| json!({ "AWS": aws })),
        1 => aws.prop_map(|aws| json!({"AWS": ["123456789012", aws], "Federated": NEIGHBOURS[0]})),
    ];
    let named = prop_oneof![12 => Just("Principal"), 1 => Just("NotPrincipal")];
    let none = u32::from(family == Family::Wild);
    prop_oneof![
        20 => (named, map).prop_map(|(name, principal)| Some((name.to_owned(), principal))),
        none => Just(None),
    ]
}

fn action() -> impl Strategy<Value = (String, Value)> {
    let action = prop_oneof![
        8 => Just(json!("sts:AssumeRoleWithWebIdentity")),
        1 => Just(json!(["sts:TagSession", "sts:AssumeRoleWithWebIdentity"])),
        1 => Just(json!("sts:*")),
        1 => Just(json!("*")),
        1 => Just(json!("STS:assumerole*")),
        1 => Just(json!("sts:AssumeRoleWithWebIdentit?")),
        1 => Just(json!("sts:AssumeRole")),
        1 => Just(json!(["sts:AssumeRole", "sts:TagSession"])),
    ];
    let named = prop_oneof![12 => Just("Action"), 1 => Just("NotAction")];
    (named, action).prop_map(|(name, action)| (name.to_owned(), action))
}

/// Operator, key and values.
fn condition(family: Family) -> impl Strategy<Value = (String, String, Value)> {
    const CLAIMS: [&str; 10] = [
        "oidc.example.com/id/A:sub",
        "oidc.example.com/id/A:sub",
        "oidc.example.com/id/A:sub",
        "oidc.example.com/id/A:sub",
        "oidc.example.com/id/A:sub",
        "oidc.example.com/id/A:sub",
        "OIDC.EXAMPLE.COM/id/a:SUB",
        "oidc.example.com/id/B:sub",
        "oidc.example.com/id/A/B:sub",
        "arn:aws:iam::123456789012:oidc-provider/oidc.example.com/id/A:sub",
    ];
    const AUDIENCE_KEYS: [&str; 4] = [
        "oidc.example.com/id/A:aud",
        "oidc.example.com/id/A:aud",
        "Oidc.Example.com/id/A:Aud",
        "oidc.example.com/id/B:aud",
    ];
    const OPEN_KEYS: [&str; 5] = [
        "aws:PrincipalTag/ns",
        "AWS:principaltag/NS",
        "sts:RoleSessionName",
        "aws:PrincipalTag/example.com/a:b",
        "oidc.example.com/id/A:amr",
    ];
    let open = u32::from(family != Family::Known);
    let variables = u32::from(family == Family::Variables);
    let wild = u32::from(family == Family::Wild);
    prop_oneof![
        8 => (string_operator(), select(&CLAIMS), one_or_many(&SUBJECT_VALUES)).prop_map(owned),
        4 => (string_operator(), select(&AUDIENCE_KEYS), one_or_many(&AUDIENCE_VALUES)).prop_map(owned),
        1 => (Just("Null".to_owned()), select(&CLAIMS), select(vec![json!("true"), json!("false"), json!(true), json!(["false"])]))
            .prop_map(owned),
        open => (Just("Null".to_owned()), select(&OPEN_KEYS), select(vec![json!("true"), json!("false"), json!(false)])).prop_map(owned),
        4 * open => (plain_string_operator(), select(&OPEN_KEYS), one_or_many(&SMALL_VALUES)).prop_map(owned),
        2 * open => (set_operator(), Just("aws:TagKeys"), one_or_many(&SET_VALUES)).prop_map(owned),
        2 * variables => (string_operator(), select(&CLAIMS), one_or_many(&OPEN_VALUES)).prop_map(owned),
        2 * variables => (plain_string_operator(), select(&OPEN_KEYS), one_or_many(&OPEN_VALUES)).prop_map(owned),
        5 * wild => typed(),
    ]
}

fn owned((operator, key, values): (String, &str, Value)) -> (String, String, Value) {
    (operator, key.to_owned(), values)
}

fn plain_string_operator() -> impl Strategy<Value = String> {
    const OPERATORS: [&str; 9] = [
        "StringEquals",
        "StringEquals",
        "StringLike",
        "StringLike",
        "StringNotEquals",
        "StringNotLike",
        "StringEqualsIgnoreCase",
        "StringNotEqualsIgnoreCase",
        "stringequals",
    ];
    let suffix = prop_oneof![5 => Just(""), 1 => Just("IfExists")];
    (select(&OPERATORS), suffix).prop_map(|(operator, suffix)| format!("{operator}{suffix}"))
}

fn set_operator() -> impl Strategy<Value = String> {
    (select(&["ForAnyValue", "ForAllValues", "forallvalues"]), plain_string_operator())
        .prop_map(|(set, operator)| format!("{set}:{operator}"))
}

fn string_operator() -> impl Strategy<Value = String> {
    prop_oneof![5 => plain_string_operator(), 1 => set_operator()]
}

/// Operators and keys of other types, some of them on claims.
fn typed() -> impl Strategy<Value = (String, String, Value)> {
    const OPERATORS: [&str; 18] = [
        "IpAddress",
        "NotIpAddress",
        "Bool",
        "BoolIfExists",
        "NumericEquals",
        "NumericNotEquals",
        "NumericLessThan",
        "NumericGreaterThanEqualsIfExists",
        "DateLessThan",
        "DateGreaterThan",
        "ArnLike",
        "ArnNotEquals",
        "ForAllValues:ArnLike",
        "BinaryEquals",
        "StringMatches",
        "ForEachValue:StringEquals",
        "NullIfExists",
        "ForAnyValue:Null",
    ];
    const KEYS: [&str; 6] = [
        "aws:SourceIp",
        "aws:CurrentTime",
        "aws:SecureTransport",
        "oidc.example.com/id/A:sub",
        "oidc.example.com/id/A:aud",
        "oidc.example.com/id/B:sub",
    ];
    const VALUES: [&str; 8] =
        ["10.0.0.0/8", "2001:db8::/32", "true", "5", "-1.5", "2030-01-01T00:00:00Z", "arn:aws:iam::*:role/a*", "a"];
    (select(&OPERATORS), select(&KEYS), one_or_many(&VALUES))
        .prop_map(|(operator, key, values)| (operator.to_owned(), key.to_owned(), values))
}
