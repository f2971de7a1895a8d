//! A role that exists, and how far a create or update may change it.

use std::collections::BTreeSet;

use super::desired::DesiredState;
use super::ownership_check::OwnershipStatus;
use super::replaced::Replaced;
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::observe::{Observed, ObservedRole};
use crate::ownership::{Member, Origin};
use crate::request::Request;

/// The input of every planner that changes an existing role.
pub(super) struct ExistingRole<'a> {
    pub(super) request: &'a Request,
    pub(super) observed: &'a Observed,
    pub(super) desired: &'a DesiredState<'a>,
    pub(super) role: &'a ObservedRole,
    pub(super) replaced: &'a Replaced,
    pub(super) status: OwnershipStatus,
    /// Whether undeclared subjects and policies are removed.
    pub(super) exact: bool,
    /// Subjects that the role trusts already.
    pub(super) present: BTreeSet<Member>,
    /// Subjects that are removed: by name, or because they are not declared.
    pub(super) removed: BTreeSet<Member>,
}

impl<'a> ExistingRole<'a> {
    /// # Errors
    /// `Conflict` where a further subject asks for an exact role: that would remove the subjects of its owner.
    pub(super) fn new(
        request: &'a Request,
        observed: &'a Observed,
        desired: &'a DesiredState<'a>,
        role: &'a ObservedRole,
        replaced: &'a Replaced,
        status: OwnershipStatus,
    ) -> Result<Self> {
        let adopted =
            status == OwnershipStatus::Adoptable || (request.adopt && role.ownership.origin == Some(Origin::Adopted));
        // Adoption adds and never removes, also when the same command runs again.
        let exact = request.binding.exact && !adopted;
        if exact && status == OwnershipStatus::Member {
            return Err(not_by_a_further_subject(role, desired));
        }
        let present = role.present(&desired.providers);
        let mut removed = desired.removed.clone();
        if exact {
            removed.extend(present.difference(&desired.declared).cloned());
        }
        Ok(Self { request, observed, desired, role, replaced, status, exact, present, removed })
    }

    /// Whether this run adopts the role.
    pub(super) fn is_adopted(&self) -> bool {
        self.status == OwnershipStatus::Adoptable
    }
}

fn not_by_a_further_subject(role: &ObservedRole, desired: &DesiredState<'_>) -> Error {
    let (name, first) = (role.role.arn.name(), desired.first.shown(&desired.home.cluster));
    let owner = role.ownership.owner.as_deref().unwrap_or_default();
    Error::new(ErrorKind::Conflict, format!("role {name} cannot be made exact by {first}"))
        .with_cause(format!("{first} is one of its further subjects; its owner is {owner}"))
        .with_hint(Hint::ExactByOwner)
}
