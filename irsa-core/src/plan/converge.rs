//! Create and update: from what is there to what is wanted.

use std::collections::{BTreeMap, BTreeSet};

use super::documents::{Change, document_steps};
use super::goal::Goal;
use super::limits::InlineSizes;
use super::managed::Managed;
use super::permissions::{PolicyChanges, settings};
use super::replaced::Replaced;
use super::standing::{Standing, check_ownership, check_path, check_set, managed_elsewhere};
use super::undo_delete::{self, undo_delete};
use super::{Plan, Step, TrustStep, accounts, attach, findings, limits, prerequisites, tags_to_write};
use crate::backend::NewRole;
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::invariants::Invariant;
use crate::name::{Audience, ProviderArn, SessionDuration};
use crate::observe::{Observed, ObservedRole};
use crate::ownership::{Member, OWNER_TAG, Origin, Ownership};
use crate::report::{Warning, WarningId};
use crate::request::{Request, Verb};
use crate::trust::{Decision, Derivation, Derived, TrustPolicy, derive};

/// Plans a create or an update.
pub(super) fn plan(request: &Request, observed: &Observed) -> Result<Plan> {
    let (request, replaced) = Replaced::of(request, observed.role.as_ref());
    let request = request.as_ref();
    let goal = Goal::of(request, observed)?;
    if let Some(plan) = attach::plan(request, observed, &goal)? {
        return Ok(plan);
    }
    let mut plan = Plan::new(request, Some(goal.arn.clone()));
    plan.warnings.extend(observed.warnings.iter().cloned());
    if request.leader.is_some() {
        plan.then(prerequisites::namespaces(request, observed));
        plan.then(accounts::accounts(request, observed, &goal)?);
        return Ok(plan);
    }
    plan.then(prerequisites::providers(request, observed, &goal)?);
    match &observed.role {
        None => create(request, observed, &goal, &mut plan)?,
        Some(role) => {
            update(request, observed, &goal, (role, &replaced), &mut plan)?;
            if !plan.is_empty() {
                plan.was = Some(Box::new(role.role.clone()));
            }
        }
    }
    plan.warnings.extend(findings::patterns(request));
    plan.warnings.extend(findings::declared_statements(request, &goal));
    Ok(plan)
}

/// The steps for a role that does not exist.
fn create(request: &Request, observed: &Observed, goal: &Goal<'_>, plan: &mut Plan) -> Result<()> {
    let binding = &request.binding;
    if let Verb::Update { .. } = request.verb {
        let error = Error::new(ErrorKind::NotFound, format!("role {} does not exist", goal.arn.name()));
        return Err(error.with_code("NoSuchEntity").with_hint(Hint::CreateBinding));
    }
    let tags = goal.tags(request, &goal.first, &goal.declared, Some(Origin::Created), &BTreeMap::new());
    let Derived { policy, .. } =
        derive(&TrustPolicy::empty(), &Ownership::from_tags(&tags), &goal.derivation(request, BTreeSet::new()))?;
    findings::check_let_in(request, goal, &policy, &mut plan.warnings)?;
    let quotas = &observed.quotas;
    plan.needs(limits::roles(quotas))?;
    plan.needs([
        limits::trust_size(quotas, 0, policy.size()),
        limits::attached(quotas, 0, goal.attach.len()),
        limits::inline_size(quotas, &InlineSizes::new_role(binding.inline_policies.values())),
        limits::tags(0, tags.len()),
    ])?;
    if binding.policies.is_empty() && binding.inline_policies.is_empty() {
        plan.warnings.push(findings::no_policies(goal.arn.name()));
    }
    let role = NewRole {
        arn: goal.arn.clone(),
        trust_policy: policy.minified(),
        description: binding.description.as_ref().map(ToString::to_string),
        max_session_duration: binding.max_session_duration.map(SessionDuration::seconds),
        permissions_boundary: binding.permissions_boundary.clone(),
        tags,
    };
    let new = binding.inline_policies.iter();
    let new = new.map(|(name, after)| Change {
        name: name.clone(),
        before: None,
        after: Some(after.clone()),
        replaced: false,
    });
    let managed = Managed {
        attach: goal.attach.iter().collect(),
        detach: Vec::new(),
        effects: &observed.effects,
        boundary_replaced: false,
    };
    let managed = managed.steps()?;
    let documents = document_steps(&new.collect::<Vec<_>>(), false, managed.denies);
    let mut accounts = accounts::accounts(request, observed, goal)?;
    if !Invariant::TrustBeforeAnnotation.is_enforced() {
        plan.then(std::mem::take(&mut accounts));
    }
    let mut first = vec![Step::CreateRole(Box::new(role))];
    first.extend(prerequisites::namespaces(request, observed));
    plan.then(first);
    plan.then([managed.first, documents.first].concat());
    plan.one_by_one(managed.come_alone);
    let mut rest = managed.then;
    if observed.quotas.attached_policies_per_role.is_none() {
        // What the account is annotated for may not be allowed: that is seen first.
        plan.then(std::mem::take(&mut rest));
    }
    plan.then([rest, documents.then, accounts].concat());
    if binding.exact {
        let released = accounts::left_over(observed, goal, &policy);
        plan.then(accounts::leaving(request, observed, &released, &goal.arn));
    }
    Ok(())
}

