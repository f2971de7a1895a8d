//! Which tags are written to an existing role, and which are removed from it.

use std::collections::{BTreeMap, BTreeSet};

use super::existing_role::ExistingRole;
use super::order::Phase;
use super::ownership_check::OwnershipStatus;
use super::role_tags::desired_tags;
use super::{Step, undo_delete};
use crate::ownership::{Member, OWNER_TAG, Origin, Ownership};

/// The tags that an existing role gains and loses.
///
/// Subjects are recorded before the trust policy trusts them, and removed from the tags before they are removed from it: a
/// writer that goes by the tags never trusts a subject again that has left.
pub(super) struct TagChanges<'a> {
    current: &'a BTreeMap<String, String>,
    written: BTreeMap<String, String>,
    removed: BTreeSet<String>,
    /// Whether the written tags come first, since nothing else shows that the role is ours.
    all_first: bool,
    /// Whether the owner leaves, and another subject takes its place.
    inherits: bool,
}

impl<'a> TagChanges<'a> {
    pub(super) fn of(existing: &ExistingRole<'a>) -> Self {
        let ExistingRole { request, desired, role, status, removed, .. } = existing;
        let ownership = &role.ownership;
        let current = &role.role.tags;
        let owner = match status {
            OwnershipStatus::Member => ownership.members().into_iter().find(|member| ownership.is_owner(member)),
            _ => Some(desired.first.clone()),
        };
        let owner_leaves = owner.as_ref().is_some_and(|owner| removed.contains(owner));
        let owner = if owner_leaves { Some(desired.first.clone()) } else { owner };
        let origin = match status {
            OwnershipStatus::Adoptable => Some(Origin::Adopted),
            OwnershipStatus::Incomplete => Some(Origin::Created),
            OwnershipStatus::Owned if role.is_taken_over() => ownership.origin,
            OwnershipStatus::Owned | OwnershipStatus::Member => None,
        };
        let mut members: BTreeSet<Member> = ownership.further_members();
        if existing.is_adopted() {
            members.extend(existing.present.iter().cloned());
        }
        members.extend(desired.declared.iter().cloned());
        members.retain(|member| !removed.contains(member) && Some(member) != owner.as_ref());
        let removed: BTreeSet<String> = removed
            .iter()
            .map(Member::tag_key)
            .chain(owner.iter().map(Member::tag_key))
            .filter(|key| current.contains_key(key))
            .chain(undo_delete::left_over_tags(role))
            .collect();
        let mut written = match &owner {
            Some(owner) => desired_tags(request, owner, &members, origin, current),
            // The owner's record was cut, so that only its hash is known: it stays as it is.
            None => {
                let mut tags = desired_tags(request, &desired.first, &members, origin, current);
                tags.remove(OWNER_TAG);
                tags.extend([(desired.first.tag_key(), desired.first.tag_value())]);
                tags
            }
        };
        written.retain(|key, value| current.get(key) != Some(value));
        let inherits = owner_leaves && written.contains_key(OWNER_TAG);
        Self { current, written, removed, all_first: *status == OwnershipStatus::Incomplete, inherits }
    }

    /// The number of tags that the role has in the end.
    pub(super) fn count_after(&self) -> usize {
        self.tags(true).len()
    }

    /// What the tags record once the removed ones are gone and the others are not written yet.
    pub(super) fn without_removed(&self) -> Ownership {
        Ownership::from_tags(&self.tags(false))
    }

    /// What the tags record in the end.
    pub(super) fn after(&self) -> Ownership {
        Ownership::from_tags(&self.tags(true))
    }

    fn tags(&self, written: bool) -> BTreeMap<String, String> {
        let mut tags = self.current.clone();
        tags.retain(|key, _| !self.removed.contains(key));
        tags.extend(self.written.clone().into_iter().filter(|_| written));
        tags
    }

    pub(super) fn steps(mut self) -> Vec<(Phase, Step)> {
        let mut first = BTreeMap::new();
        if self.all_first {
            first = std::mem::take(&mut self.written);
        } else if self.inherits {
            // The new owner has the owner's tag before its own tag is removed: it is on record throughout.
            first.extend(self.written.remove_entry(OWNER_TAG));
        }
        let mut steps = Vec::new();
        if !first.is_empty() {
            steps.push((Phase::TagOwner, Step::TagRole(first)));
        }
        if !self.removed.is_empty() {
            steps.push((Phase::UntagSubjects, Step::UntagRole(self.removed)));
        }
        if !self.written.is_empty() {
            steps.push((Phase::Grant, Step::TagRole(self.written)));
        }
        steps
    }
}
