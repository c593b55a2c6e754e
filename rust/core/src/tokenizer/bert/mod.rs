//! BERT's tokenizer (Devlin et al. 2019, arXiv 1810.04805): normalisation, pre-tokenization, WordPiece.

mod added_tokens;
mod bert;
mod character;
mod normalize;
mod pretokenize;
mod runs;
mod scratch;
#[cfg(test)]
mod tests;
mod word_cache;
mod wordpiece;

pub(crate) use added_tokens::AddedToken;
pub(crate) use bert::{Bert, Settings};
pub(crate) use normalize::Normalization;
pub(crate) use pretokenize::basic_tokens;
#[cfg(any(test, fuzzing))]
pub(crate) use pretokenize::words;
