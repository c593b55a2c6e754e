//! The tokens of many texts, flat.

use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use crate::pool::Pool;
use crate::text::sentence_starts;
use crate::text::{Bounds, Unit};
use crate::text::{Offset, Trimmer, to_bytes, to_characters};
use crate::tokenizer::tokens::Output;

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
    /// The identity of the tokenizer that made them.
    pub(crate) tokenizer: u64,
    texts: Box<dyn Texts>,
    ids: Vec<i32>,
    offsets: Vec<Offset>,
    /// In characters, the text that each token stands for, with white space that it takes in; None: the
    /// same as the offsets, without white space.
    sources: Option<Vec<Offset>>,
    /// The word that each token is a part of (see `Output`); None: its spelling says it.
    words: Option<Vec<i32>>,
    indptr: Vec<i64>,
    /// None when they are the same as in characters, here and in the next.
    byte_offsets: OnceLock<Option<Vec<Offset>>>,
    source_bytes: OnceLock<Option<Vec<Offset>>>,
    /// Of whole graphemes and of whole words; computed when first asked for, as the sentences are.
    answer_offsets: [OnceLock<AnswerOffsets>; 2],
    sentences: OnceLock<Vec<u32>>,
}

/// Offsets of the answers that begin or end with each token, in whole units. An answer may reach
/// further than the token, and leaves out the white space that the token takes in.
#[derive(Debug)]
pub(crate) struct AnswerOffsets {
    bytes: Vec<Offset>,
    /// None when they are the same as in bytes.
    characters: Option<Vec<Offset>>,
}

impl AnswerOffsets {
    /// Join those of neighbouring texts.
    fn joined(parts: Vec<AnswerOffsets>) -> AnswerOffsets {
        let is_ascii = parts.iter().all(|part| part.characters.is_none());
        let characters =
            (!is_ascii).then(|| parts.iter().flat_map(AnswerOffsets::characters).copied().collect());
        AnswerOffsets { bytes: parts.into_iter().flat_map(|part| part.bytes).collect(), characters }
    }

    /// In bytes of each token's own text.
    pub(crate) fn bytes(&self) -> &[Offset] {
        &self.bytes
    }

    /// In characters of each token's own text.
    pub(crate) fn characters(&self) -> &[Offset] {
        self.characters.as_deref().unwrap_or(&self.bytes)
    }
}

/// Return what is computed once, without holding a lock meanwhile: a thread that a forked child does not have
/// would hold it for ever.
fn once<T>(cell: &OnceLock<T>, compute: impl FnOnce() -> T) -> &T {
    match cell.get() {
        Some(value) => value,
        None => {
            let value = compute();
            cell.get_or_init(|| value)
        }
    }
}

/// Tokens that are enough work for a thread.
const TASK_TOKENS: usize = 4096;

/// Split texts into neighbouring ones of together at least `TASK_TOKENS` tokens.
fn split(texts: usize, tokens: impl Fn(usize) -> usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let (mut begin, mut count) = (0, 0);
    for index in 0..texts {
        count += tokens(index);
        if count >= TASK_TOKENS || index + 1 == texts {
            parts.push(begin..index + 1);
            (begin, count) = (index + 1, 0);
        }
    }
    parts
}

impl fmt::Debug for Encodings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encodings").field("texts", &self.len()).field("tokens", &self.ids.len()).finish()
    }
}

