//! Managed policies: from names to ARNs that exist.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;

use super::policy_effects::{PolicyEffect, observe_effects};
use super::{Backends, Observed, ObservedRole};
use crate::backend::PolicyFilter;
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::name::{InlinePolicyName, PolicyArn, PolicyRef};
use crate::naming::Convention;
use crate::report::{Warning, WarningId};
use crate::request::{Request, Verb};
use crate::text::{did_you_mean, nearest};
use crate::tolerance::OptionalRead;

/// What the declared policies are.
#[derive(Debug, Default)]
pub(super) struct ObservedPolicies {
    pub(super) arns: BTreeMap<PolicyRef, PolicyArn>,
    pub(super) effects: BTreeMap<PolicyArn, PolicyEffect>,
    pub(super) warnings: Vec<Warning>,
}

/// Looks every declared policy up, the boundary too: by ARN and by name at the same time. Then, when `role` is known, reads
/// what those do that come and go.
///
/// Where `role` never comes, reading it has failed, and so has the request.
pub(super) async fn observe_policies(
    backends: &Backends,
    request: &Request,
    role: impl Future<Output = Option<Option<ObservedRole>>> + Send,
) -> Result<ObservedPolicies> {
    let binding = &request.binding;
    let mut by_arn: BTreeSet<&PolicyArn> = binding.permissions_boundary.iter().collect();
    let mut names = BTreeSet::new();
    for policy in &binding.policies {
        match policy {
            PolicyRef::Arn(arn) => {
                by_arn.insert(arn);
            }
            PolicyRef::Name { name, .. } => {
                names.insert(name.clone());
            }
        }
    }
    let lookups = by_arn.iter().map(|&arn| async move { (arn.clone(), backends.iam.policy(arn).await) }.boxed());
    let none = names.is_empty();
    let filter = PolicyFilter::Named(names);
    let named = async { if none { Ok(Vec::new()) } else { backends.iam.policies(&filter).await } };
    let (found, named) = futures::join!(futures::future::join_all(lookups), named);
    let mut observed = ObservedPolicies::default();
    let mut versions = BTreeMap::new();
    for (arn, answer) in found {
        let answer = OptionalRead::Policy.tolerate_with(answer, |error| {
            let why = error.causes().into_iter().next().unwrap_or_default();
            let message = format!("policy {arn} could not be looked up: {why}");
            observed.warnings.push(Warning::new(WarningId::PolicyUnverified, message));
        })?;
        match answer {
            Some(Some(policy)) if !policy.attachable && binding.policies.contains(&PolicyRef::Arn(arn.clone())) => {
                return Err(Error::invalid("policy", arn.to_string(), "belongs to a service and cannot be attached"));
            }
            Some(Some(policy)) => versions.extend(policy.default_version.map(|version| (arn, version))),
            Some(None) => return Err(unknown(backends, &PolicyRef::Arn(arn)).await),
            None => {}
        }
    }
    let named = named?;
    for policy in &binding.policies {
        let arn = match policy {
            PolicyRef::Arn(arn) => arn.clone(),
            PolicyRef::Name { .. } => {
                let arns = named.iter().map(|found| &found.arn);
                let candidates: BTreeSet<&PolicyArn> = arns.filter(|arn| policy.matches(arn)).collect();
                match candidates.iter().copied().collect::<Vec<_>>()[..] {
                    [one] => one.clone(),
                    [] => return Err(unknown(backends, policy).await),
                    ref many => return Err(ambiguous(policy, many)),
                }
            }
        };
        observed.arns.insert(policy.clone(), arn);
    }
    versions.extend(named.into_iter().filter_map(|found| Some((found.arn, found.default_version?))));
    let Some(role) = role.await else { return Ok(observed) };
    let declared = observed.arns.values().cloned().collect();
    let (effects, warnings) = observe_effects(backends, request, &declared, &versions, role.as_ref()).await?;
    observed.effects = effects;
    observed.warnings.extend(warnings);
    Ok(observed)
}

/// By gen3's convention a policy that is to be taken away is one of the role, or at least one that there is: a misspelt
/// name is an error. Policies are looked up only where the role has none of the name.
pub(super) async fn check_removals(backends: &Backends, request: &Request, observed: &Observed) -> Result<()> {
    let binding = &request.binding;
    let (Verb::Update { remove_policies, .. }, Some(role)) = (&request.verb, &observed.role) else { return Ok(()) };
    if binding.convention == Convention::Irsa {
        return Ok(());
    }
    let on_role = |policy: &PolicyRef| {
        let name = policy.to_string();
        let inline = |known: &InlinePolicyName| known.as_str() == name || binding.convention.is_copy(known, &name);
        role.attached.iter().any(|arn| policy.matches(arn)) || role.inline.keys().any(inline)
    };
    let missing = remove_policies.iter().filter(|policy| !on_role(policy));
    let each = missing.map(|policy| check_exists(backends, policy, role).boxed());
    futures::future::try_join_all(each).await.map(|_| ())
}

async fn check_exists(backends: &Backends, policy: &PolicyRef, role: &ObservedRole) -> Result<()> {
    let exists = match policy {
        PolicyRef::Arn(arn) => backends.iam.policy(arn).await?.is_some(),
        PolicyRef::Name { name, .. } => {
            let found = backends.iam.policies(&PolicyFilter::Named(BTreeSet::from([name.clone()]))).await?;
            found.iter().any(|found| policy.matches(&found.arn))
        }
    };
    if exists { Ok(()) } else { Err(unknown_on(backends, policy, role).await) }
}

/// A policy that is nowhere: neither on the role nor in the account.
async fn unknown_on(backends: &Backends, policy: &PolicyRef, role: &ObservedRole) -> Error {
    let names = role.attached.iter().map(PolicyArn::name).chain(role.inline.keys().map(InlinePolicyName::as_str));
    let near = did_you_mean(&nearest(policy.name(), names));
    let error = unknown(backends, policy).await;
    let error = error.with_cause(format!("role {} has none of that name either", role.role.arn.name()));
    match near {
        Some(near) => error.with_hint(near),
        None => error,
    }
}

async fn unknown(backends: &Backends, policy: &PolicyRef) -> Error {
    let error = Error::new(ErrorKind::NotFound, format!("policy {policy} does not exist"))
        .with_code("NoSuchEntity")
        .with_context("policy", policy.to_string());
    // Only a proposal: that the names cannot be read is not worth an error of its own.
    let all = backends.iam.policies(&PolicyFilter::All).await.unwrap_or_default();
    let near = nearest(policy.name(), all.iter().map(|known| known.arn.name()));
    let hint = match policy {
        PolicyRef::Arn(_) if near.contains(&policy.name()) => {
            Hint::from("a policy of that name exists in another path or account")
        }
        _ => did_you_mean(&near).map_or(Hint::PolicyForms, Hint::from),
    };
    error.with_hint(hint)
}

fn ambiguous(policy: &PolicyRef, candidates: &[&PolicyArn]) -> Error {
    let list: Vec<String> = candidates.iter().map(ToString::to_string).collect();
    Error::new(ErrorKind::Conflict, format!("policy {policy} is not one policy but {}", list.len()))
        .with_cause(format!("candidates are {}", list.join(", ")))
        .with_hint("give the ARN of the one that is meant")
}
