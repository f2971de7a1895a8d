//! The causes behind an error of the HTTP client.

use std::error::Error as StdError;
use std::io;

/// The error and everything behind it, outermost first. An I/O error leaves out its own payload where it tells its source,
/// and most failures of a connection are such a payload.
pub(crate) fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| match error.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(|payload| payload as &(dyn StdError + 'static)),
        None => (**error).source(),
    })
}

/// The first cause of a type.
pub(crate) fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    chain(error).find_map(|cause| cause.downcast_ref::<T>())
}

/// Whether a connection did not come about in time.
pub(crate) fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    let mut errors = chain(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
    errors.any(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// The innermost causes: the outer ones only say that a client failed.
pub(crate) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut texts: Vec<String> = chain(error).map(ToString::to_string).collect();
    texts.dedup_by(|inner, outer| outer.contains(inner.as_str()));
    let telling = texts.iter().filter(|text| !text.contains("client error ("));
    let telling: Vec<&str> = telling.map(String::as_str).collect();
    telling[telling.len().saturating_sub(2)..].join(": ")
}
