//! Delete: what goes, what stays and why, and that twice is fine.

use std::collections::BTreeMap;
use std::sync::Arc;

use irsa_core::sandbox::{RoleState, ServiceAccountState};
use irsa_core::{Client, ErrorKind, Hint, IrsaBinding, IrsaBindingBuilder, ROLE_ARN_ANNOTATION, Request, WarningId};

use crate::world::{ROLE, World, actions, ec2_trust, warned};

fn of(name: &str) -> IrsaBindingBuilder {
    IrsaBinding::builder("sandbox", "default", name)
}

#[tokio::test]
async fn role_policies_and_account_go_and_twice_is_fine() {
    let world = World::new();
    let deny = serde_json::json!({"Statement": [{"Effect": "Deny", "Action": "s3:Delete*", "Resource": "*"}]});
    world.create(World::binding().with_inline_document("deny", deny.clone())).await.unwrap();
    let report = world.delete(of("sa")).await.unwrap();
    assert_eq!(
        actions(&report),
        [
            "tag_role",
            "update_trust_policy",
            "detach_policy",
            "delete_inline_policy",
            "delete_role",
            "delete_service_account"
        ]
    );
    assert_eq!(report.steps[3].detail.as_ref().unwrap()["document"], deny, "a lost document is reported in full");
    assert!(world.role(ROLE).is_none() && world.account_on("sandbox", "default/sa").await.is_none());
    let again = world.delete(of("sa")).await.unwrap();
    assert!(!again.changed && again.role_arn.is_none());
}

/// The delete breaks off before its `nth` call of a method.
async fn broken_off(world: &World, method: &'static str) {
    world.sandbox.faults().fail_before((method, 1), ("ServiceFailure", "try later"));
    world.delete(of("sa")).await.unwrap_err();
    world.sandbox.faults().clear();
}

fn origin(world: &World) -> String {
    world.role(ROLE).unwrap().tags["irsa.gen3.org/origin"].clone()
}

