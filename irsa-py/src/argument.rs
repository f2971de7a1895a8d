//! Arguments of one value: whatever is given is taken, and what does not fit is refused by its name. (pyo3 itself tells the
//! name in a note, which Python has from 3.11 on.)

use std::convert::Infallible;
use std::fmt::Display;
use std::marker::PhantomData;
use std::path::PathBuf;

use pyo3::exceptions::{PyException, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBool;
use pyo3::{Borrowed, PyTypeCheck};

use crate::json::wrong_type;

/// A value that an argument can be, and what errors call it.
pub(crate) trait Wanted: Sized {
    const WORDS: &'static str;

    fn of(object: &Bound<'_, PyAny>) -> PyResult<Self>;
}

macro_rules! wanted {
    ($($type:ty: $words:literal),* $(,)?) => {
        $(impl Wanted for $type {
            const WORDS: &'static str = $words;

            fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
                object.extract()
            }
        })*
    };
}
wanted!(String: "a str", bool: "a bool", u32: "an int", usize: "an int", f64: "a number", PathBuf: "a path");

/// An argument as it was given.
pub(crate) struct Given<'py, T>(Bound<'py, PyAny>, PhantomData<T>);

impl<'py, T> FromPyObject<'_, 'py> for Given<'py, T> {
    type Error = Infallible;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> Result<Self, Infallible> {
        Ok(Self(object.to_owned(), PhantomData))
    }
}

/// What is asked for its value by the name of the argument.
pub(crate) trait Named {
    type Value;

    fn named(self, argument: &str) -> PyResult<Self::Value>;
}

impl<T: Wanted> Named for Given<'_, T> {
    type Value = T;

    fn named(self, argument: &str) -> PyResult<T> {
        value(argument, &self.0)
    }
}

/// The value of an object; `argument` is how errors call it.
pub(crate) fn value<T: Wanted>(argument: &str, object: &Bound<'_, PyAny>) -> PyResult<T> {
    // True is no number here, although Python has it so.
    if T::WORDS != bool::WORDS && object.is_instance_of::<PyBool>() {
        return Err(wrong_type(argument, T::WORDS, object));
    }
    T::of(object).map_err(|error| {
        if error.is_instance_of::<PyTypeError>(object.py()) {
            return wrong_type(argument, T::WORDS, object);
        }
        // An int that is too large, a text with a lone surrogate, what the object's own code raises.
        unreadable(argument, &format!("cannot be {}", T::WORDS), error, object.py())
    })
}

/// What reading an argument raised, with its name. Ctrl-C and exits go on as they are.
pub(crate) fn unreadable(place: impl Display, what: &str, error: PyErr, py: Python<'_>) -> PyErr {
    if !error.is_instance_of::<PyException>(py) {
        return error;
    }
    let named = PyValueError::new_err(format!("{place}: {what}: {}", error.value(py)));
    named.set_cause(py, Some(error));
    named
}

impl<T: Named> Named for Option<T> {
    type Value = Option<T::Value>;

    fn named(self, argument: &str) -> PyResult<Self::Value> {
        self.map(|given| given.named(argument)).transpose()
    }
}

/// Takes the values of arguments by their names.
macro_rules! named {
    ($($argument:ident),* $(,)?) => {
        $(let $argument = crate::argument::Named::named($argument, stringify!($argument))?;)*
    };
}
pub(crate) use named;

/// An object of one of the module's own classes.
pub(crate) fn object<'a, 'py, T: PyTypeCheck>(
    argument: &str,
    wanted: &str,
    given: &'a Bound<'py, PyAny>,
) -> PyResult<&'a Bound<'py, T>> {
    given.cast().map_err(|_| wrong_type(argument, wanted, given))
}
