//! How a run ends: the one place that knows the exit codes.

use std::process::ExitCode;

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
    /// 4: could not be determined (`trust check`).
    Undetermined,
    /// 130: interrupted by SIGINT or SIGTERM, as shells count the former.
    Interrupted,
}

impl Exit {
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