/// The steps for a role that exists.
fn update(
    request: &Request,
    observed: &Observed,
    goal: &Goal<'_>,
    (role, replaced): (&ObservedRole, &Replaced),
    plan: &mut Plan,
) -> Result<()> {
    let binding = &request.binding;
    let undone = undo_delete(role);
    let standing = match check_ownership(request, goal, role) {
        Err(error) if error.kind() == ErrorKind::NotOwned => {
            let fits = || -> Result<bool> {
                Ok(undone.is_none() && replaced.deleted.is_empty() && fits(request, observed, goal, role)?)
            };
            return if plan.is_empty() && fits()? { leave(request, goal, role, plan) } else { Err(error) };
        }
        standing => standing?,
    };
    check_path(request, role)?;
    check_set(request, role)?;
    let role = match &undone {
        Some((undo, as_undone)) => {
            plan.needs([limits::tags(role.role.tags.len(), role.role.tags.len() + 1)])?;
            plan.then(vec![undo.clone()]);
            plan.warnings.push(undo_delete::warning(role));
            as_undone
        }
        None => role,
    };
    let adopted = standing == Standing::ToAdopt || (request.adopt && role.ownership.origin == Some(Origin::Adopted));
    // Adoption adds and never removes, also when the same command runs again.
    let exact = binding.exact && !adopted;
    if exact && standing == Standing::Member {
        return Err(not_ours_to_make_exact(role, goal));
    }
    let mut leaving = goal.leaving.clone();
    if exact {
        leaving.extend(role.present(&goal.providers).into_iter().filter(|member| !goal.declared.contains(member)));
    }
    let owner = match standing {
        Standing::Member => role.ownership.members().into_iter().find(|m| role.ownership.is_owner(m)),
        _ => Some(goal.first.clone()),
    };
    let owner_leaves = owner.as_ref().is_some_and(|owner| leaving.contains(owner));
    let owner = if owner_leaves { Some(goal.first.clone()) } else { owner };
    let origin = match standing {
        Standing::ToAdopt => Some(Origin::Adopted),
        Standing::ToFinish => Some(Origin::Created),
        Standing::Owned if role.is_taken_over() => role.ownership.origin,
        Standing::Owned | Standing::Member => None,
    };

    // Tags: who is a subject is recorded before the trust policy lets it in, and struck before it is taken out.
    let mut members: BTreeSet<Member> = role.ownership.further_members();
    if standing == Standing::ToAdopt {
        members.extend(role.present(&goal.providers));
    }
    let admitted = |member: &Member| {
        goal.providers.get(&member.cluster).is_some_and(|provider| role.trust.may_admit(provider, &member.sub()))
    };
    members.extend(goal.declared.iter().cloned());
    members.retain(|member| !leaving.contains(member) && Some(member) != owner.as_ref());
    let struck: BTreeSet<String> = leaving
        .iter()
        .map(Member::tag_key)
        .chain(owner.iter().map(Member::tag_key))
        .filter(|key| role.role.tags.contains_key(key))
        .chain(undo_delete::left_over_tags(role))
        .collect();
    let mut tags = match &owner {
        Some(owner) => goal.tags(request, owner, &members, origin, &role.role.tags),
        // The owner's record was cut, so that only its hash is known: it stays as it is.
        None => {
            let mut tags = goal.tags(request, &goal.first, &members, origin, &role.role.tags);
            tags.remove(OWNER_TAG);
            tags.extend([(goal.first.tag_key(), goal.first.tag_value())]);
            tags
        }
    };
    tags = tags_to_write(&tags, &role.role.tags);
    // Where the owner leaves, the heir takes the owner's tag before its own is struck: it is on record all the way.
    let inherits = owner_leaves && tags.contains_key(OWNER_TAG);
    let new_tags = tags.keys().filter(|key| !role.role.tags.contains_key(*key)).count();
    let quotas = &observed.quotas;
    plan.needs([limits::tags(role.role.tags.len(), role.role.tags.len() - struck.len() + new_tags)])?;

    // Trust: what it will be once the tags say so; in two writes where subjects leave and come.
    let tagged = Ownership::from_tags(&tags_after(&role.role.tags, &tags, &struck));
    let derivation = goal.derivation(request, leaving.clone());
    let Derived { policy, untagged } = derive(&role.trust, &tagged, &derivation)?;
    plan.needs([limits::trust_size(quotas, role.trust.size(), policy.size())])?;
    // First only those leave who must; whom the standing policy does not let in yet waits for the end.
    let present = role.present(&goal.providers);
    let audience =
        |provider: &ProviderArn| role.trust.own_audience(provider).unwrap_or_else(|| Audience::sts().to_string());
    let let_in = |member: &&Member| {
        let provider = goal.providers.get(&member.cluster);
        provider.is_none_or(|provider| {
            let check = role.trust.check(provider, &member.sub(), &audience(provider));
            check.map_or(true, |check| check.decision != Decision::Deny)
        })
    };
    let known: BTreeSet<Member> = goal.declared.union(&present).cloned().collect();
    // Whom no record accounts for leaves at once, like those who are named: before anything is given.
    let recorded = tagged.members();
    let stale = |member: &Member| {
        untagged.contains(&member.sub()) && !recorded.contains(member) && !goal.declared.contains(member)
    };
    let known = known.into_iter().filter(|member| !leaving.contains(member) && !stale(member));
    let (staying, mut waiting): (BTreeSet<Member>, BTreeSet<Member>) = known.partition(|member| let_in(&member));
    // Whom another writer has just recorded is let in by that writer at any time, and must not be taken out again.
    waiting.retain(|member| goal.declared.contains(member));
    let reduced = Derivation { joining: staying, waiting, extra: Vec::new(), audience: None, ..derivation.clone() };
    let before_tags = Ownership::from_tags(&tags_after(&role.role.tags, &BTreeMap::new(), &struck));
    let fewer = derive(&role.trust, &before_tags, &reduced)?.policy;

    let changes = (observed, goal, role);
    let adopting = standing == Standing::ToAdopt;
    let policies = PolicyChanges::of(request, changes, (exact, adopting), replaced, &mut plan.warnings)?;
    plan.needs([limits::attached(
        quotas,
        role.attached.len(),
        role.attached.len() + policies.coming - policies.leaving,
    )])?;
    if role.attached.is_empty()
        && role.inline.is_empty()
        && binding.policies.is_empty()
        && binding.inline_policies.is_empty()
    {
        plan.warnings.push(findings::no_policies(goal.arn.name()));
    }

    plan.then(prerequisites::namespaces(request, observed));
    // Until the tags are on it, a role is known as ours by having nothing else on it.
    if standing == Standing::ToFinish && !tags.is_empty() {
        plan.then(vec![Step::TagRole(std::mem::take(&mut tags))]);
    }
    if inherits && let Some(owner) = tags.remove(OWNER_TAG) {
        plan.then(vec![Step::TagRole(BTreeMap::from([(OWNER_TAG.to_owned(), owner)]))]);
    }
    if !struck.is_empty() {
        plan.then(vec![Step::UntagRole(struck)]);
    }
    let mut standing_policy = role.trust.clone();
    // Where nothing else changes, subjects come and leave in one write: fewer writes, fewer others to meet.
    if fewer != role.trust && policies.changes_rights() && Invariant::RemoveSubjectsBeforeGrants.is_enforced() {
        let step = TrustStep::new(&role.trust, &fewer, reduced, &before_tags);
        plan.then(vec![Step::UpdateTrust(Box::new(step))]);
        standing_policy = fewer;
    }
    let PolicyChanges { managed, boundary, documents, .. } = policies;
    let mut first = [managed.first, documents.first].concat();
    let mut late = Vec::new();
    if !Invariant::RevokeBeforeAddingSubjects.is_enforced() {
        std::mem::swap(&mut first, &mut late);
    }
    plan.then(first);
    plan.then(boundary);
    plan.one_by_one(managed.come_alone);
    let mut rest = managed.then;
    if quotas.attached_policies_per_role.is_none() {
        // The write that may be refused comes before those that would then be for nothing.
        plan.then(std::mem::take(&mut rest));
    }
    rest.extend(documents.then);
    rest.extend(settings(request, role));
    if !tags.is_empty() {
        rest.push(Step::TagRole(tags));
    }
    plan.then(rest);
    plan.then(documents.replaced);
    plan.one_by_one(managed.leave_alone);
    plan.then([managed.last, documents.last].concat());
    let mut accounts = accounts::accounts(request, observed, goal)?;
    if !Invariant::TrustBeforeAnnotation.is_enforced() {
        plan.then(std::mem::take(&mut accounts));
    }
    if policy != standing_policy {
        let step = TrustStep::new(&standing_policy, &policy, derivation, &tagged);
        plan.then(vec![Step::UpdateTrust(Box::new(step))]);
    }
    plan.then(accounts);
    plan.then(late);
    let mut released = leaving.clone();
    if exact {
        released.extend(accounts::left_over(observed, goal, &policy));
    }
    plan.then(accounts::leaving(request, observed, &released, &goal.arn));
    let sizes = InlineSizes::along(role, &plan.stages);
    plan.needs([limits::inline_size(quotas, &sizes)])?;

    if standing == Standing::ToAdopt {
        let message = format!(
            "role {} was made by somebody else: it is adopted, and kept when the binding is deleted",
            goal.arn.name()
        );
        plan.warnings.push(Warning::new(WarningId::Adopted, message));
        if let Some(other) = managed_elsewhere(&role.role.tags) {
            let message = format!("role {} belongs to {other}, which may revert or delete it", goal.arn.name());
            plan.warnings.push(Warning::new(WarningId::ManagedElsewhere, message));
        }
    }
    plan.warnings.extend(findings::taken_over(role));
    plan.warnings.extend(findings::audience(request, goal, role));
    // Statements are told by their numbers: those of the policy that stands there, where it stays.
    let told = if policy == role.trust { &role.trust } else { &policy };
    findings::check_let_in(request, goal, told, &mut plan.warnings)?;
    plan.warnings.extend(findings::foreign_statements(goal, &policy));
    let gone: BTreeSet<Member> =
        leaving.iter().filter(|member| present.contains(*member) || admitted(member)).cloned().collect();
    plan.warnings.extend(findings::sessions(&goal.home.cluster, role, &gone));
    plan.warnings.extend(findings::untagged(&untagged));
    for member in goal.leaving.iter().filter(|member| !gone.contains(*member)) {
        let message = format!(
            "subject {} is not in role {}, so there is nothing to remove",
            member.shown(&goal.home.cluster),
            goal.arn.name()
        );
        plan.warnings.push(Warning::new(WarningId::NothingToRemove, message));
    }
    findings::extras(request, goal, role, &tagged, &policy, plan);
    Ok(())
}

