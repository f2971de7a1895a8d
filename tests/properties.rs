//! Random sequences of requests against a model of three lines: whatever was done before, a request ends in what it says,
//! the same request again changes nothing, and exactly the subjects are let in.

use std::collections::BTreeSet;

use irsa_core::{ErrorKind, IrsaBinding, Request};
use proptest::prelude::*;

use crate::world::{ROLE, World};

const NAMES: [&str; 3] = ["sa", "b", "c"];
const POLICIES: [&str; 3] = ["AmazonS3ReadOnlyAccess", "AmazonSQSReadOnlyAccess", "ReadOnlyAccess"];

/// Indices into the names and policies above.
type Set = BTreeSet<usize>;

#[derive(Clone, Debug)]
enum Wish {
    Create { policies: Set, subjects: Set, exact: bool },
    Update { by: usize, add: Set, remove: Set, join: Set, leave: Set },
    Delete { by: usize },
}

/// The role, if it is there: its policies, who is let in, and whose it is.
type Model = Option<(Set, Set, usize)>;

fn set() -> impl Strategy<Value = Set> {
    proptest::collection::btree_set(0..3_usize, 0..3)
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        3 => (set(), set(), any::<bool>()).prop_map(|(policies, subjects, exact)| Wish::Create { policies, subjects, exact }),
        3 => (0..3_usize, set(), set(), set(), set()).prop_map(|(by, add, remove, join, leave)| Wish::Update {
            by,
            remove: remove.difference(&add).copied().collect(),
            add,
            leave: leave.difference(&join).copied().filter(|name| *name != by).collect(),
            join,
        }),
        1 => (0..3_usize).prop_map(|by| Wish::Delete { by }),
    ]
}

fn request(wish: &Wish) -> Request {
    let binding = |by: usize, policies: &Set, subjects: &Set| {
        let binding = IrsaBinding::builder("sandbox", "default", NAMES[by]);
        let binding = policies.iter().fold(binding, |binding, policy| binding.with_policy(POLICIES[*policy]));
        subjects.iter().fold(binding, |binding, name| binding.with_subject(format!("default/{}", NAMES[*name])))
    };
    match wish {
        Wish::Create { policies, subjects, exact } => {
            Request::create(binding(0, policies, subjects).with_exact(*exact).build().unwrap())
        }
        Wish::Update { by, add, remove, join, leave } => {
            let request = Request::update(binding(*by, add, join).build().unwrap());
            let request =
                remove.iter().fold(request, |request, policy| request.removing_policy(POLICIES[*policy]).unwrap());
            leave
                .iter()
                .fold(request, |request, name| request.removing_subject(&format!("default/{}", NAMES[*name])).unwrap())
        }
        Wish::Delete { by } => Request::delete(binding(*by, &Set::new(), &Set::new()).build().unwrap()),
    }
}

/// What the model becomes, or the kind of the refusal.
fn expected(model: &Model, wish: &Wish) -> Result<Model, ErrorKind> {
    let union = |a: &Set, b: &Set| a.union(b).copied().collect::<Set>();
    let without = |a: &Set, b: &Set| a.difference(b).copied().collect::<Set>();
    Ok(match (wish, model) {
        (Wish::Create { policies, subjects, .. }, None) => {
            Some((policies.clone(), union(subjects, &Set::from([0])), 0))
        }
        (Wish::Create { .. }, Some((_, members, _))) if !members.contains(&0) => return Err(ErrorKind::AlreadyExists),
        (Wish::Create { exact: true, .. }, Some((_, _, owner))) if *owner != 0 => return Err(ErrorKind::Conflict),
        (Wish::Create { policies, subjects, exact: true }, Some((_, _, owner))) => {
            Some((policies.clone(), union(subjects, &Set::from([0])), *owner))
        }
        (Wish::Create { policies, subjects, .. }, Some((there, members, owner))) => {
            Some((union(there, policies), union(members, subjects), *owner))
        }
        (Wish::Update { by, add, remove, join, leave }, Some((there, members, owner))) if members.contains(by) => {
            let owner = if leave.contains(owner) { *by } else { *owner };
            Some((union(&without(there, remove), add), union(&without(members, leave), join), owner))
        }
        (Wish::Update { .. }, _) => return Err(ErrorKind::NotFound),
        (Wish::Delete { by }, Some((there, members, owner))) => {
            let left = without(members, &Set::from([*by]));
            let heir = left.iter().copied().min_by_key(|name| NAMES[*name]);
            heir.map(|heir| (there.clone(), left, if by == owner { heir } else { *owner }))
        }
        (Wish::Delete { .. }, None) => None,
    })
}

async fn check(wishes: Vec<Wish>) {
    let world = World::new();
    let mut model: Model = None;
    for wish in &wishes {
        let result = world.client.run(&request(wish)).await;
        match expected(&model, wish) {
            Err(kind) => assert_eq!(result.unwrap_err().kind(), kind, "{wish:?} on {model:?}"),
            Ok(next) => {
                result.unwrap_or_else(|error| panic!("{wish:?} on {model:?}: {error:?}"));
                let again = world.client.run(&request(wish)).await.unwrap();
                assert!(!again.changed, "{wish:?} on {model:?}: {again:?}");
                model = next;
            }
        }
        let role = world.role(ROLE);
        assert_eq!(role.is_some(), model.is_some(), "{wish:?}");
        let (policies, members, _) = model.clone().unwrap_or_default();
        let attached: BTreeSet<String> =
            role.iter().flat_map(|role| &role.attached).map(|arn| arn.name().to_owned()).collect();
        assert_eq!(attached, policies.iter().map(|policy| POLICIES[*policy].to_owned()).collect(), "{wish:?}");
        for (index, name) in NAMES.iter().enumerate() {
            let place = format!("default/{name}");
            let member = members.contains(&index);
            assert_eq!(world.can_assume("sandbox", &place, ROLE).await, member, "{place} after {wish:?} of {wishes:?}");
            assert_eq!(world.annotation(&place).await.is_some(), member, "{place} after {wish:?} of {wishes:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn any_sequence_of_requests_ends_in_what_it_says(wishes in proptest::collection::vec(wish(), 1..6)) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(check(wishes));
    }
}
