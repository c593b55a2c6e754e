//! Tokenize one text as BERT's tokenizer does: ids and offsets.

use crate::error::{Error, Result};
use crate::tokenizer::bert::added_tokens::{AddedToken, Matcher};
use crate::tokenizer::bert::character::Properties;
use crate::tokenizer::bert::normalize::Normalization;
use crate::tokenizer::bert::pretokenize::words;
use crate::tokenizer::bert::runs::{Run, Runs};
use crate::tokenizer::bert::scratch::{Probe, Probes, Scratch, Scratches};
use crate::tokenizer::bert::word_cache::{Key, MAX_WORD};
use crate::tokenizer::bert::wordpiece::{Piece, WordPiece};
use crate::tokenizer::tokens::Output;
use crate::tokenizer::vocabulary::Vocabulary;

/// The settings of the tokenizer, beside its vocabulary.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The steps of the normaliser.
    pub(crate) normalization: Normalization,
    /// A word of more characters than this, counted after normalisation, is unknown.
    pub(crate) max_characters: usize,
    /// Texts that become one token wherever they stand.
    pub(crate) added_tokens: Vec<AddedToken>,
    /// Whether special tokens typed in a text become those tokens.
    pub(crate) match_special_tokens: bool,
}

/// Normalisation, pre-tokenization and WordPiece.
#[derive(Debug)]
pub(crate) struct Bert {
    pub(crate) wordpiece: WordPiece,
    pub(crate) normalization: Normalization,
    raw: Option<Matcher>,
    normalized: Option<Matcher>,
    pub(crate) scratches: Scratches,
}

impl Bert {
    /// Build from a vocabulary and settings, for calls of so many threads.
    ///
    /// # Errors
    /// `Error::Vocabulary`: there is no unknown token, or the added tokens cannot be matched.
    pub(crate) fn new(vocabulary: Vocabulary, settings: Settings, threads: usize) -> Result<Bert> {
        let Settings { normalization, max_characters, added_tokens, match_special_tokens } = settings;
        let Some(unk) = vocabulary.unk() else {
            return Err(Error::Vocabulary("has no unknown token, which WordPiece needs".into()));
        };
        Ok(Bert {
            raw: Matcher::raw(&added_tokens, match_special_tokens)?,
            normalized: Matcher::normalized(&added_tokens, match_special_tokens, &normalization)?,
            wordpiece: WordPiece { vocabulary, unk, max_characters },
            normalization,
            scratches: Scratches::new(threads),
        })
    }

    /// Tokenize one text.
    #[inline(always)]
    pub(crate) fn encode_text<const OFFSETS: bool>(
        &self,
        text: &str,
        scratch: &mut Scratch,
        output: &mut Output<OFFSETS>,
    ) {
        match &self.raw {
            Some(matcher) if matcher.matches(text) => self.encode_split(text, matcher, scratch, output),
            _ => self.encode_plain(text, 0, text.len(), scratch, output),
        }
    }

    /// Tokenize a text in which added tokens stand.
    #[cold]
    #[inline(never)]
    fn encode_split<const OFFSETS: bool>(
        &self,
        text: &str,
        matcher: &Matcher,
        scratch: &mut Scratch,
        output: &mut Output<OFFSETS>,
    ) {
        matcher.split(text, |part| match part.id {
            Some(id) => output.push(1, [id as i32], || [[part.start as i32, part.end as i32]]),
            None => self.encode_plain(text, part.start, part.end, scratch, output),
        });
    }

    /// Tokenize `text[start..end]`, in which no added token of the raw text stands.
    #[inline(always)]
    fn encode_plain<const OFFSETS: bool>(
        &self,
        text: &str,
        start: usize,
        end: usize,
        scratch: &mut Scratch,
        output: &mut Output<OFFSETS>,
    ) {
        if let Some(matcher) = &self.normalized {
            return self.encode_normalized(&text[start..end], start, matcher, scratch, output);
        }
        let part = &text[..end];
        let mut runs = Runs::new(part.as_bytes(), start);
        let mut probes = scratch.probes.take().unwrap_or_default();
        let Probes { current, next } = &mut *probes;
        let (mut current, mut next) = (current, next);
        let mut waiting = 0;
        loop {
            // The lookups of a block are on their way while the block before it is written.
            let found = runs.next_block(|place, run| {
                let key = Key::new(part.as_bytes(), run.begin, run.length);
                scratch.cache.prefetch(key);
                next[place] = Probe { run, key };
            });
            for &Probe { run: Run { begin, length }, key } in &current[..waiting] {
                if length <= MAX_WORD {
                    self.encode_cached(part, begin, length, key, scratch, output);
                } else {
                    self.encode_long(part, begin, begin + length, scratch, output);
                }
            }
            let Some(count) = found else { break };
            std::mem::swap(&mut current, &mut next);
            waiting = count;
        }
        scratch.probes = Some(probes);
    }

