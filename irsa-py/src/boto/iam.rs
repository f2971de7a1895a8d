//! IAM by boto3: one action a method, as the AWS back end has them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use irsa_core::Result;
use irsa_core::backend::{
    AwsCall, Difference, IamBackend, InlinePolicy, ManagedPolicy, NewRole, OidcProvider, PolicyFilter, PolicyScope,
    Quotas, Role, RoleDetail, RoleSettings, is_finished, join_settings, policies_named, stored_differently,
    version_to_read,
};
use irsa_core::name::{Audience, InlinePolicyName, PolicyArn, ProviderArn, RoleName};
use serde_json::{Value, json};

use super::answer::{
    CreatedProvider, DetailAnswer, InlineAnswer, OneDescription, OnePolicy, OneRole, OneVersion, PolicyAnswer,
    ProfileAnswer, ProviderAnswer, ProviderList, RoleAnswer, Summary, policy_arns, tags,
};
use super::call::Method;
use super::{Boto3Backend, keywords};

/// What IAM says of what does not exist (IAM API reference, "Errors" of each action).
const ABSENT: &str = "NoSuchEntity";

impl Boto3Backend {
    fn iam<'a>(&'a self, name: &'static str, action: &'static str, doing: impl Into<String>) -> Method<'a> {
        Method { client: &self.clients.iam, name, call: AwsCall::iam(action, doing), calls: &self.calls }
    }

    async fn policies_in(&self, scope: PolicyScope) -> Result<Vec<ManagedPolicy>> {
        let scope = match scope {
            PolicyScope::Aws => "AWS",
            PolicyScope::Local => "Local",
        };
        let method = self.iam("list_policies", "ListPolicies", "cannot list the managed policies");
        let policies: Option<Vec<PolicyAnswer>> = method.pages(keywords!["Scope": scope], "Policies", None).await?;
        policies.unwrap_or_default().iter().map(|policy| policy.managed(&method.call)).collect()
    }

    async fn role_details(&self) -> Result<Vec<RoleDetail>> {
        let method = self.iam(
            "get_account_authorization_details",
            "GetAccountAuthorizationDetails",
            "cannot read the roles of the account",
        );
        let details = method.pages::<DetailAnswer>(keywords!["Filter": ["Role"]], "RoleDetailList", None).await?;
        // A role without an ARN is still being made: the list is one of a moment before.
        let finished = details.unwrap_or_default().into_iter().filter(|detail| is_finished(&detail.arn));
        finished.map(|detail| detail.detail(&method.call)).collect()
    }

    async fn role_settings(&self) -> Result<HashMap<String, RoleSettings>> {
        let method = self.iam("list_roles", "ListRoles", "cannot list the roles of the account");
        let roles = method.pages::<RoleAnswer>(keywords![], "Roles", None).await?.unwrap_or_default();
        let settings = roles.into_iter().map(|role| {
            let max_session_duration = Some(method.call.session(role.max_session_duration)?);
            Ok((role.role_name, RoleSettings { description: role.description, max_session_duration }))
        });
        settings.collect()
    }
}

#[async_trait]
impl IamBackend for Boto3Backend {
    async fn provider(&self, arn: &ProviderArn) -> Result<Option<OidcProvider>> {
        let doing = format!("cannot read OIDC provider {arn}");
        let method = self.iam("get_open_id_connect_provider", "GetOpenIDConnectProvider", doing);
        let asked = keywords!["OpenIDConnectProviderArn": arn.to_string()];
        let found = method.find::<ProviderAnswer>(asked, ABSENT).await?;
        Ok(found.map(|found| OidcProvider { arn: arn.clone(), audiences: found.audiences, tags: tags(found.tags) }))
    }

    async fn providers(&self) -> Result<Vec<ProviderArn>> {
        let doing = "cannot list the OIDC providers";
        let method = self.iam("list_open_id_connect_providers", "ListOpenIDConnectProviders", doing);
        let list: ProviderList = method.send(keywords![]).await?;
        // Identity providers of any kind are in this list, and some have hosts that no issuer of a cluster has.
        Ok(list.providers.iter().filter_map(|entry| entry.arn.as_deref()?.parse().ok()).collect())
    }

