//! Rights on the way: after every write of a run, nobody holds more than before or afterwards, and what is held before and
//! afterwards is held all the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use irsa_core::sandbox::{Access, At};
use irsa_core::{Error, ErrorKind, IrsaBinding, IrsaBindingBuilder, Request, Sandbox, WarningId};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::holdings::{Holdings, wrong};
use crate::world::{ROLE, World, actions, text, warned};

const NAMES: [&str; 3] = ["sa", "b", "c"];
const POLICIES: [&str; 6] =
    ["AmazonS3ReadOnlyAccess", "AmazonSQSReadOnlyAccess", "deny", "deny-more", "both", "reads-and-sends"];
/// The last of them, which grants what documents grant: it is declared only where it replaces them.
const MANAGED_REPLACEMENT: usize = 5;
const BOUNDARIES: [&str; 2] = ["arn:aws:iam::aws:policy/PowerUserAccess", "arn:aws:iam::aws:policy/ReadOnlyAccess"];
const DOCUMENTS: [&str; 2] = ["x", "y"];
/// The names of documents that replace those of another tool.
const NEW_DOCUMENTS: [&str; 2] = ["p", "q"];
/// What takes the place of a document: one of these, or a managed policy.
const REPLACEMENTS: [Option<&str>; 3] = [Some("p"), Some("q"), None];
const STATEMENTS: [(&str, &str); 4] =
    [("Allow", "s3:Get*"), ("Allow", "sqs:*"), ("Deny", "s3:Put*"), ("Deny", "sqs:Send*")];

type Set = BTreeSet<usize>;

/// What a role permits and whom it lets in, by indices into the tables above.
#[derive(Clone, Debug)]
struct Wish {
    subjects: Set,
    policies: Set,
    documents: BTreeMap<usize, Set>,
    boundary: Option<usize>,
}

fn wish() -> impl Strategy<Value = Wish> {
    let set = |most: usize| proptest::collection::btree_set(0..most, 0..=most);
    let document = proptest::collection::btree_set(0..STATEMENTS.len(), 1..4);
    let documents = proptest::collection::btree_map(0..DOCUMENTS.len(), document, 0..3);
    (set(3), set(MANAGED_REPLACEMENT), documents, proptest::option::of(0..2_usize))
        .prop_map(|(subjects, policies, documents, boundary)| Wish { subjects, policies, documents, boundary })
}

fn document(statements: &[(&str, &str)]) -> Value {
    let statement = |(effect, action): &(&str, &str)| json!({"Effect": effect, "Action": action, "Resource": "*"});
    json!({"Version": "2012-10-17", "Statement": statements.iter().map(statement).collect::<Vec<_>>()})
}

/// The same in as few statements as can be, which list their actions.
fn with_lists(statements: &[(&str, &str)]) -> Value {
    let actions = |wanted: &str| -> Vec<&str> {
        statements.iter().filter(|(effect, _)| *effect == wanted).map(|(_, action)| *action).collect()
    };
    let sides = ["Allow", "Deny"].map(|effect| json!({"Effect": effect, "Action": actions(effect), "Resource": "*"}));
    let sides = sides.into_iter().filter(|side| side["Action"] != json!([]));
    json!({"Version": "2012-10-17", "Statement": sides.collect::<Vec<_>>()})
}

/// A world with customer-managed policies that deny.
fn world() -> World {
    let world = World::new();
    put_policy(&world.sandbox, "deny", &[("Deny", "iam:*")]);
    put_policy(&world.sandbox, "deny-more", &[("Deny", "kms:*")]);
    put_policy(&world.sandbox, "both", &[("Allow", "ec2:*"), ("Deny", "ec2:Run*")]);
    put_policy(&world.sandbox, "reads-and-sends", &[("Allow", "s3:Get*"), ("Allow", "sqs:*")]);
    world
}

fn put_policy(sandbox: &Sandbox, name: &str, statements: &[(&str, &str)]) {
    sandbox.add_policy("/", name).unwrap();
    let put = sandbox.edit(|state| {
        state.policies.get_mut(name).unwrap().document = Some(document(statements));
        Ok(())
    });
    put.unwrap();
}

impl Wish {
    fn binding(&self) -> IrsaBindingBuilder {
        self.named(&DOCUMENTS).with_exact(true)
    }

