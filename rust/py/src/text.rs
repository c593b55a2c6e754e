//! `sentence`.

use pyo3::prelude::*;
use spanjet_core::text::sentence_around;

use crate::arguments::{count, integer, text as checked_text};
use crate::boundary::run;

/// Find the sentence around ``text[start:end]``, or the sentences that it touches.
///
/// Sentences are those of Unicode Standard Annex 29, but lines that no empty line follows go on, and
/// abbreviations ("Dr.") and initials end none.
///
/// Args:
///     text: a text.
///     start, end: code points.
///
/// Returns:
///     Its start and end in code points, without white space around it.
///
/// Raises:
///     ValueError: the range is reversed or extends past the end of the text, or a lone surrogate.
///     TypeError: not a text.
///
/// Example:
///     >>> import spanjet
///     >>> text = "The bridge was built in 1887. It is 42 metres long."
///     >>> start, end = spanjet.sentence(text, 24, 28)
///     >>> text[start:end]
///     'The bridge was built in 1887.'
#[pyfunction]
pub(crate) fn sentence(
    py: Python<'_>,
    text: &Bound<'_, PyAny>,
    #[pyo3(from_py_with = integer)] start: i64,
    #[pyo3(from_py_with = integer)] end: i64,
) -> PyResult<(usize, usize)> {
    let text = checked_text("text", text)?;
    let (start, end) = (count("start", start)?, count("end", end)?);
    let found = run(py, || sentence_around(&text, start..end))?;
    Ok((found.start, found.end))
}
