//! Read a SentencePiece model (Kudo and Richardson 2018, arXiv 1808.06226) as ALBERT, CamemBERT, DeBERTa-v2 and
//! XLM-RoBERTa keep it, and make of it the `tokenizer.json` that transformers makes.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::Result;
use crate::tokenizer::load::bpe::{added_token, check_ids};
use crate::tokenizer::load::protobuf::{self, base64, visit};
use crate::tokenizer::load::source::{CONFIG, MODEL, beside, model_type, read_bytes, refuse};
use crate::tokenizer::load::special_tokens::{Defaults, SpecialTokens, plain};

/// The file's names: ALBERT's, CamemBERT's and XLM-RoBERTa's, DeBERTa's.
pub(super) const MODELS: [&str; 3] = ["spiece.model", "sentencepiece.bpe.model", "spm.model"];
const UNIGRAM: u64 = 1;
const UNKNOWN: u64 = 2;
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

#[derive(Clone, Copy, PartialEq)]
enum Family {
    Albert,
    Camembert,
    Deberta,
    XlmRoberta,
}

impl Family {
    const ALL: [(&'static str, &'static str, Family); 4] = [
        ("AlbertTokenizer", "albert", Family::Albert),
        ("CamembertTokenizer", "camembert", Family::Camembert),
        ("DebertaV2Tokenizer", "deberta-v2", Family::Deberta),
        ("XLMRobertaTokenizer", "xlm-roberta", Family::XlmRoberta),
    ];

    const fn has_roberta_tokens(self) -> bool {
        matches!(self, Family::Camembert | Family::XlmRoberta)
    }

    const fn defaults(self) -> Defaults {
        let (cls, sep, mask) =
            if self.has_roberta_tokens() { ("<s>", "</s>", "<mask>") } else { ("[CLS]", "[SEP]", "[MASK]") };
        let (unk, pad) =
            if matches!(self, Family::Deberta) { ("[UNK]", "[PAD]") } else { ("<unk>", "<pad>") };
        Defaults { unk, cls, sep, pad, mask, mask_takes_white_space: !matches!(self, Family::Deberta) }
    }
}

#[derive(Deserialize, Default)]
#[serde(expecting = "an object with the tokenizer's settings")]
struct ConfigFile {
    tokenizer_class: Option<String>,
    do_lower_case: Option<bool>,
    #[serde(default)]
    keep_accents: bool,
    #[serde(default)]
    split_by_punct: bool,
}

struct Piece<'a> {
    text: &'a str,
    score: f32,
    kind: u64,
}

/// What the file holds, as far as it is needed.
#[derive(Default)]
struct Model<'a> {
    pieces: Vec<Piece<'a>>,
    kind: Option<u64>,
    unk_id: u64,
    charsmap: &'a [u8],
}

impl<'a> Model<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Model<'a>> {
        let mut model = Model::default();
        visit(bytes, &mut |field, value| {
            match (field, value) {
                (1, protobuf::Value::Bytes(piece)) => model.pieces.push(Piece::parse(piece)?),
                (2, protobuf::Value::Bytes(trainer)) => visit(trainer, &mut |field, value| {
                    match (field, value) {
                        (3, protobuf::Value::Number(kind)) => model.kind = Some(kind),
                        (40, protobuf::Value::Number(id)) => model.unk_id = id,
                        _ => {}
                    }
                    Some(())
                })?,
                (3, protobuf::Value::Bytes(normalizer)) => visit(normalizer, &mut |field, value| {
                    if let (2, protobuf::Value::Bytes(charsmap)) = (field, value) {
                        model.charsmap = charsmap;
                    }
                    Some(())
                })?,
                _ => {}
            }
            Some(())
        })?;
        Some(model)
    }
}

impl<'a> Piece<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Piece<'a>> {
        let mut piece = Piece { text: "", score: 0.0, kind: 1 };
        visit(bytes, &mut |field, value| {
            match (field, value) {
                (1, protobuf::Value::Bytes(text)) => piece.text = std::str::from_utf8(text).ok()?,
                (2, protobuf::Value::Float(score)) => piece.score = score,
                (3, protobuf::Value::Number(kind)) => piece.kind = kind,
                _ => {}
            }
            Some(())
        })?;
        (!piece.text.is_empty() && piece.score.is_finite()).then_some(piece)
    }
}