/// Two policies, so that the delete has something to break off between.
fn with_two_policies() -> IrsaBindingBuilder {
    let document = serde_json::json!({"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]});
    World::binding().with_inline_document("s3", document)
}

async fn is_whole(world: &World) -> bool {
    let role = world.role(ROLE).unwrap();
    let own_tags = role.tags.keys().filter(|key| key.starts_with("irsa.gen3.org/")).count();
    role.attached.len() == 1
        && role.inline.len() == 1
        && own_tags == 2
        && origin(world) == "created"
        && world.can_assume("sandbox", "default/sa", ROLE).await
        && world.annotation("default/sa").await.is_some()
}

#[tokio::test(start_paused = true)]
async fn a_create_after_a_delete_that_broke_off_makes_the_binding_whole() {
    for method in ["role", "update_trust_policy", "detach_policy", "delete_inline_policy", "delete_role"] {
        let world = World::new();
        world.create(with_two_policies()).await.unwrap();
        if method == "role" {
            // Between the mark and the second look: the first read of the role is that of the plan.
            world.sandbox.faults().fail_before((method, 2), ("ServiceFailure", "try later"));
            world.delete(of("sa")).await.unwrap_err();
            world.sandbox.faults().clear();
        } else {
            broken_off(&world, method).await;
        }
        assert!(origin(&world).starts_with("deleting:created:"), "{method}");
        let report = world.create(with_two_policies()).await.unwrap();
        assert!(warned(&report, WarningId::DeleteUndone).is_some(), "{method}: {report:?}");
        assert!(is_whole(&world).await, "{method}: {:?}", world.role(ROLE));
        assert!(!world.create(with_two_policies()).await.unwrap().changed, "{method}");
        world.delete(of("sa")).await.unwrap();
        assert!(world.role(ROLE).is_none(), "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_after_a_delete_that_broke_off_undoes_it() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    broken_off(&world, "delete_role").await;
    world.update(World::bare().with_subject("default/b")).await.unwrap();
    assert_eq!(origin(&world), "created");
    for subject in ["default/sa", "default/b"] {
        assert!(world.can_assume("sandbox", subject, ROLE).await, "{subject}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_adopted_role_whose_forced_delete_broke_off_is_adopted_again() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    world.edit_role(ROLE, |role| drop(role.tags.insert("irsa.gen3.org/origin".to_owned(), "adopted".to_owned())));
    world.sandbox.faults().fail_before(("delete_role", 1), ("ServiceFailure", "try later"));
    world.client.run(&Request::delete(of("sa").build().unwrap()).with_force(true)).await.unwrap_err();
    world.create(World::binding()).await.unwrap();
    assert_eq!(origin(&world), "adopted");
}

/// A delete may still be running for a while; a mark that is old by the clock is nobody's any more.
#[tokio::test(start_paused = true)]
async fn a_create_waits_for_a_delete_that_may_be_running_and_for_no_other() {
    let seconds = |ago: u64| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        format!("deleting:created:{}:5f", now - ago)
    };
    // A minute ago by a clock that may be wrong; eleven minutes; and a mark without an age.
    for (mark, waits) in [(seconds(60), true), (seconds(660), false), ("deleting".to_owned(), false)] {
        let world = World::new();
        world.create(World::binding()).await.unwrap();
        world.edit_role(ROLE, |role| drop(role.tags.insert("irsa.gen3.org/origin".to_owned(), mark.clone())));
        let begun = tokio::time::Instant::now();
        world.create(World::binding()).await.unwrap();
        let waited = begun.elapsed().as_secs();
        assert_eq!(waited, if waits { 25 } else { 0 }, "{mark}");
        assert_eq!(origin(&world), "created");
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_that_another_run_deletes_meanwhile_is_not_restored() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    broken_off(&world, "delete_role").await;
    // The create has waited, and announces that it restores the role: another delete begins just then.
    world.sandbox.faults().just_before(("tag_role", 1), |sandbox| {
        let edited = sandbox.edit(|state| {
            let tags = &mut state.roles.get_mut(ROLE).unwrap().tags;
            tags.insert("irsa.gen3.org/origin".to_owned(), "deleting:created:1:another".to_owned());
            Ok(())
        });
        edited.unwrap();
    });
    let error = world.create(World::binding()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let tags = world.role(ROLE).unwrap().tags;
    assert_eq!(tags["irsa.gen3.org/origin"], "deleting:created:1:another");
    assert_eq!(tags.keys().filter(|key| key.starts_with("irsa.gen3.org/")).count(), 2, "{tags:?}");
}

/// The plan of the create goes by the policies that it read: the delete removed one before it ended.
#[tokio::test(start_paused = true)]
async fn a_role_that_loses_a_policy_while_a_create_waits_is_not_taken_for_whole() {
    let world = World::new();
    world.create(with_two_policies()).await.unwrap();
    broken_off(&world, "update_trust_policy").await;
    world.sandbox.faults().just_before(("tag_role", 1), |sandbox| {
        let edited = sandbox.edit(|state| {
            state.roles.get_mut(ROLE).unwrap().attached.clear();
            Ok(())
        });
        edited.unwrap();
    });
    assert_eq!(world.create(with_two_policies()).await.unwrap_err().kind(), ErrorKind::Conflict);
    world.sandbox.faults().clear();
    world.create(with_two_policies()).await.unwrap();
    assert!(is_whole(&world).await);
}

#[tokio::test(start_paused = true)]
async fn a_subject_leaves_a_role_whose_delete_broke_off() {
    let world = World::new();
    world.create(World::binding().with_subject("default/b")).await.unwrap();
    world.edit_role(ROLE, |role| drop(role.tags.insert("irsa.gen3.org/origin".to_owned(), "deleting".to_owned())));
    world.delete(of("b")).await.unwrap();
    assert_eq!(origin(&world), "created");
    assert!(world.can_assume("sandbox", "default/sa", ROLE).await);
    assert!(!world.can_assume("sandbox", "default/b", ROLE).await);
}

#[tokio::test(start_paused = true)]
async fn a_slow_delete_renews_its_mark() {
    let world = World::new();
    world.create(with_two_policies()).await.unwrap();
    world.sandbox.faults().clear_calls();
    world.sandbox.faults().delay(("detach_policy", 1), std::time::Duration::from_secs(55));
    world.delete(of("sa")).await.unwrap();
    assert!(world.role(ROLE).is_none());
    let marks = world.writes().iter().filter(|method| **method == "tag_role").count();
    assert_eq!(marks, 6, "one at the beginning, and one every ten seconds");
}

/// Its mark cannot be renewed: it stops before another run may restore the role.
#[tokio::test(start_paused = true)]
async fn a_delete_that_stalls_writes_nothing_more() {
    let world = World::new();
    world.create(with_two_policies()).await.unwrap();
    world.sandbox.faults().clear_calls();
    world.sandbox.faults().delay(("detach_policy", 1), std::time::Duration::from_secs(30));
    world.sandbox.faults().hang(("role", 4));
    let begun = tokio::time::Instant::now();
    let error = world.delete(of("sa")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict && error.report().is_some(), "{error:?}");
    assert_eq!(begun.elapsed().as_secs(), 20);
    assert!(!world.writes().contains(&"delete_role"));
    world.sandbox.faults().clear();
    world.create(with_two_policies()).await.unwrap();
    assert!(is_whole(&world).await);
}

/// The annotation goes last. Where a delete broke off before it, nothing else tells of the binding.
#[tokio::test]
async fn the_annotation_that_a_broken_delete_left_is_let_go() {
    for adopted in [false, true] {
        let world = World::new();
        world.create(World::binding().with_subject("default/b")).await.unwrap();
        if adopted {
            world.edit_role(ROLE, |role| {
                drop(role.tags.insert("irsa.gen3.org/origin".to_owned(), "adopted".to_owned()))
            });
        }
        world.sandbox.faults().fail_before(("delete_service_account", 1), ("InternalError", "try later"));
        world.delete(of("sa")).await.unwrap_err();
        assert!(world.annotation("default/sa").await.is_some());
        world.delete(of("sa")).await.unwrap();
        assert_eq!(world.annotation("default/sa").await, None);
        assert!(world.can_assume("sandbox", "default/b", ROLE).await);
    }
}

#[tokio::test]
async fn an_account_of_others_loses_our_annotations_only() {
    let world = World::new();
    world.edit_cluster(|cluster| {
        let mut account = ServiceAccountState::default();
        account.annotations.insert("team".to_owned(), "data".to_owned());
        cluster.namespaces.get_mut("default").unwrap().service_accounts.insert("sa".parse().unwrap(), account);
    });
    world.create(World::binding().with_token_expiration(3600)).await.unwrap();
    let report = world.delete(of("sa")).await.unwrap();
    assert_eq!(actions(&report).last(), Some(&"remove_annotations"));
    let account = world.account_on("sandbox", "default/sa").await.unwrap();
    assert_eq!(account.annotations.keys().collect::<Vec<_>>(), ["team"]);
}

#[tokio::test]
async fn one_of_several_subjects_leaves_and_the_owner_hands_over() {
    let world = World::new();
    world.create(World::binding().with_subject("default/b").with_subject("default/c")).await.unwrap();
    let report = world.delete(of("sa")).await.unwrap();
    assert_eq!(actions(&report), ["tag_role", "untag_role", "update_trust_policy", "delete_service_account"]);
    let role = world.role(ROLE).unwrap();
    assert!(role.tags["irsa.gen3.org/owner"].ends_with("default/b"));
    assert!(
        !world.can_assume("sandbox", "default/sa", ROLE).await && world.can_assume("sandbox", "default/c", ROLE).await
    );
    assert!(!world.delete(of("sa")).await.unwrap().changed);
    world.delete(of("c")).await.unwrap();
    world.delete(of("b")).await.unwrap();
    assert!(world.role(ROLE).is_none());
}

#[tokio::test]
async fn a_role_that_others_use_is_kept_and_the_reason_told() {
    for (reason, change) in [
        (
            "instance profile",
            (|w: &World| w.sandbox.add_instance_profile("nodes", &ROLE.parse().unwrap()).unwrap()) as fn(&World),
        ),
        ("did not write", |w: &World| {
            w.edit_role(ROLE, |r| {
                r.trust_policy["Statement"].as_array_mut().unwrap().push(ec2_trust()["Statement"][0].clone())
            })
        }),
    ] {
        let world = World::new();
        world.create(World::binding()).await.unwrap();
        change(&world);
        let report = world.delete(of("sa")).await.unwrap();
        let warning = warned(&report, WarningId::RoleKept).unwrap();
        assert!(warning.message.contains(reason), "{warning:?}");
        assert!(!world.can_assume("sandbox", "default/sa", ROLE).await, "{reason}");
        assert!(world.account_on("sandbox", "default/sa").await.is_none());
        let role = world.role(ROLE).unwrap();
        assert!(role.attached.len() == 1 && role.tags.is_empty(), "handed over as it is: {role:?}");
        assert!(!world.delete(of("sa")).await.unwrap().changed, "{reason}");
    }
}

#[tokio::test]
async fn keep_role_keeps_it_without_the_subject() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    let request = Request::delete(of("sa").build().unwrap()).with_keep_role(true);
    let report = world.client.run(&request).await.unwrap();
    assert!(warned(&report, WarningId::RoleKept).is_some());
    assert!(world.role(ROLE).is_some() && !world.can_assume("sandbox", "default/sa", ROLE).await);
    assert!(!world.client.run(&request).await.unwrap().changed);
}

#[tokio::test]
async fn an_adopted_role_is_given_back_as_it_was() {
    let world = World::new();
    world.sandbox.put_role(&ROLE.parse().unwrap(), RoleState::new(ec2_trust())).unwrap();
    world.client.run(&Request::create(World::binding().build().unwrap()).with_adopt(true)).await.unwrap();
    let report = world.delete(of("sa")).await.unwrap();
    assert!(warned(&report, WarningId::RoleKept).is_some());
    let role = world.role(ROLE).unwrap();
    assert_eq!(role.trust_policy, ec2_trust());
    assert!(role.tags.is_empty());
}

#[tokio::test]
async fn force_deletes_the_role_all_the_same() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    world.edit_role(ROLE, |role| drop(role.tags.insert("irsa.gen3.org/origin".to_owned(), "adopted".to_owned())));
    world.client.run(&Request::delete(of("sa").build().unwrap()).with_force(true)).await.unwrap();
    assert!(world.role(ROLE).is_none());
}

#[tokio::test]
async fn a_binding_that_is_not_ours_is_not_undone() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    world.edit_role(ROLE, |role| {
        role.tags.clear();
        role.trust_policy["Statement"][0]["Sid"] = "Eksctl".into();
    });
    // Its annotation is another tool's too.
    let arn = world.annotation("default/sa").await.unwrap();
    world.edit_cluster(|cluster| cluster.namespaces.get_mut("default").unwrap().service_accounts.clear());
    let annotations = BTreeMap::from([(ROLE_ARN_ANNOTATION.to_owned(), arn)]);
    let account = ServiceAccountState { annotations, ..ServiceAccountState::default() };
    world.sandbox.default_cluster().put_service_account("default", "sa", account).unwrap();
    let report = world.delete(of("sa")).await.unwrap();
    assert!(!report.changed);
    assert!(warned(&report, WarningId::RoleKept).is_some() && warned(&report, WarningId::AccountKept).is_some());
    assert!(world.can_assume("sandbox", "default/sa", ROLE).await && world.annotation("default/sa").await.is_some());
    let elsewhere = world.delete(of("other").with_role_name(ROLE)).await.unwrap();
    assert!(!elsewhere.changed);
}

#[tokio::test]
async fn the_role_of_another_binding_is_not_deleted_by_name() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    let error = world.delete(of("other").with_role_name(ROLE)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(world.role(ROLE).is_some());
}

#[tokio::test]
async fn what_is_left_of_a_binding_is_cleaned_up() {
    // The role is gone: the annotation leads nowhere and is taken away.
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    world.sandbox.remove_role(&ROLE.parse().unwrap()).unwrap();
    assert_eq!(actions(&world.delete(of("sa")).await.unwrap()), ["delete_service_account"]);
    // The account is gone: the role is found by its default name and owner.
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    world.edit_cluster(|cluster| cluster.namespaces.clear());
    world.delete(of("sa")).await.unwrap();
    assert!(world.role(ROLE).is_none());
    // The provider is gone.
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    world
        .sandbox
        .edit(|state| {
            state.providers.clear();
            Ok(())
        })
        .unwrap();
    world.delete(of("sa")).await.unwrap();
    assert!(world.role(ROLE).is_none());
}

#[tokio::test]
async fn a_cluster_that_is_gone_is_cleaned_up_after_by_its_arn() {
    let mut world = World::new();
    world.create(World::binding()).await.unwrap();
    world.sandbox.default_cluster().remove().unwrap();
    // A client that has not seen the cluster: the description is kept for ten minutes.
    let back_end = Arc::new(world.sandbox.clone());
    world.client = Client::new(back_end.clone(), back_end);
    assert_eq!(world.delete(of("sa")).await.unwrap_err().kind(), ErrorKind::NotFound);
    let arn = "arn:aws:eks:us-east-1:123456789012:cluster/sandbox";
    let report = world.delete(IrsaBinding::builder(arn, "default", "sa")).await.unwrap();
    assert!(actions(&report).contains(&"delete_role"));
    assert!(world.role(ROLE).is_none());
}

#[tokio::test]
async fn annotation_and_owned_role_that_differ_are_a_conflict() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    world.create(of("b").with_role_name("other")).await.unwrap();
    world.edit_cluster(|cluster| {
        let accounts = &mut cluster.namespaces.get_mut("default").unwrap().service_accounts;
        let arn = "arn:aws:iam::123456789012:role/other".to_owned();
        accounts.get_mut("sa").unwrap().annotations.insert(ROLE_ARN_ANNOTATION.to_owned(), arn);
    });
    assert_eq!(world.delete(of("sa")).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert!(world.delete(of("sa").with_role_name(ROLE)).await.is_ok());
}

#[tokio::test]
async fn a_role_of_which_only_patterns_are_left_goes_when_forced() {
    let world = World::new();
    world.create(World::binding().with_subject("default/job-*").with_subject("default/b")).await.unwrap();
    // Somebody else's binding is not forced away.
    let forced = |name: &str| Request::delete(of(name).build().unwrap()).with_force(true);
    world.client.run(&forced("b")).await.unwrap();
    assert!(world.role(ROLE).is_some());
    let kept = world.delete(of("sa")).await.unwrap();
    let told = warned(&kept, WarningId::RoleKept).unwrap();
    assert!(
        told.message.contains("only subject patterns are left") && told.hint == Some(Hint::ForceDelete),
        "{told:?}"
    );
    let gone = world.client.run(&forced("sa")).await.unwrap();
    assert!(gone.changed && world.role(ROLE).is_none(), "{gone:?}");
}
