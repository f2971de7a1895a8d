//! Quotas: what the plan would need against what IAM allows, before the first write; and what is known of a quota that IAM
//! says is exceeded.

use std::collections::BTreeMap;

use super::{Plan, Stages, Step};
use crate::backend::Quotas;
use crate::binding::{INLINE_QUOTA, MAX_TAGS};
use crate::document::PolicyDocument;
use crate::error::{Error, ErrorKind, Result};
use crate::invariants::Invariant;
use crate::name::InlinePolicyName;
use crate::observe::ObservedRole;

/// A quota, what of it is in use, and what would be.
#[derive(Clone, Debug)]
pub(crate) struct QuotaUsage {
    what: &'static str,
    /// How IAM's refusals of this quota begin (IAM API reference, `LimitExceeded`): what follows may hold any name.
    words: &'static str,
    /// Nothing where it could not be read.
    quota: Option<u64>,
    before: u64,
    after: u64,
    way_out: &'static str,
}

impl QuotaUsage {
    /// Refuses what would exceed the quota. What does not grow is let be.
    fn check(&self) -> Result<()> {
        match self.quota {
            Some(quota) if self.after > quota && self.after > self.before && Invariant::Quotas.is_enforced() => {
                let Self { what, before, after, .. } = self;
                Err(Error::new(ErrorKind::QuotaExceeded, format!("the quota of {what} would be exceeded"))
                    .with_code("LimitExceeded")
                    .with_cause(format!("the quota is {quota}, {before} in use, {after} would be needed"))
                    .with_context("quota", quota.to_string())
                    .with_context("needed", after.to_string())
                    .with_hint(self.way_out))
            }
            _ => Ok(()),
        }
    }
}

impl Plan {
    /// Refuses the plan where it needs more than a quota allows; notes its needs where a quota is not known.
    pub(super) fn needs(&mut self, quota_usage: impl IntoIterator<Item = QuotaUsage>) -> Result<()> {
        for need in quota_usage {
            need.check()?;
            self.quota_usage.push(need);
        }
        Ok(())
    }

    /// What IAM refuses for want of quota, with the numbers that are known and the way out.
    pub(crate) fn explained(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::QuotaExceeded {
            return error;
        }
        let causes = error.causes();
        let said = causes.first().map_or("", |said| said.strip_prefix("LimitExceeded: ").unwrap_or(said));
        match self.quota_usage.iter().find(|need| said.starts_with(need.words)) {
            Some(QuotaUsage { what, before, after, way_out, .. }) => error
                .with_context("used", before.to_string())
                .with_context("needed", after.to_string())
                .with_hint(format!("of {what} {before} were in use, {after} would be needed: {way_out}")),
            None => error,
        }
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Characters of a trust policy.
pub(super) fn trust_size(quotas: &Quotas, before: usize, after: usize) -> QuotaUsage {
    QuotaUsage {
        what: "characters in a trust policy (ACLSizePerRole)",
        words: "Cannot exceed quota for ACLSizePerRole:",
        quota: quotas.trust_policy_size,
        before: count(before),
        after: count(after),
        way_out: "ask AWS to raise it (up to 8192), give some subjects a role of their own, or use one pattern for many",
    }
}

/// ManagedPolicyChanges policies on one role.
pub(super) fn attached(quotas: &Quotas, before: usize, after: usize) -> QuotaUsage {
    QuotaUsage {
        what: "managed policies on a role (PoliciesPerRole)",
        words: "Cannot exceed quota for PoliciesPerRole:",
        quota: quotas.attached_policies_per_role,
        before: count(before),
        after: count(after),
        way_out: "ask AWS to raise it, join several policies into one, or use an inline policy",
    }
}

/// Characters of all inline policies of a role, as far as their sizes are known.
pub(super) fn inline_size(quotas: &Quotas, sizes: &InlineSizes) -> QuotaUsage {
    let quota = quotas.inline_policy_size.unwrap_or(count(INLINE_QUOTA));
    let way_out = if count(sizes.after) <= quota {
        "the documents fit in the end, but not beside those that they replace: remove these first, in a run of their own"
    } else {
        "put permissions into a managed policy, or shorten the documents with wildcards"
    };
    QuotaUsage {
        what: "characters in the inline policies of a role",
        words: "Maximum policy size",
        quota: Some(quota),
        before: count(sizes.before),
        after: count(sizes.most),
        way_out,
    }
}

/// Characters of the inline policies of a role, as far as their sizes are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct InlineSizes {
    before: usize,
    /// At any time while the steps are done.
    most: usize,
    after: usize,
}

impl InlineSizes {
    /// Those of a role that gets these documents and has none.
    pub(super) fn new_role<'a>(documents: impl Iterator<Item = &'a PolicyDocument>) -> Self {
        let after = documents.map(PolicyDocument::size).sum();
        Self { before: 0, most: after, after }
    }

