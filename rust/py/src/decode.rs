//! `decode` and `Spans`.

use numpy::{PyArray1, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use spanjet_core::decode::decode_spans as core_decode_spans;
use spanjet_core::decode::{Calibration, DecodeOptions, Logits, MODES};
use spanjet_core::text::{Unit, sentence_around};

use crate::boundary::{array, choice, count, elements, owned, run, text as checked_text};
use crate::windows::Windows;

/// Answer spans, best first: question i has the rows ``indptr[i]:indptr[i + 1]``.
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
    /// float32[spans]: the calibrated share of the span; of the null answer ``no_answer``.
    score: Py<PyArray1<f32>>,
    /// float32[spans]: start logit plus end logit.
    logit: Py<PyArray1<f32>>,
    /// float32[spans]: start plus end logit of ``[CLS]`` in the span's window.
    null_logit: Py<PyArray1<f32>>,
    /// int32[spans]: the window that gave the span, or -1 for the null answer.
    window: Py<PyArray1<i32>>,
    /// float32[questions]: the probability that the context does not answer the question.
    no_answer: Py<PyArray1<f32>>,
}

/// The best answer spans of each question.
#[pyfunction]
#[pyo3(signature = (
    windows, start_logits, end_logits, *, mode = "global", top_k = 1, n_best = 20,
    max_answer_length = 30, threshold = None, slope = 1.0, intercept = 0.0, temperature = 1.0,
    sentence_margin = 0.0, overlap = false, align_to_words = true
))]
#[allow(clippy::too_many_arguments)] // The Python signature.
pub(crate) fn decode(
    py: Python<'_>,
    windows: &Bound<'_, Windows>,
    start_logits: &Bound<'_, PyAny>,
    end_logits: &Bound<'_, PyAny>,
    mode: &str,
    top_k: i64,
    n_best: i64,
    max_answer_length: i64,
    threshold: Option<f64>,
    slope: f32,
    intercept: f32,
    temperature: f32,
    sentence_margin: f32,
    overlap: bool,
    align_to_words: bool,
) -> PyResult<Spans> {
    let modes: Vec<_> = MODES.iter().map(|mode| (mode.name(), *mode)).collect();
    let mode = choice("mode", mode, &modes)?;
    let options = DecodeOptions {
        top_k: count("top_k", top_k)?,
        n_best: count("n_best", n_best)?,
        max_answer_length: count("max_answer_length", max_answer_length)?,
        threshold,
        calibration: Calibration { slope, intercept, temperature, sentence_margin },
        overlap,
        unit: if align_to_words { Unit::Word } else { Unit::Grapheme },
    };
    let start = array::<f32>("start_logits", start_logits, &[1, 2])?.try_readonly()?;
    let end = array::<f32>("end_logits", end_logits, &[1, 2])?.try_readonly()?;
    if start.shape() != end.shape() {
        let (found, expected) = (end.shape(), start.shape());
        return Err(PyValueError::new_err(format!(
            "end_logits has the shape {found:?}, expected that of start_logits, {expected:?}"
        )));
    }
    let logits = Logits {
        start: elements("start_logits", &start)?,
        end: elements("end_logits", &end)?,
        length: start.shape().get(1).copied(),
    };
    let windows = &windows.get().windows;
    let spans = run(py, || core_decode_spans(windows, &logits, mode, &options))?;
    Ok(Spans {
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
    })
}

/// The sentence or sentences around a span of a text, in code points.
#[pyfunction]
pub(crate) fn sentence(
    py: Python<'_>,
    text: &Bound<'_, PyAny>,
    start: i64,
    end: i64,
) -> PyResult<(usize, usize)> {
    let text = checked_text("text", text)?;
    let (start, end) = (count("start", start)?, count("end", end)?);
    let found = run(py, || sentence_around(&text, start..end))?;
    Ok((found.start, found.end))
}
