//! `decode_spans` and `Spans`.

use numpy::{PyArray1, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use spanjet_core::decode::{self as core, Calibration, DecodeOptions, Logits, MODES, Mode};
use spanjet_core::text::Unit;

use crate::arguments::{choice, count, integer, single};
use crate::arrays::{array, elements, owned};
use crate::boundary::run;
use crate::windows::Windows;

/// Margins of windows, and where their spans begin.
type Ranks = (Py<PyArray1<f32>>, Py<PyArray1<i32>>);

/// Answer spans, best first: question i has the rows ``indptr[i]:indptr[i + 1]``.
///
/// A span neither begins nor ends with white space that a token takes in. A row whose ``window`` is -1 is
/// the null answer: its offsets are 0. A question without any span has it alone.
///
/// Example:
///     >>> import numpy as np
///     >>> import spanjet
///     >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
///     >>> windows = tokenizer.windows(["How long?", "How high?"], ["It is 42 metres long."] * 2)
///     >>> logits = np.zeros(len(windows.ids), np.float32)  # a model's, usually
///     >>> spans = spanjet.decode_spans(windows, logits, logits, top_k=2, overlap=True)
///     >>> spans
///     Spans(questions=2, spans=4)
///     >>> spans.indptr.tolist()
///     [0, 2, 4]
#[pyclass(frozen, get_all, module = "spanjet._core")]
pub(crate) struct Spans {
    /// int64[questions + 1]: where each question's spans begin.
    indptr: Py<PyArray1<i64>>,
    /// int32[spans]: first code point in the context.
    start: Py<PyArray1<i32>>,
    /// int32[spans]: code point after the last one.
    end: Py<PyArray1<i32>>,
    /// int32[spans]: first byte of the context's UTF-8.
    byte_start: Py<PyArray1<i32>>,
    /// int32[spans]: byte after the last one.
    byte_end: Py<PyArray1<i32>>,
    /// float32[spans]: the calibrated share of the span, 0 to 1; of the null answer ``no_answer``.
    ///
    /// In mode ``hf`` it is as defined there, and may be greater than 1.
    score: Py<PyArray1<f32>>,
    /// float32[spans]: start logit plus end logit; of the null answer its ``null_logit``.
    logit: Py<PyArray1<f32>>,
    /// float32[spans]: start plus end logit of ``[CLS]`` in the span's window.
    ///
    /// For the null answer it is that of the best span's window, in mode ``hf`` that of the window which
    /// gave ``no_answer``; in mode ``squad`` it is always the smallest of all windows.
    null_logit: Py<PyArray1<f32>>,
    /// int32[spans]: the window that gave the span, or -1 for the null answer.
    window: Py<PyArray1<i32>>,
    /// float32[questions]: the probability that the context does not answer the question.
    no_answer: Py<PyArray1<f32>>,
}

#[pymethods]
impl Spans {
    fn __repr__(&self, py: Python<'_>) -> String {
        let [questions, spans] = [self.no_answer.bind(py).len(), self.start.bind(py).len()];
        format!("Spans(questions={questions}, spans={spans})")
    }
}

/// Find the best answer spans of each question.
///
/// ``global``: one list of candidates over all windows of a question. A span is a pair of context tokens of
/// one window, at most ``max_answer_length`` tokens long, widened to whole words. Its margin is the sum of
/// its logits minus that of ``[CLS]`` in the same window, less ``sentence_margin`` where it reaches over the
/// end of a sentence; spans with the same offsets are one candidate, with the greatest margin. The
/// ``n_best`` candidates of greatest margin share the probability P that there is an answer, which is
/// the logistic function of ``slope * greatest margin + intercept``, by a softmax of their margins over the
/// temperature. One that overlaps a better one is left out, with its share, unless ``overlap``. Further
/// candidates, which only a ``top_k`` that needs them shows, have the score 0. Order: margin, then earlier
/// start, then earlier end.
///
/// ``squad``: run_squad.py of Devlin et al. 2019, as MLPerf uses it. Candidates are pairs of each
/// window's ``n_best`` best starts and ends; the start must lie where its window is the one of
/// maximum context; texts are projected back to the original (``get_final_text``; with tokenizers other
/// than BERT's they are what the tokens cover), equal texts are one, and graphemes are kept whole. Margins
/// are logits minus the smallest null logit of the windows; the list shares P in the same way, in the order
/// of the logits. With a small ``n_best`` no pair may be left.
///
/// ``hf``: the question-answering pipeline of transformers 4.57, fault for fault. The start and the end
/// logits of a window become probabilities by a softmax each, over the context and ``[CLS]``; the score of a
/// span is the product of its two. Of each window the ``top_k`` best spans take part, or ``2 * top_k + 10``
/// with ``align_to_words``, which widens them to the tokenizer's own words. Those of all windows whose texts
/// are equal but for case are one answer, with the sum of their scores. ``no_answer`` is the smallest product
/// of the two probabilities of ``[CLS]`` in a window; with ``handle_impossible_answer`` the null answer has
/// it as its score and ranks by it. A short context may fill the list with answers of the score 0. Use it
/// with the ``overlap`` convention and uncut questions.
///
/// Args:
///     windows: the windows that the logits belong to.
///     start_logits, end_logits: float32, C-contiguous: either [total] (ragged, as ``windows.ids``)
///         or [windows, length] (padded; columns past a window's end are not read).
///     mode: one of ``DECODE_MODES``, see above.
///     top_k: spans of each question at most, the null answer included.
///     n_best: candidates (see above), at least 1; in ``squad`` at least ``top_k``; ignored in ``hf``.
///     max_answer_length: tokens of a span at most, at least 1.
///     threshold: if given and P is less, the question's first span is the null answer (SQuAD v2;
///         Rajpurkar et al. 2018, arXiv 1806.03822); 0 to 1; ``hf`` refuses one.
///     slope, intercept, temperature, sentence_margin: see `spanjet.Calibration`; ignored in ``hf``.
///     overlap: see above; only in ``global``.
///     align_to_words: whether spans are whole words (Unicode Standard Annex 29; what an apostrophe joins may
///         stand alone), or only whole graphemes; in ``hf`` the tokenizer's words, or the tokens as they are;
///         not in ``squad``.
///     handle_impossible_answer: see above; only in ``hf``.
///
/// Raises:
///     ValueError: shapes that do not fit, a logit that is not a number from -1e30 to 1e30 (with
///         window and position), an unknown mode, a number out of range or not of single precision, or a
///         ``threshold`` in ``hf``.
///     TypeError: another dtype.
///
/// Example:
///     >>> import numpy as np
///     >>> import spanjet
///     >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
///     >>> context = "The bridge was built in 1887. It is 42 metres long."
///     >>> windows = tokenizer.windows(["When was it built?"], [context])
///     >>> logits = np.where(windows.ids == tokenizer.token_to_id("1887"), 5, 0).astype(np.float32)
///     >>> spans = spanjet.decode_spans(windows, logits, logits)
///     >>> context[spans.start[0] : spans.end[0]]
///     '1887'
#[pyfunction]
#[pyo3(signature = (
    windows, start_logits, end_logits, *, mode = "global", top_k = 1, n_best = 20,
    max_answer_length = 30, threshold = None, slope = 1.0, intercept = 0.0, temperature = 1.0,
    sentence_margin = 0.0, overlap = false, align_to_words = true, handle_impossible_answer = false
))]
#[allow(clippy::too_many_arguments)] // The Python signature.
pub(crate) fn decode_spans(
    py: Python<'_>,
    windows: &Bound<'_, Windows>,
    start_logits: &Bound<'_, PyAny>,
    end_logits: &Bound<'_, PyAny>,
    mode: &str,
    #[pyo3(from_py_with = integer)] top_k: i64,
    #[pyo3(from_py_with = integer)] n_best: i64,
    #[pyo3(from_py_with = integer)] max_answer_length: i64,
    threshold: Option<f64>,
    slope: f64,
    intercept: f64,
    temperature: f64,
    sentence_margin: f64,
    overlap: bool,
    align_to_words: bool,
    handle_impossible_answer: bool,
) -> PyResult<Spans> {
    let modes: Vec<_> = MODES.iter().map(|mode| (mode.name(), *mode)).collect();
    let mode = choice("mode", mode, &modes)?;
    let options = DecodeOptions {
        top_k: count("top_k", top_k)?,
        n_best: count("n_best", n_best)?,
        max_answer_length: count("max_answer_length", max_answer_length)?,
        threshold,
        calibration: Calibration {
            slope: single("slope", slope)?,
            intercept: single("intercept", intercept)?,
            temperature: single("temperature", temperature)?,
            sentence_margin: single("sentence_margin", sentence_margin)?,
        },
        overlap,
        unit: if align_to_words { Unit::Word } else { Unit::Grapheme },
        rank_null: handle_impossible_answer,
    };
    let start = array::<f32>("start_logits", start_logits, &[1, 2])?.try_readonly()?;
    let end = array::<f32>("end_logits", end_logits, &[1, 2])?.try_readonly()?;
    let logits = same_shape(&start, &end)?;
    let windows = &windows.get().windows;
    let spans = run(py, || core::decode_spans(windows, &logits, mode, &options))?;
    Ok(to_arrays(py, spans))
}

