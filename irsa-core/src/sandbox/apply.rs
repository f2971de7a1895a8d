//! Field managers, as the API server has them: server-side apply, its conflicts, and what other writers do.
//!
//! Source: Kubernetes documentation, "Server-Side Apply"; messages as in apimachinery's `managedfields`.

use std::collections::{BTreeMap, BTreeSet};

use super::responses::{Answer, Refusal};
use super::state::ServiceAccountState;
use crate::backend::FieldOwner;
use crate::error::ConflictReason;
use crate::hint::Hint;

/// The manager of fields that were there before anybody applied.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

type Map = BTreeMap<String, String>;

/// The two maps of an account whose keys are owned one by one.
#[derive(Clone, Copy)]
enum Field {
    Annotations,
    Labels,
}

impl Field {
    const ALL: [Self; 2] = [Self::Annotations, Self::Labels];

    fn name(self) -> &'static str {
        match self {
            Self::Annotations => "annotations",
            Self::Labels => "labels",
        }
    }

    fn of(self, account: &mut ServiceAccountState) -> &mut Map {
        match self {
            Self::Annotations => &mut account.annotations,
            Self::Labels => &mut account.labels,
        }
    }

    fn owned_by(self, owner: &FieldOwner) -> &BTreeSet<String> {
        match self {
            Self::Annotations => &owner.annotations,
            Self::Labels => &owner.labels,
        }
    }

    fn owned(self, owner: &mut FieldOwner) -> &mut BTreeSet<String> {
        match self {
            Self::Annotations => &mut owner.annotations,
            Self::Labels => &mut owner.labels,
        }
    }
}

impl ServiceAccountState {
    fn get(&self, field: Field, key: &str) -> Option<&String> {
        match field {
            Field::Annotations => self.annotations.get(key),
            Field::Labels => self.labels.get(key),
        }
    }
}

/// What a manager applies.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) labels: &'a Map,
    pub(super) annotations: &'a Map,
    pub(super) automount_token: Option<bool>,
}

/// The account after `manager` applied exactly these fields.
pub(super) fn apply(
    live: &ServiceAccountState,
    manager: &str,
    fields: Fields<'_>,
    force: bool,
) -> Answer<ServiceAccountState> {
    let mut next = live.clone();
    own_the_unowned(&mut next);
    let mut own = take_owner(&mut next.owners, manager, true);
    let mut conflicts = BTreeMap::<(String, bool), Vec<String>>::new();
    apply_automount_token(&mut next, (&mut own, fields.automount_token), force, &mut conflicts);
    for field in Field::ALL {
        let wanted = if matches!(field, Field::Labels) { fields.labels } else { fields.annotations };
        let differs = |(key, value): &(&String, &String)| live.get(field, key).is_some_and(|known| known != *value);
        for (key, _) in wanted.iter().filter(differs) {
            for owner in next.owners.iter_mut().filter(|owner| field.owned_by(owner).contains(key)) {
                if force {
                    field.owned(owner).remove(key);
                } else {
                    let path = format!(".metadata.{}.{key}", field.name());
                    conflicts.entry((owner.manager.clone(), owner.apply)).or_default().push(path);
                }
            }
        }
        for key in field.owned_by(&own).iter().filter(|key| !wanted.contains_key(*key)) {
            if !next.owners.iter().any(|owner| field.owned_by(owner).contains(key)) {
                field.of(&mut next).remove(key);
            }
        }
        field.of(&mut next).extend(wanted.iter().map(|(key, value)| (key.clone(), value.clone())));
        *field.owned(&mut own) = wanted.keys().cloned().collect();
    }
    if !conflicts.is_empty() {
        return Err(conflict(&conflicts));
    }
    next.owners.push(own);
    drop_empty(&mut next);
    Ok(next)
}

fn apply_automount_token(
    next: &mut ServiceAccountState,
    (own, wanted): (&mut FieldOwner, Option<bool>),
    force: bool,
    conflicts: &mut BTreeMap<(String, bool), Vec<String>>,
) {
    match wanted {
        Some(wanted) => {
            let differs = next.automount_token.is_some_and(|known| known != wanted);
            for owner in next.owners.iter_mut().filter(|owner| differs && owner.automount_token) {
                if force {
                    owner.automount_token = false;
                } else {
                    let path = ".automountServiceAccountToken".to_owned();
                    conflicts.entry((owner.manager.clone(), owner.apply)).or_default().push(path);
                }
            }
            next.automount_token = Some(wanted);
        }
        None if own.automount_token && !next.owners.iter().any(|owner| owner.automount_token) => {
            next.automount_token = None;
        }
        None => {}
    }
    own.automount_token = wanted.is_some();
}

