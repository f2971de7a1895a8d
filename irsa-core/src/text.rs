//! What texts of users look like, whatever they are for.

pub(crate) mod placeholder;
