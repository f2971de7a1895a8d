//! Plans delete requests: the subjects of the binding leave the role, and the role is deleted if irsa created it for them alone.

use std::collections::{BTreeMap, BTreeSet};

use super::order::Phase;
use super::service_accounts::release;
use super::undo_delete::undo_delete;
use super::{Plan, RoleSnapshot, Step, TrustStep, warnings};
use crate::binding::OWN_PREFIX;
use crate::cluster_identity::ClusterId;
use crate::document::PolicyDocument;
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::invariants::Invariant;
use crate::name::{ProviderArn, RoleArn, ServiceAccountRef, SubjectName};
use crate::observe::{Observed, ObservedRole, may_let_in};
use crate::ownership::{Member, OWNER_TAG, Origin, Ownership};
use crate::report::{Warning, WarningId};
use crate::request::Request;
use crate::trust::{Derivation, OwnKind, TrustPolicy, derive, own_kind};

/// Plans a delete.
pub(super) fn plan(request: &Request, observed: &Observed, keep_role: bool) -> Result<Plan> {
    let home = observed.home(request)?;
    let first = observed.member(request, &request.binding.first_subject())?;
    let subjects = request.binding.all_subjects();
    let all: BTreeSet<Member> =
        subjects.iter().map(|subject| observed.member(request, subject)).collect::<Result<_>>()?;
    let arn = match (&observed.role, &observed.role_name) {
        (Some(role), _) => Some(role.role.arn.clone()),
        (None, Some(name)) => {
            let path = request.binding.role_path.clone().unwrap_or_default();
            Some(RoleArn::new(home.partition.clone(), home.account.clone(), path, name.clone()))
        }
        (None, None) => None,
    };
    if observed.unread.is_some() {
        return of_another_account(request, observed, &all);
    }
    let mut plan = Plan::new(request, arn.clone());
    plan.warnings.extend(observed.warnings.iter().cloned());
    let Some(arn) = arn else {
        // A run was interrupted, or a webhook removed the annotation, before the service account was released.
        plan.stages.add(Phase::Release, all.iter().filter_map(|member| release(observed, member, None)));
        return Ok(plan);
    };
    // Where the role is gone, the annotation is left, and may name a path that the request does not.
    let annotated = annotation(observed, &first);
    let bound = annotated.filter(|annotated| annotated.name() == arn.name()).unwrap_or(arn);
    let released = |members: &mut dyn Iterator<Item = &Member>| -> Vec<Step> {
        members.filter_map(|member| release(observed, member, Some(&bound))).collect()
    };
    let further = released(&mut all.iter().filter(|member| **member != first));
    let leaving = RemovedSubjects { first, all, further };
    let (outcome, orphaned) = match &observed.role {
        Some(role) => {
            let orphaned = orphaned(request, observed, role, &leaving.all)?;
            let options = Options { keep_role, annotations_left: !orphaned.is_empty() };
            (remove_subjects(request, observed, role, &leaving, options, &mut plan)?, orphaned)
        }
        None => (DeleteOutcome::SubjectsRemoved, BTreeSet::new()),
    };
    let of_first = released(&mut [&leaving.first].into_iter());
    if outcome != DeleteOutcome::NotOurs || request.force {
        plan.warnings.extend(kept_for_others(observed, &leaving.all, &bound));
    }
    match outcome {
        DeleteOutcome::RoleDeleted => plan.stages.add(Phase::ReleaseFirst, of_first),
        DeleteOutcome::AnnotationsOnly if !request.force => {
            plan.stages.add(Phase::Release, released(&mut orphaned.iter()));
        }
        DeleteOutcome::NotOurs if !request.force => {
            // An annotation that irsa wrote is irsa's to remove, whatever manages the role.
            let (ours, others): (Vec<&Member>, Vec<&Member>) =
                leaving.all.iter().partition(|member| is_bound_by_us(observed, member, &bound));
            plan.stages.add(Phase::Release, released(&mut ours.into_iter()));
            if others.contains(&&leaving.first) && !of_first.is_empty() {
                plan.warnings.push(account_kept(request, "irsa did not set it, and the role is not irsa's"));
            }
        }
        DeleteOutcome::SubjectsRemoved | DeleteOutcome::AnnotationsOnly | DeleteOutcome::NotOurs => {
            plan.stages.add(Phase::Release, leaving.further);
            plan.stages.add(Phase::ReleaseFirst, of_first);
        }
    }
    plan.warnings.extend(out_of_reach(request, observed)?);
    Ok(plan)
}