    async fn role(&self, name: &RoleName) -> Result<Option<Role>> {
        let method = self.iam("get_role", "GetRole", format!("cannot read role {name}"));
        let found = method.find::<OneRole>(keywords!["RoleName": name.as_str()], ABSENT).await?;
        found.map(|found| found.role.role(&method.call)).transpose()
    }

    async fn attached_policies(&self, name: &RoleName) -> Result<Option<Vec<PolicyArn>>> {
        let doing = format!("cannot list the policies attached to role {name}");
        let method = self.iam("list_attached_role_policies", "ListAttachedRolePolicies", doing);
        let asked = keywords!["RoleName": name.as_str()];
        let found = method.pages::<PolicyAnswer>(asked, "AttachedPolicies", Some(ABSENT)).await?;
        found.map(|policies| policy_arns(&method.call, &policies)).transpose()
    }

    async fn inline_policy_names(&self, name: &RoleName) -> Result<Option<Vec<InlinePolicyName>>> {
        let doing = format!("cannot list the inline policies of role {name}");
        let method = self.iam("list_role_policies", "ListRolePolicies", doing);
        let asked = keywords!["RoleName": name.as_str()];
        let found = method.pages::<String>(asked, "PolicyNames", Some(ABSENT)).await?;
        let parsed = |names: Vec<String>| {
            names.iter().map(|name| method.call.parsed("inline policy", Some(name))).collect::<Result<_>>()
        };
        found.map(parsed).transpose()
    }

    async fn inline_policy(&self, name: &RoleName, policy: &InlinePolicyName) -> Result<Option<InlinePolicy>> {
        let doing = format!("cannot read inline policy {policy} of role {name}");
        let method = self.iam("get_role_policy", "GetRolePolicy", doing);
        let asked = keywords!["RoleName": name.as_str(), "PolicyName": policy.as_str()];
        let found = method.find::<InlineAnswer>(asked, ABSENT).await?;
        found.map(|found| found.policy(&method.call)).transpose()
    }

    async fn instance_profiles(&self, name: &RoleName) -> Result<Option<Vec<String>>> {
        let doing = format!("cannot list the instance profiles of role {name}");
        let method = self.iam("list_instance_profiles_for_role", "ListInstanceProfilesForRole", doing);
        let asked = keywords!["RoleName": name.as_str()];
        let found = method.pages::<ProfileAnswer>(asked, "InstanceProfiles", Some(ABSENT)).await?;
        Ok(found.map(|profiles| profiles.into_iter().map(|profile| profile.instance_profile_name).collect()))
    }

    async fn roles(&self) -> Result<Vec<RoleDetail>> {
        let (details, settings) = tokio::try_join!(self.role_details(), self.role_settings())?;
        join_settings(self, details, settings).await
    }

    async fn policy(&self, arn: &PolicyArn) -> Result<Option<ManagedPolicy>> {
        let method = self.iam("get_policy", "GetPolicy", format!("cannot read policy {arn}"));
        let found = method.find::<OnePolicy>(keywords!["PolicyArn": arn.to_string()], ABSENT).await?;
        let Some(OnePolicy { policy }) = found else { return Ok(None) };
        policy.managed(&method.call).map(Some)
    }

    async fn policies(&self, filter: &PolicyFilter) -> Result<Vec<ManagedPolicy>> {
        match filter {
            PolicyFilter::Named(names) => {
                policies_named(self, &self.partition, names, |scope| self.policies_in(scope)).await
            }
            PolicyFilter::All => {
                let lists = tokio::try_join!(self.policies_in(PolicyScope::Aws), self.policies_in(PolicyScope::Local));
                let (mut all, own) = lists?;
                all.extend(own);
                Ok(all)
            }
        }
    }

