//! The account as a fleet reads it: every role from one list, managed policies, providers and quotas asked for once. Where
//! the list may not be read, roles are read one by one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::memo::Memo;
use crate::backend::{
    IamBackend, InlinePolicy, ManagedPolicy, NewRole, OidcProvider, PolicyFilter, Quotas, Role, RoleDetail,
    RoleSettings, wrap_iam,
};
use crate::error::Result;
use crate::name::{Audience, InlinePolicyName, PolicyArn, PolicyRef, ProviderArn, RoleName};
use crate::request::Request;

/// Up to so many policies are looked up by ARN one by one; for more, the list of names is read.
const LIST_THRESHOLD: usize = 8;

/// The path of policies that belong to services and cannot be attached to roles of others.
const OF_SERVICES: &str = "/aws-service-role/";

/// IAM for the time of one plan. Writes go through; what was read does not show them.
#[derive(Debug)]
pub(crate) struct IamSnapshot {
    inner: Arc<dyn IamBackend>,
    /// By name in lower case, since IAM's names are unique without regard to case.
    roles: Option<HashMap<String, RoleDetail>>,
    /// Policies that are on some role: they exist and can be attached.
    attached: HashSet<PolicyArn>,
    /// The names of all policies that will be asked for together.
    names: BTreeSet<String>,
    named: Memo<(), Arc<Vec<ManagedPolicy>>>,
    all: Memo<(), Vec<ManagedPolicy>>,
    policies: Memo<PolicyArn, Option<ManagedPolicy>>,
    versions: Memo<(PolicyArn, Option<String>), Option<String>>,
    providers: Memo<ProviderArn, Option<OidcProvider>>,
    quotas: Memo<(), Quotas>,
}

impl IamSnapshot {
    /// IAM with what was read of all roles, if that was.
    pub(crate) fn new(inner: Arc<dyn IamBackend>, roles: Option<Vec<RoleDetail>>, requests: &[Request]) -> Self {
        let of_role = roles.iter().flatten().flat_map(|detail| detail.attached.iter());
        let attached: HashSet<PolicyArn> = of_role.filter(|arn| arn.path() != OF_SERVICES).cloned().collect();
        let (mut names, mut unknown) = (BTreeSet::new(), BTreeSet::new());
        for request in requests {
            unknown.extend(request.binding.permissions_boundary.iter());
            for policy in &request.binding.policies {
                match policy {
                    PolicyRef::Arn(arn) => drop(unknown.insert(arn)),
                    PolicyRef::Name { name, .. } => drop(names.insert(name.clone())),
                }
            }
        }
        unknown.retain(|arn| !attached.contains(*arn));
        if unknown.len() > LIST_THRESHOLD {
            names.extend(unknown.iter().map(|arn| arn.name().to_owned()));
        }
        let by_name = |detail: RoleDetail| (detail.role.arn.name().as_str().to_ascii_lowercase(), detail);
        let roles = roles.map(|roles| roles.into_iter().map(by_name).collect());
        Self {
            inner,
            roles,
            attached,
            names,
            named: Memo::default(),
            all: Memo::default(),
            policies: Memo::default(),
            versions: Memo::default(),
            providers: Memo::default(),
            quotas: Memo::default(),
        }
    }

    /// What the list says of a role: nothing where there is no list.
    fn listed(&self, name: &RoleName) -> Option<Option<&RoleDetail>> {
        self.roles.as_ref().map(|roles| roles.get(&name.as_str().to_ascii_lowercase()))
    }

    async fn every_named(&self) -> Result<Arc<Vec<ManagedPolicy>>> {
        let ask = async { self.inner.policies(&PolicyFilter::Named(self.names.clone())).await.map(Arc::new) };
        self.named.get_or_fetch(&(), ask).await
    }

