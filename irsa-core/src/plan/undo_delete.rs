//! Roles whose delete has begun and not ended: what they look like once a create or an update has undone it.

use super::{RoleSnapshot, Step};
use crate::observe::ObservedRole;
use crate::ownership::{ORIGIN_TAG, Origin, Ownership, REINSTATED_TAG_PREFIX};
use crate::report::{Warning, WarningId};

/// The step that undoes a delete, and the role as the step leaves it; nothing for a role that no delete has begun on.
pub(super) fn undo_delete(role: &ObservedRole) -> Option<(Step, ObservedRole)> {
    let mark = role.ownership.deletion.as_ref()?;
    let mut undone = role.clone();
    let tags = &mut undone.role.tags;
    tags.retain(|key, _| key != ORIGIN_TAG && !key.starts_with(REINSTATED_TAG_PREFIX));
    tags.extend(mark.origin.map(|origin: Origin| (ORIGIN_TAG.to_owned(), origin.as_str().to_owned())));
    undone.ownership = Ownership::from_tags(&undone.role.tags);
    Some((Step::UndoDelete(Box::new(RoleSnapshot::of(role))), undone))
}

/// What a user should know of a delete that is undone.
pub(super) fn warning(role: &ObservedRole) -> Warning {
    let message = format!(
        "a delete of role {} has begun and not ended: it is undone; undeclared policies that it removed are not restored",
        role.role.arn.name()
    );
    Warning::new(WarningId::DeleteUndone, message)
}
