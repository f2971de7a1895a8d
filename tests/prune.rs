//! Prune: what goes with a set, what stays, and what is told of it.

use irsa_core::{
    ErrorKind, FleetOptions, FleetReport, Hint, IrsaBinding, IrsaBindingBuilder, Prunable, Request, WarningId,
};

use crate::world::World;

fn of(name: &str) -> IrsaBindingBuilder {
    IrsaBinding::builder("sandbox", "default", name).with_policy("AmazonS3ReadOnlyAccess")
}

fn binding(n: usize) -> IrsaBindingBuilder {
    of(&format!("sa-{n}"))
}

/// A request of the set `mine`, which may take annotations over.
fn mine(binding: IrsaBindingBuilder) -> Request {
    Request::create(binding.build().unwrap()).with_set("mine").unwrap().with_force(true)
}

async fn apply(world: &World, requests: &[Request]) -> FleetReport {
    let options = FleetOptions::new().with_writes_per_second(0.0);
    world.client.apply_all(requests, &options, &|_| {}).await.unwrap()
}

/// Applies what is declared, with what a prune removes.
async fn pruned(world: &World, declared: &[Request]) -> (FleetReport, Prunable) {
    let prunable = world.client.prunable("mine", declared).await.unwrap();
    (apply(world, &[declared, &prunable.requests].concat()).await, prunable)
}

