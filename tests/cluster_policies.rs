//! What the cluster itself does to a binding, whoever asks: webhooks and policies that change or deny service accounts, quotas,
//! namespaces that are being deleted, and warnings of the API server.

use std::sync::Arc;

use irsa_core::backend::FieldOwner;
use irsa_core::sandbox::{AdmissionState, At, NamespaceState, ServiceAccountState};
use irsa_core::{
    Client, ConflictReason, DryRun, Error, ErrorKind, FleetOptions, IrsaBinding, IrsaBindingBuilder, Outcome,
    ROLE_ARN_ANNOTATION, Report, Request, WarningId,
};

use crate::world::{ROLE, World, actions, text, warned};

const OTHER: &str = "arn:aws:iam::123456789012:role/other";
const OWN: &str = "arn:aws:iam::123456789012:role/sandbox-default-sa";

fn admit(world: &World, admission: AdmissionState) {
    world.sandbox.default_cluster().add_admission("policy", admission).unwrap();
}

/// A webhook that sets an annotation, or removes it.
fn annotates(key: &str, value: Option<&str>) -> AdmissionState {
    AdmissionState { annotations: [(key.to_owned(), value.map(str::to_owned))].into(), ..AdmissionState::default() }
}

fn denies(why: &str) -> AdmissionState {
    AdmissionState { deny: Some(why.to_owned()), ..AdmissionState::default() }
}

/// Runs a request that must be refused before its first write, whether it is a preview or not.
async fn refused(client: &Client, world: &World, request: Request) -> Error {
    let before = world.sandbox.to_json().unwrap();
    let preview = client.run(&request.clone().with_dry_run(DryRun::Yes)).await.unwrap_err();
    let error = client.run(&request).await.unwrap_err();
    assert_eq!(text(&preview), text(&error), "a preview says the same");
    assert!(error.report().is_none(), "nothing was begun: {error:?}");
    assert_eq!(world.sandbox.to_json().unwrap(), before);
    error
}

fn create(binding: IrsaBindingBuilder) -> Request {
    Request::create(binding.build().unwrap())
}

#[tokio::test]
async fn what_a_webhook_changes_is_refused_before_the_first_write_with_field_and_values() {
    let automount = || AdmissionState { automount_token: Some(true), ..AdmissionState::default() };
    let label = AdmissionState { labels: [("team".to_owned(), None)].into(), ..AdmissionState::default() };
    for (admission, words) in [
        (
            annotates(ROLE_ARN_ANNOTATION, None),
            format!("would store no annotation {ROLE_ARN_ANNOTATION} instead of {OWN:?}"),
        ),
        (
            annotates(ROLE_ARN_ANNOTATION, Some(OTHER)),
            format!("would store annotation {ROLE_ARN_ANNOTATION} as {OTHER:?} instead of {OWN:?}"),
        ),
        (annotates("note", Some("b")), "would store annotation note as \"b\" instead of \"a\"".to_owned()),
        (annotates("irsa.gen3.org/created", None), "no annotation irsa.gen3.org/created".to_owned()),
        (label, "would store no label team instead of \"data\"".to_owned()),
        (automount(), "would store automountServiceAccountToken as \"true\" instead of \"false\"".to_owned()),
    ] {
        for (through_eks, there) in [(false, false), (true, false), (false, true)] {
            if there && words.contains("created") {
                continue;
            }
            let world = World::new();
            admit(&world, admission.clone());
            if there {
                world.sandbox.default_cluster().update_as("helm", "default", "sa", &[("x", Some("y"))]).unwrap();
            }
            let back_end = Arc::new(world.sandbox.clone());
            let client = Client::new(back_end.clone(), back_end);
            let mut cluster = world.sandbox.default_cluster();
            if through_eks {
                cluster = cluster.reached_through(client.identity_backend());
            }
            let client = client.with_cluster("sandbox".parse().unwrap(), Arc::new(cluster));
            let binding = World::binding().with_annotation("note", "a").with_label("team", "data");
            let error = refused(&client, &world, create(binding.with_automount_token(false))).await;
            assert_eq!(error.conflict_reason(), Some(ConflictReason::Admission));
            let text = text(&error);
            assert!(text.contains("service account default/sa") && text.contains(&words), "{text}");
            assert!(text.contains("an admission webhook or policy of the cluster changes it"), "{text}");
            assert!(text.contains("mutatingwebhookconfigurations"), "{text}");
            assert_eq!(world.writes(), [] as [&str; 0]);
        }
    }
}