/// The account after `manager` changed it without applying, as `kubectl annotate`, `kubectl edit` or a controller does:
/// `None` takes a key away. Who changes a value takes the field over; a key that is gone is nobody's.
pub(super) fn update(
    live: &ServiceAccountState,
    manager: &str,
    labels: &BTreeMap<String, Option<String>>,
    annotations: &BTreeMap<String, Option<String>>,
) -> ServiceAccountState {
    let mut next = live.clone();
    let mut own = take_owner(&mut next.owners, manager, false);
    for field in Field::ALL {
        let changes = if matches!(field, Field::Labels) { labels } else { annotations };
        for (key, value) in changes {
            if live.get(field, key) == value.as_ref() {
                continue;
            }
            for owner in next.owners.iter_mut().chain([&mut own]) {
                field.owned(owner).remove(key);
            }
            match value {
                Some(value) => {
                    field.of(&mut next).insert(key.clone(), value.clone());
                    field.owned(&mut own).insert(key.clone());
                }
                None => {
                    field.of(&mut next).remove(key);
                }
            }
        }
    }
    next.owners.push(own);
    drop_empty(&mut next);
    next
}

/// Fields of an object that nobody manages get a manager once somebody applies, so that applying is not silent.
fn own_the_unowned(account: &mut ServiceAccountState) {
    if account.owners.is_empty() {
        account.owners.push(FieldOwner {
            manager: BEFORE_FIRST_APPLY.to_owned(),
            apply: false,
            annotations: account.annotations.keys().cloned().collect(),
            labels: account.labels.keys().cloned().collect(),
            automount_token: account.automount_token.is_some(),
            other_fields: false,
        });
    }
}

/// Takes a manager's entry out of the list; one manager has one entry for applying and one for the rest.
fn take_owner(owners: &mut Vec<FieldOwner>, manager: &str, apply: bool) -> FieldOwner {
    match owners.iter().position(|owner| owner.manager == manager && owner.apply == apply) {
        Some(index) => owners.remove(index),
        None => FieldOwner { manager: manager.to_owned(), apply, ..FieldOwner::default() },
    }
}

fn drop_empty(account: &mut ServiceAccountState) {
    let owns = |owner: &FieldOwner| owner.other_fields || owner.automount_token;
    account.owners.retain(|owner| owns(owner) || !owner.annotations.is_empty() || !owner.labels.is_empty());
    account.owners.sort_by(|a, b| (&a.manager, a.apply).cmp(&(&b.manager, b.apply)));
}

fn shown(manager: &str, applies: bool) -> String {
    // The API server names the version of those that did not apply.
    let version = if applies { "" } else { " using v1" };
    format!("{manager:?}{version}")
}