/// The subjects that leave.
struct RemovedSubjects {
    first: Member,
    all: BTreeSet<Member>,
    /// The steps that release the service accounts of all but the first.
    further: Vec<Step>,
}

/// How the role of the binding is treated.
#[derive(Clone, Copy)]
struct Options {
    keep_role: bool,
    /// Whether an interrupted run left annotations of the binding.
    annotations_left: bool,
}

/// What the plan does to the role so far, which decides what service accounts are released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DeleteOutcome {
    /// Nothing: it is not a binding of irsa.
    NotOurs,
    /// The subjects leave the role, which stays or does not exist.
    SubjectsRemoved,
    /// The role is deleted; the service accounts of further subjects are released already.
    RoleDeleted,
    /// The subjects have left before, and an interrupted run left their annotations.
    AnnotationsOnly,
}

/// Warnings about service accounts that irsa created or wrote to, and that are annotated with another role by now.
fn kept_for_others(observed: &Observed, leaving: &BTreeSet<Member>, role: &RoleArn) -> Vec<Warning> {
    let kept = |member: &Member| {
        let key = crate::observe::AccountKey::of_member(member)?;
        let account = crate::observe::existing(observed, &key)?;
        let other = crate::service_account::left_with(account, role)?;
        let service_account = ServiceAccountRef::new(&account.namespace, &account.name);
        let message = format!("service account {service_account} is kept: its annotation names another role, {other}");
        Some(Warning::new(WarningId::AccountKept, message))
    };
    leaving.iter().filter_map(kept).collect()
}

/// Warnings about service accounts that cannot be released, because no access to the API server of their cluster is known.
fn out_of_reach(request: &Request, observed: &Observed) -> Result<Vec<Warning>> {
    let mut warnings = Vec::new();
    for subject in request.binding.all_subjects().iter().filter(|subject| request.binding.has_account(subject)) {
        let member = observed.member(request, subject)?;
        let Some(key) = crate::observe::AccountKey::of_member(&member) else { continue };
        let cluster = subject.cluster.as_ref().unwrap_or(&request.binding.cluster);
        let gone = observed.identity(cluster)?.issuer.is_none();
        if !gone && !observed.accounts.contains_key(&key) {
            let message = format!(
                "service account {}/{} of cluster {cluster} is left as it is: no access to its API server is known",
                member.namespace,
                member.name.as_str()
            );
            warnings.push(Warning::new(WarningId::AccountKept, message));
        }
    }
    Ok(warnings)
}

fn annotation(observed: &Observed, member: &Member) -> Option<RoleArn> {
    let SubjectName::Exact(name) = &member.name else { return None };
    let key = crate::observe::AccountKey::new(&member.cluster, &member.namespace, name);
    let account = crate::observe::existing(observed, &key)?;
    account.annotations.get(crate::binding::ROLE_ARN_ANNOTATION)?.parse().ok()
}

/// Whether irsa annotated the service account of a member with the role.
fn is_bound_by_us(observed: &Observed, member: &Member, role: &RoleArn) -> bool {
    let key = crate::observe::AccountKey::of_member(member);
    let account = key.and_then(|key| crate::observe::existing(observed, &key));
    account.is_some_and(|account| crate::service_account::is_bound_by_us(account, role))
}

fn account_kept(request: &Request, why: &str) -> Warning {
    let message = format!("service account {} keeps its annotation: {why}", request.binding);
    Warning::new(WarningId::AccountKept, message)
}