#[tokio::test]
async fn what_a_webhook_adds_or_changes_of_others_is_its_own_business() {
    let world = World::new();
    let adds = AdmissionState {
        labels: [("team".to_owned(), Some("them".to_owned()))].into(),
        automount_token: Some(false),
        ..annotates("added", Some("x"))
    };
    admit(&world, adds);
    world.create(World::binding()).await.unwrap();
    let again = world.create(World::binding()).await.unwrap();
    assert!(!again.changed, "{again:?}");
    assert!(world.delete(World::bare()).await.unwrap().changed);
    assert!(world.account_on("sandbox", "default/sa").await.is_none());
}

#[tokio::test]
async fn an_update_is_refused_as_a_create_is() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    admit(&world, annotates(ROLE_ARN_ANNOTATION, Some(OTHER)));
    assert!(!world.create(World::binding()).await.unwrap().changed, "what is there and fits needs no write");
    let update = Request::update(World::bare().with_token_expiration(3600).build().unwrap());
    let error = refused(&world.client, &world, update).await;
    assert_eq!(error.conflict_reason(), Some(ConflictReason::Admission));
}

#[tokio::test]
async fn many_bindings_are_each_refused_before_their_first_write() {
    let world = World::new();
    admit(&world, annotates(ROLE_ARN_ANNOTATION, None));
    let bindings = (0..45).map(|n| IrsaBinding::builder("sandbox", "default", format!("sa-{n}")));
    let requests: Vec<Request> = bindings.map(create).collect();
    let options = FleetOptions::new().with_writes_per_second(0.0);
    let report = world.client.apply_all(&requests, &options, &|_| {}).await.unwrap();
    assert_eq!(report.failed(), 45);
    for entry in &report.entries {
        assert_eq!(entry.error().unwrap().conflict_reason(), Some(ConflictReason::Admission));
    }
    assert_eq!(world.writes(), [] as [&str; 0]);
}

fn outcomes(report: &Report) -> Vec<(&str, Outcome)> {
    report.steps.iter().map(|step| (step.action.as_str(), step.outcome)).collect()
}

/// A webhook with side effects takes no dry run: what it does is seen at the write alone.
#[tokio::test]
async fn what_a_webhook_changes_at_the_write_is_rolled_back_with_the_role() {
    for (admission, by_helm) in [
        (annotates(ROLE_ARN_ANNOTATION, None), false),
        (annotates(ROLE_ARN_ANNOTATION, Some(OTHER)), false),
        (annotates("irsa.gen3.org/created", None), false),
        (annotates(ROLE_ARN_ANNOTATION, Some(OTHER)), true),
        (denies("not here"), false),
    ] {
        let world = World::new();
        if by_helm {
            world.sandbox.default_cluster().update_as("helm", "default", "sa", &[("x", Some("y"))]).unwrap();
        }
        admit(&world, AdmissionState { no_dry_run: true, ..admission.clone() });
        let error = world.create(World::binding()).await.unwrap_err();
        assert_eq!(error.conflict_reason(), Some(ConflictReason::Admission), "{error:?}");
        let report = error.report().unwrap();
        let account = report.steps.last().unwrap();
        let undone = if admission.deny.is_some() { Outcome::Failed } else { Outcome::RolledBack };
        assert_eq!(account.outcome, undone, "{report:?}");
        assert!(account.error.as_ref().is_some_and(|why| why.contains("default/sa")), "{report:?}");
        let others = &outcomes(report)[..2];
        assert_eq!(others, [("create_role", Outcome::RolledBack), ("attach_policy", Outcome::RolledBack)]);
        assert!(!report.changed && world.role(ROLE).is_none());
        let left = world.account_on("sandbox", "default/sa").await.map(|account| account.annotations);
        match (by_helm, left) {
            (false, left) => assert_eq!(left, None, "{admission:?}"),
            // The webhook sets the annotation whatever irsa does.
            (true, Some(left)) => assert_eq!(left.get("x").map(String::as_str), Some("y")),
            (true, None) => panic!("the service account of helm is gone"),
        }
    }
}

