//! Rights on the way: after every write of a run, nobody holds more than before or afterwards, and what is held before and
//! afterwards is held all the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use irsa_core::trust::{Caller, Decision, TrustDocument};
use irsa_core::{Access, At, IrsaBinding, IrsaBindingBuilder, Request, RoleState, SandboxState};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{ROLE, World};

const NAMES: [&str; 3] = ["sa", "b", "c"];
const POLICIES: [&str; 2] = ["AmazonS3ReadOnlyAccess", "AmazonSQSReadOnlyAccess"];
const BOUNDARIES: [&str; 2] = ["arn:aws:iam::aws:policy/PowerUserAccess", "arn:aws:iam::aws:policy/ReadOnlyAccess"];
const DOCUMENTS: [&str; 2] = ["x", "y"];
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
    (set(3), set(2), documents, proptest::option::of(0..2_usize))
        .prop_map(|(subjects, policies, documents, boundary)| Wish { subjects, policies, documents, boundary })
}

impl Wish {
    fn binding(&self) -> IrsaBindingBuilder {
        let mut binding = IrsaBinding::builder("sandbox", "default", "sa").with_exact(true);
        for subject in &self.subjects {
            binding = binding.with_subject(format!("default/{}", NAMES[*subject]));
        }
        for policy in &self.policies {
            binding = binding.with_policy(POLICIES[*policy]);
        }
        for (name, statements) in &self.documents {
            let statement = |index: &usize| {
                let (effect, action) = STATEMENTS[*index];
                json!({"Effect": effect, "Action": action, "Resource": "*"})
            };
            let statements: Vec<Value> = statements.iter().map(statement).collect();
            let document = json!({"Version": "2012-10-17", "Statement": statements});
            binding = binding.with_inline_policy(DOCUMENTS[*name], document.to_string());
        }
        match self.boundary {
            Some(boundary) => binding.with_permissions_boundary(BOUNDARIES[boundary]),
            None => binding,
        }
    }
}

/// What limits all permissions of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Limits {
    denies: BTreeSet<String>,
    boundary: Option<String>,
}

impl Limits {
    /// Whether these let through no more than others do.
    fn within(&self, other: &Self) -> bool {
        other.denies.is_subset(&self.denies) && (other.boundary.is_none() || other.boundary == self.boundary)
    }
}

/// Who holds what, and within what.
#[derive(Clone, Debug, Default)]
struct Rights {
    subjects: BTreeSet<usize>,
    permissions: BTreeSet<String>,
    limits: Limits,
}

impl Rights {
    fn of(state: &SandboxState) -> Self {
        let Some(role) = state.roles.get(ROLE) else { return Self::default() };
        let issuer = state.clusters[&"sandbox".parse().unwrap()].issuer.clone().unwrap();
        let provider = format!("arn:aws:iam::{}:oidc-provider/{}", state.account, issuer.host_path()).parse().unwrap();
        let document = TrustDocument::from_value(&role.trust_policy).unwrap();
        let admitted = |index: &usize| {
            let place = format!("default/{}", NAMES[*index]);
            let caller = Caller::service_account(Clone::clone(&provider), &place, "sts.amazonaws.com").unwrap();
            document.decide(&caller) == Decision::Allow
        };
        let (denies, allows): (BTreeSet<String>, BTreeSet<String>) =
            statements(role).partition(|statement| statement.contains("Deny"));
        let permissions = role.attached.iter().map(ToString::to_string).chain(allows).collect();
        let boundary = role.permissions_boundary.as_ref().map(ToString::to_string);
        Self { subjects: (0..NAMES.len()).filter(admitted).collect(), permissions, limits: Limits { denies, boundary } }
    }

    fn holds(&self, subject: usize, permission: &str) -> bool {
        self.subjects.contains(&subject) && self.permissions.contains(permission)
    }
}

fn statements(role: &RoleState) -> impl Iterator<Item = String> {
    role.inline
        .values()
        .flat_map(|document| document["Statement"].as_array().cloned().unwrap_or_default())
        .map(|s| s.to_string())
}

/// What is wrong with a state on the way, if anything.
fn wrong(on_the_way: &Rights, before: &Rights, wanted: &Rights) -> Option<String> {
    for (subject, name) in NAMES.iter().enumerate() {
        for permission in &on_the_way.permissions {
            if !on_the_way.holds(subject, permission) {
                continue;
            }
            let known = |state: &Rights| state.holds(subject, permission) && on_the_way.limits.within(&state.limits);
            if !known(before) && !known(wanted) {
                return Some(format!("{name} holds {permission}, neither before nor afterwards"));
            }
        }
        for permission in before.permissions.intersection(&wanted.permissions) {
            if !before.holds(subject, permission) || !wanted.holds(subject, permission) {
                continue;
            }
            let denies: BTreeSet<String> = before.limits.denies.union(&wanted.limits.denies).cloned().collect();
            let free = on_the_way.limits.denies.is_subset(&denies)
                && [&before.limits.boundary, &wanted.limits.boundary].contains(&&on_the_way.limits.boundary);
            if !on_the_way.holds(subject, permission) || !free {
                return Some(format!("{name} does not hold {permission} all the way"));
            }
        }
    }
    None
}

/// Runs a request and looks at the rights before each write and at the end; `delays` let writes of one stage end in any order.
async fn check(before: &Wish, wanted: &Wish, delays: &[u64]) {
    let world = World::new();
    world.create(before.binding()).await.unwrap();
    let start = Rights::of(&world.sandbox.state().unwrap());
    world.sandbox.faults().clear_calls();
    let seen = Arc::new(Mutex::new(Vec::new()));
    for (at, delay) in delays.iter().enumerate() {
        let at = At::write(at as u64 + 1);
        world.sandbox.faults().delay(at.clone(), Duration::from_millis(*delay));
        let seen = seen.clone();
        world.sandbox.faults().just_before(at, move |sandbox| {
            seen.lock().unwrap().push(Rights::of(&sandbox.state().unwrap()));
        });
    }
    let report = world.client.run(&Request::create(wanted.binding().build().unwrap())).await.unwrap();
    let end = Rights::of(&world.sandbox.state().unwrap());
    let writes = world.sandbox.calls().iter().filter(|call| call.access == Access::Write).count();
    assert!(writes <= delays.len(), "{writes} writes are more than are looked at");
    for (at, rights) in seen.lock().unwrap().iter().enumerate() {
        if let Some(wrong) = wrong(rights, &start, &end) {
            let steps: Vec<String> =
                report.steps.iter().map(|step| format!("{} {}", step.action, step.target)).collect();
            panic!("before write {}: {wrong}\nfrom {before:?}\nto {wanted:?}\nby {steps:#?}", at + 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn nobody_holds_more_on_the_way(before in wish(), wanted in wish(), delays in proptest::collection::vec(0..50_u64, 40).no_shrink()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(check(&before, &wanted, &delays));
    }
}
