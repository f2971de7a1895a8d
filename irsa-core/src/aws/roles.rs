//! Every role of the account, read in bulk.

use std::collections::HashMap;

use aws_sdk_iam::types::{self, EntityType};
use futures::future::try_join;

use super::AwsBackend;
use super::answer::{attached, tags, trust_policy};
use super::call::{Call, PAGE};
use crate::backend::{InlinePolicy, Role, RoleDetail, RoleSettings, is_finished, join_settings};
use crate::error::Result;

impl AwsBackend {
    /// `GetAccountAuthorizationDetails` has policies, boundary and tags, `ListRoles` has the settings: both at once.
    pub(super) async fn every_role(&self) -> Result<Vec<RoleDetail>> {
        let call = self.iam_call("GetAccountAuthorizationDetails", "cannot read the roles of the account");
        let (details, settings) = try_join(self.role_details(&call), self.role_settings()).await?;
        // A role without an ARN is still being made: the list is one of a moment before.
        let finished = details.into_iter().filter(|detail| detail.arn.as_deref().is_none_or(is_finished));
        let details = finished.map(|detail| role_detail(&call, detail)).collect::<Result<_>>()?;
        join_settings(self, details, settings).await
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

    async fn role_settings(&self) -> Result<HashMap<String, RoleSettings>> {
        let call = self.iam_call("ListRoles", "cannot list the roles of the account");
        let request = self.iam.list_roles().max_items(PAGE);
        let roles = call.pages(
            |_| false,
            |marker| request.clone().set_marker(marker).send(),
            |page| (page.roles, page.is_truncated, page.marker),
        );
        let roles = roles.await?.unwrap_or_default().into_iter().map(|role| {
            let max_session_duration = Some(call.session(role.max_session_duration)?);
            Ok((role.role_name, RoleSettings { description: role.description, max_session_duration }))
        });
        roles.collect()
    }
}

fn role_detail(call: &Call<'_>, detail: types::RoleDetail) -> Result<RoleDetail> {
    let inline = detail.role_policy_list.unwrap_or_default().into_iter().map(|policy| {
        Ok(InlinePolicy {
            name: call.parsed("inline policy", policy.policy_name.as_deref())?,
            document: call.document(&policy.policy_document.unwrap_or_default())?,
        })
    });
    let inline = inline.collect::<Result<_>>()?;
    let profiles = detail.instance_profile_list.unwrap_or_default();
    Ok(RoleDetail {
        role: Role {
            arn: call.parsed("role ARN", detail.arn.as_deref())?,
            id: detail.role_id.unwrap_or_default(),
            trust_policy: trust_policy(call, detail.assume_role_policy_document)?,
            description: None,
            max_session_duration: call.session(None)?,
            permissions_boundary: detail.permissions_boundary.and_then(|boundary| boundary.permissions_boundary_arn),
            tags: tags(detail.tags),
        },
        attached: attached(call, detail.attached_managed_policies.unwrap_or_default())?,
        inline,
        instance_profiles: profiles.into_iter().map(|profile| profile.instance_profile_name).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Answer, Endpoint};
    use crate::backend::IamBackend;
    use crate::error::ErrorKind;

    const TRUST: &str = "<AssumeRolePolicyDocument>%7B%7D</AssumeRolePolicyDocument>";

    fn detail(name: &str, arn: &str) -> String {
        format!(
            "<member><RoleName>{name}</RoleName><RoleId>AROA{name}</RoleId><Arn>{arn}</Arn>{TRUST}\
             <RolePolicyList><member><PolicyName>i</PolicyName><PolicyDocument>%7B%22a%22%3A1%7D</PolicyDocument></member>\
             </RolePolicyList><AttachedManagedPolicies><member><PolicyArn>arn:aws:iam::aws:policy/p</PolicyArn></member>\
             </AttachedManagedPolicies><Tags><member><Key>k</Key><Value>v</Value></member></Tags></member>"
        )
    }

    fn listed(name: &str, description: &str) -> String {
        format!(
            "<RoleName>{name}</RoleName><Arn>arn:aws:iam::123456789012:role/x/{name}</Arn>{TRUST}\
             <Description>{description}</Description><MaxSessionDuration>7200</MaxSessionDuration>"
        )
    }

    /// Role `a` is in both lists, `b` was made and `c` was deleted between them, `d` has no ARN yet.
    fn account(request: &str) -> Answer {
        let arn = |name: &str| format!("arn:aws:iam::123456789012:role/x/{name}");
        let answer = |action: &str, content: &str| {
            Answer::xml(format!("<{action}Response><{action}Result>{content}</{action}Result></{action}Response>"))
        };
        match request {
            _ if request.contains("Action=GetAccountAuthorizationDetails") => {
                let details: String = ["a", "b", "c"].map(|name| detail(name, &arn(name))).concat();
                let details = format!("{details}{}", detail("d", "AROAd"));
                answer("GetAccountAuthorizationDetails", &format!("<RoleDetailList>{details}</RoleDetailList>"))
            }
            _ if request.contains("Action=ListRoles") => {
                answer("ListRoles", &format!("<Roles><member>{}</member></Roles>", listed("a", "first")))
            }
            _ if request.contains("RoleName=b") => {
                answer("GetRole", &format!("<Role>{}</Role>", listed("b", "second")))
            }
            _ => Answer::error(404, "NoSuchEntity", "m"),
        }
    }

    #[tokio::test]
    async fn the_two_lists_are_joined_by_name() {
        let roles = Endpoint::new(account).backend().roles().await.unwrap();
        let names: Vec<_> = roles.iter().map(|role| role.role.arn.to_string()).collect();
        assert_eq!(names, ["arn:aws:iam::123456789012:role/x/a", "arn:aws:iam::123456789012:role/x/b"]);
        let descriptions: Vec<_> = roles.iter().filter_map(|role| role.role.description.as_deref()).collect();
        assert_eq!(descriptions, ["first", "second"]);
        let first = &roles[0];
        assert_eq!((first.role.max_session_duration, first.role.trust_policy.as_str()), (7200, "{}"));
        assert_eq!((first.attached.len(), first.inline[0].document.as_str()), (1, r#"{"a":1}"#));
        assert_eq!(first.role.tags.get("k").map(String::as_str), Some("v"));
    }

    #[tokio::test]
    async fn a_denied_list_is_an_error() {
        let endpoint = Endpoint::new(|request| {
            if request.contains("Action=ListRoles") {
                Answer::error(403, "AccessDenied", "m")
            } else {
                account(request)
            }
        });
        assert_eq!(endpoint.backend().roles().await.unwrap_err().kind(), ErrorKind::AccessDenied);
    }
}
