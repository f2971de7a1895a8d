//! The sandbox as IAM: each method of the trait as one call, answered by the rules in `roles`, `providers`, `policies`.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::roles::stored;
use super::{Request, Sandbox};
use crate::backend::{
    IamBackend, InlinePolicy, ManagedPolicy, NewRole, OidcProvider, PolicyFilter, Quotas, Role, RoleDetail,
    RoleSettings,
};
use crate::error::Result;
use crate::name::{Audience, InlinePolicyName, PolicyArn, ProviderArn, RoleName};

#[async_trait]
impl IamBackend for Sandbox {
    async fn provider(&self, arn: &ProviderArn) -> Result<Option<OidcProvider>> {
        let request = Request::read("provider", arn, format!("cannot read OIDC provider {arn}"));
        self.read(request, |state| {
            Ok(state.provider(arn).map(|provider| OidcProvider {
                arn: arn.clone(),
                audiences: provider.audiences.clone(),
                tags: provider.tags.clone(),
            }))
        })
        .await
    }

    async fn providers(&self) -> Result<Vec<ProviderArn>> {
        self.read(Request::read("providers", "", "cannot list the OIDC providers"), |state| Ok(state.provider_arns()))
            .await
    }

    async fn role(&self, name: &RoleName) -> Result<Option<Role>> {
        let request = Request::read("role", name, format!("cannot read role {name}"));
        self.read(request, |state| Ok(state.role(name).map(|(name, role)| state.described(name, role)))).await
    }

    async fn attached_policies(&self, name: &RoleName) -> Result<Option<Vec<PolicyArn>>> {
        let request =
            Request::read("attached_policies", name, format!("cannot list the policies attached to role {name}"));
        self.read(request, |state| Ok(state.role(name).map(|(_, role)| role.attached.iter().cloned().collect()))).await
    }

    async fn inline_policy_names(&self, name: &RoleName) -> Result<Option<Vec<InlinePolicyName>>> {
        let request =
            Request::read("inline_policy_names", name, format!("cannot list the inline policies of role {name}"));
        self.read(request, |state| Ok(state.role(name).map(|(_, role)| role.inline.keys().cloned().collect()))).await
    }

    async fn inline_policy(&self, name: &RoleName, policy: &InlinePolicyName) -> Result<Option<InlinePolicy>> {
        let request =
            Request::read("inline_policy", name, format!("cannot read inline policy {policy} of role {name}"));
        self.read(request, |state| {
            let document = state.role(name).and_then(|(_, role)| role.inline.get(policy));
            Ok(document.map(|document| stored(policy, document)))
        })
        .await
    }

    async fn instance_profiles(&self, name: &RoleName) -> Result<Option<Vec<String>>> {
        let request =
            Request::read("instance_profiles", name, format!("cannot list the instance profiles of role {name}"));
        self.read(request, |state| Ok(state.role(name).map(|(name, _)| state.profiles_of(name)))).await
    }

    async fn roles(&self) -> Result<Vec<RoleDetail>> {
        let request = Request::read("roles", "", "cannot list the roles of the account");
        self.read(request, |state| Ok(state.roles.iter().map(|(name, role)| state.detailed(name, role)).collect()))
            .await
    }

    async fn policy(&self, arn: &PolicyArn) -> Result<Option<ManagedPolicy>> {
        let request = Request::read("policy", arn, format!("cannot read policy {arn}"));
        self.read(request, |state| Ok(state.managed_policy(arn))).await
    }

    async fn policies(&self, filter: &PolicyFilter) -> Result<Vec<ManagedPolicy>> {
        let request = match filter {
            PolicyFilter::All => Request::read("policies", "", "cannot list the managed policies"),
            PolicyFilter::Named(names) => {
                let list = names.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
                Request::read("policies", &list, format!("cannot look up the policies {list}"))
            }
        };
        self.read(request, |state| match filter {
            PolicyFilter::All => Ok(state.policies_named(&state.policy_names())),
            PolicyFilter::Named(names) => Ok(state.policies_named(names)),
        })
        .await
    }

    async fn policy_version(&self, arn: &PolicyArn, version: Option<String>) -> Result<Option<String>> {
        let request = Request::read("policy_version", arn, format!("cannot read the document of policy {arn}"));
        self.read(request, |state| Ok(state.policy_version(arn, version.as_deref()))).await
    }

