//! What AWS or the API server answers when it refuses, told apart from what was being done.

use crate::backend::kind_of_code;
use crate::error::{Error, ErrorKind};

/// The answer of a rule: a value, or a refusal.
pub(super) type Answer<T> = Result<T, Refusal>;

/// A refusal: the code and the message as the service words them, or an error that is ready.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    /// What a service answers.
    Answer { kind: ErrorKind, code: Option<String>, message: String },
    /// An error as it is to be given.
    Error(Error),
}

impl Refusal {
    /// A refusal by IAM, EKS or STS (an error code) or by the API server (a reason).
    pub(super) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        let code = code.into();
        let kind = kind_of_reason(&code).unwrap_or_else(|| kind_of_code(&code));
        Self::Answer { kind, code: Some(code), message: message.into() }
    }

    /// Nobody answered.
    pub(super) fn unreachable(message: impl Into<String>) -> Self {
        Self::Answer { kind: ErrorKind::Unavailable, code: None, message: message.into() }
    }

    /// A value that the service's model refuses; `rule` begins with "must".
    pub(super) fn validation(member: &str, value: &str, rule: &str) -> Self {
        let message = format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member {rule}"
        );
        Self::new("ValidationError", message)
    }

    /// The error that a back end makes of it; `doing` is what it was asked to do, such as "create role r".
    pub(super) fn during(self, doing: &str) -> Error {
        let (kind, code, message) = match self {
            Self::Answer { kind, code, message } => (kind, code, message),
            Self::Error(error) => return error,
        };
        let error = Error::new(kind, format!("cannot {doing}"));
        match code {
            Some(code) => error.with_cause(format!("{code}: {message}")).with_code(code),
            None => error.with_cause(message),
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
        "ServiceUnavailable" | "InternalError" => Some(ErrorKind::Unavailable),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_becomes_what_a_back_end_gives() {
        let error = Refusal::new("NoSuchEntity", "The role with name r cannot be found.").during("read role r");
        assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, Some("NoSuchEntity")));
        assert_eq!(error.to_string(), "cannot read role r");
        assert_eq!(error.causes(), ["NoSuchEntity: The role with name r cannot be found."]);
        assert_eq!(Refusal::new("Forbidden", "").during("x").kind(), ErrorKind::AccessDenied);
    }
}
