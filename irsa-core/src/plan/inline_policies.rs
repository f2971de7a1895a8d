//! Steps that write and delete inline policies, each in its phase.
//!
//! A document that both grants and revokes is written twice where one write would do one of them in the wrong phase.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Step;
use super::order::Phase;
use super::permission_set::PermissionSet;
use crate::document::PolicyDocument;
use crate::invariants::Invariant;
use crate::name::InlinePolicyName;

/// A change of one inline policy.
#[derive(Clone, Debug)]
pub(super) struct InlinePolicyChange {
    pub(super) name: InlinePolicyName,
    pub(super) before: Option<PolicyDocument>,
    /// `None` where the policy is deleted.
    pub(super) after: Option<PolicyDocument>,
    /// Whether other policies take its place, perhaps in other words: it stays until they are written.
    pub(super) replaced: bool,
}

/// Parts of statements by their meaning.
type Parts = BTreeMap<String, Value>;

/// A change with what the two documents grant and deny.
struct DiffedPolicy<'a> {
    change: &'a InlinePolicyChange,
    before: PermissionSet,
    after: PermissionSet,
}

impl DiffedPolicy<'_> {
    fn adds_denies(&self) -> bool {
        goes_beyond(&self.after.denies, &self.before.denies)
    }

    fn drops_denies(&self) -> bool {
        goes_beyond(&self.before.denies, &self.after.denies)
    }

    fn adds_allows(&self) -> bool {
        goes_beyond(&self.after.allows, &self.before.allows)
    }

    fn drops_allows(&self) -> bool {
        goes_beyond(&self.before.allows, &self.after.allows)
    }

    /// The permissions that another document grants after the run.
    fn moved(&self, wanted: &BTreeSet<String>) -> Parts {
        let moved = |meaning: &String| wanted.contains(meaning) && !self.after.allows.contains_key(meaning);
        let allows = self.before.allows.iter().filter(|(meaning, _)| moved(meaning));
        allows.map(|(meaning, part)| (meaning.clone(), part.clone())).collect()
    }

    /// The document that only revokes: it grants what is granted before and after, here or by another document.
    fn intersection(&self, moved: &Parts) -> Option<PolicyDocument> {
        let stays = self.before.allows.iter().filter(|(meaning, _)| self.after.allows.contains_key(*meaning));
        self.with(stays.chain(moved))
    }

    /// The document that grants the desired permissions, and those that another document does not grant yet.
    fn union(&self, moved: &Parts) -> Option<PolicyDocument> {
        self.with(self.after.allows.iter().chain(moved))
    }

    /// The document with its Deny statements alone; `None` if it has none.
    fn denying(&self) -> Option<PolicyDocument> {
        self.with(std::iter::empty())
    }

    /// A document that grants these permissions and denies what either document denies; one of the two where that is the
    /// same.
    fn with<'b>(&self, allows: impl Iterator<Item = (&'b String, &'b Value)>) -> Option<PolicyDocument> {
        let denies = self.before.denies.iter().chain(&self.after.denies);
        let own = |(meaning, part): (&String, &Value)| (meaning.clone(), part.clone());
        let content = PermissionSet { allows: allows.map(own).collect(), denies: denies.map(own).collect() };
        if content == self.after {
            return self.change.after.clone();
        }
        if content == self.before {
            return self.change.before.clone();
        }
        // IAM accepts no document without a statement.
        let some = !content.allows.is_empty() || !content.denies.is_empty();
        let like = self.change.after.as_ref().or(self.change.before.as_ref()).filter(|_| some)?;
        let mut document = like.as_value().clone();
        document["Statement"] = Value::Array(content.statements());
        // Its statements are those of documents that IAM has, or is about to get.
        PolicyDocument::from_stored(&document.to_string()).ok()
    }

    /// The write that replaces the current document by the next one; `None` if they are the same.
    fn step(&self, current: &mut Option<PolicyDocument>, next: Option<PolicyDocument>) -> Option<Step> {
        let before = std::mem::replace(current, next);
        match (&before, &*current) {
            (before, Some(next)) if before.as_ref() != Some(next) => Some(self.put(next, before.as_ref())),
            (Some(_), None) => Some(Step::DeleteInlinePolicy(self.change.name.clone(), before)),
            _ => None,
        }
    }

    fn put(&self, document: &PolicyDocument, before: Option<&PolicyDocument>) -> Step {
        Step::PutInlinePolicy { name: self.change.name.clone(), document: document.clone(), before: before.cloned() }
    }
}

fn goes_beyond(one: &BTreeMap<String, Value>, other: &BTreeMap<String, Value>) -> bool {
    one.keys().any(|meaning| !other.contains_key(meaning))
}

