//! `Windows` and `Batch`.

use std::sync::Arc;

use numpy::{PyArray1, PyArray2, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::critical_section::with_critical_section;
use spanjet_core::tokenizer::Tokenizer as CoreTokenizer;
use spanjet_core::windows as core;

use crate::boundary::{array, count, elements, optional_count, owned_matrix, run, to_python, view};
use crate::encoding::Encoding;

type Array1<'py, T> = PyResult<Bound<'py, PyArray1<T>>>;

/// Windows of many questions, ragged: window i has the rows ``indptr[i]:indptr[i + 1]``.
#[pyclass(frozen, module = "spanjet._core")]
pub(crate) struct Windows {
    pub(crate) windows: core::Windows,
    pub(crate) tokenizer: Arc<CoreTokenizer>,
}

#[pymethods]
impl Windows {
    /// int32[total]: vocabulary ids, special tokens included.
    #[getter]
    fn ids<'py>(slf: &Bound<'py, Self>) -> Array1<'py, i32> {
        let ids = &slf.get().windows.ids;
        view(slf.as_any(), ids.len(), ids)
    }

    /// int64[windows + 1]: where each window's tokens begin; the last is their total.
    #[getter]
    fn indptr<'py>(slf: &Bound<'py, Self>) -> Array1<'py, i64> {
        let indptr = &slf.get().windows.indptr;
        view(slf.as_any(), indptr.len(), indptr)
    }

    /// int32[windows]: index of the window's question.
    #[getter]
    fn question<'py>(slf: &Bound<'py, Self>) -> Array1<'py, i32> {
        let question = &slf.get().windows.question;
        view(slf.as_any(), question.len(), question)
    }

    /// int32[windows]: position in the window where the context begins.
    #[getter]
    fn context_start<'py>(slf: &Bound<'py, Self>) -> Array1<'py, i32> {
        let context_start = &slf.get().windows.context_start;
        view(slf.as_any(), context_start.len(), context_start)
    }

    /// int32[windows]: index of the window's first context token among the context's tokens.
    #[getter]
    fn context_offset<'py>(slf: &Bound<'py, Self>) -> Array1<'py, i32> {
        let context_offset = &slf.get().windows.context_offset;
        view(slf.as_any(), context_offset.len(), context_offset)
    }

    /// int32[questions]: tokens of each question before it was cut.
    #[getter]
    fn question_length<'py>(slf: &Bound<'py, Self>) -> Array1<'py, i32> {
        let question_length = &slf.get().windows.question_length;
        view(slf.as_any(), question_length.len(), question_length)
    }

    /// Each question's context.
    #[getter]
    fn contexts(&self) -> Vec<Encoding> {
        let encoding = |context: &core::Context| Encoding {
            context: context.clone(),
            tokenizer: Arc::clone(&self.tokenizer),
        };
        self.windows.contexts.iter().map(encoding).collect()
    }

    /// Padded model inputs of some windows, in the order given.
    #[pyo3(signature = (rows, *, length = None, multiple_of = 1))]
    fn batch(
        &self,
        py: Python<'_>,
        rows: &Bound<'_, PyAny>,
        length: Option<i64>,
        multiple_of: i64,
    ) -> PyResult<Batch> {
        let length = optional_count("length", length)?;
        let multiple_of = count("multiple_of", multiple_of)?;
        let rows = array::<i64>("rows", rows, &[1])?.try_readonly()?;
        let rows = elements("rows", &rows)?;
        let batch = run(py, || self.windows.batch(rows, length, multiple_of))?;
        let shape = (batch.rows, batch.length);
        Ok(Batch {
            input_ids: owned_matrix(py, shape, batch.input_ids)?,
            attention_mask: owned_matrix(py, shape, batch.attention_mask)?,
            token_type_ids: owned_matrix(py, shape, batch.token_type_ids)?,
        })
    }

    /// Take the padding off a batch's logits.
    #[pyo3(signature = (rows, values, out))]
    fn scatter(
        &self,
        rows: &Bound<'_, PyAny>,
        values: &Bound<'_, PyAny>,
        out: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let rows = array::<i64>("rows", rows, &[1])?.try_readonly()?;
        let values = array::<f32>("values", values, &[2])?.try_readonly()?;
        let out = array::<f32>("out", out, &[1])?;
        let length = values.shape()[1];
        let (rows, values) = (elements("rows", &rows)?, elements("values", &values)?);
        // A few microseconds of copying: staying attached lets threads share `out`, one at a time.
        with_critical_section(&out, || {
            let mut out = out
                .try_readwrite()
                .map_err(|_| PyValueError::new_err("out is read-only, expected an array to write to"))?;
            let out = out.as_slice_mut()?;
            self.windows.scatter(rows, values, length, out).map_err(to_python)
        })
    }

    fn __len__(&self) -> usize {
        self.windows.len()
    }
}

/// Model inputs, row-major.
#[pyclass(frozen, get_all, module = "spanjet._core")]
pub(crate) struct Batch {
    /// int32[rows, length]: vocabulary ids.
    input_ids: Py<PyArray2<i32>>,
    /// int32[rows, length]: 1 for tokens, 0 for padding.
    attention_mask: Py<PyArray2<i32>>,
    /// int32[rows, length]: what the tokenizer says; for BERT 1 for the context and its ``[SEP]``.
    token_type_ids: Py<PyArray2<i32>>,
}
