//! Many bindings at once: what became of each, and how far the work is.

use std::sync::Arc;

use irsa_core::{Error, ErrorKind, FleetOutcome, Outcome, Report, Warning};
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::{Field, as_text, data};
use crate::error::{Told, raised};
use crate::report::of_report;
use crate::spelling::Keywords;

as_text!(ErrorKind);

/// Why a binding was refused or failed, as plain data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Why {
    pub(crate) kind: ErrorKind,
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    pub(crate) caused_by: Vec<String>,
    pub(crate) hint: Option<String>,
    /// What other people's code raised; it is no part of the plain data.
    #[serde(skip)]
    pub(crate) raised: Cause,
}

/// An exception that is kept for `__cause__`: two failures that say the same are equal whatever raised them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cause(Option<Arc<PyErr>>);

impl PartialEq for Cause {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// One binding of many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct One {
    pub(crate) cluster: String,
    pub(crate) binding: String,
    #[serde(default)]
    pub(crate) removal: bool,
    pub(crate) outcome: Outcome,
    pub(crate) report: Option<Report>,
    pub(crate) error: Option<Why>,
}

/// All of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct All {
    pub(crate) changed: bool,
    pub(crate) bindings: Vec<One>,
    #[serde(default)]
    pub(crate) warnings: Vec<Warning>,
}

/// How far the work is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Far {
    pub(crate) done: usize,
    pub(crate) total: usize,
    pub(crate) index: usize,
    pub(crate) entry: One,
}

impl One {
    /// `preview` is whether nothing was to be written.
    pub(crate) fn of(entry: &irsa_core::FleetEntry, preview: bool) -> Self {
        let outcome = match &entry.outcome {
            FleetOutcome::Done(_) if preview => Outcome::Planned,
            FleetOutcome::Done(_) => Outcome::Done,
            FleetOutcome::Failed(_) => Outcome::Failed,
            _ => Outcome::NotRun,
        };
        let error = entry.error().map(Why::of);
        let (cluster, binding) = (entry.cluster.to_string(), entry.binding.clone());
        let (report, removal) = (entry.report().map(|report| report.spelt(&Keywords)), entry.removal);
        Self { cluster, binding, removal, outcome, report, error }
    }
}

impl Why {
    fn of(error: &Error) -> Self {
        let Told { message, causes, code, hint } = Told::of(error);
        let raised = raised(error).and_then(|raised| Python::try_attach(|py| Arc::new(raised.exception(py))));
        Self { kind: error.kind(), code, message, caused_by: causes, hint, raised: Cause(raised) }
    }
}

impl All {
    pub(crate) fn of(report: &irsa_core::FleetReport, preview: bool, warnings: Vec<Warning>) -> Self {
        let bindings = report.entries.iter().map(|entry| One::of(entry, preview)).collect();
        Self { changed: report.changed(), bindings, warnings }
    }

    fn each_warning(&self, show: &mut dyn FnMut(Option<&str>, &Warning)) {
        self.warnings.iter().for_each(|warning| show(None, warning));
        self.bindings.iter().filter_map(|one| one.report.as_ref()).for_each(|report| of_report(report, show));
    }
}

data! {
    /// What became of many bindings, in the order in which they were given.
    FleetReport(All), warning by All::each_warning {
        /// Whether anything was changed, or for a plan would be; in bindings that failed too.
        changed,
        /// Each binding; those that a prune removes come last.
        bindings,
        |
        /// What one should know besides the warnings of single bindings.
        warnings,
    }
    also {
        /// Those that were refused or failed.
        #[getter]
        fn failed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            let failed = self.0.bindings.iter().filter(|one| one.error.is_some()).cloned().collect::<Vec<_>>();
            failed.field(py)
        }

        /// Raises the failure of the first binding that failed, with its report; else nothing.
        fn raise_for_failures(&self, py: Python<'_>) -> PyResult<()> {
            let first = self.0.bindings.iter().find_map(|one| Some((one, one.error.as_ref()?)));
            let Some((one, why)) = first else { return Ok(()) };
            let (message, causes) = (why.message.clone(), why.caused_by.clone());
            let told = Told { message, causes, code: why.code.clone(), hint: why.hint.clone() };
            let exception = told.exception(py, why.kind, one.report.as_ref())?;
            exception.set_cause(py, why.raised.0.as_ref().map(|raised| raised.clone_ref(py)));
            Err(exception)
        }
    }
}

data! {
    /// What became of one binding of many.
    FleetEntry(One) {
        /// The cluster of the service account, as the binding names it.
        cluster,
        /// The service account, `NAMESPACE/NAME`.
        binding,
        /// `"done"`, `"failed"`, `"not_run"`, or `"planned"`.
        outcome,
        |
        /// Whether it was to be removed, since its applyset no longer declares it.
        removal,
        /// What was done to it, as far as anything was begun.
        report,
        /// Why it was refused or failed.
        error,
    }
}

data! {
    /// Why one binding of many was refused or failed.
    BindingFailure(Why) {
        /// What kind of failure it is, such as `"not_found"`.
        kind,
        /// What was being done.
        message,
        |
        /// The error code of the service, such as `"NoSuchEntity"`, where a service answered.
        code,
        /// Why it failed, from the nearest cause to the farthest.
        caused_by,
        /// What can be done about it.
        hint,
    }
}

data! {
    /// How far the work on many bindings is: told of each that is done.
    Progress(Far) {
        /// How many are done, this one among them.
        done,
        /// How many there are.
        total,
        /// The place of this one among those given, counted from 0.
        index,
        /// What became of it.
        entry,
        |
    }
}
