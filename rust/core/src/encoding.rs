//! The tokens of many texts, flat.

use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use crate::scan::{BLOCK, block, continuations};
use crate::tokenizer::Tokenizer;

/// Start and end of a token in its text.
pub type Offset = [i32; 2];

/// Texts that live as long as their encodings; they are never copied.
pub trait Texts: Send + Sync {
    /// Number of texts.
    fn count(&self) -> usize;
    /// Text `index`, which must exist.
    fn text(&self, index: usize) -> &str;
}

impl<T: AsRef<str> + Send + Sync> Texts for Vec<T> {
    fn count(&self) -> usize {
        self.len()
    }

    fn text(&self, index: usize) -> &str {
        self[index].as_ref()
    }
}

/// Tokens and offsets of texts that were encoded together.
pub struct Encodings {
    pub(crate) tokenizer: u64,
    /// Whether tokens may take in the white space around their words.
    takes_white_space: bool,
    texts: Box<dyn Texts>,
    ids: Vec<i32>,
    offsets: Vec<Offset>,
    indptr: Vec<i64>,
    /// None when they are the same as in characters.
    byte_offsets: OnceLock<Option<Vec<Offset>>>,
    /// None until asked for, and where no token takes white space in.
    answer_offsets: OnceLock<Vec<Offset>>,
}

impl fmt::Debug for Encodings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encodings").field("texts", &self.len()).field("tokens", &self.ids.len()).finish()
    }
}

impl Encodings {
    pub(crate) fn new(
        tokenizer: &Tokenizer,
        texts: Box<dyn Texts>,
        ids: Vec<i32>,
        offsets: Vec<Offset>,
        indptr: Vec<i64>,
    ) -> Encodings {
        Encodings {
            tokenizer: tokenizer.identity(),
            takes_white_space: tokenizer.takes_white_space(),
            texts,
            ids,
            offsets,
            indptr,
            byte_offsets: OnceLock::new(),
            answer_offsets: OnceLock::new(),
        }
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.texts.count()
    }

    /// Whether there are no texts.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Vocabulary ids of all tokens.
    pub fn ids(&self) -> &[i32] {
        &self.ids
    }

    /// Offsets of all tokens, in characters of their own texts.
    pub fn offsets(&self) -> &[Offset] {
        &self.offsets
    }

    /// Offsets of all tokens, in bytes of their own texts; computed when first asked for.
    pub fn byte_offsets(&self) -> &[Offset] {
        let counted = self.byte_offsets.get_or_init(|| {
            (0..self.len()).any(|i| !self.text(i).is_ascii()).then(|| {
                let mut offsets = self.offsets.clone();
                for i in 0..self.len() {
                    to_bytes(self.text(i), &mut offsets[self.rows(i)]);
                }
                offsets
            })
        });
        counted.as_deref().unwrap_or(&self.offsets)
    }

    /// In characters: where an answer that begins with a token begins, and where one that ends with it
    /// ends. Both are `offsets`, but for the white space that a token takes in, which is no answer's.
    pub(crate) fn answer_offsets(&self) -> &[Offset] {
        if !self.takes_white_space {
            return &self.offsets;
        }
        self.answer_offsets.get_or_init(|| {
            let mut offsets = self.offsets.clone();
            for i in 0..self.len() {
                trim(self.text(i), &mut offsets[self.rows(i)]);
            }
            offsets
        })
    }

    /// Whether tokens may take in the white space around their words.
    pub(crate) fn takes_white_space(&self) -> bool {
        self.takes_white_space
    }

    /// Where the tokens of each text begin, and where the last end.
    pub fn indptr(&self) -> &[i64] {
        &self.indptr
    }

    /// The tokens of text `index`, which must exist.
    pub fn rows(&self, index: usize) -> Range<usize> {
        self.indptr[index] as usize..self.indptr[index + 1] as usize
    }

    /// Text `index`, which must exist.
    pub fn text(&self, index: usize) -> &str {
        self.texts.text(index)
    }
}

/// Rewrite character offsets as byte offsets.
fn to_bytes(text: &str, offsets: &mut [Offset]) {
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

/// Move starts behind the white space that follows them, and ends before the white space that precedes
/// them; where nothing else is between the two, they change places or meet.
fn trim(text: &str, offsets: &mut [Offset]) {
    let mut starts: Vec<i32> = Vec::with_capacity(text.len() + 1);
    let mut ends = Vec::with_capacity(text.len() + 1);
    ends.push(0);
    for (character, c) in text.chars().enumerate() {
        if !c.is_whitespace() {
            starts.resize(character + 1, character as i32);
        }
        ends.push(if c.is_whitespace() { ends[character] } else { character as i32 + 1 });
    }
    starts.resize(ends.len(), ends.len() as i32 - 1);
    for [start, end] in offsets {
        (*start, *end) = (starts[*start as usize], ends[*end as usize]);
    }
}

/// The characters of some bytes of a text.
pub(crate) fn character_range(text: &str, bytes: Range<usize>) -> Range<i32> {
    let count = |part: &str| part.bytes().map(|byte| i32::from(!is_continuation(byte))).sum::<i32>();
    let start = count(&text[..bytes.start]);
    start..start + count(&text[bytes])
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// Rewrite byte offsets as character offsets.
#[inline(always)]
fn to_characters(text: &str, offsets: &mut [Offset]) {
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

/// Tokens as they are written, without offsets when nobody will read them.
#[derive(Debug, Default)]
pub(crate) struct Output<const OFFSETS: bool> {
    pub(crate) ids: Vec<i32>,
    pub(crate) offsets: Vec<Offset>,
}

impl<const OFFSETS: bool> Output<OFFSETS> {
    /// Room for about `tokens` tokens.
    pub(crate) fn new(tokens: usize) -> Self {
        let offsets = Vec::with_capacity(if OFFSETS { tokens } else { 0 });
        Output { ids: Vec::with_capacity(tokens), offsets }
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
