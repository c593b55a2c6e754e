//! Choose some of the windows, and find the window in which a place of the context is most central.

use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::windows::windows::Windows;

impl Windows {
    /// Keep some windows. Every question stays, also one that is left without any.
    ///
    /// # Errors
    /// `Error::Row`; `Error::Argument`: `rows` do not increase.
    pub fn select(&self, rows: &[i64]) -> Result<Windows> {
        let kept = self.check_rows(rows)?;
        if let Some(pair) = rows.windows(2).find(|pair| pair[0] >= pair[1]) {
            let found = format!("{} before {}", pair[0], pair[1]);
            return Err(Error::argument("rows", found, "increasing indices of windows"));
        }
        let mut windows = Windows {
            tokenizer: Arc::clone(&self.tokenizer),
            ids: Vec::with_capacity(kept.iter().map(|&window| self.rows(window).len()).sum()),
            indptr: vec![0],
            question: kept.iter().map(|&window| self.question[window]).collect(),
            context_start: kept.iter().map(|&window| self.context_start[window]).collect(),
            context_offset: kept.iter().map(|&window| self.context_offset[window]).collect(),
            contexts: self.contexts.clone(),
            question_length: self.question_length.clone(),
            question_windows: Vec::with_capacity(self.question_windows.len()),
        };
        for &window in &kept {
            windows.ids.extend_from_slice(&self.ids[self.rows(window)]);
            windows.indptr.push(windows.ids.len() as i64);
        }
        let begins = |&first: &usize| kept.partition_point(|&window| window < first);
        windows.question_windows.extend(self.question_windows.iter().map(begins));
        Ok(windows)
    }

    /// Context tokens of window `index`, which must exist.
    fn context_tokens(&self, index: usize) -> Range<usize> {
        let first = self.context_offset[index] as usize;
        first..first + self.context_positions(index).len()
    }

    /// Find the context tokens that are most central in window `index`, which must exist: neighbours meet in the
    /// middle of what they share.
    pub(crate) fn central_tokens(&self, index: usize) -> Range<usize> {
        let own = self.context_tokens(index);
        let all = self.windows_of(self.question[index] as usize);
        let meet = |left: usize| {
            let (end, begin) = (self.context_tokens(left).end, self.context_offset[left + 1] as usize);
            usize::midpoint(end, begin)
        };
        let first = if index > all.start { meet(index - 1).max(own.start) } else { own.start };
        let behind = if index + 1 < all.end { meet(index).min(own.end) } else { own.end };
        first..behind
    }

    /// Find the windows in which the tokens at characters of questions' contexts are most central.
    ///
    /// # Errors
    /// `Error::Shape`: different numbers; `Error::Argument`: there is no such question, or it has no windows.
    pub fn central(&self, questions: &[i64], characters: &[i32]) -> Result<Vec<i64>> {
        if questions.len() != characters.len() {
            let (found, expected) = (format!("({},)", characters.len()), format!("({},)", questions.len()));
            return Err(Error::Shape { name: "characters", found, expected });
        }
        let places = questions.iter().zip(characters);
        places.map(|(&question, &character)| self.central_window(question, character)).collect()
    }

    fn central_window(&self, question: i64, character: i32) -> Result<i64> {
        let index = usize::try_from(question).ok().filter(|&index| index < self.contexts.len());
        let all = index.map_or(0..0, |index| self.windows_of(index));
        let (Some(index), false) = (index, all.is_empty()) else {
            return Err(Error::argument("questions", question, "the index of a question that has windows"));
        };
        let context = &self.contexts[index];
        let offsets = &context.encodings.offsets()[context.encodings.rows(context.index)];
        let token = offsets.partition_point(|offset| offset[0] <= character).saturating_sub(1);
        let last = all.end - 1;
        let holds = |&window: &usize| token < self.central_tokens(window).end;
        Ok((all.start..last).find(holds).unwrap_or(last) as i64)
    }
}
