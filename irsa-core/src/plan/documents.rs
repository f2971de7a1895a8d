//! The writes of inline documents, in the order that never gives too much: what is taken away first, what is given last, and
//! in two writes where one document does both at the wrong time.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Step;
use super::content::Content;
use crate::document::PolicyDocument;
use crate::invariants::Invariant;
use crate::name::InlinePolicyName;

/// A change of one inline document.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) name: InlinePolicyName,
    pub(super) before: Option<PolicyDocument>,
    /// Nothing where it is to go.
    pub(super) after: Option<PolicyDocument>,
    /// Whether other policies grant from now on what it grants, in words of their own: it stays until they are there.
    pub(super) replaced: bool,
}

/// The writes of documents, by the phase they belong in.
#[derive(Debug, Default)]
pub(super) struct DocumentSteps {
    /// Before the boundary and all additions: only takes away.
    pub(super) first: Vec<Step>,
    /// Together with other additions.
    pub(super) then: Vec<Step>,
    /// After all additions, before any Deny leaves: what others grant from now on is no longer granted here.
    pub(super) replaced: Vec<Step>,
    /// After all additions: what a Deny kept away is given.
    pub(super) last: Vec<Step>,
}

/// Parts of statements by their meaning.
type Parts = BTreeMap<String, Value>;

/// How a document changes.
struct Weighed<'a> {
    change: &'a Change,
    before: Content,
    after: Content,
}