#[tokio::test]
async fn of_a_role_that_was_there_nothing_is_rolled_back() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    world.sandbox.default_cluster().remove_service_account("default", "sa").unwrap();
    admit(&world, AdmissionState { no_dry_run: true, ..annotates(ROLE_ARN_ANNOTATION, Some(OTHER)) });
    let error = world.create(World::binding()).await.unwrap_err();
    let report = error.report().unwrap();
    assert_eq!(outcomes(report), [("create_service_account", Outcome::Failed)]);
    assert!(report.changed && world.role(ROLE).is_some(), "{report:?}");
    let words = format!("stored annotation {ROLE_ARN_ANNOTATION} as {OTHER:?} instead of {OWN:?}");
    assert!(text(&error).contains(&words), "{error:?}");
}

/// Whatever else fails on the way, the same command makes the binding once the webhook spares it, and a delete undoes it.
#[tokio::test]
async fn a_run_that_met_a_webhook_and_a_failure_is_finished_by_the_next() {
    for admission in [annotates(ROLE_ARN_ANNOTATION, None), annotates(ROLE_ARN_ANNOTATION, Some(OTHER)), denies("no")] {
        let count = {
            let world = World::new();
            admit(&world, AdmissionState { no_dry_run: true, ..admission.clone() });
            world.create(World::binding()).await.unwrap_err();
            world.writes().len()
        };
        assert!(count > 4, "{count} writes with those of the rollback");
        for write in 1..=count as u64 {
            for lost in [false, true] {
                let world = World::new();
                admit(&world, AdmissionState { no_dry_run: true, ..admission.clone() });
                let (at, failure) = (At::write(write), ("ServiceFailure", "try later"));
                match lost {
                    true => world.sandbox.faults().fail_after(at, failure),
                    false => world.sandbox.faults().fail_before(at, failure),
                };
                world.create(World::binding()).await.unwrap_err();
                world.edit_cluster(|cluster| cluster.admission.clear());
                let place = format!("{admission:?}, write {write}, lost: {lost}");
                let forced = create(World::binding()).with_force(true);
                world.client.run(&forced).await.unwrap_or_else(|error| panic!("{place}: {error:?}"));
                assert!(world.can_assume("sandbox", "default/sa", ROLE).await, "{place}");
                assert_eq!(world.annotation("default/sa").await.as_deref(), Some(OWN), "{place}");
                world.delete(World::bare()).await.unwrap();
                assert!(world.role(ROLE).is_none(), "{place}");
            }
        }
    }
}

#[tokio::test]
async fn an_account_whose_annotation_was_taken_away_is_deleted_with_its_role() {
    for by_hand in [false, true] {
        let world = World::new();
        world.create(World::binding().with_token_expiration(3600)).await.unwrap();
        admit(&world, annotates(ROLE_ARN_ANNOTATION, None));
        let taken = [(ROLE_ARN_ANNOTATION, None)];
        if by_hand {
            world.sandbox.default_cluster().update_as("kubectl", "default", "sa", &taken).unwrap();
        } else {
            world.edit_cluster(|cluster| {
                let accounts = &mut cluster.namespaces.get_mut("default").unwrap().service_accounts;
                accounts.get_mut("sa").unwrap().annotations.remove(ROLE_ARN_ANNOTATION);
            });
        }
        let report = world.delete(World::bare()).await.unwrap();
        assert_eq!(actions(&report).last(), Some(&"delete_service_account"), "{report:?}");
        assert!(world.role(ROLE).is_none() && world.account_on("sandbox", "default/sa").await.is_none());
        assert!(!world.delete(World::bare()).await.unwrap().changed);
    }
}

