//! Roles that several bindings of a fleet declare.

use std::collections::BTreeSet;

use irsa_core::{
    DryRun, ErrorKind, FleetOptions, FleetReport, Hint, IrsaBinding, IrsaBindingBuilder, Outcome, Request,
};

use proptest::prelude::*;

use crate::world::World;

fn of(name: &str) -> IrsaBindingBuilder {
    IrsaBinding::builder("sandbox", "default", name).with_role_name("shared").with_label("of", name)
}

/// The one that names all others.
fn all() -> IrsaBindingBuilder {
    of("all").with_policy("AmazonS3ReadOnlyAccess").with_subject("default/own")
}

fn requests(bindings: impl IntoIterator<Item = IrsaBindingBuilder>) -> Vec<Request> {
    bindings.into_iter().map(|binding| Request::create(binding.build().unwrap())).collect()
}

async fn run(world: &World, requests: &[Request]) -> FleetReport {
    let options = FleetOptions::new().with_writes_per_second(0.0);
    world.client.apply_all(requests, &options, &|_| {}).await.unwrap()
}

/// Applies requests after a preview, which must say the same.
async fn apply(world: &World, requests: &[Request]) -> FleetReport {
    let previews: Vec<Request> = requests.iter().map(|request| request.clone().with_dry_run(DryRun::Yes)).collect();
    let planned = run(world, &previews).await;
    let done = run(world, requests).await;
    for (planned, done) in planned.entries.iter().zip(&done.entries) {
        let steps = |entry: &irsa_core::FleetEntry| {
            let steps = entry.report().map(|report| report.steps.clone()).unwrap_or_default();
            let steps = steps.into_iter().filter(|step| step.outcome != Outcome::NotRun);
            steps.map(|step| (step.action, step.target, step.detail)).collect::<Vec<_>>()
        };
        assert_eq!(steps(planned), steps(done), "{}", planned.binding);
        assert_eq!(planned.error().map(ToString::to_string), done.error().map(ToString::to_string));
    }
    done
}

async fn settled(world: &World, requests: &[Request]) {
    let report = apply(world, requests).await;
    assert!(report.is_complete(), "{report:?}");
    let again = run(world, requests).await;
    assert!(again.is_complete() && !again.changed(), "{again:?}");
    assert!(again.entries.iter().all(|entry| entry.report().is_some_and(|report| report.undeclared.is_empty())));
}

fn owner(world: &World) -> String {
    let role = world.role("shared").unwrap();
    role.tags["irsa.gen3.org/owner"].rsplit('/').next().unwrap().to_owned()
}

/// The labels of the accounts in `default`.
fn labels(world: &World) -> Vec<(String, String)> {
    let state = world.sandbox.state().unwrap();
    let accounts = &state.clusters.values().next().unwrap().namespaces["default"].service_accounts;
    accounts.iter().map(|(name, account)| (name.to_string(), account.labels["of"].clone())).collect()
}

#[tokio::test]
async fn who_names_the_others_owns_the_role_and_each_dresses_its_own_account() {
    for order in [[all(), of("own")], [of("own"), all()]] {
        let world = World::new();
        settled(&world, &requests(order)).await;
        assert_eq!(owner(&world), "all");
        assert_eq!(labels(&world), [("all".into(), "all".into()), ("own".into(), "own".into())]);
        assert!(world.can_assume("sandbox", "default/own", "shared").await);
    }
}

#[tokio::test]
async fn what_any_of_them_wants_of_the_role_is_wanted_of_it() {
    let world = World::new();
    let own = of("own").with_policy("AmazonSQSReadOnlyAccess").with_tag("team", "data").with_audience("aud.example");
    world
        .sandbox
        .edit(|state| {
            state.providers.values_mut().for_each(|provider| provider.audiences.push("aud.example".into()));
            Ok(())
        })
        .unwrap();
    let wanted = [all().with_exact(true), own];
    settled(&world, &requests(wanted.clone())).await;
    let role = world.role("shared").unwrap();
    assert_eq!((role.attached.len(), role.tags["team"].as_str()), (2, "data"));
    // Exact is what all of them declare.
    world.edit_role("shared", |role| {
        role.attached.insert("arn:aws:iam::aws:policy/PowerUserAccess".parse().unwrap());
    });
    settled(&world, &requests(wanted)).await;
    assert_eq!(world.role("shared").unwrap().attached.len(), 2);
    for name in ["all", "own"] {
        let account = world.account_on("sandbox", &format!("default/{name}")).await.unwrap();
        assert_eq!(account.annotations["eks.amazonaws.com/audience"], "aud.example");
    }
}

