//! Read byte-level BPE as RoBERTa's first tokenizers were stored: `vocab.json`, `merges.txt` and
//! `tokenizer_config.json`, from which the `tokenizer.json` of later ones is made.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::Result;
use crate::tokenizer::bert::AddedToken;
use crate::tokenizer::load::source::{CONFIG, beside, parse, read, refuse};
use crate::tokenizer::load::special_tokens::{Defaults, SpecialTokens};

/// The merges of a byte-level BPE, beside its vocabulary.
pub(super) const MERGES: &str = "merges.txt";

const DEFAULTS: Defaults = Defaults {
    unk: "<unk>",
    cls: "<s>",
    sep: "</s>",
    pad: "<pad>",
    mask: "<mask>",
    mask_takes_white_space: true,
};

#[derive(Deserialize, Default)]
#[serde(expecting = "an object with the tokenizer's settings")]
struct ConfigFile {
    #[serde(default)]
    add_prefix_space: bool,
    trim_offsets: Option<bool>,
}

/// Make the `tokenizer.json` of the same tokenizer.
pub(super) fn tokenizer_file(path: &Path, text: &str) -> Result<String> {
    let vocabulary: HashMap<String, u32> = parse(path, text)?;
    let merges = merges(&path.with_file_name(MERGES))?;
    let config: ConfigFile = beside(path, CONFIG)?;
    let tokens = SpecialTokens::read(path, &vocabulary, &DEFAULTS)?;
    check_ids(&tokens, &vocabulary)?;
    let added_tokens: Vec<Value> = tokens.added.iter().map(added_token).collect();
    let (add_prefix_space, trim_offsets) = (config.add_prefix_space, config.trim_offsets.unwrap_or(true));
    let pair = |token: &String| json!([token, vocabulary.get(token).copied().unwrap_or_default()]);
    let content = json!({
        "version": "1.0",
        "added_tokens": added_tokens,
        "normalizer": null,
        "pre_tokenizer": {
            "type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": trim_offsets,
            "use_regex": true
        },
        "post_processor": {
            "type": "RobertaProcessing", "cls": pair(&tokens.cls), "sep": pair(&tokens.sep), "trim_offsets": trim_offsets,
            "add_prefix_space": add_prefix_space
        },
        "decoder": null,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocabulary, "merges": merges
        }
    });
    Ok(content.to_string())
}

pub(super) fn added_token(token: &AddedToken) -> Value {
    json!({
        "id": token.id, "content": token.content, "special": token.special, "single_word": token.single_word,
        "lstrip": token.lstrip, "rstrip": token.rstrip, "normalized": token.normalized
    })
}

/// Refuse ids that the crate would not give: to each added token the next one behind the vocabulary.
pub(super) fn check_ids(tokens: &SpecialTokens, vocabulary: &HashMap<String, u32>) -> Result<()> {
    let others = tokens.added.iter().filter(|token| !vocabulary.contains_key(&token.content));
    for (AddedToken { content, id, .. }, expected) in others.zip(vocabulary.len()..) {
        if *id as usize != expected {
            let reason = format!("gives {content:?} the id {id}, expected {expected}, the next that is free");
            return Err(refuse(&tokens.file, reason));
        }
    }
    Ok(())
}

/// Read the two tokens of each merge, the first merge first.
fn merges(path: &Path) -> Result<Vec<(String, String)>> {
    let text = read(path)?;
    // The first line may state a version.
    let lines =
        text.lines().enumerate().filter(|(_, line)| !line.starts_with("#version") && !line.is_empty());
    lines
        .map(|(index, line)| match line.split_once(' ') {
            Some((left, right)) if !left.is_empty() && !right.is_empty() && !right.contains(' ') => {
                Ok((left.to_owned(), right.to_owned()))
            }
            _ => Err(refuse(path, format!("has {line:?} in line {}, expected two tokens", index + 1))),
        })
        .collect()
}
