//! Tests of what is written to be overlooked: wildcards behind which the tests of one cluster stand, conditions that keep
//! nobody out, and small documents that ask for endless work.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::finding::Finding;
use super::fixtures::{HOST, STS, allow, allow_sub, arn, around, found_in, ids, role};
use super::rules::{FindingId as Id, Ignore};
use super::severity::Severity;
use super::{AuditedRole, Surroundings, audit, who_can};

const APP: &str = "system:serviceaccount:ns:app";
/// Generous: a bound that is missing costs minutes.
const MAX_DURATION: Duration = Duration::from_secs(20);

fn with_principal(mut statement: Value, principal: Value) -> Value {
    statement["Principal"] = principal;
    statement
}

fn severities(statements: Value, id: Id) -> Vec<Severity> {
    let found = found_in(&role(statements), &Surroundings::default());
    found.iter().filter(|finding| finding.id == id).map(|finding| finding.severity).collect()
}

#[test]
fn a_wildcard_behind_the_tests_of_one_cluster_lets_that_cluster_in() {
    let open = allow(json!({"StringEquals": {format!("{HOST}:aud"): STS}}));
    for principal in [json!("*"), json!({"Federated": "*"})] {
        let statement = with_principal(open.clone(), principal);
        assert!(ids(statement.clone()).contains(&Id::AnySubject), "{statement}");
        let known = found_in(&role(statement.clone()), &around());
        assert!(known.iter().any(|finding| finding.id == Id::AnySubject), "{known:?}");
        let who = who_can(&role(statement), &around()).unwrap();
        assert!(who.subjects.iter().any(|subjects| subjects.service_accounts.as_ref().is_some_and(|a| a.len() == 5)));
    }
    let mut inverted = open;
    inverted.as_object_mut().unwrap().remove("Principal");
    inverted["NotPrincipal"] = json!({"AWS": "arn:aws:iam::123456789012:user/x"});
    assert!(ids(inverted).contains(&Id::AnySubject));
    let pinned = with_principal(allow_sub("StringEquals", json!(APP)), json!("*"));
    let who = who_can(&role(pinned), &Surroundings::default()).unwrap();
    assert_eq!(who.subjects.iter().map(|subjects| subjects.pattern.as_str()).collect::<Vec<_>>(), [APP]);
}

#[test]
fn a_wildcard_of_aws_is_never_passed_over() {
    let of_aws = |principal: Value, condition: Value| with_principal(allow(condition), principal);
    assert_eq!(ids(of_aws(json!({"AWS": "*"}), json!({}))), [Id::Undecided]);
    let address = json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}});
    let mixed = of_aws(json!({"AWS": "*", "Federated": arn(HOST)}), address.clone());
    assert!(ids(mixed).contains(&Id::Undecided), "the wildcard hides nothing of the provider beside it");
    assert!(ids(allow(address)).contains(&Id::Undecided));
    let everyone_but = json!({"Effect": "Allow", "Action": "sts:AssumeRole",
        "NotPrincipal": {"AWS": "arn:aws:iam::123456789012:user/x"}});
    assert_eq!(ids(everyone_but), [Id::AnyPrincipal, Id::RefusedByIam]);
}

#[test]
fn conditions_that_the_caller_chooses_keep_nobody_out() {
    for condition in [
        json!({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}),
        json!({"StringLike": {"sts:RoleSessionName": "*"}}),
        json!({"Bool": {"aws:SecureTransport": "true"}}),
    ] {
        let mut open = condition.clone();
        open["StringEquals"][format!("{HOST}:aud")] = json!(STS);
        assert_eq!(severities(allow(open), Id::AnySubject), [Severity::High], "{condition}");
    }
    let inside = json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}, "StringEquals": {format!("{HOST}:aud"): STS}});
    assert_eq!(severities(allow(inside), Id::AnySubject), [], "an address is not chosen");
}