/// Make the `tokenizer.json` of the same tokenizer.
pub(super) fn tokenizer_file(path: &Path) -> Result<String> {
    let bytes = read_bytes(path)?;
    let model =
        Model::parse(&bytes).ok_or_else(|| refuse(path, "is no SentencePiece model, or is damaged"))?;
    if model.pieces.iter().all(|piece| piece.kind != UNKNOWN) || model.pieces.len() < 4 {
        return Err(refuse(path, "is no SentencePiece model with an unknown piece, or is truncated"));
    }
    let config: ConfigFile = beside(path, CONFIG)?;
    let family = family(path, &config, &model)?;
    let vocabulary = vocabulary(family, &model);
    let entries: HashMap<String, u32> =
        vocabulary.iter().zip(0..).map(|((text, _), id)| ((*text).to_owned(), id)).collect();
    if entries.len() < vocabulary.len() {
        return Err(refuse(path, "has a piece twice, or one that is named like a special token"));
    }
    let defaults = family.defaults();
    let mut tokens = SpecialTokens::read(path, &entries, &defaults)?;
    add_others(&mut tokens, &model, &entries, &defaults);
    check_ids(&tokens, &entries)?;
    let unk_id = if family.has_roberta_tokens() { 3 } else { model.unk_id };
    let content = json!({
        "version": "1.0",
        "added_tokens": tokens.added.iter().map(added_token).collect::<Vec<Value>>(),
        "normalizer": { "type": "Sequence", "normalizers": normalizers(family, &config, model.charsmap) },
        "pre_tokenizer": { "type": "Sequence", "pretokenizers": pre_tokenizers(family, &config) },
        "post_processor": post_processor(family, &tokens, &entries),
        "decoder": null,
        "model": { "type": "Unigram", "unk_id": unk_id, "vocab": vocabulary, "byte_fallback": false }
    });
    Ok(content.to_string())
}

/// Find the family by the settings of the tokenizer or the model, and refuse what cannot be converted exactly.
fn family(path: &Path, config: &ConfigFile, model: &Model<'_>) -> Result<Family> {
    let model_type = model_type(path)?;
    let class = config.tokenizer_class.as_deref().map(|class| class.trim_end_matches("Fast"));
    let found = Family::ALL.into_iter().find(|(name, kind, _)| match class {
        Some(class) => class == *name,
        None => model_type.as_deref() == Some(kind),
    });
    let directory = path.parent().unwrap_or(path).display();
    let convert = format!(
        "expected a tokenizer.json beside it, which this makes (with transformers, sentencepiece and protobuf \
         installed): python -c \"from transformers import AutoTokenizer as A; \
         A.from_pretrained('{directory}').save_pretrained('{directory}')\""
    );
    match found {
        None => Err(refuse(
            path,
            format!(
                "is a SentencePiece model of none of the families ALBERT, CamemBERT, DeBERTa-v2 and XLM-RoBERTa \
                 by {CONFIG} or {MODEL}; {convert}"
            ),
        )),
        Some(_) if model.kind.unwrap_or(UNIGRAM) != UNIGRAM => {
            Err(refuse(path, format!("is a SentencePiece model of another kind than Unigram; {convert}")))
        }
        Some((_, _, family)) => Ok(family),
    }
}

