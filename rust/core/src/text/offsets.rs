//! Convert between offsets in bytes and in characters.

use std::ops::Range;

use crate::error::{Error, Result, Role};
use crate::text::byte_classes::{BLOCK, block, continuations};

/// Start and end in a text.
pub type Offset = [i32; 2];

/// Refuse a text that is too long for 32-bit offsets.
///
/// # Errors
/// `Error::TooLong`.
pub fn check_size(role: Role, index: usize, text: &str) -> Result<()> {
    if text.len() > i32::MAX as usize {
        return Err(Error::TooLong { role, index, bytes: text.len() });
    }
    Ok(())
}

/// Rewrite character offsets as byte offsets.
pub(crate) fn to_bytes(text: &str, offsets: &mut [Offset]) {
    if text.is_ascii() {
        return;
    }
    let ends = std::iter::once(text.len());
    let bytes: Vec<i32> =
        text.char_indices().map(|(byte, _)| byte).chain(ends).map(|byte| byte as i32).collect();
    for offset in offsets {
        *offset = offset.map(|character| bytes[character as usize]);
    }
}

/// Takes white space off the ends of ranges of bytes of one text. Each run of it is measured once, however many
/// ranges begin or end in it.
pub(crate) struct Trimmer<'t> {
    text: &'t str,
    /// The last run that was found.
    run: Range<usize>,
}

impl<'t> Trimmer<'t> {
    pub(crate) fn new(text: &'t str) -> Trimmer<'t> {
        Trimmer { text, run: 0..0 }
    }

    /// Trim a range; it is empty or reversed where there is nothing but white space.
    pub(crate) fn trim(&mut self, [start, end]: Offset) -> Offset {
        let (start, end) = (start as usize, end as usize);
        if self.text[start..].starts_with(char::is_whitespace) {
            self.find(start);
        }
        let first = if self.run.contains(&start) { self.run.end } else { start };
        if self.text[..end].ends_with(char::is_whitespace) {
            self.find(end);
        }
        let last = if self.run.start < end && end <= self.run.end { self.run.start } else { end };
        [first as i32, last as i32]
    }

    /// Find the run of white space around a byte, unless it is the last one that was found.
    fn find(&mut self, at: usize) {
        if !(self.run.start..=self.run.end).contains(&at) || self.run.is_empty() {
            let start = self.text[..at].trim_end().len();
            self.run = start..self.text.len() - self.text[at..].trim_start().len();
        }
    }
}

/// Convert a range of bytes to characters.
pub(crate) fn character_range(text: &str, bytes: Range<usize>) -> Range<i32> {
    let count = |part: &str| part.chars().count() as i32;
    let start = count(&text[..bytes.start]);
    start..start + count(&text[bytes])
}

/// Rewrite byte offsets as character offsets.
#[inline(always)]
pub(crate) fn to_characters(text: &str, offsets: &mut [Offset]) {
    // Continuation bytes before each block of 64, and those in it as bits.
    let mut before = 0;
    let mut blocks: Vec<(i32, u64)> = Vec::with_capacity(text.len() / BLOCK + 2);
    for at in (0..text.len()).step_by(BLOCK) {
        let mask = continuations(&block(text.as_bytes(), at));
        blocks.push((before, mask));
        before += mask.count_ones() as i32;
    }
    blocks.push((before, 0));
    let character = |byte: i32| {
        let (before, mask) = blocks[byte as usize / BLOCK];
        byte - before - (mask & ((1 << (byte as usize % BLOCK)) - 1)).count_ones() as i32
    };
    for offset in offsets {
        *offset = offset.map(character);
    }
}
