//! Reads a tokenizer from `tokenizer.json`, or from `vocab.txt` and `tokenizer_config.json`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::added::AddedToken;
use crate::error::{Error, Result};
use crate::normalize::Normalization;
use crate::pool::Pool;
use crate::tokenizer::{Settings, Tokenizer};
use crate::vocab::{SpecialTokens, Vocabulary};

const TOKENIZER: &str = "tokenizer.json";
const VOCABULARY: &str = "vocab.txt";
const CONFIG: &str = "tokenizer_config.json";
/// BERT's own limit.
const MAX_CHARACTERS: usize = 100;

/// Read a tokenizer from a `tokenizer.json`, a `vocab.txt`, or a directory that holds either.
///
/// # Errors
/// `Error::Io`: a file is missing or cannot be read. `Error::File`: a file is malformed, describes
/// another kind of tokenizer, or its vocabulary cannot be used. `Error::Argument`: `threads`.
pub fn read_tokenizer(path: &Path, match_special_tokens: bool, threads: Option<usize>) -> Result<Tokenizer> {
    let pool = Pool::new(threads)?;
    let file = if path.is_dir() { find(path)? } else { path.to_owned() };
    let text = read(&file)?;
    let is_json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let parts = if is_json { from_json(&file, &text)? } else { from_vocabulary(&file, &text)? };
    let in_file = |error| match error {
        Error::Vocabulary(reason) => {
            Error::File { path: file.clone(), reason: format!("the vocabulary {reason}") }
        }
        other => other,
    };
    let added = parts.added_tokens.iter().map(|token| (token.content.clone(), token.id)).collect();
    let vocabulary =
        Vocabulary::new(parts.entries, added, &parts.continuing_prefix, &parts.special).map_err(in_file)?;
    let settings = Settings {
        normalization: parts.normalization,
        max_characters: parts.max_characters,
        added_tokens: parts.added_tokens,
        match_special_tokens,
    };
    Tokenizer::new(vocabulary, settings, pool).map_err(in_file)
}

/// What both kinds of files give.
struct Parts {
    entries: HashMap<String, u32>,
    continuing_prefix: String,
    max_characters: usize,
    special: SpecialTokens,
    normalization: Normalization,
    added_tokens: Vec<AddedToken>,
}

fn find(directory: &Path) -> Result<PathBuf> {
    let candidates = [TOKENIZER, VOCABULARY].map(|name| directory.join(name));
    candidates.into_iter().find(|file| file.is_file()).ok_or_else(|| Error::Io {
        path: directory.to_owned(),
        source: std::io::Error::new(
            std::io::ErrorKind::NotFound,
            format!("holds no tokenizer, expected {TOKENIZER} or {VOCABULARY}"),
        ),
    })
}

fn read(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        refuse(path, format!("is not UTF-8 at byte {}", error.utf8_error().valid_up_to()))
    })?;
    if text.trim().is_empty() { Err(refuse(path, "is empty")) } else { Ok(text) }
}

fn refuse(path: &Path, reason: impl Into<String>) -> Error {
    Error::File { path: path.to_owned(), reason: reason.into() }
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| refuse(path, format!("is not what was expected: {error}")))
}

#[derive(Deserialize)]
struct TokenizerFile {
    model: Value,
    normalizer: Value,
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    added_tokens: Vec<AddedTokenField>,
}

#[derive(Deserialize)]
struct ModelField {
    vocab: HashMap<String, u32>,
    unk_token: String,
    continuing_subword_prefix: String,
    max_input_chars_per_word: usize,
}

#[derive(Deserialize)]
struct NormalizerField {
    clean_text: bool,
    handle_chinese_chars: bool,
    strip_accents: Option<bool>,
    lowercase: bool,
}

#[derive(Deserialize)]
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

/// A field whose `type` must be the one that is supported.
fn typed<T: DeserializeOwned>(path: &Path, field: &str, value: Value, expected: &str) -> Result<T> {
    match value.get("type").and_then(Value::as_str) {
        Some(found) if found == expected => {}
        // Files of tokenizers before 0.8 do not name the model's type.
        None if field == "model" && value.get("continuing_subword_prefix").is_some() => {}
        found => {
            let found = found.map_or_else(|| "none".to_owned(), |found| format!("{found:?}"));
            return Err(refuse(path, format!("{field} has the type {found}, expected {expected:?}")));
        }
    }
    serde_json::from_value(value)
        .map_err(|error| refuse(path, format!("{field} is not what was expected: {error}")))
}

