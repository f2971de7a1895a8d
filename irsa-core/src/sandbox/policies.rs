//! Managed policies: those of AWS, by name and path alone, and those of the account.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::responses::{Answer, Refusal};
use super::state::{PolicyState, SandboxState};
use crate::backend::ManagedPolicy;
use crate::name::PolicyArn;

/// Policies in this path can be attached to service-linked roles alone.
const SERVICE_LINKED: &str = "/aws-service-role/";

/// The one version that a policy of the sandbox has.
const VERSION: &str = "v1";

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
        self.policy_exists(arn).then(|| ManagedPolicy {
            arn: arn.clone(),
            attachable: true,
            default_version: Some(VERSION.to_owned()),
        })
    }

    /// The document of a version, or of the one in effect. Of the AWS-managed policies only is known whether they deny.
    pub(super) fn policy_version(&self, arn: &PolicyArn, version: Option<&str>) -> Option<String> {
        if version.is_some_and(|version| version != VERSION) || !self.policy_exists(arn) {
            return None;
        }
        let own = arn.account().and_then(|_| self.policies.get(arn.name()));
        Some(own.map_or_else(|| aws_document(arn.name()), PolicyState::in_effect).to_string())
    }

    pub(super) fn policies_named(&self, names: &BTreeSet<String>) -> Vec<ManagedPolicy> {
        let aws = names.iter().filter_map(|name| {
            let path = AWS_MANAGED.get(name.as_str())?;
            PolicyArn::new(&self.partition, None, path, name).ok()
        });
        let own = names.iter().filter_map(|name| {
            let policy = self.policies.get(name)?;
            PolicyArn::new(&self.partition, Some(&self.account), &policy.path, name).ok()
        });
        aws.chain(own).filter_map(|arn| self.managed_policy(&arn)).collect()
    }

    /// The names of the policies that can be attached to a role that is not AWS's own.
    pub(super) fn policy_names(&self) -> BTreeSet<String> {
        let aws = AWS_MANAGED.iter().filter(|(_, path)| **path != SERVICE_LINKED).map(|(name, _)| (*name).to_owned());
        aws.chain(self.policies.keys().cloned()).collect()
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

impl PolicyState {
    fn in_effect(&self) -> Value {
        self.document.clone().unwrap_or_else(|| of_one_statement("Allow", "s3:ListBucket"))
    }
}

/// What stands for the document of an AWS-managed policy. Those that deny say so by their names (AWS Managed Policy
/// reference guide, `AWSDenyAll` and `AWSCompromisedKeyQuarantine`).
fn aws_document(name: &str) -> Value {
    let denies = name == "AWSDenyAll" || name.starts_with("AWSCompromisedKeyQuarantine");
    of_one_statement(if denies { "Deny" } else { "Allow" }, "*")
}

fn of_one_statement(effect: &str, action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": "*"}]})
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
        state
            .policies
            .insert("ReadOnlyAccess".to_owned(), PolicyState { path: "/team/".to_owned(), ..PolicyState::default() });
        let named = |name: &str| -> Vec<String> {
            state.policies_named(&[name.to_owned()].into()).iter().map(|policy| policy.arn.to_string()).collect()
        };
        assert_eq!(
            named("AmazonEBSCSIDriverPolicy"),
            ["arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"]
        );
        let both = ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::123456789012:policy/team/ReadOnlyAccess"];
        assert_eq!(named("ReadOnlyAccess"), both);
        assert!(named("AmazonS3ReadOnlyAcces").is_empty());
        assert!(state.policy_names().contains("AmazonS3ReadOnlyAccess"));
    }

    #[test]
    fn only_the_version_in_effect_has_a_document() {
        let state = SandboxState::default();
        let document = |name: &str, version: &str| {
            let text =
                state.policy_version(&format!("arn:aws:iam::aws:policy/{name}").parse().unwrap(), Some(version))?;
            crate::PolicyDocument::parse(&text).ok()
        };
        assert_eq!(document("AWSDenyAll", "v1").map(|document| document.has_deny()), Some(true));
        assert_eq!(document("ReadOnlyAccess", "v1").map(|document| document.has_deny()), Some(false));
        assert!(document("ReadOnlyAccess", "v2").is_none() && document("Unknown", "v1").is_none());
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
