//! Find the sentences of a text (Unicode Standard Annex 29), tailored to answers.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::error::{Error, Result};
use crate::text::offsets::character_range;

/// Find the bytes at which sentences begin; their white space is at their ends.
///
/// The annex ends a sentence at each line break and after each abbreviation. Here lines that are not followed
/// by an empty one go on, unless they end as sentences do, and known abbreviations and initials end none.
pub(crate) fn sentence_starts(text: &str) -> Vec<u32> {
    let mut starts = vec![0];
    let mut reached = 0;
    for piece in pieces(text) {
        let bounds = text[piece.clone()].split_sentence_bound_indices().map(|(at, _)| piece.start + at);
        for at in bounds.filter(|&at| at > 0) {
            // White space behind a sentence has a bound at each of its line breaks.
            if at < reached {
                continue;
            }
            reached = text.len() - text[at..].trim_start().len();
            let is_new = starts.last().is_none_or(|&last| (last as usize) < reached);
            if reached < text.len() && is_new && ends_sentence(text, reached, at > piece.start) {
                starts.push(reached as u32);
            }
        }
    }
    starts
}

/// Characters without a letter or digit among them after which a text is cut for the annex's rules.
const LONGEST_GAP: usize = 128;

/// Cut a text into parts that the annex's rules are applied to. To find a bound they look back over all
/// that is neither letter nor digit, at each character of it: 20,000 blanks take them seconds.
fn pieces(text: &str) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let (mut begin, mut gap) = (0, 0);
    for (at, c) in text.char_indices() {
        gap = if c.is_alphanumeric() { 0 } else { gap + 1 };
        if gap == LONGEST_GAP {
            pieces.push(begin..at);
            (begin, gap) = (at, 0);
        }
    }
    pieces.push(begin..text.len());
    pieces
}

/// Whether a sentence ends before byte `next`, where another may begin; `is_bound`: by the annex it does.
fn ends_sentence(text: &str, next: usize, is_bound: bool) -> bool {
    let before = text[..next].trim_end();
    let gap = &text[before.len()..next];
    let lines = gap.matches(['\n', '\r']).count() - gap.matches("\r\n").count();
    if gap.contains(['\u{2029}', '\u{c}']) || lines > 1 {
        return true;
    }
    let closed = before.trim_end_matches(is_closer);
    let Some(terminator) = closed.chars().next_back() else {
        return false;
    };
    if terminator != '.' {
        return "!?\u{2026}\u{3002}\u{FF01}\u{FF1F}\u{61F}\u{6D4}\u{964}\u{965}\u{589}\u{1362}"
            .contains(terminator)
            || (is_bound && !gap.contains(['\n', '\r', '\u{85}', '\u{2028}']));
    }
    let body = closed.trim_end_matches('.');
    // Without white space, as in Chinese, the word would be the text so far, at each full stop.
    let from = body.char_indices().rev().nth(LONGEST_ABBREVIATION).map_or(0, |(at, _)| at);
    let word = body[from..].rsplit(char::is_whitespace).next().unwrap_or_default();
    let is_whole = from == 0 || word.len() < body.len() - from;
    !(is_whole && is_abbreviation(word.trim_start_matches(|c: char| !c.is_alphanumeric())))
}

/// Characters of an abbreviation at most, with the points inside it and marks before it.
const LONGEST_ABBREVIATION: usize = 32;

/// Closing marks between the end of a sentence and the space behind it.
fn is_closer(c: char) -> bool {
    matches!(c, '"' | '\'' | ')' | ']' | '}' | '\u{2019}' | '\u{201D}' | '\u{BB}')
}

/// Abbreviations that names and numbers follow; those of titles, months and the like are capitalised.
const ABBREVIATIONS: [&str; 44] = [
    "Adm", "Apr", "Art", "Assn", "Aug", "Ave", "Bros", "Capt", "Col", "Corp", "Dec", "Dept", "Dr", "Feb",
    "Fig", "Gen", "Gov", "Hon", "Jan", "Jr", "Ltd", "Maj", "Mar", "Messrs", "Mr", "Mrs", "Ms", "Mt", "Nov",
    "Oct", "Prof", "Rep", "Rev", "Sen", "Sept", "Sgt", "Sr", "St", "Univ", "Vol", "approx", "cf", "est",
    "vs",
];

fn is_abbreviation(word: &str) -> bool {
    let is_initials = || {
        word.split('.').all(|part| part.chars().count() <= 2 && part.chars().all(char::is_alphabetic))
            && (word.contains('.') || (word.chars().count() == 1 && word.chars().all(char::is_uppercase)))
    };
    ABBREVIATIONS.contains(&word) || is_initials()
}