#[tokio::test]
async fn an_account_that_irsa_made_goes_also_when_its_role_is_gone() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    world.sandbox.remove_role(&ROLE.parse().unwrap()).unwrap();
    world.sandbox.default_cluster().update_as("x", "default", "sa", &[(ROLE_ARN_ANNOTATION, None)]).unwrap();
    world.edit_cluster(|cluster| {
        let denied =
            irsa_core::sandbox::Denial { verb: "delete".into(), resource: "serviceaccounts".into(), namespace: None };
        cluster.denied.insert(denied);
    });
    let error = world.delete(World::bare()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    world.edit_cluster(|cluster| cluster.denied.clear());
    assert_eq!(actions(&world.delete(World::bare()).await.unwrap()), ["delete_service_account"]);
    assert!(world.account_on("sandbox", "default/sa").await.is_none());
}

#[tokio::test]
async fn an_account_with_another_role_is_kept_and_delete_says_so() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    world.sandbox.default_cluster().apply_as("irsa", "default", "sa", &[(ROLE_ARN_ANNOTATION, OTHER)]).unwrap();
    let error = world.delete(World::bare()).await.unwrap_err();
    assert!(text(&error).contains("has two roles"), "{error:?}");
    let report = world.delete(World::bare().with_role_name(ROLE)).await.unwrap();
    assert!(world.role(ROLE).is_none());
    let kept = warned(&report, WarningId::AccountKept).unwrap();
    assert_eq!(kept.message, format!("service account default/sa is kept: its annotation names another role, {OTHER}"));
    assert_eq!(world.annotation("default/sa").await.as_deref(), Some(OTHER));
}

#[tokio::test]
async fn an_annotation_that_is_put_back_when_it_is_removed_is_told() {
    let world = World::new();
    world.sandbox.default_cluster().update_as("helm", "default", "sa", &[("x", Some("y"))]).unwrap();
    world.create(World::binding()).await.unwrap();
    admit(&world, annotates(ROLE_ARN_ANNOTATION, Some(OTHER)));
    let report = world.delete(World::bare()).await.unwrap();
    assert_eq!(actions(&report).last(), Some(&"remove_annotations"), "{report:?}");
    let kept = warned(&report, WarningId::AccountKept).unwrap();
    let words = format!("service account default/sa keeps {ROLE_ARN_ANNOTATION}: {OTHER}");
    assert!(kept.message.starts_with(&words) && kept.message.contains("puts it back"), "{kept:?}");
}

#[tokio::test]
async fn what_a_policy_denies_is_refused_in_a_preview_too_and_missing_rights_are_a_warning() {
    let world = World::new();
    // Words that other refusals have.
    admit(&world, denies("you cannot do this: User \"x\" cannot patch resource"));
    let error = refused(&world.client, &world, create(World::binding())).await;
    assert_eq!((error.kind(), error.conflict_reason()), (ErrorKind::Conflict, Some(ConflictReason::Admission)));
    let told = text(&error);
    assert!(told.contains("you cannot do this") && told.contains("automountServiceAccountToken"), "{told}");
    assert!(!told.contains("RBAC") && !told.contains("with these credentials"), "{told}");
    assert_eq!(world.writes(), [] as [&str; 0]);

    let world = World::new();
    world.sandbox.default_cluster().deny("patch", "serviceaccounts").unwrap();
    let preview = world.client.run(&create(World::binding()).with_dry_run(DryRun::Yes)).await.unwrap();
    let warning = warned(&preview, WarningId::WriteUnverified).unwrap();
    assert!(warning.message.contains("may not be written with these credentials"), "{warning:?}");

    // A refusal of something before the API server is no refusal by RBAC.
    let world = World::new();
    let by_proxy = Error::new(ErrorKind::AccessDenied, "x").with_cause("HTTP 403 Forbidden: \"<html>\"");
    world.sandbox.faults().fail_before("dry_run_service_account", by_proxy);
    let error = refused(&world.client, &world, create(World::binding())).await;
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
}

