//! The bad cases, each by its name: what goes wrong between what a run has read and what it writes, and how it ends. That
//! every call can go wrong in every way is in `faults`; here is told what a user sees.

use irsa_core::sandbox::{At, Failure};
use irsa_core::{Error, ErrorKind, Hint, Outcome, ROLE_ARN_ANNOTATION, Report, Request, Result, Sandbox, WarningId};

use crate::world::{ROLE, World, text, warned};

fn outcome(report: &Report, action: &str) -> Outcome {
    report.steps.iter().find(|step| step.action.as_str() == action).unwrap().outcome
}

/// The failure with what it says had been done.
fn failed(result: Result<Report>, kind: ErrorKind) -> (Error, Report) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error:?}");
    let report = error.report().unwrap().clone();
    (error, report)
}

/// The same command again does all that is left, and a third time nothing.
async fn finishes(world: &World) {
    world.sandbox.faults().clear();
    world.create(World::binding()).await.unwrap();
    assert!(world.can_assume("sandbox", "default/sa", ROLE).await);
    assert!(world.annotation("default/sa").await.is_some());
    assert_eq!(world.role(ROLE).unwrap().attached.len(), 1);
    assert!(!world.create(World::binding()).await.unwrap().changed);
}

/// Nothing of a binding is left after its delete.
async fn goes(world: &World) {
    world.sandbox.faults().clear();
    world.delete(World::bare()).await.unwrap();
    assert!(world.role(ROLE).is_none() && world.annotation("default/sa").await.is_none());
}

fn unreachable() -> Failure {
    Error::new(ErrorKind::Unavailable, "cannot write service account default/sa")
        .with_cause("the API server cannot be reached: connection refused")
        .into()
}

#[tokio::test]
async fn credentials_expire_half_way() {
    let world = World::new();
    let expired = ("ExpiredToken", "The security token included in the request is expired");
    // From the second write on, AWS takes the credentials no more; the API server has its own.
    for method in ["attach_policy", "detach_policy", "delete_role"] {
        world.sandbox.faults().fail_before(method, expired);
    }
    let (error, report) = failed(world.create(World::binding()).await, ErrorKind::AccessDenied);
    assert_eq!(error.code(), Some("ExpiredToken"));
    assert_eq!(outcome(&report, "create_role"), Outcome::Done);
    assert_eq!(outcome(&report, "create_service_account"), Outcome::RolledBack);
    let left = warned(&report, WarningId::LeftBehind).unwrap();
    assert!(left.message.contains(ROLE) && left.message.contains("expired"), "{left:?}");
    finishes(&world).await;
}

#[tokio::test]
async fn the_api_server_goes_away_between_observe_and_apply() {
    let world = World::new();
    world.sandbox.faults().fail_before("apply_service_account", unreachable());
    let (error, report) = failed(world.create(World::binding()).await, ErrorKind::Unavailable);
    assert!(text(&error).contains("connection refused"));
    assert_eq!(outcome(&report, "create_role"), Outcome::Done);
    assert_eq!(outcome(&report, "create_service_account"), Outcome::Failed);
    finishes(&world).await;
}

#[tokio::test]
async fn the_namespace_is_deleted_between() {
    let world = World::new();
    world.sandbox.faults().just_before(("create_role", 1), |sandbox| {
        sandbox.default_cluster().remove_namespace("default").unwrap();
    });
    let (_, report) = failed(world.create(World::binding()).await, ErrorKind::NotFound);
    assert_eq!(outcome(&report, "create_role"), Outcome::Done);
    world.sandbox.faults().clear();
    // The next run sees it before it writes anything; a delete needs no namespace.
    let error = world.create(World::binding()).await.unwrap_err();
    assert!(error.report().is_none() && text(&error).contains("namespace default does not exist"), "{}", text(&error));
    goes(&world).await;
}

#[tokio::test]
async fn the_provider_is_deleted_between() {
    let world = World::new();
    world.sandbox.faults().just_before(("create_role", 1), |sandbox| {
        let cluster = sandbox.state().unwrap().clusters.into_values().next().unwrap();
        sandbox.remove_provider(&cluster.issuer.unwrap()).unwrap();
    });
    // IAM takes a role that trusts a provider which is not there; the next run tells.
    world.create(World::binding()).await.unwrap();
    world.sandbox.faults().clear();
    let before = world.sandbox.state().unwrap();
    let error = world.create(World::binding()).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (ErrorKind::NotFound, Some(&Hint::CreateProvider)), "{}", text(&error));
    assert_eq!(world.sandbox.state().unwrap(), before);
    let repair = Request::create(World::binding().build().unwrap()).with_create_provider(true);
    world.client.run(&repair).await.unwrap();
    assert!(world.can_assume("sandbox", "default/sa", ROLE).await);
}

