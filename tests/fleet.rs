//! Many bindings: what a fleet reads and writes, that it plans as single bindings are planned, and that none disturbs another.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use irsa_core::sandbox::At;
use irsa_core::{
    CancellationToken, DryRun, ErrorKind, FleetOptions, FleetOutcome, FleetReport, IrsaBinding, IrsaBindingBuilder,
    Outcome, Progress, Report, Request, Sandbox,
};
use serde_json::json;
use tokio::time::Instant;

use crate::world::World;

/// From so many bindings on, a fleet is read in bulk.
const MANY: usize = 40;

fn world() -> World {
    let world = World::of(Sandbox::new());
    world
        .sandbox
        .edit(|state| {
            state.quotas.roles_per_account = 20_000;
            Ok(())
        })
        .unwrap();
    world
}

fn binding(n: usize) -> IrsaBindingBuilder {
    let document = json!({"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::b{n}/*")}]});
    IrsaBinding::builder("sandbox", "default", format!("sa-{n}"))
        .with_policy("AmazonS3ReadOnlyAccess")
        .with_inline_document("bucket", document)
        .with_tag("team", "data")
}

fn requests(bindings: impl IntoIterator<Item = IrsaBindingBuilder>) -> Vec<Request> {
    bindings.into_iter().map(|binding| Request::create(binding.build().unwrap())).collect()
}

fn fleet(n: usize) -> Vec<Request> {
    requests((0..n).map(binding))
}

fn fast() -> FleetOptions {
    FleetOptions::new().with_writes_per_second(0.0)
}

async fn apply(world: &World, requests: &[Request]) -> FleetReport {
    world.client.apply_all(requests, &fast(), &|_| {}).await.unwrap()
}

