//! The commands, one file each.

pub(crate) mod apply;
pub(crate) mod gen3;
pub(crate) mod operation;
pub(crate) mod permissions;
pub(crate) mod trust;
