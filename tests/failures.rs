//! Failures on the way: what the report says, what is rolled back, and that the next run finishes the work.

use std::time::Duration;

use irsa_core::name::RoleName;
use irsa_core::sandbox::At;
use irsa_core::{CancellationToken, ErrorKind, Outcome, Report, Request, WarningId};
use serde_json::json;

use crate::world::{ROLE, World, actions, warned};

const DENIED: (&str, &str) = ("AccessDenied", "User: arn:aws:iam::123456789012:user/x is not authorized");

fn outcomes(report: &Report) -> Vec<(&str, Outcome)> {
    report.steps.iter().map(|step| (step.action.as_str(), step.outcome)).collect()
}

#[tokio::test]
async fn a_new_role_whose_policy_is_refused_is_rolled_back() {
    let world = World::new();
    world.sandbox.faults().fail_before("attach_policy", DENIED);
    let before = world.sandbox.state().unwrap();
    let error = world.create(World::binding()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    let report = error.report().unwrap();
    assert_eq!(
        outcomes(report),
        [
            ("create_role", Outcome::RolledBack),
            ("attach_policy", Outcome::Failed),
            ("create_service_account", Outcome::RolledBack),
        ]
    );
    let after = world.sandbox.state().unwrap();
    assert_eq!(
        (after.roles, &after.clusters.values().next().unwrap().namespaces),
        (before.roles, &before.clusters.values().next().unwrap().namespaces)
    );
}

#[tokio::test]
async fn an_account_that_was_there_gets_its_own_fields_back() {
    let world = World::new();
    world.edit_cluster(|cluster| {
        let accounts = &mut cluster.namespaces.get_mut("default").unwrap().service_accounts;
        accounts.entry("sa".parse().unwrap()).or_default().annotations.insert("team".to_owned(), "data".to_owned());
    });
    world.sandbox.faults().fail_before("attach_policy", DENIED);
    world.create(World::binding()).await.unwrap_err();
    let account = world.account_on("sandbox", "default/sa").await.unwrap();
    assert_eq!(account.annotations.keys().collect::<Vec<_>>(), ["team"]);
}

#[tokio::test]
async fn what_cannot_be_rolled_back_is_named() {
    let world = World::new();
    world.sandbox.faults().fail_before("attach_policy", DENIED).fail_before("delete_role", DENIED);
    let error = world.create(World::binding()).await.unwrap_err();
    let report = error.report().unwrap();
    assert_eq!(report.steps[0].outcome, Outcome::Done);
    let left = warned(report, WarningId::LeftBehind).unwrap();
    assert!(left.message.contains("create_role sandbox-default-sa"), "{left:?}");
    world.sandbox.faults().clear();
    world.create(World::binding()).await.unwrap();
    assert!(world.can_assume("sandbox", "default/sa", ROLE).await);
}

#[tokio::test]
async fn a_role_that_somebody_has_joined_is_not_rolled_back() {
    let world = World::new();
    world.sandbox.faults().just_before(("attach_policy", 1), |sandbox| {
        let joined = sandbox.edit(|state| {
            let tags = &mut state.roles.get_mut(ROLE).unwrap().tags;
            let known = tags["irsa.gen3.org/owner"].clone();
            tags.extend([tag_of("default/sa", "default/other", "irsa.gen3.org/subject.", &known)]);
            Ok(())
        });
        joined.unwrap();
    });
    world.sandbox.faults().fail_before("attach_policy", DENIED);
    let error = world.create(World::binding()).await.unwrap_err();
    let report = error.report().unwrap();
    assert!(report.steps.iter().all(|step| step.outcome != Outcome::RolledBack), "{report:?}");
    assert!(warned(report, WarningId::LeftBehind).unwrap().message.contains("joined"));
    assert_eq!(world.role(ROLE).unwrap().tags["irsa.gen3.org/origin"], "created");
}

#[tokio::test]
async fn after_a_lost_answer_the_state_stays_and_the_next_run_finishes() {
    for method in ["create_role", "attach_policy", "apply_service_account"] {
        let world = World::new();
        world.sandbox.faults().fail_after((method, 1), ("ServiceFailure", "the answer is lost"));
        let error = world.create(World::binding()).await.unwrap_err();
        let report = error.report().unwrap();
        assert!(report.steps.iter().all(|step| step.outcome != Outcome::RolledBack), "{method}");
        assert!(report.steps.iter().any(|step| step.outcome == Outcome::Failed), "{method}");
        world.create(World::binding()).await.unwrap();
        assert!(world.can_assume("sandbox", "default/sa", ROLE).await, "{method}");
        assert!(!world.create(World::binding()).await.unwrap().changed, "{method}");
    }
}

#[tokio::test]
async fn steps_after_a_failure_are_not_begun() {
    let world = World::new();
    world.sandbox.faults().throttle("create_role", 1);
    let error = world.create(World::binding()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert_eq!(
        outcomes(error.report().unwrap())[1..],
        [("attach_policy", Outcome::NotRun), ("create_service_account", Outcome::NotRun)]
    );
    assert!(!error.report().unwrap().changed);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_ends_at_the_deadline() {
    let world = World::new();
    world.sandbox.faults().hang(("attach_policy", 1));
    let begun = tokio::time::Instant::now();
    let error = world.create(World::binding()).await.unwrap_err();
    assert_eq!((error.kind(), begun.elapsed().as_secs()), (ErrorKind::Timeout, 120));
    assert_eq!(error.report().unwrap().steps[0].outcome, Outcome::Done);
    assert!(world.create(World::binding()).await.is_ok());
    let world = World::new();
    world.sandbox.faults().hang(("role", 1));
    let client = world.client.clone().with_timeout(Duration::from_secs(5));
    let error = client.run(&Request::create(World::binding().build().unwrap())).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Timeout && error.report().is_none());
}

#[tokio::test(start_paused = true)]
async fn eventual_consistency_is_waited_for() {
    let world = World::new();
    let unseen = ("NoSuchEntity", "The role with name sandbox-default-sa cannot be found.");
    world.sandbox.faults().fail_before(At::method("attach_policy", 1).times(3), unseen);
    world.create(World::binding()).await.unwrap();
    world
        .sandbox
        .faults()
        .fail_before(("delete_role", 1), ("DeleteConflict", "Cannot delete entity, must detach all policies first."));
    world.sandbox.faults().fail_before(("detach_policy", 1), ("ConcurrentModification", "wait a few minutes"));
    world.delete(World::bare()).await.unwrap();
    assert!(world.role(ROLE).is_none());
}

#[tokio::test]
async fn a_role_made_by_somebody_else_in_between_is_not_taken_over() {
    let world = World::new();
    world.sandbox.faults().just_before(("create_role", 1), |sandbox| {
        let role = irsa_core::sandbox::RoleState::new(crate::world::ec2_trust());
        sandbox.put_role(&RoleName::new(ROLE).unwrap(), role).unwrap();
    });
    let error = world.create(World::binding()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(world.role(ROLE).unwrap().attached.is_empty());
    assert_eq!(world.create(World::binding()).await.unwrap_err().kind(), ErrorKind::NotOwned);
}

/// Without the re-read the second writer's statement would be lost: last writer wins in IAM.
#[tokio::test]
async fn a_subject_that_another_writer_adds_at_the_same_time_is_kept() {
    let world = World::new();
    world.create(World::binding().with_subject("default/c")).await.unwrap();
    world.sandbox.faults().just_before(("update_trust_policy", 1), |sandbox| {
        sandbox
            .edit(|state| {
                let role = state.roles.get_mut(ROLE).unwrap();
                // The other writer records its subject, then writes the statement; ours comes after and knows nothing of it.
                let other = role.tags.iter().find(|(_, value)| value.ends_with("default/c")).unwrap().0.clone();
                let (key, value) = tag_of("default/c", "default/other", &other, &role.tags[&other]);
                role.tags.insert(key, value);
                Ok(())
            })
            .unwrap();
    });
    let report = world.update(World::bare().with_subject("default/b")).await.unwrap();
    assert!(warned(&report, WarningId::Repeated).is_some(), "{report:?}");
    for place in ["default/sa", "default/b", "default/c", "default/other"] {
        assert!(world.can_assume("sandbox", place, ROLE).await, "{place}");
    }
}

/// The tag that records another subject, made from a known one: the key is a hash of the value.
pub(crate) fn tag_of(known: &str, other: &str, key: &str, value: &str) -> (String, String) {
    use sha2::{Digest, Sha256};
    let value = value.replace(known, other);
    let digest = Sha256::digest(value.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let (prefix, _) = key.rsplit_once('.').unwrap();
    (format!("{prefix}.{}", &hex[..16]), value)
}

#[tokio::test]
async fn a_subject_without_a_record_is_taken_out_and_reported() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    world.edit_role(ROLE, |role| {
        let conditions = &mut role.trust_policy["Statement"][0]["Condition"]["StringEquals"];
        let key = conditions.as_object().unwrap().keys().find(|key| key.ends_with(":sub")).unwrap().clone();
        conditions[key] = json!(["system:serviceaccount:default:sa", "system:serviceaccount:default:intruder"]);
    });
    assert!(world.can_assume("sandbox", "default/intruder", ROLE).await);
    let report = world.create(World::binding()).await.unwrap();
    assert_eq!(actions(&report), ["update_trust_policy"]);
    assert!(warned(&report, WarningId::SubjectWithoutTag).unwrap().message.contains("intruder"));
    assert!(!world.can_assume("sandbox", "default/intruder", ROLE).await);
}

#[tokio::test]
async fn an_account_changed_while_it_is_let_go_keeps_the_change() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    world.sandbox.faults().just_before(("delete_service_account", 1), |sandbox| {
        sandbox
            .default_cluster()
            .edit(|cluster| {
                let accounts = &mut cluster.namespaces.get_mut("default").unwrap().service_accounts;
                let account = accounts.get_mut("sa").unwrap();
                account
                    .annotations
                    .insert(irsa_core::ROLE_ARN_ANNOTATION.to_owned(), "arn:aws:iam::123456789012:role/new".to_owned());
                account.resource_version = 0;
                Ok(())
            })
            .unwrap();
    });
    world.delete(World::bare()).await.unwrap();
    assert_eq!(world.annotation("default/sa").await.as_deref(), Some("arn:aws:iam::123456789012:role/new"));
}

#[tokio::test]
async fn two_writers_of_one_client_wait_for_each_other() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    let (a, b) = tokio::join!(
        world.update(World::bare().with_subject("default/a")),
        world.update(World::bare().with_subject("default/b"))
    );
    a.unwrap();
    b.unwrap();
    for place in ["default/sa", "default/a", "default/b"] {
        assert!(world.can_assume("sandbox", place, ROLE).await, "{place}");
    }
}

#[tokio::test]
async fn a_run_that_is_stopped_begins_no_further_step_and_is_finished_by_the_next() {
    let world = World::new();
    let cancellation = CancellationToken::new();
    let switch = cancellation.clone();
    world.sandbox.faults().just_before(("create_role", 1), move |_| switch.cancel());
    let request = Request::create(World::binding().build().unwrap());
    let error = world.client.run_until(&request, &cancellation).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert_eq!(
        outcomes(error.report().unwrap()),
        [
            ("create_role", Outcome::Done),
            ("attach_policy", Outcome::NotRun),
            ("create_service_account", Outcome::NotRun),
        ]
    );
    assert_eq!(world.writes(), ["create_role"]);
    world.sandbox.faults().clear();
    assert!(world.client.run_until(&request, &CancellationToken::new()).await.unwrap().changed);
    assert!(!world.client.run(&request).await.unwrap().changed);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_while_it_reads_ends_at_once() {
    let world = World::new();
    world.sandbox.faults().delay_every_call(Duration::from_secs(60));
    let cancellation = CancellationToken::new();
    let request = Request::create(World::binding().build().unwrap());
    let begun = tokio::time::Instant::now();
    let stopping = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cancellation.cancel();
    };
    let (result, ()) = tokio::join!(world.client.run_until(&request, &cancellation), stopping);
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.report()), (ErrorKind::Interrupted, None));
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
    assert_eq!(world.writes(), [] as [&str; 0]);
}