/// The plan for a role of another AWS account: the role stays, and annotations that irsa wrote are removed.
fn of_another_account(request: &Request, observed: &Observed, all: &BTreeSet<Member>) -> Result<Plan> {
    let first = observed.member(request, &request.binding.first_subject())?;
    let role = annotation(observed, &first).or_else(|| all.iter().find_map(|member| annotation(observed, member)));
    let mut plan = Plan::new(request, role.clone());
    plan.warnings.extend(observed.warnings.iter().cloned());
    let Some(role) = role else { return Ok(plan) };
    let message = format!("role {role} is kept: it is in another account");
    plan.warnings.push(Warning::new(WarningId::RoleKept, message));
    for member in all {
        match is_bound_by_us(observed, member, &role) || request.force {
            true => {
                let phase = if *member == first { Phase::ReleaseFirst } else { Phase::Release };
                plan.stages.add(phase, release(observed, member, Some(&role)));
            }
            false if *member == first => plan.warnings.push(account_kept(request, "irsa did not set it")),
            false => {}
        }
    }
    plan.warnings.extend(out_of_reach(request, observed)?);
    Ok(plan)
}

/// The subjects that left the role before, and whose service accounts are still annotated by irsa: a delete was interrupted
/// before its last steps.
fn orphaned(
    request: &Request,
    observed: &Observed,
    role: &ObservedRole,
    members: &BTreeSet<Member>,
) -> Result<BTreeSet<Member>> {
    let providers = observed.cluster_providers(request)?;
    let is_orphaned = |member: &&Member| {
        is_bound_by_us(observed, member, &role.role.arn) && !may_let_in(&role.trust, member, &providers)
    };
    Ok(members.iter().filter(is_orphaned).cloned().collect())
}

/// Removes the subjects from the role, and the role if it is left to nobody else.
fn remove_subjects(
    request: &Request,
    observed: &Observed,
    role: &ObservedRole,
    leaving: &RemovedSubjects,
    options: Options,
    plan: &mut Plan,
) -> Result<DeleteOutcome> {
    let providers = observed.cluster_providers(request)?;
    if !leaving.all.iter().any(|member| role.has_subject(member, &providers)) {
        return not_ours(request, role, leaving, options, plan);
    }
    let derivation = Derivation { providers: providers.clone(), leaving: leaving.all.clone(), ..Derivation::default() };
    let without = derive(&role.trust, &role.ownership, &derivation)?.policy;
    let others_in_ours = without.statements().any(|statement| own_kind(statement) == Some(OwnKind::Subjects));
    let others = role.ownership.records_others(&leaving.all) || others_in_ours;
    if !role.ownership.is_owned() {
        // A delete that keeps the role removes its tags first; interrupted after that, only the statement of the binding is left.
        let alone = role.present(&derivation.providers).iter().all(|present| leaving.all.contains(present));
        if others || !alone || request.force {
            return not_ours(request, role, leaving, options, plan);
        }
        keep_role(role, "it has no owner tag", &without, &derivation, plan);
        return Ok(DeleteOutcome::SubjectsRemoved);
    }
    let stays = reason_to_keep(role, &without, options.keep_role).filter(|_| !request.force);
    // No binding is named after a pattern, so none would miss the role.
    let others = others && !(request.force && only_patterns_stay(role, &leaving.all, &providers));
    if others || stays.is_some() {
        // Sessions of a role that is deleted end with it.
        plan.warnings.extend(warnings::sessions(&observed.home(request)?.cluster, role, &leaving.all));
    }
    match stays {
        _ if others => leave_to_others(request, role, &leaving.all, &derivation, plan)?,
        Some(why) => keep_role(role, &why, &without, &derivation, plan),
        None => return delete_role(request, role, &without, &leaving.further, plan),
    }
    Ok(DeleteOutcome::SubjectsRemoved)
}

/// Whether irsa's own statements and tags would trust nothing but patterns afterwards.
fn only_patterns_stay(
    role: &ObservedRole,
    leaving: &BTreeSet<Member>,
    providers: &BTreeMap<ClusterId, ProviderArn>,
) -> bool {
    let present = role.present(providers);
    let mut staying = present.iter().filter(|member| !leaving.contains(*member));
    !role.ownership.is_partial() && staying.all(|member| matches!(member.name, SubjectName::Pattern(_)))
}