#[tokio::test]
async fn a_quota_of_the_namespace_is_refused_in_a_preview_too() {
    let world = World::new();
    world.edit_cluster(|cluster| cluster.namespaces.get_mut("default").unwrap().service_account_quota = Some(0));
    let error = refused(&world.client, &world, create(World::binding())).await;
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    let told = text(&error);
    assert!(told.contains("exceeded quota") && told.contains("ResourceQuota"), "{told}");
}

#[tokio::test]
async fn a_policy_that_denies_the_release_is_asked_once() {
    let world = World::new();
    world.sandbox.default_cluster().update_as("helm", "default", "sa", &[("x", Some("y"))]).unwrap();
    world.create(World::binding()).await.unwrap();
    admit(&world, denies("frozen"));
    world.sandbox.faults().clear_calls();
    let error = world.delete(World::bare()).await.unwrap_err();
    assert_eq!(error.conflict_reason(), Some(ConflictReason::Admission));
    let releases = world.writes().iter().filter(|method| **method == "remove_annotations").count();
    assert_eq!(releases, 1);
    assert_eq!(error.report().unwrap().steps.last().unwrap().outcome, Outcome::Failed);
}

#[tokio::test]
async fn the_automount_setting_meets_a_policy_and_stays_as_it_is_where_it_is_not_named() {
    let world = World::new();
    admit(&world, AdmissionState { demand_automount_token: Some(false), ..AdmissionState::default() });
    refused(&world.client, &world, create(World::binding())).await;
    let report = world.create(World::binding().with_automount_token(false)).await.unwrap();
    let detail = report.steps.last().unwrap().detail.as_ref().unwrap();
    assert_eq!(detail["automount_token"], serde_json::json!(false));
    let automount = async || world.account_on("sandbox", "default/sa").await.unwrap().automount_token;
    assert_eq!(automount().await, Some(false));
    assert!(!world.create(World::binding()).await.unwrap().changed, "what is not named stays");
    world.update(World::bare().with_token_expiration(3600)).await.unwrap();
    assert_eq!(automount().await, Some(false), "and is sent along");
    let (cluster, namespace, name) = ("sandbox".parse().unwrap(), "default".parse().unwrap(), "sa".parse().unwrap());
    assert_eq!(world.client.get(&cluster, &namespace, &name, None).await.unwrap().automount_token, Some(false));
    let exported = world.client.export(&cluster, None).await.unwrap();
    assert_eq!(exported.manifests[0].spec.automount_service_account_token, Some(false));
    world.edit_cluster(|cluster| cluster.admission.clear());
    assert!(world.update(World::bare().with_automount_token(true)).await.unwrap().changed);
    assert_eq!(automount().await, Some(true));
    world.delete(World::bare()).await.unwrap();
    assert!(world.account_on("sandbox", "default/sa").await.is_none(), "it is irsa's own all the same");
}

