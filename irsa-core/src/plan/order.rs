//! The order of writes: the phases of a plan, and why each of them comes where it does.
//!
//! For sessions that begin during a run, after any prefix of the writes: no subject holds a permission that it holds neither
//! before nor after the run, and what it holds both before and after the run, it holds throughout.

use super::Step;
use crate::invariants::Invariant;

/// A group of writes that has its place in the order. The variants are declared in that order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// OIDC providers and their audiences: without them STS refuses every token.
    Providers,
    /// An interrupted delete is stopped before anything is added that it would delete.
    UndoDelete,
    /// The role itself, and missing namespaces: everything else is written to them.
    CreateRole,
    /// The tag of the owner: from here on, a run that is interrupted finds the role again.
    TagOwner,
    /// The mark of a delete: from here on, other runs wait for it or undo it, and do not repair the role.
    MarkDeleted,
    /// Tags of subjects that leave: writers that go by the tags must not trust these subjects again.
    UntagSubjects,
    /// Subjects that leave are taken out of the trust policy before anything is granted to those that stay.
    RemoveSubjects,
    /// Writes that only take permissions away: policies that allow leave, policies that deny come.
    Restrict,
    /// The permissions boundary, once the role holds nothing that only the old boundary kept in.
    Boundary,
    /// Managed policies that allow and deny. IAM attaches a policy as a whole, so each of them is written alone.
    AttachMixed,
    /// Managed policies whose number IAM may refuse, before writes that would then be in vain.
    AttachWithinQuota,
    /// Permissions, settings and tags of the desired state.
    Grant,
    /// Inline policies of another tool, once declared policies grant what they granted.
    RemoveReplaced,
    /// Managed policies that allow and deny leave, each of them alone, once everything else is granted.
    DetachMixed,
    /// Writes that lift a Deny, once no permission is left that the Deny had to hold back.
    LiftDenies,
    /// New subjects are trusted once the role grants them no more and no less than it should.
    AddSubjects,
    /// Service accounts are annotated once the role trusts them, so that no pod starts with a role that refuses it.
    Annotate,
    /// Service accounts of subjects that have left: before the role is deleted, which is the only list of them.
    Release,
    /// The role, empty by now.
    DeleteRole,
    /// The service account that the binding is named after: an interrupted delete is found again by its annotation.
    ReleaseFirst,
}

impl Phase {
    /// Whether the writes of this phase go one after the other; those of other phases go at the same time.
    fn is_sequential(self) -> bool {
        matches!(self, Self::AttachMixed | Self::DetachMixed)
    }

    /// The phase in which the writes of this one are done while tests switch an invariant off.
    fn enforced(self) -> Self {
        match self {
            Self::Annotate if !Invariant::TrustBeforeAnnotation.is_enforced() => Self::Providers,
            Self::Restrict if !Invariant::RevokeBeforeAddingSubjects.is_enforced() => Self::Annotate,
            Self::Release | Self::ReleaseFirst if !Invariant::ServiceAccountLast.is_enforced() => Self::Providers,
            phase => phase,
        }
    }
}

/// The writes of a plan by phase. The writes of one stage go at the same time, and a stage begins when the one before has
/// ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stages(Vec<(Phase, Vec<Step>)>);

impl Stages {
    /// Adds writes where their phase belongs, whatever was added before.
    pub(super) fn add(&mut self, phase: Phase, steps: impl IntoIterator<Item = Step>) {
        for step in steps {
            let phase = self.joined(phase.enforced());
            let after = self.0.partition_point(|(other, _)| *other <= phase);
            match self.0[..after].last_mut() {
                Some((last, stage)) if *last == phase && !phase.is_sequential() => stage.push(step),
                _ => self.0.insert(after, (phase, vec![step])),
            }
        }
    }

    /// Adds writes that come with their phases.
    pub(super) fn extend(&mut self, steps: impl IntoIterator<Item = (Phase, Step)>) {
        steps.into_iter().for_each(|(phase, step)| self.add(phase, [step]));
    }

    /// A role that is created trusts its subjects from its first write, so its service accounts are annotated together with
    /// its grants: one round trip less.
    fn joined(&self, phase: Phase) -> Phase {
        let creates_role = || self.steps().any(|step| matches!(step, Step::CreateRole(_)));
        if phase == Phase::Annotate && creates_role() { Phase::Grant } else { phase }
    }

    /// The stages, the first one first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[Step]> {
        self.0.iter().map(|(_, steps)| &steps[..])
    }

    /// All steps in order.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.0.iter().flat_map(|(_, steps)| steps)
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::NewRole;
    use std::collections::{BTreeMap, BTreeSet};

    fn attach(name: &str) -> Step {
        Step::AttachPolicy(format!("arn:aws:iam::aws:policy/{name}").parse().unwrap())
    }

    fn untag() -> Step {
        Step::UntagRole(BTreeSet::from(["a".to_owned()]))
    }

    fn create_role() -> Step {
        Step::CreateRole(Box::new(NewRole {
            arn: "arn:aws:iam::111122223333:role/r".parse().unwrap(),
            trust_policy: String::new(),
            description: None,
            max_session_duration: None,
            permissions_boundary: None,
            tags: BTreeMap::new(),
        }))
    }

    fn shown(stages: &Stages) -> Vec<Vec<String>> {
        let name = |step: &Step| match step {
            Step::AttachPolicy(arn) => arn.name().to_owned(),
            Step::UntagRole(_) => "untag".to_owned(),
            Step::CreateRole(_) => "create".to_owned(),
            other => panic!("{other:?}"),
        };
        stages.iter().map(|stage| stage.iter().map(name).collect()).collect()
    }

    #[test]
    fn stages_follow_the_phases_and_not_the_calls() {
        let mut stages = Stages::default();
        stages.add(Phase::Grant, [attach("a")]);
        stages.add(Phase::Annotate, [attach("c")]);
        stages.add(Phase::UntagSubjects, [untag()]);
        stages.add(Phase::Grant, [attach("b")]);
        stages.add(Phase::LiftDenies, []);
        assert_eq!(shown(&stages), [vec!["untag"], vec!["a", "b"], vec!["c"]]);
        assert_eq!(stages.steps().count(), 4);
    }

    #[test]
    fn mixed_policies_are_attached_one_after_the_other() {
        let mut stages = Stages::default();
        assert!(stages.is_empty());
        stages.add(Phase::AttachMixed, [attach("a"), attach("b")]);
        stages.add(Phase::DetachMixed, [attach("c"), attach("d")]);
        assert_eq!(shown(&stages), [["a"], ["b"], ["c"], ["d"]]);
    }

    #[test]
    fn service_accounts_of_a_new_role_are_annotated_together_with_its_grants() {
        let mut stages = Stages::default();
        stages.add(Phase::CreateRole, [create_role()]);
        stages.add(Phase::Grant, [attach("a")]);
        stages.add(Phase::Annotate, [attach("b")]);
        assert_eq!(shown(&stages), [vec!["create"], vec!["a", "b"]]);
    }
}
