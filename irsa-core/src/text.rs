//! What texts of users look like, whatever they are for.

mod nearest;
pub(crate) mod placeholder;

pub(crate) use self::nearest::{did_you_mean, nearest};

/// A value as it stands in a message: quoted, control characters escaped, cut when it is long.
pub(crate) fn shown(value: &str) -> String {
    const LONGEST: usize = 120;
    if value.chars().count() <= LONGEST {
        return format!("{value:?}");
    }
    let head: String = value.chars().take(LONGEST).collect();
    format!("{head:?}… ({} characters)", value.chars().count())
}