impl Weighed<'_> {
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

    /// What it grants that another document is to grant from now on.
    fn moved(&self, wanted: &BTreeSet<String>) -> Parts {
        let moved = |meaning: &String| wanted.contains(meaning) && !self.after.allows.contains_key(meaning);
        let allows = self.before.allows.iter().filter(|(meaning, _)| moved(meaning));
        allows.map(|(meaning, part)| (meaning.clone(), part.clone())).collect()
    }

    /// The document that only takes away: what it grants before and is wanted, here or elsewhere.
    fn least(&self, moved: &Parts) -> Option<PolicyDocument> {
        let stays = self.before.allows.iter().filter(|(meaning, _)| self.after.allows.contains_key(*meaning));
        self.with(stays.chain(moved))
    }

    /// The document that grants all that is wanted, and what another is about to grant.
    fn most(&self, moved: &Parts) -> Option<PolicyDocument> {
        self.with(self.after.allows.iter().chain(moved))
    }

    /// The document that only denies what it did before; nothing where it denied nothing.
    fn denying(&self) -> Option<PolicyDocument> {
        self.with(std::iter::empty())
    }

    /// A document that grants these, and denies what it does before or afterwards: one that is there or wanted, if that says
    /// the same.
    fn with<'b>(&self, allows: impl Iterator<Item = (&'b String, &'b Value)>) -> Option<PolicyDocument> {
        let denies = self.before.denies.iter().chain(&self.after.denies);
        let own = |(meaning, part): (&String, &Value)| (meaning.clone(), part.clone());
        let content = Content { allows: allows.map(own).collect(), denies: denies.map(own).collect() };
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

    /// The write that brings the document to a state on the way; nothing where it is there.
    fn step(&self, standing: &mut Option<PolicyDocument>, next: Option<PolicyDocument>) -> Option<Step> {
        let before = std::mem::replace(standing, next);
        match (&before, &*standing) {
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

/// Orders the changes of documents. `boundary` tells whether the permissions boundary changes between first and then;
/// `others` counts the managed policies that bring a Deny and those that take one away.
pub(super) fn document_steps(changes: &[Change], boundary: bool, others: (usize, usize)) -> DocumentSteps {
    let weighed: Vec<Weighed<'_>> = changes
        .iter()
        .map(|change| Weighed {
            change,
            before: Content::of(change.before.as_ref()),
            after: Content::of(change.after.as_ref()),
        })
        .collect();
    let adding = weighed.iter().filter(|change| change.adds_denies()).count() + others.0;
    let dropping = weighed.iter().filter(|change| change.drops_denies()).count() + others.1;
    let wanted: BTreeSet<String> = weighed.iter().flat_map(|change| change.after.allows.keys().cloned()).collect();
    let moving = weighed.iter().any(|change| !change.moved(&wanted).is_empty());
    let mut steps = DocumentSteps::default();
    if !Invariant::DenyingDocuments.is_enforced() {
        let whole = |change: &Weighed<'_>| change.step(&mut change.change.before.clone(), change.change.after.clone());
        steps.then.extend(weighed.iter().filter_map(whole));
        return steps;
    }
    for change in &weighed {
        // Under another boundary it might grant more than before: it leaves like any other then.
        if change.change.replaced && !boundary && Invariant::ReplacementFirst.is_enforced() {
            let mut standing = change.change.before.clone();
            steps.replaced.extend(change.step(&mut standing, change.denying()));
            steps.last.extend(change.step(&mut standing, None));
            continue;
        }
        let (adds, drops) = (change.adds_allows(), change.drops_allows());
        let (adds_denies, drops_denies) = (change.adds_denies(), change.drops_denies());
        let moved = change.moved(&wanted);
        // One document alone changes in one write: nothing else is there that it could meet halfway.
        let alone = adds_denies && !drops_denies && adding == 1 && !boundary && moved.is_empty();
        let early = match () {
            () if alone => false,
            () if adds_denies => true,
            // What is gone for good must not be there any more when others let go of a Deny.
            () if drops_denies => drops && (boundary || dropping > 1),
            () => drops && (boundary || (!moved.is_empty() && dropping > 0)),
        };
        let mut standing = change.change.before.clone();
        if early {
            steps.first.extend(change.step(&mut standing, change.least(&moved)));
        }
        let late = drops_denies || !moved.is_empty();
        if moving && late && adds {
            steps.then.extend(change.step(&mut standing, change.most(&moved)));
        }
        let phase = match () {
            () if late => &mut steps.last,
            () if adds && !alone => &mut steps.then,
            () => &mut steps.first,
        };
        phase.extend(change.step(&mut standing, change.change.after.clone()));
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

    fn change(name: &str, before: &[(&str, &str)], after: &[(&str, &str)]) -> Change {
        Change { name: name.parse().unwrap(), before: document(before), after: document(after), replaced: false }
    }

    fn counts(changes: &[Change], boundary: bool) -> (usize, usize, usize) {
        let steps = document_steps(changes, boundary, (0, 0));
        (steps.first.len(), steps.then.len(), steps.last.len())
    }

    const GET: (&str, &str) = ("Allow", "s3:Get*");
    const SEND: (&str, &str) = ("Allow", "sqs:*");
    const NO_PUT: (&str, &str) = ("Deny", "s3:Put*");

    #[test]
    fn one_document_is_one_write_where_that_is_safe() {
        assert_eq!(counts(&[change("x", &[], &[GET])], true), (0, 1, 0));
        assert_eq!(counts(&[change("x", &[GET], &[])], true), (1, 0, 0));
        assert_eq!(counts(&[change("x", &[GET], &[SEND])], false), (0, 1, 0));
        assert_eq!(counts(&[change("x", &[], &[GET, NO_PUT])], false), (1, 0, 0));
        assert_eq!(counts(&[change("x", &[GET, NO_PUT], &[])], false), (0, 0, 1));
    }

    #[test]
    fn what_gives_and_takes_is_two_writes_around_a_boundary() {
        assert_eq!(counts(&[change("x", &[GET], &[SEND])], true), (1, 1, 0));
        assert_eq!(counts(&[change("x", &[], &[GET, NO_PUT])], true), (1, 1, 0));
        assert_eq!(counts(&[change("x", &[GET, NO_PUT], &[SEND])], true), (1, 0, 1));
    }

    #[test]
    fn what_stays_around_a_boundary_is_held_all_the_way() {
        let of = |actions: &[&str]| {
            let statement = json!({"Effect": "Allow", "Action": actions, "Resource": "*"});
            PolicyDocument::from_value(json!({"Version": "2012-10-17", "Statement": statement})).ok()
        };
        let change = Change {
            name: "x".parse().unwrap(),
            before: of(&["s3:Get*", "s3:Put*"]),
            after: of(&["s3:List*", "s3:Get*"]),
            replaced: false,
        };
        let steps = document_steps(&[change], true, (0, 0));
        let [Step::PutInlinePolicy { document, .. }] = &steps.first[..] else { panic!("{steps:?}") };
        assert_eq!(Some(document), of(&["s3:Get*"]).as_ref());
        assert_eq!((steps.then.len(), steps.last.len()), (1, 0));
    }

    #[test]
    fn the_same_in_other_statements_is_one_write() {
        let one = json!({"Effect": "Allow", "Action": ["s3:Get*", "sqs:*"], "Resource": "*"});
        let before = PolicyDocument::from_value(json!({"Version": "2012-10-17", "Statement": one})).ok();
        let change = Change { name: "x".parse().unwrap(), before, after: document(&[GET, SEND]), replaced: false };
        let steps = document_steps(&[change], true, (0, 0));
        assert_eq!(steps.first.len() + steps.then.len() + steps.last.len(), 1);
    }

    #[test]
    fn what_moves_to_another_document_is_granted_there_before_it_goes_here() {
        let moves = [change("x", &[GET], &[SEND]), change("y", &[SEND], &[GET])];
        assert_eq!(counts(&moves, false), (0, 2, 2));
        assert_eq!(counts(&[change("x", &[GET], &[]), change("y", &[], &[GET])], false), (0, 1, 1));
    }

    #[test]
    fn a_managed_policy_that_denies_is_waited_for() {
        let phases = |changes: &[Change], others| {
            let steps = document_steps(changes, false, others);
            (steps.first.len(), steps.then.len(), steps.last.len())
        };
        assert_eq!(phases(&[change("x", &[], &[GET, NO_PUT])], (1, 0)), (1, 1, 0));
        assert_eq!(phases(&[change("x", &[GET, NO_PUT], &[])], (0, 1)), (1, 0, 1));
        assert_eq!(phases(&[change("x", &[GET], &[SEND])], (1, 0)), (0, 1, 0), "nothing waits for what only allows");
    }

    #[test]
    fn what_is_replaced_leaves_between_what_replaces_it_and_the_last_deny() {
        let replaced = |before: &[(&str, &str)]| Change { replaced: true, ..change("old", before, &[]) };
        let phases = |changes: &[Change], boundary: bool| {
            let steps = document_steps(changes, boundary, (0, 0));
            [steps.first.len(), steps.then.len(), steps.replaced.len(), steps.last.len()]
        };
        let new = change("x", &[], &[("Allow", "s3:GetObject")]);
        assert_eq!(phases(&[new, replaced(&[GET])], false), [0, 1, 1, 0]);
        // By a managed policy, which comes with the other additions.
        assert_eq!(phases(&[replaced(&[GET])], false), [0, 0, 1, 0]);
        assert_eq!(phases(&[change("x", &[NO_PUT], &[]), replaced(&[GET])], false), [0, 0, 1, 1]);
        assert_eq!(phases(&[replaced(&[GET, NO_PUT])], false), [0, 0, 1, 1]);
        assert_eq!(phases(&[change("x", &[], &[SEND]), replaced(&[GET])], true), [1, 1, 0, 0]);
    }

    #[test]
    fn two_documents_that_deny_wait_for_each_other() {
        let both = [change("x", &[], &[GET, NO_PUT]), change("y", &[], &[SEND, ("Deny", "sqs:Send*")])];
        assert_eq!(counts(&both, false), (2, 2, 0));
    }
}
