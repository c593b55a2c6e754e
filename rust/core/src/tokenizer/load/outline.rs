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
#[serde(expecting = "an object with the tokenizer's parts")]
pub(super) struct Outline {
    model: Model,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    pub(super) post_processor: Value,
    #[serde(default)]
    added_tokens: Vec<ListedToken>,
    padding: Option<Padding>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object with the padding's settings")]
struct Padding {
    pad_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object with the model")]
struct Model {
    #[serde(rename = "type")]
    kind: Option<String>,
    continuing_subword_prefix: Option<IgnoredAny>,
    max_input_chars_per_word: Option<IgnoredAny>,
    unk_token: Option<String>,
    unk_id: Option<u32>,
    dropout: Option<f64>,
}

#[derive(Deserialize, Clone)]
#[serde(expecting = "an object with an added token")]
struct ListedToken {
    id: u32,
    #[serde(flatten)]
    token: AddedTokenField,
}

/// An added token without its id.
#[derive(Deserialize, Clone)]
#[serde(expecting = "an object with an added token")]
pub(super) struct AddedTokenField {
    content: String,
    #[serde(default)]
    special: bool,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    normalized: Option<bool>,
}

impl AddedTokenField {
    pub(super) fn with_id(self, id: u32) -> AddedToken {
        let AddedTokenField { content, special, single_word, lstrip, rstrip, normalized } = self;
        let normalized = normalized.unwrap_or(!special);
        AddedToken { content, id, special, single_word, lstrip, rstrip, normalized }
    }
}

impl Outline {
    /// Whether it is WordPiece with BERT's normaliser and pre-tokenizer.
    pub(super) fn is_bert(&self) -> bool {
        let is = |field: &Value, kind: &str| field["type"] == *kind;
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
        self.added_tokens.iter().cloned().map(|ListedToken { id, token }| token.with_id(id)).collect()
    }

    /// Find the special tokens. The unknown one is the model's, or a special token that is named like one; that
    /// of padding is the first that the tokenizer has of: the `stated` one, that of the file's padding, and
    /// special tokens that are named `[PAD]`, `<pad>`, or like them.
    pub(super) fn special_tokens(
        &self,
        stated: Option<String>,
        id: impl Fn(&str) -> Option<u32>,
        token: impl Fn(u32) -> Option<String>,
    ) -> SpecialTokens {
        let special = || self.added_tokens.iter().map(|listed| &listed.token).filter(|token| token.special);
        let named = |fits: &dyn Fn(&str) -> bool| {
            special().find(|token| fits(&token.content)).map(|token| token.content.clone())
        };
        let like = |part: &'static str| named(&|content| content.to_lowercase().contains(part));
        let unk = self.model.unk_token.clone().or_else(|| token(self.model.unk_id?)).or_else(|| like("unk"));
        let padding = self.padding.as_ref().and_then(|padding| padding.pad_token.clone());
        let pad = [stated, padding].into_iter().flatten().find(|token| id(token).is_some());
        let pad = pad
            .or_else(|| named(&|content| matches!(content, "[PAD]" | "<pad>")))
            .or_else(|| like("pad"))
            .unwrap_or_else(|| SpecialTokens::default().pad);
        SpecialTokens { unk, pad }
    }
}
