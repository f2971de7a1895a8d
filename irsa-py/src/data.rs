//! What every data object of the module has: fields, equality, repr, pickling, `to_dict` and `from_dict`.

use std::collections::BTreeMap;

use irsa_core::Warning;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PySequence, PyString, PyTuple, PyType};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::argument::{unreadable, value};
use crate::error::{Result, invalid};
use crate::json;

/// A value that can be read from Python as a field of an immutable object.
pub(crate) trait Field {
    /// The value: text, number, tuple, a copy as dict, or a data object.
    fn field<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>>;

    /// Whether the value is the default, which a repr leaves out.
    fn is_default(&self) -> bool {
        false
    }

    /// Shows each warning in it, with the binding that it is about.
    fn each_warning(&self, _show: &mut dyn FnMut(Option<&str>, &Warning)) {}
}

impl Field for String {
    fn field<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.into_pyobject(py)?.into_any())
    }
}

impl Field for Value {
    fn field<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json::to_python(py, self)
    }
}

impl<T: Field> Field for Option<T> {
    fn field<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.as_ref().map_or_else(|| Ok(py.None().into_bound(py)), |value| value.field(py))
    }

    fn is_default(&self) -> bool {
        self.is_none()
    }
}

impl<T: Field> Field for Vec<T> {
    fn field<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let values = self.iter().map(|value| value.field(py)).collect::<PyResult<Vec<_>>>()?;
        Ok(PyTuple::new(py, values)?.into_any())
    }

    fn is_default(&self) -> bool {
        self.is_empty()
    }
}

impl<T: Field> Field for BTreeMap<String, T> {
    fn field<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let dict = pyo3::types::PyDict::new(py);
        for (key, value) in self {
            dict.set_item(key, value.field(py)?)?;
        }
        Ok(dict.into_any())
    }

    fn is_default(&self) -> bool {
        self.is_empty()
    }
}

impl Field for bool {
    fn field<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.into_pyobject(py)?.to_owned().into_any())
    }

    fn is_default(&self) -> bool {
        !self
    }
}

/// Names and other values that are text for Python.
macro_rules! as_text {
    ($($type:ty),* $(,)?) => {
        $(impl crate::data::Field for $type {
            fn field<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                Ok(self.to_string().into_pyobject(py)?.into_any())
            }
        })*
    };
}
pub(crate) use as_text;

/// Values that Python has itself.
macro_rules! as_is {
    ($($type:ty),* $(,)?) => {
        $(impl Field for $type {
            fn field<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                Ok(self.into_pyobject(py)?.to_owned().into_any())
            }
        })*
    };
}
as_is!(u32, usize);

