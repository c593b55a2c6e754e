//! Read of a `tokenizer.json` what kind of tokenizer it holds.

use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::error::Result;
use crate::tokenizer::bert::AddedToken;
use crate::tokenizer::load::source::refuse;
use crate::tokenizer::vocabulary::SpecialTokens;

/// The parts of the file that are read before its kind is known; the vocabulary is left out.
#[derive(Deserialize)]
pub(super) struct Outline {
    model: Model,
    normalizer: Option<Typed>,
    pre_tokenizer: Option<Typed>,
    #[serde(default)]
    pub(super) post_processor: Value,
    #[serde(default)]
    added_tokens: Vec<AddedTokenField>,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: Option<String>,
    continuing_subword_prefix: Option<IgnoredAny>,
    max_input_chars_per_word: Option<IgnoredAny>,
    unk_token: Option<String>,
    unk_id: Option<u32>,
    dropout: Option<f64>,
}

#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize, Clone)]
struct AddedTokenField {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    normalized: bool,
}

impl From<AddedTokenField> for AddedToken {
    fn from(field: AddedTokenField) -> AddedToken {
        let AddedTokenField { id, content, special, single_word, lstrip, rstrip, normalized } = field;
        AddedToken { content, id, special, single_word, lstrip, rstrip, normalized }
    }
}

impl Outline {
    /// Whether it is WordPiece with BERT's normaliser and pre-tokenizer.
    pub(super) fn is_bert(&self) -> bool {
        let is = |field: &Option<Typed>, kind| field.as_ref().is_some_and(|field| field.kind == kind);
        let word_piece = match &self.model.kind {
            Some(kind) => kind == "WordPiece",
            // Files of tokenizers before 0.8 do not name the model's type.
            None => {
                self.model.max_input_chars_per_word.is_some()
                    && self.model.continuing_subword_prefix.is_some()
            }
        };
        word_piece && is(&self.normalizer, "BertNormalizer") && is(&self.pre_tokenizer, "BertPreTokenizer")
    }

    /// Refuse what would give the same text other tokens each time.
    pub(super) fn check(&self, path: &Path) -> Result<()> {
        match self.model.dropout {
            Some(dropout) if dropout != 0.0 => Err(refuse(
                path,
                format!("model has the dropout {dropout}, expected none: with it a text's tokens are random"),
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn added_tokens(&self) -> Vec<AddedToken> {
        self.added_tokens.iter().cloned().map(AddedToken::from).collect()
    }

    /// The unknown token is the model's, or a special token that is named like one; the padding token is
    /// named like one.
    pub(super) fn special_tokens(&self, token: impl Fn(u32) -> Option<String>) -> SpecialTokens {
        let named = |part: &str| {
            let mut special = self.added_tokens.iter().filter(|token| token.special);
            special
                .find(|token| token.content.to_lowercase().contains(part))
                .map(|token| token.content.clone())
        };
        let unk = self.model.unk_token.clone().or_else(|| token(self.model.unk_id?)).or_else(|| named("unk"));
        let pad = named("pad").unwrap_or_else(|| SpecialTokens::default().pad);
        SpecialTokens { unk, pad }
    }
}
