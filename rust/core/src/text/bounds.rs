//! Find the graphemes and words of a text (Unicode Standard Annex 29), tailored to answers.

use std::ops::Range;

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

use crate::text::offsets::Offset;

/// The least unit of text; answers consist of whole ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// User-perceived characters.
    Grapheme,
    /// Words; where a script has no word boundaries, graphemes.
    Word,
}

/// Bytes of a text at which answers may begin and end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    starts: Vec<u32>,
    ends: Vec<u32>,
}

impl Bounds {
    /// Find the bounds of a text.
    pub(crate) fn new(text: &str, unit: Unit) -> Bounds {
        let mut bounds = Bounds { starts: Vec::new(), ends: Vec::new() };
        for (at, part) in parts(text) {
            if unit == Unit::Word && part.is_ascii() {
                ascii_words(part).for_each(|(start, word)| bounds.add_word(at + start, word));
            } else {
                bounds.add(at, part, unit);
            }
        }
        bounds.add_bound(text.len());
        bounds
    }

    /// Add the bounds of a part of the text.
    fn add(&mut self, at: usize, part: &str, unit: Unit) {
        let mut added = Bounds { starts: Vec::new(), ends: Vec::new() };
        let graphemes = || part.grapheme_indices(true).map(|(start, _)| at + start);
        if unit == Unit::Grapheme {
            graphemes().for_each(|bound| added.add_bound(bound));
        } else {
            part.split_word_bound_indices().for_each(|(start, word)| added.add_word(at + start, word));
            // Some word boundaries lie inside a grapheme, such as before U+0E33 (Thai sara am).
            for bounds in [&mut added.starts, &mut added.ends] {
                let mut whole = graphemes().peekable();
                bounds.retain(|&bound| {
                    while whole.next_if(|&other| other < bound as usize).is_some() {}
                    whole.peek() == Some(&(bound as usize))
                });
            }
        }
        // White space makes a grapheme with a mark behind it; an answer begins with the mark.
        for start in &mut added.starts {
            let first = part[*start as usize - at..].chars().next();
            *start += first.filter(|c| c.is_whitespace()).map_or(0, char::len_utf8) as u32;
        }
        self.starts.append(&mut added.starts);
        self.ends.append(&mut added.ends);
    }

    fn add_bound(&mut self, at: usize) {
        self.starts.push(at as u32);
        self.ends.push(at as u32);
    }

    /// Add the bound before a word, and bounds inside it. The annex holds together what an apostrophe, a colon or
    /// a missing space joins ("Clara's", "l'Isar", "bridge.The"); answers may leave a part of at most two letters,
    /// or what should be another word.
    fn add_word(&mut self, at: usize, word: &str) {
        self.add_bound(at);
        if word.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return;
        }
        for (place, mark) in word.char_indices() {
            let (before, after) = (&word[..place], &word[place + mark.len_utf8()..]);
            let (start, end) = ((at + word.len() - after.len()) as u32, (at + place) as u32);
            match mark {
                '\'' | '\u{2019}' => {
                    if is_short(after) && !after.eq_ignore_ascii_case("t") {
                        self.ends.push(end);
                    }
                    if is_short(before) {
                        self.starts.push(start);
                    }
                }
                ':' => {
                    self.ends.push(end);
                    self.starts.push(start);
                }
                '.' if before.ends_with(char::is_lowercase) && after.starts_with(char::is_uppercase) => {
                    self.ends.push(end);
                    self.starts.push(start);
                }
                _ => {}
            }
        }
    }

    /// Widen a range of bytes to whole units.
    pub(crate) fn widen(&self, [start, end]: Offset) -> Offset {
        let below = self.starts.partition_point(|&bound| bound as i32 <= start);
        let above = self.ends.partition_point(|&bound| (bound as i32) < end);
        let start = below.checked_sub(1).map_or(0, |index| self.starts[index] as i32);
        [start, self.ends.get(above).map_or(end, |&bound| bound as i32)]
    }
}

/// Split a text into parts of ASCII and others, between a space and a letter or digit of ASCII: a word and a
/// grapheme end there whatever is around, and the words of ASCII are found faster.
fn parts(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let bytes = text.as_bytes();
    let is_cut = move |&at: &usize| bytes[at - 1] == b' ' && bytes[at].is_ascii_alphanumeric();
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at;
        let rest = bytes.get(start..).filter(|rest| !rest.is_empty())?;
        at = match rest.iter().position(|byte| !byte.is_ascii()) {
            None => bytes.len(),
            Some(length) => {
                let other = start + length;
                let before = (start + 1..other).rev().find(is_cut);
                before.or_else(|| (other + 1..bytes.len()).find(is_cut)).unwrap_or(bytes.len())
            }
        };
        Some((start, &text[start..at]))
    })
}

/// Split ASCII at its word bounds, as `split_word_bound_indices` does, which looks each character up in tables.
fn ascii_words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let end = ascii_word_end(text.as_bytes(), at)?;
        let word = (at, &text[at..end]);
        at = end;
        Some(word)
    })
}

