//! `Encoding` and `Encodings`.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyString};
use spanjet_core::tokenizer::{self as core, Origin, read_again};
use spanjet_core::windows::Context;

use crate::arguments::{index as checked_index, integer};
use crate::arrays::{Array1, Matrix, view};
use crate::boundary::run;
use crate::tokenizer::Tokenizer;

/// What an encoding is made of again: its text, and the origin of its tokenizer.
type Pickled<'py> = (Bound<'py, PyAny>, PathBuf, bool, Option<usize>, u64);

/// Characters of a text that a representation shows.
const SHOWN: usize = 40;

/// Tokens of one text; offsets are [start, end) of the original text.
///
/// It can be pickled: another process makes the tokens of the text again, with the same tokenizer files.
///
/// Example:
///     >>> import spanjet
///     >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
///     >>> encoding = tokenizer.encode("Unaffordable?")
///     >>> encoding
///     Encoding(tokens=5, text='Unaffordable?')
///     >>> encoding.tokens
///     ['una', '##ff', '##ord', '##able', '?']
///     >>> start, end = encoding.offsets[0].tolist()
///     >>> encoding.text[start:end]
///     'Una'
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
    ///
    /// Tokens that are bytes of one character all have that character's place; a token may take in the
    /// white space before it, as its tokenizer's file says.
    #[getter]
    fn offsets<'py>(slf: &Bound<'py, Self>) -> Matrix<'py, i32> {
        let Context { encodings, index } = &slf.get().context;
        let offsets = &encodings.offsets()[encodings.rows(*index)];
        view(slf.as_any(), (offsets.len(), 2), offsets.as_flattened())
    }

    /// int32[n, 2]: start and end in bytes of the text's UTF-8.
    #[getter]
    fn byte_offsets<'py>(slf: &Bound<'py, Self>) -> Matrix<'py, i32> {
        let Context { encodings, index } = &slf.get().context;
        let offsets = run(slf.py(), || Ok(&encodings.byte_offsets()[encodings.rows(*index)]))?;
        view(slf.as_any(), (offsets.len(), 2), offsets.as_flattened())
    }

    /// The tokenizer that made them.
    #[getter]
    fn tokenizer(&self) -> Tokenizer {
        Tokenizer { tokenizer: Arc::clone(&self.tokenizer) }
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

    /// Cross to another process as a text and its tokenizer's files, with which its tokens are made again.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Pickled<'py>)> {
        let origin = slf.get().tokenizer.origin().clone();
        let text = PyString::new(slf.py(), slf.get().text()).into_any();
        let arguments = (text, origin.path, origin.match_special_tokens, origin.threads, origin.identity);
        Ok((slf.get_type().getattr("_again")?, arguments))
    }

    #[staticmethod]
    fn _again(
        text: &Bound<'_, PyAny>,
        path: PathBuf,
        match_special_tokens: bool,
        threads: Option<usize>,
        identity: u64,
    ) -> PyResult<Encoding> {
        let py = text.py();
        let origin = Origin { path, match_special_tokens, threads, identity };
        Tokenizer { tokenizer: run(py, || read_again(&origin))? }.encode(py, text)
    }

    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (_memo, /))]
    fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let text = self.context.text();
        let shown = match text.char_indices().nth(SHOWN) {
            Some((end, _)) => PyString::new(py, &format!("{}…", &text[..end])),
            None => PyString::new(py, text),
        };
        Ok(format!("Encoding(tokens={}, text={})", self.__len__(), shown.repr()?))
    }
}

/// Tokens of many texts, flat: text i has the rows ``indptr[i]:indptr[i + 1]``.
///
/// A sequence of `Encoding` too: ``encodings[i]``, ``len(encodings)``, ``for encoding in encodings``.
///
/// Example:
///     >>> import spanjet
///     >>> encodings = spanjet.Tokenizer("tokenizer.json").encode_batch(["One.", "Two of them."])
///     >>> encodings
///     Encodings(texts=2, tokens=6)
///     >>> encodings.indptr.tolist()
///     [0, 2, 6]
///     >>> encodings[1].tokens
///     ['two', 'of', 'them', '.']
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
    fn offsets<'py>(slf: &Bound<'py, Self>) -> Matrix<'py, i32> {
        let offsets = slf.get().encodings.offsets();
        view(slf.as_any(), (offsets.len(), 2), offsets.as_flattened())
    }

    /// int32[total, 2]: start and end in bytes of each token's own text.
    #[getter]
    fn byte_offsets<'py>(slf: &Bound<'py, Self>) -> Matrix<'py, i32> {
        let encodings = &slf.get().encodings;
        let offsets = run(slf.py(), || Ok(encodings.byte_offsets()))?;
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
        let all: Vec<Encoding> = (0..encodings.__len__()).map(|index| encodings.encoding(index)).collect();
        all.into_pyobject(slf.py())?.try_iter()
    }

    fn __getitem__(&self, #[pyo3(from_py_with = integer)] index: i64) -> PyResult<Encoding> {
        Ok(self.encoding(checked_index(index, self.__len__(), "texts")?))
    }

    fn __repr__(&self) -> String {
        format!("Encodings(texts={}, tokens={})", self.__len__(), self.encodings.ids().len())
    }
}

impl Encodings {
    fn encoding(&self, index: usize) -> Encoding {
        let context = Context { encodings: Arc::clone(&self.encodings), index };
        Encoding { context, tokenizer: Arc::clone(&self.tokenizer) }
    }
}
