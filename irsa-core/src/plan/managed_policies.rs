//! Steps that attach and detach managed policies, each in its phase.
//!
//! IAM attaches a policy as a whole: one that allows and denies at the same time is written alone.

use std::collections::BTreeMap;

use super::Step;
use super::order::Phase;
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::invariants::Invariant;
use crate::name::PolicyArn;
use crate::observe::PolicyEffect;

/// The steps of all managed policies.
#[derive(Debug, Default)]
pub(super) struct ManagedPolicySteps {
    pub(super) steps: Vec<(Phase, Step)>,
    /// How many of them may add a Deny, and how many may remove one.
    pub(super) denies: (usize, usize),
}

/// The managed policies that the role gains and loses.
#[derive(Debug)]
pub(super) struct ManagedPolicyChanges<'a> {
    pub(super) attach: Vec<&'a PolicyArn>,
    pub(super) detach: Vec<&'a PolicyArn>,
    /// Whether each of them allows or denies; empty where only one of them changes.
    pub(super) effects: &'a BTreeMap<PolicyArn, PolicyEffect>,
    /// Whether one permissions boundary is replaced by another.
    pub(super) boundary_replaced: bool,
    /// Whether IAM told how many policies a role can have; if not, it may refuse one of them.
    pub(super) quota_known: bool,
}

impl ManagedPolicyChanges<'_> {
    /// Returns the steps.
    ///
    /// # Errors
    /// `Conflict` where every order would grant more than the role does before and after, for a moment.
    pub(super) fn steps(&self) -> Result<ManagedPolicySteps> {
        let effect = |arn: &PolicyArn| match Invariant::DenyingPolicies.is_enforced() {
            // Only effects that matter for the order are looked up.
            true => self.effects.get(arn).copied().unwrap_or(PolicyEffect::Allows),
            false => PolicyEffect::Allows,
        };
        let of = |arns: &[&PolicyArn], wanted: PolicyEffect, step: fn(PolicyArn) -> Step| -> Vec<Step> {
            arns.iter().filter(|arn| effect(arn) == wanted).map(|arn| step((*arn).clone())).collect()
        };
        let (attach, detach) = (&self.attach[..], &self.detach[..]);
        let comes = |effect| of(attach, effect, Step::AttachPolicy);
        let leaves = |effect| of(detach, effect, Step::DetachPolicy);
        self.check("attach", &comes(PolicyEffect::Both))?;
        self.check("detach", &leaves(PolicyEffect::Both))?;
        let attach_alone = [comes(PolicyEffect::Unknown), comes(PolicyEffect::Both)].concat();
        let detach_alone = [leaves(PolicyEffect::Both), leaves(PolicyEffect::Unknown)].concat();
        let (denying, lifting) = (comes(PolicyEffect::Denies), leaves(PolicyEffect::Denies));
        let denies = (denying.len() + attach_alone.len(), lifting.len() + detach_alone.len());
        let grant = if self.quota_known { Phase::Grant } else { Phase::AttachWithinQuota };
        let phases = [
            (Phase::Restrict, leaves(PolicyEffect::Allows)),
            (Phase::Restrict, denying),
            (Phase::AttachMixed, attach_alone),
            (grant, comes(PolicyEffect::Allows)),
            (Phase::DetachMixed, detach_alone),
            (Phase::LiftDenies, lifting),
        ];
        let steps = phases.into_iter().flat_map(|(phase, steps)| steps.into_iter().map(move |step| (phase, step)));
        Ok(ManagedPolicySteps { steps: steps.collect(), denies })
    }

    /// Of two policies that allow and deny, the first one's permissions would be held without the second one's Deny.
    fn check(&self, verb: &str, both: &[Step]) -> Result<()> {
        let names: Vec<String> = both.iter().filter_map(Step::policy).map(ToString::to_string).collect();
        let why = match names.len() {
            0 => return Ok(()),
            1 if !self.boundary_replaced => return Ok(()),
            1 => "and the permissions boundary changes at the same time",
            _ => "and not two of them at once",
        };
        Err(Error::new(ErrorKind::Conflict, format!("no safe order to {verb} {}", names.join(" and ")))
            .with_cause(format!(
                "a policy that allows and denies can only come or leave as a whole, {why}: in between, subjects would \
                 hold more than before and more than wanted"
            ))
            .with_hint(Hint::UpdateAfterwards))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(name: &str) -> PolicyArn {
        format!("arn:aws:iam::aws:policy/{name}").parse().unwrap()
    }

    fn steps(attach: &[&str], detach: &[&str], boundary_replaced: bool) -> Result<ManagedPolicySteps> {
        let effect = |arn: &PolicyArn| match arn.name() {
            name if name.starts_with("deny") => PolicyEffect::Denies,
            name if name.starts_with("both") => PolicyEffect::Both,
            name if name.starts_with("unread") => PolicyEffect::Unknown,
            _ => PolicyEffect::Allows,
        };
        let arns = |names: &[&str]| names.iter().map(|name| arn(name)).collect::<Vec<_>>();
        let (attach, detach) = (arns(attach), arns(detach));
        let effects = attach.iter().chain(&detach).map(|arn| (arn.clone(), effect(arn))).collect();
        let (attach, detach) = (attach.iter().collect(), detach.iter().collect());
        ManagedPolicyChanges { attach, detach, effects: &effects, boundary_replaced, quota_known: true }.steps()
    }

    fn names(steps: &ManagedPolicySteps, phase: Phase) -> Vec<&str> {
        let of_phase = steps.steps.iter().filter(|(other, _)| *other == phase);
        of_phase.filter_map(|(_, step)| step.policy()).map(PolicyArn::name).collect()
    }

    #[test]
    fn policies_that_deny_come_first_and_leave_last() {
        let coming = steps(&["allow", "both", "deny", "unread"], &[], false).unwrap();
        assert_eq!((names(&coming, Phase::Restrict), names(&coming, Phase::Grant)), (vec!["deny"], vec!["allow"]));
        assert_eq!((names(&coming, Phase::AttachMixed), coming.denies), (vec!["unread", "both"], (3, 0)));
        let leaving = steps(&[], &["allow", "both", "deny", "unread"], false).unwrap();
        assert_eq!(names(&leaving, Phase::Restrict), ["allow"]);
        assert_eq!(names(&leaving, Phase::LiftDenies), ["deny"]);
        assert_eq!((names(&leaving, Phase::DetachMixed), leaving.denies), (vec!["both", "unread"], (0, 3)));
    }

    #[test]
    fn changes_without_a_safe_order_are_refused() {
        for (attach, detach, boundary) in [
            (&["both-1", "both-2"][..], &[][..], false),
            (&[], &["both-1", "both-2"], false),
            (&["both-1"], &[], true),
            (&[], &["both-1"], true),
        ] {
            let error = steps(attach, detach, boundary).unwrap_err();
            assert!(error.kind() == ErrorKind::Conflict && error.hint().is_some(), "{error:?}");
        }
        assert!(steps(&["both-1"], &["both-2"], false).is_ok() && steps(&["deny"], &["deny-2"], true).is_ok());
    }
}