    /// Those of a role while stages are applied. The steps of one stage may end in any order.
    pub(super) fn along(role: &ObservedRole, stages: &Stages) -> Self {
        let known = role.inline.iter().filter_map(|(name, document)| Some((name, document.as_ref()?.size())));
        let mut sizes: BTreeMap<&InlinePolicyName, usize> = known.collect();
        let before: usize = sizes.values().sum();
        let mut most = before;
        for stage in stages.iter() {
            let mut widest = sizes.clone();
            for step in stage {
                match step {
                    Step::PutInlinePolicy { name, document, .. } => {
                        let size = document.size();
                        let there = sizes.insert(name, size).unwrap_or_default();
                        widest.insert(name, size.max(there));
                    }
                    Step::DeleteInlinePolicy(name, _) => drop(sizes.remove(name)),
                    _ => {}
                }
            }
            most = most.max(widest.values().sum());
        }
        Self { before, most, after: sizes.values().sum() }
    }
}

/// Roles of the account, when one is to be made; nothing where it is not known how many there are.
pub(super) fn roles(quotas: &Quotas) -> Option<QuotaUsage> {
    quotas.roles.map(|used| QuotaUsage {
        what: "roles in the account (RolesPerAccount)",
        words: "Cannot exceed quota for RolesPerAccount:",
        quota: quotas.roles_quota,
        before: used,
        after: used + 1,
        way_out: "ask AWS to raise it, delete roles that are not used, or let several subjects share a role",
    })
}

/// Refuses one more role where the account has no room for it.
pub(crate) fn check_roles(quotas: &Quotas) -> Result<()> {
    roles(quotas).map_or(Ok(()), |need| need.check())
}

/// Tags of a role.
pub(super) fn tags(before: usize, after: usize) -> QuotaUsage {
    QuotaUsage {
        what: "tags on a role",
        words: "The number of tags has reached the maximum limit",
        quota: Some(count(MAX_TAGS)),
        before: count(before),
        after: count(after),
        way_out: "take tags away; irsa needs one for the owner, one for the origin, and one for each further subject",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_give_quota_use_need_and_way_out() {
        let quotas = Quotas { trust_policy_size: Some(2048), ..Quotas::default() };
        let error = trust_size(&quotas, 500, 3000).check().unwrap_err();
        assert_eq!(error.causes(), ["the quota is 2048, 500 in use, 3000 would be needed"]);
        assert!(
            error.kind() == ErrorKind::QuotaExceeded
                && error.hint().is_some_and(|hint| hint.to_string().contains("8192"))
        );
        assert!(trust_size(&quotas, 3100, 3000).check().is_ok(), "what shrinks is never refused");
        assert!(trust_size(&Quotas::default(), 0, 9999).check().is_ok(), "an unknown quota refuses nothing");
    }

    #[test]
    fn each_quota_counts_what_it_says() {
        let quotas =
            Quotas { attached_policies_per_role: Some(2), roles: Some(5), roles_quota: Some(5), ..Quotas::default() };
        assert!(attached(&quotas, 0, 2).check().is_ok() && attached(&quotas, 2, 3).check().is_err());
        let fewer = Quotas { roles: Some(4), ..quotas };
        assert!(roles(&quotas).unwrap().check().is_err() && roles(&fewer).unwrap().check().is_ok());
        let inline = |most: usize, after: usize| inline_size(&quotas, &InlineSizes { before: 0, most, after }).check();
        assert!(inline(10_240, 10_240).is_ok() && inline(10_241, 10_241).is_err());
        let on_the_way = inline(10_241, 5000).unwrap_err();
        assert!(on_the_way.hint().is_some_and(|hint| hint.to_string().contains("fit in the end")), "{on_the_way:?}");
        assert!(tags(0, 50).check().is_ok() && tags(50, 51).check().is_err());
    }

    #[test]
    fn a_refusal_by_iam_is_told_with_the_numbers_of_its_quota() {
        let mut plan = Plan::of_provider("x", Vec::new());
        plan.needs([trust_size(&Quotas::default(), 0, 500), attached(&Quotas::default(), 9, 11)]).unwrap();
        let refused = |cause: &str| {
            plan.explained(Error::new(ErrorKind::QuotaExceeded, "cannot attach policy p to role r").with_cause(cause))
        };
        let told = refused("LimitExceeded: Cannot exceed quota for PoliciesPerRole: 10");
        assert_eq!(told.to_string(), "cannot attach policy p to role r");
        assert_eq!(told.context(), [("used", "9".to_owned()), ("needed", "11".to_owned())]);
        assert!(
            told.hint().is_some_and(|hint| hint.to_string().contains("9 were in use, 11 would be needed")),
            "{told:?}"
        );
        assert_eq!(refused("LimitExceeded: something new").hint(), None);
    }
}
