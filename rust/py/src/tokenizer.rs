//! `Tokenizer`.

use std::ffi::CString;
use std::path::PathBuf;
use std::sync::Arc;

use numpy::PyArray1;
use pyo3::exceptions::{PyTypeError, PyUserWarning};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyString;
use spanjet_core::Role;
use spanjet_core::text::check_size;
use spanjet_core::tokenizer::{self as core, read_tokenizer, share};
use spanjet_core::windows::{Context, ContextInput, Convention, WindowOptions, Windows as CoreWindows};

use crate::arguments::{self, choice, count, integer, items, optional_count, optional_integer};
use crate::arrays::owned;
use crate::boundary::run;
use crate::encodings::{Encoding, Encodings};
use crate::windows::Windows;

/// Ids of texts and where each text's begin.
type FlatIds = (Py<PyArray1<i32>>, Py<PyArray1<i64>>);

/// A path and settings, of which a tokenizer is read again.
type Pickled = (PathBuf, bool, Option<usize>);

/// Split text into tokens, equal in ids and offsets to those of the Hugging Face ``tokenizers`` package.
///
/// BERT's tokenizer (normalisation, pre-tokenization and greedy WordPiece; Devlin et al. 2019, arXiv
/// 1810.04805) runs on a path of its own. Every other kind, such as byte-level BPE (Radford et al. 2019)
/// and Unigram (Kudo 2018, arXiv 1804.10959), runs on the package's own Rust crate, with the same
/// interface. How a question and a context become one sequence comes from the file too.
///
/// It can be pickled: another process reads the files again. Tokenizers of equal files and settings are
/// equal, and take each other's encodings.
///
/// Args:
///     path: a ``tokenizer.json``; a ``vocab.txt`` (BERT's special tokens and pairs, or MPNet's where the
///         ``tokenizer_class``, or else the model's ``config.json``, says so); a ``vocab.json`` with
///         ``merges.txt`` beside it (byte-level BPE, RoBERTa's special tokens and pairs); a SentencePiece
///         model (Kudo and Richardson 2018, arXiv 1808.06226) of ALBERT, CamemBERT, DeBERTa-v2 or
///         XLM-RoBERTa, by the ``tokenizer_class`` or the model's ``config.json``, read as transformers
///         converts it; or a directory that holds one of these, the first of them. ``tokenizer_config.json``
///         and ``special_tokens_map.json`` beside it are read too: for the padding token, and unless it is a
///         ``tokenizer.json``, with ``added_tokens.json``, for all settings.
///     match_special_tokens: whether special tokens typed in a text (``[SEP]`` …) become those tokens, as
///         they do in the ``tokenizers`` package. By default they are plain text, which is what untrusted
///         text needs; where a model spells such a text with the special token itself, as Unigram does, it
///         becomes unknown.
///     threads: threads that a batch call may use; default: the CPUs this process may use.
///         Results do not depend on it.
///
/// Warns:
///     UserWarning: ``tokenizer.json`` and ``tokenizer_config.json`` disagree on lower-casing or accents; the
///         former is followed.
///
/// Raises:
///     FileNotFoundError, OSError: the file is missing or cannot be read.
///     ValueError: the file is malformed, its vocabulary lacks a token that is needed, or it does not
///         say how pairs are made; the message names the file and what was expected. Or ``threads`` is
///         not 1 to 1,024.
///
/// Example:
///     >>> import spanjet
///     >>> tokenizer = spanjet.Tokenizer("tokenizer.json", threads=2)
///     >>> tokenizer
///     Tokenizer(model='WordPiece', vocab_size=30522, threads=2)
///     >>> tokenizer.encode("When was it built?").tokens
///     ['when', 'was', 'it', 'built', '?']
#[pyclass(frozen, module = "spanjet._core")]
pub(crate) struct Tokenizer {
    pub(crate) tokenizer: Arc<core::Tokenizer>,
}

