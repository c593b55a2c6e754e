//! Read the `post_processor` of a `tokenizer.json`: the special tokens around the two texts of a pair.

use std::path::Path;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::tokenizer::load::source::refuse;
use crate::tokenizer::pair_layout::PairLayout;
use crate::tokenizer::vocabulary::Vocabulary;

/// A special token: its text and, where the file gives it, its id.
#[derive(Debug, Clone)]
struct Special {
    token: String,
    id: Option<u32>,
}

/// The layout of pairs as the file has it: before, between and after the texts, and token types.
#[derive(Debug)]
pub(super) struct Template {
    parts: [Vec<Special>; 3],
    types: [i32; 5],
}

impl Template {
    /// `[CLS] A [SEP] B [SEP]`, whatever the two are called.
    pub(super) fn bert(cls: &str, sep: &str) -> Template {
        let [cls, sep] = [cls, sep].map(|token| Special { token: token.to_owned(), id: None });
        Template { parts: [vec![cls], vec![sep.clone()], vec![sep]], types: [0, 0, 0, 1, 1] }
    }

    /// `<s> A </s> </s> B </s>` with BERT's types, whatever the two are called.
    pub(super) fn mpnet(cls: &str, sep: &str) -> Template {
        let Template { parts: [before, sep, after], types } = Template::bert(cls, sep);
        Template { parts: [before, [sep.clone(), sep].concat(), after], types }
    }

    /// Read the field; without one, the layout is BERT's.
    ///
    /// # Errors
    /// `Error::File`: it makes no pairs of special tokens, a first text, a second one.
    pub(super) fn parse(path: &Path, post_processor: &Value) -> Result<Template> {
        if post_processor.is_null() {
            return Ok(Template::bert("[CLS]", "[SEP]"));
        }
        Template::read(post_processor).ok_or_else(|| {
            refuse(
                path,
                "post_processor does not make pairs of the form [CLS] A [SEP] B [SEP], with any special tokens \
                 in these places",
            )
        })
    }

    fn read(field: &Value) -> Option<Template> {
        let pair = |name: &str| {
            let token = field[name][0].as_str()?.to_owned();
            Some(Special { token, id: u32::try_from(field[name][1].as_u64()?).ok() })
        };
        match field["type"].as_str()? {
            "BertProcessing" => {
                let (cls, sep) = (pair("cls")?, pair("sep")?);
                Some(Template { parts: [vec![cls], vec![sep.clone()], vec![sep]], types: [0, 0, 0, 1, 1] })
            }
            "RobertaProcessing" => {
                let (cls, sep) = (pair("cls")?, pair("sep")?);
                Some(Template {
                    parts: [vec![cls], vec![sep.clone(), sep.clone()], vec![sep]],
                    types: [0; 5],
                })
            }
            "TemplateProcessing" => {
                Template::read_pieces(field["pair"].as_array()?, &field["special_tokens"])
            }
            // Others of the sequence move offsets, or do nothing to pairs.
            "Sequence" => field["processors"].as_array()?.iter().find_map(Template::read),
            _ => None,
        }
    }

    fn read_pieces(pieces: &[Value], special_tokens: &Value) -> Option<Template> {
        let mut parts = [Vec::new(), Vec::new(), Vec::new()];
        // Before, question, between, context, after.
        let mut types: [Option<i64>; 5] = [None; 5];
        let mut part = 0;
        for piece in pieces {
            let (place, field) = match (piece.get("Sequence"), piece.get("SpecialToken")) {
                (Some(sequence), None) => {
                    if sequence["id"].as_str()? != *["A", "B"].get(part)? {
                        return None;
                    }
                    part += 1;
                    (2 * part - 1, sequence)
                }
                (None, Some(special)) => {
                    parts[part].extend(specials(&special_tokens[special["id"].as_str()?])?);
                    (2 * part, special)
                }
                _ => return None,
            };
            let kind = field["type_id"].as_i64()?;
            if *types[place].get_or_insert(kind) != kind {
                return None;
            }
        }
        // The null answer is at the first special token, and windows end with one.
        let whole = part == 2 && !parts[0].is_empty() && !parts[2].is_empty();
        let types = types.map(|kind| i32::try_from(kind.unwrap_or(0)).ok());
        whole.then_some(())?;
        Some(Template { parts, types: [types[0]?, types[1]?, types[2]?, types[3]?, types[4]?] })
    }

    /// Make the layout, with the ids of a vocabulary.
    ///
    /// # Errors
    /// `Error::Vocabulary`: a token is missing, or has another id.
    pub(super) fn layout(&self, vocabulary: &Vocabulary) -> Result<PairLayout> {
        let id = |role: &str, special: &Special| {
            let Special { token, id } = special;
            let found = vocabulary.special_id(role, token)?;
            match id {
                Some(id) if *id != found => Err(Error::Vocabulary(format!(
                    "gives {token:?} the id {found}, expected {id}, which the post_processor has for it"
                ))),
                _ => Ok(found as i32),
            }
        };
        let ids = |role: &str, part: &[Special]| -> Result<Vec<i32>> {
            part.iter().map(|special| id(role, special)).collect()
        };
        let [before, between, after] = &self.parts;
        Ok(PairLayout {
            before: ids("classification", before)?,
            between: ids("separator", between)?,
            after: ids("separator", after)?,
            types: self.types,
        })
    }
}

/// List the tokens of a special token of the template, of which there may be several.
fn specials(field: &Value) -> Option<Vec<Special>> {
    let (tokens, ids) = (field["tokens"].as_array()?, field["ids"].as_array()?);
    if tokens.len() != ids.len() {
        return None;
    }
    let special = |(token, id): (&Value, &Value)| {
        let id = u32::try_from(id.as_u64()?).ok()?;
        Some(Special { token: token.as_str()?.to_owned(), id: Some(id) })
    };
    tokens.iter().zip(ids).map(special).collect()
}
