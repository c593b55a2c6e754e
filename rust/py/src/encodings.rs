//! `Encoding` and `Encodings`.

use std::sync::Arc;

use numpy::{PyArray1, PyArray2};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::PyIterator;
use spanjet_core::tokenizer as core;
use spanjet_core::windows::Context;

use crate::boundary::view;

type Array1<'py, T> = PyResult<Bound<'py, PyArray1<T>>>;
type Array2<'py, T> = PyResult<Bound<'py, PyArray2<T>>>;

/// The tokens of one text. Offsets are [start, end) of the original text.
#[pyclass(frozen, module = "spanjet._core")]
pub(crate) struct Encoding {
    pub(crate) context: Context,
    pub(crate) tokenizer: Arc<core::Tokenizer>,
}

#[pymethods]
impl Encoding {
    /// The text that was tokenized.
    #[getter]
    fn text(&self) -> &str {
        self.context.text()
    }

    /// int32[n]: vocabulary ids.
    #[getter]
    fn ids<'py>(slf: &Bound<'py, Self>) -> Array1<'py, i32> {
        let Context { encodings, index } = &slf.get().context;
        let ids = &encodings.ids()[encodings.rows(*index)];
        view(slf.as_any(), ids.len(), ids)
    }

    /// int32[n, 2]: start and end in code points, so that ``text[start:end]`` is the source.
    #[getter]
    fn offsets<'py>(slf: &Bound<'py, Self>) -> Array2<'py, i32> {
        let Context { encodings, index } = &slf.get().context;
        let offsets = &encodings.offsets()[encodings.rows(*index)];
        view(slf.as_any(), (offsets.len(), 2), offsets.as_flattened())
    }

    /// int32[n, 2]: start and end in bytes of the text's UTF-8.
    #[getter]
    fn byte_offsets<'py>(slf: &Bound<'py, Self>) -> Array2<'py, i32> {
        let Context { encodings, index } = &slf.get().context;
        let offsets = &encodings.byte_offsets()[encodings.rows(*index)];
        view(slf.as_any(), (offsets.len(), 2), offsets.as_flattened())
    }

    /// The vocabulary entries of the ids.
    #[getter]
    fn tokens(&self) -> Vec<&str> {
        let Context { encodings, index } = &self.context;
        let ids = &encodings.ids()[encodings.rows(*index)];
        ids.iter().map(|&id| self.tokenizer.vocabulary().token(id as u32).unwrap_or_default()).collect()
    }

    fn __len__(&self) -> usize {
        self.context.encodings.rows(self.context.index).len()
    }
}

/// The tokens of many texts, flat: text i has the rows ``indptr[i]:indptr[i + 1]``.
#[pyclass(frozen, module = "spanjet._core")]
pub(crate) struct Encodings {
    pub(crate) encodings: Arc<core::Encodings>,
    pub(crate) tokenizer: Arc<core::Tokenizer>,
}

#[pymethods]
impl Encodings {
    /// int32[total]: vocabulary ids.
    #[getter]
    fn ids<'py>(slf: &Bound<'py, Self>) -> Array1<'py, i32> {
        let ids = slf.get().encodings.ids();
        view(slf.as_any(), ids.len(), ids)
    }

    /// int32[total, 2]: start and end in code points of each token's own text.
    #[getter]
    fn offsets<'py>(slf: &Bound<'py, Self>) -> Array2<'py, i32> {
        let offsets = slf.get().encodings.offsets();
        view(slf.as_any(), (offsets.len(), 2), offsets.as_flattened())
    }

    /// int32[total, 2]: start and end in bytes of each token's own text.
    #[getter]
    fn byte_offsets<'py>(slf: &Bound<'py, Self>) -> Array2<'py, i32> {
        let encodings = &slf.get().encodings;
        let offsets = slf.py().detach(|| encodings.byte_offsets());
        view(slf.as_any(), (offsets.len(), 2), offsets.as_flattened())
    }

    /// int64[texts + 1]: where each text's tokens begin; the last is their total.
    #[getter]
    fn indptr<'py>(slf: &Bound<'py, Self>) -> Array1<'py, i64> {
        let indptr = slf.get().encodings.indptr();
        view(slf.as_any(), indptr.len(), indptr)
    }

    fn __len__(&self) -> usize {
        self.encodings.len()
    }

    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyIterator>> {
        let encodings = slf.get();
        let encoding = |index| {
            let context = Context { encodings: Arc::clone(&encodings.encodings), index };
            Encoding { context, tokenizer: Arc::clone(&encodings.tokenizer) }
        };
        let all: Vec<Encoding> = (0..encodings.encodings.len()).map(encoding).collect();
        all.into_pyobject(slf.py())?.try_iter()
    }

    fn __getitem__(&self, index: &Bound<'_, PyAny>) -> PyResult<Encoding> {
        let length = self.encodings.len();
        let signed: isize = index.extract()?;
        let index = if signed < 0 { signed.checked_add_unsigned(length) } else { Some(signed) };
        match index.and_then(|index| usize::try_from(index).ok()).filter(|&index| index < length) {
            Some(index) => {
                let context = Context { encodings: Arc::clone(&self.encodings), index };
                Ok(Encoding { context, tokenizer: Arc::clone(&self.tokenizer) })
            }
            None => Err(PyIndexError::new_err(format!("index {signed} is out of range for {length} texts"))),
        }
    }
}
