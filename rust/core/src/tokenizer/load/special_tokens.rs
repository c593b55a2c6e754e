//! Read the special and added tokens of a vocabulary from the files beside it, as transformers does.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::Result;
use crate::tokenizer::bert::AddedToken;
use crate::tokenizer::load::outline::AddedTokenField;
use crate::tokenizer::load::source::{CONFIG, beside, refuse};
use crate::tokenizer::vocabulary::MAX_ID;

const MAP: &str = "special_tokens_map.json";
const ADDED: &str = "added_tokens.json";

/// The tokens of a kind of tokenizer, where no file names others.
pub(super) struct Defaults {
    pub(super) unk: &'static str,
    pub(super) cls: &'static str,
    pub(super) sep: &'static str,
    pub(super) pad: &'static str,
    pub(super) mask: &'static str,
    /// Whether a mask stands for a word with the white space before it.
    pub(super) mask_takes_white_space: bool,
}

/// The special and the added tokens of a vocabulary.
pub(super) struct SpecialTokens {
    pub(super) unk: String,
    pub(super) cls: String,
    pub(super) sep: String,
    pub(super) pad: String,
    /// All that are matched in texts, in the order of their ids.
    pub(super) added: Vec<AddedToken>,
    /// The file that gives ids to tokens outside of the vocabulary.
    pub(super) file: PathBuf,
}

/// `tokenizer_config.json` or `special_tokens_map.json`.
#[derive(Deserialize, Default)]
#[serde(expecting = "an object with the tokenizer's settings")]
struct TokensFile {
    unk_token: Option<TokenField>,
    cls_token: Option<TokenField>,
    sep_token: Option<TokenField>,
    pad_token: Option<TokenField>,
    mask_token: Option<TokenField>,
    additional_special_tokens: Option<Vec<TokenField>>,
    added_tokens_decoder: Option<BTreeMap<u32, AddedTokenField>>,
}

/// What of the same files is read beside a `tokenizer.json`, which has the other tokens itself.
#[derive(Deserialize, Default)]
#[serde(expecting = "an object with the tokenizer's settings")]
struct PaddingFile {
    pad_token: Option<TokenField>,
    added_tokens_decoder: Option<IgnoredAny>,
}

/// Find the padding token that the files beside a `tokenizer.json` name, in the order of [`SpecialTokens::read`].
///
/// # Errors
/// `Error::Io`, `Error::File`: a file cannot be read.
pub(super) fn stated_padding(file: &Path) -> Result<Option<String>> {
    let config: PaddingFile = beside(file, CONFIG)?;
    let map = match config.added_tokens_decoder {
        Some(_) => PaddingFile::default(),
        None => beside(file, MAP)?,
    };
    Ok(map.pad_token.or(config.pad_token).map(TokenField::text))
}

/// A token: its text, or an object with it.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a token, or an object with its content")]
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

impl SpecialTokens {
    /// Read the tokens of a vocabulary. Where `tokenizer_config.json` lists the added tokens
    /// (`added_tokens_decoder`), it alone is read; in older directories they are in `added_tokens.json`, and
    /// `special_tokens_map.json` comes before the settings.
    ///
    /// # Errors
    /// `Error::Io`, `Error::File`: a file cannot be read, or an id is another token's.
    pub(super) fn read(
        vocabulary: &Path,
        entries: &HashMap<String, u32>,
        defaults: &Defaults,
    ) -> Result<SpecialTokens> {
        let config: TokensFile = beside(vocabulary, CONFIG)?;
        let map = match config.added_tokens_decoder {
            Some(_) => TokensFile::default(),
            None => beside(vocabulary, MAP)?,
        };
        let token = |first: Option<TokenField>, then: Option<TokenField>, default: &str| {
            first.or(then).map_or_else(|| default.to_owned(), TokenField::text)
        };
        let unk = token(map.unk_token, config.unk_token, defaults.unk);
        let cls = token(map.cls_token, config.cls_token, defaults.cls);
        let sep = token(map.sep_token, config.sep_token, defaults.sep);
        let pad = token(map.pad_token, config.pad_token, defaults.pad);
        let mask = token(map.mask_token, config.mask_token, defaults.mask);
        let others = map.additional_special_tokens.or(config.additional_special_tokens).unwrap_or_default();
        let mut special: Vec<String> = [&pad, &unk, &cls, &sep, &mask].map(String::clone).into();
        special.extend(others.into_iter().map(TokenField::text));
        let (file, mut added) = match config.added_tokens_decoder {
            Some(tokens) => (CONFIG, tokens.into_iter().map(|(id, token)| token.with_id(id)).collect()),
            None => (ADDED, listed(beside(vocabulary, ADDED)?, &special)),
        };
        let file = vocabulary.with_file_name(file);
        for token in &mut added {
            // The vocabulary's word on its own tokens stands.
            token.id = entries.get(&token.content).copied().unwrap_or(token.id);
        }
        for content in special {
            if let Some(&id) = entries.get(&content)
                && added.iter().all(|token| token.content != content)
            {
                let lstrip = defaults.mask_takes_white_space && content == mask;
                added.push(AddedToken { lstrip, ..plain(content, id, true) });
            }
        }
        added.retain(|token| !token.content.is_empty());
        added.sort_by_key(|token| token.id);
        check(&added, entries, &file)?;
        Ok(SpecialTokens { unk, cls, sep, pad, added, file })
    }
}

/// List the tokens of an `added_tokens.json`.
fn listed(ids: BTreeMap<String, u32>, special: &[String]) -> Vec<AddedToken> {
    let token = |(content, id)| {
        let is_special = special.contains(&content);
        plain(content, id, is_special)
    };
    ids.into_iter().map(token).collect()
}

/// Make a token without options; a special one is looked up in the text itself, any other in its normal form.
pub(super) fn plain(content: String, id: u32, special: bool) -> AddedToken {
    let (single_word, lstrip, rstrip) = (false, false, false);
    AddedToken { content, id, special, single_word, lstrip, rstrip, normalized: !special }
}

/// Refuse an id that is another token's, of the vocabulary or an added one, or that is absurdly large.
fn check(added: &[AddedToken], entries: &HashMap<String, u32>, file: &Path) -> Result<()> {
    if added.iter().all(|token| entries.contains_key(&token.content)) {
        return Ok(());
    }
    let mut owners: HashMap<u32, &str> = entries.iter().map(|(token, &id)| (id, token.as_str())).collect();
    for AddedToken { content, id, .. } in added {
        if *id > MAX_ID {
            let reason = format!("gives {content:?} the id {id}, expected at most {MAX_ID}");
            return Err(refuse(file, reason));
        }
        let owner = owners.entry(*id).or_insert(content);
        if *owner != content {
            let reason = format!("gives {content:?} the id {id}, expected another: it is that of {owner:?}");
            return Err(refuse(file, reason));
        }
    }
    Ok(())
}
