//! Read BERT's tokenizer: `tokenizer.json` with WordPiece, or `vocab.txt` and `tokenizer_config.json`; and
//! MPNet's, which has RoBERTa's special tokens and pairs.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::Result;
use crate::tokenizer::bert::AddedToken;
use crate::tokenizer::bert::Normalization;
use crate::tokenizer::bert::{Bert, Settings};
use crate::tokenizer::load::outline::Outline;
use crate::tokenizer::load::post_processor::Template;
use crate::tokenizer::load::source::{CONFIG, Source, beside, model_type, parse, refuse};
use crate::tokenizer::load::special_tokens::{self as settings, Defaults};
use crate::tokenizer::tokenizer::Engine;
use crate::tokenizer::vocabulary::{SpecialTokens, Vocabulary};

/// BERT's own limit.
const MAX_CHARACTERS: usize = 100;

/// The parts that both kinds of files give.
struct Parts {
    entries: HashMap<String, u32>,
    continuing_prefix: String,
    max_characters: usize,
    special: SpecialTokens,
    normalization: Normalization,
    added_tokens: Vec<AddedToken>,
}

impl Parts {
    fn engine(self, source: &Source<'_>, threads: usize) -> Result<Engine> {
        let added = self.added_tokens.iter().map(|token| (token.content.clone(), token.id)).collect();
        let vocabulary = Vocabulary::new(self.entries, added, &self.continuing_prefix, &self.special);
        let settings = Settings {
            normalization: self.normalization,
            max_characters: self.max_characters,
            added_tokens: self.added_tokens,
            match_special_tokens: source.match_special_tokens,
        };
        let bert = vocabulary.and_then(|vocabulary| Bert::new(vocabulary, settings, threads));
        Ok(Engine::Bert(Box::new(bert.map_err(|error| source.in_file(error))?)))
    }
}

const DEFAULTS: Defaults = Defaults {
    unk: "[UNK]",
    cls: "[CLS]",
    sep: "[SEP]",
    pad: "[PAD]",
    mask: "[MASK]",
    mask_takes_white_space: false,
};

const MPNET: Defaults = Defaults {
    unk: "[UNK]",
    cls: "<s>",
    sep: "</s>",
    pad: "<pad>",
    mask: "<mask>",
    mask_takes_white_space: true,
};

#[derive(Deserialize)]
struct TokenizerFile {
    model: Model,
    normalizer: Normalizer,
}

#[derive(Deserialize)]
#[serde(expecting = "an object with the model")]
struct Model {
    vocab: HashMap<String, u32>,
    unk_token: String,
    continuing_subword_prefix: String,
    max_input_chars_per_word: usize,
}

#[derive(Deserialize)]
#[serde(expecting = "an object with the normalizer")]
struct Normalizer {
    clean_text: bool,
    handle_chinese_chars: bool,
    strip_accents: Option<bool>,
    lowercase: bool,
}

/// Read a `tokenizer.json`.
pub(super) fn from_tokenizer(
    source: &Source<'_>,
    outline: &Outline,
    threads: usize,
) -> Result<(Engine, Template)> {
    let TokenizerFile { model, normalizer } = parse(source.file, source.text)?;
    let template = Template::parse(source.file, &outline.post_processor)?;
    let entries = model.vocab;
    let mut added_tokens = outline.added_tokens();
    let id = |token: &str| {
        let added = || added_tokens.iter().find(|added| added.content == token).map(|added| added.id);
        entries.get(token).copied().or_else(added)
    };
    let mut special = outline.special_tokens(settings::stated_padding(source.file)?, id, |_| None);
    special.unk = Some(model.unk_token);
    let field = &outline.post_processor;
    let trims = field["type"] == "RobertaProcessing" && field["trim_offsets"] != false;
    for token in &mut added_tokens {
        // The vocabulary's word on its own tokens stands.
        token.id = entries.get(&token.content).copied().unwrap_or(token.id);
        if trims {
            // White space that a token takes in is counted off again, and makes no token of its own.
            (token.lstrip, token.rstrip) = (false, false);
        }
    }
    let parts = Parts {
        entries,
        continuing_prefix: model.continuing_subword_prefix,
        max_characters: model.max_input_chars_per_word,
        special,
        normalization: Normalization {
            clean_text: normalizer.clean_text,
            handle_chinese_chars: normalizer.handle_chinese_chars,
            strip_accents: normalizer.strip_accents.unwrap_or(normalizer.lowercase),
            lowercase: normalizer.lowercase,
        },
        added_tokens,
    };
    Ok((parts.engine(source, threads)?, template))
}

#[derive(Deserialize, Default)]
#[serde(expecting = "an object with the tokenizer's settings")]
struct ConfigFile {
    tokenizer_class: Option<String>,
    do_lower_case: Option<bool>,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: Option<bool>,
    clean_text: Option<bool>,
}

/// Read a `vocab.txt`, with the settings beside it.
pub(super) fn from_vocabulary(source: &Source<'_>, threads: usize) -> Result<(Engine, Template)> {
    if is_json(source.text) {
        return Err(refuse(
            source.file,
            "is JSON, expected a vocabulary with a token in each line; JSON is read \
             from a tokenizer.json, or a vocab.json with a merges.txt",
        ));
    }
    let config: ConfigFile = beside(source.file, CONFIG)?;
    let mut entries = HashMap::new();
    // A line ends as Python's do.
    let text = source.text.replace("\r\n", "\n").replace('\r', "\n");
    for (id, line) in text.lines().enumerate() {
        let id = u32::try_from(id).map_err(|_| refuse(source.file, "has more lines than there are ids"))?;
        entries.insert(line.trim_end().to_owned(), id);
    }
    let is_mpnet = is_mpnet(source.file, &config)?;
    let defaults = if is_mpnet { &MPNET } else { &DEFAULTS };
    let tokens = settings::SpecialTokens::read(source.file, &entries, defaults)?;
    let lowercase = config.do_lower_case.unwrap_or(true);
    let parts = Parts {
        entries,
        continuing_prefix: "##".into(),
        max_characters: MAX_CHARACTERS,
        special: SpecialTokens { unk: Some(tokens.unk), pad: tokens.pad },
        normalization: Normalization {
            clean_text: config.clean_text.unwrap_or(true),
            handle_chinese_chars: config.tokenize_chinese_chars.unwrap_or(true),
            strip_accents: config.strip_accents.unwrap_or(lowercase),
            lowercase,
        },
        added_tokens: tokens.added,
    };
    let template = if is_mpnet { Template::mpnet } else { Template::bert };
    Ok((parts.engine(source, threads)?, template(&tokens.cls, &tokens.sep)))
}

/// Whether a vocabulary is MPNet's, which holds BERT's special tokens too: by the tokenizer's class, or else by
/// the model beside it.
fn is_mpnet(vocabulary: &Path, config: &ConfigFile) -> Result<bool> {
    match &config.tokenizer_class {
        Some(class) => Ok(class.starts_with("MPNetTokenizer")),
        None => Ok(model_type(vocabulary)?.is_some_and(|kind| kind == "mpnet")),
    }
}

/// Whether a text is JSON, or the beginning of it.
fn is_json(text: &str) -> bool {
    text.starts_with(['{', '['])
        && serde_json::from_str::<IgnoredAny>(text).map_or_else(|error| error.is_eof(), |_| true)
}
