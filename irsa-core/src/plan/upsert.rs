//! Plans create and update requests: a role that does not exist is created, one that exists is changed.

use std::collections::{BTreeMap, BTreeSet};

use super::desired::DesiredState;
use super::existing_role::ExistingRole;
use super::inline_policies::{InlinePolicyChange, inline_policy_steps};
use super::managed_policies::ManagedPolicyChanges;
use super::order::Phase;
use super::ownership_check::{check_ownership, check_path, check_set};
use super::policy_changes::{PolicyChanges, settings};
use super::quotas::{self, InlineSizes};
use super::replaced::Replaced;
use super::role_tags::desired_tags;
use super::satisfied::is_satisfied;
use super::tag_changes::TagChanges;
use super::trust_change::TrustChange;
use super::undo_delete::{self, undo_delete};
use super::{Plan, Step, attach, prerequisites, service_accounts, warnings};
use crate::backend::NewRole;
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::name::SessionDuration;
use crate::observe::{Observed, ObservedRole};
use crate::ownership::{Member, Origin, Ownership};
use crate::request::{Request, Verb};
use crate::trust::{Derived, TrustPolicy, derive};

/// Plans a create or an update.
pub(super) fn plan(request: &Request, observed: &Observed) -> Result<Plan> {
    let (request, replaced) = Replaced::of(request, observed.role.as_ref());
    let request = request.as_ref();
    let desired = DesiredState::of(request, observed)?;
    if let Some(plan) = attach::plan(request, observed, &desired)? {
        return Ok(plan);
    }
    let mut plan = Plan::new(request, Some(desired.arn.clone()));
    plan.warnings.extend(observed.warnings.iter().cloned());
    if request.leader.is_some() {
        plan.stages.add(Phase::CreateRole, prerequisites::namespaces(request, observed));
        plan.stages.add(Phase::Annotate, service_accounts::bound(request, observed, &desired)?);
        return Ok(plan);
    }
    plan.stages.add(Phase::Providers, prerequisites::providers(request, observed, &desired)?);
    match &observed.role {
        None => create(request, observed, &desired, &mut plan)?,
        Some(role) => {
            update(request, observed, &desired, (role, &replaced), &mut plan)?;
            if !plan.is_empty() {
                plan.previous_role = Some(Box::new(role.role.clone()));
            }
        }
    }
    plan.warnings.extend(warnings::patterns(request));
    plan.warnings.extend(warnings::declared_statements(request, &desired));
    Ok(plan)
}

/// The steps for a role that does not exist.
fn create(request: &Request, observed: &Observed, desired: &DesiredState<'_>, plan: &mut Plan) -> Result<()> {
    let binding = &request.binding;
    if let Verb::Update { .. } = request.verb {
        let error = Error::new(ErrorKind::NotFound, format!("role {} does not exist", desired.arn.name()));
        return Err(error.with_code("NoSuchEntity").with_hint(Hint::CreateBinding));
    }
    let tags = desired_tags(request, &desired.first, &desired.declared, Some(Origin::Created), &BTreeMap::new());
    let derivation = desired.derivation(request, BTreeSet::new());
    let Derived { policy, .. } = derive(&TrustPolicy::empty(), &Ownership::from_tags(&tags), &derivation)?;
    warnings::check_trusted(request, desired, &policy, &mut plan.warnings)?;
    let quotas = &observed.quotas;
    plan.needs(quotas::roles(quotas))?;
    plan.needs([
        quotas::trust_size(quotas, 0, policy.size()),
        quotas::attached(quotas, 0, desired.attach.len()),
        quotas::inline_size(quotas, &InlineSizes::new_role(binding.inline_policies.values())),
        quotas::tags(0, tags.len()),
    ])?;
    if binding.policies.is_empty() && binding.inline_policies.is_empty() {
        plan.warnings.push(warnings::no_policies(desired.arn.name()));
    }
    let role = NewRole {
        arn: desired.arn.clone(),
        trust_policy: policy.minified(),
        description: binding.description.as_ref().map(ToString::to_string),
        max_session_duration: binding.max_session_duration.map(SessionDuration::seconds),
        permissions_boundary: binding.permissions_boundary.clone(),
        tags,
    };
    let inline = binding.inline_policies.iter();
    let inline = inline.map(|(name, after)| InlinePolicyChange {
        name: name.clone(),
        before: None,
        after: Some(after.clone()),
        replaced: false,
    });
    let managed = ManagedPolicyChanges {
        attach: desired.attach.iter().collect(),
        detach: Vec::new(),
        effects: &observed.effects,
        boundary_replaced: false,
        quota_known: quotas.attached_policies_per_role.is_some(),
    };
    let managed = managed.steps()?;
    plan.stages.add(Phase::CreateRole, [Step::CreateRole(Box::new(role))]);
    plan.stages.add(Phase::CreateRole, prerequisites::namespaces(request, observed));
    plan.stages.extend(managed.steps);
    plan.stages.extend(inline_policy_steps(&inline.collect::<Vec<_>>(), false, managed.denies));
    plan.stages.add(Phase::Annotate, service_accounts::bound(request, observed, desired)?);
    if binding.exact {
        let orphaned = service_accounts::orphaned(observed, desired, &policy);
        plan.stages.add(Phase::Release, service_accounts::released(request, observed, &orphaned, &desired.arn));
    }
    Ok(())
}