fn from_json(path: &Path, text: &str) -> Result<Parts> {
    let file: TokenizerFile = parse(path, text)?;
    let model: ModelField = typed(path, "model", file.model, "WordPiece")?;
    let normalizer: NormalizerField = typed(path, "normalizer", file.normalizer, "BertNormalizer")?;
    typed::<Value>(path, "pre_tokenizer", file.pre_tokenizer, "BertPreTokenizer")?;
    let (cls, sep) = pair_tokens(path, &file.post_processor)?;
    let mut special = SpecialTokens { unk: model.unk_token, cls, sep, ..SpecialTokens::default() };
    let pads = file.added_tokens.iter().filter(|token| token.special).map(|token| &token.content);
    if let Some(pad) = pads.into_iter().find(|token| token.to_lowercase().contains("pad")) {
        special.pad.clone_from(pad);
    }
    let entries = model.vocab;
    let mut added_tokens: Vec<_> = file.added_tokens.into_iter().map(AddedToken::from).collect();
    for token in &mut added_tokens {
        // The vocabulary's word on its own tokens stands.
        token.id = entries.get(&token.content).copied().unwrap_or(token.id);
    }
    Ok(Parts {
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
    })
}

impl From<AddedTokenField> for AddedToken {
    fn from(field: AddedTokenField) -> AddedToken {
        let AddedTokenField { id, content, special, single_word, lstrip, rstrip, normalized } = field;
        AddedToken { content, id, special, single_word, lstrip, rstrip, normalized }
    }
}

/// The tokens around the texts of a pair, which must be `[CLS] A [SEP] B [SEP]`.
fn pair_tokens(path: &Path, post_processor: &Value) -> Result<(String, String)> {
    let default = SpecialTokens::default();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let found = match post_processor.get("type").and_then(Value::as_str) {
        None => Some((default.cls, default.sep)),
        Some("BertProcessing") => text(&post_processor["cls"][0]).zip(text(&post_processor["sep"][0])),
        Some("TemplateProcessing") => {
            let special = |i: usize| text(&post_processor["pair"][i]["SpecialToken"]["id"]);
            let sequence = |i: usize| text(&post_processor["pair"][i]["Sequence"]["id"]);
            let length = post_processor["pair"].as_array().map(Vec::len);
            let in_order = sequence(1).as_deref() == Some("A") && sequence(3).as_deref() == Some("B");
            (in_order && length == Some(5) && special(2) == special(4))
                .then(|| special(0).zip(special(2)))
                .flatten()
        }
        Some(_) => None,
    };
    found.ok_or_else(|| refuse(path, "post_processor does not make pairs of the form [CLS] A [SEP] B [SEP]"))
}

/// A token in `tokenizer_config.json`: its text, or an object with its `content`.
#[derive(Deserialize)]
#[serde(untagged)]
enum TokenField {
    Text(String),
    Object { content: String },
}

impl TokenField {
    fn text(self) -> String {
        match self {
            TokenField::Text(content) | TokenField::Object { content } => content,
        }
    }
}

#[derive(Deserialize, Default)]
struct ConfigFile {
    do_lower_case: Option<bool>,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: Option<bool>,
    clean_text: Option<bool>,
    unk_token: Option<TokenField>,
    cls_token: Option<TokenField>,
    sep_token: Option<TokenField>,
    pad_token: Option<TokenField>,
    mask_token: Option<TokenField>,
}

fn from_vocabulary(path: &Path, text: &str) -> Result<Parts> {
    let config_path = path.with_file_name(CONFIG);
    let config: ConfigFile = if config_path.is_file() {
        parse(&config_path, &read(&config_path)?)?
    } else {
        ConfigFile::default()
    };
    let mut entries = HashMap::new();
    for (id, line) in text.lines().enumerate() {
        let id = u32::try_from(id).map_err(|_| refuse(path, "has more lines than there are ids"))?;
        entries.insert(line.trim_end().to_owned(), id);
    }
    let default = SpecialTokens::default();
    let or = |field: Option<TokenField>, default: String| field.map_or(default, TokenField::text);
    let special = SpecialTokens {
        unk: or(config.unk_token, default.unk),
        cls: or(config.cls_token, default.cls),
        sep: or(config.sep_token, default.sep),
        pad: or(config.pad_token, default.pad),
    };
    let mask = or(config.mask_token, "[MASK]".into());
    let added = [&special.pad, &special.unk, &special.cls, &special.sep, &mask];
    let added = added.into_iter().filter_map(|content| {
        let id = *entries.get(content)?;
        let content = content.clone();
        let (single_word, lstrip, rstrip, normalized) = (false, false, false, false);
        Some(AddedToken { content, id, special: true, single_word, lstrip, rstrip, normalized })
    });
    let added_tokens = added.collect();
    let lowercase = config.do_lower_case.unwrap_or(true);
    Ok(Parts {
        entries,
        continuing_prefix: "##".into(),
        max_characters: MAX_CHARACTERS,
        special,
        normalization: Normalization {
            clean_text: config.clean_text.unwrap_or(true),
            handle_chinese_chars: config.tokenize_chinese_chars.unwrap_or(true),
            strip_accents: config.strip_accents.unwrap_or(lowercase),
            lowercase,
        },
        added_tokens,
    })
}
