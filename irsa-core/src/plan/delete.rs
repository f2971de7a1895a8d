//! Delete: undoes a binding, and the role with it where it is ours alone.

use std::collections::{BTreeMap, BTreeSet};

use super::accounts::released;
use super::undo_delete::undo_delete;
use super::{Plan, RoleSnapshot, Step, TrustStep, findings};
use crate::binding::OWN_PREFIX;
use crate::cluster_identity::ClusterId;
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::invariants::Invariant;
use crate::name::{ProviderArn, RoleArn, ServiceAccountRef, SubjectName};
use crate::observe::{Observed, ObservedRole, may_let_in};
use crate::ownership::{Member, OWNER_TAG, Origin, Ownership};
use crate::report::{Warning, WarningId};
use crate::request::Request;
use crate::trust::{Derivation, OwnKind, TrustPolicy, derive, own_kind};

/// Plans a delete: the subjects of the binding leave the role, and it goes if they were all.
///
/// The role loses the subjects first; then, if it goes, its policies and the role; the account of the first subject, or its
/// annotation, goes last, so that a run that broke off is found again by it.
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
        // A run may have broken off, or a webhook may have taken the annotation away, before the account could go.
        plan.then(all.iter().filter_map(|member| released(observed, member, None)).collect());
        return Ok(plan);
    };
    // A role that is gone leaves the annotation; the annotation's own ARN may have another path than we would guess.
    let annotated = annotation(observed, &first);
    let bound = annotated.filter(|annotated| annotated.name() == arn.name()).unwrap_or(arn);
    let released = |members: &mut dyn Iterator<Item = &Member>| -> Vec<Step> {
        members.filter_map(|member| released(observed, member, Some(&bound))).collect()
    };
    if !Invariant::ServiceAccountLast.is_enforced() {
        plan.then(released(&mut all.iter()));
    }
    let further = released(&mut all.iter().filter(|member| **member != first));
    let leaving = Leaving { first, all, further };
    let (outcome, left_over) = match &observed.role {
        Some(role) => {
            let left_over = left_over(request, observed, role, &leaving.all)?;
            (leave(request, observed, role, &leaving, (keep_role, !left_over.is_empty()), &mut plan)?, left_over)
        }
        None => (Left::Role, BTreeSet::new()),
    };
    let of_first = released(&mut [&leaving.first].into_iter());
    if outcome != Left::Nothing || request.force {
        plan.warnings.extend(left_to_others(observed, &leaving.all, &bound));
    }
    match outcome {
        Left::Everything => plan.then(of_first),
        Left::Remains if !request.force => plan.then(released(&mut left_over.iter())),
        Left::Nothing if !request.force => {
            // Whoever manages the role: an annotation that irsa wrote is irsa's to take away.
            let (ours, others): (Vec<&Member>, Vec<&Member>) =
                leaving.all.iter().partition(|member| is_bound_by_us(observed, member, &bound));
            plan.then(released(&mut ours.into_iter()));
            if others.contains(&&leaving.first) && !of_first.is_empty() {
                plan.warnings.push(account_kept(request, "irsa did not set it, and the role is not irsa's"));
            }
        }
        Left::Role | Left::Remains | Left::Nothing => {
            plan.then(leaving.further);
            plan.then(of_first);
        }
    }
    plan.warnings.extend(out_of_reach(request, observed)?);
    Ok(plan)
}

/// The subjects that leave.
struct Leaving {
    first: Member,
    all: BTreeSet<Member>,
    /// The steps that let the accounts of the others than the first go.
    further: Vec<Step>,
}

/// What was planned of a binding that leaves its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// Nothing: it is not a binding of irsa.
    Nothing,
    /// It leaves the role; the accounts are still to be let go.
    Role,
    /// The role goes, and the accounts with it, but that of the first subject.
    Everything,
    /// It has left before: annotations that a run left which broke off are still to be taken away.
    Remains,
}

