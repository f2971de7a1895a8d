//! Admission: what webhooks and policies of the cluster change, deny and warn of, and what a back end makes of it.

use std::time::Duration;

use irsa_core::backend::{DryRun, FIELD_MANAGER, NewServiceAccount, ServiceAccount, Takeover};
use irsa_core::name::Namespace;
use irsa_core::sandbox::AdmissionState;
use irsa_core::{Client, ConflictReason, Error, ErrorKind, Hint, IrsaBinding, Request, Warning, WarningId};

use super::{World, account_name, annotated, managers_of, map};

const KEY: &str = "eks.amazonaws.com/role-arn";

/// Repeats a call until its result is the expected one: a policy takes a moment to be in effect everywhere.
macro_rules! eventually {
    ($call:expr, $expected:expr) => {{
        let mut tries = 0;
        loop {
            let last = $call;
            if $expected(&last) {
                break last;
            }
            tries += 1;
            assert!(tries < 100, "not in effect after 10 s: {last:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }};
}

async fn write(world: &World, account: &NewServiceAccount, dry_run: DryRun) -> Result<ServiceAccount, Error> {
    world.cluster.apply_service_account(account, dry_run, Takeover::Refuse).await
}

async fn stored(world: &World, namespace: &Namespace) -> Option<ServiceAccount> {
    world.cluster.service_account(namespace, &account_name()).await.unwrap()
}

/// Adds what admission does in a namespace, and waits until dry runs of an account show it.
async fn admit(
    world: &World,
    namespace: &Namespace,
    admission: AdmissionState,
    in_effect: fn(&Result<ServiceAccount, Error>) -> bool,
) {
    world.hands.admit(&world.unique("policy"), namespace, &admission).await;
    let probe = NewServiceAccount { name: "probe".parse().unwrap(), ..annotated(namespace, &[(KEY, "arn:probe")]) };
    let _ = eventually!(write(world, &probe, DryRun::Yes).await, in_effect);
}

fn sets(key: &str, value: Option<&str>) -> AdmissionState {
    AdmissionState { annotations: [(key.to_owned(), value.map(str::to_owned))].into(), ..AdmissionState::default() }
}

const THEIRS: &str = "arn:theirs";

fn is_theirs(answer: &Result<ServiceAccount, Error>) -> bool {
    answer.as_ref().is_ok_and(|account| account.annotations.get(KEY).map(String::as_str) == Some(THEIRS))
}

fn is_gone(answer: &Result<ServiceAccount, Error>) -> bool {
    answer.as_ref().is_ok_and(|account| !account.annotations.contains_key(KEY))
}

pub(super) async fn what_admission_changes_is_in_the_answer(world: &World) {
    let namespace = world.namespace().await;
    let changes = AdmissionState {
        labels: [("team".to_owned(), Some("them".to_owned()))].into(),
        automount_token: Some(false),
        ..sets(KEY, Some(THEIRS))
    };
    admit(world, &namespace, changes, is_theirs).await;
    let asked = NewServiceAccount { labels: map(&[("team", "us")]), ..annotated(&namespace, &[(KEY, "arn:ours")]) };
    for dry_run in [DryRun::Yes, DryRun::No] {
        let answer = write(world, &asked, dry_run).await.unwrap();
        assert_eq!(answer.annotations, map(&[(KEY, THEIRS)]), "{dry_run:?}");
        assert_eq!((answer.labels, answer.automount_token), (map(&[("team", "them")]), Some(false)), "{dry_run:?}");
    }
    let stored = stored(world, &namespace).await.unwrap();
    assert_eq!(stored.annotations, map(&[(KEY, THEIRS)]));
    // The field manager stays that of the request, though the value is another one.
    assert_eq!(managers_of(&stored, KEY), [FIELD_MANAGER]);
    assert!(!stored.owners.iter().any(|owner| owner.automount_token), "{stored:?}");
}

pub(super) async fn what_admission_takes_away_is_not_in_the_answer(world: &World) {
    let namespace = world.namespace().await;
    admit(world, &namespace, sets(KEY, None), is_gone).await;
    for dry_run in [DryRun::Yes, DryRun::No] {
        let answer = write(world, &annotated(&namespace, &[(KEY, "arn:ours"), ("a", "1")]), dry_run).await.unwrap();
        assert_eq!(answer.annotations, map(&[("a", "1")]), "{dry_run:?}");
    }
    assert_eq!(stored(world, &namespace).await.unwrap().annotations, map(&[("a", "1")]));
}

pub(super) async fn an_annotation_that_admission_puts_back_is_in_the_answer(world: &World) {
    let namespace = world.namespace().await;
    let made = write(world, &annotated(&namespace, &[(KEY, "arn:ours"), ("a", "1")]), DryRun::No).await.unwrap();
    admit(world, &namespace, sets(KEY, Some(THEIRS)), is_theirs).await;
    let removed = map(&[(KEY, "arn:ours"), ("a", "1")]);
    let left = world.cluster.remove_annotations(&made, &removed).await.unwrap();
    assert_eq!(left.annotations, map(&[(KEY, THEIRS)]));
}

pub(super) async fn what_a_policy_denies_is_a_conflict_whoever_asks(world: &World) {
    let namespace = world.namespace().await;
    let made = write(world, &annotated(&namespace, &[("a", "1")]), DryRun::No).await.unwrap();
    // Words of other refusals decide nothing.
    let why = "User \"x\" cannot patch resource \"serviceaccounts\": metadata.uid does not support dry run";
    let deny = AdmissionState { deny: Some(why.to_owned()), ..AdmissionState::default() };
    admit(world, &namespace, deny, Result::is_err).await;
    let denied = |error: Error| {
        assert_eq!((error.kind(), error.conflict_reason()), (ErrorKind::Conflict, Some(ConflictReason::Admission)));
        assert_eq!(error.code(), Some("Invalid"));
        let policy = world.unique("policy");
        let words = format!(
            "serviceaccounts \"app\" is forbidden: ValidatingAdmissionPolicy '{policy}' with binding '{policy}' denied request: {why}"
        );
        assert_eq!(error.causes(), [words]);
        assert!(error.hint().is_some_and(|hint| *hint != Hint::GrantPermissions), "{error:?}");
    };
    for dry_run in [DryRun::Yes, DryRun::No] {
        denied(write(world, &annotated(&namespace, &[("a", "2")]), dry_run).await.unwrap_err());
    }
    denied(world.cluster.remove_annotations(&made, &map(&[("a", "1")])).await.unwrap_err());
    assert_eq!(stored(world, &namespace).await, Some(made.clone()));
    // It sees no reads and no deletes.
    world.cluster.delete_service_account(&made).await.unwrap();
}

pub(super) async fn a_policy_that_demands_no_automount_takes_an_account_without(world: &World) {
    let namespace = world.namespace().await;
    let demand = AdmissionState { demand_automount_token: Some(false), ..AdmissionState::default() };
    admit(world, &namespace, demand, Result::is_err).await;
    for (automount_token, denied) in [(None, true), (Some(true), true), (Some(false), false)] {
        let account = NewServiceAccount { automount_token, ..annotated(&namespace, &[]) };
        let answer = write(world, &account, DryRun::Yes).await;
        let reason = answer.as_ref().err().map(Error::conflict_reason);
        assert_eq!(reason, denied.then_some(Some(ConflictReason::Admission)), "{automount_token:?}: {answer:?}");
    }
}

pub(super) async fn a_resource_quota_is_a_quota(world: &World) {
    let namespace = world.namespace().await;
    let made = write(world, &annotated(&namespace, &[("a", "1")]), DryRun::No).await.unwrap();
    world.hands.limit_accounts(&namespace, 1).await;
    let another = NewServiceAccount { name: "another".parse().unwrap(), ..annotated(&namespace, &[("a", "1")]) };
    let refused = eventually!(write(world, &another, DryRun::Yes).await, Result::is_err).unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::QuotaExceeded, Some("Forbidden")));
    assert!(
        refused.causes()[0].starts_with("serviceaccounts \"another\" is forbidden: exceeded quota: "),
        "{refused:?}"
    );
    let changed = write(world, &annotated(&namespace, &[("a", "2")]), DryRun::No).await.unwrap();
    assert_eq!(changed.uid, made.uid, "what is there can be changed");
}

fn of_server(warnings: &[Warning]) -> Vec<String> {
    let warnings = warnings.iter().filter(|warning| warning.id == WarningId::ApiServer);
    warnings.map(|warning| warning.message.clone()).collect()
}

pub(super) async fn warnings_of_the_api_server_come_with_the_plan_and_the_report(world: &World) {
    let namespace = world.namespace().await;
    let said = r#"a "quoted", comma \ and é"#;
    let warn = AdmissionState { warn: Some(said.to_owned()), ..AdmissionState::default() };
    world.hands.admit(&world.unique("policy"), &namespace, &warn).await;
    let client =
        Client::new(world.identity.clone(), world.iam.clone()).with_cluster(world.name.clone(), world.cluster.clone());
    let binding = |name: &str| {
        let builder = IrsaBinding::builder(world.name.to_string(), namespace.as_str(), name);
        builder.with_role_name(world.unique(name)).build().unwrap()
    };
    let probe = Request::create(binding("probe")).with_dry_run(DryRun::Yes);
    let warned = |warnings: &Vec<Warning>| !of_server(warnings).is_empty();
    let planned = eventually!(client.plan(&probe).await.unwrap().report().warnings, warned);
    let policy = world.unique("policy");
    let message = format!("Validation failed for ValidatingAdmissionPolicy '{policy}' with binding '{policy}': {said}");
    let expected = [format!("API server: {message}")];
    assert_eq!(of_server(&planned), expected);
    // The dry run and the write bring the same one: it is told once.
    let report = client.run(&Request::create(binding("app"))).await.unwrap();
    assert_eq!(of_server(&report.warnings), expected);
    let unchanged = client.run(&Request::create(binding("app"))).await.unwrap();
    assert!(!unchanged.changed && of_server(&unchanged.warnings).is_empty(), "{unchanged:?}");
}
