//! Whitespace and punctuation.

use crate::character::Properties;
use crate::normalize::Aligned;

/// Call `word` with each word: a run without white space, or one punctuation character.
pub(crate) fn words(text: &[Aligned], mut word: impl FnMut(&[Aligned])) {
    let mut begin = 0;
    for (i, aligned) in text.iter().enumerate() {
        let properties = Properties::of(aligned.char);
        let punctuation = properties.is_punctuation();
        if !(punctuation || properties.is_whitespace()) {
            continue;
        }
        if begin < i {
            word(&text[begin..i]);
        }
        if punctuation {
            word(&text[i..=i]);
        }
        begin = i + 1;
    }
    if begin < text.len() {
        word(&text[begin..]);
    }
}
