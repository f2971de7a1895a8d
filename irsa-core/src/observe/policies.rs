//! Managed policies: from names to ARNs that exist.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;

use super::Backends;
use crate::error::{Error, ErrorKind, Result, did_you_mean, nearest};
use crate::name::{PolicyArn, PolicyRef};
use crate::report::{Warning, WarningId};
use crate::request::Request;

/// What the declared policies are.
#[derive(Debug, Default)]
pub(super) struct ObservedPolicies {
    pub(super) arns: BTreeMap<PolicyRef, PolicyArn>,
    pub(super) warnings: Vec<Warning>,
}

/// Looks every declared policy up, the boundary too: by ARN and by name at the same time.
pub(super) async fn observe_policies(backends: &Backends, request: &Request) -> Result<ObservedPolicies> {
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
    let named = async { if names.is_empty() { Ok(Vec::new()) } else { backends.iam.policies_named(&names).await } };
    let (found, named) = futures::join!(futures::future::join_all(lookups), named);
    let mut observed = ObservedPolicies::default();
    for (arn, answer) in found {
        match answer {
            Ok(Some(policy)) if !policy.attachable && binding.policies.contains(&PolicyRef::Arn(arn.clone())) => {
                return Err(Error::invalid("policy", arn.to_string(), "belongs to a service and cannot be attached"));
            }
            Ok(Some(_)) => {}
            Ok(None) => return Err(unknown(backends, &PolicyRef::Arn(arn)).await),
            // The write itself will tell; who may attach a policy need not be allowed to read it.
            Err(error) if error.kind() == ErrorKind::AccessDenied => {
                let why = error.causes().into_iter().next().unwrap_or_default();
                let message = format!("policy {arn} could not be looked up: {why}");
                observed.warnings.push(Warning::new(WarningId::PolicyUnverified, message));
            }
            Err(error) => return Err(error),
        }
    }
    let named = named?;
    for policy in &binding.policies {
        let arn = match policy {
            PolicyRef::Arn(arn) => arn.clone(),
            PolicyRef::Name { .. } => {
                let candidates: BTreeSet<&PolicyArn> = named.iter().filter(|arn| policy.matches(arn)).collect();
                match candidates.iter().copied().collect::<Vec<_>>()[..] {
                    [one] => one.clone(),
                    [] => return Err(unknown(backends, policy).await),
                    ref many => return Err(ambiguous(policy, many)),
                }
            }
        };
        observed.arns.insert(policy.clone(), arn);
    }
    Ok(observed)
}

async fn unknown(backends: &Backends, policy: &PolicyRef) -> Error {
    let error = Error::new(ErrorKind::NotFound, format!("policy {policy} does not exist"))
        .with_code("NoSuchEntity")
        .with_context("policy", policy.to_string());
    // Only a proposal: that the names cannot be read is not worth an error of its own.
    let names = backends.iam.policy_names().await.unwrap_or_default();
    let near = nearest(policy.name(), names.iter().map(String::as_str));
    let hint = match policy {
        PolicyRef::Arn(_) if near.contains(&policy.name()) => "a policy of that name exists in another path or account".into(),
        _ => did_you_mean(&near).unwrap_or_else(|| {
            "give the name of an AWS-managed policy or of one of this account, its ARN, or a file with --policy ./FILE.json".into()
        }),
    };
    error.with_hint(hint)
}

fn ambiguous(policy: &PolicyRef, candidates: &[&PolicyArn]) -> Error {
    let list: Vec<String> = candidates.iter().map(ToString::to_string).collect();
    Error::new(ErrorKind::Conflict, format!("policy {policy} is not one policy but {}", list.len()))
        .with_cause(format!("candidates are {}", list.join(", ")))
        .with_hint("give the ARN of the one that is meant")
}
