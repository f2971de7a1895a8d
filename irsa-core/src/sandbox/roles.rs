//! The rules of IAM for roles: what it refuses, in its words, and what it does.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::defaults::role_id;
use super::responses::{Answer, Refusal};
use super::state::{IamChanges, RoleState, SandboxState, default_session};
use crate::backend::{InlinePolicy, NewRole, OidcProvider, Role, RoleDetail, RoleSettings};
use crate::document::{DocumentKind, check, check_principals, misplaced, parse_strict, size};
use crate::name::{Description, InlinePolicyName, PolicyArn, RoleArn, RoleName, SessionDuration, TagKey, TagValue};

/// The most tags of one request (IAM API reference, `tagListType`).
const MAX_TAGS_AT_ONCE: usize = 50;

impl SandboxState {
    /// The role of a name, whatever its case.
    pub(super) fn role(&self, name: &RoleName) -> Option<(&RoleName, &RoleState)> {
        let exact = self.roles.get_key_value(name);
        exact.or_else(|| self.roles.iter().find(|(known, _)| known.as_str().eq_ignore_ascii_case(name.as_str())))
    }

    pub(super) fn role_arn(&self, name: &RoleName, role: &RoleState) -> RoleArn {
        RoleArn::new(self.partition.clone(), self.account.clone(), role.path.clone(), name.clone())
    }

    /// A role as `GetRole` gives it.
    pub(super) fn described(&self, name: &RoleName, role: &RoleState) -> Role {
        Role {
            arn: self.role_arn(name, role),
            id: role.id.clone(),
            trust_policy: role.trust_policy.to_string(),
            description: role.description.clone(),
            max_session_duration: role.max_session_duration,
            permissions_boundary: role.permissions_boundary.as_ref().map(ToString::to_string),
            tags: role.tags.clone(),
        }
    }

    /// A role with everything on it.
    pub(super) fn detailed(&self, name: &RoleName, role: &RoleState) -> RoleDetail {
        let inline = role.inline.iter();
        RoleDetail {
            role: self.described(name, role),
            attached: role.attached.iter().cloned().collect(),
            inline: inline.map(|(name, document)| stored(name, document)).collect(),
            instance_profiles: self.profiles_of(name),
        }
    }

    /// The instance profiles that hold a role.
    pub(super) fn profiles_of(&self, name: &RoleName) -> Vec<String> {
        let holds = |held: &RoleName| held.as_str().eq_ignore_ascii_case(name.as_str());
        self.instance_profiles.iter().filter(|(_, held)| holds(held)).map(|(profile, _)| profile.clone()).collect()
    }

    pub(super) fn create_role(&mut self, new: &NewRole) -> Answer<Role> {
        let name = new.arn.name();
        if *new.arn.account() != self.account || *new.arn.partition() != self.partition {
            return Err(Refusal::aws("InvalidInput", format!("{} is not of this account", new.arn)));
        }
        check_settings(new.description.as_deref(), new.max_session_duration)?;
        if is_protected(new.arn.path().as_str()) {
            let message = format!("Path {} is reserved for roles that AWS makes.", new.arn.path());
            return Err(Refusal::aws("InvalidInput", message));
        }
        let trust_policy = self.document(&new.trust_policy, DocumentKind::Trust)?;
        let tags = merge_tags(&BTreeMap::new(), &new.tags, self.quotas.tags_per_role)?;
        if self.role(name).is_some() {
            return Err(Refusal::aws("EntityAlreadyExists", format!("Role with name {name} already exists.")));
        }
        self.check_trust_size(&trust_policy)?;
        if let Some(boundary) = &new.permissions_boundary {
            self.check_boundary(boundary)?;
        }
        let quota = self.quotas.roles_per_account;
        if self.roles.len() as u64 >= quota {
            return Err(Refusal::aws("LimitExceeded", format!("Cannot exceed quota for RolesPerAccount: {quota}")));
        }
        let mut role = RoleState {
            path: new.arn.path().clone(),
            id: role_id(self.next_id()),
            description: new.description.clone(),
            max_session_duration: new.max_session_duration.unwrap_or_else(default_session),
            permissions_boundary: new.permissions_boundary.clone(),
            tags,
            ..RoleState::new(trust_policy)
        };
        self.iam_changes.change_role(&mut role);
        let described = self.described(name, &role);
        self.roles.insert(name.clone(), role);
        Ok(described)
    }

    pub(super) fn update_trust_policy(&mut self, name: &RoleName, text: &str) -> Answer<()> {
        let trust_policy = self.document(text, DocumentKind::Trust)?;
        self.role_mut(name)?;
        self.check_trust_size(&trust_policy)?;
        self.role_mut(name)?.trust_policy = trust_policy;
        Ok(())
    }

