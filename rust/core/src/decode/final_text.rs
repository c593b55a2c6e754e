//! Project the text of an answer back to the original as Google's run_squad.py does it
//! (`get_final_text`): the answer's tokens are looked up in the basic tokenization of the words that
//! they come from, and cut out of those words where the characters can be matched one to one.

use std::ops::Range;

use crate::tokenizer::bert::{Normalization, basic_tokens};

/// An answer in the original text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Projected {
    pub(crate) bytes: Range<usize>,
    /// Its words, joined by one blank each.
    pub(crate) text: String,
}

/// White space as run_squad.py defines it, which is less than Unicode does.
fn separates_words(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{202F}')
}

/// Project the answer that covers `tokens` (bytes of `context`, spelt `spelling` by the vocabulary).
pub(crate) fn project(
    context: &str,
    tokens: Range<usize>,
    spelling: &str,
    normalization: &Normalization,
) -> Projected {
    let start = context[..tokens.start]
        .rfind(separates_words)
        .map_or(0, |at| at + context[at..].chars().next().map_or(1, char::len_utf8));
    let end = context[tokens.end..].find(separates_words).map_or(context.len(), |at| tokens.end + at);
    let original = join_words(context, start..end);
    let found = find(&original, spelling, normalization).unwrap_or(0..original.len());
    let part = &original[found];
    let bytes = match (part.first(), part.last()) {
        (Some(&(first, _)), Some(&(at, last))) => first..at + last.len_utf8(),
        _ => start..end,
    };
    Projected { bytes, text: part.iter().map(|&(_, c)| c).collect() }
}

/// Join the words in `range`: their characters and bytes, with one blank between words.
fn join_words(context: &str, range: Range<usize>) -> Vec<(usize, char)> {
    let mut joined: Vec<(usize, char)> = Vec::with_capacity(range.len());
    for (at, c) in context[range.clone()].char_indices() {
        if !separates_words(c) {
            joined.push((range.start + at, c));
        } else if joined.last().is_some_and(|&(_, last)| last != ' ') {
            joined.push((range.start + at, ' '));
        }
    }
    joined
}

/// Find the spelling in the words; None when its characters cannot be matched.
fn find(original: &[(usize, char)], spelling: &str, normalization: &Normalization) -> Option<Range<usize>> {
    let text: String = original.iter().map(|&(_, c)| c).collect();
    let tokenized = basic_tokens(&text, normalization);
    let at = tokenized.find(spelling)?;
    let solid = |text: &str| text.chars().filter(|&c| c != ' ').count();
    let places: Vec<usize> = (0..original.len()).filter(|&i| original[i].1 != ' ').collect();
    if solid(&tokenized) != places.len() || spelling.is_empty() {
        return None;
    }
    let before = solid(&tokenized[..at]);
    let first = *places.get(before)?;
    let last = *places.get(before + solid(spelling) - 1)?;
    Some(first..last + 1)
}

/// Spell the tokens of an answer as one text: pieces joined, white space made one blank.
pub(crate) fn spell<'a>(tokens: impl Iterator<Item = &'a str>, continuing_prefix: &str) -> String {
    let joined = tokens.collect::<Vec<_>>().join(" ");
    let joined = if continuing_prefix.is_empty() {
        joined
    } else {
        joined.replace(&format!(" {continuing_prefix}"), "").replace(continuing_prefix, "")
    };
    joined.split_whitespace().collect::<Vec<_>>().join(" ")
}