#[tokio::test]
async fn the_automount_setting_of_others_is_taken_over_only_when_forced_and_rolled_back() {
    let world = World::new();
    let helm = FieldOwner { manager: "helm".into(), automount_token: true, ..FieldOwner::default() };
    let there =
        ServiceAccountState { automount_token: Some(true), owners: vec![helm], ..ServiceAccountState::default() };
    let put = |world: &World| world.sandbox.default_cluster().put_service_account("default", "sa", there.clone());
    put(&world).unwrap();
    let error = refused(&world.client, &world, create(World::binding().with_automount_token(false))).await;
    assert_eq!(error.conflict_reason(), Some(ConflictReason::FieldManager));
    assert!(text(&error).contains(".automountServiceAccountToken"), "{error:?}");
    let forced = create(World::binding().with_automount_token(false)).with_force(true);
    world.client.run(&forced).await.unwrap();
    assert_eq!(world.account_on("sandbox", "default/sa").await.unwrap().automount_token, Some(false));

    let world = World::new();
    put(&world).unwrap();
    world.sandbox.faults().fail_before(("attach_policy", 1), ("AccessDenied", "no"));
    let error = world.client.run(&forced).await.unwrap_err();
    assert_eq!(error.report().unwrap().steps.last().unwrap().outcome, Outcome::RolledBack, "{error:?}");
    let restored = world.account_on("sandbox", "default/sa").await.unwrap();
    assert_eq!((restored.automount_token, restored.annotations.len()), (Some(true), 0));
}

fn terminate(world: &World, namespace: &str) {
    world.edit_cluster(|cluster| {
        let held: &mut NamespaceState = cluster.namespaces.entry(namespace.parse().unwrap()).or_default();
        held.terminating = true;
    });
}

#[tokio::test]
async fn nothing_is_created_in_a_namespace_that_is_being_deleted() {
    for (create_namespace, readable) in [(false, true), (true, true), (false, false), (true, false)] {
        let world = World::new();
        terminate(&world, "jobs");
        if !readable {
            world.sandbox.default_cluster().deny("get", "namespaces").unwrap();
        }
        let binding = IrsaBinding::builder("sandbox", "jobs", "sa").with_policy("AmazonS3ReadOnlyAccess");
        let error = refused(&world.client, &world, create(binding).with_create_namespace(create_namespace)).await;
        assert_eq!(error.conflict_reason(), Some(ConflictReason::NamespaceTerminating), "{error:?}");
        let told = text(&error);
        assert!(
            told.starts_with("namespace jobs is being deleted: ") && told.contains("wait until it is gone"),
            "{told}"
        );
        assert!(!told.contains("does not exist") && !told.contains("--create-namespace"), "{told}");
        assert_eq!(world.writes(), [] as [&str; 0]);
    }
}

#[tokio::test]
async fn many_bindings_see_a_namespace_that_is_being_deleted() {
    let world = World::new();
    terminate(&world, "jobs");
    let place = |n: usize| if n == 7 { ("jobs", "sa".to_owned()) } else { ("default", format!("sa-{n}")) };
    let binding = |n: usize| IrsaBinding::builder("sandbox", place(n).0, place(n).1);
    let requests: Vec<Request> = (0..45).map(|n| create(binding(n)).with_create_namespace(true)).collect();
    let plans = world.client.plan_all(&requests).await.unwrap();
    let refused: Vec<&Error> = plans.iter().filter_map(|plan| plan.as_ref().err()).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].conflict_reason(), Some(ConflictReason::NamespaceTerminating));
}

#[tokio::test]
async fn an_account_in_a_namespace_that_is_being_deleted_is_annotated_with_a_warning() {
    let world = World::new();
    world.sandbox.default_cluster().update_as("helm", "jobs", "sa", &[("x", Some("y"))]).unwrap();
    terminate(&world, "jobs");
    let binding = || IrsaBinding::builder("sandbox", "jobs", "sa").with_policy("AmazonS3ReadOnlyAccess");
    for changed in [true, false] {
        let report = world.create(binding()).await.unwrap();
        assert_eq!(report.changed, changed);
        let warning = warned(&report, WarningId::NamespaceTerminating).unwrap();
        assert_eq!(warning.message, "namespace jobs is being deleted, and service account jobs/sa with it");
        assert_eq!(report.warnings.iter().filter(|warning| warning.id == WarningId::NamespaceTerminating).count(), 1);
    }
    let report = world.delete(binding()).await.unwrap();
    assert!(report.changed && warned(&report, WarningId::NamespaceTerminating).is_none(), "{report:?}");
}

