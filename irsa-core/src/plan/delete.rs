//! Delete: undoes a binding, and the role with it where it is ours alone.

use std::collections::{BTreeMap, BTreeSet};

use super::accounts::released;
use super::{Plan, Step, TrustStep};
use crate::error::{Error, ErrorKind, Result};
use crate::name::RoleArn;
use crate::observe::{Observed, ObservedRole};
use crate::ownership::{Member, OWNER_TAG, Origin, Ownership};
use crate::report::{Warning, WarningId};
use crate::request::Request;
use crate::trust::{Derivation, WebIdentity, derive, own_kind};

/// Plans a delete.
///
/// The role loses the subject first; then, if it goes, its policies and the role; the account, or its annotation, goes
/// last, so that a run that broke off is found again by it.
pub(super) fn plan(request: &Request, observed: &Observed, keep_role: bool) -> Result<Plan> {
    let home = observed.home(request)?;
    let member = observed.member(request, &request.binding.first_subject())?;
    let arn = match (&observed.role, &observed.role_name) {
        (Some(role), _) => Some(role.role.arn.clone()),
        (None, Some(name)) => {
            let path = request.binding.role_path.clone().unwrap_or_default();
            Some(RoleArn::new(home.partition.clone(), home.account.clone(), path, name.clone()))
        }
        (None, None) => None,
    };
    let mut plan = Plan::new(request, arn.clone());
    plan.warnings.extend(observed.warnings.iter().cloned());
    let Some(arn) = arn else { return Ok(plan) };
    // A role that is gone leaves the annotation; the annotation's own ARN may have another path than we would guess.
    let annotated = annotation(observed, &member);
    let ours = match &observed.role {
        Some(role) => leave(request, observed, role, &member, keep_role, &mut plan)?,
        None => true,
    };
    let bound = annotated.filter(|annotated| annotated.name() == arn.name()).unwrap_or(arn);
    if ours || request.force {
        plan.then(released(observed, &member, &bound).into_iter().collect());
    } else if released(observed, &member, &bound).is_some() {
        let message =
            format!("service account {} keeps its annotation: the role is not one of irsa's bindings", request.binding);
        plan.warnings.push(Warning::new(WarningId::AccountKept, message));
    }
    Ok(plan)
}

fn annotation(observed: &Observed, member: &Member) -> Option<RoleArn> {
    let crate::name::SubjectName::Exact(name) = &member.name else { return None };
    let key = crate::observe::AccountKey::new(&member.cluster, &member.namespace, name);
    let account = crate::observe::existing(observed, &key)?;
    account.annotations.get(crate::binding::ROLE_ARN_ANNOTATION)?.parse().ok()
}

/// Takes the subject out of the role. Whether the binding was ours to undo.
fn leave(
    request: &Request,
    observed: &Observed,
    role: &ObservedRole,
    member: &Member,
    keep_role: bool,
    plan: &mut Plan,
) -> Result<bool> {
    let name = role.role.arn.name();
    let providers = observed.cluster_providers(request)?;
    let recorded = role.ownership.records(member) || stands_in_ours(role, member, observed, request)?;
    if !recorded {
        if request.force {
            plan.stages.extend(role_stages(role));
            return Ok(true);
        }
        if let Some(owner) = &role.ownership.owner
            && request.binding.role_name.is_some()
        {
            return Err(Error::new(ErrorKind::AlreadyExists, format!("role {name} belongs to another binding"))
                .with_cause(format!("its owner is {owner}, and {} is not one of its subjects", request.binding))
                .with_hint("name the binding that it belongs to; --force deletes the role all the same"));
        }
        let why = role
            .ownership
            .owner
            .as_ref()
            .map_or_else(|| "it was not made by irsa".to_owned(), |owner| format!("it belongs to {owner}"));
        let message = format!("role {name} is kept: {why}; --force deletes it all the same");
        plan.warnings.push(Warning::new(WarningId::RoleKept, message));
        return Ok(false);
    }
    let mut remaining = role.ownership.members();
    remaining.remove(member);
    let derivation = Derivation { providers, leaving: BTreeSet::from([member.clone()]), ..Derivation::default() };
    if !remaining.is_empty() && !request.force {
        leave_others(role, member, &remaining, &derivation, plan)?;
        return Ok(true);
    }
    match kept_because(role, member, keep_role).filter(|_| !request.force) {
        None => {
            // A managed policy may deny: nobody is let in any more before the policies go, one after the other.
            if role.attached.len() + role.inline.len() > 1 && !request.force {
                let everybody = role.ownership.members().into_iter().chain([member.clone()]).collect();
                update_trust(role, &role.ownership, &Derivation { leaving: everybody, ..derivation }, plan)?;
            }
            plan.stages.extend(role_stages(role));
        }
        Some(why) => {
            let message = format!("role {name} is kept without this binding: {why}");
            plan.warnings.push(Warning::new(WarningId::RoleKept, message));
            update_trust(role, &role.ownership, &derivation, plan)?;
            let own = role.role.tags.keys().filter(|key| key.starts_with(crate::binding::OWN_PREFIX)).cloned();
            let own: BTreeSet<String> = own.collect();
            if !own.is_empty() {
                plan.then(vec![Step::UntagRole(own)]);
            }
        }
    }
    Ok(true)
}

