//! Changes of a role's policies, permissions boundary and settings, each in its phase.

use super::Step;
use super::desired::DesiredState;
use super::existing_role::ExistingRole;
use super::inline_policies::{InlinePolicyChange, inline_policy_steps};
use super::managed_policies::ManagedPolicyChanges;
use super::order::Phase;
use crate::backend::RoleSettings;
use crate::document::PolicyDocument;
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::name::{InlinePolicyName, PolicyArn, SessionDuration};
use crate::observe::ObservedRole;
use crate::report::{Warning, WarningId};
use crate::request::Request;
use crate::text::{did_you_mean, nearest};

/// Changes of the role's permissions.
pub(super) struct PolicyChanges {
    pub(super) steps: Vec<(Phase, Step)>,
    /// The number of managed policies that are attached.
    pub(super) attached: usize,
    /// The number of managed policies that are detached.
    pub(super) detached: usize,
}

impl PolicyChanges {
    /// # Errors
    /// `Conflict` where a policy to remove is ambiguous, where adoption would replace a document, or where no order of the
    /// writes is safe. `NotFound` for an inline policy that cannot be removed. `InvalidInput` for a policy that is added and
    /// removed at once.
    pub(super) fn of(existing: &ExistingRole<'_>, warnings: &mut Vec<Warning>) -> Result<Self> {
        let ExistingRole { request, observed, desired, role, exact, .. } = existing;
        check_removed_policies(existing, warnings)?;
        check_removed_inline_policies(existing, warnings)?;
        let undeclared = role.attached.iter().filter(|arn| !desired.attach.contains(*arn));
        let detach: Vec<&PolicyArn> = undeclared.filter(|arn| *exact || request.removes(arn)).collect();
        let attach: Vec<&PolicyArn> = desired.attach.difference(&role.attached).collect();
        let changes = inline_policy_changes(existing);
        check_adopted_documents(existing, &changes)?;
        let boundary = request.binding.permissions_boundary.iter();
        let boundary =
            boundary.filter(|arn| role.role.permissions_boundary.as_deref() != Some(arn.to_string().as_str()));
        let boundary: Vec<Step> = boundary.cloned().map(Step::PutBoundary).collect();
        let (attached, detached) = (attach.len(), detach.len());
        let boundary_replaced = !boundary.is_empty() && role.role.permissions_boundary.is_some();
        let quota_known = observed.quotas.attached_policies_per_role.is_some();
        let effects = &observed.effects;
        let managed = ManagedPolicyChanges { attach, detach, effects, boundary_replaced, quota_known }.steps()?;
        let inline = inline_policy_steps(&changes, !boundary.is_empty(), managed.denies);
        let boundary = boundary.into_iter().map(|step| (Phase::Boundary, step));
        let steps = managed.steps.into_iter().chain(boundary).chain(inline).collect();
        Ok(Self { steps, attached, detached })
    }
}

/// Each policy to remove must name one policy of the role, and none that is declared.
fn check_removed_policies(existing: &ExistingRole<'_>, warnings: &mut Vec<Warning>) -> Result<()> {
    let ExistingRole { request, desired, role, .. } = existing;
    for policy in request.removed_policies() {
        let managed = role.attached.iter().filter(|arn| policy.matches(arn)).map(ToString::to_string);
        // A policy and its inline copies are removed together.
        let text = policy.to_string();
        let matches = |(name, found): &(&InlinePolicyName, &Option<PolicyDocument>)| {
            request.means_inline((&text, None), (name, found.as_ref()))
        };
        let inline = role.inline.iter().find(matches);
        let inline = inline.map(|(name, _)| format!("inline policy {name}"));
        let found: Vec<String> = managed.chain(inline).collect();
        if desired.attach.iter().any(|arn| policy.matches(arn)) {
            return Err(Error::invalid("policy", text, "is to be added and removed at once"));
        }
        match found[..] {
            [] => warnings.push(nothing_to_remove(&format!("policy {policy}"), desired)),
            [_] => {}
            ref several => {
                let what = format!("policy {policy} is not one policy but {}", several.len());
                return Err(Error::new(ErrorKind::Conflict, what)
                    .with_cause(format!("candidates are {}", several.join(", ")))
                    .with_hint("give the ARN of the policy that is meant, or its name with its path"));
            }
        }
    }
    Ok(())
}