/// Rank windows by what may answer in them, so that another model need only read the best.
///
/// The rank of a window is the margin of its best span that begins where no other window of the question is
/// more central (see `Windows.central`), so that one place does not rank several windows.
///
/// Args:
///     windows: the windows that the logits belong to.
///     start_logits, end_logits: as for `decode_spans`.
///     max_answer_length: tokens of a span at most, at least 1.
///
/// Returns:
///     float32[windows], the margin of the span: its logits minus those of ``[CLS]``; -inf where a window has
///     no such span. int32[windows], the code point of the context where the span begins.
///
/// Raises:
///     ValueError, TypeError: as `decode_spans`.
///
/// Example:
///     >>> import numpy as np
///     >>> import spanjet
///     >>> from spanjet._core import rank_windows
///     >>> tokenizer = spanjet.Tokenizer("tokenizer.json")
///     >>> windows = tokenizer.windows(["How long?"], ["It is 42 metres long."])
///     >>> logits = np.where(windows.ids == tokenizer.token_to_id("42"), 5, 0).astype(np.float32)
///     >>> margin, start = rank_windows(windows, logits, logits)
///     >>> margin.tolist(), start.tolist()
///     ([10.0], [6])
#[pyfunction]
#[pyo3(signature = (windows, start_logits, end_logits, *, max_answer_length = 30))]
pub(crate) fn rank_windows(
    py: Python<'_>,
    windows: &Bound<'_, Windows>,
    start_logits: &Bound<'_, PyAny>,
    end_logits: &Bound<'_, PyAny>,
    #[pyo3(from_py_with = integer)] max_answer_length: i64,
) -> PyResult<Ranks> {
    let length = count("max_answer_length", max_answer_length)?;
    let start = array::<f32>("start_logits", start_logits, &[1, 2])?.try_readonly()?;
    let end = array::<f32>("end_logits", end_logits, &[1, 2])?.try_readonly()?;
    let logits = same_shape(&start, &end)?;
    let windows = &windows.get().windows;
    let ranking = run(py, || core::rank_windows(windows, &logits, length))?;
    Ok((owned(py, ranking.margin), owned(py, ranking.start)))
}

