//! Split normalised text into words at white space and punctuation.

use crate::tokenizer::bert::character::Properties;
use crate::tokenizer::bert::normalize::{Aligned, Normalization};

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

/// Normalise a text and join its words by one blank each, as Google's `BasicTokenizer` does.
pub(crate) fn basic_tokens(text: &str, normalization: &Normalization) -> String {
    let mut aligned = Vec::new();
    normalization.apply(text, &mut aligned);
    let mut tokens = String::with_capacity(text.len() + 16);
    words(&aligned, |word| {
        if !tokens.is_empty() {
            tokens.push(' ');
        }
        tokens.extend(word.iter().map(|aligned| aligned.char));
    });
    tokens
}