    async fn policy_version(&self, arn: &PolicyArn, version: Option<String>) -> Result<Option<String>> {
        let Some(version) = version_to_read(self, arn, version).await? else { return Ok(None) };
        let doing = format!("cannot read version {version} of policy {arn}");
        let method = self.iam("get_policy_version", "GetPolicyVersion", doing);
        let asked = keywords!["PolicyArn": arn.to_string(), "VersionId": version.as_str()];
        let found = method.find::<OneVersion>(asked, ABSENT).await?;
        found.map(|found| found.document(&method.call)).transpose()
    }

    async fn quotas(&self) -> Result<Quotas> {
        let method = self.iam("get_account_summary", "GetAccountSummary", "cannot read the quotas of the account");
        let summary: Summary = method.send(keywords![]).await?;
        let number = |key: &str| summary.numbers.get(key).and_then(|number| u64::try_from(*number).ok());
        Ok(Quotas {
            roles: number("Roles"),
            roles_quota: number("RolesQuota"),
            trust_policy_size: number("AssumeRolePolicySizeQuota"),
            attached_policies_per_role: number("AttachedPoliciesPerRoleQuota"),
            inline_policy_size: number("RolePolicySizeQuota"),
            providers: number("Providers"),
        })
    }

    async fn create_role(&self, role: &NewRole) -> Result<Role> {
        let name = role.arn.name();
        let method = self.iam("create_role", "CreateRole", format!("cannot create role {name}"));
        let mut wanted = keywords![
            "RoleName": name.as_str(),
            "Path": role.arn.path().as_str(),
            "AssumeRolePolicyDocument": role.trust_policy.as_str(),
        ];
        let optional = [
            ("Description", role.description.clone().map(Value::from)),
            ("MaxSessionDuration", role.max_session_duration.map(Value::from)),
            ("PermissionsBoundary", role.permissions_boundary.as_ref().map(|arn| Value::from(arn.to_string()))),
            ("Tags", tag_list(&role.tags)),
        ];
        wanted.extend(optional.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
        let created: OneRole = method.send(wanted).await?;
        created.role.created(&method.call, role)
    }

    async fn update_trust_policy(&self, name: &RoleName, document: &str) -> Result<()> {
        let doing = format!("cannot write the trust policy of role {name}");
        let method = self.iam("update_assume_role_policy", "UpdateAssumeRolePolicy", doing);
        method.done(keywords!["RoleName": name.as_str(), "PolicyDocument": document]).await
    }

    async fn update_role(&self, name: &RoleName, settings: &RoleSettings) -> Result<()> {
        let doing = format!("cannot change the settings of role {name}");
        let mut wanted = keywords!["RoleName": name.as_str()];
        if let Some(description) = &settings.description {
            wanted.insert("Description".to_owned(), description.as_str().into());
        }
        // `update_role` without a session length sets it to one hour (IAM API reference, `UpdateRole`).
        match (&settings.description, settings.max_session_duration) {
            (None, None) => Ok(()),
            (Some(description), None) => {
                let method = self.iam("update_role_description", "UpdateRoleDescription", doing);
                let told: Option<OneDescription> = method.send(wanted).await?;
                let told = told.and_then(OneDescription::text);
                let difference = told.and_then(|told| Difference::of("description", description, Some(told)));
                stored_differently(format!("role {name}"), difference.as_slice()).map_or(Ok(()), Err)
            }
            (_, Some(longest)) => {
                wanted.insert("MaxSessionDuration".to_owned(), longest.into());
                self.iam("update_role", "UpdateRole", doing).done(wanted).await
            }
        }
    }

    async fn put_permissions_boundary(&self, name: &RoleName, boundary: &PolicyArn) -> Result<()> {
        let doing = format!("cannot set the permissions boundary of role {name}");
        let method = self.iam("put_role_permissions_boundary", "PutRolePermissionsBoundary", doing);
        method.done(keywords!["RoleName": name.as_str(), "PermissionsBoundary": boundary.to_string()]).await
    }

    async fn tag_role(&self, name: &RoleName, wanted: &BTreeMap<String, String>) -> Result<()> {
        let Some(wanted) = tag_list(wanted) else { return Ok(()) };
        let method = self.iam("tag_role", "TagRole", format!("cannot tag role {name}"));
        method.done(keywords!["RoleName": name.as_str(), "Tags": wanted]).await
    }

    async fn untag_role(&self, name: &RoleName, keys: &BTreeSet<String>) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let method = self.iam("untag_role", "UntagRole", format!("cannot take tags from role {name}"));
        method.done(keywords!["RoleName": name.as_str(), "TagKeys": keys]).await
    }

