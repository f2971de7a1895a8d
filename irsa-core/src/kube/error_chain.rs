//! The causes behind an error of the HTTP client.

use std::error::Error as StdError;

/// The error and everything behind it, outermost first.
pub(super) fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (*error).source())
}

/// The innermost causes: the outer ones only say that a client failed.
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut texts: Vec<String> = chain(error).map(ToString::to_string).collect();
    texts.dedup_by(|inner, outer| outer.contains(inner.as_str()));
    let telling = texts.iter().filter(|text| !text.contains("client error ("));
    let telling: Vec<&str> = telling.map(String::as_str).collect();
    telling[telling.len().saturating_sub(2)..].join(": ")
}