/// The calls since the record was last cleared, by method.
fn calls(world: &World) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for call in world.sandbox.calls() {
        *counts.entry(call.method).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn a_thousand_are_planned_from_a_few_lists_and_made_with_three_calls_each_besides_policies() {
    let world = world();
    let fleet = fleet(1000);
    let report = apply(&world, &fleet).await;
    assert!(report.is_complete() && report.changed(), "{:?}", report.entries.iter().find_map(|entry| entry.error()));
    let made = calls(&world);
    for method in
        ["create_role", "attach_policy", "put_inline_policy", "dry_run_service_account", "apply_service_account"]
    {
        assert_eq!(made[method], 1000, "{method}");
    }
    let shared = made.values().sum::<usize>() - 5 * 1000;
    assert!(shared <= 20, "{made:?}");

    world.sandbox.faults().clear_calls();
    let plans = world.client.plan_all(&fleet).await.unwrap();
    assert!(plans.iter().all(|plan| plan.as_ref().is_ok_and(irsa_core::Plan::is_empty)));
    let read = calls(&world);
    assert!(read.values().sum::<usize>() <= 20, "{read:?}");

    world.sandbox.faults().clear_calls();
    let again = apply(&world, &fleet).await;
    assert!(again.is_complete() && !again.changed());
    assert_eq!(world.writes(), Vec::<&str>::new());
}

/// A fleet of which much has drifted, and the requests for it.
async fn drifted() -> (World, Vec<Request>) {
    let world = World::with_blue();
    let bindings = (0..MANY + 5).map(|n| match n {
        0 => binding(0).with_subject("blue:default/other").with_trust_only_subject("default/x"),
        1 => binding(1).with_exact(true).with_subject("kube-system/y"),
        2 => binding(2)
            .with_role_path("/gen3_service/")
            .with_permissions_boundary("arn:aws:iam::aws:policy/PowerUserAccess"),
        3 => binding(3).with_role_only(true),
        n => binding(n),
    });
    let mut wanted = requests(bindings);
    assert!(apply(&world, &wanted).await.is_complete());
    let role = |n: usize| format!("sandbox-default-sa-{n}");
    world.edit_role(&role(0), |role| drop(role.attached.pop_first()));
    world.edit_role(&role(1), |role| {
        role.attached.insert("arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess".parse().unwrap());
    });
    world.edit_role(&role(4), |role| role.inline.clear());
    world.edit_role(&role(5), |role| drop(role.tags.remove("team")));
    world.edit_role(&role(6), |role| drop(role.tags.insert("irsa.gen3.org/owner".into(), "somebody/else/x".into())));
    world.edit_role(&role(7), |role| role.trust_policy = crate::world::ec2_trust());
    world.edit_cluster(|cluster| {
        let accounts = &mut cluster.namespaces.get_mut("default").unwrap().service_accounts;
        accounts.remove("sa-8");
        accounts.get_mut("sa-9").unwrap().annotations.clear();
    });
    wanted.extend(requests([
        IrsaBinding::builder("sandbox", "default", "no-policy").with_policy("AmazonS3ReadOnlyAcces"),
        IrsaBinding::builder("sandbox", "defalt", "no-namespace"),
        IrsaBinding::builder("gone", "default", "no-cluster"),
        binding(100),
    ]));
    wanted.push(Request::delete(binding(10).build().unwrap()));
    wanted.remove(10);
    (world, wanted)
}

#[tokio::test]
async fn a_fleet_is_planned_as_single_bindings_are() {
    let (world, requests) = drifted().await;
    world.sandbox.faults().clear_calls();
    let plans = world.client.plan_all(&requests).await.unwrap();
    assert!(!calls(&world).contains_key("role"), "{:?}", calls(&world));
    let (mut changes, mut refusals) = (0, 0);
    for (request, fleet) in requests.iter().zip(plans) {
        let single = world.client.plan(request).await;
        match (single, fleet) {
            (Ok(single), Ok(fleet)) => {
                assert_eq!(single.report(), fleet.report());
                changes += usize::from(!fleet.is_empty());
            }
            (Err(single), Err(fleet)) => {
                assert_eq!(crate::world::text(&single), crate::world::text(&fleet));
                refusals += 1;
            }
            (single, fleet) => panic!("{}: {single:?} {fleet:?}", request.binding),
        }
    }
    assert_eq!((changes, refusals), (9, 4));
}

#[tokio::test]
async fn apply_goes_on_past_what_is_refused_and_repairs_the_rest() {
    let (world, requests) = drifted().await;
    let report = apply(&world, &requests).await;
    assert_eq!((report.succeeded(), report.failed(), report.not_run()), (requests.len() - 4, 4, 0));
    let again = apply(&world, &requests).await;
    assert_eq!((again.changed(), again.failed()), (false, 4));
}

#[tokio::test]
async fn what_may_not_be_listed_is_read_one_by_one() {
    let (world, requests) = drifted().await;
    let lists: Vec<_> = world.client.plan_all(&requests).await.unwrap();
    world.sandbox.faults().fail_before("roles", ("AccessDenied", "User: x is not authorized"));
    world.edit_cluster(|cluster| {
        for resource in ["serviceaccounts", "namespaces"] {
            let denial = json!({"verb": "list", "resource": resource});
            cluster.denied.insert(serde_json::from_value(denial).unwrap());
        }
    });
    world.sandbox.faults().clear_calls();
    let points = world.client.plan_all(&requests).await.unwrap();
    assert!(calls(&world)["role"] >= MANY);
    for ((request, list), point) in requests.iter().zip(lists).zip(points) {
        // Who may not list subjects' accounts cannot be told of those that are left over; hints need lists too.
        match (list, point) {
            (Ok(list), Ok(point)) => assert_eq!(list.report(), point.report(), "{}", request.binding),
            (list, point) => assert_eq!(list.unwrap_err().kind(), point.unwrap_err().kind(), "{}", request.binding),
        }
    }
}

#[tokio::test]
async fn another_failure_of_the_list_is_one_of_the_fleet() {
    let world = world();
    world.sandbox.faults().fail_before("roles", ("ServiceFailure", "come again"));
    let error = world.client.plan_all(&fleet(MANY)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn what_contradicts_itself_is_refused_before_any_call() {
    let world = world();
    let error = world.client.plan_all(&requests([binding(1), binding(2), binding(1)])).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::InvalidInput, "binding default/sa-1 is declared twice")
    );
    assert!(world.client.apply_all(&requests([binding(1), binding(1)]), &fast(), &|_| {}).await.is_err());
    assert_eq!(world.sandbox.calls(), []);
    // That two names are one cluster is known only when it has been described; nothing is written then either.
    let arn = world.sandbox.state().unwrap().clusters.keys().next().map(ToString::to_string).unwrap();
    assert_eq!(arn, "sandbox");
    let arn = "arn:aws:eks:us-east-1:123456789012:cluster/sandbox";
    let twice = requests([binding(1), IrsaBinding::builder(arn, "default", "sa-1").with_role_name("r")]);
    assert!(world.client.plan_all(&twice).await.unwrap_err().to_string().contains("declared twice"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_or_failing_binding_delays_no_other() {
    for n in [10, MANY] {
        let world = world();
        world.sandbox.faults().delay_every_call(Duration::from_millis(10));
        world.sandbox.faults().delay(("create_role", 3), Duration::from_secs(90));
        world.sandbox.faults().fail_before(("attach_policy", 5), ("AccessDenied", "User: x is not authorized"));
        let ended = Mutex::new(Vec::new());
        let begun = Instant::now();
        let note = |progress: Progress<'_>| match progress {
            Progress::Ended { done, total, .. } => {
                assert_eq!((done, total), (ended.lock().unwrap().len() + 1, n));
                ended.lock().unwrap().push(begun.elapsed());
            }
            Progress::Planned { changes, .. } => assert_eq!((changes, world.writes().len()), (n, 0)),
            _ => {}
        };
        let report = world.client.apply_all(&fleet(n), &fast(), &note).await.unwrap();
        assert_eq!((report.succeeded(), report.failed()), (n - 1, 1));
        let ended = ended.into_inner().unwrap();
        assert!(ended[n - 2] < Duration::from_secs(2) && ended[n - 1] >= Duration::from_secs(90), "{ended:?}");
        // What failed is rolled back, and the report says so.
        let failed = report.entries.iter().find_map(|entry| entry.error()).unwrap().report().cloned().unwrap();
        assert!(failed.steps.iter().any(|step| step.outcome == Outcome::RolledBack));
    }
}

#[tokio::test(start_paused = true)]
async fn writes_keep_the_pace_and_waiting_for_it_is_not_counted() {
    let world = world();
    let client = world.client.clone().with_timeout(Duration::from_secs(1));
    let options = FleetOptions::new().with_writes_per_second(0.5);
    let begun = Instant::now();
    let report = client.apply_all(&fleet(10), &options, &|_| {}).await.unwrap();
    assert!(report.is_complete(), "{:?}", report.entries.iter().find_map(|entry| entry.error()));
    // Ten roles, each with two policies: 30 writes, one every two seconds.
    assert_eq!(begun.elapsed().as_secs(), 58);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_counts_the_work_itself() {
    let world = world();
    world.sandbox.faults().delay(("attach_policy", 1), Duration::from_secs(3));
    let client = world.client.clone().with_timeout(Duration::from_secs(2));
    let options = FleetOptions::new().with_writes_per_second(0.5).with_concurrency(1);
    let report = client.apply_all(&fleet(3), &options, &|_| {}).await.unwrap();
    let kinds: Vec<_> = report.entries.iter().map(|entry| entry.error().map(irsa_core::Error::kind)).collect();
    assert_eq!(kinds, [Some(ErrorKind::Timeout), None, None]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_comes_between_two_steps() {
    let world = world();
    let cancellation = CancellationToken::new();
    let switch = cancellation.clone();
    world.sandbox.faults().just_before(At::method("create_role", 3), move |_| switch.cancel());
    world.sandbox.faults().delay_every_call(Duration::from_millis(10));
    let options = fast().with_concurrency(2).with_cancellation(cancellation);
    let report = world.client.apply_all(&fleet(10), &options, &|_| {}).await.unwrap();
    let stopped: Vec<&Report> = report
        .entries
        .iter()
        .filter(|entry| entry.error().is_some_and(|error| error.kind() == ErrorKind::Interrupted))
        .filter_map(|entry| entry.report())
        .collect();
    assert!(!stopped.is_empty() && report.not_run() >= 6, "{report:?}");
    for report in stopped {
        let outcomes: Vec<_> = report.steps.iter().map(|step| step.outcome).collect();
        assert!(outcomes.contains(&Outcome::Done) && outcomes.contains(&Outcome::NotRun), "{outcomes:?}");
    }
    let again = apply(&world, &fleet(10)).await;
    assert!(again.is_complete());
    assert!(!apply(&world, &fleet(10)).await.changed());
}

#[tokio::test]
async fn bindings_of_one_role_follow_each_other() {
    let world = world();
    let shared = requests([
        binding(1).with_role_name("shared").with_subject("default/sa-2"),
        IrsaBinding::builder("sandbox", "default", "sa-2")
            .with_role_name("Shared")
            .with_policy("AmazonSQSReadOnlyAccess"),
    ]);
    let report = apply(&world, &shared).await;
    assert!(report.is_complete(), "{report:?}");
    assert!(world.can_assume("sandbox", "default/sa-2", "shared").await);
    assert!(!apply(&world, &shared).await.changed());
}

#[tokio::test]
async fn the_quota_of_roles_counts_the_whole_fleet() {
    let world = world();
    world
        .sandbox
        .edit(|state| {
            state.quotas.roles_per_account = 30;
            Ok(())
        })
        .unwrap();
    let report = apply(&world, &fleet(MANY)).await;
    assert_eq!((report.succeeded(), report.failed()), (30, 10));
    let refused = report.entries.iter().filter_map(|entry| entry.error());
    assert!(refused.clone().all(|error| error.kind() == ErrorKind::QuotaExceeded && error.report().is_none()));
}

#[tokio::test]
async fn a_write_that_admission_refuses_is_found_before_the_first_write() {
    let world = world();
    world.sandbox.faults().fail_before(("dry_run_service_account", 1), ("Forbidden", "a webhook says no"));
    let report = apply(&world, &fleet(MANY)).await;
    let failed: Vec<_> = report.entries.iter().filter(|entry| entry.error().is_some()).collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0].report().is_none() && world.sandbox.state().unwrap().roles.len() == MANY - 1);
}

#[tokio::test]
async fn rights_are_reviewed_once_for_each_namespace() {
    let world = world();
    world.edit_cluster(|cluster| {
        let denial = json!({"verb": "create", "resource": "serviceaccounts", "namespace": "default"});
        cluster.denied.insert(serde_json::from_value(denial).unwrap());
    });
    let report = apply(&world, &fleet(MANY)).await;
    assert_eq!(report.failed(), MANY);
    assert!(calls(&world)["allowed"] <= 2 && world.writes().is_empty(), "{:?}", calls(&world));
    let previews: Vec<Request> = fleet(MANY).into_iter().map(|request| request.with_dry_run(DryRun::Yes)).collect();
    let previewed = apply(&world, &previews).await;
    assert!(previewed.is_complete() && previewed.changed() && world.writes().is_empty());
    assert!(matches!(&previewed.entries[0].outcome, FleetOutcome::Done(report) if report.warnings.len() == 1));
}

#[tokio::test]
async fn an_export_reads_once() {
    let world = world();
    assert!(apply(&world, &fleet(20)).await.is_complete());
    world.edit_role("sandbox-default-sa-3", |role| role.tags.clear());
    world.sandbox.faults().clear_calls();
    let export = world.client.export(&"sandbox".parse().unwrap(), None).await.unwrap();
    assert_eq!((export.manifests.len(), export.left_out.len()), (20, 0), "{:?}", export.left_out);
    let calls = calls(&world);
    assert_eq!((calls["roles"], calls["service_accounts"]), (1, 1));
    assert!(calls.values().sum::<usize>() <= 10, "{calls:?}");
}