    /// A policy that the list of names tells of and that can be attached.
    async fn in_list(&self, arn: &PolicyArn) -> Option<ManagedPolicy> {
        if arn.path() == OF_SERVICES || !self.names.contains(arn.name()) {
            return None;
        }
        self.every_named().await.ok()?.iter().find(|known| known.arn == *arn).cloned()
    }
}

wrap_iam! {
    impl IamBackend for IamSnapshot;
    writes by |snapshot| snapshot.inner;

    async fn provider(&self, arn: &ProviderArn) -> Result<Option<OidcProvider>> {
        self.providers.get_or_fetch(arn, self.inner.provider(arn)).await
    }

    async fn providers(&self) -> Result<Vec<ProviderArn>> {
        self.inner.providers().await
    }

    async fn role(&self, name: &RoleName) -> Result<Option<Role>> {
        match self.listed(name) {
            Some(listed) => Ok(listed.map(|detail| detail.role.clone())),
            None => self.inner.role(name).await,
        }
    }

    async fn attached_policies(&self, name: &RoleName) -> Result<Option<Vec<PolicyArn>>> {
        match self.listed(name) {
            Some(listed) => Ok(listed.map(|detail| detail.attached.clone())),
            None => self.inner.attached_policies(name).await,
        }
    }

    async fn inline_policy_names(&self, name: &RoleName) -> Result<Option<Vec<InlinePolicyName>>> {
        match self.listed(name) {
            Some(listed) => Ok(listed.map(|detail| detail.inline.iter().map(|policy| policy.name.clone()).collect())),
            None => self.inner.inline_policy_names(name).await,
        }
    }

    async fn inline_policy(&self, name: &RoleName, policy: &InlinePolicyName) -> Result<Option<InlinePolicy>> {
        match self.listed(name) {
            Some(listed) => {
                Ok(listed.and_then(|detail| detail.inline.iter().find(|known| known.name == *policy)).cloned())
            }
            None => self.inner.inline_policy(name, policy).await,
        }
    }

    async fn instance_profiles(&self, name: &RoleName) -> Result<Option<Vec<String>>> {
        match self.listed(name) {
            Some(listed) => Ok(listed.map(|detail| detail.instance_profiles.clone())),
            None => self.inner.instance_profiles(name).await,
        }
    }

    async fn roles(&self) -> Result<Vec<RoleDetail>> {
        match &self.roles {
            Some(roles) => Ok(roles.values().cloned().collect()),
            None => self.inner.roles().await,
        }
    }

    async fn policy(&self, arn: &PolicyArn) -> Result<Option<ManagedPolicy>> {
        if self.attached.contains(arn) {
            return Ok(Some(ManagedPolicy { arn: arn.clone(), attachable: true, default_version: None }));
        }
        let ask = async {
            match self.in_list(arn).await {
                Some(known) => Ok(Some(known)),
                None => self.inner.policy(arn).await,
            }
        };
        self.policies.get_or_fetch(arn, ask).await
    }

    async fn policies(&self, filter: &PolicyFilter) -> Result<Vec<ManagedPolicy>> {
        let names = match filter {
            PolicyFilter::All => return self.all.get_or_fetch(&(), self.inner.policies(filter)).await,
            PolicyFilter::Named(names) if names.is_subset(&self.names) => names,
            PolicyFilter::Named(_) => return self.inner.policies(filter).await,
        };
        match self.every_named().await {
            Ok(known) => Ok(known.iter().filter(|policy| names.contains(policy.arn.name())).cloned().collect()),
            // One name that cannot be told must not stand in the way of the others.
            Err(_) => self.inner.policies(filter).await,
        }
    }

    async fn policy_version(&self, arn: &PolicyArn, version: Option<String>) -> Result<Option<String>> {
        let question = (arn.clone(), version.clone());
        self.versions.get_or_fetch(&question, self.inner.policy_version(arn, version)).await
    }

    async fn quotas(&self) -> Result<Quotas> {
        self.quotas.get_or_fetch(&(), self.inner.quotas()).await
    }
}
