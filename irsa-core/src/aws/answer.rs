//! From IAM's answers to our types.

use std::collections::BTreeMap;

use aws_sdk_iam::types;

use super::call::Call;
use crate::backend::{ManagedPolicy, Role};
use crate::error::Result;
use crate::name::PolicyArn;

/// A managed policy.
pub(super) fn managed_policy(call: &Call<'_>, policy: types::Policy) -> Result<ManagedPolicy> {
    let version = policy.default_version_id.ok_or_else(|| call.malformed("it names no default version"))?;
    let arn = call.parsed("policy ARN", policy.arn.as_deref())?;
    Ok(ManagedPolicy { arn, attachable: policy.is_attachable, default_version: Some(version) })
}

/// A role. `description` and `session` apart, since bulk reads have them from another list.
pub(super) fn role(call: &Call<'_>, role: types::Role) -> Result<Role> {
    Ok(Role {
        arn: call.role_arn(&role.role_name, &role.arn)?,
        id: role.role_id,
        trust_policy: trust_policy(call, role.assume_role_policy_document)?,
        description: role.description,
        max_session_duration: call.session(role.max_session_duration)?,
        permissions_boundary: role.permissions_boundary.and_then(|boundary| boundary.permissions_boundary_arn),
        tags: tags(role.tags),
    })
}

pub(super) fn trust_policy(call: &Call<'_>, text: Option<String>) -> Result<String> {
    match text {
        Some(text) => call.document(&text),
        None => Err(call.malformed("the role has no trust policy")),
    }
}

pub(super) fn tags(tags: Option<Vec<types::Tag>>) -> BTreeMap<String, String> {
    tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect()
}

pub(super) fn attached(call: &Call<'_>, policies: Vec<types::AttachedPolicy>) -> Result<Vec<PolicyArn>> {
    policies.iter().map(|policy| call.parsed("policy ARN", policy.policy_arn.as_deref())).collect()
}
