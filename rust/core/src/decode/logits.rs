//! The logits of windows, ragged or padded, checked as they are read.

use crate::error::{Error, Result};
use crate::windows::Windows;

/// The logits of all windows.
#[derive(Debug, Clone, Copy)]
pub struct Logits<'a> {
    /// Of the first token of an answer.
    pub start: &'a [f32],
    /// Of the last.
    pub end: &'a [f32],
    /// Columns of a window's row; None: ragged, as `Windows::ids`.
    pub length: Option<usize>,
}

/// The logits of one window, cut to its tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WindowLogits<'a> {
    pub(crate) start: &'a [f32],
    pub(crate) end: &'a [f32],
}

impl WindowLogits<'_> {
    /// Add the start logit and the end logit of the opening token.
    #[inline(always)]
    pub(crate) fn null(&self) -> f32 {
        self.start[0] + self.end[0]
    }
}

/// Sums of two logits below this are finite.
const MAX_LOGIT: f32 = 1e30;

impl<'a> Logits<'a> {
    pub(crate) fn check(&self, windows: &Windows) -> Result<()> {
        for (name, values) in [("start_logits", self.start), ("end_logits", self.end)] {
            let (expected, fits) = match self.length {
                None => (format!("({},)", windows.ids.len()), values.len() == windows.ids.len()),
                Some(length) => (
                    format!("({}, {} or more)", windows.len(), windows.longest()),
                    length >= windows.longest() && values.len() == windows.len().saturating_mul(length),
                ),
            };
            if !fits {
                let found = match self.length {
                    None => format!("({},)", values.len()),
                    Some(length) => format!("({}, {length})", values.len().checked_div(length).unwrap_or(0)),
                };
                return Err(Error::Shape { name, found, expected });
            }
        }
        Ok(())
    }

    /// Borrow the logits of one window.
    #[inline(always)]
    pub(crate) fn rows(&self, windows: &Windows, window: usize) -> WindowLogits<'a> {
        let tokens = windows.rows(window);
        let rows = match self.length {
            None => tokens,
            Some(length) => window * length..window * length + tokens.len(),
        };
        WindowLogits { start: &self.start[rows.clone()], end: &self.end[rows] }
    }

    /// Borrow the logits of one window, which are all finite and not absurd.
    #[inline(always)]
    pub(crate) fn window(&self, windows: &Windows, window: usize) -> Result<WindowLogits<'a>> {
        let logits = self.rows(windows, window);
        for (name, values) in [("start_logits", logits.start), ("end_logits", logits.end)] {
            let fits = |value: &f32| value.abs() <= MAX_LOGIT;
            // Without an early exit the loop is a few vector instructions.
            if !values.iter().fold(true, |all, value| all & fits(value)) {
                let position = values.iter().position(|value| !fits(value)).unwrap_or(0);
                return Err(Error::Logit { name, window, position, value: values[position] });
            }
        }
        Ok(logits)
    }
}
