//! `Windows` and `Batch`.

use std::sync::Arc;

use numpy::{PyArray1, PyArray2, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::sync::critical_section::with_critical_section;
use spanjet_core::tokenizer::Tokenizer as CoreTokenizer;
use spanjet_core::windows as core;

use crate::arguments::{count, integer, optional_count, optional_integer};
use crate::arrays::{Array1, array, elements, owned, owned_matrix, view, writable};
use crate::boundary::{run, run_attached};
use crate::encodings::Encoding;

/// Windows of many questions, ragged: window i has the rows ``indptr[i]:indptr[i + 1]``.
///
/// The windows of a question are neighbours, in the order of the context. `Tokenizer.windows` makes them.
///
/// Example:
///     >>> import spanjet
///     >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
///     >>> windows = tokenizer.windows(["How long?", "How high?"], ["It is 42 metres long."] * 2)
///     >>> windows
///     Windows(windows=2, questions=2, tokens=24, longest=12)
///     >>> windows.context_start.tolist()
///     [5, 5]
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

    /// int32[questions]: tokens of each question before it was cut to ``max_question_length``.
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

    /// Pad some windows, in the order given, into the inputs of a model.
    ///
    /// Args:
    ///     rows: int64[b], indices of windows.
    ///     length: columns; default: the longest window of ``rows``, rounded up.
    ///     multiple_of: ``length``, when not given, is rounded up to a multiple of this.
    ///
    /// Raises:
    ///     IndexError: a row that does not exist.
    ///     ValueError: no rows, a window longer than ``length``, a number out of range, or an array that is
    ///         not C-contiguous.
    ///     TypeError: another dtype or number of dimensions.
    ///     MemoryError: the batch does not fit into memory.
    ///
    /// Example:
    ///     >>> import numpy as np
    ///     >>> import spanjet
    ///     >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
    ///     >>> windows = tokenizer.windows(["How long?"], ["It is 42 metres long."])
    ///     >>> windows.batch(np.arange(len(windows)), multiple_of=8)
    ///     Batch(rows=1, length=16)
    #[pyo3(signature = (rows, *, length = None, multiple_of = 1))]
    fn batch(
        &self,
        py: Python<'_>,
        rows: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = optional_integer)] length: Option<i64>,
        #[pyo3(from_py_with = integer)] multiple_of: i64,
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
    ///
    /// Row i of ``values`` goes to where window ``rows[i]`` lies in the ragged ``out``.
    ///
    /// Args:
    ///     rows: int64[b], indices of windows, as given to `batch`.
    ///     values: float32[b, length].
    ///     out: float32[total], written in place; ``total`` is ``indptr[-1]``. Threads may share it.
    ///
    /// Raises:
    ///     IndexError, ValueError, TypeError: as `batch`, or shapes that do not fit.
    ///
    /// Example:
    ///     >>> import numpy as np
    ///     >>> import spanjet
    ///     >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
    ///     >>> windows = tokenizer.windows(["How long?"], ["It is 42 metres long."])
    ///     >>> rows = np.arange(len(windows))
    ///     >>> padded = np.ones((1, 16), np.float32)  # a model's, usually
    ///     >>> out = np.zeros(windows.indptr[-1], np.float32)
    ///     >>> windows.scatter(rows, padded, out)
    ///     >>> int(out.sum())
    ///     12
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
            let mut out = writable("out", &out)?;
            let out = out.as_slice_mut()?;
            run_attached(|| self.windows.scatter(rows, values, length, out))
        })
    }

    /// Keep some windows; every question stays, also one that is left without any.
    ///
    /// Args:
    ///     rows: int64[b], increasing indices of windows.
    ///
    /// Raises:
    ///     IndexError: a row that does not exist.
    ///     ValueError: the rows do not increase, or are not C-contiguous.
    ///     TypeError: another dtype or number of dimensions.
    ///
    /// Example:
    ///     >>> import numpy as np
    ///     >>> import spanjet
    ///     >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
    ///     >>> windows = tokenizer.windows(["How long?", "How high?"], ["It is 42 metres long."] * 2)
    ///     >>> windows.select(np.array([1])).question.tolist()
    ///     [1]
    fn select(&self, py: Python<'_>, rows: &Bound<'_, PyAny>) -> PyResult<Windows> {
        let rows = array::<i64>("rows", rows, &[1])?.try_readonly()?;
        let rows = elements("rows", &rows)?;
        let windows = run(py, || self.windows.select(rows))?;
        Ok(Windows { windows, tokenizer: Arc::clone(&self.tokenizer) })
    }

    /// Find the windows in which places of the contexts are most central.
    ///
    /// Neighbouring windows meet in the middle of what they share.
    ///
    /// Args:
    ///     questions: int64[n], indices of questions.
    ///     characters: int32[n], code points of their contexts.
    ///
    /// Returns:
    ///     int64[n], indices of windows.
    ///
    /// Raises:
    ///     ValueError: different numbers of questions and characters, a question that does not exist or has
    ///         no windows, or an array that is not C-contiguous.
    ///     TypeError: another dtype or number of dimensions.
    ///
    /// Example:
    ///     >>> import numpy as np
    ///     >>> import spanjet
    ///     >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
    ///     >>> context = "It is 42 metres long."
    ///     >>> windows = tokenizer.windows(["How long?"], [context], max_length=10, doc_stride=2)
    ///     >>> windows.context_offset.tolist()
    ///     [0, 2]
    ///     >>> windows.central(np.array([0, 0]), np.array([0, 20], np.int32)).tolist()
    ///     [0, 1]
    fn central(
        &self,
        py: Python<'_>,
        questions: &Bound<'_, PyAny>,
        characters: &Bound<'_, PyAny>,
    ) -> PyResult<Py<PyArray1<i64>>> {
        let questions = array::<i64>("questions", questions, &[1])?.try_readonly()?;
        let characters = array::<i32>("characters", characters, &[1])?.try_readonly()?;
        let (questions, characters) =
            (elements("questions", &questions)?, elements("characters", &characters)?);
        let found = run(py, || self.windows.central(questions, characters))?;
        Ok(owned(py, found))
    }

    fn __len__(&self) -> usize {
        self.windows.len()
    }

    fn __repr__(&self) -> String {
        let (windows, questions) = (self.windows.len(), self.windows.contexts.len());
        let (tokens, longest) = (self.windows.ids.len(), self.windows.longest());
        format!("Windows(windows={windows}, questions={questions}, tokens={tokens}, longest={longest})")
    }
}