/// The steps for a role that exists.
fn update(
    request: &Request,
    observed: &Observed,
    desired: &DesiredState<'_>,
    (role, replaced): (&ObservedRole, &Replaced),
    plan: &mut Plan,
) -> Result<()> {
    let undone = undo_delete(role);
    let status = match check_ownership(request, desired, role) {
        Err(error) if error.kind() == ErrorKind::NotOwned => {
            let fits = plan.is_empty() && undone.is_none() && replaced.deleted.is_empty();
            return match fits && is_satisfied(request, observed, desired, role)? {
                true => leave_unmanaged(request, desired, role, plan),
                false => Err(error),
            };
        }
        status => status?,
    };
    check_path(request, role)?;
    check_set(request, role)?;
    let role = match &undone {
        Some((undo, as_undone)) => {
            plan.needs([quotas::tags(role.role.tags.len(), role.role.tags.len() + 1)])?;
            plan.stages.add(Phase::UndoDelete, [undo.clone()]);
            plan.warnings.push(undo_delete::warning(role));
            as_undone
        }
        None => role,
    };
    let existing = ExistingRole::new(request, observed, desired, role, replaced, status)?;
    let tags = TagChanges::of(&existing);
    let trust = TrustChange::of(&existing, &tags)?;
    let policies = PolicyChanges::of(&existing, &mut plan.warnings)?;
    let (policy, ownership, untagged) = (trust.policy.clone(), trust.ownership.clone(), trust.untagged.clone());

    let quotas = &observed.quotas;
    plan.needs([
        quotas::tags(role.role.tags.len(), tags.count_after()),
        quotas::trust_size(quotas, role.trust.size(), policy.size()),
        quotas::attached(quotas, role.attached.len(), role.attached.len() + policies.attached - policies.detached),
    ])?;
    plan.stages.add(Phase::CreateRole, prerequisites::namespaces(request, observed));
    plan.stages.extend(trust.steps(&role.trust, !policies.steps.is_empty()));
    plan.stages.extend(policies.steps);
    plan.stages.add(Phase::Grant, settings(request, role));
    plan.stages.extend(tags.steps());
    plan.stages.add(Phase::Annotate, service_accounts::bound(request, observed, desired)?);
    let mut released = existing.removed.clone();
    if existing.exact {
        released.extend(service_accounts::orphaned(observed, desired, &policy));
    }
    plan.stages.add(Phase::Release, service_accounts::released(request, observed, &released, &desired.arn));
    let sizes = InlineSizes::along(role, &plan.stages);
    plan.needs([quotas::inline_size(quotas, &sizes)])?;

    warn(&existing, &policy, &untagged, plan)?;
    warnings::undeclared(request, desired, role, &ownership, &policy, plan);
    Ok(())
}

/// Adds the warnings about an existing role whose trust policy will be `policy`.
fn warn(existing: &ExistingRole<'_>, policy: &TrustPolicy, untagged: &BTreeSet<String>, plan: &mut Plan) -> Result<()> {
    let ExistingRole { request, desired, role, .. } = existing;
    let binding = &request.binding;
    let has_policies = !role.attached.is_empty() || !role.inline.is_empty();
    if !has_policies && binding.policies.is_empty() && binding.inline_policies.is_empty() {
        plan.warnings.push(warnings::no_policies(desired.arn.name()));
    }
    if existing.is_adopted() {
        plan.warnings.extend(warnings::adopted(role));
    }
    plan.warnings.extend(warnings::taken_over(role));
    plan.warnings.extend(warnings::audience(request, desired, role));
    // Warnings name statements by their number: that of the current policy, where it stays.
    let numbered = if *policy == role.trust { &role.trust } else { policy };
    warnings::check_trusted(request, desired, numbered, &mut plan.warnings)?;
    plan.warnings.extend(warnings::foreign_statements(desired, policy));
    let was_trusted = |member: &&Member| {
        existing.present.contains(*member)
            || desired
                .providers
                .get(&member.cluster)
                .is_some_and(|provider| role.trust.may_admit(provider, &member.sub()))
    };
    let left: BTreeSet<Member> = existing.removed.iter().filter(was_trusted).cloned().collect();
    plan.warnings.extend(warnings::sessions(&desired.home.cluster, role, &left));
    plan.warnings.extend(warnings::untagged(untagged));
    plan.warnings.extend(warnings::nothing_to_remove(desired, &left));
    Ok(())
}

/// The plan for a role that has everything and is not ours: it is left alone.
fn leave_unmanaged(request: &Request, desired: &DesiredState<'_>, role: &ObservedRole, plan: &mut Plan) -> Result<()> {
    plan.warnings.push(warnings::not_managed(desired.arn.name()));
    warnings::check_trusted(request, desired, &role.trust, &mut plan.warnings)?;
    plan.warnings.extend(warnings::foreign_statements(desired, &role.trust));
    warnings::undeclared(request, desired, role, &role.ownership, &role.trust, plan);
    Ok(())
}
