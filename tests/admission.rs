//! Whom a binding lets in, told and kept by the evaluation of the trust policy: what create, update, get and list say of the
//! statements of others, and what they refuse.

use irsa_core::name::{Namespace, ServiceAccountName};
use irsa_core::{BindingStatus, ErrorKind, WarningId};
use serde_json::{Value, json};

use crate::world::{ROLE, World, text, warned};

fn host(world: &World) -> String {
    world.sandbox.state().unwrap().clusters[&"sandbox".parse().unwrap()].issuer.clone().unwrap().host_path().to_owned()
}

fn statement(world: &World, effect: &str, sid: &str, operator: &str, key: &str, value: &str) -> Value {
    let host = host(world);
    let key = if key.contains(':') { key.to_owned() } else { format!("{host}:{key}") };
    json!({"Sid": sid, "Effect": effect, "Principal": {"Federated": format!("arn:aws:iam::123456789012:oidc-provider/{host}")},
           "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {operator: {key: value}}})
}

async fn with_statement(effect: &str, sid: &str, (operator, key, value): (&str, &str, &str)) -> World {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    let foreign = statement(&world, effect, sid, operator, key, value);
    world.edit_role(ROLE, |role| role.trust_policy["Statement"].as_array_mut().unwrap().push(foreign));
    world.sandbox.faults().clear_calls();
    world
}

async fn get(world: &World) -> BindingStatus {
    let (namespace, name) = (Namespace::new("default").unwrap(), ServiceAccountName::new("sa").unwrap());
    world.client.get(&"sandbox".parse().unwrap(), &namespace, &name, None).await.unwrap()
}

fn issue<'a>(view: &'a BindingStatus, id: &str) -> &'a str {
    view.issues.iter().find(|issue| issue.id.as_str() == id).map(|issue| issue.message.as_str()).unwrap_or_default()
}

#[tokio::test]
async fn a_deny_that_keeps_the_subject_out_is_refused_and_shown() {
    let world = with_statement("Deny", "Out", ("StringLike", "sub", "system:serviceaccount:default:*")).await;
    let error = world.create(World::binding()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(text(&error).contains("statement 2 (Out) denies it"), "{}", text(&error));
    assert_eq!(world.writes(), Vec::<&str>::new());
    assert!(issue(&get(&world).await, "subject-not-trusted").contains("(Out) denies it"));
    assert!(!world.can_assume("sandbox", "default/sa", ROLE).await);
}

#[tokio::test]
async fn a_deny_of_somebody_else_is_nobodys_trouble() {
    let world = with_statement("Deny", "Other", ("StringEquals", "sub", "system:serviceaccount:default:b")).await;
    let report = world.create(World::binding()).await.unwrap();
    assert!(!report.changed && warned(&report, WarningId::ForeignTrust).is_none(), "{:?}", report.warnings);
    assert_eq!(get(&world).await.issues, []);
}

#[tokio::test]
async fn what_depends_on_the_request_is_said() {
    let world = with_statement("Deny", "Inside", ("NotIpAddress", "aws:SourceIp", "10.0.0.0/8")).await;
    let report = world.create(World::binding()).await.unwrap();
    let warning = warned(&report, WarningId::ForeignTrust).unwrap();
    assert!(warning.message.contains("default/sa") && warning.message.contains("aws:SourceIp"), "{}", warning.message);
    assert!(issue(&get(&world).await, "subject-in-doubt").contains("aws:SourceIp"));
}

#[tokio::test]
async fn who_else_gets_in_is_said() {
    let world = with_statement("Allow", "Wide", ("StringLike", "sub", "system:serviceaccount:*:sa")).await;
    let report = world.create(World::binding()).await.unwrap();
    let warning = warned(&report, WarningId::ForeignTrust).unwrap();
    assert!(warning.message.contains("Wide") && warning.message.contains("system:serviceaccount:*:sa"), "{warning:?}");
    assert!(issue(&get(&world).await, "trust-wide").contains("system:serviceaccount:*:sa"));
    let list = world.client.list(&"sandbox".parse().unwrap(), None).await.unwrap();
    assert!(list.iter().any(|view| !issue(view, "trust-wide").is_empty()));
}

#[tokio::test]
async fn a_statement_that_names_single_accounts_only_is_extra_and_no_warning() {
    let world = with_statement("Allow", "Two", ("StringEquals", "sub", "system:serviceaccount:default:b")).await;
    let report = world.create(World::binding()).await.unwrap();
    assert!(warned(&report, WarningId::ForeignTrust).is_none(), "{:?}", report.warnings);
    assert_eq!(get(&world).await.subjects, ["default/b", "default/sa"]);
}

#[tokio::test]
async fn nobody_is_let_in_by_taking_our_own_deny_away() {
    let world = World::new();
    world.create(World::binding().with_subject("default/b")).await.unwrap();
    let foreign = statement(&world, "Allow", "Wide", "StringLike", "sub", "system:serviceaccount:jobs:*");
    let own =
        json!({"Sid": "IrsaNobody", "Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRoleWithWebIdentity"});
    world.edit_role(ROLE, |role| role.trust_policy["Statement"] = json!([foreign, own]));
    world.sandbox.faults().clear_calls();
    let error = world.create(World::binding()).await.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Conflict && text(&error).contains("it would let in system:serviceaccount:jobs:*")
    );
    assert_eq!(world.writes(), Vec::<&str>::new());
}