#[tokio::test]
async fn an_account_of_neither_is_bound_by_one() {
    let world = World::new();
    let third = |binding: IrsaBindingBuilder| binding.with_subject("default/third").with_label("of", "x");
    let named = |name: &str| IrsaBinding::builder("sandbox", "default", name).with_role_name("shared");
    let fleet = requests([third(named("all").with_subject("default/own")), third(named("own"))]);
    settled(&world, &fleet).await;
    assert!(world.annotation("default/third").await.is_some());
}

#[tokio::test]
async fn when_the_leader_fails_the_others_wait() {
    let world = World::new();
    let leader = || IrsaBinding::builder("sandbox", "later", "x").with_role_name("shared").with_subject("default/own");
    let fleet = |bindings: [IrsaBindingBuilder; 2]| requests(bindings);
    let report = apply(&world, &fleet([of("own"), leader()])).await;
    assert_eq!(report.failed(), 2, "{report:?}");
    let waiting = report.entries[0].error().unwrap();
    assert!(waiting.causes().join(" ").contains("binding later/x declares the role too"), "{waiting:?}");
    assert_eq!(world.writes(), Vec::<&str>::new());
    let made: Vec<Request> =
        fleet([of("own"), leader()]).into_iter().map(|request| request.with_create_namespace(true)).collect();
    settled(&world, &made).await;
}

#[tokio::test]
async fn a_shared_role_counts_once() {
    let world = World::new();
    world
        .sandbox
        .edit(|state| {
            state.quotas.roles_per_account = 1;
            Ok(())
        })
        .unwrap();
    settled(&world, &requests([of("own"), all()])).await;
}

#[tokio::test]
async fn others_join_later_in_whatever_order() {
    let world = World::new();
    settled(&world, &requests([of("own")])).await;
    // The owner answers for the role, whoever names it.
    settled(&world, &requests([all(), of("own")])).await;
    assert_eq!(owner(&world), "own");
    let three = [of("new").with_subject("default/own").with_subject("default/all"), of("own"), all()];
    settled(&world, &requests(three)).await;
    assert_eq!((owner(&world), labels(&world).len()), ("own".to_owned(), 3));
}

#[tokio::test]
async fn what_is_on_record_speaks_for_a_role_whose_owner_is_not_declared() {
    let world = World::new();
    settled(&world, &requests([of("owner").with_subject("default/own")])).await;
    let report = apply(&world, &requests([of("new").with_subject("default/own"), of("own")])).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(owner(&world), "owner");
    assert!(world.can_assume("sandbox", "default/new", "shared").await);
}

#[tokio::test]
async fn an_existing_role_is_only_annotated_and_adopted_once_when_asked() {
    let world = World::new();
    let alone = IrsaBinding::builder("sandbox", "default", "all").with_role_name("shared").with_role_only(true);
    let alone = alone.with_policy("AmazonS3ReadOnlyAccess");
    settled(&world, &requests([alone.with_subject("default/own")])).await;
    world.edit_role("shared", |role| role.tags.clear());
    let existing = |name: &str| {
        let arn: irsa_core::name::RoleArn = "arn:aws:iam::123456789012:role/shared".parse().unwrap();
        Request::create(of(name).build().unwrap()).with_existing_role(arn)
    };
    let before = world.role("shared");
    // The role trusts two of the three.
    let fleet = [existing("all"), existing("own"), existing("other")];
    let report = apply(&world, &fleet).await;
    let refused: Vec<bool> = report.entries.iter().map(|entry| entry.error().is_some()).collect();
    assert_eq!(refused, [false, false, true], "{report:?}");
    assert_eq!(report.entries[2].error().map(irsa_core::Error::kind), Some(ErrorKind::NotOwned));
    assert_eq!(world.role("shared"), before);
    assert!(world.annotation("default/all").await.is_some() && world.annotation("default/other").await.is_none());
    settled(&world, &fleet[..2]).await;
    let adopting = fleet.map(|request| request.with_adopt(true));
    assert!(apply(&world, &adopting).await.is_complete());
    assert!(!run(&world, &adopting).await.changed());
    assert_eq!(owner(&world), "all");
    assert!(world.can_assume("sandbox", "default/other", "shared").await);
}

