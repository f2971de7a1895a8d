//! How a run ends: the one place that knows the exit codes.

use std::process::ExitCode;

use irsa_core::{Error, ErrorKind};

/// How a run ended. Scripts rely on the codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// 0: done, nothing to do, or allowed.
    Done,
    /// 1: failed, refused by what was found, or denied.
    Failed,
    /// 2: wrong usage, or refused from the input alone; nothing was called.
    Refused,
    /// 3: something would change (`--check`).
    Pending,
    /// 4: could not be determined; of a question also every failure to find out.
    Undetermined,
    /// 130: interrupted by SIGINT or SIGTERM, as shells count the former.
    Interrupted,
}

/// What a command is for, as far as its exit code depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It does or shows something.
    Work,
    /// It answers yes or no: 1 means no, and nothing else.
    Question,
}

impl Exit {
    /// How a command ends that failed; `before_any_call`: whether nothing had been called.
    pub(crate) fn of_failure(error: &Error, purpose: Purpose, before_any_call: bool) -> Self {
        match (before_any_call && error.kind() == ErrorKind::InvalidInput, purpose) {
            (true, _) => Self::Refused,
            (false, Purpose::Question) => Self::Undetermined,
            (false, Purpose::Work) => Self::Failed,
        }
    }

    /// The code that the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Refused => 2,
            Self::Pending => 3,
            Self::Undetermined => 4,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_that_failed_is_never_answered_with_no() {
        let kinds = [ErrorKind::InvalidInput, ErrorKind::NotFound, ErrorKind::AccessDenied, ErrorKind::Unavailable];
        for kind in kinds.into_iter().chain([ErrorKind::Throttled, ErrorKind::Timeout, ErrorKind::Unexpected]) {
            let error = Error::new(kind, "x");
            let of = |purpose, before_any_call| Exit::of_failure(&error, purpose, before_any_call).code();
            assert_eq!((of(Purpose::Question, false), of(Purpose::Work, false)), (4, 1), "{kind}");
            let early = if kind == ErrorKind::InvalidInput { (2, 2) } else { (4, 1) };
            assert_eq!((of(Purpose::Question, true), of(Purpose::Work, true)), early, "{kind}");
        }
    }
}
