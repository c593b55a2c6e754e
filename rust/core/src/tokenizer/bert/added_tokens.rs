//! Find added tokens, texts that become one token wherever they stand, as the Hugging Face tokenizers do.

use aho_corasick::{AhoCorasick, MatchKind};

use crate::error::{Error, Result};
use crate::tokenizer::bert::normalize::Normalization;

/// One added token, with the options of a `tokenizer.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddedToken {
    /// The text to match.
    pub(crate) content: String,
    /// Its id.
    pub(crate) id: u32,
    /// Whether it may be switched off as a special token.
    pub(crate) special: bool,
    /// Match only between characters that are not part of a word.
    pub(crate) single_word: bool,
    /// Take the white space before it in.
    pub(crate) lstrip: bool,
    /// Take the white space after it in.
    pub(crate) rstrip: bool,
    /// Match in the normalised text instead of the text itself.
    pub(crate) normalized: bool,
}

/// A part of a text, in bytes: an added token, or None for text between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) id: Option<u32>,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Finds the leftmost, longest added tokens.
#[derive(Debug)]
pub(crate) struct Matcher {
    automaton: AhoCorasick,
    tokens: Vec<AddedToken>,
    match_special: bool,
}

impl Matcher {
    /// Build the matcher for the tokens that are looked up in the text itself, if there are any.
    pub(crate) fn raw(tokens: &[AddedToken], match_special: bool) -> Result<Option<Matcher>> {
        let tokens: Vec<_> = tokens.iter().filter(|token| !token.normalized).cloned().collect();
        if !match_special && tokens.iter().all(|token| token.special) {
            return Ok(None);
        }
        Matcher::new(tokens, match_special)
    }

    /// Build the matcher for the tokens that are looked up in the normalised text, if there are any.
    pub(crate) fn normalized(
        tokens: &[AddedToken],
        match_special: bool,
        normalization: &Normalization,
    ) -> Result<Option<Matcher>> {
        let mut aligned = Vec::new();
        let normalize = |token: &AddedToken| {
            aligned.clear();
            normalization.apply(&token.content, &mut aligned);
            AddedToken { content: aligned.iter().map(|aligned| aligned.char).collect(), ..token.clone() }
        };
        Matcher::new(tokens.iter().filter(|token| token.normalized).map(normalize).collect(), match_special)
    }

    fn new(mut tokens: Vec<AddedToken>, match_special: bool) -> Result<Option<Matcher>> {
        tokens.retain(|token| !token.content.is_empty());
        if tokens.is_empty() {
            return Ok(None);
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(tokens.iter().map(|token| &token.content))
            .map_err(|error| Error::Vocabulary(format!("cannot match its added tokens: {error}")))?;
        Ok(Some(Matcher { automaton, tokens, match_special }))
    }

    /// Whether a token's text stands somewhere in `text`, if only where its options forbid a match.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.automaton.is_match(text)
    }

    /// Call `part` with the parts of `text`, in order; together they cover it. White space that one added
    /// token takes from its right side may be in the next one too, as in Hugging Face's tokenizers.
    pub(crate) fn split(&self, text: &str, mut part: impl FnMut(Part)) {
        let mut done = 0;
        for found in self.automaton.find_iter(text) {
            let token = &self.tokens[found.pattern().as_usize()];
            let (mut start, mut end) = (found.start(), found.end());
            let (before, after) = (&text[..start], &text[end..]);
            if token.special && !self.match_special
                || token.single_word && (ends_with_word(before) || starts_with_word(after))
            {
                continue;
            }
            if token.lstrip {
                start = before.trim_end().len().max(done);
            }
            if token.rstrip {
                end = text.len() - after.trim_start().len();
            }
            if done < start {
                part(Part { id: None, start: done, end: start });
            }
            part(Part { id: Some(token.id), start, end });
            done = end;
        }
        if done < text.len() {
            part(Part { id: None, start: done, end: text.len() });
        }
    }
}

/// A character that a regular expression's `\w` matches.
fn is_word(c: char) -> bool {
    regex_syntax::try_is_word_character(c).unwrap_or_else(|_| c.is_alphanumeric() || c == '_')
}

fn ends_with_word(text: &str) -> bool {
    text.chars().next_back().is_some_and(is_word)
}

fn starts_with_word(text: &str) -> bool {
    text.chars().next().is_some_and(is_word)
}