/// Find the end of the word that begins at a byte; None at the end of the text.
fn ascii_word_end(text: &[u8], at: usize) -> Option<usize> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let run = |is_in: &dyn Fn(u8) -> bool, from: usize| {
        text[from..].iter().position(|&byte| !is_in(byte)).map_or(text.len(), |length| from + length)
    };
    match *text.get(at)? {
        b' ' => Some(run(&|byte| byte == b' ', at)),
        b'\r' if text.get(at + 1) == Some(&b'\n') => Some(at + 2),
        first if is_word(first) => {
            let mut end = run(&is_word, at);
            while let &[before, mark, after, ..] = &text[end - 1..] {
                let joins = match mark {
                    b'\'' | b'.' => {
                        before.is_ascii_alphabetic() && after.is_ascii_alphabetic()
                            || before.is_ascii_digit() && after.is_ascii_digit()
                    }
                    b':' => before.is_ascii_alphabetic() && after.is_ascii_alphabetic(),
                    b',' | b';' => before.is_ascii_digit() && after.is_ascii_digit(),
                    _ => false,
                };
                if !joins {
                    break;
                }
                end = run(&is_word, end + 1);
            }
            Some(end)
        }
        _ => Some(at + 1),
    }
}

fn is_short(part: &str) -> bool {
    matches!(part.chars().take(3).count(), 1 | 2)
}

/// Widen a range of bytes to whole graphemes.
pub(crate) fn whole_graphemes(text: &str, range: Range<usize>) -> Range<usize> {
    // The text is there in one piece, so that a cursor has no reason to fail.
    let cursor = |at| GraphemeCursor::new(at, text.len(), true);
    let is_bound = |at| cursor(at).is_boundary(text, 0).unwrap_or(true);
    let start = if is_bound(range.start) { None } else { cursor(range.start).prev_boundary(text, 0).ok() };
    let end = if is_bound(range.end) { None } else { cursor(range.end).next_boundary(text, 0).ok() };
    // White space makes a grapheme with a mark behind it; an answer begins with the mark.
    let white = |at: usize| text[at..].chars().next().filter(|c| c.is_whitespace()).map_or(0, char::len_utf8);
    let start = start.flatten().map_or(range.start, |at| at + white(at));
    start..end.flatten().unwrap_or(range.end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn words_of_ascii_are_those_of_the_annex(text in "[a-b0-1_ .,;:'\"\r\n\t\u{B}\u{C}\u{7F}-]{0,40}|[\u{0}-\u{7F}]{0,40}") {
            let found: Vec<_> = ascii_words(&text).collect();
            let expected: Vec<_> = text.split_word_bound_indices().collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn parts_end_where_words_and_graphemes_do(
            text in "([ab0-1 '.:\u{e9}\u{301}\u{200d}\u{600}\u{e33}]|\u{1f1e9}|\u{1f469}| [a0]|\\PC){0,40}"
        ) {
            let whole: Vec<_> = text.split_word_bound_indices().collect();
            let words = |(at, part): (usize, &str)| {
                part.split_word_bound_indices().map(|(start, word)| (at + start, word.to_owned())).collect::<Vec<_>>()
            };
            let found: Vec<_> = parts(&text).flat_map(words).collect();
            prop_assert_eq!(found.iter().map(|(at, word)| (*at, word.as_str())).collect::<Vec<_>>(), whole);
            let graphemes: Vec<_> = parts(&text).flat_map(|(_, part)| part.graphemes(true)).collect();
            prop_assert_eq!(graphemes, text.graphemes(true).collect::<Vec<_>>());
        }
    }

    #[test]
    fn parts_of_ascii_are_as_long_as_may_be() {
        let found: Vec<_> = parts("in the Café of Höß ( 7 km").map(|(_, part)| part).collect();
        assert_eq!(found, ["in the ", "Café ", "of ", "Höß ( ", "7 km"]);
    }

    #[test]
    fn whole_words_and_graphemes() {
        let cases = [
            ("the footbridge", 4..8, "footbridge"),
            ("for 1,250.75 euros", 4..5, "1,250.75"),
            ("in the U.S. today", 7..8, "U.S"),
            ("Jose\u{301}", 0..4, "Jose\u{301}"),
            ("Clara's hat", 0..5, "Clara"),
            ("l'Isar", 2..6, "Isar"),
            ("do we? don't", 7..10, "don't"),
            ("WE DON'T GO", 3..6, "DON'T"),
            ("the bridge.The end", 4..10, "bridge"),
            ("a ❤\u{fe0f} b", 2..5, "❤\u{fe0f}"),
            ("東京都", 3..6, "京"),
            ("नमस्ते दुनिया", 0..6, "नमस्ते"),
            ("well-known", 5..10, "known"),
            ("Al \u{200d}x", 3..7, "\u{200d}x"),
        ];
        for (text, range, expected) in cases {
            let bounds = Bounds::new(text, Unit::Word);
            let [start, end] = bounds.widen([range.start, range.end]);
            assert_eq!(&text[start as usize..end as usize], expected, "{text:?}");
        }
        assert_eq!(whole_graphemes("xe\u{301}e\u{301}y", 1..5), 1..7);
        assert_eq!(whole_graphemes("a \u{301}\u{302}b", 4..6), 2..6);
        assert_eq!(whole_graphemes("a \u{301}\u{302}b", 1..4), 1..6);
        assert_eq!(Bounds::new("Jose\u{301}", Unit::Grapheme).widen([1, 4]), [1, 6]);
    }
}
