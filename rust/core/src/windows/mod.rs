//! Windows: a question and a part of its context each, in the tokenizer's layout of pairs, and batches of
//! them.

mod batch;
mod inputs;
mod options;
mod selection;
mod windows;

pub use batch::Batch;
pub use inputs::{Context, ContextInput};
pub use options::{Convention, WindowOptions};
pub use windows::Windows;
