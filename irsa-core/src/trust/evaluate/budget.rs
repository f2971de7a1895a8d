//! How much may be spent on an answer: a small document must not be able to ask for endless work.

use std::cell::Cell;

/// The most steps that are spent on one answer, and on all that is asked about one role.
pub(in crate::trust) const STEPS_OF_ANSWER: usize = 400_000;
const STEPS_OF_ROLE: usize = 1_000_000;

/// The steps that may still be spent on one answer, so that a small document cannot ask for endless work. Where they are
/// spent, patterns are not compared any more: sets are told too large, and say so.
#[derive(Debug)]
pub(in crate::trust) struct Work(Cell<usize>);

impl Work {
    /// For one answer.
    pub(in crate::trust) fn new() -> Self {
        Self(Cell::new(STEPS_OF_ANSWER))
    }

    /// For all answers about one role.
    pub(in crate::trust) fn of_role() -> Self {
        Self(Cell::new(STEPS_OF_ROLE))
    }

    pub(in crate::trust) fn is_spent(&self) -> bool {
        self.0.get() == 0
    }

    pub(in crate::trust) fn spend(&self, steps: usize) {
        self.0.set(self.0.get().saturating_sub(steps));
    }
}
