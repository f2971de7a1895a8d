//! How the trust policy of an existing role changes: in two writes where subjects leave and others come.

use std::collections::BTreeSet;

use super::existing_role::ExistingRole;
use super::order::Phase;
use super::tag_changes::TagChanges;
use super::{Step, TrustStep};
use crate::error::Result;
use crate::invariants::Invariant;
use crate::name::{Audience, ProviderArn};
use crate::ownership::{Member, Ownership};
use crate::trust::{Decision, Derivation, Derived, TrustPolicy, derive};

/// The trust policy on its way from the current to the desired one.
pub(super) struct TrustChange {
    /// The current policy without the subjects that leave.
    reduced: TrustPolicy,
    reduced_derivation: Derivation,
    reduced_ownership: Ownership,
    /// The desired policy.
    pub(super) policy: TrustPolicy,
    derivation: Derivation,
    /// What the tags record when the desired policy is written.
    pub(super) ownership: Ownership,
    /// Subjects of irsa's own statement that no tag records: they are removed.
    pub(super) untagged: BTreeSet<String>,
}

impl TrustChange {
    pub(super) fn of(existing: &ExistingRole<'_>, tags: &TagChanges<'_>) -> Result<Self> {
        let ExistingRole { request, desired, role, present, removed, .. } = existing;
        let ownership = tags.after();
        let derivation = desired.derivation(request, removed.clone());
        let Derived { policy, untagged } = derive(&role.trust, &ownership, &derivation)?;

        // Subjects without a record leave at once, like those that are removed by name: before anything is granted.
        let recorded = ownership.members();
        let is_stale = |member: &Member| {
            untagged.contains(&member.sub()) && !recorded.contains(member) && !desired.declared.contains(member)
        };
        let known = desired.declared.union(present).filter(|member| !removed.contains(*member) && !is_stale(member));
        let (staying, mut waiting): (BTreeSet<Member>, BTreeSet<Member>) =
            known.cloned().partition(|member| is_trusted(existing, member));
        // Another writer that has just recorded a subject may trust it at any time: this run must not remove it again.
        waiting.retain(|member| desired.declared.contains(member));
        let reduced_derivation =
            Derivation { joining: staying, waiting, extra: Vec::new(), audience: None, ..derivation.clone() };
        let reduced_ownership = tags.without_removed();
        let reduced = derive(&role.trust, &reduced_ownership, &reduced_derivation)?.policy;
        Ok(Self { reduced, reduced_derivation, reduced_ownership, policy, derivation, ownership, untagged })
    }

    /// The writes. Where no permissions change, subjects come and leave in one write, which other writers meet less often.
    pub(super) fn steps(self, current: &TrustPolicy, permissions_change: bool) -> Vec<(Phase, Step)> {
        let mut steps = Vec::new();
        let mut before = current.clone();
        if self.reduced != before && permissions_change && Invariant::RemoveSubjectsBeforeGrants.is_enforced() {
            let step = TrustStep::new(&before, &self.reduced, self.reduced_derivation, &self.reduced_ownership);
            steps.push((Phase::RemoveSubjects, Step::UpdateTrust(Box::new(step))));
            before = self.reduced;
        }
        if self.policy != before {
            let step = TrustStep::new(&before, &self.policy, self.derivation, &self.ownership);
            steps.push((Phase::AddSubjects, Step::UpdateTrust(Box::new(step))));
        }
        steps
    }
}

/// Whether the current trust policy trusts a subject, or may do so.
fn is_trusted(existing: &ExistingRole<'_>, member: &Member) -> bool {
    let trust = &existing.role.trust;
    let audience = |provider: &ProviderArn| trust.own_audience(provider).unwrap_or_else(|| Audience::sts().to_string());
    existing.desired.providers.get(&member.cluster).is_none_or(|provider| {
        let check = trust.check(provider, &member.sub(), &audience(provider));
        check.map_or(true, |check| check.decision != Decision::Deny)
    })
}
