//! The faults of a sandbox, behind `irsa.Faults`.

use std::time::Duration;

use irsa_core::sandbox::At;
use pyo3::prelude::*;

use crate::argument::{Given, Named, named};
use crate::error::{Result, invalid};

/// What a sandbox does wrong. Not for users: `irsa.Faults` is.
#[pyclass(frozen, module = "irsa._irsa")]
pub(crate) struct SandboxFaults(pub(crate) irsa_core::sandbox::Faults);

/// Which calls a fault concerns: method, first call, how many, whether writes only.
#[derive(FromPyObject)]
struct Calls<'py>(Option<Given<'py, String>>, Given<'py, u32>, Option<Given<'py, u32>>, Given<'py, bool>);

impl Calls<'_> {
    fn named(self) -> Result<At> {
        let Self(method, at, times, writes) = self;
        named!(method, at, times, writes);
        if at == 0 || times == Some(0) {
            return Err(invalid("at and times: calls are counted from 1".to_owned()));
        }
        let first = match (method, writes) {
            (Some(_), true) => return Err(invalid("writes contradicts method: give only one of them".to_owned())),
            (Some(method), false) => At::method(method, at.into()).checked()?,
            (None, true) => At::write(at.into()),
            (None, false) => At::call(at.into()),
        };
        Ok(first.times(times.map_or(u64::MAX, u64::from)))
    }
}

#[pymethods]
impl SandboxFaults {
    fn fail(
        &self,
        calls: Calls<'_>,
        code: Given<'_, String>,
        message: Given<'_, String>,
        after: Given<'_, bool>,
    ) -> PyResult<()> {
        named!(code, message, after);
        let failure = (code.as_str(), message.as_str());
        match after {
            true => self.0.fail_after(calls.named()?, failure),
            false => self.0.fail_before(calls.named()?, failure),
        };
        Ok(())
    }

    fn hang(&self, calls: Calls<'_>) -> PyResult<()> {
        self.0.hang(calls.named()?);
        Ok(())
    }

    fn delay(&self, calls: Calls<'_>, seconds: Given<'_, f64>) -> PyResult<()> {
        let seconds = seconds.named("seconds")?;
        let delay = Duration::try_from_secs_f64(seconds);
        let refused = |_| invalid(format!("seconds: must be a number of 0 or more, not {seconds}"));
        self.0.delay(calls.named()?, delay.map_err(refused).map_err(PyErr::from)?);
        Ok(())
    }

    fn clear(&self) {
        self.0.clear();
    }

    #[getter]
    fn unused(&self) -> Vec<String> {
        self.0.unused().iter().map(ToString::to_string).collect()
    }
}