    async fn quotas(&self) -> Result<Quotas> {
        let request = Request::read("quotas", "", "cannot read the quotas of the account");
        self.read(request, |state| {
            Ok(Quotas {
                roles: Some(state.roles.len() as u64),
                roles_quota: Some(state.quotas.roles_per_account),
                trust_policy_size: Some(state.quotas.trust_policy_size),
                attached_policies_per_role: Some(state.quotas.attached_policies_per_role),
                inline_policy_size: Some(state.quotas.inline_policy_size),
                providers: Some(state.providers.len() as u64),
            })
        })
        .await
    }

    async fn create_role(&self, role: &NewRole) -> Result<Role> {
        let name = role.arn.name();
        let request = Request::write("create_role", name, format!("cannot create role {name}"));
        self.write(request, |state| state.create_role(role)).await
    }

    async fn update_trust_policy(&self, name: &RoleName, document: &str) -> Result<()> {
        let request =
            Request::write("update_trust_policy", name, format!("cannot write the trust policy of role {name}"));
        self.write(request, |state| state.update_trust_policy(name, document)).await
    }

    async fn update_role(&self, name: &RoleName, settings: &RoleSettings) -> Result<()> {
        let request = Request::write("update_role", name, format!("cannot change the settings of role {name}"));
        self.write(request, |state| state.update_role(name, settings)).await
    }

    async fn put_permissions_boundary(&self, name: &RoleName, boundary: &PolicyArn) -> Result<()> {
        let operation = format!("cannot set the permissions boundary of role {name}");
        let request = Request::write("put_permissions_boundary", name, operation);
        self.write(request, |state| state.put_boundary(name, boundary)).await
    }

    async fn tag_role(&self, name: &RoleName, tags: &BTreeMap<String, String>) -> Result<()> {
        let request = Request::write("tag_role", name, format!("cannot tag role {name}"));
        self.write(request, |state| state.tag_role(name, tags)).await
    }

    async fn untag_role(&self, name: &RoleName, keys: &BTreeSet<String>) -> Result<()> {
        let request = Request::write("untag_role", name, format!("cannot take tags from role {name}"));
        self.write(request, |state| state.untag_role(name, keys)).await
    }

    async fn attach_policy(&self, name: &RoleName, policy: &PolicyArn) -> Result<()> {
        let request = Request::write("attach_policy", name, format!("cannot attach policy {policy} to role {name}"));
        self.write(request, |state| state.attach(name, policy)).await
    }

    async fn detach_policy(&self, name: &RoleName, policy: &PolicyArn) -> Result<()> {
        let request = Request::write("detach_policy", name, format!("cannot detach policy {policy} from role {name}"));
        self.write(request, |state| state.detach(name, policy)).await
    }

    async fn put_inline_policy(&self, name: &RoleName, policy: &InlinePolicyName, document: &str) -> Result<()> {
        let request =
            Request::write("put_inline_policy", name, format!("cannot write inline policy {policy} of role {name}"));
        self.write(request, |state| state.put_inline(name, policy, document)).await
    }

    async fn delete_inline_policy(&self, name: &RoleName, policy: &InlinePolicyName) -> Result<()> {
        let operation = format!("cannot delete inline policy {policy} of role {name}");
        self.write(Request::write("delete_inline_policy", name, operation), |state| state.delete_inline(name, policy))
            .await
    }

    async fn delete_role(&self, name: &RoleName) -> Result<()> {
        let request = Request::write("delete_role", name, format!("cannot delete role {name}"));
        self.write(request, |state| state.delete_role(name)).await
    }

    async fn create_provider(&self, provider: &OidcProvider) -> Result<OidcProvider> {
        let operation = format!("cannot create an OIDC provider for {}", provider.arn.issuer());
        self.write(Request::write("create_provider", &provider.arn, operation), |state| state.create_provider(provider))
            .await
    }

    async fn add_audience(&self, provider: &ProviderArn, audience: &Audience) -> Result<()> {
        let operation = format!("cannot add audience {audience} to OIDC provider {provider}");
        self.write(Request::write("add_audience", provider, operation), |state| state.add_audience(provider, audience))
            .await
    }

    async fn delete_provider(&self, provider: &ProviderArn) -> Result<()> {
        let request = Request::write("delete_provider", provider, format!("cannot delete OIDC provider {provider}"));
        self.write(request, |state| state.delete_provider(provider)).await
    }
}
