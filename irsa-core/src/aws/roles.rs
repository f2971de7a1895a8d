//! Every role of the account, read in bulk.

use std::collections::HashMap;

use aws_sdk_iam::types::{self, EntityType};
use futures::future::try_join;

use super::AwsBackend;
use super::answer::{attached, document, is_arn, parsed, session, tags, trust_policy};
use super::call::{Call, PAGE};
use crate::backend::{IamBackend, InlinePolicy, Role, RoleDetail};
use crate::error::Result;
use crate::name::RoleArn;

/// What only `ListRoles` has (IAM API reference, `RoleDetail` lacks both): description and longest session.
type Settings = (Option<String>, Option<i32>);

impl AwsBackend {
    /// `GetAccountAuthorizationDetails` has policies, boundary and tags, `ListRoles` has the settings: both at once.
    pub(super) async fn every_role(&self) -> Result<Vec<RoleDetail>> {
        let call = Call::iam("GetAccountAuthorizationDetails", "cannot read the roles of the account");
        let (details, mut settings) = try_join(self.role_details(&call), self.role_settings()).await?;
        let mut roles = Vec::with_capacity(details.len());
        for detail in details {
            // A role without an ARN is still being made: the list is one of a moment before.
            if !detail.arn.as_deref().is_none_or(is_arn) {
                continue;
            }
            let arn: RoleArn = parsed(&call, "role ARN", detail.arn.as_deref())?;
            let settings = match settings.remove(arn.name().as_str()) {
                Some(settings) => settings,
                // Made, or deleted, between the two lists.
                None => match self.role(arn.name()).await? {
                    Some(role) => (role.description, i32::try_from(role.max_session_duration).ok()),
                    None => continue,
                },
            };
            roles.push(role_detail(&call, arn, detail, settings)?);
        }
        Ok(roles)
    }

    async fn role_details(&self, call: &Call<'_>) -> Result<Vec<types::RoleDetail>> {
        let request = self.iam.get_account_authorization_details().filter(EntityType::Role).max_items(PAGE);
        let details = call.pages(
            |_| false,
            |marker| request.clone().set_marker(marker).send(),
            |page| (page.role_detail_list.unwrap_or_default(), page.is_truncated, page.marker),
        );
        Ok(details.await?.unwrap_or_default())
    }

    async fn role_settings(&self) -> Result<HashMap<String, Settings>> {
        let call = Call::iam("ListRoles", "cannot list the roles of the account");
        let request = self.iam.list_roles().max_items(PAGE);
        let roles = call.pages(
            |_| false,
            |marker| request.clone().set_marker(marker).send(),
            |page| (page.roles, page.is_truncated, page.marker),
        );
        let roles = roles.await?.unwrap_or_default();
        Ok(roles.into_iter().map(|role| (role.role_name, (role.description, role.max_session_duration))).collect())
    }
}

fn role_detail(
    call: &Call<'_>,
    arn: RoleArn,
    detail: types::RoleDetail,
    (description, longest): Settings,
) -> Result<RoleDetail> {
    let inline = detail.role_policy_list.unwrap_or_default().into_iter().map(|policy| {
        Ok(InlinePolicy {
            name: parsed(call, "inline policy", policy.policy_name.as_deref())?,
            document: document(call, &policy.policy_document.unwrap_or_default())?,
        })
    });
    let inline = inline.collect::<Result<_>>()?;
    let profiles = detail.instance_profile_list.unwrap_or_default();
    Ok(RoleDetail {
        role: Role {
            arn,
            id: detail.role_id.unwrap_or_default(),
            trust_policy: trust_policy(call, detail.assume_role_policy_document)?,
            description,
            max_session_duration: session(call, longest)?,
            permissions_boundary: detail.permissions_boundary.and_then(|boundary| boundary.permissions_boundary_arn),
            tags: tags(detail.tags),
        },
        attached: attached(call, detail.attached_managed_policies.unwrap_or_default())?,
        inline,
        instance_profiles: profiles.into_iter().map(|profile| profile.instance_profile_name).collect(),
    })
}
