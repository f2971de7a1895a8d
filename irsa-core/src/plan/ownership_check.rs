//! Decides whether a role of the desired name may be changed: who owns it, its path and its applyset.

use std::collections::{BTreeMap, BTreeSet};

use super::desired::DesiredState;
use super::role_tags::desired_tags;
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::invariants::Invariant;
use crate::observe::ObservedRole;
use crate::ownership::{Origin, Ownership, SET_TAG};
use crate::request::Request;
use crate::trust::{TrustPolicy, derive};

/// Relation of an existing role to the binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OwnershipStatus {
    /// The first subject of the binding owns it.
    Owned,
    /// It has another owner, and the first subject is one of its further subjects.
    Member,
    /// It has no owner tag, and adoption was asked for.
    Adoptable,
    /// It has no owner tag, and is what an interrupted run leaves behind.
    Incomplete,
}

/// Returns the relation of the role to the binding.
///
/// # Errors
/// `AlreadyExists` for the role of another binding. `NotOwned` for one without an owner, unless adoption was asked for.
pub(super) fn check_ownership(
    request: &Request,
    desired: &DesiredState<'_>,
    role: &ObservedRole,
) -> Result<OwnershipStatus> {
    let name = role.role.arn.name();
    let ownership = &role.ownership;
    if ownership.is_owner(&desired.first) || (ownership.is_owned() && !Invariant::Owner.is_enforced()) {
        return Ok(OwnershipStatus::Owned);
    }
    if ownership.records(&desired.first) {
        return Ok(OwnershipStatus::Member);
    }
    if let Some(owner) = &ownership.owner {
        return Err(Error::new(ErrorKind::AlreadyExists, format!("role {name} belongs to another binding"))
            .with_cause(format!("its owner is {owner}"))
            .with_code("EntityAlreadyExists")
            .with_context("owner", owner.clone())
            .with_hint(Hint::ShareRole));
    }
    if is_unfinished(request, desired, role)? {
        return Ok(OwnershipStatus::Incomplete);
    }
    if request.adopt || !Invariant::Adoption.is_enforced() {
        return Ok(OwnershipStatus::Adoptable);
    }
    Err(Error::new(ErrorKind::NotOwned, format!("role {name} exists and was not created by irsa"))
        .with_cause("it has no owner tag, and is not changed unless it is adopted")
        .with_context("role", role.role.arn.to_string())
        .with_hint(Hint::AdoptRole))
}

/// Whether a role without tags has the desired trust policy and no policies: the tags could not be written together with the
/// role, and the run was interrupted.
fn is_unfinished(request: &Request, desired: &DesiredState<'_>, role: &ObservedRole) -> Result<bool> {
    if !role.attached.is_empty() || !role.inline.is_empty() {
        return Ok(false);
    }
    let tags = desired_tags(request, &desired.first, &desired.declared, Some(Origin::Created), &BTreeMap::new());
    let derivation = desired.derivation(request, BTreeSet::new());
    Ok(derive(&TrustPolicy::empty(), &Ownership::from_tags(&tags), &derivation)?.policy == role.trust)
}

/// A role belongs to one applyset.
pub(super) fn check_set(request: &Request, role: &ObservedRole) -> Result<()> {
    let name = role.role.arn.name();
    match (&request.set, role.role.tags.get(SET_TAG)) {
        (Some(desired), Some(current)) if desired.as_str() != current && !request.force => {
            Err(Error::new(ErrorKind::Conflict, format!("role {name} belongs to another applyset"))
                .with_cause(format!("its applyset is {current}, not {desired}"))
                .with_hint(Hint::MatchSet { set: current.clone() }))
        }
        _ => Ok(()),
    }
}

/// The tool that manages a role, by its tags: CloudFormation writes them itself, users of terraform often do.
pub(super) fn managed_elsewhere(tags: &BTreeMap<String, String>) -> Option<String> {
    if let Some(stack) = tags.get("aws:cloudformation:stack-name") {
        return Some(format!("CloudFormation stack {stack}"));
    }
    let terraform = |text: &String| text.eq_ignore_ascii_case("terraform");
    tags.iter().any(|(key, value)| terraform(key) || terraform(value)).then(|| "terraform".to_owned())
}

/// A role stays in the path that it was created in (IAM API reference, `UpdateRole`).
pub(super) fn check_path(request: &Request, role: &ObservedRole) -> Result<()> {
    let current = role.role.arn.path();
    match &request.binding.role_path {
        Some(path) if path != current => Err(Error::new(
            ErrorKind::Conflict,
            format!("role {} is in path {current}, not in {path}", role.role.arn.name()),
        )
        .with_cause("IAM cannot move a role to another path")
        .with_hint(Hint::KeepRolePath)),
        _ => Ok(()),
    }
}