/// The role stays without the binding. Its tags are removed first, so that no writer that goes by them trusts a subject again.
fn keep_role(role: &ObservedRole, why: &str, without: &TrustPolicy, derivation: &Derivation, plan: &mut Plan) {
    let message = format!("role {} is kept without this binding: {why}", role.role.arn.name());
    plan.warnings.push(Warning::new(WarningId::RoleKept, message));
    let own: BTreeSet<String> = role.role.tags.keys().filter(|key| key.starts_with(OWN_PREFIX)).cloned().collect();
    if !own.is_empty() {
        plan.stages.add(Phase::UntagSubjects, [Step::UntagRole(own)]);
    }
    update_trust(role, without, derivation, plan);
}

/// A role that does not trust the subjects is left as it is. One without an owner is deleted if it is named and forced.
fn not_ours(
    request: &Request,
    role: &ObservedRole,
    leaving: &RemovedSubjects,
    options: Options,
    plan: &mut Plan,
) -> Result<DeleteOutcome> {
    let name = role.role.arn.name();
    let named = request.binding.role_name.is_some();
    match &role.ownership.owner {
        Some(owner) if named && !options.annotations_left => {
            Err(Error::new(ErrorKind::AlreadyExists, format!("role {name} belongs to another binding"))
                .with_cause(format!("its owner is {owner}, and {} is not one of its subjects", request.binding))
                .with_hint("delete the binding that owns it, or name another role"))
        }
        None if named && request.force => delete_role(request, role, &role.trust, &leaving.further, plan),
        owner => {
            let why = match owner {
                Some(owner) => format!("it belongs to {owner}"),
                None => "it was not created by irsa".to_owned(),
            };
            let mut warning = Warning::new(WarningId::RoleKept, format!("role {name} is kept: {why}"));
            if owner.is_none() {
                warning = warning.with_hint(Hint::ForceDelete);
            }
            plan.warnings.push(warning);
            Ok(match options.annotations_left {
                true => DeleteOutcome::AnnotationsOnly,
                false => DeleteOutcome::NotOurs,
            })
        }
    }
}

/// Some subjects of several leave: first from the tags, then from the trust policy.
fn leave_to_others(
    request: &Request,
    role: &ObservedRole,
    leaving: &BTreeSet<Member>,
    derivation: &Derivation,
    plan: &mut Plan,
) -> Result<()> {
    // A delete that was interrupted, or met a new subject, may have left its mark.
    let undone = undo_delete(role);
    let role = match &undone {
        Some((undo, as_undone)) => {
            plan.stages.add(Phase::UndoDelete, [undo.clone()]);
            as_undone
        }
        None => role,
    };
    let mut tags = role.role.tags.clone();
    let mut removed: BTreeSet<String> = leaving.iter().map(Member::tag_key).collect();
    if leaving.iter().any(|member| role.ownership.is_owner(member)) {
        // No binding is named after a pattern, so a pattern cannot own a role.
        let concrete = |other: &&Member| !leaving.contains(*other) && matches!(other.name, SubjectName::Exact(_));
        let recorded = role.ownership.members();
        let present = role.present(&derivation.providers);
        match recorded.iter().find(concrete).or_else(|| present.iter().find(concrete)) {
            Some(heir) => {
                let owner = BTreeMap::from([(OWNER_TAG.to_owned(), heir.tag_value())]);
                tags.extend(owner.clone());
                removed.insert(heir.tag_key());
                plan.stages.add(Phase::TagOwner, [Step::TagRole(owner)]);
            }
            None => {
                let message = format!(
                    "role {} is kept, and {} stays its owner: only subject patterns are left, and they cannot own a role",
                    role.role.arn.name(),
                    request.binding
                );
                plan.warnings.push(Warning::new(WarningId::RoleKept, message).with_hint(Hint::ForceDelete));
            }
        }
    }
    // An interrupted run may have left the owner with the tag of a further subject too.
    removed.extend(Ownership::from_tags(&tags).owner_tag_key());
    removed.retain(|key| tags.contains_key(key));
    tags.retain(|key, _| !removed.contains(key));
    if !removed.is_empty() {
        plan.stages.add(Phase::UntagSubjects, [Step::UntagRole(removed)]);
    }
    let policy = derive(&role.trust, &Ownership::from_tags(&tags), derivation)?.policy;
    update_trust(role, &policy, derivation, plan);
    Ok(())
}