/// Inputs of a model, row-major; the padding has the padding token's id, mask 0 and type 0.
///
/// Example:
///     >>> import numpy as np
///     >>> import spanjet
///     >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
///     >>> windows = tokenizer.windows(["How long?"], ["It is 42 metres long."])
///     >>> batch = windows.batch(np.array([0]), length=14)
///     >>> batch
///     Batch(rows=1, length=14)
///     >>> batch.attention_mask[0].tolist()
///     [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]
#[pyclass(frozen, get_all, module = "spanjet._core")]
pub(crate) struct Batch {
    /// int32[rows, length]: vocabulary ids.
    input_ids: Py<PyArray2<i32>>,
    /// int32[rows, length]: 1 for tokens, 0 for padding.
    attention_mask: Py<PyArray2<i32>>,
    /// int32[rows, length]: 1 for the context and its ``[SEP]``, otherwise 0, for BERT.
    ///
    /// For others what the tokenizer's file says, all 0 for RoBERTa.
    token_type_ids: Py<PyArray2<i32>>,
}

#[pymethods]
impl Batch {
    fn __repr__(&self, py: Python<'_>) -> String {
        let [rows, length] = [0, 1].map(|axis| self.input_ids.bind(py).shape()[axis]);
        format!("Batch(rows={rows}, length={length})")
    }
}