    async fn attach_policy(&self, name: &RoleName, policy: &PolicyArn) -> Result<()> {
        let doing = format!("cannot attach policy {policy} to role {name}");
        let method = self.iam("attach_role_policy", "AttachRolePolicy", doing);
        method.done(keywords!["RoleName": name.as_str(), "PolicyArn": policy.to_string()]).await
    }

    async fn detach_policy(&self, name: &RoleName, policy: &PolicyArn) -> Result<()> {
        let doing = format!("cannot detach policy {policy} from role {name}");
        let method = self.iam("detach_role_policy", "DetachRolePolicy", doing);
        method.done(keywords!["RoleName": name.as_str(), "PolicyArn": policy.to_string()]).await
    }

    async fn put_inline_policy(&self, name: &RoleName, policy: &InlinePolicyName, document: &str) -> Result<()> {
        let doing = format!("cannot write inline policy {policy} of role {name}");
        let method = self.iam("put_role_policy", "PutRolePolicy", doing);
        let wanted = keywords!["RoleName": name.as_str(), "PolicyName": policy.as_str(), "PolicyDocument": document];
        method.done(wanted).await
    }

    async fn delete_inline_policy(&self, name: &RoleName, policy: &InlinePolicyName) -> Result<()> {
        let doing = format!("cannot delete inline policy {policy} of role {name}");
        let method = self.iam("delete_role_policy", "DeleteRolePolicy", doing);
        method.done(keywords!["RoleName": name.as_str(), "PolicyName": policy.as_str()]).await
    }

    async fn delete_role(&self, name: &RoleName) -> Result<()> {
        let method = self.iam("delete_role", "DeleteRole", format!("cannot delete role {name}"));
        method.done(keywords!["RoleName": name.as_str()]).await
    }

    async fn create_provider(&self, provider: &OidcProvider) -> Result<OidcProvider> {
        let issuer = provider.arn.issuer();
        let doing = format!("cannot create an OIDC provider for {issuer}");
        let method = self.iam("create_open_id_connect_provider", "CreateOpenIDConnectProvider", doing);
        let mut wanted = keywords!["Url": issuer.url(), "ClientIDList": provider.audiences];
        wanted.extend(tag_list(&provider.tags).map(|tags| ("Tags".to_owned(), tags)));
        let created: Option<CreatedProvider> = method.send(wanted).await?;
        created.unwrap_or_default().provider(&method.call, provider)
    }

    async fn add_audience(&self, provider: &ProviderArn, audience: &Audience) -> Result<()> {
        let doing = format!("cannot add audience {audience} to OIDC provider {provider}");
        let method = self.iam("add_client_id_to_open_id_connect_provider", "AddClientIDToOpenIDConnectProvider", doing);
        let wanted = keywords!["OpenIDConnectProviderArn": provider.to_string(), "ClientID": audience.as_str()];
        method.done(wanted).await
    }

    async fn delete_provider(&self, provider: &ProviderArn) -> Result<()> {
        let doing = format!("cannot delete OIDC provider {provider}");
        let method = self.iam("delete_open_id_connect_provider", "DeleteOpenIDConnectProvider", doing);
        method.done(keywords!["OpenIDConnectProviderArn": provider.to_string()]).await
    }
}

/// Tags as IAM takes them; nothing where there are none.
fn tag_list(tags: &BTreeMap<String, String>) -> Option<Value> {
    let list: Vec<Value> = tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    (!list.is_empty()).then_some(Value::Array(list))
}
