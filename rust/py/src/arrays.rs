//! Check NumPy arrays that come in, and hand buffers out without copying them.

use numpy::ndarray::{Array2, ArrayView, Dimension, IntoDimension};
use numpy::{
    BorrowError, Element, IntoPyArray, PyArray, PyArray1, PyArray2, PyArrayDyn, PyArrayMethods,
    PyReadonlyArrayDyn, PyReadwriteArrayDyn, PyUntypedArray, PyUntypedArrayMethods, dtype,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::arguments::type_name;

pub(crate) type Array1<'py, T> = PyResult<Bound<'py, PyArray1<T>>>;
pub(crate) type Matrix<'py, T> = PyResult<Bound<'py, PyArray2<T>>>;

/// Check that a value is an array with elements of type T, in one piece.
pub(crate) fn array<'py, T: Element>(
    name: &str,
    value: &Bound<'py, PyAny>,
    dimensions: &[usize],
) -> PyResult<Bound<'py, PyArrayDyn<T>>> {
    let counts: Vec<_> = dimensions.iter().map(ToString::to_string).collect();
    let expected = format!("{} with {}", dtype::<T>(value.py()), in_dimensions(&counts.join(" or ")));
    let Ok(untyped) = value.cast::<PyUntypedArray>() else {
        return Err(PyTypeError::new_err(format!(
            "{name} is of type {}, expected an array of {expected}",
            type_name(value)
        )));
    };
    match value.cast::<PyArrayDyn<T>>() {
        Ok(array) if dimensions.contains(&array.ndim()) && !array.is_c_contiguous() => {
            Err(PyValueError::new_err(format!("{name} is not C-contiguous, expected an array that is")))
        }
        Ok(array) if dimensions.contains(&array.ndim()) => {
            if array.data().is_aligned() {
                Ok(array.clone())
            } else {
                Err(PyValueError::new_err(format!(
                    "{name} is not aligned in memory, expected an array that is"
                )))
            }
        }
        _ => Err(PyTypeError::new_err(format!(
            "{name} is an array of {} with {}, expected {expected}",
            untyped.dtype(),
            in_dimensions(&untyped.ndim().to_string())
        ))),
    }
}

fn in_dimensions(count: &str) -> String {
    format!("{count} dimension{}", if count == "1" { "" } else { "s" })
}

/// Borrow the elements of an array that `array` has let through.
pub(crate) fn elements<'a, T: Element>(
    name: &str,
    array: &'a PyReadonlyArrayDyn<'_, T>,
) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|error| PyValueError::new_err(format!("{name}: {error}")))
}

/// Borrow an array to write to.
pub(crate) fn writable<'py, T: Element>(
    name: &str,
    array: &Bound<'py, PyArrayDyn<T>>,
) -> PyResult<PyReadwriteArrayDyn<'py, T>> {
    let refuse = |error| {
        PyValueError::new_err(match error {
            BorrowError::AlreadyBorrowed => format!(
                "{name} shares memory with another argument, or with the argument of a call in another thread; \
                 expected an array of its own"
            ),
            _ => format!("{name} is read-only, expected an array to write to"),
        })
    };
    array.try_readwrite().map_err(refuse)
}

/// Make a read-only array over memory that `owner` keeps.
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
