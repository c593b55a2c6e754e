//! Cut a text at ASCII white space and punctuation, a block of bytes at a time.

use crate::text::{BLOCK, block, classify};

/// Runs that one block may end: one that began before it, and one for each byte.
pub(crate) const MAX_RUNS: usize = BLOCK + 1;

/// A run of word bytes, or one ASCII punctuation character.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Run {
    pub(crate) begin: usize,
    pub(crate) length: usize,
}

/// The runs of a text.
pub(crate) struct Runs<'a> {
    text: &'a [u8],
    at: usize,
    /// Where the run began that the last block did not end.
    pending: Option<usize>,
    /// 1 if the last block's last byte is part of a word.
    in_word: u64,
}

impl<'a> Runs<'a> {
    /// Begin with the runs of `text[start..]`.
    pub(crate) fn new(text: &'a [u8], start: usize) -> Runs<'a> {
        Runs { text, at: start, pending: None, in_word: 0 }
    }

    /// Call `write` with 0, 1, … and the runs that end in the next block, and return their number; None
    /// behind the last block.
    #[inline(always)]
    pub(crate) fn next_block(&mut self, mut write: impl FnMut(usize, Run)) -> Option<usize> {
        if self.at >= self.text.len() {
            let begin = self.pending.take()?;
            write(0, Run { begin, length: self.text.len() - begin });
            return Some(1);
        }
        let classes = classify(&block(self.text, self.at));
        let punctuation = !(classes.word | classes.space);
        let mut starts = punctuation | classes.word & !(classes.word << 1 | self.in_word);
        // A run ends where the next begins or where a space stands.
        let ends = starts | classes.space;
        let mut count = 0;
        if let Some(begin) = self.pending
            && ends != 0
        {
            write(0, Run { begin, length: self.at + ends.trailing_zeros() as usize - begin });
            self.pending = None;
            count = 1;
        }
        while starts != 0 {
            let first = starts.trailing_zeros();
            starts &= starts - 1;
            let later = ends & (!1 << first);
            let begin = self.at + first as usize;
            if later == 0 {
                self.pending = Some(begin);
                break;
            }
            write(count, Run { begin, length: (later.trailing_zeros() - first) as usize });
            count += 1;
        }
        self.in_word = classes.word >> (BLOCK - 1);
        self.at += BLOCK;
        Some(count)
    }
}