/// The steps of all changes.
///
/// `boundary` is whether the permissions boundary changes; `managed_denies` counts the managed policies that add a Deny and
/// those that remove one.
pub(super) fn inline_policy_steps(
    changes: &[InlinePolicyChange],
    boundary: bool,
    managed_denies: (usize, usize),
) -> Vec<(Phase, Step)> {
    let diffs: Vec<DiffedPolicy<'_>> = changes
        .iter()
        .map(|change| DiffedPolicy {
            change,
            before: PermissionSet::of(change.before.as_ref()),
            after: PermissionSet::of(change.after.as_ref()),
        })
        .collect();
    let adding = diffs.iter().filter(|diff| diff.adds_denies()).count() + managed_denies.0;
    let dropping = diffs.iter().filter(|diff| diff.drops_denies()).count() + managed_denies.1;
    let granted: BTreeSet<String> = diffs.iter().flat_map(|diff| diff.after.allows.keys().cloned()).collect();
    let moving = diffs.iter().any(|diff| !diff.moved(&granted).is_empty());
    let mut steps = Vec::new();
    for diff in &diffs {
        let mut current = diff.change.before.clone();
        let last = diff.change.after.clone();
        if !Invariant::DenyingDocuments.is_enforced() {
            steps.extend(diff.step(&mut current, last).map(|step| (Phase::Grant, step)));
            continue;
        }
        // Under another boundary a replaced policy might grant more than before: there it leaves like any other.
        if diff.change.replaced && !boundary && Invariant::ReplacementFirst.is_enforced() {
            steps.extend(diff.step(&mut current, diff.denying()).map(|step| (Phase::RemoveReplaced, step)));
            steps.extend(diff.step(&mut current, None).map(|step| (Phase::LiftDenies, step)));
            continue;
        }
        let (adds, drops) = (diff.adds_allows(), diff.drops_allows());
        let (adds_denies, drops_denies) = (diff.adds_denies(), diff.drops_denies());
        let moved = diff.moved(&granted);
        // The only document that changes is written once: there is no other that it could meet half-way.
        let alone = adds_denies && !drops_denies && adding == 1 && !boundary && moved.is_empty();
        let revokes_first = match () {
            () if alone => false,
            () if adds_denies => true,
            // Permissions that leave must be gone before another policy lifts a Deny.
            () if drops_denies => drops && (boundary || dropping > 1),
            () => drops && (boundary || (!moved.is_empty() && dropping > 0)),
        };
        if revokes_first {
            steps.extend(diff.step(&mut current, diff.intersection(&moved)).map(|step| (Phase::Restrict, step)));
        }
        let late = drops_denies || !moved.is_empty();
        if moving && late && adds {
            steps.extend(diff.step(&mut current, diff.union(&moved)).map(|step| (Phase::Grant, step)));
        }
        let phase = match () {
            () if late => Phase::LiftDenies,
            () if adds && !alone => Phase::Grant,
            () => Phase::Restrict,
        };
        steps.extend(diff.step(&mut current, last).map(|step| (phase, step)));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(statements: &[(&str, &str)]) -> Option<PolicyDocument> {
        let statement = |(effect, action): &(&str, &str)| json!({"Effect": effect, "Action": action, "Resource": "*"});
        let statements: Vec<Value> = statements.iter().map(statement).collect();
        PolicyDocument::from_value(json!({"Version": "2012-10-17", "Statement": statements})).ok()
    }

    fn change(name: &str, before: &[(&str, &str)], after: &[(&str, &str)]) -> InlinePolicyChange {
        InlinePolicyChange {
            name: name.parse().unwrap(),
            before: document(before),
            after: document(after),
            replaced: false,
        }
    }

    fn count(steps: &[(Phase, Step)], phase: Phase) -> usize {
        steps.iter().filter(|(other, _)| *other == phase).count()
    }

    /// The number of steps that restrict, that grant and that lift a Deny.
    fn counts_with(changes: &[InlinePolicyChange], boundary: bool, denies: (usize, usize)) -> (usize, usize, usize) {
        let steps = inline_policy_steps(changes, boundary, denies);
        (count(&steps, Phase::Restrict), count(&steps, Phase::Grant), count(&steps, Phase::LiftDenies))
    }

    fn counts(changes: &[InlinePolicyChange], boundary: bool) -> (usize, usize, usize) {
        counts_with(changes, boundary, (0, 0))
    }

    const GET: (&str, &str) = ("Allow", "s3:Get*");
    const SEND: (&str, &str) = ("Allow", "sqs:*");
    const NO_PUT: (&str, &str) = ("Deny", "s3:Put*");

    #[test]
    fn a_document_is_written_once_where_that_is_safe() {
        assert_eq!(counts(&[change("x", &[], &[GET])], true), (0, 1, 0));
        assert_eq!(counts(&[change("x", &[GET], &[])], true), (1, 0, 0));
        assert_eq!(counts(&[change("x", &[GET], &[SEND])], false), (0, 1, 0));
        assert_eq!(counts(&[change("x", &[], &[GET, NO_PUT])], false), (1, 0, 0));
        assert_eq!(counts(&[change("x", &[GET, NO_PUT], &[])], false), (0, 0, 1));
    }

    #[test]
    fn grants_and_revocations_are_two_writes_around_a_boundary() {
        assert_eq!(counts(&[change("x", &[GET], &[SEND])], true), (1, 1, 0));
        assert_eq!(counts(&[change("x", &[], &[GET, NO_PUT])], true), (1, 1, 0));
        assert_eq!(counts(&[change("x", &[GET, NO_PUT], &[SEND])], true), (1, 0, 1));
    }

    #[test]
    fn permissions_that_stay_are_held_throughout_a_change_of_boundary() {
        let of = |actions: &[&str]| {
            let statement = json!({"Effect": "Allow", "Action": actions, "Resource": "*"});
            PolicyDocument::from_value(json!({"Version": "2012-10-17", "Statement": statement})).ok()
        };
        let change = InlinePolicyChange {
            name: "x".parse().unwrap(),
            before: of(&["s3:Get*", "s3:Put*"]),
            after: of(&["s3:List*", "s3:Get*"]),
            replaced: false,
        };
        let steps = inline_policy_steps(&[change], true, (0, 0));
        let [(Phase::Restrict, Step::PutInlinePolicy { document, .. }), (Phase::Grant, _)] = &steps[..] else {
            panic!("{steps:?}")
        };
        assert_eq!(Some(document), of(&["s3:Get*"]).as_ref());
    }

    #[test]
    fn equal_permissions_in_other_statements_are_one_write() {
        let one = json!({"Effect": "Allow", "Action": ["s3:Get*", "sqs:*"], "Resource": "*"});
        let before = PolicyDocument::from_value(json!({"Version": "2012-10-17", "Statement": one})).ok();
        let change =
            InlinePolicyChange { name: "x".parse().unwrap(), before, after: document(&[GET, SEND]), replaced: false };
        assert_eq!(inline_policy_steps(&[change], true, (0, 0)).len(), 1);
    }

    #[test]
    fn permissions_that_move_are_granted_by_the_new_document_first() {
        let moves = [change("x", &[GET], &[SEND]), change("y", &[SEND], &[GET])];
        assert_eq!(counts(&moves, false), (0, 2, 2));
        assert_eq!(counts(&[change("x", &[GET], &[]), change("y", &[], &[GET])], false), (0, 1, 1));
    }

    #[test]
    fn documents_wait_for_managed_policies_that_deny() {
        let phases = |changes: &[InlinePolicyChange], denies| counts_with(changes, false, denies);
        assert_eq!(phases(&[change("x", &[], &[GET, NO_PUT])], (1, 0)), (1, 1, 0));
        assert_eq!(phases(&[change("x", &[GET, NO_PUT], &[])], (0, 1)), (1, 0, 1));
        assert_eq!(phases(&[change("x", &[GET], &[SEND])], (1, 0)), (0, 1, 0), "an Allow waits for nothing");
    }

    #[test]
    fn replaced_policies_leave_after_their_replacement_and_before_the_last_deny() {
        let replaced = |before: &[(&str, &str)]| InlinePolicyChange { replaced: true, ..change("old", before, &[]) };
        let phases = |changes: &[InlinePolicyChange], boundary: bool| {
            let steps = inline_policy_steps(changes, boundary, (0, 0));
            [Phase::Restrict, Phase::Grant, Phase::RemoveReplaced, Phase::LiftDenies].map(|phase| count(&steps, phase))
        };
        let new = change("x", &[], &[("Allow", "s3:GetObject")]);
        assert_eq!(phases(&[new, replaced(&[GET])], false), [0, 1, 1, 0]);
        // Replaced by a managed policy, which is granted with the others.
        assert_eq!(phases(&[replaced(&[GET])], false), [0, 0, 1, 0]);
        assert_eq!(phases(&[change("x", &[NO_PUT], &[]), replaced(&[GET])], false), [0, 0, 1, 1]);
        assert_eq!(phases(&[replaced(&[GET, NO_PUT])], false), [0, 0, 1, 1]);
        assert_eq!(phases(&[change("x", &[], &[SEND]), replaced(&[GET])], true), [1, 1, 0, 0]);
    }

    #[test]
    fn documents_that_deny_wait_for_each_other() {
        let both = [change("x", &[], &[GET, NO_PUT]), change("y", &[], &[SEND, ("Deny", "sqs:Send*")])];
        assert_eq!(counts(&both, false), (2, 2, 0));
    }
}