/// Whether a role has all the settings, tags and policies that a create asks for.
pub(super) fn has_all(request: &Request, goal: &Goal<'_>, role: &ObservedRole) -> bool {
    let binding = &request.binding;
    let tags = binding
        .tags
        .iter()
        .all(|(key, value)| role.role.tags.get(key.as_str()).is_some_and(|there| there == value.as_str()));
    let inline = binding
        .inline_policies
        .iter()
        .all(|(name, document)| role.inline.get(name).is_some_and(|there| there.as_ref() == Some(document)));
    let boundary = binding.permissions_boundary.as_ref().map(ToString::to_string);
    request.verb == Verb::Create
        && !binding.exact
        && check_path(request, role).is_ok()
        && tags
        && inline
        && goal.attach.is_subset(&role.attached)
        && (boundary.is_none() || boundary == role.role.permissions_boundary)
        && settings(request, role).is_none()
}

/// Whether a role that somebody else made is all that a create asks for, so that nothing needs to be written.
fn fits(request: &Request, observed: &Observed, goal: &Goal<'_>, role: &ObservedRole) -> Result<bool> {
    if !has_all(request, goal, role) {
        return Ok(false);
    }
    let derivation = goal.derivation(request, BTreeSet::new());
    let trust = derive(&role.trust, &role.ownership, &derivation);
    Ok(trust.is_ok_and(|derived| derived.policy == role.trust)
        && accounts::accounts(request, observed, goal)?.is_empty())
}

