//! `Tokenizer`.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use spanjet_core::Role;
use spanjet_core::text::check_size;
use spanjet_core::tokenizer::{self as core, read_tokenizer};
use spanjet_core::windows::{Context, ContextInput, Convention, WindowOptions, Windows as CoreWindows};

use crate::boundary::{choice, count, items, optional_count, owned, run, text, texts};
use crate::encoding::{Encoding, Encodings};
use crate::windows::Windows;

/// Ids of texts and where each text's begin.
type FlatIds = (Py<PyArray1<i32>>, Py<PyArray1<i64>>);

/// Texts to tokens: WordPiece, byte-level BPE or Unigram.
#[pyclass(frozen, module = "spanjet._core")]
pub(crate) struct Tokenizer {
    tokenizer: Arc<core::Tokenizer>,
}

#[pymethods]
impl Tokenizer {
    #[new]
    #[pyo3(signature = (path, *, match_special_tokens = true, threads = None))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        match_special_tokens: bool,
        threads: Option<i64>,
    ) -> PyResult<Tokenizer> {
        let threads = optional_count("threads", threads)?;
        let tokenizer = run(py, || read_tokenizer(&path, match_special_tokens, threads))?;
        Ok(Tokenizer { tokenizer: Arc::new(tokenizer) })
    }

    /// Number of ids: the largest id of the vocabulary plus one.
    #[getter]
    fn vocab_size(&self) -> usize {
        self.tokenizer.vocabulary().size()
    }

    /// Threads that a batch call may use.
    #[getter]
    fn threads(&self) -> usize {
        self.tokenizer.threads()
    }

    /// Id of the padding token.
    #[getter]
    fn pad_token_id(&self) -> u32 {
        self.tokenizer.vocabulary().pad()
    }

    /// Id of the unknown token, or None.
    #[getter]
    fn unk_token_id(&self) -> Option<u32> {
        self.tokenizer.vocabulary().unk()
    }

    /// Id of the token that opens a window.
    #[getter]
    fn cls_token_id(&self) -> i32 {
        self.tokenizer.layout().cls()
    }

    /// Id of the token that ends the question and the context.
    #[getter]
    fn sep_token_id(&self) -> i32 {
        self.tokenizer.layout().sep()
    }

    /// The id of a vocabulary entry, or None.
    fn token_to_id(&self, token: &Bound<'_, PyAny>) -> PyResult<Option<u32>> {
        Ok(self.tokenizer.vocabulary().id(&text("token", token)?))
    }

    /// The vocabulary entry of an id, or None.
    fn id_to_token(&self, id: i64) -> Option<&str> {
        self.tokenizer.vocabulary().token(u32::try_from(id).ok()?)
    }

    /// Tokenize one text, without adding ``[CLS]`` or ``[SEP]``.
    #[pyo3(signature = (text))]
    fn encode(&self, py: Python<'_>, text: &Bound<'_, PyAny>) -> PyResult<Encoding> {
        let text = crate::boundary::text("text", text)?;
        let encodings = self.encode_texts(py, vec![text])?;
        let context = Context { encodings: Arc::new(encodings), index: 0 };
        Ok(Encoding { context, tokenizer: Arc::clone(&self.tokenizer) })
    }

    /// Tokenize many texts in parallel, without adding ``[CLS]`` or ``[SEP]``.
    #[pyo3(signature = (texts))]
    fn encode_batch(&self, py: Python<'_>, texts: &Bound<'_, PyAny>) -> PyResult<Encodings> {
        let texts = crate::boundary::texts("texts", texts)?;
        let encodings = self.encode_texts(py, texts)?;
        Ok(Encodings { encodings: Arc::new(encodings), tokenizer: Arc::clone(&self.tokenizer) })
    }

    /// The ids alone, flat, and where each text's begin: quicker than ``encode_batch``.
    #[pyo3(signature = (texts))]
    fn encode_ids(&self, py: Python<'_>, texts: &Bound<'_, PyAny>) -> PyResult<FlatIds> {
        let texts = crate::boundary::texts("texts", texts)?;
        let slices: Vec<&str> = texts.iter().map(|text| &**text).collect();
        let (ids, indptr) = run(py, || {
            check_all(&texts)?;
            self.tokenizer.encode_ids(&slices)
        })?;
        Ok((owned(py, ids), owned(py, indptr)))
    }

    /// Cut each question's context into windows ``[CLS] question [SEP] context part [SEP]``.
    // The text signature shows the default inside the Option.
    #[pyo3(
        signature = (
            questions, contexts, *, max_length = 384, doc_stride = 128, convention = "advance",
            max_question_length = Some(64)
        ),
        text_signature = "($self, questions, contexts, *, max_length=384, doc_stride=128, \
                          convention='advance', max_question_length=64)"
    )]
    #[allow(clippy::too_many_arguments)] // The Python signature.
    fn windows(
        &self,
        py: Python<'_>,
        questions: &Bound<'_, PyAny>,
        contexts: &Bound<'_, PyAny>,
        max_length: i64,
        doc_stride: i64,
        convention: &str,
        max_question_length: Option<i64>,
    ) -> PyResult<Windows> {
        let options = WindowOptions {
            max_length: count("max_length", max_length)?,
            doc_stride: count("doc_stride", doc_stride)?,
            convention: choice(
                "convention",
                convention,
                &[("advance", Convention::Advance), ("overlap", Convention::Overlap)],
            )?,
            max_question_length: optional_count("max_question_length", max_question_length)?,
        };
        let questions = texts("questions", questions)?;
        let contexts = given_contexts(contexts)?;
        let questions: Vec<&str> = questions.iter().map(|text| &**text).collect();
        let windows = run(py, || CoreWindows::new(&self.tokenizer, &questions, contexts, &options))?;
        Ok(Windows { windows, tokenizer: Arc::clone(&self.tokenizer) })
    }
}

impl Tokenizer {
    fn encode_texts(&self, py: Python<'_>, texts: Vec<PyBackedStr>) -> PyResult<core::Encodings> {
        run(py, || {
            check_all(&texts)?;
            self.tokenizer.encode(texts)
        })
    }
}

fn check_all(texts: &[PyBackedStr]) -> spanjet_core::Result<()> {
    texts.iter().enumerate().try_for_each(|(index, text)| check_size(Role::Context, index, text))
}

fn given_contexts(contexts: &Bound<'_, PyAny>) -> PyResult<Vec<ContextInput<PyBackedStr>>> {
    let give = |(i, item): (usize, Bound<'_, PyAny>)| match item.cast::<Encoding>() {
        Ok(encoding) => Ok(ContextInput::Encoded(encoding.get().context.clone())),
        Err(_) => text(format_args!("contexts[{i}]"), &item).map(ContextInput::Text),
    };
    items("contexts", contexts)?.into_iter().enumerate().map(give).collect()
}
