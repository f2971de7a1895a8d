//! What must be refused before anything is written: what is not ours, what cannot be kept, what would fail half-way.

use irsa_core::Request;
use irsa_core::sandbox::{Denial, RoleState, SandboxState};
use serde_json::json;

use super::scenario::{Wish, after, bare, changed, create, world};
use super::{block_on, count, none_of, sandbox};
use crate::world::{ROLE, ec2_trust};

/// A command in a state in which it is refused, for this kind of reason.
pub(super) struct Refused {
    name: &'static str,
    kind: &'static str,
    state: SandboxState,
    wish: Wish,
}

pub(super) fn refused() -> Vec<Refused> {
    let whole = after(&world(), create());
    let more = || Request::update(bare("sa").with_policy("ReadOnlyAccess").with_description("more").build().unwrap());
    let of = |name, kind, state: &SandboxState, change: fn(&mut SandboxState), wish: Wish| Refused {
        name,
        kind,
        state: changed(state, change),
        wish,
    };
    let role = |state: &mut SandboxState, change: fn(&mut RoleState)| change(state.roles.get_mut(ROLE).unwrap());
    let both = [("Allow", "ec2:*"), ("Deny", "ec2:Run*")]
        .map(|(effect, action)| json!({"Effect": effect, "Action": action, "Resource": "*"}));
    let theirs = after(&world(), Request::create(bare("sa").with_role_name("theirs").build().unwrap()));
    let two = changed(&world(), |state| {
        for name in ["both", "both-too"] {
            let document = Some(json!({"Version": "2012-10-17", "Statement": both}));
            let policy = irsa_core::sandbox::PolicyState { document, ..Default::default() };
            state.policies.insert(name.to_owned(), policy);
        }
    });
    let of_two = bare("sa").with_policy("both").with_policy("both-too").build().unwrap();
    let mut found = vec![
        of("a role of another binding", "already_exists", &whole, |_| {}, create().into()),
        of(
            "a role of nobody",
            "not_owned",
            &world(),
            |state| {
                let mut role = RoleState::new(ec2_trust());
                role.id = "AROASANDBOX0000000099".to_owned();
                state.roles.insert(ROLE.parse().unwrap(), role);
            },
            create().into(),
        ),
        of("an annotation with another role of irsa", "conflict", &theirs, |_| {}, create().into()),
        of(
            "no room for another policy",
            "quota_exceeded",
            &whole,
            |state| state.quotas.attached_policies_per_role = 1,
            more().into(),
        ),
        of(
            "no room for another role",
            "quota_exceeded",
            &world(),
            |state| state.quotas.roles_per_account = 0,
            create().into(),
        ),
        of(
            "no room in the trust policy",
            "quota_exceeded",
            &whole,
            |state| state.quotas.trust_policy_size = 400,
            Request::update(bare("sa").with_policy("ReadOnlyAccess").with_subject("default/d").build().unwrap()).into(),
        ),
        of(
            "an account that may not be written",
            "access_denied",
            &whole,
            |state| {
                for cluster in state.clusters.values_mut() {
                    cluster.denied.extend(["create", "patch"].map(|verb| Denial {
                        verb: verb.to_owned(),
                        resource: "serviceaccounts".to_owned(),
                        namespace: None,
                    }));
                }
            },
            Request::update(bare("sa").with_policy("ReadOnlyAccess").with_annotation("a", "b").build().unwrap()).into(),
        ),
        of(
            "the API server of another cluster",
            "wrong_cluster",
            &world(),
            |state| {
                let other = Some("https://oidc.eks.us-east-1.amazonaws.com/id/OTHER".to_owned());
                for cluster in state.clusters.values_mut() {
                    cluster.fingerprint =
                        Some(irsa_core::backend::ApiServerFingerprint { issuer: other.clone(), ..Default::default() });
                }
            },
            create().into(),
        ),
        of("a provider that roles trust", "conflict", &whole, |_| {}, Wish::DeleteProvider),
        of("two policies that allow and deny", "conflict", &two, |_| {}, Request::create(of_two).into()),
    ];
    found[0].state = changed(&whole, |state| {
        role(state, |role| {
            let owner = "arn:aws:eks:us-east-1:123456789012:cluster/sandbox/default/theirs";
            role.tags.insert("irsa.gen3.org/owner".to_owned(), owner.to_owned());
        });
    });
    found
}

/// Those that are not refused so.
pub(super) fn complaints(cases: &[Refused]) -> Vec<String> {
    let mut found = Vec::new();
    for Refused { name, kind, state, wish } in cases {
        let sandbox = sandbox(state);
        let result = block_on(wish.run(&sandbox));
        let same = sandbox.state().unwrap() == *state;
        match &result {
            Err(error) if error.kind().as_str() == *kind && error.report().is_none() && same => {}
            _ => found.push(format!("{name}: {}, changed: {}", super::course::told(&result), !same)),
        }
    }
    found
}

#[test]
fn what_must_be_refused_is_refused_before_the_first_write() {
    let cases = refused();
    let complaints = complaints(&cases);
    count(&format!("refused before the first write: {} cases, {} violations", cases.len(), complaints.len()));
    none_of(&complaints);
}
