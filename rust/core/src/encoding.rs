//! The tokens of many texts, flat.

use std::sync::OnceLock;

/// Start and end of a token in its text.
pub type Offset = [i32; 2];

/// Tokens and offsets of texts that were encoded together.
#[derive(Debug, Default)]
pub struct Encodings {
    pub(crate) tokenizer: u64,
    /// All texts, one after the other.
    pub(crate) texts: String,
    pub(crate) text_ends: Vec<usize>,
    pub(crate) ids: Vec<i32>,
    pub(crate) byte_offsets: Vec<Offset>,
    pub(crate) indptr: Vec<i64>,
    char_offsets: OnceLock<Option<Vec<Offset>>>,
}

impl Encodings {
    pub(crate) fn new(
        tokenizer: u64,
        texts: &[&str],
        ids: Vec<i32>,
        byte_offsets: Vec<Offset>,
        indptr: Vec<i64>,
    ) -> Encodings {
        let text_ends = texts.iter().scan(0, |end, text| {
            *end += text.len();
            Some(*end)
        });
        let text_ends = text_ends.collect();
        let texts = texts.concat();
        Encodings { tokenizer, texts, text_ends, ids, byte_offsets, indptr, char_offsets: OnceLock::new() }
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.text_ends.len()
    }

    /// Whether there are no texts.
    pub fn is_empty(&self) -> bool {
        self.text_ends.is_empty()
    }

    /// Vocabulary ids of all tokens.
    pub fn ids(&self) -> &[i32] {
        &self.ids
    }

    /// Offsets of all tokens, in bytes of their own texts.
    pub fn byte_offsets(&self) -> &[Offset] {
        &self.byte_offsets
    }

    /// Offsets of all tokens, in characters of their own texts; computed when first asked for.
    pub fn char_offsets(&self) -> &[Offset] {
        let counted = self.char_offsets.get_or_init(|| {
            let mut offsets = (!self.texts.is_ascii()).then(|| self.byte_offsets.clone())?;
            for i in 0..self.len() {
                to_characters(self.text(i), &mut offsets[self.rows(i)]);
            }
            Some(offsets)
        });
        counted.as_deref().unwrap_or(&self.byte_offsets)
    }

    /// Where the tokens of each text begin, and where the last end.
    pub fn indptr(&self) -> &[i64] {
        &self.indptr
    }

    /// The tokens of text `index`, which must exist.
    pub fn rows(&self, index: usize) -> std::ops::Range<usize> {
        self.indptr[index] as usize..self.indptr[index + 1] as usize
    }

    /// Text `index`, which must exist.
    pub fn text(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.text_ends[before]);
        &self.texts[start..self.text_ends[index]]
    }
}

/// Number of characters of a text, whose offsets fit into 32 bits.
pub(crate) fn characters(text: &str) -> i32 {
    text.bytes().map(|byte| i32::from(!is_continuation(byte))).sum()
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// Rewrite byte offsets as character offsets.
fn to_characters(text: &str, offsets: &mut [Offset]) {
    if text.is_ascii() {
        return;
    }
    // Continuation bytes before each block of 64, and those in it as bits.
    let mut before = 0;
    let mut blocks: Vec<(i32, u64)> = Vec::with_capacity(text.len() / 64 + 1);
    for bytes in text.as_bytes().chunks(64) {
        let mask =
            bytes.iter().enumerate().fold(0, |mask, (i, &byte)| mask | u64::from(is_continuation(byte)) << i);
        blocks.push((before, mask));
        before += mask.count_ones() as i32;
    }
    blocks.push((before, 0));
    let character = |byte: i32| {
        let (before, mask) = blocks[byte as usize / 64];
        byte - before - (mask & ((1 << (byte % 64)) - 1)).count_ones() as i32
    };
    for offset in offsets {
        *offset = offset.map(character);
    }
}

/// Tokens as they are written, without offsets when nobody will read them.
#[derive(Debug)]
pub(crate) struct Output<const OFFSETS: bool> {
    ids: Vec<i32>,
    offsets: Vec<Offset>,
    length: usize,
}

impl<const OFFSETS: bool> Output<OFFSETS> {
    /// Room for about `tokens` tokens.
    pub(crate) fn new(tokens: usize) -> Self {
        let mut output = Output { ids: Vec::new(), offsets: Vec::new(), length: 0 };
        output.grow(tokens);
        output
    }

    /// Number of tokens written.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Append the first `count` of N tokens; all N are written, which needs no branch.
    #[inline(always)]
    pub(crate) fn push<const N: usize>(
        &mut self,
        count: usize,
        ids: [i32; N],
        offsets: impl FnOnce() -> [Offset; N],
    ) {
        if self.ids.len() < self.length + N {
            self.grow(N);
        }
        self.ids[self.length..self.length + N].copy_from_slice(&ids);
        if OFFSETS {
            self.offsets[self.length..self.length + N].copy_from_slice(&offsets());
        }
        self.length += count;
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, more: usize) {
        let length = (self.length + more).max(self.length * 2) + 16;
        self.ids.resize(length, 0);
        if OFFSETS {
            self.offsets.resize(length, [0; 2]);
        }
    }

    /// The ids and offsets written.
    pub(crate) fn finish(mut self) -> (Vec<i32>, Vec<Offset>) {
        self.ids.truncate(self.length);
        self.offsets.truncate(self.length);
        (self.ids, self.offsets)
    }
}