/// Each inline policy to remove must be on the role, or be named together with its document.
fn check_removed_inline_policies(existing: &ExistingRole<'_>, warnings: &mut Vec<Warning>) -> Result<()> {
    let ExistingRole { request, desired, role, .. } = existing;
    for (name, document) in request.removed_inline_policies() {
        let matches = |(known, found): (&InlinePolicyName, &Option<PolicyDocument>)| {
            request.means_inline((name.as_str(), document.as_ref()), (known, found.as_ref()))
        };
        if role.inline.iter().any(matches) {
            continue;
        }
        if document.is_some() {
            warnings.push(nothing_to_remove(&format!("inline policy {name}"), desired));
            continue;
        }
        let near = nearest(name.as_str(), role.inline.keys().map(InlinePolicyName::as_str));
        let error = Error::new(ErrorKind::NotFound, format!("cannot remove inline policy {name}"))
            .with_cause(format!("role {} has no inline policy of that name", desired.arn.name()));
        return Err(match did_you_mean(&near) {
            Some(hint) => error.with_hint(hint),
            None => error.with_hint("check the name of the file"),
        });
    }
    Ok(())
}

/// The inline policies that are written, and those that are deleted.
fn inline_policy_changes(existing: &ExistingRole<'_>) -> Vec<InlinePolicyChange> {
    let ExistingRole { request, role, replaced, exact, .. } = existing;
    let binding = &request.binding;
    // An inline copy of a declared policy is not needed once the policy has that document itself.
    let is_spare_copy = |name: &InlinePolicyName, document: &Option<PolicyDocument>| {
        let mut declared = binding.inline_policies.iter();
        declared
            .any(|(of, desired)| binding.convention.is_copy(name, of.as_str()) && document.as_ref() == Some(desired))
    };
    let leaves = |(name, before): &(&InlinePolicyName, &Option<PolicyDocument>)| {
        let removed = *exact || request.removes_inline(name, before.as_ref());
        removed || replaced.deleted.contains(*name) || is_spare_copy(name, before)
    };
    let undeclared = role.inline.iter().filter(|(name, _)| !binding.inline_policies.contains_key(*name));
    let deleted = undeclared.filter(leaves).map(|(name, before)| InlinePolicyChange {
        name: name.clone(),
        before: before.clone(),
        after: None,
        replaced: replaced.deleted.contains(name),
    });
    let written = binding.inline_policies.iter().map(|(name, after)| InlinePolicyChange {
        name: name.clone(),
        before: role.inline.get(name).cloned().flatten(),
        after: Some(after.clone()),
        replaced: false,
    });
    deleted.chain(written.filter(|change| change.before != change.after)).collect()
}

/// Adoption takes nothing away: it replaces no document of the role.
fn check_adopted_documents(existing: &ExistingRole<'_>, changes: &[InlinePolicyChange]) -> Result<()> {
    let replaces = |change: &&InlinePolicyChange| {
        change.before.is_some() && change.after.is_some() && !existing.replaced.in_place.contains(&change.name)
    };
    match changes.iter().find(replaces) {
        Some(change) if existing.is_adopted() && !existing.request.force => {
            let role = existing.desired.arn.name();
            let what = format!("inline policy {} of role {role} cannot be adopted", change.name);
            Err(Error::new(ErrorKind::Conflict, what)
                .with_cause("the role has another document of that name, and adoption does not replace documents")
                .with_hint(Hint::RenameInlinePolicy))
        }
        _ => Ok(()),
    }
}

fn nothing_to_remove(what: &str, desired: &DesiredState<'_>) -> Warning {
    let message = format!("{what} is not on role {}, so there is nothing to remove", desired.arn.name());
    Warning::new(WarningId::NothingToRemove, message)
}

/// The step for settings that differ from the desired ones.
pub(super) fn settings(request: &Request, role: &ObservedRole) -> Option<Step> {
    let binding = &request.binding;
    let description = binding.description.as_ref().map(ToString::to_string);
    let settings = RoleSettings {
        description: description.filter(|wanted| role.role.description.as_deref().unwrap_or_default() != wanted),
        max_session_duration: binding
            .max_session_duration
            .map(SessionDuration::seconds)
            .filter(|seconds| *seconds != role.role.max_session_duration),
    };
    (settings != RoleSettings::default()).then_some(Step::UpdateRole(settings))
}
