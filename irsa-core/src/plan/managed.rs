//! The writes of managed policies, in the order that never gives too much: those that deny come first and leave last, and
//! one that allows and denies at once comes and leaves alone, since IAM attaches and detaches whole policies.

use std::collections::BTreeMap;

use super::Step;
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::invariants::Invariant;
use crate::name::PolicyArn;
use crate::observe::PolicyEffect;

/// The writes of managed policies, by the phase they belong in.
#[derive(Debug, Default)]
pub(super) struct ManagedSteps {
    /// With all that only takes away: policies that deny come, policies that allow leave.
    pub(super) first: Vec<Step>,
    /// After the boundary, one after the other: policies that may do both come.
    pub(super) come_alone: Vec<Step>,
    /// Together with other additions.
    pub(super) then: Vec<Step>,
    /// After all additions, one after the other: policies that may do both leave.
    pub(super) leave_alone: Vec<Step>,
    /// Together with all that gives what a Deny kept away.
    pub(super) last: Vec<Step>,
    /// How many of them may bring a Deny, and how many may take one away.
    pub(super) denies: (usize, usize),
}

/// What comes and goes.
#[derive(Debug)]
pub(super) struct Managed<'a> {
    pub(super) attach: Vec<&'a PolicyArn>,
    pub(super) detach: Vec<&'a PolicyArn>,
    /// What each of them does, where more than one thing changes.
    pub(super) effects: &'a BTreeMap<PolicyArn, PolicyEffect>,
    /// Whether one permissions boundary is replaced by another.
    pub(super) boundary_replaced: bool,
}

impl Managed<'_> {
    /// The steps.
    ///
    /// # Errors
    /// `Conflict` where no order keeps all within what they hold before or afterwards.
    pub(super) fn steps(&self) -> Result<ManagedSteps> {
        let effect = |arn: &PolicyArn| match Invariant::DenyingPolicies.is_enforced() {
            // One that is the only thing to change has no order.
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
        let come_alone = [comes(PolicyEffect::Unknown), comes(PolicyEffect::Both)].concat();
        let leave_alone = [leaves(PolicyEffect::Both), leaves(PolicyEffect::Unknown)].concat();
        let (denying, lifting) = (comes(PolicyEffect::Denies), leaves(PolicyEffect::Denies));
        Ok(ManagedSteps {
            denies: (denying.len() + come_alone.len(), lifting.len() + leave_alone.len()),
            first: [leaves(PolicyEffect::Allows), denying].concat(),
            come_alone,
            then: comes(PolicyEffect::Allows),
            leave_alone,
            last: lifting,
        })
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

    fn steps(attach: &[&str], detach: &[&str], boundary_replaced: bool) -> Result<ManagedSteps> {
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
        Managed { attach, detach, effects: &effects, boundary_replaced }.steps()
    }

    fn names(steps: &[Step]) -> Vec<&str> {
        steps.iter().filter_map(Step::policy).map(PolicyArn::name).collect()
    }

    #[test]
    fn what_denies_comes_first_and_leaves_last() {
        let coming = steps(&["allow", "both", "deny", "unread"], &[], false).unwrap();
        assert_eq!((names(&coming.first), names(&coming.then)), (vec!["deny"], vec!["allow"]));
        assert_eq!((names(&coming.come_alone), coming.denies), (vec!["unread", "both"], (3, 0)));
        let leaving = steps(&[], &["allow", "both", "deny", "unread"], false).unwrap();
        assert_eq!((names(&leaving.first), names(&leaving.last)), (vec!["allow"], vec!["deny"]));
        assert_eq!((names(&leaving.leave_alone), leaving.denies), (vec!["both", "unread"], (0, 3)));
    }

    #[test]
    fn what_has_no_safe_order_is_refused() {
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