/// Find the sentences that a range of characters touches, in characters, without white space around them.
///
/// # Errors
/// `Error::Argument`: the range is reversed or extends past the end of the text.
pub fn sentence_around(text: &str, range: Range<usize>) -> Result<Range<usize>> {
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let byte = |character| ends.clone().nth(character);
    let expected = || format!("start <= end within the text's {} characters", ends.clone().count() - 1);
    match (byte(range.start), byte(range.end)) {
        (Some(start), Some(end)) if start <= end => {
            let found = character_range(text, around(text, start..end));
            Ok(found.start as usize..found.end as usize)
        }
        _ => Err(Error::argument("the range", format!("{} to {}", range.start, range.end), expected())),
    }
}

/// Find the sentences that a range of bytes touches. Empty lines end sentences, so that only the paragraph
/// around the range is looked at.
fn around(text: &str, range: Range<usize>) -> Range<usize> {
    let begin = text[..range.start].rfind("\n\n").map_or(0, |at| at + 2);
    let end = text[range.end..].find("\n\n").map_or(text.len(), |at| range.end + at + 2);
    let found = within(&text[begin..end], range.start - begin..range.end - begin);
    begin + found.start..begin + found.end
}

fn within(text: &str, range: Range<usize>) -> Range<usize> {
    let starts = sentence_starts(text);
    let first = starts.partition_point(|&start| start as usize <= range.start).saturating_sub(1);
    let behind = starts.partition_point(|&start| (start as usize) < range.end).max(first + 1);
    let start = starts.get(first).map_or(0, |&start| start as usize);
    let end = starts.get(behind).map_or(text.len(), |&end| end as usize);
    let start = (end - text[start..end].trim_start().len()).min(range.start);
    start..(start + text[start..end].trim_end().len()).max(range.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(text: &str) -> Vec<&str> {
        let starts = sentence_starts(text);
        let ends = starts[1..].iter().copied().chain([text.len() as u32]);
        starts.iter().zip(ends).map(|(&start, end)| text[start as usize..end as usize].trim_end()).collect()
    }

    #[test]
    fn sentences_are_those_of_a_reader() {
        for (text, expected) in [
            ("It rose. It fell!  Why? ", vec!["It rose.", "It fell!", "Why?"]),
            (
                "Dr. Höß met J. Smith of the U.S. Army in St. Louis. He left.",
                vec!["Dr. Höß met J. Smith of the U.S. Army in St. Louis.", "He left."],
            ),
            ("a line\nthat goes on\n\na new one", vec!["a line\nthat goes on", "a new one"]),
            ("He said \"no.\" She left.", vec!["He said \"no.\"", "She left."]),
            ("one.\nTwo.\r\nThree", vec!["one.", "Two.", "Three"]),
            ("東京。大阪。", vec!["東京。", "大阪。"]),
            ("3.5 is more", vec!["3.5 is more"]),
            ("", vec![""]),
        ] {
            assert_eq!(sentences(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_sentence_around_a_span_holds_it() {
        let text = "  It rose.  It fell. ";
        for start in 0..=text.len() {
            for end in start..=text.len() {
                let found = around(text, start..end);
                assert!(found.start <= start && end <= found.end, "{start}..{end}: {found:?}");
            }
        }
        assert_eq!(&text[around(text, 5..9)], "It rose.");
        let paragraphs = "One. Two\n\nIt rose.  It fell.\nIt\n\nThree. Four";
        for start in 0..=paragraphs.len() {
            for end in start..=paragraphs.len() {
                assert_eq!(around(paragraphs, start..end), within(paragraphs, start..end), "{start}..{end}");
            }
        }
        assert_eq!(&text[around(text, 9..13)], "It rose.  It fell.");
        assert_eq!(&text[around(text, 12..14)], "It fell.");
        assert_eq!(sentence_around("Höß ging. Er fiel.", 10..12).unwrap(), 10..18);
        for (start, end) in [(3, 2), (0, 99), (99, 99)] {
            assert!(sentence_around("Höß", start..end).unwrap_err().to_string().contains("3 characters"));
        }
    }

    #[test]
    fn time_is_linear_in_what_is_no_word() {
        for part in [" ", "\n", ")", ".", "\u{301}", "\u{3000}"] {
            let text = format!("Bob built it.{}Al came. He left.", part.repeat(300_000));
            let starts = sentence_starts(&text);
            assert_eq!(&text[*starts.last().unwrap() as usize..], "He left.");
        }
        let gap = " ".repeat(3 * LONGEST_GAP);
        assert_eq!(sentence_starts(&format!("It fell.{gap}He left")), [0, 8 + gap.len() as u32]);
        assert_eq!(sentence_starts(&format!("It fell{gap}on him")), [0]);
        assert_eq!(sentence_starts(&format!("It fell -{} there", "-".repeat(500))), [0]);
    }
}