    /// Tokenize a short run, from the cache when it has them.
    #[inline(always)]
    fn encode_cached<const OFFSETS: bool>(
        &self,
        text: &str,
        start: usize,
        length: usize,
        key: Key,
        scratch: &mut Scratch,
        output: &mut Output<OFFSETS>,
    ) {
        match scratch.cache.get(key) {
            Some(entry) if entry.count() == 1 => {
                output.push(1, [entry.ids[0]], || [entry.offset(0, start as i32)]);
            }
            Some(entry) if !entry.overflows() => {
                output.push(entry.count(), entry.ids, || {
                    std::array::from_fn(|i| entry.offset(i, start as i32))
                });
            }
            Some(entry) => {
                for piece in scratch.cache.overflow(entry) {
                    let offset = || [[start as i32 + piece.start as i32, start as i32 + piece.end as i32]];
                    output.push(1, [piece.id as i32], offset);
                }
            }
            None => self.encode_new(text, start, length, key, scratch, output),
        }
    }

    #[cold]
    #[inline(never)]
    fn encode_new<const OFFSETS: bool>(
        &self,
        text: &str,
        start: usize,
        length: usize,
        key: Key,
        scratch: &mut Scratch,
        output: &mut Output<OFFSETS>,
    ) {
        self.encode_run(&text[start..start + length], start, scratch, output);
        scratch.cache.insert(key, &scratch.pieces, start as u32);
    }

    /// Tokenize a run that is too long for the cache: its parts between characters that stand alone
    /// may be in it.
    #[cold]
    #[inline(never)]
    fn encode_long<const OFFSETS: bool>(
        &self,
        text: &str,
        start: usize,
        end: usize,
        scratch: &mut Scratch,
        output: &mut Output<OFFSETS>,
    ) {
        let mut encode = |begin: usize, end: usize| {
            if (1..=MAX_WORD).contains(&(end - begin)) {
                let key = Key::new(text.as_bytes(), begin, end - begin);
                self.encode_cached(text, begin, end - begin, key, scratch, output);
            } else if begin < end {
                self.encode_run(&text[begin..end], begin, scratch, output);
            }
        };
        let mut begin = start;
        if !text.as_bytes()[start..end].is_ascii() {
            for (i, c) in text[start..end].char_indices() {
                if !c.is_ascii() && self.stands_alone(c) {
                    let (place, next) = (start + i, start + i + c.len_utf8());
                    encode(begin, place);
                    encode(place, next);
                    begin = next;
                }
            }
        }
        encode(begin, end);
    }

    /// Whether a text may be cut before and after this character without changing its tokens.
    fn stands_alone(&self, c: char) -> bool {
        let properties = Properties::of(c);
        !properties.decomposes()
            && !properties.is_removed()
            && (properties.is_punctuation()
                || properties.is_whitespace()
                || properties.is_cjk() && self.normalization.handle_chinese_chars)
    }

    /// Tokenize a run that begins at byte `offset`, without the cache; they stay in `scratch.pieces`.
    fn encode_run<const OFFSETS: bool>(
        &self,
        run: &str,
        offset: usize,
        scratch: &mut Scratch,
        output: &mut Output<OFFSETS>,
    ) {
        let Scratch { aligned, pieces, .. } = scratch;
        pieces.clear();
        if run.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.wordpiece.ascii_pieces(run.as_bytes(), self.normalization.lowercase, offset as u32, pieces);
        } else {
            aligned.clear();
            self.normalization.apply(run, aligned);
            words(aligned, |word| self.wordpiece.pieces(word, pieces));
            for piece in pieces.iter_mut() {
                piece.start += offset as u32;
                piece.end += offset as u32;
            }
        }
        write(pieces, output);
    }

    /// Tokenize a text at byte `offset`, when there are added tokens to find in its normal form.
    fn encode_normalized<const OFFSETS: bool>(
        &self,
        text: &str,
        offset: usize,
        matcher: &Matcher,
        scratch: &mut Scratch,
        output: &mut Output<OFFSETS>,
    ) {
        let Scratch { aligned, pieces, .. } = scratch;
        aligned.clear();
        pieces.clear();
        self.normalization.apply(text, aligned);
        for character in aligned.iter_mut() {
            character.start += offset as u32;
            character.end += offset as u32;
        }
        let normal: String = aligned.iter().map(|aligned| aligned.char).collect();
        let bytes: Vec<usize> = normal.char_indices().map(|(at, _)| at).collect();
        let character = |byte: usize| bytes.partition_point(|&at| at < byte);
        matcher.split(&normal, |part| {
            let characters = &aligned[character(part.start)..character(part.end)];
            match (part.id, characters) {
                (Some(id), [first, .., last]) => pieces.push(Piece { id, start: first.start, end: last.end }),
                (Some(id), [one]) => pieces.push(Piece { id, start: one.start, end: one.end }),
                _ => words(characters, |word| self.wordpiece.pieces(word, pieces)),
            }
        });
        write(pieces, output);
    }
}

fn write<const OFFSETS: bool>(pieces: &[Piece], output: &mut Output<OFFSETS>) {
    for piece in pieces {
        output.push(1, [piece.id as i32], || [[piece.start as i32, piece.end as i32]]);
    }
}
