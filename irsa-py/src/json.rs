//! JSON and Python's own values: strict on the way in, plain on the way out.

use std::cell::Cell;
use std::fmt;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple};
use serde::Serialize;
use serde_json::{Map, Number, Value};

use crate::argument::unreadable;
use crate::error::{Result, invalid};

/// As deep as serde_json reads.
const DEEPEST: usize = 127;

/// The most values of one argument: more than the roles of an account at their quotas have. A structure that holds its parts
/// in many places can be far larger than what Python keeps of it.
const MAX_VALUES: usize = 2_000_000;

/// JSON as it was given: text, so that errors can give line and column, or an object.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Text(String),
    Value(Value),
}

impl Input {
    /// Takes a str or a dict; `argument` is how errors call it.
    pub(crate) fn new(argument: &str, object: &Bound<'_, PyAny>) -> Result<Self> {
        if let Ok(text) = object.cast::<PyString>() {
            return Ok(Self::Text(text_of(&Place::argument(argument, object), text)?));
        }
        if object.cast::<PyMapping>().is_err() {
            return Err(wrong_type(argument, "a str of JSON or a dict", object).into());
        }
        from_python(argument, object).map(Self::Value)
    }

    /// The JSON text.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Value(value) => value.to_string(),
        }
    }
}

/// Takes a value that is nothing but JSON: dict, list, tuple, str, int, float, bool, None. `argument` is how errors call it.
pub(crate) fn from_python(argument: &str, object: &Bound<'_, PyAny>) -> Result<Value> {
    read(&Place::argument(argument, object), Dates::Refused, &Cell::new(MAX_VALUES))
}

/// As [`from_python`], for what boto3 answers: dates are taken as text, but not inside of policy documents.
pub(crate) fn from_answer(argument: &str, object: &Bound<'_, PyAny>) -> Result<Value> {
    read(&Place::argument(argument, object), Dates::Text, &Cell::new(MAX_VALUES))
}

/// Gives plain Python values: dict, list, str, int, float, bool, None.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => whole.into_pyobject(py)?.into_any(),
            (None, Some(whole)) => whole.into_pyobject(py)?.into_any(),
            (None, None) => number.as_f64().into_pyobject(py)?.into_any(),
        },
        Value::String(text) => PyString::new(py, text).into_any(),
        Value::Array(values) => {
            let values = values.iter().map(|value| to_python(py, value)).collect::<PyResult<Vec<_>>>()?;
            PyList::new(py, values)?.into_any()
        }
        Value::Object(object) => {
            let dict = PyDict::new(py);
            for (key, value) in object {
                dict.set_item(key, to_python(py, value)?)?;
            }
            dict.into_any()
        }
    })
}

/// Gives what serialises as plain Python values.
pub(crate) fn plain<'py>(py: Python<'py>, value: &impl Serialize) -> Result<Bound<'py, PyAny>> {
    let value = serde_json::to_value(value).map_err(|error| invalid(format!("cannot be shown as a dict: {error}")))?;
    Ok(to_python(py, &value)?)
}

/// A TypeError that names the argument.
pub(crate) fn wrong_type(place: impl fmt::Display, wanted: &str, object: &Bound<'_, PyAny>) -> PyErr {
    let found = object.get_type().name().map_or_else(|_| "something else".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("{place}: must be {wanted}, not {found}"))
}

/// Whether dates are refused, or taken as text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dates {
    Refused,
    Text,
}

/// Where in an argument a value stands.
struct Place<'a, 'py> {
    object: &'a Bound<'py, PyAny>,
    step: Step<'a>,
    parent: Option<&'a Self>,
    depth: usize,
}