#[tokio::test]
async fn what_is_role_only_is_let_in_and_its_account_left_alone() {
    let world = World::new();
    let arn: irsa_core::name::RoleArn = "arn:aws:iam::123456789012:role/shared".parse().unwrap();
    let named = |name: &str| IrsaBinding::builder("sandbox", "default", name).with_role_name("shared");
    settled(&world, &requests([named("all")])).await;
    let named_by_other = [named("all").with_subject("default/own"), named("own").with_role_only(true)];
    settled(&world, &requests(named_by_other)).await;
    assert_eq!(world.annotation("default/own").await, None);
    let fleet = [named("all"), named("own").with_role_only(true)]
        .map(|binding| Request::create(binding.build().unwrap()).with_existing_role(arn.clone()));
    settled(&world, &fleet).await;
    assert_eq!(world.annotation("default/own").await, None);
    assert!(world.can_assume("sandbox", "default/own", "shared").await);
}

#[tokio::test]
async fn a_shared_role_that_may_not_be_read_fails_alone() {
    let world = World::new();
    let other = IrsaBinding::builder("sandbox", "default", "other");
    world.sandbox.faults().fail_before(("role", 1), ("AccessDenied", "no"));
    let report = run(&world, &requests([all(), of("own"), other])).await;
    assert!(report.entries[2].error().is_none(), "{report:?}");
}

#[tokio::test]
async fn a_role_that_one_declares_and_another_names_by_its_arn_is_made() {
    let arn: irsa_core::name::RoleArn = "arn:aws:iam::123456789012:role/shared".parse().unwrap();
    let named = Request::create(of("own").build().unwrap()).with_existing_role(arn);
    let made = Request::create(all().build().unwrap());
    for fleet in [[named.clone(), made.clone()], [made, named]] {
        let world = World::new();
        settled(&world, &fleet).await;
        assert_eq!(owner(&world), "all");
    }
}

#[tokio::test]
async fn a_cluster_named_in_two_ways_is_one() {
    let world = World::with_blue();
    let arn = "arn:aws:eks:us-east-1:123456789012:cluster/blue";
    let leader = IrsaBinding::builder("sandbox", "default", "a").with_role_name("shared");
    let leader = leader.with_subject("blue:default/b");
    let own = IrsaBinding::builder(arn, "default", "b").with_role_name("shared").with_role_only(true);
    settled(&world, &requests([leader, own])).await;
    assert_eq!(world.account_on("blue", "default/b").await, None);
}

#[tokio::test]
async fn the_role_is_written_as_its_leader_writes_it() {
    let world = World::new();
    let fleet = requests([of("own"), all().with_role_name("Shared")]);
    let report = apply(&world, &fleet).await;
    assert!(report.is_complete(), "{report:?}");
    for name in ["default/own", "default/all"] {
        assert!(world.annotation(name).await.is_some_and(|arn| arn.ends_with("/Shared")), "{name}");
    }
    assert!(!run(&world, &fleet).await.changed());
}

