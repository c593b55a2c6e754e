//! The settings of windows, and the room that a question leaves.

use crate::error::{Error, Result};

/// The meaning of the stride between the windows of one context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// The next window starts `doc_stride` tokens later (Google's run_squad.py, MLPerf).
    Advance,
    /// Neighbouring windows share `doc_stride` tokens (Hugging Face).
    Overlap,
}

/// The settings of windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowOptions {
    /// Tokens of a window at most, special tokens included.
    pub max_length: usize,
    /// See `Convention`.
    pub doc_stride: usize,
    /// The meaning of `doc_stride`.
    pub convention: Convention,
    /// A longer question is cut to this many tokens.
    pub max_question_length: Option<usize>,
    /// A text without tokens is no error: its windows have nothing of it.
    pub allow_empty: bool,
}

impl WindowOptions {
    pub(crate) fn check(&self, special: usize) -> Result<()> {
        if self.max_length <= special {
            return Err(Error::argument(
                "max_length",
                self.max_length,
                format!("at least {}: {special} special tokens and one of the context", special + 1),
            ));
        }
        if self.doc_stride == 0 && self.convention == Convention::Advance {
            return Err(Error::argument("doc_stride", 0, "at least 1"));
        }
        if self.max_question_length == Some(0) {
            return Err(Error::argument("max_question_length", 0, "at least 1, or None"));
        }
        Ok(())
    }

    /// Count the context tokens that fit into a window.
    pub(crate) fn room(
        &self,
        index: usize,
        question: usize,
        context: usize,
        special: usize,
    ) -> Result<usize> {
        let room = self.max_length.saturating_sub(question + special);
        let expected = match self.convention {
            Convention::Overlap if room > 0 && context > room && self.doc_stride >= room => {
                format!("more than the doc_stride of {}, which neighbouring windows share", self.doc_stride)
            }
            _ if room == 0 => "at least 1".to_owned(),
            _ => return Ok(room),
        };
        let missing = self.max_length as i64 - question as i64 - special as i64;
        Err(Error::NoRoom { index, max_length: self.max_length, question, special, room: missing, expected })
    }
}