/// The refusal of an apply: `conflicts` are the fields that others own, by manager and whether it applied.
fn conflict(conflicts: &BTreeMap<(String, bool), Vec<String>>) -> Refusal {
    let all: Vec<(&str, &str)> = conflicts
        .iter()
        .flat_map(|((manager, _), paths)| paths.iter().map(|path| (manager.as_str(), path.as_str())))
        .collect();
    let refusal = match (&all[..], conflicts.first_key_value()) {
        ([(manager, path)], Some(((_, applies), _))) => {
            let message = format!("Apply failed with 1 conflict: conflict with {}: {path}", shown(manager, *applies));
            let hint = Hint::TakeOverFields { owned: Some(((*manager).to_owned(), (*path).to_owned())) };
            Refusal::kubernetes("Conflict", message).with_hint(hint)
        }
        _ => {
            let lists: Vec<String> = conflicts
                .iter()
                .map(|((manager, applies), paths)| {
                    format!("conflicts with {}:\n- {}", shown(manager, *applies), paths.join("\n- "))
                })
                .collect();
            let message = format!("Apply failed with {} conflicts: {}", all.len(), lists.join("\n"));
            Refusal::kubernetes("Conflict", message).with_hint(Hint::TakeOverFields { owned: None })
        }
    };
    let named = |refusal: Refusal, (manager, path): &(&str, &str)| {
        refusal.with_context("manager", *manager).with_context("field", *path)
    };
    all.iter().fold(refusal.with_conflict_reason(ConflictReason::FieldManager), named)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "eks.amazonaws.com/role-arn";

    fn map(pairs: &[(&str, &str)]) -> Map {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn applied(
        live: &ServiceAccountState,
        manager: &str,
        pairs: &[(&str, &str)],
        force: bool,
    ) -> Answer<ServiceAccountState> {
        let fields = Fields { labels: &Map::new(), annotations: &map(pairs), automount_token: None };
        apply(live, manager, fields, force)
    }

    fn annotate(live: &ServiceAccountState, manager: &str, pairs: &[(&str, &str)]) -> ServiceAccountState {
        applied(live, manager, pairs, false).unwrap()
    }

    fn set(live: &ServiceAccountState, manager: &str, key: &str, value: Option<&str>) -> ServiceAccountState {
        update(live, manager, &BTreeMap::new(), &[(key.to_owned(), value.map(str::to_owned))].into())
    }

    fn owners(account: &ServiceAccountState, key: &str) -> Vec<String> {
        account.owners.iter().filter(|owner| owner.annotations.contains(key)).map(|o| o.manager.clone()).collect()
    }

    fn message(live: &ServiceAccountState, pairs: &[(&str, &str)]) -> String {
        let refusal = applied(live, "irsa", pairs, false).unwrap_err();
        let error = refusal.during("x");
        assert_eq!(error.code(), Some("Conflict"));
        error.causes().concat()
    }

    #[test]
    fn a_key_that_is_no_longer_applied_is_removed() {
        let both = annotate(&ServiceAccountState::default(), "irsa", &[("a", "1"), ("b", "2")]);
        let one = annotate(&both, "irsa", &[("b", "2")]);
        assert_eq!(one.annotations, map(&[("b", "2")]));
        assert_eq!(annotate(&one, "irsa", &[("b", "2")]), one, "applying twice changes nothing");
    }

    #[test]
    fn a_key_of_two_managers_stays_until_the_last_lets_go() {
        let shared = annotate(&annotate(&ServiceAccountState::default(), "helm", &[("a", "1")]), "irsa", &[("a", "1")]);
        assert_eq!(owners(&shared, "a"), ["helm", "irsa"]);
        let left = annotate(&shared, "irsa", &[]);
        assert_eq!((left.annotations.clone(), owners(&left, "a")), (map(&[("a", "1")]), vec!["helm".to_owned()]));
    }

    #[test]
    fn conflicts_name_manager_and_field() {
        let updated = set(&ServiceAccountState::default(), "helm", KEY, Some("x"));
        let path = ".metadata.annotations.eks.amazonaws.com/role-arn";
        assert_eq!(
            message(&updated, &[(KEY, "y")]),
            format!(r#"Apply failed with 1 conflict: conflict with "helm" using v1: {path}"#)
        );
        let applied = annotate(&ServiceAccountState::default(), "argocd", &[(KEY, "x"), ("b", "1")]);
        assert_eq!(
            message(&applied, &[(KEY, "y"), ("b", "2")]),
            format!("Apply failed with 2 conflicts: conflicts with \"argocd\":\n- .metadata.annotations.b\n- {path}")
        );
    }

    #[test]
    fn force_takes_the_field_over() {
        let helm = annotate(&ServiceAccountState::default(), "helm", &[("a", "1"), ("b", "1")]);
        let forced = applied(&helm, "irsa", &[("a", "2")], true).unwrap();
        assert_eq!(forced.annotations, map(&[("a", "2"), ("b", "1")]));
        assert_eq!((owners(&forced, "a"), owners(&forced, "b")), (vec!["irsa".to_owned()], vec!["helm".to_owned()]));
    }

    #[test]
    fn who_updates_a_value_owns_it_and_a_removed_key_is_nobodys() {
        let ours = annotate(&ServiceAccountState::default(), "irsa", &[("a", "1")]);
        assert_eq!(set(&ours, "kubectl-annotate", "a", Some("1")), ours, "an equal value changes nothing");
        let theirs = set(&ours, "kubectl-annotate", "a", Some("2"));
        assert_eq!(owners(&theirs, "a"), ["kubectl-annotate"]);
        let gone = set(&ours, "kubectl-annotate", "a", None);
        assert_eq!((gone.annotations.len(), gone.owners.len()), (0, 0));
    }

    #[test]
    fn fields_that_nobody_managed_are_not_taken_silently() {
        let old = ServiceAccountState { annotations: map(&[("a", "1")]), ..ServiceAccountState::default() };
        assert!(message(&old, &[("a", "2")]).contains(r#"conflict with "before-first-apply" using v1"#));
        assert_eq!(owners(&annotate(&old, "irsa", &[("a", "1")]), "a"), ["before-first-apply", "irsa"]);
    }

    #[test]
    fn labels_are_owned_apart_from_annotations() {
        let fields = Fields { labels: &map(&[("a", "1")]), annotations: &Map::new(), automount_token: None };
        let labelled = apply(&ServiceAccountState::default(), "helm", fields, false).unwrap();
        let both = annotate(&labelled, "irsa", &[("a", "2")]);
        assert_eq!((both.labels, both.annotations), (map(&[("a", "1")]), map(&[("a", "2")])));
    }

    #[test]
    fn the_automount_setting_has_an_owner_too() {
        let with = |live: &ServiceAccountState, manager: &str, automount_token, force| {
            apply(live, manager, Fields { labels: &Map::new(), annotations: &Map::new(), automount_token }, force)
        };
        let helm = with(&ServiceAccountState::default(), "helm", Some(true), false).unwrap();
        let error = with(&helm, "irsa", Some(false), false).unwrap_err().during("x");
        assert_eq!(error.conflict_reason(), Some(ConflictReason::FieldManager));
        assert_eq!(
            error.causes(),
            ["Apply failed with 1 conflict: conflict with \"helm\": .automountServiceAccountToken"]
        );
        let forced = with(&helm, "irsa", Some(false), true).unwrap();
        assert_eq!((forced.automount_token, forced.owners.len()), (Some(false), 1));
        assert_eq!(with(&forced, "irsa", None, false).unwrap(), ServiceAccountState::default());
        let shared = with(&helm, "irsa", Some(true), false).unwrap();
        assert_eq!(with(&shared, "irsa", None, false).unwrap().automount_token, Some(true));
    }
}