/// Deletes the role with everything that is on it. No subject is trusted any more before policies are removed, because one of
/// them may deny.
fn delete_role(
    request: &Request,
    role: &ObservedRole,
    without: &TrustPolicy,
    further: &[Step],
    plan: &mut Plan,
) -> Result<DeleteOutcome> {
    if !role.instance_profiles.is_empty() {
        let name = role.role.arn.name();
        return Err(Error::new(ErrorKind::Conflict, format!("role {name} cannot be deleted"))
            .with_cause(format!("it is in instance profile {}", role.instance_profiles.join(", ")))
            .with_hint(Hint::KeepRole));
    }
    let mut tags = role.role.tags.clone();
    // A role of gen3's script is tagged first, so that an interrupted run finds it again.
    if role.is_taken_over() {
        let owner = role.ownership.owner_tags();
        tags.extend(owner.clone());
        plan.stages.add(Phase::TagOwner, [Step::TagRole(owner)]);
    }
    if Invariant::DeletionMark.is_enforced() {
        let snapshot = RoleSnapshot { tags, ..RoleSnapshot::of(role) };
        plan.stages.add(Phase::MarkDeleted, [Step::BeginDelete(Box::new(snapshot))]);
    }
    if role.attached.len() + role.inline.len() > 1 {
        let everybody = role.ownership.members();
        let derivation = Derivation { leaving: everybody, ..Derivation::default() };
        let closed = if request.force { TrustPolicy::closed() } else { without.clone() };
        update_trust(role, &closed, &derivation, plan);
    }
    let detach = role.attached.iter().cloned().map(Step::DetachPolicy);
    plan.stages.add(Phase::Restrict, detach);
    for (name, document) in &role.inline {
        let denies = document.as_ref().is_some_and(PolicyDocument::has_deny);
        let phase = if denies { Phase::LiftDenies } else { Phase::Restrict };
        plan.stages.add(phase, [Step::DeleteInlinePolicy(name.clone(), document.clone())]);
    }
    plan.stages.add(Phase::Release, further.to_vec());
    plan.stages.add(Phase::DeleteRole, [Step::DeleteRole]);
    Ok(DeleteOutcome::RoleDeleted)
}

fn update_trust(role: &ObservedRole, policy: &TrustPolicy, derivation: &Derivation, plan: &mut Plan) {
    if *policy != role.trust {
        let step = TrustStep::new(&role.trust, policy, derivation.clone(), &role.ownership);
        plan.stages.add(Phase::RemoveSubjects, [Step::UpdateTrust(Box::new(step))]);
    }
}

/// Why a role stays when its last subject leaves; `without` is its trust policy by then.
fn reason_to_keep(role: &ObservedRole, without: &TrustPolicy, keep_role: bool) -> Option<String> {
    if keep_role {
        return Some("as asked for".to_owned());
    }
    if role.ownership.origin != Some(Origin::Created) {
        return Some("it existed before irsa adopted it".to_owned());
    }
    if let Some(statement) = without.foreign_allows().next() {
        let sid = statement.get("Sid").and_then(serde_json::Value::as_str).filter(|sid| !sid.is_empty());
        let which = sid.map_or_else(String::new, |sid| format!(" ({sid})"));
        return Some(format!("its trust policy has a statement that irsa did not write{which}"));
    }
    if !role.instance_profiles.is_empty() {
        return Some(format!("it is in instance profile {}", role.instance_profiles.join(", ")));
    }
    None
}
