//! Flat row-major buffers of a batch, sized first, filled in place.

use crate::error::{Error, Result};
use crate::windows::Windows;

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
    /// 0 for the question's part and the padding, 1 for the context and its separator.
    pub token_type_ids: Vec<i32>,
}

impl Windows {
    /// The padded inputs of some windows. `length` is by default the longest of them, rounded up to a
    /// multiple of `multiple_of`.
    ///
    /// # Errors
    /// `Error::Row`, `Error::WindowTooLong`, `Error::Argument`.
    pub fn batch(&self, rows: &[i64], length: Option<usize>, multiple_of: usize) -> Result<Batch> {
        if multiple_of == 0 {
            return Err(Error::argument("multiple_of", 0, "at least 1"));
        }
        let windows = self.check_rows(rows)?;
        let longest = windows.iter().map(|&window| self.rows(window).len()).max();
        let Some(longest) = longest else {
            return Err(Error::argument("rows", "empty", "at least one window"));
        };
        let length = match length {
            Some(length) => length,
            None => longest.checked_next_multiple_of(multiple_of).unwrap_or(longest),
        };
        let pad = self.tokenizer.vocabulary().pad() as i32;
        let size = windows.len().saturating_mul(length);
        let mut batch = Batch {
            rows: rows.len(),
            length,
            input_ids: Vec::with_capacity(size),
            attention_mask: vec![0; size],
            token_type_ids: vec![0; size],
        };
        for (row, &window) in windows.iter().enumerate() {
            let ids = &self.ids[self.rows(window)];
            if ids.len() > length {
                return Err(Error::WindowTooLong { window, tokens: ids.len(), length });
            }
            let begin = row * length;
            batch.input_ids.extend_from_slice(ids);
            batch.input_ids.resize(begin + length, pad);
            batch.attention_mask[begin..begin + ids.len()].fill(1);
            batch.token_type_ids[begin + self.context_start[window] as usize..begin + ids.len()].fill(1);
        }
        Ok(batch)
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
        for &window in &windows {
            let tokens = self.rows(window).len();
            if tokens > length {
                return Err(Error::WindowTooLong { window, tokens, length });
            }
        }
        for (&window, row) in windows.iter().zip(values.chunks_exact(length)) {
            let place = self.rows(window);
            let tokens = place.len();
            out[place].copy_from_slice(&row[..tokens]);
        }
        Ok(())
    }

    fn check_rows(&self, rows: &[i64]) -> Result<Vec<usize>> {
        let check = |(position, &row): (usize, &i64)| match usize::try_from(row) {
            Ok(window) if window < self.len() => Ok(window),
            _ => Err(Error::Row { position, row, windows: self.len() }),
        };
        rows.iter().enumerate().map(check).collect()
    }
}
