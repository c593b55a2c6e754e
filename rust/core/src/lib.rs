//! Extractive question answering without the network: text becomes windows of tokens, logits become
//! answer spans.
//!
//! The stations, in the order of the data: [`tokenizer`] (on [`normalize`], `pretokenize`,
//! `wordpiece`), [`windows`], [`features`], then, with a model's logits, [`decode`].

#![deny(unsafe_code)]

mod added;
mod cache;
mod character;
pub mod decode;
mod encode;
pub mod encoding;
pub mod error;
pub mod features;
pub mod files;
mod mask;
pub mod normalize;
#[cfg(any(test, fuzzing))]
pub mod obvious;
pub mod pool;
mod pretokenize;
mod project;
mod runs;
mod scan;
pub mod tokenizer;
mod trie;
pub mod vocab;
pub mod windows;
mod wordpiece;

pub use added::AddedToken;
pub use error::{Error, Result, Role};
