//! Calls of other people's Python code that may take long, or never end: on a thread of Python's own, awaited here.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tokio::sync::oneshot;

use crate::ending::attached;
use crate::runtime::context;

/// What other people's code raised: its text for errors of the library, and itself for `__cause__`.
#[derive(Debug)]
pub(crate) struct Raised {
    text: String,
    exception: PyErr,
}

impl Raised {
    /// `text` is what an error says of it.
    pub(crate) fn new(text: String, exception: PyErr) -> Self {
        Self { text, exception }
    }

    /// The exception itself.
    pub(crate) fn exception(&self, py: Python<'_>) -> PyErr {
        self.exception.clone_ref(py)
    }
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Raised {}

/// What is called with keywords.
pub(crate) type Function = (Py<PyAny>, Py<PyDict>);

/// Calls what `function` gives; `read` makes of its result what is wanted, while attached. Dropping the future leaves
/// the call to itself: `kept` lives until it ends.
///
/// # Errors
/// What was raised; RuntimeError where no answer can come, as at the end of the interpreter.
pub(crate) async fn beside<T: Send + 'static>(
    function: impl FnOnce(Python<'_>) -> PyResult<Function> + Send + 'static,
    read: impl FnOnce(PyResult<Bound<'_, PyAny>>) -> T + Send + 'static,
    kept: impl Send + 'static,
) -> PyResult<T> {
    let (sender, receiver) = oneshot::channel();
    let deliver = move |result: PyResult<Bound<'_, PyAny>>| {
        // Nobody listens after a deadline.
        let _ = sender.send(read(result));
        drop(kept);
    };
    let context = context();
    // Waiting for the interpreter must not hold up deadlines.
    let begun = tokio::task::spawn_blocking(move || {
        attached(|py| {
            let (function, keywords) = function(py)?;
            let delivery = Delivery(Mutex::new(Some(Box::new(deliver))));
            let context = context.map(|context| context.clone_ref(py));
            py.import("irsa._beside")?.getattr("start")?.call1((function, keywords, delivery, context)).map(|_| ())
        })
    });
    match begun.await {
        Ok(Some(begun)) => begun?,
        Ok(None) | Err(_) => {
            return Err(PyRuntimeError::new_err("the interpreter is ending: no Python code can be called any more"));
        }
    }
    receiver.await.map_err(|_| PyRuntimeError::new_err("the call ended without an answer"))
}

type Deliver = Box<dyn FnOnce(PyResult<Bound<'_, PyAny>>) + Send>;

/// Takes the result of one call.
#[pyclass(frozen, module = "irsa._irsa")]
struct Delivery(Mutex<Option<Deliver>>);

#[pymethods]
impl Delivery {
    fn __call__(&self, answer: Bound<'_, PyAny>, error: Option<Bound<'_, PyAny>>) {
        let deliver = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(deliver) = deliver {
            deliver(match error {
                None => Ok(answer),
                Some(error) => Err(PyErr::from_value(error)),
            });
        }
    }
}