#[tokio::test]
async fn an_exact_role_whose_owner_is_only_named_wants_another_owner_first() {
    let world = World::new();
    let named = |name: &str| IrsaBinding::builder("sandbox", "default", name).with_role_name("shared");
    let leader = named("all").with_exact(true).with_subject("default/mid").with_subject("default/z");
    let fleet = requests([leader, named("z")]);
    settled(&world, &fleet).await;
    // The heir of the owner is declared by no binding of its own: its policies are not all declared here.
    world.client.run(&Request::delete(named("all").build().unwrap())).await.unwrap();
    assert_eq!(owner(&world), "mid");
    let refused = apply(&world, &fleet).await;
    let error = refused.entries[1].error().unwrap();
    assert!(error.kind() == ErrorKind::Conflict && error.hint() == Some(&Hint::ExactByOwner), "{error:?}");
    world.client.run(&Request::delete(named("mid").build().unwrap())).await.unwrap();
    settled(&world, &fleet).await;
}

#[tokio::test]
async fn exact_leaves_accounts_alone_that_are_trust_only() {
    let world = World::new();
    let blue = "blue".parse().unwrap();
    let _ = world.sandbox.add_cluster(&blue).unwrap();
    let issuer = world.sandbox.state().unwrap().clusters[&blue].issuer.clone().unwrap();
    world.sandbox.add_provider(&issuer).unwrap();
    // The API server of blue is not known to this client.
    let exact = IrsaBinding::builder("sandbox", "default", "a").with_role_name("shared").with_exact(true);
    settled(&world, &requests([exact.with_trust_only_subject("blue:default/b")])).await;
}

/// What a member of a group wants, from few choices, so that members agree and contradict each other often.
#[derive(Clone, Debug)]
struct Member {
    named: BTreeSet<usize>,
    trust_only: bool,
    role_only: bool,
    exact: bool,
    policy: Option<usize>,
    tag: Option<usize>,
    labelled: bool,
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn member() -> impl Strategy<Value = Member> {
    let named = prop::collection::btree_set(0..NAMES.len(), 0..NAMES.len());
    let flags = (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2), any::<bool>());
    let wants = (prop::option::of(0..2usize), prop::option::weighted(0.3, 0..2usize));
    (named, flags, wants).prop_map(|(named, (trust_only, role_only, exact, labelled), (policy, tag))| Member {
        named,
        trust_only,
        role_only,
        exact,
        policy,
        tag,
        labelled: labelled && !role_only,
    })
}

fn request(at: usize, member: &Member) -> Request {
    let mut binding = IrsaBinding::builder("sandbox", "default", NAMES[at])
        .with_role_name("shared")
        .with_role_only(member.role_only)
        .with_exact(member.exact);
    for other in member.named.iter().filter(|other| **other != at) {
        let place = format!("default/{}", NAMES[*other]);
        binding = if member.trust_only { binding.with_trust_only_subject(place) } else { binding.with_subject(place) };
    }
    if let Some(policy) = member.policy {
        binding = binding.with_policy(["AmazonS3ReadOnlyAccess", "AmazonSQSReadOnlyAccess"][policy]);
    }
    if let Some(tag) = member.tag {
        binding = binding.with_tag("team", tag.to_string());
    }
    if member.labelled {
        binding = binding.with_label("of", NAMES[at]);
    }
    Request::create(binding.build().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_not_refused_is_done_in_one_run(members in prop::collection::vec(member(), 2..=4)) {
        let fleet: Vec<Request> = members.iter().enumerate().map(|(at, member)| request(at, member)).collect();
        let world = World::new();
        if irsa_core::check_fleet(&fleet).is_err() {
            return Ok(());
        }
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let report = apply(&world, &fleet).await;
            assert!(report.is_complete(), "{report:?}");
            let again = run(&world, &fleet).await;
            assert!(again.is_complete() && !again.changed(), "{again:?}");
            for (name, member) in NAMES.iter().zip(&members) {
                let place = format!("default/{name}");
                assert!(world.can_assume("sandbox", &place, "shared").await, "{name}");
                assert_eq!(world.annotation(&place).await.is_some(), !member.role_only, "{name}");
                let labels = world.account_on("sandbox", &place).await.map(|account| account.labels);
                assert!(!member.labelled || labels.is_some_and(|labels| labels["of"] == *name), "{name}");
            }
        });
    }
}
