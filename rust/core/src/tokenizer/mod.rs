//! Text to tokens: vocabulary ids and offsets, equal to those of the Hugging Face `tokenizers` package.
//!
//! [`read_tokenizer`] loads one. BERT's runs on a path of its own, every other on the Hugging Face crate.

pub(crate) mod bert;
mod encode;
mod encodings;
mod huggingface;
mod load;
mod origin;
mod pair_layout;
mod tokenizer;
mod tokens;
mod trie;
mod vocabulary;

pub(crate) use encodings::AnswerOffsets;
pub use encodings::{Encodings, Texts};
pub use load::{Disagreement, read_tokenizer};
pub use origin::{Origin, read_again, share};
pub use pair_layout::PairLayout;
#[cfg(any(test, fuzzing))]
pub(crate) use tokenizer::Engine;
pub use tokenizer::Tokenizer;
#[cfg(any(test, fuzzing))]
pub(crate) use vocabulary::SpecialTokens;
pub use vocabulary::Vocabulary;
