//! Documents that are made to take long: the evaluator answers soon, and never more than it knows.

use std::time::{Duration, Instant};

use irsa_core::trust::{Decision, TrustDocument, WebIdentityCaller};
use serde_json::{Map, Value, json};

use super::generate::OWN;

const SUB: &str = "oidc.example.com/id/A:sub";
const AUDIENCE: &str = "sts.amazonaws.com";
/// Far more than any of them takes without optimisation, and far less than trying everything would.
const SOON: Duration = Duration::from_secs(30);

fn statement(effect: &str, operator: &str, key: &str, values: Value) -> Value {
    let mut statement =
        json!({"Effect": effect, "Principal": {"Federated": OWN}, "Action": "sts:AssumeRoleWithWebIdentity"});
    statement["Condition"] = json!({operator: {key: values}});
    statement
}

/// One statement that allows under six operators of likeness on the same key.
fn all_of(values: impl Fn(usize) -> Value) -> Value {
    const LIKE: [&str; 6] = [
        "StringLike",
        "StringLikeIfExists",
        "ForAnyValue:StringLike",
        "ForAllValues:StringLike",
        "ForAnyValue:StringLikeIfExists",
        "ForAllValues:StringLikeIfExists",
    ];
    let mut statement = statement("Allow", LIKE[0], SUB, values(0));
    for (i, operator) in LIKE.iter().enumerate() {
        statement["Condition"][operator] = json!({SUB: values(i)});
    }
    statement
}

fn many(form: impl Fn(usize) -> String, count: usize) -> Value {
    (0..count).map(form).collect::<Vec<_>>().into()
}

fn read(statements: &Value) -> TrustDocument {
    let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    assert!(text.len() <= 131_072, "{} characters", text.len());
    TrustDocument::parse(&text).unwrap()
}

/// Decided soon, and told soon who gets in.
fn soon(statements: &Value, subject: &str, expected: &[Decision]) {
    let start = Instant::now();
    let document = read(statements);
    let caller = WebIdentityCaller::new(OWN.parse().unwrap(), subject, AUDIENCE);
    let check = document.check(&caller);
    let decided = start.elapsed();
    let set = document.subjects(&caller.provider, &caller.audience);
    let told = start.elapsed() - decided;
    assert!(expected.contains(&check.decision), "{}", check.decision);
    assert!(set.decide(subject) != Decision::Deny || check.decision == Decision::Deny, "left out");
    assert!(decided < SOON && told < SOON, "decided after {decided:?}, the set told after {told:?}");
}

#[test]
fn a_pattern_of_many_stars() {
    for stars in [30, 20_000] {
        let pattern = json!(format!("{}b", "a*".repeat(stars)));
        soon(&statement("Allow", "StringLike", SUB, pattern), &"a".repeat(20_000), &[Decision::Deny]);
    }
}

#[test]
fn six_lists_of_patterns_at_once() {
    soon(&all_of(|i| many(|n| format!("*{i}x{n}*"), 60)), "a", &[Decision::Deny]);
}

#[test]
fn patterns_of_many_stars_that_meet() {
    soon(&all_of(|i| json!(format!("{}{i}*", "*a?".repeat(60)))), "a", &[Decision::Deny]);
}

#[test]
fn hundreds_of_denies() {
    let mut statements = vec![statement("Allow", "StringLike", SUB, json!("*a*b*c*d*e*f*"))];
    statements.extend((0..300).map(|n| statement("Deny", "StringLike", SUB, json!(format!("*a{n}*b{n}*")))));
    soon(&json!(statements), "abcdef", &[Decision::Allow]);
}

#[test]
fn a_long_list_less_a_long_list() {
    let list = |effect| statement(effect, "StringLike", SUB, many(|n| format!("*{n}*{}*", n * 7), 200));
    soon(&json!([list("Allow"), list("Deny")]), "*1*7*", &[Decision::Deny]);
}

#[test]
fn a_long_negated_list() {
    soon(&statement("Allow", "StringNotLike", SUB, many(|n| format!("*a{n}?*"), 4_000)), "b", &[Decision::Allow]);
}

#[test]
fn a_long_list_of_names_less_another() {
    let names = |effect, from: usize| {
        statement(effect, "StringEquals", SUB, many(|n| format!("system:serviceaccount:a:{}", n + from), 400))
    };
    soon(&json!([names("Allow", 0), names("Deny", 200)]), "system:serviceaccount:a:3", &[Decision::Allow]);
}

#[test]
fn hundreds_of_tags() {
    let tags = |effect: &str, operator: &str, value: &str, count: usize| {
        let mut statement = statement(effect, operator, SUB, json!("*"));
        let keys = (0..count).map(|n| (format!("aws:PrincipalTag/k{n}"), json!([value, format!("{value}{n}*")])));
        statement["Condition"][operator] = keys.collect::<Map<_, _>>().into();
        statement
    };
    let statements = json!([
        tags("Allow", "StringEquals", "a", 300),
        tags("Allow", "StringNotEquals", "a", 300),
        tags("Deny", "StringLike", "b", 300),
        tags("Deny", "ForAnyValue:StringLike", "c", 100),
        tags("Deny", "ForAllValues:StringNotLike", "d", 100),
    ]);
    soon(&statements, "a", &[Decision::Unknown]);
}

#[test]
fn hundreds_of_statements_on_forty_tags() {
    let one = |n: usize| {
        let effect = if n.is_multiple_of(3) { "Deny" } else { "Allow" };
        let operator = ["StringEquals", "StringNotEquals"][n / 40 % 2];
        statement(effect, operator, &format!("aws:RequestTag/k{}", n % 40), json!("a"))
    };
    soon(&(0..300).map(one).collect(), "a", &[Decision::Unknown, Decision::Deny]);
}

#[test]
fn hundreds_of_words_of_a_set() {
    let set = |effect| statement(effect, "ForAnyValue:StringLike", "aws:TagKeys", many(|n| format!("*{n}*"), 600));
    soon(&json!([set("Allow"), set("Deny")]), "a", &[Decision::Unknown, Decision::Deny]);
}

#[test]
fn thousands_of_statements() {
    let mut statements = vec![json!({"Effect": "Deny", "Principal": {"Service": "a"}, "Action": "a"}); 1_900];
    statements.push(json!({"Effect": "Allow", "Principal": "*", "Action": "*"}));
    soon(&json!(statements), "a", &[Decision::Allow]);
}

#[test]
fn crowds_of_principals_and_actions() {
    let names = many(|n| format!("arn:aws:iam::123456789012:oidc-provider/a.example.com/{n}"), 1_500);
    soon(&json!({"Effect": "Allow", "Principal": {"Federated": names}, "Action": "*"}), "a", &[Decision::Deny]);
    let actions = many(|n| format!("sts:*{n}*"), 8_000);
    soon(&json!({"Effect": "Allow", "Principal": "*", "Action": actions}), "a", &[Decision::Deny]);
}
