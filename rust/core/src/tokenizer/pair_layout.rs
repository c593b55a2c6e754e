//! The layout of a question and a context in one sequence.

use std::ops::Range;

/// The special tokens around the two texts of a pair: `[CLS] question [SEP] context [SEP]` for BERT
/// (Devlin et al. 2019, arXiv 1810.04805), `<s> question </s></s> context </s>` for RoBERTa (Liu et al.
/// 2019, arXiv 1907.11692).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PairLayout {
    /// Ids before the question, at least one: answers that are not in the context are at the first.
    pub(crate) before: Vec<i32>,
    /// Ids between question and context.
    pub(crate) between: Vec<i32>,
    /// Ids after the context, at least one.
    pub(crate) after: Vec<i32>,
    /// Token types: before the question, of the question, between, of the context, after it.
    pub(crate) types: [i32; 5],
}

impl PairLayout {
    /// Special tokens of a sequence.
    pub(crate) fn special(&self) -> usize {
        self.before.len() + self.between.len() + self.after.len()
    }

    /// Id of the token that opens a sequence.
    pub fn cls(&self) -> i32 {
        self.before.first().copied().unwrap_or_default()
    }

    /// Id of the token that ends a sequence.
    pub fn sep(&self) -> i32 {
        self.after.last().copied().unwrap_or_default()
    }

    /// Position of the context behind a question of so many tokens.
    pub(crate) fn context_start(&self, question: usize) -> usize {
        self.before.len() + question + self.between.len()
    }

    /// Positions of the context in a sequence of `length` tokens.
    pub(crate) fn context_positions(&self, context_start: usize, length: usize) -> Range<usize> {
        context_start..length - self.after.len()
    }

    /// Write a sequence; its context begins at `context_start`, where the question is cut to fit.
    pub(crate) fn write_ids(&self, question: &[i32], context: &[i32], context_start: usize, row: &mut [i32]) {
        let first = self.before.len();
        let last = context_start - self.between.len();
        row[..first].copy_from_slice(&self.before);
        row[first..last].copy_from_slice(&question[..last - first]);
        row[last..context_start].copy_from_slice(&self.between);
        let end = context_start + context.len();
        row[context_start..end].copy_from_slice(context);
        row[end..].copy_from_slice(&self.after);
    }

    /// Write the token types of a sequence over zeros.
    pub(crate) fn write_types(&self, context_start: usize, row: &mut [i32]) {
        let (question, context) = (self.before.len(), self.context_positions(context_start, row.len()));
        let ends = [question, context.start - self.between.len(), context.start, context.end, row.len()];
        let mut begin = 0;
        for (end, kind) in ends.into_iter().zip(self.types) {
            if kind != 0 {
                row[begin..end].fill(kind);
            }
            begin = end;
        }
    }
}
