//! Extractive question answering without the network: text becomes windows of tokens, logits become
//! answer spans.
//!
//! The stations, in the order of the data: [`tokenizer`] ([`bert`] on [`normalize`], `pretokenize`,
//! `wordpiece`; [`library`] for every other kind), [`windows`] in the tokenizer's [`layout`],
//! [`features`], then, with a model's logits, [`decode`].

#![deny(unsafe_code)]

mod added;
pub mod bert;
mod cache;
mod character;
pub mod decode;
mod encode;
pub mod encoding;
pub mod error;
pub mod features;
pub mod files;
pub mod layout;
pub mod library;
mod mask;
pub mod normalize;
#[cfg(any(test, fuzzing))]
pub mod obvious;
pub mod pool;
mod pretokenize;
mod project;
mod runs;
mod scan;
mod scratch;
pub mod segment;
pub mod tokenizer;
mod trie;
pub mod vocab;
pub mod windows;
mod wordpiece;

pub use added::AddedToken;
pub use error::{Error, Result, Role};
