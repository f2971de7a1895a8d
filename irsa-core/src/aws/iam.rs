//! IAM: one action a method; what takes several is in `roles` and `policies`.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_iam::operation::get_open_id_connect_provider::GetOpenIDConnectProviderError;
use aws_sdk_iam::operation::get_policy::GetPolicyError;
use aws_sdk_iam::operation::get_policy_version::GetPolicyVersionError;
use aws_sdk_iam::operation::get_role::GetRoleError;
use aws_sdk_iam::operation::get_role_policy::GetRolePolicyError;
use aws_sdk_iam::operation::list_attached_role_policies::ListAttachedRolePoliciesError;
use aws_sdk_iam::operation::list_instance_profiles_for_role::ListInstanceProfilesForRoleError;
use aws_sdk_iam::operation::list_role_policies::ListRolePoliciesError;
use aws_sdk_iam::types::{SummaryKeyType, Tag};

use super::AwsBackend;
use super::answer;
use super::call::PAGE;
use crate::backend::{
    Difference, IamBackend, InlinePolicy, ManagedPolicy, NewRole, OidcProvider, PolicyFilter, Quotas, Role, RoleDetail,
    RoleSettings, stored_differently, version_to_read,
};
use crate::error::{Error, ErrorKind, Result};
use crate::name::{Audience, InlinePolicyName, PolicyArn, ProviderArn, RoleName};

#[async_trait]
impl IamBackend for AwsBackend {
    async fn provider(&self, arn: &ProviderArn) -> Result<Option<OidcProvider>> {
        let call = self.iam_call("GetOpenIDConnectProvider", format!("cannot read OIDC provider {arn}"));
        let request = self.iam.get_open_id_connect_provider().open_id_connect_provider_arn(arn.to_string());
        let found = call.find(request.send(), GetOpenIDConnectProviderError::is_no_such_entity_exception).await?;
        Ok(found.map(|found| OidcProvider {
            arn: arn.clone(),
            audiences: found.client_id_list.unwrap_or_default(),
            tags: answer::tags(found.tags),
        }))
    }

    async fn providers(&self) -> Result<Vec<ProviderArn>> {
        let call = self.iam_call("ListOpenIDConnectProviders", "cannot list the OIDC providers");
        let list = call.send(self.iam.list_open_id_connect_providers().send()).await?;
        let entries = list.open_id_connect_provider_list.unwrap_or_default();
        let arns = entries.iter().filter_map(|entry| entry.arn.as_deref());
        // Identity providers of any kind are in this list, and some have hosts that no issuer of a cluster has.
        Ok(arns.filter_map(|arn| arn.parse().ok()).collect())
    }

    async fn role(&self, name: &RoleName) -> Result<Option<Role>> {
        let call = self.iam_call("GetRole", format!("cannot read role {name}"));
        let request = self.iam.get_role().role_name(name.as_str());
        let Some(found) = call.find(request.send(), GetRoleError::is_no_such_entity_exception).await? else {
            return Ok(None);
        };
        let role = found.role.ok_or_else(|| call.malformed("it describes no role"))?;
        answer::role(&call, role).map(Some)
    }

    async fn attached_policies(&self, name: &RoleName) -> Result<Option<Vec<PolicyArn>>> {
        let call =
            self.iam_call("ListAttachedRolePolicies", format!("cannot list the policies attached to role {name}"));
        let request = self.iam.list_attached_role_policies().role_name(name.as_str()).max_items(PAGE);
        let pages = call.pages(
            ListAttachedRolePoliciesError::is_no_such_entity_exception,
            |marker| request.clone().set_marker(marker).send(),
            |page| (page.attached_policies.unwrap_or_default(), page.is_truncated, page.marker),
        );
        pages.await?.map(|policies| answer::attached(&call, policies)).transpose()
    }

    async fn inline_policy_names(&self, name: &RoleName) -> Result<Option<Vec<InlinePolicyName>>> {
        let call = self.iam_call("ListRolePolicies", format!("cannot list the inline policies of role {name}"));
        let request = self.iam.list_role_policies().role_name(name.as_str()).max_items(PAGE);
        let pages = call.pages(
            ListRolePoliciesError::is_no_such_entity_exception,
            |marker| request.clone().set_marker(marker).send(),
            |page| (page.policy_names, page.is_truncated, page.marker),
        );
        let parsed = |names: Vec<String>| {
            names.iter().map(|name| call.parsed("inline policy", Some(name))).collect::<Result<_>>()
        };
        pages.await?.map(parsed).transpose()
    }

