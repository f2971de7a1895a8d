//! Managed policies by name.

use aws_sdk_iam::types::PolicyScopeType;
use futures::future::try_join;

use super::AwsBackend;
use super::answer::managed_policy;
use super::call::PAGE;
use crate::backend::{ManagedPolicy, PolicyFilter, PolicyScope, policies_named};
use crate::error::Result;

impl AwsBackend {
    /// The policies that a filter selects.
    pub(super) async fn policies_by(&self, filter: &PolicyFilter) -> Result<Vec<ManagedPolicy>> {
        match filter {
            PolicyFilter::Named(names) => {
                policies_named(self, &self.partition, names, |scope| self.policies_in(scope)).await
            }
            PolicyFilter::All => {
                let lists = try_join(self.policies_in(PolicyScope::Aws), self.policies_in(PolicyScope::Local));
                let (mut all, own) = lists.await?;
                all.extend(own);
                Ok(all)
            }
        }
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
