//! Pad windows into the row-major inputs of a model, and take the padding off its outputs.

use crate::error::{Error, Result};
use crate::windows::windows::Windows;

/// Columns of a batch at most: far more than any model reads, and few enough to be allocated.
const MAX_LENGTH: usize = 1 << 20;

/// Model inputs, `rows` x `length`.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch {
    /// Number of rows.
    pub rows: usize,
    /// Columns.
    pub length: usize,
    /// Vocabulary ids; padding has the id of the padding token.
    pub input_ids: Vec<i32>,
    /// 1 for tokens, 0 for padding.
    pub attention_mask: Vec<i32>,
    /// As the tokenizer's layout of pairs says; BERT: 0 for the question's part, 1 for the context and its
    /// separator. 0 for the padding.
    pub token_type_ids: Vec<i32>,
}

impl Windows {
    /// Pad some windows into a batch. `length` is by default the longest of them, rounded up to a
    /// multiple of `multiple_of`.
    ///
    /// # Errors
    /// `Error::Row`, `Error::WindowTooLong`, `Error::Argument`, `Error::Memory`.
    pub fn batch(&self, rows: &[i64], length: Option<usize>, multiple_of: usize) -> Result<Batch> {
        if multiple_of == 0 {
            return Err(Error::argument("multiple_of", 0, "at least 1"));
        }
        let windows = self.check_rows(rows)?;
        let longest = windows.iter().map(|&window| self.rows(window).len()).max();
        let Some(longest) = longest else {
            return Err(Error::argument("rows", "empty", "at least one window"));
        };
        if length.is_none() && multiple_of > MAX_LENGTH {
            return Err(Error::argument("multiple_of", multiple_of, format!("at most {MAX_LENGTH}")));
        }
        let length = length.unwrap_or_else(|| longest.next_multiple_of(multiple_of));
        self.check_lengths(&windows, length)?;
        if length > MAX_LENGTH {
            return Err(Error::argument("length", length, format!("at most {MAX_LENGTH}")));
        }
        let pad = self.tokenizer.vocabulary().pad() as i32;
        let tokens = |row: usize| self.rows(windows[row]);
        Ok(Batch {
            rows: rows.len(),
            length,
            input_ids: self.matrix(windows.len(), length, |row, ids| {
                let (own, padding) = ids.split_at_mut(tokens(row).len());
                own.copy_from_slice(&self.ids[tokens(row)]);
                padding.fill(pad);
            })?,
            attention_mask: self
                .matrix(windows.len(), length, |row, mask| mask[..tokens(row).len()].fill(1))?,
            token_type_ids: self.matrix(windows.len(), length, |row, types| {
                let own = &mut types[..tokens(row).len()];
                self.tokenizer.layout().write_types(self.context_start[windows[row]] as usize, own);
            })?,
        })
    }

    /// Fill rows of zeros.
    fn matrix(
        &self,
        rows: usize,
        length: usize,
        fill: impl Fn(usize, &mut [i32]) + Sync,
    ) -> Result<Vec<i32>> {
        let elements = rows.saturating_mul(length);
        let mut values = Vec::new();
        values.try_reserve_exact(elements).map_err(|_| Error::Memory { rows, length })?;
        values.resize(elements, 0);
        self.tokenizer.pool().fill_rows(&mut values, rows, |row| (row + 1) * length, fill);
        Ok(values)
    }

    /// Take the padding off: row i of `values` (`length` columns) goes to where window `rows[i]` lies
    /// in `out`.
    ///
    /// # Errors
    /// `Error::Row`, `Error::WindowTooLong`, `Error::Shape`.
    pub fn scatter(&self, rows: &[i64], values: &[f32], length: usize, out: &mut [f32]) -> Result<()> {
        let windows = self.check_rows(rows)?;
        if values.len() != rows.len().saturating_mul(length) {
            let found = format!("({}, {length})", values.len().checked_div(length).unwrap_or(0));
            return Err(Error::Shape {
                name: "values",
                found,
                expected: format!("({}, {length})", rows.len()),
            });
        }
        if out.len() != self.ids.len() {
            let (found, expected) = (format!("({},)", out.len()), format!("({},)", self.ids.len()));
            return Err(Error::Shape { name: "out", found, expected });
        }
        self.check_lengths(&windows, length)?;
        for (&window, row) in windows.iter().zip(values.chunks_exact(length.max(1))) {
            let place = self.rows(window);
            let tokens = place.len();
            out[place].copy_from_slice(&row[..tokens]);
        }
        Ok(())
    }

    fn check_lengths(&self, windows: &[usize], length: usize) -> Result<()> {
        for &window in windows {
            let tokens = self.rows(window).len();
            if tokens > length {
                return Err(Error::WindowTooLong { window, tokens, length });
            }
        }
        Ok(())
    }

    pub(super) fn check_rows(&self, rows: &[i64]) -> Result<Vec<usize>> {
        let check = |(position, &row): (usize, &i64)| match usize::try_from(row) {
            Ok(window) if window < self.len() => Ok(window),
            _ => Err(Error::Row { position, row, windows: self.len() }),
        };
        rows.iter().enumerate().map(check).collect()
    }
}
