//! Whose a role is that stands under the wanted name: the decision whether it may be touched at all.

use std::collections::{BTreeMap, BTreeSet};

use super::goal::Goal;
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::invariants::Invariant;
use crate::observe::ObservedRole;
use crate::ownership::{Origin, Ownership, SET_TAG};
use crate::request::Request;
use crate::trust::{TrustPolicy, derive};

/// How a role stands to the binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is owned, and the first subject is its owner.
    Owned,
    /// It is owned, and the first subject is one of its further subjects.
    Member,
    /// It carries no owner tag and is to be adopted.
    ToAdopt,
    /// It carries no owner tag, but is just what a run that broke off leaves behind.
    ToFinish,
}

/// How the role stands to the binding.
///
/// # Errors
/// `AlreadyExists` for the role of another binding, `NotOwned` for one without an owner that is not to be adopted.
pub(super) fn check_ownership(request: &Request, goal: &Goal<'_>, role: &ObservedRole) -> Result<Standing> {
    let name = role.role.arn.name();
    let ownership = &role.ownership;
    if ownership.is_owner(&goal.first) || (ownership.is_owned() && !Invariant::Owner.is_enforced()) {
        return Ok(Standing::Owned);
    }
    if ownership.records(&goal.first) {
        return Ok(Standing::Member);
    }
    if let Some(owner) = &ownership.owner {
        return Err(Error::new(ErrorKind::AlreadyExists, format!("role {name} belongs to another binding"))
            .with_cause(format!("its owner is {owner}"))
            .with_code("EntityAlreadyExists")
            .with_context("owner", owner.clone())
            .with_hint(Hint::ShareRole));
    }
    if is_unfinished(request, goal, role)? {
        return Ok(Standing::ToFinish);
    }
    if request.adopt || !Invariant::Adoption.is_enforced() {
        return Ok(Standing::ToAdopt);
    }
    Err(Error::new(ErrorKind::NotOwned, format!("role {name} exists and was not made by irsa"))
        .with_cause("it carries no owner tag, and is not touched unless adoption is asked for")
        .with_context("role", role.role.arn.to_string())
        .with_hint(Hint::AdoptRole))
}

/// Whether a role without tags has exactly the wanted trust and no policies: what is left where tags cannot be written
/// together with the role, and the run broke off.
fn is_unfinished(request: &Request, goal: &Goal<'_>, role: &ObservedRole) -> Result<bool> {
    if !role.attached.is_empty() || !role.inline.is_empty() {
        return Ok(false);
    }
    let tags = goal.tags(request, &goal.first, &goal.declared, Some(Origin::Created), &BTreeMap::new());
    let derivation = goal.derivation(request, BTreeSet::new());
    Ok(derive(&TrustPolicy::empty(), &Ownership::from_tags(&tags), &derivation)?.policy == role.trust)
}

/// A role belongs to one set.
pub(super) fn check_set(request: &Request, role: &ObservedRole) -> Result<()> {
    let name = role.role.arn.name();
    match (&request.set, role.role.tags.get(SET_TAG)) {
        (Some(wanted), Some(there)) if wanted.as_str() != there && !request.force => {
            Err(Error::new(ErrorKind::Conflict, format!("role {name} belongs to another set"))
                .with_cause(format!("it is in set {there}, not in {wanted}"))
                .with_hint(Hint::MatchSet { set: there.clone() }))
        }
        _ => Ok(()),
    }
}

/// What else manages a role, as its tags tell: CloudFormation writes them itself, for terraform people do.
pub(super) fn managed_elsewhere(tags: &BTreeMap<String, String>) -> Option<String> {
    if let Some(stack) = tags.get("aws:cloudformation:stack-name") {
        return Some(format!("CloudFormation stack {stack}"));
    }
    let terraform = |text: &String| text.eq_ignore_ascii_case("terraform");
    tags.iter().any(|(key, value)| terraform(key) || terraform(value)).then(|| "terraform".to_owned())
}

/// A role stays in the path it was made in (IAM API reference, `UpdateRole`).
pub(super) fn check_path(request: &Request, role: &ObservedRole) -> Result<()> {
    let there = role.role.arn.path();
    match &request.binding.role_path {
        Some(path) if path != there => Err(Error::new(
            ErrorKind::Conflict,
            format!("role {} is in path {there}, not in {path}", role.role.arn.name()),
        )
        .with_cause("IAM cannot move a role to another path")
        .with_hint(Hint::KeepRolePath)),
        _ => Ok(()),
    }
}