#[pymethods]
impl Tokenizer {
    #[new]
    #[pyo3(signature = (path, *, match_special_tokens = false, threads = None))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        match_special_tokens: bool,
        #[pyo3(from_py_with = optional_integer)] threads: Option<i64>,
    ) -> PyResult<Tokenizer> {
        let threads = optional_count("threads", threads)?;
        let (tokenizer, disagreements) = run(py, || read_tokenizer(&path, match_special_tokens, threads))?;
        for disagreement in disagreements {
            let message = CString::new(disagreement.to_string())?;
            PyErr::warn(py, &py.get_type::<PyUserWarning>(), &message, 1)?;
        }
        Ok(Tokenizer { tokenizer: share(tokenizer) })
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

    /// Id of the unknown token; None if the tokenizer has none.
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

    /// Look up the id of a vocabulary entry; None if there is no such entry.
    ///
    /// Raises:
    ///     ValueError: a lone surrogate.
    ///     TypeError: not a text.
    ///
    /// Example:
    ///     >>> import spanjet
    ///     >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
    ///     >>> tokenizer.token_to_id("bridge")
    ///     2958
    ///     >>> tokenizer.token_to_id("no such entry") is None
    ///     True
    fn token_to_id(&self, token: &Bound<'_, PyAny>) -> PyResult<Option<u32>> {
        Ok(self.tokenizer.vocabulary().id(&arguments::text("token", token)?))
    }

    /// Look up the vocabulary entry of an id; None if there is no such id.
    ///
    /// Example:
    ///     >>> import spanjet
    ///     >>> spanjet.Tokenizer("tokenizer.json").id_to_token(2958)
    ///     'bridge'
    fn id_to_token(&self, #[pyo3(from_py_with = integer)] id: i64) -> Option<&str> {
        self.tokenizer.vocabulary().token(u32::try_from(id).ok()?)
    }

    /// Tokenize one text, without adding ``[CLS]`` or ``[SEP]``.
    ///
    /// Raises:
    ///     ValueError: the text holds a lone surrogate, or a character that the tokenizer, not BERT's, has
    ///         neither a token nor an unknown token for.
    ///     TypeError: not a text.
    ///
    /// Example:
    ///     >>> import spanjet
    ///     >>> encoding = spanjet.Tokenizer("tokenizer.json").encode("It is 42 metres long.")
    ///     >>> encoding.tokens
    ///     ['it', 'is', '42', 'metres', 'long', '.']
    ///     >>> encoding.offsets[2].tolist()
    ///     [6, 8]
    #[pyo3(signature = (text))]
    pub(crate) fn encode(&self, py: Python<'_>, text: &Bound<'_, PyAny>) -> PyResult<Encoding> {
        let text = arguments::text("text", text)?;
        let encodings = run(py, || {
            check_size(Role::OnlyText, 0, &text)?;
            self.tokenizer.encode(vec![text]).map_err(|error| error.of(Role::OnlyText))
        })?;
        let context = Context { encodings: Arc::new(encodings), index: 0 };
        Ok(Encoding { context, tokenizer: Arc::clone(&self.tokenizer) })
    }

    /// Tokenize many texts in parallel, without adding ``[CLS]`` or ``[SEP]``.
    ///
    /// Raises:
    ///     ValueError, TypeError: as `encode`; the message gives the text's index.
    ///
    /// Example:
    ///     >>> import spanjet
    ///     >>> encodings = spanjet.Tokenizer("tokenizer.json").encode_batch(["One.", "Two of them."])
    ///     >>> [encoding.tokens for encoding in encodings]
    ///     [['one', '.'], ['two', 'of', 'them', '.']]
    #[pyo3(signature = (texts))]
    fn encode_batch(&self, py: Python<'_>, texts: &Bound<'_, PyAny>) -> PyResult<Encodings> {
        let texts = arguments::texts("texts", texts)?;
        let encodings = self.encode_texts(py, texts)?;
        Ok(Encodings { encodings: Arc::new(encodings), tokenizer: Arc::clone(&self.tokenizer) })
    }

    /// Tokenize many texts into ids alone: quicker than `encode_batch`, for those who need no offsets.
    ///
    /// Returns:
    ///     int32[total], vocabulary ids; int64[texts + 1], where each text's ids begin. Both are the
    ///     caller's own and writable.
    ///
    /// Raises:
    ///     ValueError, TypeError: as `encode`; the message gives the text's index.
    ///
    /// Example:
    ///     >>> import spanjet
    ///     >>> ids, indptr = spanjet.Tokenizer("tokenizer.json").encode_ids(["One.", "Two of them."])
    ///     >>> ids[indptr[0] : indptr[1]].tolist()
    ///     [2028, 1012]
    #[pyo3(signature = (texts))]
    fn encode_ids(&self, py: Python<'_>, texts: &Bound<'_, PyAny>) -> PyResult<FlatIds> {
        let texts = arguments::texts("texts", texts)?;
        let slices: Vec<&str> = texts.iter().map(|text| &**text).collect();
        let (ids, indptr) = run(py, || {
            check_all(&texts)?;
            self.tokenizer.encode_ids(&slices)
        })?;
        Ok((owned(py, ids), owned(py, indptr)))
    }

    /// Cut each question's context into windows ``[CLS] question [SEP] context part [SEP]``.
    ///
    /// Where the tokenizer's file says so, they are ``<s> question </s></s> context part </s>`` or the like.
    /// Every context token is in at least one window. A context that occurs more than once is
    /// tokenized once; an `Encoding` is not tokenized again.
    ///
    /// Args:
    ///     questions: one question for each context.
    ///     contexts: texts, or encodings made by this tokenizer.
    ///     max_length: tokens of a window at most, special tokens included.
    ///     doc_stride: ``advance``: the next window starts this many context tokens later;
    ///         ``overlap``: neighbouring windows share this many context tokens.
    ///     convention: ``advance`` is Google's run_squad.py and MLPerf's, ``overlap`` is what
    ///         Hugging Face calls ``stride``.
    ///     max_question_length: a longer question is cut to this many tokens, after runs of white space
    ///         in it became one blank; None: never cut.
    ///     allow_empty: whether a question or context may have no tokens; its windows then have none of it.
    ///
    /// Raises:
    ///     ValueError: different numbers of questions and contexts; a question or context without tokens, a
    ///         lone surrogate, a text that cannot be tokenized, an encoding of another tokenizer, or no room
    ///         for the context, with the index; a setting out of range.
    ///     TypeError: not a sequence, or an item that is neither a text nor an encoding.
    ///
    /// Example:
    ///     >>> import spanjet
    ///     >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
    ///     >>> context = "It is 42 metres long."
    ///     >>> windows = tokenizer.windows(["How long?"], [context], max_length=10, doc_stride=4)
    ///     >>> windows
    ///     Windows(windows=2, questions=1, tokens=18, longest=10)
    ///     >>> [tokenizer.id_to_token(id) for id in windows.ids[: windows.indptr[1]]]
    ///     ['[CLS]', 'how', 'long', '?', '[SEP]', 'it', 'is', '42', 'metres', '[SEP]']
    // The text signature shows the default inside the Option.
    #[pyo3(
        signature = (
            questions, contexts, *, max_length = 384, doc_stride = 128, convention = "advance",
            max_question_length = Some(64), allow_empty = false
        ),
        text_signature = "($self, questions, contexts, *, max_length=384, doc_stride=128, \
                          convention='advance', max_question_length=64, allow_empty=False)"
    )]
    #[allow(clippy::too_many_arguments)] // The Python signature.
    fn windows(
        &self,
        py: Python<'_>,
        questions: &Bound<'_, PyAny>,
        contexts: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = integer)] max_length: i64,
        #[pyo3(from_py_with = integer)] doc_stride: i64,
        convention: &str,
        #[pyo3(from_py_with = optional_integer)] max_question_length: Option<i64>,
        allow_empty: bool,
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
            allow_empty,
        };
        let questions = arguments::texts("questions", questions)?;
        let contexts = given_contexts(contexts)?;
        let questions: Vec<&str> = questions.iter().map(|text| &**text).collect();
        let windows = run(py, || CoreWindows::new(&self.tokenizer, &questions, contexts, &options))?;
        Ok(Windows { windows, tokenizer: Arc::clone(&self.tokenizer) })
    }

    /// Cross to another process as a path and settings, with which it is read again there.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Pickled)> {
        let origin = slf.get().tokenizer.origin();
        let arguments = (origin.path.clone(), origin.match_special_tokens, origin.threads);
        Ok((slf.get_type().getattr("_again")?, arguments))
    }

    #[staticmethod]
    fn _again(
        py: Python<'_>,
        path: PathBuf,
        match_special_tokens: bool,
        threads: Option<usize>,
    ) -> PyResult<Tokenizer> {
        // Whoever read it first was warned already.
        let (tokenizer, _) = run(py, || read_tokenizer(&path, match_special_tokens, threads))?;
        Ok(Tokenizer { tokenizer: share(tokenizer) })
    }

    /// Tokenizers of equal files and settings are equal.
    fn __eq__(&self, other: &Self) -> bool {
        self.tokenizer.origin().identity == other.tokenizer.origin().identity
    }

    fn __hash__(&self) -> u64 {
        self.tokenizer.origin().identity
    }

    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (_memo, /))]
    fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf
    }

    fn __repr__(&self) -> String {
        let (model, vocab_size, threads) = (self.tokenizer.model(), self.vocab_size(), self.threads());
        format!("Tokenizer(model='{model}', vocab_size={vocab_size}, threads={threads})")
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
    texts.iter().enumerate().try_for_each(|(index, text)| check_size(Role::Text, index, text))
}

fn given_contexts(contexts: &Bound<'_, PyAny>) -> PyResult<Vec<ContextInput<PyBackedStr>>> {
    let give = |(i, item): (usize, Bound<'_, PyAny>)| match item.cast::<Encoding>() {
        Ok(encoding) => Ok(ContextInput::Encoded(encoding.get().context.clone())),
        Err(_) if item.is_instance_of::<PyString>() => {
            arguments::text(format_args!("contexts[{i}]"), &item).map(ContextInput::Text)
        }
        Err(_) => {
            let found = arguments::type_name(&item);
            Err(PyTypeError::new_err(format!("contexts[{i}] is of type {found}, expected str or Encoding")))
        }
    };
    items("contexts", contexts)?.into_iter().enumerate().map(give).collect()
}
