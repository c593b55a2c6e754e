//! Extractive question answering without the network: text becomes windows of tokens, logits become
//! answer spans.
//!
//! The stations, in the order of the data: [`text`], [`tokenizer`], [`windows`] and their batches, then, with
//! a model's logits, [`decode`]. Each depends only on those before it.

#![deny(unsafe_code)]

mod cpus;
pub mod decode;
mod error;
mod pool;
mod processor;
#[cfg(any(test, fuzzing))]
pub mod reference;
pub mod text;
pub mod tokenizer;
pub mod windows;

pub use cpus::usable_cpus;
pub use error::{Error, Result, Role};
pub use processor::{instruction_sets, processor_name};
