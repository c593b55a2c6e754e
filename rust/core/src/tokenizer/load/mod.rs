//! The files of a tokenizer: `tokenizer.json`, `vocab.txt`, or `vocab.json` with `merges.txt`.

mod bert;
mod bpe;
mod load;
mod outline;
mod post_processor;
mod source;

pub use load::read_tokenizer;
