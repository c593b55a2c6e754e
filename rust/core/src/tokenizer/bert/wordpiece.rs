//! Split one word into pieces: greedy longest match.

use crate::tokenizer::bert::normalize::Aligned;
use crate::tokenizer::trie::{State, Trie};
use crate::tokenizer::vocabulary::Vocabulary;

/// A token and the bytes of the source that it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) id: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// WordPiece of Wu et al. 2016 (arXiv 1609.08144) as BERT uses it.
#[derive(Debug)]
pub(crate) struct WordPiece {
    pub(crate) vocabulary: Vocabulary,
    /// Id of a word that the vocabulary cannot spell.
    pub(crate) unk: u32,
    /// A word of more characters than this, counted after normalisation, is unknown.
    pub(crate) max_characters: usize,
}

impl WordPiece {
    /// Split a word that is not empty.
    pub(crate) fn pieces(&self, word: &[Aligned], output: &mut Vec<Piece>) {
        self.greedy(
            word.len(),
            |state, i| {
                let mut bytes = [0; 4];
                let trie = self.vocabulary.trie();
                word[i]
                    .char
                    .encode_utf8(&mut bytes)
                    .bytes()
                    .try_fold(state, |state, byte| trie.step(state, byte))
            },
            |i| (word[i].start, word[i].end),
            output,
        );
    }

    /// Split a word of ASCII letters, digits or one punctuation character that begins at byte
    /// `offset`; `lowercase` is how the normaliser treats them.
    pub(crate) fn ascii_pieces(&self, word: &[u8], lowercase: bool, offset: u32, output: &mut Vec<Piece>) {
        self.greedy(
            word.len(),
            |state, i| {
                let byte = if lowercase { word[i].to_ascii_lowercase() } else { word[i] };
                self.vocabulary.trie().step(state, byte)
            },
            |i| (offset + i as u32, offset + i as u32 + 1),
            output,
        );
    }

    /// `step` moves the trie over character i, `source` gives its place in the source.
    #[inline(always)]
    fn greedy(
        &self,
        length: usize,
        step: impl Fn(State, usize) -> Option<State>,
        source: impl Fn(usize) -> (u32, u32),
        output: &mut Vec<Piece>,
    ) {
        let before = output.len();
        let mut begin = 0;
        let mut root = Trie::BEGIN;
        while begin < length && length <= self.max_characters {
            let mut state = root;
            let mut longest = None;
            for i in begin..length {
                let Some(next) = step(state, i) else { break };
                state = next;
                if let Some(id) = self.vocabulary.trie().id(state) {
                    longest = Some((id, i + 1));
                }
            }
            let Some((id, end)) = longest else { break };
            output.push(Piece { id, start: source(begin).0, end: source(end - 1).1 });
            begin = end;
            root = Trie::CONTINUE;
        }
        if begin < length {
            output.truncate(before);
            output.push(Piece { id: self.unk, start: source(0).0, end: source(length - 1).1 });
        }
    }
}