    pub(super) fn update_role(&mut self, name: &RoleName, settings: &RoleSettings) -> Answer<()> {
        check_settings(settings.description.as_deref(), settings.max_session_duration)?;
        let role = self.role_mut(name)?;
        if let Some(description) = &settings.description {
            role.description = Some(description.clone());
        }
        role.max_session_duration = settings.max_session_duration.unwrap_or(role.max_session_duration);
        Ok(())
    }

    pub(super) fn put_boundary(&mut self, name: &RoleName, boundary: &PolicyArn) -> Answer<()> {
        self.role_mut(name)?;
        self.check_boundary(boundary)?;
        self.role_mut(name)?.permissions_boundary = Some(boundary.clone());
        Ok(())
    }

    pub(super) fn tag_role(&mut self, name: &RoleName, tags: &BTreeMap<String, String>) -> Answer<()> {
        let quota = self.quotas.tags_per_role;
        let role = self.role_mut(name)?;
        role.tags = merge_tags(&role.tags, tags, quota)?;
        Ok(())
    }

    pub(super) fn untag_role(&mut self, name: &RoleName, keys: &BTreeSet<String>) -> Answer<()> {
        let gone: BTreeSet<String> = keys.iter().map(|key| key.to_lowercase()).collect();
        self.role_mut(name)?.tags.retain(|key, _| !gone.contains(&key.to_lowercase()));
        Ok(())
    }

    pub(super) fn attach(&mut self, name: &RoleName, policy: &PolicyArn) -> Answer<()> {
        self.role_mut(name)?;
        self.check_attachable(policy)?;
        let quota = self.quotas.attached_policies_per_role;
        let role = self.role_mut(name)?;
        if !role.attached.contains(policy) && role.attached.len() as u64 >= quota {
            return Err(Refusal::aws("LimitExceeded", format!("Cannot exceed quota for PoliciesPerRole: {quota}")));
        }
        role.attached.insert(policy.clone());
        Ok(())
    }

    pub(super) fn detach(&mut self, name: &RoleName, policy: &PolicyArn) -> Answer<()> {
        if self.role_mut(name)?.attached.remove(policy) {
            return Ok(());
        }
        Err(Refusal::aws("NoSuchEntity", format!("Policy {policy} was not found.")))
    }

    pub(super) fn put_inline(&mut self, name: &RoleName, policy: &InlinePolicyName, text: &str) -> Answer<()> {
        let document = self.document(text, DocumentKind::Permissions)?;
        let quota = self.quotas.inline_policy_size;
        let role = self.role_mut(name)?;
        let others = role.inline.iter().filter(|(known, _)| *known != policy);
        let total: usize = others.map(|(_, document)| size(document)).sum::<usize>() + size(&document);
        if total as u64 > quota {
            let message = format!("Maximum policy size of {quota} bytes exceeded for role {name}");
            return Err(Refusal::aws("LimitExceeded", message));
        }
        role.inline.insert(policy.clone(), document);
        Ok(())
    }

    pub(super) fn delete_inline(&mut self, name: &RoleName, policy: &InlinePolicyName) -> Answer<()> {
        match self.role_mut(name)?.inline.remove(policy) {
            Some(_) => Ok(()),
            None => Err(Refusal::aws("NoSuchEntity", format!("The role policy with name {policy} cannot be found."))),
        }
    }

    pub(super) fn delete_role(&mut self, name: &RoleName) -> Answer<()> {
        let in_profile = !self.profiles_of(name).is_empty();
        let role = self.role_mut(name)?;
        let in_the_way = if !role.attached.is_empty() {
            Some("must detach all policies first")
        } else if !role.inline.is_empty() {
            Some("must delete policies first")
        } else if in_profile {
            Some("must remove roles from instance profile first")
        } else {
            None
        };
        if let Some(rule) = in_the_way {
            return Err(Refusal::aws("DeleteConflict", format!("Cannot delete entity, {rule}.")));
        }
        self.roles.retain(|known, _| !known.as_str().eq_ignore_ascii_case(name.as_str()));
        Ok(())
    }

    /// A role that is to be written to.
    fn role_mut(&mut self, name: &RoleName) -> Answer<&mut RoleState> {
        let known = self.role(name).map(|(known, role)| (known.clone(), is_protected(role.path.as_str())));
        match known {
            Some((known, true)) => {
                let message = format!(
                    "Cannot perform the operation on the protected role '{known}' - this role is only modifiable by AWS"
                );
                Err(Refusal::aws("UnmodifiableEntity", message))
            }
            Some((known, false)) => self.roles.get_mut(&known).ok_or_else(|| no_role(name)),
            None => Err(no_role(name)),
        }
    }

