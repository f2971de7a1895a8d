//! Whether a role already has everything that a request asks for.

use std::collections::BTreeSet;

use super::desired::DesiredState;
use super::ownership_check::check_path;
use super::policy_changes::settings;
use super::service_accounts;
use crate::error::Result;
use crate::observe::{Observed, ObservedRole};
use crate::request::{Request, Verb};
use crate::trust::derive;

/// Whether a role has all the settings, tags and policies that a create asks for.
pub(super) fn has_all(request: &Request, desired: &DesiredState<'_>, role: &ObservedRole) -> bool {
    let binding = &request.binding;
    let has_tags = binding
        .tags
        .iter()
        .all(|(key, value)| role.role.tags.get(key.as_str()).is_some_and(|current| current == value.as_str()));
    let has_inline_policies = binding
        .inline_policies
        .iter()
        .all(|(name, document)| role.inline.get(name).is_some_and(|current| current.as_ref() == Some(document)));
    let boundary = binding.permissions_boundary.as_ref().map(ToString::to_string);
    request.verb == Verb::Create
        && !binding.exact
        && check_path(request, role).is_ok()
        && has_tags
        && has_inline_policies
        && desired.attach.is_subset(&role.attached)
        && (boundary.is_none() || boundary == role.role.permissions_boundary)
        && settings(request, role).is_none()
}

/// Whether role, trust policy and service accounts are all that a create asks for, so that nothing needs to be written.
pub(super) fn is_satisfied(
    request: &Request,
    observed: &Observed,
    desired: &DesiredState<'_>,
    role: &ObservedRole,
) -> Result<bool> {
    if !has_all(request, desired, role) {
        return Ok(false);
    }
    let derivation = desired.derivation(request, BTreeSet::new());
    let trust = derive(&role.trust, &role.ownership, &derivation);
    Ok(trust.is_ok_and(|derived| derived.policy == role.trust)
        && service_accounts::bound(request, observed, desired)?.is_empty())
}
