//! The buffer that tokens are written to.

use crate::text::{Offset, to_characters};

/// Tokens as they are written, without offsets when nobody will read them.
#[derive(Debug, Default)]
pub(crate) struct Output<const OFFSETS: bool> {
    pub(crate) ids: Vec<i32>,
    pub(crate) offsets: Vec<Offset>,
    /// In characters, the text that each token stands for, where the offsets may be others (see
    /// `HuggingFace`); BERT's tokens have none.
    pub(crate) sources: Vec<Offset>,
    /// The word that each token is a part of, by its place in the text; -1: of none. BERT's tokens have none:
    /// their spelling says it.
    pub(crate) words: Vec<i32>,
}

impl<const OFFSETS: bool> Output<OFFSETS> {
    /// Make room for about `tokens` tokens.
    pub(crate) fn new(tokens: usize) -> Self {
        let offsets = Vec::with_capacity(if OFFSETS { tokens } else { 0 });
        Output { ids: Vec::with_capacity(tokens), offsets, sources: Vec::new(), words: Vec::new() }
    }

    /// Number of tokens written.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Append the first `count` of N tokens; all N are written, which needs no branch.
    #[inline(always)]
    pub(crate) fn push<const N: usize>(
        &mut self,
        count: usize,
        ids: [i32; N],
        offsets: impl FnOnce() -> [Offset; N],
    ) {
        let length = self.ids.len() + count;
        self.ids.extend_from_slice(&ids);
        self.ids.truncate(length);
        if OFFSETS {
            self.offsets.extend_from_slice(&offsets());
            self.offsets.truncate(length);
        }
    }

    /// Rewrite the offsets from token `first` on, which are bytes of `text`, as characters.
    #[inline(always)]
    pub(crate) fn count_characters(&mut self, first: usize, text: &str) {
        if OFFSETS && !text.is_ascii() {
            to_characters(text, &mut self.offsets[first..]);
        }
    }
}
