//! From the library's one error to the exceptions of Python.

use std::error::Error as _;

use irsa_core::name::InvalidName;
use irsa_core::{Error, ErrorKind, Report};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::beside::Raised;
use crate::data::Field;
use crate::spelling::Keywords;

/// The result of what is called from Python.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a call from Python failed: an error of irsa, or one that Python raised.
#[derive(Debug)]
pub(crate) enum Failure {
    Irsa(Error),
    Python(PyErr),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Irsa(error)
    }
}

impl From<InvalidName> for Failure {
    fn from(invalid: InvalidName) -> Self {
        Self::Irsa(invalid.into())
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Python(error) => error,
            Failure::Irsa(error) => Python::attach(|py| exception(py, &error).unwrap_or_else(|error| error)),
        }
    }
}

/// Refused from the input alone.
pub(crate) fn invalid(what: String) -> Failure {
    Failure::Irsa(Error::new(ErrorKind::InvalidInput, what))
}

/// The exception class of a kind, by its name in the package.
fn class_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidInput => "InvalidInputError",
        ErrorKind::NotFound => "NotFoundError",
        ErrorKind::AlreadyExists => "AlreadyExistsError",
        ErrorKind::NotOwned => "NotOwnedError",
        ErrorKind::Conflict => "ConflictError",
        ErrorKind::AccessDenied => "AccessDeniedError",
        ErrorKind::QuotaExceeded => "QuotaExceededError",
        ErrorKind::Throttled => "ThrottledError",
        ErrorKind::Unavailable => "UnavailableError",
        ErrorKind::Timeout => "TimeoutError",
        ErrorKind::WrongCluster => "WrongClusterError",
        // What the library cannot make sense of is the root itself; so is a kind that is newer than this match.
        _ => "IrsaError",
    }
}

/// What an error says, in the words of Python.
pub(crate) struct Told {
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
    pub(crate) code: Option<String>,
    pub(crate) hint: Option<String>,
}

impl Told {
    pub(crate) fn of(error: &Error) -> Self {
        Self {
            message: error.to_string(),
            causes: error.causes(),
            code: error.code().map(str::to_owned),
            hint: error.hint().and_then(|hint| hint.spelt(&Keywords)).map(|hint| hint.to_string()),
        }
    }

    /// The exception of a kind that says it.
    pub(crate) fn exception(self, py: Python<'_>, kind: ErrorKind, report: Option<&Report>) -> PyResult<PyErr> {
        let class = py.import("irsa._errors")?.getattr(class_name(kind))?;
        let fields = PyDict::new(py);
        fields.set_item("causes", self.causes)?;
        fields.set_item("code", self.code)?;
        fields.set_item("hint", self.hint)?;
        fields.set_item("report", report.map(|report| report.spelt(&Keywords).field(py)).transpose()?)?;
        Ok(PyErr::from_value(class.call((self.message,), Some(&fields))?))
    }
}

fn exception(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let exception = Told::of(error).exception(py, error.kind(), error.report())?;
    exception.set_cause(py, raised(error).map(|raised| raised.exception(py)));
    Ok(exception)
}

/// What other people's code raised, where that is the cause.
pub(crate) fn raised(error: &Error) -> Option<&Raised> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(raised) = cause.downcast_ref() {
            return Some(raised);
        }
        next = cause.source();
    }
    None
}
