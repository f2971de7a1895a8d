//! What became of a fleet.

use crate::error::Error;
use crate::name::ClusterRef;
use crate::report::Report;

/// What became of one binding of a fleet.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FleetOutcome {
    /// It is as it was asked for: the report tells what was changed, if anything.
    Done(Box<Report>),
    /// It was refused, or failed: [`Error::report`] tells what had been done.
    Failed(Error),
    /// It was not begun, since the work was stopped before its turn.
    NotRun,
}

/// One binding of a fleet, and what became of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FleetEntry {
    /// The cluster of the service account, as the request names it.
    pub cluster: ClusterRef,
    /// `NAMESPACE/NAME` of the service account.
    pub binding: String,
    /// Whether it was to be removed.
    pub removal: bool,
    /// What became of it.
    pub outcome: FleetOutcome,
}

impl FleetEntry {
    /// The report as far as there is one.
    pub fn report(&self) -> Option<&Report> {
        match &self.outcome {
            FleetOutcome::Done(report) => Some(report.as_ref()),
            FleetOutcome::Failed(error) => error.report(),
            FleetOutcome::NotRun => None,
        }
    }

    /// Why it was refused or failed.
    pub fn error(&self) -> Option<&Error> {
        match &self.outcome {
            FleetOutcome::Failed(error) => Some(error),
            FleetOutcome::Done(_) | FleetOutcome::NotRun => None,
        }
    }
}

/// What became of all bindings of a fleet, in the order in which they were asked for.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FleetReport {
    /// Each binding.
    pub entries: Vec<FleetEntry>,
}

impl FleetReport {
    /// Whether anything was changed (for a preview: would be), in bindings that failed too.
    pub fn changed(&self) -> bool {
        self.entries.iter().filter_map(FleetEntry::report).any(|report| report.changed)
    }

    /// The number of bindings that are as they were asked for.
    pub fn succeeded(&self) -> usize {
        self.entries.iter().filter(|entry| matches!(entry.outcome, FleetOutcome::Done(_))).count()
    }

    /// The number of bindings that were refused or failed.
    pub fn failed(&self) -> usize {
        self.entries.iter().filter(|entry| entry.error().is_some()).count()
    }

    /// The number of bindings that were not begun.
    pub fn not_run(&self) -> usize {
        self.entries.len() - self.succeeded() - self.failed()
    }

    /// Whether every binding is as it was asked for.
    pub fn is_complete(&self) -> bool {
        self.succeeded() == self.entries.len()
    }
}

/// How far the work on a fleet is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// Everything is planned; the first write comes next.
    Planned {
        /// The number of bindings that change.
        changes: usize,
        /// The number of bindings that are as they were asked for.
        unchanged: usize,
        /// The number of bindings that are refused.
        refused: usize,
    },
    /// A binding is done.
    Ended {
        /// Its place among the requests, counted from 0.
        index: usize,
        /// What became of it.
        entry: &'a FleetEntry,
        /// The number of bindings that are done, this one among them.
        done: usize,
        /// The number of all bindings.
        total: usize,
    },
}
