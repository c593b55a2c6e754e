//! Read byte-level BPE as RoBERTa's first tokenizers were stored: `vocab.json`, `merges.txt` and
//! `tokenizer_config.json`, from which the `tokenizer.json` of later ones is made.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::Result;
use crate::tokenizer::load::source::{TokenField, config, parse, read, refuse};

/// The merges of a byte-level BPE, beside its vocabulary.
pub(super) const MERGES: &str = "merges.txt";

#[derive(Deserialize, Default)]
struct ConfigFile {
    #[serde(default)]
    add_prefix_space: bool,
    trim_offsets: Option<bool>,
    unk_token: Option<TokenField>,
    cls_token: Option<TokenField>,
    sep_token: Option<TokenField>,
    pad_token: Option<TokenField>,
    mask_token: Option<TokenField>,
}

/// Make the `tokenizer.json` of the same tokenizer.
pub(super) fn tokenizer_file(path: &Path, text: &str) -> Result<String> {
    let added = path.with_file_name("added_tokens.json");
    if added.is_file() {
        return Err(refuse(
            &added,
            "is not read, expected a tokenizer.json, which transformers' AutoTokenizer.from_pretrained makes \
             of these files and save_pretrained writes",
        ));
    }
    let vocabulary: HashMap<String, u32> = parse(path, text)?;
    let merges = merges(&path.with_file_name(MERGES))?;
    let config: ConfigFile = config(path)?;
    let [cls, pad, sep, unk, mask] = [
        (config.cls_token, "<s>"),
        (config.pad_token, "<pad>"),
        (config.sep_token, "</s>"),
        (config.unk_token, "<unk>"),
        (config.mask_token, "<mask>"),
    ]
    .map(|(field, default)| TokenField::text_or(field, default));
    // A mask stands for a word with the space before it.
    let specials = [(&cls, false), (&pad, false), (&sep, false), (&unk, false), (&mask, true)];
    let added_token =
        |(content, lstrip): (&String, bool)| Some(added_token(*vocabulary.get(content)?, content, lstrip));
    let added_tokens: Vec<Value> = specials.into_iter().filter_map(added_token).collect();
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
            "type": "RobertaProcessing", "cls": pair(&cls), "sep": pair(&sep), "trim_offsets": trim_offsets,
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

fn added_token(id: u32, content: &str, lstrip: bool) -> Value {
    json!({
        "id": id, "content": content, "special": true, "single_word": false, "lstrip": lstrip,
        "rstrip": false, "normalized": false
    })
}

/// The two tokens of each merge, the first merge first.
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
