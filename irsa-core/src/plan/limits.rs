//! Quotas: what the plan would need against what IAM allows, before the first write.

use crate::backend::Quotas;
use crate::binding::{INLINE_QUOTA, MOST_TAGS};
use crate::error::{Error, ErrorKind, Result};

/// A quota that would be exceeded: what of what, how much is there, how much would be needed, and the way out.
fn exceeded(what: &str, quota: u64, used: impl std::fmt::Display, needed: u64, way_out: &str) -> Error {
    Error::new(ErrorKind::QuotaExceeded, format!("the quota of {what} would be exceeded"))
        .with_code("LimitExceeded")
        .with_cause(format!("the quota is {quota}, {used} in use, {needed} would be needed"))
        .with_context("quota", quota.to_string())
        .with_context("needed", needed.to_string())
        .with_hint(way_out.to_owned())
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Characters of a trust policy; `before` is its size now. One that does not grow is let be.
pub(super) fn check_trust_size(quotas: &Quotas, before: usize, after: usize) -> Result<()> {
    match quotas.trust_policy_size {
        Some(quota) if count(after) > quota && after > before => Err(exceeded(
            "characters in a trust policy (ACLSizePerRole)",
            quota,
            before,
            count(after),
            "ask AWS to raise it (up to 8192), give some subjects a role of their own, or use one pattern for many",
        )),
        _ => Ok(()),
    }
}

/// Managed policies on one role.
pub(super) fn check_attached(quotas: &Quotas, before: usize, after: usize) -> Result<()> {
    match quotas.attached_policies_per_role {
        Some(quota) if count(after) > quota && after > before => Err(exceeded(
            "managed policies on a role (PoliciesPerRole)",
            quota,
            before,
            count(after),
            "ask AWS to raise it, join several policies into one, or use an inline policy",
        )),
        _ => Ok(()),
    }
}

/// Characters of all inline policies of a role; `after` counts those whose size is known.
pub(super) fn check_inline_size(quotas: &Quotas, before: usize, after: usize) -> Result<()> {
    let quota = quotas.inline_policy_size.unwrap_or(count(INLINE_QUOTA));
    if count(after) > quota && after > before {
        let way_out = "put permissions into a managed policy, or shorten the documents with wildcards";
        return Err(exceeded("characters in the inline policies of a role", quota, before, count(after), way_out));
    }
    Ok(())
}

/// Roles of the account, when one is to be made.
pub(crate) fn check_roles(quotas: &Quotas) -> Result<()> {
    match (quotas.roles, quotas.roles_quota) {
        (Some(used), Some(quota)) if used >= quota => {
            let way_out = "ask AWS to raise it, delete roles that are not used, or let several subjects share a role";
            Err(exceeded("roles in the account (RolesPerAccount)", quota, used, used + 1, way_out))
        }
        _ => Ok(()),
    }
}

/// Tags of a role.
pub(super) fn check_tags(before: usize, after: usize) -> Result<()> {
    if after > MOST_TAGS && after > before {
        let way_out =
            "take tags away; irsa needs one for the owner, one for the origin, and one for each further subject";
        return Err(exceeded("tags on a role", count(MOST_TAGS), before, count(after), way_out));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_give_quota_use_need_and_way_out() {
        let quotas = Quotas { trust_policy_size: Some(2048), ..Quotas::default() };
        let error = check_trust_size(&quotas, 500, 3000).unwrap_err();
        assert_eq!(error.causes(), ["the quota is 2048, 500 in use, 3000 would be needed"]);
        assert!(error.kind() == ErrorKind::QuotaExceeded && error.hint().is_some_and(|hint| hint.contains("8192")));
        assert!(check_trust_size(&quotas, 3100, 3000).is_ok(), "what shrinks is never refused");
        assert!(check_trust_size(&Quotas::default(), 0, 9999).is_ok(), "an unknown quota refuses nothing");
    }

    #[test]
    fn each_quota_counts_what_it_says() {
        let quotas =
            Quotas { attached_policies_per_role: Some(2), roles: Some(5), roles_quota: Some(5), ..Quotas::default() };
        assert!(check_attached(&quotas, 0, 2).is_ok() && check_attached(&quotas, 2, 3).is_err());
        assert!(check_roles(&quotas).is_err() && check_roles(&Quotas { roles: Some(4), ..quotas }).is_ok());
        assert!(check_inline_size(&quotas, 0, 10_240).is_ok() && check_inline_size(&quotas, 0, 10_241).is_err());
        assert!(check_tags(0, 50).is_ok() && check_tags(50, 51).is_err());
    }
}
