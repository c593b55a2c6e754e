//! Check and convert Python arguments: counts, choices, texts.

use std::fmt::Display;

use pyo3::exceptions::{PyIndexError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyString;

/// Read an integer; one beyond 64 bits is the nearest that has them, which no range allows.
pub(crate) fn integer(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    value.extract().or_else(|error: PyErr| {
        if !error.is_instance_of::<PyOverflowError>(value.py()) {
            return Err(error);
        }
        Ok(if value.lt(0)? { i64::MIN } else { i64::MAX })
    })
}

/// Read an integer (see `integer`), or None.
pub(crate) fn optional_integer(value: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    if value.is_none() { Ok(None) } else { integer(value).map(Some) }
}

/// Convert a number that is computed with in single precision.
pub(crate) fn single(name: &str, value: f64) -> PyResult<f32> {
    let single = value as f32;
    if value.is_finite() && value != 0.0 && !single.is_normal() {
        let expected = "expected a number of single precision, of 1.2e-38 to 3.4e38";
        return Err(PyValueError::new_err(format!("{name} is {value:e}, {expected}")));
    }
    Ok(single)
}

/// Convert a count, which Python may give as a negative number.
pub(crate) fn count(name: &str, value: i64) -> PyResult<usize> {
    usize::try_from(value).map_err(|_| {
        PyValueError::new_err(format!("{name} is {value}, expected a number that is not negative"))
    })
}

/// Convert a count, or None.
pub(crate) fn optional_count(name: &str, value: Option<i64>) -> PyResult<Option<usize>> {
    value.map(|value| count(name, value)).transpose()
}

/// Look a choice up by its name.
pub(crate) fn choice<T: Copy>(name: &str, value: &str, choices: &[(&str, T)]) -> PyResult<T> {
    choices.iter().find(|(text, _)| *text == value).map(|&(_, choice)| choice).ok_or_else(|| {
        let known: Vec<_> = choices.iter().map(|(text, _)| format!("{text:?}")).collect();
        PyValueError::new_err(format!("{name} is {value:?}, expected {}", known.join(" or ")))
    })
}

/// Borrow a text, which Rust may read while the interpreter is released.
pub(crate) fn text(name: impl Display, value: &Bound<'_, PyAny>) -> PyResult<PyBackedStr> {
    let string = value
        .cast::<PyString>()
        .map_err(|_| PyTypeError::new_err(format!("{name} is of type {}, expected str", type_name(value))))?;
    PyBackedStr::try_from(string.clone()).map_err(|error| {
        let place = error.value(value.py()).getattr("start").and_then(|start| start.extract::<usize>());
        let place = place.map(|start| format!(" at character {start}")).unwrap_or_default();
        PyValueError::new_err(format!(
            "{name} holds a lone surrogate{place}, expected text that UTF-8 can encode"
        ))
    })
}

/// List the items of a sequence that is not itself a text.
pub(crate) fn items<'py>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let refuse =
        || PyTypeError::new_err(format!("{name} is of type {}, expected a sequence", type_name(value)));
    if value.is_instance_of::<PyString>() || value.len().is_err() {
        return Err(refuse());
    }
    value.try_iter().map_err(|_| refuse())?.collect()
}

/// Borrow the texts of a sequence.
pub(crate) fn texts(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<PyBackedStr>> {
    let items = items(name, value)?;
    items.iter().enumerate().map(|(i, item)| text(format_args!("{name}[{i}]"), item)).collect()
}

/// Find the place that a Python index means, which counts from the end where it is negative.
pub(crate) fn index(value: i64, length: usize, of: &str) -> PyResult<usize> {
    let index = if value < 0 { value.checked_add_unsigned(length as u64) } else { Some(value) };
    index
        .and_then(|index| usize::try_from(index).ok())
        .filter(|&index| index < length)
        .ok_or_else(|| PyIndexError::new_err(format!("index {value} is out of range for {length} {of}")))
}

pub(crate) fn type_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "unknown".to_owned(), |name| name.to_string())
}