/// Declares a data object over a plain value of the library: its docstring, its name, that value, and the fields with
/// theirs. The repr shows those before the first `|`, then those that are set, but none after a second `|`. Then how it is
/// checked, shown and asked for warnings, and what else it has.
macro_rules! data {
    (
        $(#[$meta:meta])*
        $name:ident($core:ty) $(, checked by $check:path)? $(, shown by $repr:path)? $(, warning by $warnings:path)? {
            $($(#[$shown_doc:meta])* $shown:ident,)*
            | $($(#[$doc:meta])* $field:ident,)*
            $(| $($(#[$hidden_doc:meta])* $hidden:ident,)*)?
        }
        $(also { $($also:tt)* })?
    ) => {
        $(#[$meta])*
        #[pyclass(frozen, eq, module = "irsa")]
        #[derive(Debug, PartialEq)]
        pub(crate) struct $name(pub(crate) $core);

        impl crate::data::Field for $core {
            fn field<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                Ok($name(self.clone()).into_pyobject(py)?.into_any())
            }

            $(fn each_warning(&self, show: &mut dyn FnMut(Option<&str>, &irsa_core::Warning)) {
                $warnings(self, show);
            })?
        }

        #[pymethods]
        impl $name {
            $(
                $(#[$shown_doc])*
                #[getter]
                fn $shown<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                    crate::data::Field::field(&self.0.$shown, py)
                }
            )*
            $(
                $(#[$doc])*
                #[getter]
                fn $field<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                    crate::data::Field::field(&self.0.$field, py)
                }
            )*
            $($(
                $(#[$hidden_doc])*
                #[getter]
                fn $hidden<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                    crate::data::Field::field(&self.0.$hidden, py)
                }
            )*)?

            /// The same as plain data: dicts, lists, text, numbers, booleans and None.
            fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                Ok(crate::json::plain(py, &self.0)?)
            }

            /// The object of plain data, as `to_dict` gives it.
            #[classmethod]
            #[pyo3(signature = (data, /))]
            fn from_dict(_class: &Bound<'_, pyo3::types::PyType>, data: &Bound<'_, PyAny>) -> PyResult<Self> {
                let value: $core = crate::data::from_dict(data)?;
                $($check(&value).map_err(crate::error::Failure::from)?;)?
                Ok(Self(value))
            }

            fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
                let fields: &[(&str, bool)] =
                    &[$((stringify!($field), crate::data::Field::is_default(&slf.get().0.$field))),*];
                let set: Vec<&str> = fields.iter().filter(|(_, default)| !default).map(|(field, _)| *field).collect();
                #[allow(unused_variables, reason = "one that is given comes after it")]
                let repr: crate::data::Repr = crate::data::repr;
                $(let repr: crate::data::Repr = $repr;)?
                repr(slf.as_any(), &[$(stringify!($shown)),*], &set)
            }

            fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
                crate::data::reduce(slf.as_any())
            }

            $($($also)*)?
        }
    };
}
pub(crate) use data;

/// The value of plain data.
pub(crate) fn from_dict<T: DeserializeOwned>(data: &Bound<'_, PyAny>) -> Result<T> {
    serde_path_to_error::deserialize(json::from_python("data", data)?).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { "data".to_owned() } else { format!("data: {path}") };
        invalid(format!("{place}: {}", error.inner()))
    })
}

/// As many values of one field as a repr shows.
const SHOWN: usize = 10;

/// Writes the repr of an object from the names of the fields that identify it and of those that are set.
pub(crate) type Repr = fn(&Bound<'_, PyAny>, &[&str], &[&str]) -> PyResult<String>;

/// `irsa.Name(field=value, ...)`; of long tuples the first values.
pub(crate) fn repr(object: &Bound<'_, PyAny>, always: &[&str], set: &[&str]) -> PyResult<String> {
    let shown = always.iter().chain(set).map(|field| {
        let value = object.getattr(field)?;
        let text = match value.cast::<PyTuple>() {
            Ok(tuple) if tuple.len() > SHOWN => {
                let first = tuple.get_slice(0, SHOWN).repr()?.to_string();
                format!("{}, ... {} more)", first.strip_suffix(')').unwrap_or(&first), tuple.len() - SHOWN)
            }
            _ => value.repr()?.to_string(),
        };
        Ok(format!("{field}={text}"))
    });
    call(object, shown)
}

/// `irsa.Name(value, ..., field=value, ...)`, whole: a call that makes an equal object.
pub(crate) fn constructor(object: &Bound<'_, PyAny>, positional: &[&str], set: &[&str]) -> PyResult<String> {
    let positional = positional.iter().map(|field| Ok(object.getattr(field)?.repr()?.to_string()));
    let keywords = set.iter().map(|field| Ok(format!("{field}={}", object.getattr(field)?.repr()?)));
    call(object, positional.chain(keywords))
}

fn call(object: &Bound<'_, PyAny>, arguments: impl Iterator<Item = PyResult<String>>) -> PyResult<String> {
    let arguments: Vec<String> = arguments.collect::<PyResult<_>>()?;
    Ok(format!("irsa.{}({})", object.get_type().name()?, arguments.join(", ")))
}

/// What pickle needs: the way back from plain data.
pub(crate) fn reduce<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let class: &Bound<'py, PyType> = &object.get_type();
    let data = object.call_method0("to_dict")?;
    Ok((class.getattr("from_dict")?, (data,)).into_pyobject(object.py())?.into_any())
}

/// A list of what a sequence holds, but for texts; `argument` is how errors call it.
pub(crate) fn items<'py>(argument: &str, object: &Bound<'py, PyAny>) -> Result<Vec<Bound<'py, PyAny>>> {
    if let Ok(list) = object.cast::<PyList>() {
        return Ok(list.iter().collect());
    }
    if let Ok(tuple) = object.cast::<PyTuple>() {
        return Ok(tuple.iter().collect());
    }
    let is_text = object.is_instance_of::<PyString>() || object.is_instance_of::<PyBytes>();
    match object.cast::<PySequence>() {
        Ok(sequence) if !is_text => {
            let list = sequence.to_list();
            let list = list.map_err(|error| unreadable(argument, "cannot be read", error, object.py()))?;
            Ok(list.iter().collect())
        }
        _ => Err(json::wrong_type(argument, "a list", object).into()),
    }
}

/// A list of texts; `argument` is how errors call it.
pub(crate) fn texts(argument: &str, object: &Bound<'_, PyAny>) -> Result<Vec<String>> {
    let text = |(index, item): (usize, &Bound<'_, PyAny>)| Ok(value(&format!("{argument}[{index}]"), item)?);
    items(argument, object)?.iter().enumerate().map(text).collect()
}