/// The names of the modes.
pub(crate) fn modes(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    PyTuple::new(py, MODES.iter().map(Mode::name))
}

fn same_shape<'a>(
    start: &'a PyReadonlyArrayDyn<'_, f32>,
    end: &'a PyReadonlyArrayDyn<'_, f32>,
) -> PyResult<Logits<'a>> {
    if start.shape() != end.shape() {
        let (found, expected) = (shown(end.shape()), shown(start.shape()));
        return Err(PyValueError::new_err(format!(
            "end_logits has the shape {found}, expected that of start_logits, {expected}"
        )));
    }
    Ok(Logits {
        start: elements("start_logits", start)?,
        end: elements("end_logits", end)?,
        length: start.shape().get(1).copied(),
    })
}

/// Show a shape as Python does.
fn shown(shape: &[usize]) -> String {
    match shape {
        [length] => format!("({length},)"),
        _ => format!("({})", shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}

fn to_arrays(py: Python<'_>, spans: core::Spans) -> Spans {
    Spans {
        indptr: owned(py, spans.indptr),
        start: owned(py, spans.start),
        end: owned(py, spans.end),
        byte_start: owned(py, spans.byte_start),
        byte_end: owned(py, spans.byte_end),
        score: owned(py, spans.score),
        logit: owned(py, spans.logit),
        null_logit: owned(py, spans.null_logit),
        window: owned(py, spans.window),
        no_answer: owned(py, spans.no_answer),
    }
}
