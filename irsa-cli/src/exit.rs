//! Exit codes: the one place that decides how the program ends.

use std::process::ExitCode;

use clap::error::ErrorKind as ClapKind;
use irsa_core::trust::Decision;

use crate::answer::{Answer, AuditAnswer, BatchAnswer, Failure, Outcome, Purpose};
use crate::args::Mode;

/// How a run ended. Scripts rely on the codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// 0: done, nothing to do, or allowed.
    Done,
    /// 1: failed, refused because of the state found, or denied.
    Failed,
    /// 2: wrong usage, or refused from the input alone; nothing was called.
    Refused,
    /// 3: something would change (`--check`).
    Pending,
    /// 4: could not be determined; for a question also every failure to find out.
    Undetermined,
    /// 130: interrupted by SIGINT or SIGTERM; shells use this code for SIGINT.
    Interrupted,
}

impl Exit {
    pub(crate) fn of(outcome: &Outcome) -> Self {
        // A loop around the program ends with it, even if no step was left to do.
        if outcome.interrupted {
            return Self::Interrupted;
        }
        match &outcome.result {
            Ok(answer) => Self::of_answer(answer),
            Err(Failure::Refused(_)) => Self::Refused,
            Err(Failure::Failed(_)) => match outcome.purpose {
                Purpose::Decision | Purpose::Gate => Self::Undetermined,
                Purpose::Action | Purpose::Gen3Script => Self::Failed,
            },
            Err(Failure::Interrupted { .. }) => Self::Interrupted,
        }
    }

    pub(crate) fn of_usage(error: &clap::Error) -> Self {
        match error.kind() {
            ClapKind::DisplayHelp | ClapKind::DisplayVersion => Self::Done,
            _ => Self::Refused,
        }
    }

    fn of_answer(answer: &Answer) -> Self {
        match answer {
            Answer::Report(answer) if answer.mode == Mode::Check && answer.report.changed => Self::Pending,
            Answer::Batch(batch) => Self::of_batch(batch),
            Answer::TrustCheck(answer) => match answer.check.decision {
                Decision::Allow => Self::Done,
                Decision::Deny => Self::Failed,
                Decision::Unknown => Self::Undetermined,
            },
            Answer::Audit(answer) => Self::of_audit(answer),
            _ => Self::Done,
        }
    }

    fn of_batch(batch: &BatchAnswer) -> Self {
        match () {
            () if batch.stopped => Self::Interrupted,
            () if batch.report.failed() > 0 => Self::Failed,
            () if batch.mode == Mode::Check && batch.report.changed() => Self::Pending,
            () => Self::Done,
        }
    }

    fn of_audit(answer: &AuditAnswer) -> Self {
        match (answer.options.fail_on, answer.audit.worst()) {
            _ if answer.unread.is_some() => Self::Refused,
            (Some(limit), Some(worst)) if worst >= limit => Self::Failed,
            _ => Self::Done,
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
    use irsa_core::{Error, ErrorKind};

    use super::*;

    fn exit(purpose: Purpose, failure: Failure) -> u8 {
        Exit::of(&Outcome::new(purpose, Err(failure))).code()
    }

    #[test]
    fn a_question_that_fails_is_never_answered_with_no() {
        let kinds = [ErrorKind::InvalidInput, ErrorKind::NotFound, ErrorKind::AccessDenied, ErrorKind::Unavailable];
        for kind in kinds.into_iter().chain([ErrorKind::Throttled, ErrorKind::Timeout, ErrorKind::Unexpected]) {
            let early = kind == ErrorKind::InvalidInput;
            for (purpose, failed) in
                [(Purpose::Decision, 4), (Purpose::Gate, 4), (Purpose::Action, 1), (Purpose::Gen3Script, 1)]
            {
                assert_eq!(exit(purpose, Failure::after_a_call(Error::new(kind, "x"))), failed, "{kind}");
                let refused = if early { 2 } else { failed };
                assert_eq!(exit(purpose, Failure::before_any_call(Error::new(kind, "x"))), refused, "{kind}");
            }
        }
    }

    #[test]
    fn an_interruption_exits_130_whatever_was_done() {
        let error = Error::new(ErrorKind::Interrupted, "x");
        assert_eq!(exit(Purpose::Decision, Failure::after_a_call(error)), 130);
        let mut done = Outcome::answer(Answer::Script(String::new()));
        assert_eq!(Exit::of(&done).code(), 0);
        done.interrupted = true;
        assert_eq!(Exit::of(&done).code(), 130);
    }
}