    async fn inline_policy(&self, name: &RoleName, policy: &InlinePolicyName) -> Result<Option<InlinePolicy>> {
        let call = self.iam_call("GetRolePolicy", format!("cannot read inline policy {policy} of role {name}"));
        let request = self.iam.get_role_policy().role_name(name.as_str()).policy_name(policy.as_str());
        let Some(found) = call.find(request.send(), GetRolePolicyError::is_no_such_entity_exception).await? else {
            return Ok(None);
        };
        let document = call.document(&found.policy_document)?;
        Ok(Some(InlinePolicy { name: policy.clone(), document }))
    }

    async fn instance_profiles(&self, name: &RoleName) -> Result<Option<Vec<String>>> {
        let call =
            self.iam_call("ListInstanceProfilesForRole", format!("cannot list the instance profiles of role {name}"));
        let request = self.iam.list_instance_profiles_for_role().role_name(name.as_str()).max_items(PAGE);
        let pages = call.pages(
            ListInstanceProfilesForRoleError::is_no_such_entity_exception,
            |marker| request.clone().set_marker(marker).send(),
            |page| (page.instance_profiles, page.is_truncated, page.marker),
        );
        Ok(pages.await?.map(|all| all.into_iter().map(|profile| profile.instance_profile_name).collect()))
    }

    async fn roles(&self) -> Result<Vec<RoleDetail>> {
        self.every_role().await
    }

    async fn policy(&self, arn: &PolicyArn) -> Result<Option<ManagedPolicy>> {
        let call = self.iam_call("GetPolicy", format!("cannot read policy {arn}"));
        let request = self.iam.get_policy().policy_arn(arn.to_string());
        let Some(found) = call.find(request.send(), GetPolicyError::is_no_such_entity_exception).await? else {
            return Ok(None);
        };
        let policy = found.policy.ok_or_else(|| call.malformed("it describes no policy"))?;
        answer::managed_policy(&call, policy).map(Some)
    }

    async fn policies(&self, filter: &PolicyFilter) -> Result<Vec<ManagedPolicy>> {
        self.policies_by(filter).await
    }

    async fn policy_version(&self, arn: &PolicyArn, version: Option<String>) -> Result<Option<String>> {
        let Some(version) = version_to_read(self, arn, version).await? else { return Ok(None) };
        let call = self.iam_call("GetPolicyVersion", format!("cannot read version {version} of policy {arn}"));
        let request = self.iam.get_policy_version().policy_arn(arn.to_string()).version_id(&version);
        let Some(found) = call.find(request.send(), GetPolicyVersionError::is_no_such_entity_exception).await? else {
            return Ok(None);
        };
        let document = found.policy_version.and_then(|version| version.document);
        let document = document.ok_or_else(|| call.malformed("it holds no document"))?;
        call.document(&document).map(Some)
    }

    async fn quotas(&self) -> Result<Quotas> {
        let call = self.iam_call("GetAccountSummary", "cannot read the quotas of the account");
        let summary = call.send(self.iam.get_account_summary().send()).await?;
        let summary = summary.summary_map.unwrap_or_default();
        let number = |key| summary.get(&key).and_then(|number| u64::try_from(*number).ok());
        Ok(Quotas {
            roles: number(SummaryKeyType::Roles),
            roles_quota: number(SummaryKeyType::RolesQuota),
            trust_policy_size: number(SummaryKeyType::AssumeRolePolicySizeQuota),
            attached_policies_per_role: number(SummaryKeyType::AttachedPoliciesPerRoleQuota),
            inline_policy_size: number(SummaryKeyType::RolePolicySizeQuota),
            providers: number(SummaryKeyType::Providers),
        })
    }

    async fn create_role(&self, role: &NewRole) -> Result<Role> {
        let name = role.arn.name();
        let call = self.iam_call("CreateRole", format!("cannot create role {name}"));
        let request = self
            .iam
            .create_role()
            .role_name(name.as_str())
            .path(role.arn.path().as_str())
            .assume_role_policy_document(&role.trust_policy)
            .set_description(role.description.clone())
            .set_max_session_duration(role.max_session_duration.map(seconds).transpose()?)
            .set_permissions_boundary(role.permissions_boundary.as_ref().map(ToString::to_string))
            .set_tags(tags(&role.tags)?);
        let created = call.send(request.send()).await?;
        let mut created = created.role.ok_or_else(|| call.malformed("it describes no role"))?;
        // IAM's answer leaves out settings that it stores (AWS CLI command reference, `create-role`, example 2).
        created.description = created.description.or_else(|| role.description.clone());
        created.max_session_duration =
            created.max_session_duration.or(role.max_session_duration.map(seconds).transpose()?);
        let mut created = answer::role(&call, created)?;
        let asked = role.permissions_boundary.as_ref().map(ToString::to_string);
        created.permissions_boundary = created.permissions_boundary.or(asked);
        Ok(created)
    }

