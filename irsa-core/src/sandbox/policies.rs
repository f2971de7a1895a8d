//! Managed policies: those of AWS, by name and path alone, and those of the account.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::refusal::{Answer, Refusal};
use super::state::SandboxState;
use crate::backend::ManagedPolicy;
use crate::name::PolicyArn;

/// Policies in this path can be attached to service-linked roles alone.
const SERVICE_LINKED: &str = "/aws-service-role/";

/// The paths of the AWS-managed policies, by name.
static AWS_MANAGED: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| {
    let lines = include_str!("aws-managed-policies.txt").lines().filter(|line| line.starts_with('/'));
    lines.filter_map(|line| line.rfind('/').map(|slash| (&line[slash + 1..], &line[..=slash]))).collect()
});

impl SandboxState {
    /// Whether a managed policy exists.
    pub(super) fn policy_exists(&self, arn: &PolicyArn) -> bool {
        let path = match arn.account() {
            None => AWS_MANAGED.get(arn.name()).copied(),
            Some(account) if *account == self.account => self.policies.get(arn.name()).map(|policy| &*policy.path),
            Some(_) => None,
        };
        path == Some(arn.path()) && *arn.partition() == self.partition
    }

    /// As IAM has it, an existing policy always counts as attachable, those for service-linked roles too.
    pub(super) fn managed_policy(&self, arn: &PolicyArn) -> Option<ManagedPolicy> {
        self.policy_exists(arn).then(|| ManagedPolicy { arn: arn.clone(), attachable: true })
    }

    pub(super) fn policies_named(&self, names: &BTreeSet<String>) -> Vec<PolicyArn> {
        let aws = names.iter().filter_map(|name| {
            let path = AWS_MANAGED.get(name.as_str())?;
            PolicyArn::new(&self.partition, None, path, name).ok()
        });
        let own = names.iter().filter_map(|name| {
            let policy = self.policies.get(name)?;
            PolicyArn::new(&self.partition, Some(&self.account), &policy.path, name).ok()
        });
        aws.chain(own).collect()
    }

    /// The names of the policies that can be attached to a role that is not AWS's own.
    pub(super) fn policy_names(&self) -> Vec<String> {
        let aws = AWS_MANAGED.iter().filter(|(_, path)| **path != SERVICE_LINKED).map(|(name, _)| (*name).to_owned());
        let names: BTreeSet<String> = aws.chain(self.policies.keys().cloned()).collect();
        names.into_iter().collect()
    }

    /// Refuses what cannot be attached to a role.
    pub(super) fn check_attachable(&self, arn: &PolicyArn) -> Answer<()> {
        if !self.policy_exists(arn) {
            return Err(Refusal::aws("NoSuchEntity", format!("Policy {arn} does not exist or is not attachable.")));
        }
        if arn.account().is_none() && arn.path() == SERVICE_LINKED {
            let message = "Cannot attach a Service Role Policy to a Customer Role.";
            return Err(Refusal::aws("PolicyNotAttachable", message));
        }
        Ok(())
    }

    /// Refuses what cannot be a permissions boundary.
    pub(super) fn check_boundary(&self, arn: &PolicyArn) -> Answer<()> {
        if self.policy_exists(arn) {
            return Ok(());
        }
        Err(Refusal::aws("NoSuchEntity", format!("Scope ARN: {arn} does not exist or is not attachable.")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_list_is_a_policy() {
        let state = SandboxState::default();
        let lines = include_str!("aws-managed-policies.txt").lines().filter(|line| !line.starts_with('#'));
        let mut count = 0;
        for line in lines {
            let arn: PolicyArn = format!("arn:aws:iam::aws:policy{line}").parse().unwrap();
            assert!(state.policy_exists(&arn), "{line} stands twice, or in two paths");
            count += 1;
        }
        assert_eq!(count, AWS_MANAGED.len());
        assert!(count > 1500);
    }

    #[test]
    fn policies_are_found_in_any_path() {
        let mut state = SandboxState::default();
        state.policies.insert("ReadOnlyAccess".to_owned(), super::super::PolicyState { path: "/team/".to_owned() });
        let named = |name: &str| -> Vec<String> {
            state.policies_named(&[name.to_owned()].into()).iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            named("AmazonEBSCSIDriverPolicy"),
            ["arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"]
        );
        let both = ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::123456789012:policy/team/ReadOnlyAccess"];
        assert_eq!(named("ReadOnlyAccess"), both);
        assert!(named("AmazonS3ReadOnlyAcces").is_empty());
        assert!(state.policy_names().contains(&"AmazonS3ReadOnlyAccess".to_owned()));
    }

    #[test]
    fn a_policy_is_only_there_in_its_own_path_account_and_partition() {
        let state = SandboxState::default();
        for absent in [
            "arn:aws:iam::aws:policy/AmazonEBSCSIDriverPolicy",
            "arn:aws-cn:iam::aws:policy/ReadOnlyAccess",
            "arn:aws:iam::123456789012:policy/ReadOnlyAccess",
            "arn:aws:iam::210987654321:policy/ReadOnlyAccess",
        ] {
            assert!(!state.policy_exists(&absent.parse().unwrap()), "{absent}");
        }
    }
}