enum Step<'a> {
    Argument(&'a str),
    Key(&'a str),
    Index(usize),
}

impl<'a, 'py> Place<'a, 'py> {
    fn argument(name: &'a str, object: &'a Bound<'py, PyAny>) -> Self {
        Self { object, step: Step::Argument(name), parent: None, depth: 0 }
    }

    /// A place inside of this one.
    fn inside(&'a self, step: Step<'a>, object: &'a Bound<'py, PyAny>) -> Result<Self> {
        let place = Self { object, step, parent: Some(self), depth: self.depth + 1 };
        let mut around = Some(self);
        while let Some(outer) = around {
            // Two names for one text are no cycle.
            if outer.object.is(object) {
                return Err(invalid(format!("{place}: contains itself")));
            }
            around = outer.parent;
        }
        if place.depth > DEEPEST {
            return Err(invalid(format!("{}: is nested deeper than {DEEPEST} levels", place.root())));
        }
        Ok(place)
    }

    fn root(&self) -> &Self {
        self.parent.map_or(self, |parent| parent.root())
    }
}

impl fmt::Display for Place<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Argument(name) => f.write_str(name),
            Step::Key(key) => write!(f, "[{key:?}]"),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// `left` is how many values may still come.
fn read(place: &Place<'_, '_>, dates: Dates, left: &Cell<usize>) -> Result<Value> {
    let object = place.object;
    match left.get().checked_sub(1) {
        Some(rest) => left.set(rest),
        None => return Err(invalid(format!("{}: holds more than {MAX_VALUES} values", place.root()))),
    }
    if object.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(text) = object.cast::<PyString>() {
        return text_of(place, text).map(Value::String);
    }
    // Before int, which bool is a kind of.
    if let Ok(value) = object.cast::<PyBool>() {
        return Ok(Value::Bool(value.is_true()));
    }
    if let Ok(number) = object.cast::<PyInt>() {
        let number = number.extract::<i64>().map(Number::from).or_else(|_| number.extract::<u64>().map(Number::from));
        return number.map(Value::Number).map_err(|_| invalid(format!("{place}: is an int beyond 64 bits")));
    }
    if let Ok(number) = object.cast::<PyFloat>() {
        let number = number.value();
        let what = || invalid(format!("{place}: {number} is no number of JSON"));
        return Number::from_f64(number).map(Value::Number).ok_or_else(what);
    }
    // Asking whether something else is a mapping runs Python code, in which a Ctrl-C would be lost.
    let items: Vec<Bound<'_, PyAny>> = if let Ok(list) = object.cast::<PyList>() {
        list.iter().collect()
    } else if let Ok(tuple) = object.cast::<PyTuple>() {
        tuple.iter().collect()
    } else if let Ok(mapping) = object.cast::<PyMapping>() {
        return read_object(place, mapping, dates, left);
    } else if dates == Dates::Text && object.hasattr("isoformat").unwrap_or_default() {
        let date = object.call_method0("isoformat").and_then(|text| text.extract::<String>());
        let date = date.map_err(|error| unreadable(place, "is no date", error, object.py()))?;
        return Ok(Value::String(date));
    } else {
        return Err(wrong_type(place, "JSON (dict, list, str, int, float, bool or None)", object).into());
    };
    let values =
        items.iter().enumerate().map(|(index, item)| read(&place.inside(Step::Index(index), item)?, dates, left));
    values.collect::<Result<_>>().map(Value::Array)
}

fn read_object(
    place: &Place<'_, '_>,
    mapping: &Bound<'_, PyMapping>,
    dates: Dates,
    left: &Cell<usize>,
) -> Result<Value> {
    let mut object = Map::new();
    for (key, value) in pairs(place, mapping)? {
        let Ok(text) = key.cast::<PyString>() else {
            return Err(wrong_type(format!("a key of {place}"), "a str", &key).into());
        };
        let key = text_of(place, text)?;
        let dates = if key.ends_with("Document") { Dates::Refused } else { dates };
        let value = read(&place.inside(Step::Key(&key), &value)?, dates, left)?;
        object.insert(key, value);
    }
    Ok(Value::Object(object))
}

/// What a mapping holds. `place` is how errors call it.
pub(crate) fn pairs<'py>(
    place: impl fmt::Display,
    mapping: &Bound<'py, PyMapping>,
) -> PyResult<Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>> {
    // A list of its own, so that nobody changes the mapping meanwhile.
    let items = mapping.items().map_err(|error| unreadable(&place, "cannot be read", error, mapping.py()))?;
    let pair = |item: Bound<'py, PyAny>| {
        item.extract().map_err(|_| wrong_type(&place, "a mapping whose items() are pairs", &item))
    };
    items.iter().map(pair).collect()
}

fn text_of(place: &Place<'_, '_>, text: &Bound<'_, PyString>) -> Result<String> {
    let text = text.to_cow().map(std::borrow::Cow::into_owned);
    text.map_err(|_| invalid(format!("{place}: is no valid Unicode text: it has a lone surrogate")))
}