/// List the pieces with their scores, in the order of the ids that the family gives them.
fn vocabulary<'a>(family: Family, model: &Model<'a>) -> Vec<(&'a str, f64)> {
    let before: &[(&str, f64)] = match family {
        Family::XlmRoberta => &[("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)],
        Family::Camembert => &[
            ("<s>NOTUSED", 0.0),
            ("<pad>", 0.0),
            ("</s>NOTUSED", 0.0),
            ("<unk>", 0.0),
            ("<unk>NOTUSED", -100.0),
        ],
        _ => &[],
    };
    let (skipped, after): (usize, &[(&str, f64)]) = match family {
        Family::XlmRoberta => (3, &[("<mask>", 0.0)]),
        Family::Camembert => (1, &[("<mask>", 0.0)]),
        _ => (0, &[]),
    };
    let scored = |piece: &Piece<'a>| {
        // ALBERT's model has numbers with a comma behind them, which its tokenizer splits.
        let is_number = family == Family::Albert
            && piece
                .text
                .strip_suffix(',')
                .is_some_and(|number| number.ends_with(|last: char| last.is_ascii_digit()));
        (piece.text, f64::from(piece.score) - if is_number { 100.0 } else { 0.0 })
    };
    before
        .iter()
        .copied()
        .chain(model.pieces.iter().skip(skipped).map(scored))
        .chain(after.iter().copied())
        .collect()
}

/// Add control and user-defined pieces, and a mask that is no piece, as transformers does.
fn add_others(
    tokens: &mut SpecialTokens,
    model: &Model<'_>,
    entries: &HashMap<String, u32>,
    defaults: &Defaults,
) {
    let has = |tokens: &SpecialTokens, text: &str| tokens.added.iter().any(|token| token.content == text);
    for piece in &model.pieces {
        if let (CONTROL | USER_DEFINED, Some(&id)) = (piece.kind, entries.get(piece.text))
            && !has(tokens, piece.text)
        {
            let mut token = plain(piece.text.to_owned(), id, piece.kind == CONTROL);
            token.normalized = false;
            tokens.added.push(token);
        }
    }
    if !entries.contains_key(defaults.mask) && !has(tokens, defaults.mask) {
        let behind = tokens.added.iter().map(|token| token.id + 1).max().unwrap_or_default();
        let mut token = plain(defaults.mask.to_owned(), behind.max(entries.len() as u32), true);
        token.lstrip = defaults.mask_takes_white_space;
        tokens.added.push(token);
    }
    tokens.added.sort_by_key(|token| token.id);
}

fn normalizers(family: Family, config: &ConfigFile, charsmap: &[u8]) -> Vec<Value> {
    let replace =
        |pattern: Value, content: &str| json!({"type": "Replace", "pattern": pattern, "content": content});
    let strip = |left: bool| json!({"type": "Strip", "strip_left": left, "strip_right": true});
    let of_type = |name: &str| json!({ "type": name });
    let precompiled = (!charsmap.is_empty())
        .then(|| json!({"type": "Precompiled", "precompiled_charsmap": base64(charsmap)}));
    let spaces = json!({"Regex": " {2,}"});
    let lowers = config.do_lower_case.unwrap_or(family == Family::Albert);
    let mut steps = Vec::new();
    match family {
        Family::Albert => {
            steps.extend(["``", "''"].map(|quote| replace(json!({ "String": quote }), "\"")));
            if !config.keep_accents {
                steps.extend(["NFKD", "StripAccents"].map(of_type));
            }
            steps.extend(lowers.then(|| of_type("Lowercase")));
            steps.extend(precompiled);
            steps.push(replace(spaces, " "));
        }
        Family::Deberta => {
            steps.extend(lowers.then(|| of_type("Lowercase")));
            steps.push(strip(true));
            steps.extend(precompiled);
            steps.push(replace(spaces, " "));
        }
        Family::Camembert | Family::XlmRoberta => {
            steps.extend(precompiled);
            steps.push(strip(false));
            steps.push(replace(spaces, "▁"));
        }
    }
    steps
}

fn pre_tokenizers(family: Family, config: &ConfigFile) -> Vec<Value> {
    let splits = family == Family::Deberta && config.split_by_punct;
    let punctuation = splits.then(|| json!({"type": "Punctuation", "behavior": "Isolated"}));
    let words = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true});
    punctuation.into_iter().chain([words]).collect()
}

fn post_processor(family: Family, tokens: &SpecialTokens, entries: &HashMap<String, u32>) -> Value {
    let id = |token: &str| {
        let added = tokens.added.iter().find(|added| added.content == *token).map(|added| added.id);
        entries.get(token).copied().or(added).unwrap_or_default()
    };
    let special = |token: &str| json!({"id": token, "ids": [id(token)], "tokens": [token]});
    let at = |token: &str, kind: u32| json!({"SpecialToken": {"id": token, "type_id": kind}});
    let text = |name: &str, kind: u32| json!({"Sequence": {"id": name, "type_id": kind}});
    let (cls, sep) = (tokens.cls.as_str(), tokens.sep.as_str());
    let kind = u32::from(!family.has_roberta_tokens());
    let mut pair = vec![at(cls, 0), text("A", 0), at(sep, 0)];
    if family.has_roberta_tokens() {
        pair.push(at(sep, 0));
    }
    pair.extend([text("B", kind), at(sep, kind)]);
    json!({
        "type": "TemplateProcessing", "single": [at(cls, 0), text("A", 0), at(sep, 0)], "pair": pair,
        "special_tokens": { cls: special(cls), sep: special(sep) }
    })
}