    async fn update_trust_policy(&self, name: &RoleName, document: &str) -> Result<()> {
        let call = self.iam_call("UpdateAssumeRolePolicy", format!("cannot write the trust policy of role {name}"));
        let request = self.iam.update_assume_role_policy().role_name(name.as_str()).policy_document(document);
        call.send(request.send()).await.map(drop)
    }

    async fn update_role(&self, name: &RoleName, settings: &RoleSettings) -> Result<()> {
        let doing = format!("cannot change the settings of role {name}");
        match (&settings.description, settings.max_session_duration) {
            (None, None) => Ok(()),
            // `UpdateRole` without a session length sets it to one hour (IAM API reference, `UpdateRole`); this leaves it.
            (Some(description), None) => {
                let call = self.iam_call("UpdateRoleDescription", doing);
                let request = self.iam.update_role_description().role_name(name.as_str()).description(description);
                let told = call.send(request.send()).await?.role.and_then(|role| role.description);
                let difference = told.and_then(|told| Difference::of("description", description, Some(told)));
                stored_differently(format!("role {name}"), difference.as_slice()).map_or(Ok(()), Err)
            }
            (description, Some(longest)) => {
                let call = self.iam_call("UpdateRole", doing);
                let request = self.iam.update_role().role_name(name.as_str()).max_session_duration(seconds(longest)?);
                call.send(request.set_description(description.clone()).send()).await.map(drop)
            }
        }
    }

    async fn put_permissions_boundary(&self, name: &RoleName, boundary: &PolicyArn) -> Result<()> {
        let call =
            self.iam_call("PutRolePermissionsBoundary", format!("cannot set the permissions boundary of role {name}"));
        let request = self.iam.put_role_permissions_boundary().role_name(name.as_str());
        call.send(request.permissions_boundary(boundary.to_string()).send()).await.map(drop)
    }

    async fn tag_role(&self, name: &RoleName, wanted: &BTreeMap<String, String>) -> Result<()> {
        let Some(wanted) = tags(wanted)? else {
            return Ok(());
        };
        let call = self.iam_call("TagRole", format!("cannot tag role {name}"));
        call.send(self.iam.tag_role().role_name(name.as_str()).set_tags(Some(wanted)).send()).await.map(drop)
    }

