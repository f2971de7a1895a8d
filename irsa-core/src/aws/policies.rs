//! Managed policies by name.

use std::collections::BTreeSet;

use aws_sdk_iam::types::PolicyScopeType;
use futures::future::try_join;

use super::AwsBackend;
use super::answer::managed_policy;
use super::call::PAGE;
use crate::backend::{ManagedPolicy, PolicyScope, policies_named};
use crate::error::Result;

impl AwsBackend {
    /// The policies of these names.
    pub(super) async fn policies_of(&self, names: &BTreeSet<String>) -> Result<Vec<ManagedPolicy>> {
        policies_named(self, &self.partition, names, |scope| self.policies_in(scope)).await
    }

    /// All names, of AWS and of the account.
    pub(super) async fn every_policy_name(&self) -> Result<Vec<String>> {
        let lists = try_join(self.policies_in(PolicyScope::Aws), self.policies_in(PolicyScope::Local));
        let (aws, own) = lists.await?;
        Ok(aws.iter().chain(&own).map(|policy| policy.arn.name().to_owned()).collect())
    }

    async fn policies_in(&self, scope: PolicyScope) -> Result<Vec<ManagedPolicy>> {
        let scope = match scope {
            PolicyScope::Aws => PolicyScopeType::Aws,
            PolicyScope::Local => PolicyScopeType::Local,
        };
        let call = self.iam_call("ListPolicies", "cannot list the managed policies");
        let request = self.iam.list_policies().scope(scope).max_items(PAGE);
        let policies = call.pages(
            |_| false,
            |marker| request.clone().set_marker(marker).send(),
            |page| (page.policies.unwrap_or_default(), page.is_truncated, page.marker),
        );
        let policies = policies.await?.unwrap_or_default();
        policies.into_iter().map(|policy| managed_policy(&call, policy)).collect()
    }
}