fn roles(world: &World) -> Vec<String> {
    world.sandbox.state().unwrap().roles.keys().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_prune_takes_whole_roles_away_patterns_among_their_subjects() {
    let world = World::new();
    let shared = binding(1).with_subject("default/sa-*").with_subject("kube-system/other");
    assert!(apply(&world, &[mine(binding(0)), mine(shared)]).await.is_complete());
    let other = Request::create(binding(2).build().unwrap()).with_set("other").unwrap();
    assert!(apply(&world, &[other, Request::create(binding(3).build().unwrap())]).await.is_complete());

    let left = [mine(binding(0))];
    let prunable = world.client.prunable("mine", &left).await.unwrap();
    assert_eq!((prunable.requests.len(), prunable.warnings.len()), (1, 0));
    let planned = world.client.plan_all(&prunable.requests).await.unwrap().remove(0).unwrap();
    let steps: Vec<String> = planned.report().steps.iter().map(|step| step.action.to_string()).collect();
    let count = |action: &str| steps.iter().filter(|step| *step == action).count();
    assert_eq!((count("delete_role"), count("delete_service_account")), (1, 2), "{steps:?}");
    let report = apply(&world, &prunable.requests).await;
    assert!(report.is_complete(), "{report:?}");
    let roles: Vec<String> = world.sandbox.state().unwrap().roles.keys().map(ToString::to_string).collect();
    assert_eq!(roles, ["sandbox-default-sa-0", "sandbox-default-sa-2", "sandbox-default-sa-3"]);
    assert_eq!(world.annotation("kube-system/other").await, None);
    assert_eq!(world.client.prunable("mine", &left).await.unwrap().requests, []);
    assert_eq!(world.client.prunable("mine", &[]).await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_role_whose_accounts_have_moved_is_pruned_after_the_move() {
    let world = World::new();
    let declared = |role: &str| mine(binding(0).with_role_name(role).with_subject("default/other"));
    assert!(apply(&world, &[declared("old")]).await.is_complete());

    let moved = [declared("new")];
    let before = world.client.prunable("mine", &moved).await.unwrap();
    assert_eq!(before.requests, [], "the accounts still use it");
    let [warning] = &before.warnings[..] else { panic!("{before:?}") };
    assert!(warning.message.contains("role old") && warning.message.contains("default/other, default/sa-0"));

    assert!(apply(&world, &moved).await.is_complete());
    let after = world.client.prunable("mine", &moved).await.unwrap();
    let [told] = &after.warnings[..] else { panic!("{after:?}") };
    assert!(told.id == WarningId::SessionsRemain && told.message.contains("until they are restarted"), "{told:?}");
    assert_eq!(after.requests.len(), 1);
    let report = apply(&world, &[moved.to_vec(), after.requests].concat()).await;
    assert!(report.is_complete(), "{report:?}");
    let roles: Vec<String> = world.sandbox.state().unwrap().roles.keys().map(ToString::to_string).collect();
    assert_eq!(roles, ["new"]);
    for place in ["default/sa-0", "default/other"] {
        assert!(world.annotation(place).await.is_some_and(|arn| arn.ends_with(":role/new")), "{place}");
    }
    assert!(!apply(&world, &moved).await.changed());
}

#[tokio::test]
async fn patterns_and_roles_alone_do_not_keep_a_role_that_is_declared_no_more() {
    let world = World::new();
    let pattern = |role: &str| mine(of("a").with_role_name(role).with_subject("default/job-*"));
    let alone = |role: &str| mine(of("b").with_role_name(role).with_role_only(true));
    assert!(apply(&world, &[pattern("old-a"), alone("old-b")]).await.is_complete());
    let moved = [pattern("new-a"), alone("new-b")];
    assert!(pruned(&world, &moved).await.0.is_complete());
    assert_eq!(roles(&world), ["new-a", "new-b", "old-a"]);
    assert!(pruned(&world, &moved).await.0.is_complete());
    assert_eq!(roles(&world), ["new-a", "new-b"]);
    assert_eq!(pruned(&world, &moved).await.1.requests, []);
}

#[tokio::test]
async fn an_account_that_is_only_let_in_by_another_role_goes_with_its_own() {
    let world = World::new();
    assert!(apply(&world, &[mine(of("a")), mine(of("b"))]).await.is_complete());
    let left = [mine(of("b").with_trust_only_subject("default/a"))];
    let (report, prunable) = pruned(&world, &left).await;
    assert!(report.is_complete() && prunable.warnings.is_empty(), "{report:?} {prunable:?}");
    assert_eq!((roles(&world), world.annotation("default/a").await), (vec!["sandbox-default-b".to_owned()], None));
}

#[tokio::test]
async fn a_subject_that_has_a_role_of_its_own_now_is_told_of() {
    let world = World::new();
    assert!(apply(&world, &[mine(of("a").with_subject("default/b"))]).await.is_complete());
    let apart = [mine(of("a")), mine(of("b"))];
    let (report, prunable) = pruned(&world, &apart).await;
    let [told] = &prunable.warnings[..] else { panic!("{prunable:?}") };
    let hint = Hint::RemoveUndeclaredSubject {
        staying: Some("default/a".to_owned()),
        role_name: "sandbox-default-a".to_owned(),
        cluster: None,
        subject: "default/b".to_owned(),
    };
    assert!(report.is_complete() && told.hint == Some(hint), "{told:?}");
    assert!(world.can_assume("sandbox", "default/b", "sandbox-default-a").await);
    let removal = Request::update(of("a").build().unwrap()).removing_subject("default/b").unwrap();
    world.client.run(&removal).await.unwrap();
    assert!(!world.can_assume("sandbox", "default/b", "sandbox-default-a").await);
    assert!(world.annotation("default/b").await.is_some_and(|arn| arn.ends_with("/sandbox-default-b")));
    assert_eq!(pruned(&world, &apart).await.1.warnings, []);
}

#[tokio::test]
async fn accounts_that_cannot_be_looked_at_are_told_of() {
    let world = World::new();
    assert!(apply(&world, &[mine(of("a")), mine(of("b").with_role_only(true))]).await.is_complete());
    let without =
        irsa_core::Client::new(std::sync::Arc::new(world.sandbox.clone()), std::sync::Arc::new(world.sandbox.clone()));
    let prunable = without.prunable("mine", &[mine(of("b").with_role_only(true))]).await.unwrap();
    let [told] = &prunable.warnings[..] else { panic!("{prunable:?}") };
    assert!(told.id == WarningId::AccountKept && told.message.contains("default/a"), "{told:?}");
    assert!(prunable.requests[0].binding.role_only);
}

#[tokio::test]
async fn a_role_goes_only_after_its_account_has_its_new_one() {
    let world = World::new();
    assert!(apply(&world, &[mine(of("a").with_role_name("old"))]).await.is_complete());
    let removal = Request::delete(of("a").with_role_name("old").build().unwrap());
    let moved = mine(of("a").with_role_name("new"));
    // What cannot move keeps what it has.
    let stays = moved.clone().with_force(false);
    for requests in [[stays.clone(), removal.clone()], [removal.clone(), stays]] {
        let report = apply(&world, &requests).await;
        assert_eq!((report.failed(), roles(&world)), (2, vec!["old".to_owned()]), "{report:?}");
        assert!(world.annotation("default/a").await.is_some_and(|arn| arn.ends_with("/old")));
    }
    let report = apply(&world, &[removal, moved]).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(roles(&world), ["new"]);
    assert!(world.annotation("default/a").await.is_some_and(|arn| arn.ends_with("/new")));
}

#[tokio::test]
async fn what_is_told_to_take_a_subject_out_takes_that_one_out() {
    let world = World::with_blue();
    let app = |cluster: &str| IrsaBinding::builder(cluster, "default", "app").with_role_name("r");
    let shared = app("sandbox").with_subject("blue:default/app").with_subject("blue:default/x");
    assert!(apply(&world, &[mine(shared)]).await.is_complete());
    let left = mine(app("sandbox").with_subject("blue:default/x"));
    let prunable = world.client.prunable("mine", std::slice::from_ref(&left)).await.unwrap();
    let [told] = &prunable.warnings[..] else { panic!("{prunable:?}") };
    let hint = Hint::RemoveUndeclaredSubject {
        staying: None,
        role_name: "r".to_owned(),
        cluster: Some("blue".to_owned()),
        subject: "default/app".to_owned(),
    };
    assert_eq!(told.hint, Some(hint), "{told:?}");
    let delete = Request::delete(app("blue").build().unwrap());
    assert!(apply(&world, &[delete]).await.is_complete());
    assert!(!world.can_assume("blue", "default/app", "r").await);
    for (cluster, place) in [("sandbox", "default/app"), ("blue", "default/x")] {
        assert!(world.can_assume(cluster, place, "r").await, "{cluster} {place}");
    }
    assert_eq!(pruned(&world, &[left]).await.1.warnings, []);
}

#[tokio::test]
async fn both_roles_that_an_account_had_go_when_it_is_declared_no_more() {
    let world = World::new();
    let (keep, moved) = (mine(of("keep")), |role: &str| mine(of("x").with_role_name(role)));
    assert!(apply(&world, &[keep.clone(), moved("one")]).await.is_complete());
    assert!(pruned(&world, &[keep.clone(), moved("two")]).await.0.is_complete());
    let (report, prunable) = pruned(&world, std::slice::from_ref(&keep)).await;
    assert!(report.is_complete() && prunable.requests.len() == 2, "{report:?}");
    assert_eq!((roles(&world), world.annotation("default/x").await), (vec!["sandbox-default-keep".to_owned()], None));
}

#[tokio::test]
async fn subjects_without_a_record_go_with_their_role() {
    let world = World::new();
    world
        .sandbox
        .edit(|state| {
            state.quotas.trust_policy_size = 4096;
            Ok(())
        })
        .unwrap();
    // More subjects than a role has room for tags, and one whose tag is cut.
    let many = (0..60).fold(of("all"), |all, n| all.with_subject(format!("default/o{n:02}")));
    let many = many.with_subject(format!("default/{}", "y".repeat(220)));
    assert!(apply(&world, &[mine(of("keep")), mine(many)]).await.is_complete());
    let (report, _) = pruned(&world, &[mine(of("keep"))]).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(roles(&world), ["sandbox-default-keep"]);
    assert_eq!(world.annotation("default/o59").await, None);
}

#[tokio::test]
async fn what_exact_takes_out_anyway_is_not_told() {
    let world = World::new();
    assert!(
        apply(&world, &[mine(of("a").with_subject("default/b").with_subject("default/job-*"))]).await.is_complete()
    );
    let told = async |left: Request| world.client.prunable("mine", &[left]).await.unwrap().warnings;
    let all = told(mine(of("a"))).await;
    assert!(
        all.len() == 2 && all.iter().all(|warning| matches!(warning.hint, Some(Hint::RemoveUndeclaredSubject { .. }))),
        "{all:?}"
    );
    assert_eq!(told(mine(of("a").with_exact(true))).await, []);
}
