//! Undoing an interrupted delete: the step, and the role as it is afterwards.

use super::{RoleSnapshot, Step};
use crate::observe::ObservedRole;
use crate::ownership::{ORIGIN_TAG, Origin, Ownership, REINSTATED_TAG_PREFIX};
use crate::report::{Warning, WarningId};

/// The step that undoes a delete, and the role as the step leaves it; `None` if no delete has begun.
pub(super) fn undo_delete(role: &ObservedRole) -> Option<(Step, ObservedRole)> {
    let mark = role.ownership.deletion.as_ref()?;
    let mut undone = role.clone();
    let tags = &mut undone.role.tags;
    tags.retain(|key, _| key != ORIGIN_TAG && !key.starts_with(REINSTATED_TAG_PREFIX));
    tags.extend(mark.origin.map(|origin: Origin| (ORIGIN_TAG.to_owned(), origin.as_str().to_owned())));
    undone.ownership = Ownership::from_tags(&undone.role.tags);
    Some((Step::UndoDelete(Box::new(RoleSnapshot::of(role))), undone))
}

/// Tags that runs left which were interrupted just after they had undone a delete.
pub(super) fn left_over_tags(role: &ObservedRole) -> impl Iterator<Item = String> {
    role.role.tags.keys().filter(|key| key.starts_with(REINSTATED_TAG_PREFIX)).cloned()
}

/// The warning about a delete that is undone.
pub(super) fn warning(role: &ObservedRole) -> Warning {
    let message = format!(
        "an unfinished delete of role {} is undone; undeclared policies that it removed are not restored",
        role.role.arn.name()
    );
    Warning::new(WarningId::DeleteUndone, message)
}
