//! Who holds what in a state of the sandbox, as STS and IAM would have it for new sessions; and whether a state on the way
//! from one to another gives somebody too much, or takes away what stays.

use std::collections::BTreeSet;

use irsa_core::name::{ClusterRef, PolicyArn};
use irsa_core::sandbox::{RoleState, SandboxState};
use irsa_core::trust::{Decision, TrustDocument, WebIdentityCaller};
use serde_json::Value;

use crate::world::ROLE;

/// Everybody who is asked for: the cluster and the account.
const SUBJECTS: [(&str, &str); 10] = [
    ("sandbox", "default/sa"),
    ("sandbox", "default/b"),
    ("sandbox", "default/c"),
    ("sandbox", "default/d"),
    ("sandbox", "default/e"),
    ("sandbox", "default/intruder"),
    ("sandbox", "default/job-1"),
    ("sandbox", "jobs/sa"),
    ("blue", "default/other"),
    ("blue", "default/new"),
];

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

/// Who holds what of the role of the tests, and within what.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holdings {
    subjects: BTreeSet<String>,
    permissions: BTreeSet<String>,
    limits: Limits,
}

impl Holdings {
    pub(crate) fn of(state: &SandboxState) -> Self {
        let Some(role) = state.roles.get(ROLE) else { return Self::default() };
        let document = TrustDocument::from_value(&role.trust_policy).ok();
        let let_in = |cluster: &str, place: &str| {
            document.as_ref().is_some_and(|document| admits(state, document, cluster, place))
        };
        let subjects = SUBJECTS.iter().filter(|(cluster, place)| let_in(cluster, place));
        let statements = statements(state, role);
        let denies = |statement: &&Value| statement["Effect"] == "Deny";
        let texts =
            |wanted: bool| statements.iter().filter(move |s| denies(s) == wanted).map(Value::to_string).collect();
        Self {
            subjects: subjects.map(|(cluster, place)| format!("{cluster}:{place}")).collect(),
            permissions: texts(false),
            limits: Limits {
                denies: texts(true),
                boundary: role.permissions_boundary.as_ref().map(ToString::to_string),
            },
        }
    }

    fn holds(&self, subject: &str, permission: &str) -> bool {
        self.subjects.contains(subject) && self.permissions.contains(permission)
    }
}

/// Whether STS lets a token of an account in.
pub(crate) fn lets_in(state: &SandboxState, role: &RoleState, cluster: &str, place: &str) -> bool {
    TrustDocument::from_value(&role.trust_policy).is_ok_and(|document| admits(state, &document, cluster, place))
}

fn admits(state: &SandboxState, document: &TrustDocument, cluster: &str, place: &str) -> bool {
    let Some(cluster) = state.clusters.get(&cluster.parse::<ClusterRef>().unwrap()) else { return false };
    let Some(issuer) = &cluster.issuer else { return false };
    let (partition, account) = (&state.partition, &state.account);
    let provider = format!("arn:{partition}:iam::{account}:oidc-provider/{}", issuer.host_path()).parse().unwrap();
    let caller = WebIdentityCaller::service_account(provider, place, "sts.amazonaws.com").unwrap();
    document.decide(&caller) == Decision::Allow
}

/// All statements of the policies of a role, one for each action that they list; of an AWS-managed policy is known only
/// whether it denies.
fn statements(state: &SandboxState, role: &RoleState) -> Vec<Value> {
    let managed = role.attached.iter().map(|arn| document(state, arn));
    let documents = managed.chain(role.inline.values().cloned());
    let statements = documents.flat_map(|document| match document["Statement"].clone() {
        Value::Array(statements) => statements,
        one => vec![one],
    });
    let bare = statements.map(|mut statement| {
        statement.as_object_mut().unwrap().shift_remove("Sid");
        statement
    });
    let each = bare.flat_map(|statement| match statement["Action"].clone() {
        Value::Array(actions) => {
            let of = |action| {
                let mut one = statement.clone();
                one["Action"] = action;
                one
            };
            actions.into_iter().map(of).collect()
        }
        _ => vec![statement],
    });
    each.collect()
}

fn document(state: &SandboxState, arn: &PolicyArn) -> Value {
    let own = arn.account().and_then(|_| state.policies.get(arn.name()));
    own.and_then(|policy| policy.document.clone()).unwrap_or_else(|| {
        let effect = if arn.name() == "AWSDenyAll" { "Deny" } else { "Allow" };
        serde_json::json!({"Statement": {"Effect": effect, "Action": arn.to_string(), "Resource": "*"}})
    })
}

/// What is wrong with a state on the way from one to another, if anything.
pub(crate) fn wrong(on_the_way: &Holdings, before: &Holdings, wanted: &Holdings) -> Option<String> {
    for subject in &on_the_way.subjects {
        for permission in &on_the_way.permissions {
            let known = |state: &Holdings| state.holds(subject, permission) && on_the_way.limits.within(&state.limits);
            if !known(before) && !known(wanted) {
                return Some(format!("{subject} holds {permission}, neither before nor afterwards"));
            }
        }
    }
    let denies: BTreeSet<String> = before.limits.denies.union(&wanted.limits.denies).cloned().collect();
    let free = on_the_way.limits.denies.is_subset(&denies)
        && [&before.limits.boundary, &wanted.limits.boundary].contains(&&on_the_way.limits.boundary);
    for subject in before.subjects.intersection(&wanted.subjects) {
        for permission in before.permissions.intersection(&wanted.permissions) {
            if !on_the_way.holds(subject, permission) || !free {
                return Some(format!("{subject} does not hold {permission} all the way"));
            }
        }
    }
    None
}
