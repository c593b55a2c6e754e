//! A tokenizer of any kind, and what all kinds have: vocabulary, layout of pairs, threads.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::bert::Bert;
use crate::encoding::Encodings;
use crate::layout::PairLayout;
use crate::library::Library;
use crate::normalize::Normalization;
use crate::pool::Pool;
use crate::vocab::Vocabulary;

/// Turns texts into ids and offsets, which are equal to those of the Hugging Face `tokenizers` package.
#[derive(Debug)]
pub struct Tokenizer {
    /// Tells the encodings of one tokenizer from those of another.
    identity: u64,
    engine: Engine,
    layout: PairLayout,
    pool: Pool,
}

/// What makes tokens of a text.
#[derive(Debug)]
pub enum Engine {
    /// BERT's tokenizer.
    Bert(Box<Bert>),
    /// Any other.
    Library(Box<Library>),
}

impl Tokenizer {
    /// Build from its parts.
    pub fn new(engine: Engine, layout: PairLayout, pool: Pool) -> Tokenizer {
        static IDENTITIES: AtomicU64 = AtomicU64::new(1);
        Tokenizer { identity: IDENTITIES.fetch_add(1, Ordering::Relaxed), engine, layout, pool }
    }

    /// The vocabulary.
    pub fn vocabulary(&self) -> &Vocabulary {
        match &self.engine {
            Engine::Bert(bert) => &bert.wordpiece.vocabulary,
            Engine::Library(library) => library.vocabulary(),
        }
    }

    /// What stands around the two texts of a pair.
    pub fn layout(&self) -> &PairLayout {
        &self.layout
    }

    /// The threads of batch calls.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Whether this tokenizer made the encodings.
    pub fn made(&self, encodings: &Encodings) -> bool {
        encodings.tokenizer == self.identity
    }

    pub(crate) fn identity(&self) -> u64 {
        self.identity
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What BERT's tokenizer does to a text before it splits it; None for other kinds.
    pub(crate) fn normalization(&self) -> Option<&Normalization> {
        match &self.engine {
            Engine::Bert(bert) => Some(&bert.normalization),
            Engine::Library(_) => None,
        }
    }

    /// Whether tokens may take in the white space around their words.
    pub(crate) fn takes_white_space(&self) -> bool {
        matches!(self.engine, Engine::Library(_))
    }
}
