//! A tokenizer of any kind, and what all kinds have: vocabulary, layout of pairs, threads.

use crate::pool::Pool;
use crate::tokenizer::bert::Bert;
use crate::tokenizer::bert::Normalization;
use crate::tokenizer::encodings::Encodings;
use crate::tokenizer::huggingface::HuggingFace;
use crate::tokenizer::origin::Origin;
use crate::tokenizer::pair_layout::PairLayout;
use crate::tokenizer::vocabulary::Vocabulary;

/// Splits texts into tokens, whose ids and offsets are equal to those of the Hugging Face `tokenizers`
/// package.
#[derive(Debug)]
pub struct Tokenizer {
    origin: Origin,
    engine: Engine,
    layout: PairLayout,
    pool: Pool,
}

/// The implementation that makes tokens of a text.
#[derive(Debug)]
pub(crate) enum Engine {
    /// BERT's tokenizer.
    Bert(Box<Bert>),
    /// Any other.
    HuggingFace(Box<HuggingFace>),
}

impl Engine {
    pub(crate) fn vocabulary(&self) -> &Vocabulary {
        match self {
            Engine::Bert(bert) => &bert.wordpiece.vocabulary,
            Engine::HuggingFace(huggingface) => huggingface.vocabulary(),
        }
    }
}

impl Tokenizer {
    /// Build from its parts.
    pub(crate) fn new(origin: Origin, engine: Engine, layout: PairLayout, pool: Pool) -> Tokenizer {
        Tokenizer { origin, engine, layout, pool }
    }

    /// The files that it was read from, and how.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The vocabulary.
    pub fn vocabulary(&self) -> &Vocabulary {
        self.engine.vocabulary()
    }

    /// The special tokens around the two texts of a pair.
    pub fn layout(&self) -> &PairLayout {
        &self.layout
    }

    /// The name of the model that splits words into tokens.
    pub fn model(&self) -> &'static str {
        match &self.engine {
            Engine::Bert(_) => "WordPiece",
            Engine::HuggingFace(huggingface) => huggingface.model(),
        }
    }

    /// Threads that a batch call may use.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Whether this tokenizer, or one of the same files, made the encodings.
    pub(crate) fn made(&self, encodings: &Encodings) -> bool {
        encodings.tokenizer == self.origin.identity
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// BERT's normalisation; None for other kinds.
    pub(crate) fn normalization(&self) -> Option<&Normalization> {
        match &self.engine {
            Engine::Bert(bert) => Some(&bert.normalization),
            Engine::HuggingFace(_) => None,
        }
    }

    /// Whether the offsets of a sequence's first token take in one blank before its word.
    pub(crate) fn keeps_first_blank(&self) -> bool {
        matches!(&self.engine, Engine::HuggingFace(huggingface) if huggingface.keeps_first_blank())
    }

    /// Whether tokens may take in the white space around their words.
    pub(crate) fn takes_white_space(&self) -> bool {
        matches!(self.engine, Engine::HuggingFace(_))
    }
}