    async fn untag_role(&self, name: &RoleName, keys: &BTreeSet<String>) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let call = self.iam_call("UntagRole", format!("cannot take tags from role {name}"));
        let request = self.iam.untag_role().role_name(name.as_str()).set_tag_keys(Some(keys.iter().cloned().collect()));
        call.send(request.send()).await.map(drop)
    }

    async fn attach_policy(&self, name: &RoleName, policy: &PolicyArn) -> Result<()> {
        let call = self.iam_call("AttachRolePolicy", format!("cannot attach policy {policy} to role {name}"));
        let request = self.iam.attach_role_policy().role_name(name.as_str()).policy_arn(policy.to_string());
        call.send(request.send()).await.map(drop)
    }

    async fn detach_policy(&self, name: &RoleName, policy: &PolicyArn) -> Result<()> {
        let call = self.iam_call("DetachRolePolicy", format!("cannot detach policy {policy} from role {name}"));
        let request = self.iam.detach_role_policy().role_name(name.as_str()).policy_arn(policy.to_string());
        call.send(request.send()).await.map(drop)
    }

    async fn put_inline_policy(&self, name: &RoleName, policy: &InlinePolicyName, document: &str) -> Result<()> {
        let call = self.iam_call("PutRolePolicy", format!("cannot write inline policy {policy} of role {name}"));
        let request = self.iam.put_role_policy().role_name(name.as_str()).policy_name(policy.as_str());
        call.send(request.policy_document(document).send()).await.map(drop)
    }

    async fn delete_inline_policy(&self, name: &RoleName, policy: &InlinePolicyName) -> Result<()> {
        let call = self.iam_call("DeleteRolePolicy", format!("cannot delete inline policy {policy} of role {name}"));
        let request = self.iam.delete_role_policy().role_name(name.as_str()).policy_name(policy.as_str());
        call.send(request.send()).await.map(drop)
    }

    async fn delete_role(&self, name: &RoleName) -> Result<()> {
        let call = self.iam_call("DeleteRole", format!("cannot delete role {name}"));
        call.send(self.iam.delete_role().role_name(name.as_str()).send()).await.map(drop)
    }

    async fn create_provider(&self, provider: &OidcProvider) -> Result<OidcProvider> {
        let issuer = provider.arn.issuer();
        let call = self.iam_call("CreateOpenIDConnectProvider", format!("cannot create an OIDC provider for {issuer}"));
        let request = self
            .iam
            .create_open_id_connect_provider()
            .url(issuer.url())
            .set_client_id_list(Some(provider.audiences.clone()))
            .set_tags(tags(&provider.tags)?);
        let created = call.send(request.send()).await?;
        let arn = match created.open_id_connect_provider_arn {
            Some(arn) => call.parsed("provider ARN", Some(&arn))?,
            None => provider.arn.clone(),
        };
        let tags = created.tags.map_or_else(|| provider.tags.clone(), |tags| answer::tags(Some(tags)));
        Ok(OidcProvider { arn, audiences: provider.audiences.clone(), tags })
    }

    async fn add_audience(&self, provider: &ProviderArn, audience: &Audience) -> Result<()> {
        let doing = format!("cannot add audience {audience} to OIDC provider {provider}");
        let call = self.iam_call("AddClientIDToOpenIDConnectProvider", doing);
        let request = self.iam.add_client_id_to_open_id_connect_provider();
        let request = request.open_id_connect_provider_arn(provider.to_string()).client_id(audience.as_str());
        call.send(request.send()).await.map(drop)
    }

    async fn delete_provider(&self, provider: &ProviderArn) -> Result<()> {
        let call = self.iam_call("DeleteOpenIDConnectProvider", format!("cannot delete OIDC provider {provider}"));
        let request = self.iam.delete_open_id_connect_provider().open_id_connect_provider_arn(provider.to_string());
        call.send(request.send()).await.map(drop)
    }
}

/// Tags as the SDK takes them; nothing where there are none.
fn tags(tags: &BTreeMap<String, String>) -> Result<Option<Vec<Tag>>> {
    let tags: Result<Vec<Tag>> = tags
        .iter()
        .map(|(key, value)| {
            let tag = Tag::builder().key(key).value(value).build();
            tag.map_err(|error| Error::new(ErrorKind::Unexpected, format!("cannot write tag {key}")).with_source(error))
        })
        .collect();
    tags.map(|tags| (!tags.is_empty()).then_some(tags))
}

/// A session length as the SDK takes it.
fn seconds(seconds: u32) -> Result<i32> {
    i32::try_from(seconds)
        .map_err(|_| Error::invalid("max session duration", seconds.to_string(), "must be 3600 to 43200 seconds"))
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Answer, Endpoint};
    use super::*;

    #[tokio::test]
    async fn a_setting_that_is_not_named_is_not_sent() {
        let endpoint = Endpoint::new(|_| Answer::xml("<Response/>"));
        let (aws, name) = (endpoint.backend(), RoleName::new("r").unwrap());
        let described = Some("d".to_owned());
        for (description, max_session_duration) in
            [(None, None), (described.clone(), None), (None, Some(7200)), (described, Some(7200))]
        {
            // What comes back is no answer to every one of them; what is sent counts.
            let _ = aws.update_role(&name, &RoleSettings { description, max_session_duration }).await;
        }
        aws.tag_role(&name, &BTreeMap::new()).await.unwrap();
        aws.untag_role(&name, &BTreeSet::new()).await.unwrap();
        let requests = endpoint.requests.lock().unwrap();
        let sent: Vec<_> = requests.iter().filter_map(|request| request.split("\r\n\r\n").nth(1)).collect();
        assert_eq!(
            sent,
            [
                "Action=UpdateRoleDescription&Version=2010-05-08&RoleName=r&Description=d",
                "Action=UpdateRole&Version=2010-05-08&RoleName=r&MaxSessionDuration=7200",
                "Action=UpdateRole&Version=2010-05-08&RoleName=r&Description=d&MaxSessionDuration=7200",
            ]
        );
    }
}
