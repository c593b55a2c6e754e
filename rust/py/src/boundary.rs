//! The one door between Python and the core: leave the interpreter, run, map the error; and the checks
//! and conversions of what goes through it.

use std::fmt::Display;

use numpy::ndarray::{Array2, ArrayView, Dimension, IntoDimension};
use numpy::{
    Element, IntoPyArray, PyArray, PyArray1, PyArray2, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn,
    PyUntypedArray, PyUntypedArrayMethods, dtype,
};
use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyString;
use spanjet_core::{Error, Result};

/// Run with the interpreter released; other Python threads go on meanwhile.
pub(crate) fn run<T: Send>(py: Python<'_>, task: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    py.detach(task).map_err(to_python)
}

pub(crate) fn to_python(error: Error) -> PyErr {
    let text = error.to_string();
    match error {
        // The conversion picks FileNotFoundError, PermissionError and so on.
        Error::Io { source, .. } => std::io::Error::new(source.kind(), text).into(),
        Error::Row { .. } => PyIndexError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}

/// A count, which Python may give as a negative number.
pub(crate) fn count(name: &str, value: i64) -> PyResult<usize> {
    usize::try_from(value).map_err(|_| {
        PyValueError::new_err(format!("{name} is {value}, expected a number that is not negative"))
    })
}

/// The same, or None.
pub(crate) fn optional_count(name: &str, value: Option<i64>) -> PyResult<Option<usize>> {
    value.map(|value| count(name, value)).transpose()
}

/// The choice that a name stands for.
pub(crate) fn choice<T: Copy>(name: &str, value: &str, choices: &[(&str, T)]) -> PyResult<T> {
    choices.iter().find(|(text, _)| *text == value).map(|&(_, choice)| choice).ok_or_else(|| {
        let known: Vec<_> = choices.iter().map(|(text, _)| format!("{text:?}")).collect();
        PyValueError::new_err(format!("{name} is {value:?}, expected {}", known.join(" or ")))
    })
}

/// A text that Rust may read while the interpreter is released.
pub(crate) fn text(name: impl Display, value: &Bound<'_, PyAny>) -> PyResult<PyBackedStr> {
    let string = value
        .cast::<PyString>()
        .map_err(|_| PyTypeError::new_err(format!("{name} is of type {}, expected str", type_name(value))))?;
    PyBackedStr::try_from(string.clone()).map_err(|error| {
        let reason = error.value(value.py());
        PyValueError::new_err(format!(
            "{name} holds a lone surrogate, expected text that UTF-8 can encode ({reason})"
        ))
    })
}

/// The items of a sequence that is not itself a text.
pub(crate) fn items<'py>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let refuse =
        || PyTypeError::new_err(format!("{name} is of type {}, expected a sequence", type_name(value)));
    if value.is_instance_of::<PyString>() || value.len().is_err() {
        return Err(refuse());
    }
    value.try_iter().map_err(|_| refuse())?.collect()
}

/// The texts of a sequence.
pub(crate) fn texts(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<PyBackedStr>> {
    let items = items(name, value)?;
    items.iter().enumerate().map(|(i, item)| text(format_args!("{name}[{i}]"), item)).collect()
}

fn type_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "unknown".to_owned(), |name| name.to_string())
}

/// An array with elements of type T, its elements in one piece.
pub(crate) fn array<'py, T: Element>(
    name: &str,
    value: &Bound<'py, PyAny>,
    dimensions: &[usize],
) -> PyResult<Bound<'py, PyArrayDyn<T>>> {
    let expected = format!("{} with {dimensions:?} dimensions", dtype::<T>(value.py()));
    let Ok(untyped) = value.cast::<PyUntypedArray>() else {
        return Err(PyTypeError::new_err(format!(
            "{name} is of type {}, expected an array of {expected}",
            type_name(value)
        )));
    };
    match value.cast::<PyArrayDyn<T>>() {
        Ok(array) if dimensions.contains(&array.ndim()) && array.is_c_contiguous() => Ok(array.clone()),
        Ok(array) if dimensions.contains(&array.ndim()) => {
            Err(PyValueError::new_err(format!("{name} is not C-contiguous, expected an array that is")))
        }
        _ => Err(PyTypeError::new_err(format!(
            "{name} is an array of {} with {} dimensions, expected {expected}",
            untyped.dtype(),
            untyped.ndim()
        ))),
    }
}

/// The elements of an array that `array` has let through.
pub(crate) fn elements<'a, T: Element>(
    name: &str,
    array: &'a PyReadonlyArrayDyn<'_, T>,
) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|error| PyValueError::new_err(format!("{name}: {error}")))
}

/// A read-only array over memory that `owner` keeps.
pub(crate) fn view<'py, T: Element, D: Dimension>(
    owner: &Bound<'py, PyAny>,
    shape: impl IntoDimension<Dim = D>,
    elements: &[T],
) -> PyResult<Bound<'py, PyArray<T, D>>> {
    let view = ArrayView::from_shape(shape.into_dimension(), elements)
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    // SAFETY: every caller passes memory of a frozen class whose buffers are never changed or moved
    // while the object lives, and the array holds a reference to it.
    #[allow(unsafe_code)]
    let array = unsafe { PyArray::borrow_from_array(&view, owner.clone()) };
    array.try_readwrite()?.make_nonwriteable();
    Ok(array)
}

/// Move a buffer into an array.
pub(crate) fn owned<T: Element>(py: Python<'_>, elements: Vec<T>) -> Py<PyArray1<T>> {
    elements.into_pyarray(py).unbind()
}

/// Move a row-major buffer into an array.
pub(crate) fn owned_matrix<T: Element>(
    py: Python<'_>,
    shape: (usize, usize),
    elements: Vec<T>,
) -> PyResult<Py<PyArray2<T>>> {
    let matrix =
        Array2::from_shape_vec(shape, elements).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(matrix.into_pyarray(py).unbind())
}
