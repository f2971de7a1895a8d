//! What AWS or the API server answers when it refuses, told apart from what was being done.

use crate::backend::{DRY_RUN_UNSUPPORTED, kind_of_code};
use crate::error::{ConflictReason, Error, ErrorKind};
use crate::hint::Hint;

/// The answer of a rule: a value, or a refusal.
pub(super) type Answer<T> = Result<T, Refusal>;

/// A refusal as the service words it, or an error that is ready.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    Said(Box<Said>),
    Error(Error),
}

#[derive(Clone, Debug)]
pub(super) struct Said {
    kind: ErrorKind,
    code: Option<String>,
    reason: Option<ConflictReason>,
    cause: String,
    context: Vec<(&'static str, String)>,
    hint: Option<Hint>,
}

impl Refusal {
    /// A refusal by IAM, EKS or STS.
    pub(super) fn aws(code: &str, message: impl AsRef<str>) -> Self {
        Self::said(kind_of_code(code), Some(code), format!("{code}: {}", message.as_ref()))
    }

    /// A refusal by the API server.
    pub(super) fn kubernetes(reason: &str, message: impl Into<String>) -> Self {
        let kind = kind_of_reason(reason).unwrap_or(ErrorKind::Unexpected);
        Self::said(kind, Some(reason), message.into())
    }

    /// A refusal with this code, by whichever service has it.
    #[cfg(any(test, feature = "test-util"))]
    pub(super) fn coded(code: &str, message: &str) -> Self {
        match kind_of_reason(code) {
            Some(_) => Self::kubernetes(code, message),
            None => Self::aws(code, message),
        }
    }

    /// Nobody answered.
    pub(super) fn unreachable(message: impl Into<String>) -> Self {
        Self::said(ErrorKind::Unavailable, None, message.into())
    }

    /// A value that the model of the service refuses; `rule` begins with "must".
    pub(super) fn validation(member: &str, value: &str, rule: &str) -> Self {
        let message = format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member {rule}"
        );
        Self::aws("ValidationError", message)
    }

    fn said(kind: ErrorKind, code: Option<&str>, cause: String) -> Self {
        let code = code.map(str::to_owned);
        Self::Said(Box::new(Said { kind, code, reason: None, cause, context: Vec::new(), hint: None }))
    }

    /// The same of another kind.
    pub(super) fn of_kind(mut self, kind: ErrorKind) -> Self {
        if let Self::Said(said) = &mut self {
            said.kind = kind;
        }
        self
    }

    /// The same as a conflict with something.
    pub(super) fn with_conflict_reason(mut self, reason: ConflictReason) -> Self {
        if let Self::Said(said) = &mut self {
            said.kind = ErrorKind::Conflict;
            said.reason = Some(reason);
        }
        self
    }

    pub(super) fn with_context(mut self, key: &'static str, value: impl Into<String>) -> Self {
        if let Self::Said(said) = &mut self {
            said.context.push((key, value.into()));
        }
        self
    }

    pub(super) fn with_hint(mut self, hint: impl Into<Hint>) -> Self {
        if let Self::Said(said) = &mut self {
            said.hint = Some(hint.into());
        }
        self
    }

    /// The error that a back end makes of it; `operation` says what was being done, such as "cannot create role r".
    pub(super) fn during(self, operation: &str) -> Error {
        let said = match self {
            Self::Said(said) => said,
            Self::Error(error) => return error,
        };
        let mut error = Error::new(said.kind, operation.to_owned()).with_cause(said.cause);
        for (key, value) in said.context {
            error = error.with_context(key, value);
        }
        if let Some(code) = said.code {
            error = error.with_code(code);
        }
        if let Some(reason) = said.reason {
            error = error.with_conflict_reason(reason);
        }
        match said.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// The kind of a reason of the API server (Kubernetes API reference, `Status.reason`).
fn kind_of_reason(reason: &str) -> Option<ErrorKind> {
    match reason {
        "NotFound" => Some(ErrorKind::NotFound),
        "AlreadyExists" => Some(ErrorKind::AlreadyExists),
        "Conflict" => Some(ErrorKind::Conflict),
        "Forbidden" | "Unauthorized" => Some(ErrorKind::AccessDenied),
        "Invalid" | "BadRequest" => Some(ErrorKind::InvalidInput),
        "TooManyRequests" => Some(ErrorKind::Throttled),
        "Timeout" | "ServerTimeout" => Some(ErrorKind::Timeout),
        "ServiceUnavailable" | "InternalError" | DRY_RUN_UNSUPPORTED => Some(ErrorKind::Unavailable),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_becomes_what_a_back_end_gives() {
        let message = "The role with name r cannot be found.";
        let error = Refusal::coded("NoSuchEntity", message).during("cannot read role r");
        assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, Some("NoSuchEntity")));
        assert_eq!(error.to_string(), "cannot read role r");
        assert_eq!(error.causes(), [format!("NoSuchEntity: {message}")]);
        let error = Refusal::coded("Forbidden", "no").during("x");
        assert_eq!((error.kind(), error.causes()), (ErrorKind::AccessDenied, vec!["no".to_owned()]));
        assert_eq!(Refusal::coded(DRY_RUN_UNSUPPORTED, "").during("x").kind(), ErrorKind::Unavailable);
    }
}
