//! Reads of the role between the writes of a run.

use super::Context;
use crate::backend::Role;
use crate::error::{Error, ErrorKind, Result};
use crate::name::RoleName;
use crate::retry::until_consistent;

/// How often a read that does not show our own write yet is repeated.
pub(super) const MAX_WAITS: usize = 5;

pub(super) async fn role_now(context: &Context<'_>, name: &RoleName) -> Result<Option<Role>> {
    until_consistent(false, || context.backends.iam.role(name)).await
}

pub(super) fn deleted_meanwhile(name: &RoleName) -> Error {
    Error::new(ErrorKind::NotFound, format!("role {name} was deleted in the meantime"))
        .with_code("NoSuchEntity")
        .with_hint("run the same command again: it creates the role again")
}