#[tokio::test]
async fn a_namespace_that_begins_to_go_in_between_takes_the_role_back() {
    let world = World::new();
    world.sandbox.faults().just_before(("create_role", 1), |sandbox| {
        let terminated = sandbox.default_cluster().edit(|cluster| {
            cluster.namespaces.get_mut("default").unwrap().terminating = true;
            Ok(())
        });
        terminated.unwrap();
    });
    let error = world.create(World::binding()).await.unwrap_err();
    assert_eq!(error.conflict_reason(), Some(ConflictReason::NamespaceTerminating), "{error:?}");
    assert!(world.role(ROLE).is_none(), "{:?}", error.report());
}

/// Who may not read namespaces learns from the dry run that it is missing.
#[tokio::test]
async fn a_missing_namespace_that_may_not_be_read_is_created_where_that_is_asked_for() {
    let world = World::new();
    world.sandbox.default_cluster().deny("get", "namespaces").unwrap();
    world.sandbox.default_cluster().deny("list", "namespaces").unwrap();
    let binding = || IrsaBinding::builder("sandbox", "jobs", "sa").with_policy("AmazonS3ReadOnlyAccess");
    let error = refused(&world.client, &world, create(binding())).await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let report = world.client.run(&create(binding()).with_create_namespace(true)).await.unwrap();
    assert!(actions(&report).contains(&"create_namespace"), "{report:?}");
    assert!(world.account_on("sandbox", "jobs/sa").await.is_some());
}

fn of_server(report: &Report) -> Vec<&str> {
    let warnings = report.warnings.iter().filter(|warning| warning.id == WarningId::ApiServer);
    warnings.map(|warning| warning.message.as_str()).collect()
}

#[tokio::test]
async fn warnings_of_the_api_server_are_told_once_on_success_and_on_failure() {
    let warns = |text: &str| AdmissionState { warn: Some(text.to_owned()), ..AdmissionState::default() };
    let said =
        "API server: Validation failed for ValidatingAdmissionPolicy 'policy' with binding 'policy': mind the gap";
    let world = World::new();
    admit(&world, warns("mind the gap"));
    let preview = world.client.run(&create(World::binding()).with_dry_run(DryRun::Yes)).await.unwrap();
    assert_eq!(of_server(&preview), [said]);
    let report = world.create(World::binding()).await.unwrap();
    assert_eq!(of_server(&report), [said], "the dry run and the write brought it");
    assert!(of_server(&world.create(World::binding()).await.unwrap()).is_empty(), "nothing was written");

    let world = World::new();
    admit(&world, AdmissionState { no_dry_run: true, ..warns("mind the gap") });
    world.sandbox.faults().fail_before(("attach_policy", 1), ("AccessDenied", "no"));
    let error = world.create(World::binding()).await.unwrap_err();
    assert_eq!(of_server(error.report().unwrap()), [said]);
}

#[tokio::test]
async fn each_binding_of_many_has_its_own_warnings() {
    let world = World::new();
    world.sandbox.default_cluster().add_namespace("jobs").unwrap();
    let jobs = AdmissionState {
        namespace: Some("jobs".parse().unwrap()),
        warn: Some("mind the gap".to_owned()),
        ..AdmissionState::default()
    };
    admit(&world, jobs);
    for many in [2, 45] {
        let place = |n: usize| if n == 1 { "jobs" } else { "default" };
        let bindings = (0..many).map(|n| IrsaBinding::builder("sandbox", place(n), format!("sa-{many}-{n}")));
        let requests: Vec<Request> = bindings.map(create).collect();
        let options = FleetOptions::new().with_writes_per_second(0.0);
        let report = world.client.apply_all(&requests, &options, &|_| {}).await.unwrap();
        let warned: Vec<usize> = report.entries.iter().map(|entry| of_server(entry.report().unwrap()).len()).collect();
        let expected: Vec<usize> = (0..many).map(|n| usize::from(n == 1)).collect();
        assert_eq!(warned, expected);
    }
}