/// Whether irsa's own statements let the subject in, also where a run broke off between its tag and the statement.
fn stands_in_ours(role: &ObservedRole, member: &Member, observed: &Observed, request: &Request) -> Result<bool> {
    let providers = observed.cluster_providers(request)?;
    let provider = providers.get(&member.cluster);
    let sub = member.sub();
    let mut own =
        role.trust.statements().filter(|statement| own_kind(statement).is_some()).filter_map(WebIdentity::read);
    Ok(own.any(|web| web.exact.contains(&sub) && provider.is_none_or(|provider| web.trusts(provider))))
}

/// One of several subjects leaves: its tag, then its place in the trust policy.
fn leave_others(
    role: &ObservedRole,
    member: &Member,
    remaining: &BTreeSet<Member>,
    derivation: &Derivation,
    plan: &mut Plan,
) -> Result<()> {
    let mut tags = role.role.tags.clone();
    let mut struck = BTreeSet::from([member.tag_key()]);
    if role.ownership.is_owner(member)
        && let Some(heir) = remaining.first()
    {
        let owner = BTreeMap::from([(OWNER_TAG.to_owned(), heir.tag_value())]);
        tags.extend(owner.clone());
        struck.insert(heir.tag_key());
        plan.then(vec![Step::TagRole(owner)]);
    }
    struck.retain(|key| tags.contains_key(key));
    tags.retain(|key, _| !struck.contains(key));
    if !struck.is_empty() {
        plan.then(vec![Step::UntagRole(struck)]);
    }
    update_trust(role, &Ownership::from_tags(&tags), derivation, plan)
}

fn update_trust(role: &ObservedRole, tags: &Ownership, derivation: &Derivation, plan: &mut Plan) -> Result<()> {
    let policy = derive(&role.trust, tags, derivation)?.policy;
    if policy != role.trust {
        let step = TrustStep { before: role.trust.clone(), policy, derivation: derivation.clone() };
        plan.then(vec![Step::UpdateTrust(Box::new(step))]);
    }
    Ok(())
}

/// Why a role stays when its last subject leaves.
fn kept_because(role: &ObservedRole, member: &Member, keep_role: bool) -> Option<String> {
    if keep_role {
        return Some("--keep-role was given".to_owned());
    }
    if role.ownership.origin != Some(Origin::Created) {
        return Some("it was there before irsa adopted it".to_owned());
    }
    let foreign = role.trust.foreign_allows().find(|statement| {
        // A statement that lets nobody but this subject in is no reason to keep the role.
        !WebIdentity::read(statement)
            .is_some_and(|web| web.patterns.is_empty() && web.exact.iter().all(|sub| *sub == member.sub()))
    });
    if let Some(statement) = foreign {
        let sid = statement.get("Sid").and_then(serde_json::Value::as_str).filter(|sid| !sid.is_empty());
        let which = sid.map_or_else(String::new, |sid| format!(" ({sid})"));
        return Some(format!("its trust policy has a statement that irsa did not write{which}"));
    }
    if role.ownership.overflow && role.trust.statements().filter_map(WebIdentity::read).any(|web| web.exact.len() > 1) {
        return Some("other subjects stand in its trust policy".to_owned());
    }
    if !role.instance_profiles.is_empty() {
        return Some(format!("it is in instance profile {}", role.instance_profiles.join(", ")));
    }
    None
}

/// The role goes with its policies: what allows first, documents that deny after, then the role.
fn role_stages(role: &ObservedRole) -> Vec<Vec<Step>> {
    let detach = role.attached.iter().cloned().map(Step::DetachPolicy);
    let documents = role.inline.iter().map(|(name, document)| Step::DeleteInlinePolicy(name.clone(), document.clone()));
    let (deny, allow): (Vec<Step>, Vec<Step>) =
        documents.partition(|step| matches!(step, Step::DeleteInlinePolicy(_, Some(document)) if document.has_deny()));
    let stages = vec![detach.chain(allow).collect::<Vec<_>>(), deny, vec![Step::DeleteRole]];
    stages.into_iter().filter(|stage| !stage.is_empty()).collect()
}