/// The accounts that stay because they are annotated with another role, though irsa made them or wrote to them.
fn left_to_others(observed: &Observed, leaving: &BTreeSet<Member>, role: &RoleArn) -> Vec<Warning> {
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

/// The accounts that cannot be let go: nobody can say how the API server of their cluster is reached.
fn out_of_reach(request: &Request, observed: &Observed) -> Result<Vec<Warning>> {
    let mut warnings = Vec::new();
    for subject in request.binding.all_subjects().iter().filter(|subject| request.binding.has_account(subject)) {
        let member = observed.member(request, subject)?;
        let Some(key) = crate::observe::AccountKey::of_member(&member) else { continue };
        let cluster = subject.cluster.as_ref().unwrap_or(&request.binding.cluster);
        let gone = observed.identity(cluster)?.issuer.is_none();
        if !gone && !observed.accounts.contains_key(&key) {
            let message = format!(
                "service account {}/{} of cluster {cluster} is left as it is: its API server is not reached",
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

/// Whether irsa annotated the account of a member with a role.
fn is_bound_by_us(observed: &Observed, member: &Member, role: &RoleArn) -> bool {
    let key = crate::observe::AccountKey::of_member(member);
    let account = key.and_then(|key| crate::observe::existing(observed, &key));
    account.is_some_and(|account| crate::service_account::is_bound_by_us(account, role))
}

fn account_kept(request: &Request, why: &str) -> Warning {
    let message = format!("service account {} keeps its annotation: {why}", request.binding);
    Warning::new(WarningId::AccountKept, message)
}

/// The role is in another account: it is left as it is, and the annotations go that irsa set.
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
            true => plan.then(released(observed, member, Some(&role)).into_iter().collect()),
            false if *member == first => plan.warnings.push(account_kept(request, "irsa did not set it")),
            false => {}
        }
    }
    plan.warnings.extend(out_of_reach(request, observed)?);
    Ok(plan)
}

/// The subjects of which nothing is left but the annotation that irsa gave the account: what a delete leaves that broke off
/// before its last steps.
fn left_over(
    request: &Request,
    observed: &Observed,
    role: &ObservedRole,
    members: &BTreeSet<Member>,
) -> Result<BTreeSet<Member>> {
    let providers = observed.cluster_providers(request)?;
    let is_left = |member: &&Member| {
        is_bound_by_us(observed, member, &role.role.arn) && !may_let_in(&role.trust, member, &providers)
    };
    Ok(members.iter().filter(is_left).cloned().collect())
}

/// Takes the subjects out of the role.
fn leave(
    request: &Request,
    observed: &Observed,
    role: &ObservedRole,
    leaving: &Leaving,
    (keep_role, left_over): (bool, bool),
    plan: &mut Plan,
) -> Result<Left> {
    let providers = observed.cluster_providers(request)?;
    if !leaving.all.iter().any(|member| role.has_subject(member, &providers)) {
        return not_ours(request, role, leaving, left_over, plan);
    }
    let derivation = Derivation { providers: providers.clone(), leaving: leaving.all.clone(), ..Derivation::default() };
    let without = derive(&role.trust, &role.ownership, &derivation)?.policy;
    let others_in_ours = without.statements().any(|statement| own_kind(statement) == Some(OwnKind::Subjects));
    let others = role.ownership.records_others(&leaving.all) || others_in_ours;
    if !role.ownership.is_owned() {
        // The tags of a role that is kept go first: what is left then of a binding is its own statement.
        let alone = role.present(&derivation.providers).iter().all(|present| leaving.all.contains(present));
        if others || !alone || request.force {
            return not_ours(request, role, leaving, left_over, plan);
        }
        keep(role, "it carries no owner tag", &without, &derivation, plan);
        return Ok(Left::Role);
    }
    let stays = kept_because(role, &without, keep_role).filter(|_| !request.force);
    // Patterns name no binding that could miss the role.
    let others = others && !(request.force && only_patterns_stay(role, &leaving.all, &providers));
    if others || stays.is_some() {
        // The sessions of a role that goes end with it.
        plan.warnings.extend(findings::sessions(&observed.home(request)?.cluster, role, &leaving.all));
    }
    match stays {
        _ if others => leave_others(request, role, &leaving.all, &derivation, plan)?,
        Some(why) => keep(role, &why, &without, &derivation, plan),
        None => return go(request, role, &without, &leaving.further, plan),
    }
    Ok(Left::Role)
}

/// Whether all that a role would still let in by irsa's own statements and records is patterns.
fn only_patterns_stay(
    role: &ObservedRole,
    leaving: &BTreeSet<Member>,
    providers: &BTreeMap<ClusterId, ProviderArn>,
) -> bool {
    let present = role.present(providers);
    let mut staying = present.iter().filter(|member| !leaving.contains(*member));
    !role.ownership.is_partial() && staying.all(|member| matches!(member.name, SubjectName::Pattern(_)))
}

/// The role stays, without the binding: its tags go first, so that a writer who still goes by them lets nobody in again.
fn keep(role: &ObservedRole, why: &str, without: &TrustPolicy, derivation: &Derivation, plan: &mut Plan) {
    let message = format!("role {} is kept without this binding: {why}", role.role.arn.name());
    plan.warnings.push(Warning::new(WarningId::RoleKept, message));
    let own: BTreeSet<String> = role.role.tags.keys().filter(|key| key.starts_with(OWN_PREFIX)).cloned().collect();
    if !own.is_empty() {
        plan.then(vec![Step::UntagRole(own)]);
    }
    update_trust(role, without, derivation, plan);
}

/// A role that the subject has no part in is left alone. One that nobody owns goes if it is named and forced.
fn not_ours(
    request: &Request,
    role: &ObservedRole,
    leaving: &Leaving,
    left_over: bool,
    plan: &mut Plan,
) -> Result<Left> {
    let name = role.role.arn.name();
    let named = request.binding.role_name.is_some();
    match &role.ownership.owner {
        Some(owner) if named && !left_over => {
            Err(Error::new(ErrorKind::AlreadyExists, format!("role {name} belongs to another binding"))
                .with_cause(format!("its owner is {owner}, and {} is not one of its subjects", request.binding))
                .with_hint("name the binding that it belongs to"))
        }
        None if named && request.force => go(request, role, &role.trust, &leaving.further, plan),
        owner => {
            let why = match owner {
                Some(owner) => format!("it belongs to {owner}"),
                None => "it was not made by irsa".to_owned(),
            };
            let mut warning = Warning::new(WarningId::RoleKept, format!("role {name} is kept: {why}"));
            if owner.is_none() {
                warning = warning.with_hint(Hint::ForceDelete);
            }
            plan.warnings.push(warning);
            Ok(if left_over { Left::Remains } else { Left::Nothing })
        }
    }
}

/// Some of several subjects leave: their tags, then their place in the trust policy.
fn leave_others(
    request: &Request,
    role: &ObservedRole,
    leaving: &BTreeSet<Member>,
    derivation: &Derivation,
    plan: &mut Plan,
) -> Result<()> {
    // A delete that broke off, or met a subject that joined, may have left its mark.
    let undone = undo_delete(role);
    let role = match &undone {
        Some((undo, as_undone)) => {
            plan.then(vec![undo.clone()]);
            as_undone
        }
        None => role,
    };
    let mut tags = role.role.tags.clone();
    let mut struck: BTreeSet<String> = leaving.iter().map(Member::tag_key).collect();
    if leaving.iter().any(|member| role.ownership.is_owner(member)) {
        // A pattern names no binding, so it cannot own one.
        let concrete = |other: &&Member| !leaving.contains(*other) && matches!(other.name, SubjectName::Exact(_));
        let recorded = role.ownership.members();
        let present = role.present(&derivation.providers);
        match recorded.iter().find(concrete).or_else(|| present.iter().find(concrete)) {
            Some(heir) => {
                let owner = BTreeMap::from([(OWNER_TAG.to_owned(), heir.tag_value())]);
                tags.extend(owner.clone());
                struck.insert(heir.tag_key());
                plan.then(vec![Step::TagRole(owner)]);
            }
            None => {
                let message = format!(
                    "role {} is kept, and {} stays its owner: only patterns are left in it, and they name no binding",
                    role.role.arn.name(),
                    request.binding
                );
                plan.warnings.push(Warning::new(WarningId::RoleKept, message).with_hint(Hint::ForceDelete));
            }
        }
    }
    // A run that broke off may have left the owner with the tag of a further subject too.
    struck.extend(Ownership::from_tags(&tags).owner_tag_key());
    struck.retain(|key| tags.contains_key(key));
    tags.retain(|key, _| !struck.contains(key));
    if !struck.is_empty() {
        plan.then(vec![Step::UntagRole(struck)]);
    }
    let policy = derive(&role.trust, &Ownership::from_tags(&tags), derivation)?.policy;
    update_trust(role, &policy, derivation, plan);
    Ok(())
}

/// The role goes with all that is on it. Nobody is let in any more before the policies go: a managed one may deny. Accounts
/// of further subjects are let go before the role: without it, nothing would tell of them any more.
fn go(
    request: &Request,
    role: &ObservedRole,
    without: &TrustPolicy,
    further: &[Step],
    plan: &mut Plan,
) -> Result<Left> {
    if !role.instance_profiles.is_empty() {
        let name = role.role.arn.name();
        return Err(Error::new(ErrorKind::Conflict, format!("role {name} cannot be deleted"))
            .with_cause(format!("it is in instance profile {}", role.instance_profiles.join(", ")))
            .with_hint(Hint::KeepRole));
    }
    let mut tags = role.role.tags.clone();
    // A role that is taken over is tagged first, so that a run that breaks off finds it again.
    if role.is_taken_over() {
        let owner = role.ownership.owner_tags();
        tags.extend(owner.clone());
        plan.then(vec![Step::TagRole(owner)]);
    }
    if Invariant::DeletionMark.is_enforced() {
        plan.then(vec![Step::BeginDelete(Box::new(RoleSnapshot { tags, ..RoleSnapshot::of(role) }))]);
    }
    if role.attached.len() + role.inline.len() > 1 {
        let everybody = role.ownership.members();
        let derivation = Derivation { leaving: everybody, ..Derivation::default() };
        let closed = if request.force { TrustPolicy::closed() } else { without.clone() };
        update_trust(role, &closed, &derivation, plan);
    }
    plan.stages.extend(role_stages(role, further));
    Ok(Left::Everything)
}

fn update_trust(role: &ObservedRole, policy: &TrustPolicy, derivation: &Derivation, plan: &mut Plan) {
    if *policy != role.trust {
        let step = TrustStep::new(&role.trust, policy, derivation.clone(), &role.ownership);
        plan.then(vec![Step::UpdateTrust(Box::new(step))]);
    }
}

/// Why a role stays when its last subject leaves, given the trust policy that is then left.
fn kept_because(role: &ObservedRole, without: &TrustPolicy, keep_role: bool) -> Option<String> {
    if keep_role {
        return Some("as asked for".to_owned());
    }
    if role.ownership.origin != Some(Origin::Created) {
        return Some("it was there before irsa adopted it".to_owned());
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

/// The role goes with its policies: what allows first, documents that deny after, then the role.
fn role_stages(role: &ObservedRole, further: &[Step]) -> Vec<Vec<Step>> {
    let detach = role.attached.iter().cloned().map(Step::DetachPolicy);
    let documents = role.inline.iter().map(|(name, document)| Step::DeleteInlinePolicy(name.clone(), document.clone()));
    let (deny, allow): (Vec<Step>, Vec<Step>) =
        documents.partition(|step| matches!(step, Step::DeleteInlinePolicy(_, Some(document)) if document.has_deny()));
    let stages = vec![detach.chain(allow).collect::<Vec<_>>(), deny, further.to_vec(), vec![Step::DeleteRole]];
    stages.into_iter().filter(|stage| !stage.is_empty()).collect()
}
