//! The one door between Python and the core: release the interpreter, run, map the error.

use pyo3::exceptions::{PyIndexError, PyMemoryError, PyValueError};
use pyo3::prelude::*;
use spanjet_core::{Error, Result};

/// Run with the interpreter released; other Python threads go on meanwhile.
pub(crate) fn run<T: Send>(py: Python<'_>, task: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    py.detach(task).map_err(to_python)
}

/// Run without releasing the interpreter: microseconds of work on memory that other threads may write to.
pub(crate) fn run_attached<T>(task: impl FnOnce() -> Result<T>) -> PyResult<T> {
    task().map_err(to_python)
}

fn to_python(error: Error) -> PyErr {
    let text = error.to_string();
    match error {
        // The conversion picks FileNotFoundError, PermissionError and so on.
        Error::Io { source, .. } => std::io::Error::new(source.kind(), text).into(),
        Error::Row { .. } => PyIndexError::new_err(text),
        Error::Memory { .. } => PyMemoryError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}