    /// The binding with documents of these names.
    fn named(&self, names: &[&str; 2]) -> IrsaBindingBuilder {
        let mut binding = IrsaBinding::builder("sandbox", "default", "sa");
        for subject in &self.subjects {
            binding = binding.with_subject(format!("default/{}", NAMES[*subject]));
        }
        for policy in &self.policies {
            binding = binding.with_policy(POLICIES[*policy]);
        }
        for (name, statements) in &self.documents {
            let statements: Vec<(&str, &str)> = statements.iter().map(|index| STATEMENTS[*index]).collect();
            let written = if *name == 0 { with_lists(&statements) } else { document(&statements) };
            binding = binding.with_inline_document(names[*name], written);
        }
        match self.boundary {
            Some(boundary) => binding.with_permissions_boundary(BOUNDARIES[boundary]),
            None => binding,
        }
    }
}

/// Whether a request was refused since no order of its writes is safe, and nothing was written.
fn has_no_order(error: &Error) -> bool {
    error.kind() == ErrorKind::Conflict && error.to_string().starts_with("no safe order") && error.report().is_none()
}

/// Runs a request and looks at the rights before each write and at the end; `delays` let writes of one stage end in any order.
async fn check(before: &Wish, wanted: &Request, delays: &[u64]) -> Result<(), String> {
    let world = world();
    world.create(before.binding()).await.unwrap();
    let start = Holdings::of(&world.sandbox.state().unwrap());
    world.sandbox.faults().clear_calls();
    let seen = Arc::new(Mutex::new(Vec::new()));
    for (at, delay) in delays.iter().enumerate() {
        let at = At::write(at as u64 + 1);
        world.sandbox.faults().delay(at.clone(), Duration::from_millis(*delay));
        let seen = seen.clone();
        world.sandbox.faults().just_before(at, move |sandbox| {
            seen.lock().unwrap().push(Holdings::of(&sandbox.state().unwrap()));
        });
    }
    let report = match world.client.run(wanted).await {
        Err(error) if has_no_order(&error) => return Ok(()),
        report => report.unwrap(),
    };
    let end = Holdings::of(&world.sandbox.state().unwrap());
    let writes = world.sandbox.calls().iter().filter(|call| call.access == Access::Write).count();
    assert!(writes <= delays.len(), "{writes} writes are more than are looked at");
    for (at, rights) in seen.lock().unwrap().iter().enumerate() {
        if let Some(wrong) = wrong(rights, &start, &end) {
            let steps: Vec<String> =
                report.steps.iter().map(|step| format!("{} {}", step.action, step.target)).collect();
            return Err(format!("before write {}: {wrong}\nfrom {before:?}\nto {wanted:?}\nby {steps:#?}", at + 1));
        }
    }
    Ok(())
}

/// The first of so many random changes on whose way somebody holds too much or too little, and why; made simpler in so many
/// tries.
pub(crate) fn violation(cases: u32, simplified: u32) -> Option<String> {
    let wanted = wish().prop_map(|wanted| Request::create(wanted.binding().build().unwrap()));
    first_violation((wish(), wanted), cases, simplified)
}

/// The same where documents of another tool are replaced: by other documents, or by a managed policy. What managed policies
/// grant is not compared with documents, so nothing is promised of both at once, nor under another boundary.
pub(crate) fn replacement_violation(cases: u32, simplified: u32) -> Option<String> {
    let by = proptest::sample::select(REPLACEMENTS.to_vec());
    let changes = (wish(), wish(), proptest::collection::vec(by, 2), any::<bool>());
    let changes = changes.prop_map(|(before, mut wanted, mut by, managed)| {
        let declared: Vec<&str> = wanted.documents.keys().map(|index| NEW_DOCUMENTS[*index]).collect();
        by.iter_mut().for_each(|by| *by = by.filter(|by| declared.contains(by) && !managed));
        if by.contains(&None) {
            wanted.boundary = before.boundary;
        }
        if managed {
            wanted.policies.insert(MANAGED_REPLACEMENT);
        }
        let request = Request::create(wanted.named(&NEW_DOCUMENTS).build().unwrap());
        let mut replaced = DOCUMENTS.iter().zip(by);
        let request = replaced.try_fold(request, |request, (name, by)| request.replacing_policy(name, by));
        (before, request.unwrap())
    });
    first_violation(changes, cases, simplified)
}

fn first_violation(changes: impl Strategy<Value = (Wish, Request)>, cases: u32, simplified: u32) -> Option<String> {
    let config =
        ProptestConfig { failure_persistence: None, max_shrink_iters: simplified, ..ProptestConfig::with_cases(cases) };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let delays = proptest::collection::vec(0..50_u64, 40).no_shrink();
    let result = runner.run(&(changes, delays), |((before, wanted), delays)| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(check(&before, &wanted, &delays)).map_err(TestCaseError::fail)
    });
    match result {
        Ok(()) => None,
        Err(TestError::Fail(why, _)) => Some(why.message().to_owned()),
        Err(other) => Some(other.to_string()),
    }
}

