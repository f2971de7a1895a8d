//! One field of a kubeconfig that cannot be used.

use crate::error::{Error, ErrorKind};
use crate::text::shown;

/// Which field cannot be used, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Defect {
    /// The name of the field, as a kubeconfig has it.
    pub(super) field: &'static str,
    /// What is wrong, in a sentence that names the field and the entry it belongs to. Holds nothing secret.
    pub(super) cause: String,
    /// The value, where it is not secret.
    pub(super) value: Option<String>,
    /// What to do about it.
    pub(super) hint: Option<String>,
}

impl Defect {
    /// A value that breaks a rule: `server "localhost" of cluster "kind" has no scheme`.
    pub(super) fn of_value(field: &'static str, value: &str, owner: &str, why: impl AsRef<str>) -> Self {
        let cause = format!("{field} {} of {owner} {}", shown(value), why.as_ref());
        Self { field, cause, value: Some(value.to_owned()), hint: None }
    }

    /// A field whose value is secret or missing.
    pub(super) fn of_field(field: &'static str, cause: impl Into<String>) -> Self {
        Self { field, cause: cause.into(), value: None, hint: None }
    }

    #[must_use]
    pub(super) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The error that names context, field and value.
    pub(super) fn in_context(self, context: &str) -> Error {
        let error = Error::new(ErrorKind::InvalidInput, format!("cannot use context {context:?}"))
            .with_cause(self.cause)
            .with_context("context", context)
            .with_context("field", self.field);
        let error = self.value.into_iter().fold(error, |error, value| error.with_context("value", value));
        self.hint.into_iter().fold(error, Error::with_hint)
    }
}
