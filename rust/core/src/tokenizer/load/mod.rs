//! The files of a tokenizer: `tokenizer.json`, `vocab.txt`, `vocab.json` with `merges.txt`, or SentencePiece's.

mod bert;
mod bpe;
mod casing;
mod load;
mod outline;
mod post_processor;
mod protobuf;
mod sentencepiece;
mod source;
mod special_tokens;

pub use casing::Disagreement;
pub use load::read_tokenizer;