#[test]
fn nobody_holds_more_on_the_way() {
    assert_eq!(violation(400, 1000), None);
}

#[test]
fn nobody_holds_more_while_documents_of_another_tool_are_replaced() {
    assert_eq!(replacement_violation(400, 1000), None);
}

/// The place of an action on a target among the steps that are planned.
async fn places(world: &World, request: &Request, targets: &[&str]) -> Vec<usize> {
    let plan = world.client.plan(request).await.unwrap().report();
    let place = |target: &&str| plan.steps.iter().position(|step| step.target.ends_with(*target)).unwrap();
    targets.iter().map(place).collect()
}

#[tokio::test]
async fn a_managed_policy_that_denies_comes_first_and_leaves_last() {
    let world = world();
    let binding = World::binding().with_policy("both").with_policy("deny");
    let request = Request::create(binding.build().unwrap());
    let order = ["policy/deny", "policy/both", "AmazonS3ReadOnlyAccess"];
    assert!(places(&world, &request, &order).await.is_sorted());
    world.client.run(&request).await.unwrap();
    let bare = Request::create(World::bare().with_exact(true).build().unwrap());
    let order = ["AmazonS3ReadOnlyAccess", "policy/both", "policy/deny"];
    assert!(places(&world, &bare, &order).await.is_sorted());
}

#[tokio::test]
async fn documents_of_policies_are_read_only_where_there_is_an_order_to_choose() {
    let world = world();
    let reads = || world.sandbox.calls().iter().filter(|call| call.method == "policy_version").count();
    world.create(World::binding()).await.unwrap();
    assert_eq!(reads(), 0);
    world.create(World::binding().with_policy("deny")).await.unwrap();
    assert_eq!(reads(), 0, "one policy comes");
    world.update(World::bare().with_policy("both").with_policy("deny-more")).await.unwrap();
    assert_eq!(reads(), 2);
    world.create(World::binding().with_policy("deny")).await.unwrap();
    assert_eq!(reads(), 2, "nothing changes");
}

#[tokio::test]
async fn a_document_that_may_not_be_read_is_warned_about() {
    let world = world();
    world.sandbox.faults().fail_before("policy_version", ("AccessDenied", "not you"));
    let report = world.create(World::binding().with_policy("deny")).await.unwrap();
    let warning = warned(&report, WarningId::PolicyUnverified).unwrap();
    assert!(warning.message.contains("not you"), "{warning:?}");
    assert_eq!(world.role(ROLE).unwrap().attached.len(), 2);
    // What may deny comes by itself, before what is known to allow.
    let attached = actions(&report).iter().filter(|action| **action == "attach_policy").count();
    assert_eq!(attached, 2);
}

#[tokio::test]
async fn two_policies_that_allow_and_deny_have_no_safe_order() {
    let world = world();
    put_policy(&world.sandbox, "both-too", &[("Allow", "ssm:*"), ("Deny", "ssm:Send*")]);
    let error = world.create(World::bare().with_policy("both").with_policy("both-too")).await.unwrap_err();
    assert!(has_no_order(&error) && text(&error).contains("both-too"), "{}", text(&error));
    assert_eq!(world.writes(), [] as [&str; 0]);
    // One after the other, as the hint says.
    world.create(World::bare().with_policy("both")).await.unwrap();
    world.update(World::bare().with_policy("both-too")).await.unwrap();
}

/// Somebody wrote a stranger into irsa's own statement, and took the policy away: the stranger must not get it back.
#[tokio::test]
async fn who_is_not_on_record_leaves_before_anything_is_given_back() {
    let world = World::new();
    let wanted = || World::binding().with_subject("kube-system/y");
    world.create(wanted()).await.unwrap();
    world.edit_role(ROLE, |role| {
        let statement = &mut role.trust_policy["Statement"][0];
        let condition = statement["Condition"]["StringEquals"].as_object_mut().unwrap();
        let (_, subs) = condition.iter_mut().find(|(key, _)| key.ends_with(":sub")).unwrap();
        subs.as_array_mut().unwrap().push(json!("system:serviceaccount:default:evil"));
        role.attached.clear();
    });
    let report = world.create(wanted()).await.unwrap();
    assert_eq!(actions(&report), ["update_trust_policy", "attach_policy"]);
    assert!(!world.can_assume("sandbox", "default/evil", ROLE).await);
    assert!(world.can_assume("sandbox", "kube-system/y", ROLE).await);
}