/// The plan for a role that fits and is not ours: it is left alone.
fn leave(request: &Request, goal: &Goal<'_>, role: &ObservedRole, plan: &mut Plan) -> Result<()> {
    let message = format!("role {} was made by somebody else, has what is declared and is left alone", goal.arn.name());
    plan.warnings.push(Warning::new(WarningId::NotManaged, message).with_hint(Hint::ManageRole));
    findings::check_let_in(request, goal, &role.trust, &mut plan.warnings)?;
    plan.warnings.extend(findings::foreign_statements(goal, &role.trust));
    findings::extras(request, goal, role, &role.ownership, &role.trust, plan);
    Ok(())
}

/// What is exact for one binding would take the subjects and policies of another away.
fn not_ours_to_make_exact(role: &ObservedRole, goal: &Goal<'_>) -> Error {
    let (name, first) = (role.role.arn.name(), goal.first.shown(&goal.home.cluster));
    let owner = role.ownership.owner.as_deref().unwrap_or_default();
    Error::new(ErrorKind::Conflict, format!("role {name} cannot be made exact by {first}"))
        .with_cause(format!("{first} is one of its further subjects; its owner is {owner}"))
        .with_hint(Hint::ExactByOwner)
}

fn tags_after(
    there: &BTreeMap<String, String>,
    written: &BTreeMap<String, String>,
    struck: &BTreeSet<String>,
) -> BTreeMap<String, String> {
    let mut tags = there.clone();
    tags.retain(|key, _| !struck.contains(key));
    tags.extend(written.iter().map(|(key, value)| (key.clone(), value.clone())));
    tags
}