#[tokio::test]
async fn the_role_is_deleted_by_hand_between() {
    let world = World::new();
    world.create(World::bare()).await.unwrap();
    world.sandbox.faults().just_before(("attach_policy", 1), |sandbox| {
        sandbox.remove_role(&ROLE.parse().unwrap()).unwrap();
    });
    let (error, report) = failed(world.create(World::binding()).await, ErrorKind::NotFound);
    assert_eq!((error.code(), outcome(&report, "attach_policy")), (Some("NoSuchEntity"), Outcome::Failed));
    finishes(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_vanishes_between() {
    let world = World::new();
    let arn = world.sandbox.add_policy("/", "team").unwrap();
    let gone = arn.clone();
    world.sandbox.faults().just_before(("create_role", 1), move |sandbox| sandbox.remove_policy(&gone).unwrap());
    let binding = || World::bare().with_policy("team");
    let (error, report) = failed(world.create(binding()).await, ErrorKind::NotFound);
    assert!(text(&error).contains("does not exist or is not attachable"), "{}", text(&error));
    assert_eq!((outcome(&report, "create_role"), report.steps[1].target.as_str()), (Outcome::Done, &*arn.to_string()));
    world.sandbox.faults().clear();
    let error = world.create(binding()).await.unwrap_err();
    assert!(error.report().is_none() && text(&error).contains("policy team does not exist"), "{}", text(&error));
    goes(&world).await;
}

fn edit(sandbox: &Sandbox, change: impl FnOnce(&mut irsa_core::sandbox::SandboxState)) {
    let edited = sandbox.edit(|state| {
        change(state);
        Ok(())
    });
    edited.unwrap();
}

#[tokio::test]
async fn the_trust_policy_is_full() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    edit(&world.sandbox, |state| state.quotas.trust_policy_size = 500);
    let before = world.sandbox.state().unwrap();
    let error = world.update(World::bare().with_subject("default/another-service-account")).await.unwrap_err();
    assert_eq!((error.kind(), error.report().is_none()), (ErrorKind::QuotaExceeded, true));
    let told = text(&error);
    assert!(
        told.contains("the quota is 500, ") && told.contains(" in use, ") && told.contains("one pattern"),
        "{told}"
    );
    assert_eq!(world.sandbox.state().unwrap(), before);
}

#[tokio::test]
async fn the_account_is_at_its_role_quota() {
    let world = World::new();
    edit(&world.sandbox, |state| state.quotas.roles_per_account = 0);
    let before = world.sandbox.state().unwrap();
    let error = world.create(World::binding()).await.unwrap_err();
    let told = text(&error);
    assert!(told.contains("the quota is 0, 0 in use, 1 would be needed") && told.contains("share a role"), "{told}");
    assert_eq!(world.sandbox.state().unwrap(), before);
}

#[tokio::test]
async fn a_quota_that_may_not_be_read_is_met_first() {
    let world = World::new();
    edit(&world.sandbox, |state| state.quotas.attached_policies_per_role = 1);
    world.sandbox.faults().fail_before("quotas", ("AccessDenied", "not you"));
    let two = || World::binding().with_policy("ReadOnlyAccess");
    let (error, report) = failed(world.create(two()).await, ErrorKind::QuotaExceeded);
    let told = text(&error);
    assert!(told.contains("0 were in use, 2 would be needed") && told.contains("inline policy"), "{told}");
    assert!(warned(&report, WarningId::QuotasUnknown).unwrap().message.contains("not you"));
    // Nothing was written for it that would be for nothing, and what was made is rolled back.
    assert_eq!(outcome(&report, "create_service_account"), Outcome::NotRun);
    assert!(world.role(ROLE).is_none());
    world.create(World::binding()).await.unwrap();
    let update = World::bare().with_policy("ReadOnlyAccess").with_description("more").with_tag("team", "data");
    let (_, report) = failed(world.update(update).await, ErrorKind::QuotaExceeded);
    assert_eq!((outcome(&report, "update_role"), outcome(&report, "tag_role")), (Outcome::NotRun, Outcome::NotRun));
}

#[tokio::test]
async fn a_service_account_is_being_deleted_with_finalizers() {
    let world = World::new();
    let end = |world: &World| {
        world.edit_cluster(|cluster| {
            let accounts = &mut cluster.namespaces.get_mut("default").unwrap().service_accounts;
            accounts.entry("sa".parse().unwrap()).or_default().deleting = true;
        });
    };
    end(&world);
    let error = world.create(World::binding()).await.unwrap_err();
    assert_eq!((error.kind(), error.report().is_none()), (ErrorKind::Conflict, true));
    assert!(text(&error).contains("being deleted") && text(&error).contains("again when it is gone"));
    assert_eq!(world.writes(), [] as [&str; 0]);
    // A binding whose account goes is undone without waiting for that.
    world.edit_cluster(|cluster| cluster.namespaces.get_mut("default").unwrap().service_accounts.clear());
    world.create(World::binding()).await.unwrap();
    end(&world);
    world.delete(World::bare()).await.unwrap();
    assert!(world.role(ROLE).is_none());
    assert!(!world.delete(World::bare()).await.unwrap().changed);
}

#[tokio::test]
async fn an_account_begins_to_go_between() {
    let world = World::new();
    world.sandbox.default_cluster().apply_as("helm", "default", "sa", &[("team", "data")]).unwrap();
    world.sandbox.faults().just_before(("create_role", 1), |sandbox| {
        let ended = sandbox.default_cluster().edit(|cluster| {
            let accounts = &mut cluster.namespaces.get_mut("default").unwrap().service_accounts;
            let account = accounts.get_mut("sa").unwrap();
            (account.deleting, account.resource_version) = (true, 0);
            Ok(())
        });
        ended.unwrap();
    });
    let (_, report) = failed(world.create(World::binding()).await, ErrorKind::Conflict);
    assert_eq!(outcome(&report, "create_role"), Outcome::Done);
    world.edit_cluster(|cluster| cluster.namespaces.get_mut("default").unwrap().service_accounts.clear());
    finishes(&world).await;
}

#[tokio::test]
async fn kubernetes_answers_429_and_500() {
    for (reason, kind) in [("TooManyRequests", ErrorKind::Throttled), ("InternalError", ErrorKind::Unavailable)] {
        let world = World::new();
        // While it reads, nothing has been done; while it writes, the next run goes on.
        world.sandbox.faults().fail_before(("service_account", 1), (reason, "later"));
        let error = world.create(World::binding()).await.unwrap_err();
        assert_eq!((error.kind(), error.report().is_none()), (kind, true));
        world.sandbox.faults().fail_before(("apply_service_account", 1), (reason, "later"));
        let (_, report) = failed(world.create(World::binding()).await, kind);
        assert_eq!(outcome(&report, "create_role"), Outcome::Done);
        finishes(&world).await;
    }
}

#[tokio::test]
async fn iam_answers_503_for_a_while() {
    let world = World::new();
    let busy = ("ServiceUnavailable", "come back later");
    world.sandbox.faults().fail_before(At::write(2).times(2), busy);
    let (_, report) = failed(world.create(World::binding()).await, ErrorKind::Unavailable);
    assert_eq!(outcome(&report, "create_role"), Outcome::Done);
    assert!(report.steps.iter().all(|step| step.outcome != Outcome::RolledBack), "it may work the next time");
    finishes(&world).await;
}

#[tokio::test]
async fn a_removed_subject_is_told_until_when_it_may_go_on() {
    let world = World::new();
    world.create(World::binding().with_subject("default/b").with_max_session_duration(7200)).await.unwrap();
    let request = Request::update(World::bare().build().unwrap()).removing_subject("default/b").unwrap();
    let report = world.client.run(&request).await.unwrap();
    let told = warned(&report, WarningId::SessionsRemain).unwrap();
    assert!(told.message.contains("default/b") && told.message.contains("7200 seconds"), "{told:?}");
    // Who shortens the sessions at the same time does not shorten those that are.
    world.update(World::bare().with_subject("default/c")).await.unwrap();
    let request = Request::update(World::bare().with_max_session_duration(3600).build().unwrap());
    let report = world.client.run(&request.removing_subject("default/c").unwrap()).await.unwrap();
    assert!(warned(&report, WarningId::SessionsRemain).unwrap().message.contains("7200 seconds"));
    // A delete of one subject of several tells it too.
    world.update(World::bare().with_subject("default/d")).await.unwrap();
    let report = world.delete(irsa_core::IrsaBinding::builder("sandbox", "default", "d")).await.unwrap();
    assert!(warned(&report, WarningId::SessionsRemain).is_some(), "{report:?}");
    assert!(world.annotation("default/sa").await.is_some_and(|arn| arn.contains(ROLE)), "{ROLE_ARN_ANNOTATION}");
}