#[test]
fn what_cannot_be_read_fails_closed() {
    let unread = AuditedRole { trust_policy: "{".to_owned(), ..role(json!([])) };
    assert_eq!(found_in(&unread, &around())[0].severity, Severity::High);
}

#[test]
fn small_documents_take_little_time() {
    let like = |operator: &str, subs: Vec<String>| json!({operator: {format!("{HOST}:sub"): subs}});
    let each = |form: &str, many: usize| (0..many).map(|i| form.replace('#', &i.to_string())).collect::<Vec<_>>();
    let both = |one: Value, two: Value| {
        let mut condition = one;
        condition.as_object_mut().unwrap().extend(two.as_object().unwrap().clone());
        condition
    };
    let deny = |condition: Value| {
        let mut statement = allow(condition);
        statement["Effect"] = json!("Deny");
        statement
    };
    let many = |n: usize| -> Value {
        let allows = (0..n).map(|i| allow(like("StringLike", each(&format!("*a{i}*b#*"), 2))));
        let denies = (0..n).map(|i| deny(like("StringLike", each(&format!("*c{i}*d#*"), 2))));
        allows.chain(denies).collect()
    };
    let networks: Vec<String> = (0..40).map(|i| format!("10.{i}.0.0/16")).collect();
    let addresses: Value = (0..120)
        .map(|i| {
            allow(
                json!({"IpAddress": {"aws:SourceIp": networks}, "StringEquals": {"aws:RequestTag/x": format!("{i}")}}),
            )
        })
        .collect();
    for (name, statements) in [
        ("stars", allow(both(like("StringLike", each("*a#*b*", 5)), like("StringLikeIfExists", each("*c#*d*", 5))))),
        (
            "stars left out",
            allow(both(like("StringLike", each("*a*b*c*d*e*#*", 5)), like("StringNotLike", each("*e*d*c*b*#*", 5)))),
        ),
        ("question marks", allow(like("StringLike", vec!["?".repeat(3700)]))),
        ("a long pattern", allow(like("StringLike", vec!["*a".repeat(1800)]))),
        ("wildcards alone", allow(like("StringLike", vec!["*?".repeat(300)]))),
        ("allows and denies", many(6)),
        ("many allows and denies", many(150)),
        (
            "audiences",
            allow(
                json!({"StringLike": {format!("{HOST}:aud"): each("a#*", 2000), format!("{HOST}:sub"): each("*s#*", 300)}}),
            ),
        ),
        ("networks", addresses),
        ("names", allow(like("StringEquals", each("system:serviceaccount:ns:app-#", 3000)))),
    ] {
        let begun = Instant::now();
        let found = found_in(&role(statements), &around());
        assert!(begun.elapsed() < MAX_DURATION, "{name}: {:?}", begun.elapsed());
        assert!(!found.is_empty(), "{name}");
    }
}

#[test]
fn what_is_ignored_is_named_by_role_or_file() {
    let open = || allow(json!({"StringEquals": {format!("{HOST}:aud"): STS}}));
    let left = |wanted: &str, role: AuditedRole| -> Vec<Finding> {
        let ignore: Ignore = format!("any-subject:{wanted}").parse().unwrap();
        audit([role], &Surroundings::default(), &[ignore]).findings
    };
    let of_file = |source: &str| AuditedRole { source: Some(source.to_owned()), ..role(open()) };
    let document = |source: &str| AuditedRole { arn: None, ..of_file(source) };
    for (wanted, role) in [
        ("r", role(open())),
        ("R", role(open())),
        ("*:role/r", role(open())),
        ("dumps/dump.json", of_file("dumps/dump.json")),
        ("*mp.json", of_file("dump.json")),
        ("legacy-*", document("dump.json, role legacy-y")),
        ("list.json", document("list.json, element 1")),
        ("one/p.json", document("./one/p.json")),
        ("./one/p.json", document("one/p.json")),
    ] {
        assert_eq!(left(wanted, role), [], "{wanted}");
    }
    assert_eq!(left("s", role(open())).len(), 1);
}