    /// A document that IAM accepts in this account.
    fn document(&self, text: &str, kind: DocumentKind) -> Answer<Value> {
        let malformed = |message: String| Refusal::aws("MalformedPolicyDocument", message);
        let value = parse_strict("policy document", text)
            .map_err(|error| malformed(format!("This policy contains invalid Json ({error})")))?;
        check(&value, kind).map_err(|error| malformed(error.to_string()))?;
        if kind == DocumentKind::Trust {
            check_principals(&value).map_err(|error| malformed(error.to_string()))?;
        }
        match misplaced(&value, &self.partition) {
            None => Ok(value),
            Some(found) => {
                let (arn, partition) = (found.arn, found.partition);
                Err(malformed(match found.kind {
                    "AWS" => format!("Invalid principal in policy: \"AWS\":\"{arn}\""),
                    "Federated" => "Federated principals must be valid domain names or SAML metadata ARNs".to_owned(),
                    _ => format!("Partition \"{partition}\" is not valid for resource \"{arn}\"."),
                }))
            }
        }
    }

    fn check_trust_size(&self, trust_policy: &Value) -> Answer<()> {
        let quota = self.quotas.trust_policy_size;
        if size(trust_policy) as u64 > quota {
            return Err(Refusal::aws("LimitExceeded", format!("Cannot exceed quota for ACLSizePerRole: {quota}")));
        }
        Ok(())
    }
}

impl IamChanges {
    fn change_role(&self, role: &mut RoleState) {
        let changes = self.clone();
        role.path = changes.role_path.unwrap_or_else(|| role.path.clone());
        role.description = changes.description.or(role.description.take());
        role.max_session_duration = changes.max_session_duration.unwrap_or(role.max_session_duration);
        role.permissions_boundary = changes.permissions_boundary.or(role.permissions_boundary.take());
        role.trust_policy = changes.trust_policy.unwrap_or_else(|| role.trust_policy.clone());
        role.tags.retain(|key, _| !self.lost_tags.contains(key));
    }

    pub(super) fn change_provider(&self, provider: &mut OidcProvider) {
        provider.audiences = self.audiences.clone().unwrap_or_else(|| provider.audiences.clone());
        provider.tags.retain(|key, _| !self.lost_tags.contains(key));
    }
}

/// The tags of a resource after more were set: keys are the same whatever their case, and have that of the last one set.
pub(super) fn merge_tags(
    known: &BTreeMap<String, String>,
    more: &BTreeMap<String, String>,
    quota: u64,
) -> Answer<BTreeMap<String, String>> {
    if more.len() > MAX_TAGS_AT_ONCE {
        let rule = format!("must have length less than or equal to {MAX_TAGS_AT_ONCE}");
        return Err(Refusal::validation("tags", &format!("{more:?}"), &rule));
    }
    let keys: BTreeSet<String> = more.keys().map(|key| key.to_lowercase()).collect();
    if keys.len() < more.len() {
        let message = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
        return Err(Refusal::aws("InvalidInput", message));
    }
    for (key, value) in more {
        let pattern = r"must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+";
        TagKey::new(key).map_err(|_| Refusal::validation("tags.1.member.key", key, pattern))?;
        TagValue::new(value).map_err(|_| Refusal::validation("tags.1.member.value", value, pattern))?;
    }
    let mut merged = known.clone();
    merged.retain(|key, _| !keys.contains(&key.to_lowercase()));
    merged.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
    if merged.len() as u64 > quota {
        return Err(Refusal::aws("LimitExceeded", "The number of tags has reached the maximum limit."));
    }
    Ok(merged)
}

/// An inline policy as `GetRolePolicy` gives it.
pub(super) fn stored(name: &InlinePolicyName, document: &Value) -> InlinePolicy {
    InlinePolicy { name: name.clone(), document: document.to_string() }
}

/// Roles in these paths are AWS's own: service-linked roles, and those of IAM Identity Center.
fn is_protected(path: &str) -> bool {
    path.starts_with("/aws-service-role/") || path.starts_with("/aws-reserved/")
}

fn no_role(name: &RoleName) -> Refusal {
    Refusal::aws("NoSuchEntity", format!("The role with name {name} cannot be found."))
}

fn check_settings(description: Option<&str>, max_session_duration: Option<u32>) -> Answer<()> {
    if let Some(description) = description
        && Description::new(description).is_err()
    {
        let rule = "must have at most 1000 characters of Latin-1";
        return Err(Refusal::validation("description", description, rule));
    }
    match max_session_duration.map(SessionDuration::new) {
        Some(Err(_)) => {
            let seconds = max_session_duration.unwrap_or_default().to_string();
            Err(Refusal::validation("maxSessionDuration", &seconds, "must be 3600 to 43200"))
        }
        _ => Ok(()),
    }
}