impl Encodings {
    pub(crate) fn new(
        tokenizer: u64,
        texts: Box<dyn Texts>,
        output: Output<true>,
        indptr: Vec<i64>,
        takes_white_space: bool,
    ) -> Encodings {
        let Output { ids, offsets, sources, words } = output;
        Encodings {
            tokenizer,
            texts,
            ids,
            offsets,
            sources: takes_white_space.then_some(sources),
            words: takes_white_space.then_some(words),
            indptr,
            byte_offsets: OnceLock::new(),
            source_bytes: OnceLock::new(),
            answer_offsets: [OnceLock::new(), OnceLock::new()],
            sentences: OnceLock::new(),
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
        self.in_bytes(&self.offsets, &self.byte_offsets)
    }

    /// Find the text that each token stands for, in bytes, with white space that it takes in; computed when first
    /// asked for.
    pub(crate) fn source_bytes(&self) -> &[Offset] {
        match &self.sources {
            Some(sources) => self.in_bytes(sources, &self.source_bytes),
            None => self.byte_offsets(),
        }
    }

    fn in_bytes<'a>(
        &'a self,
        characters: &'a [Offset],
        counted: &'a OnceLock<Option<Vec<Offset>>>,
    ) -> &'a [Offset] {
        let counted = once(counted, || {
            (0..self.len()).any(|i| !self.text(i).is_ascii()).then(|| {
                let mut offsets = characters.to_vec();
                for i in 0..self.len() {
                    to_bytes(self.text(i), &mut offsets[self.rows(i)]);
                }
                offsets
            })
        });
        counted.as_deref().unwrap_or(characters)
    }

    /// Return the answer offsets of each token, in whole units; computed when first asked for.
    pub(crate) fn answer_offsets(&self, unit: Unit) -> &AnswerOffsets {
        once(self.widened(unit), || self.widen(unit, 0..self.len()))
    }

    /// Return the sentence that each token is in, by its place in the text; computed when first asked for.
    pub(crate) fn sentences(&self) -> &[u32] {
        once::<Vec<_>>(&self.sentences, || self.find_sentences(0..self.len()))
    }

    /// Compute on all threads what decoding will ask for, where it is work for several of them.
    pub(crate) fn prepare(&self, pool: &Pool, unit: Unit, sentences: bool) {
        if self.ids.len() < 2 * TASK_TOKENS {
            return;
        }
        self.source_bytes();
        let parts = || split(self.len(), |index| self.rows(index).len());
        once(self.widened(unit), || {
            AnswerOffsets::joined(pool.map(parts(), |texts| self.widen(unit, texts)))
        });
        if sentences {
            once(&self.sentences, || pool.map(parts(), |texts| self.find_sentences(texts)).concat());
        }
    }

    fn widened(&self, unit: Unit) -> &OnceLock<AnswerOffsets> {
        &self.answer_offsets[usize::from(unit == Unit::Word)]
    }

    /// Tokens of some neighbouring texts.
    fn rows_of(&self, texts: &Range<usize>) -> Range<usize> {
        self.indptr[texts.start] as usize..self.indptr[texts.end] as usize
    }

    /// Compute the answer offsets of some texts' tokens.
    fn widen(&self, unit: Unit, texts: Range<usize>) -> AnswerOffsets {
        let all = self.rows_of(&texts);
        let own = |index: usize| self.rows(index).start - all.start..self.rows(index).end - all.start;
        let mut bytes = self.source_bytes()[all.clone()].to_vec();
        let mut is_ascii = true;
        for index in texts.clone() {
            let text = self.text(index);
            let (bounds, mut trimmer) = (Bounds::new(text, unit), Trimmer::new(text));
            for offset in &mut bytes[own(index)] {
                *offset =
                    bounds.widen(if self.takes_white_space() { trimmer.trim(*offset) } else { *offset });
            }
            is_ascii &= text.is_ascii();
        }
        let characters = (!is_ascii).then(|| {
            let mut characters = bytes.clone();
            for index in texts {
                to_characters(self.text(index), &mut characters[own(index)]);
            }
            characters
        });
        AnswerOffsets { bytes, characters }
    }

    /// Find the sentences of some texts' tokens.
    fn find_sentences(&self, texts: Range<usize>) -> Vec<u32> {
        let mut sentences = Vec::with_capacity(self.rows_of(&texts).len());
        for index in texts {
            let starts = sentence_starts(self.text(index));
            let place = |[_, end]: &Offset| starts.partition_point(|&start| (start as i32) < *end) as u32;
            sentences.extend(self.source_bytes()[self.rows(index)].iter().map(place));
        }
        sentences
    }

    /// Whether tokens may take in the white space around their words.
    pub(crate) fn takes_white_space(&self) -> bool {
        self.sources.is_some()
    }

    /// Find the word that each token is a part of, by its place in the text, -1 for none; None: its spelling says
    /// it.
    pub(crate) fn words(&self) -> Option<&[i32]> {
        self.words.as_deref()
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
