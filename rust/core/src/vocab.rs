//! Vocabulary -> lookup, special ids; validated when built.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::trie::Trie;

/// The special tokens that question answering needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Stands for a word that the vocabulary cannot spell.
    pub unk: String,
    /// Opens a window.
    pub cls: String,
    /// Ends the question and the context.
    pub sep: String,
    /// Fills a batch's shorter rows.
    pub pad: String,
}

impl Default for SpecialTokens {
    fn default() -> Self {
        SpecialTokens { unk: "[UNK]".into(), cls: "[CLS]".into(), sep: "[SEP]".into(), pad: "[PAD]".into() }
    }
}

/// A WordPiece vocabulary.
#[derive(Debug)]
pub struct Vocabulary {
    /// Tokens by id; None where an id is not in use.
    tokens: Vec<Option<String>>,
    trie: Trie,
    /// Added tokens that no word is made of.
    added: HashMap<String, u32>,
    continuing_prefix: String,
    unk: u32,
    cls: u32,
    sep: u32,
    pad: u32,
}

/// Ids above this would make the table of tokens absurdly large for the vocabulary's size.
const MAX_ID: u32 = 1 << 24;

impl Vocabulary {
    /// Build from the tokens that words are made of and from the added tokens, each with its id.
    /// `continuing_prefix` marks the tokens that continue a word (`##`).
    ///
    /// # Errors
    /// `Error::Vocabulary`: no tokens, an id twice or out of range, a special token that is missing.
    pub fn new(
        entries: HashMap<String, u32>,
        mut added: HashMap<String, u32>,
        continuing_prefix: &str,
        special: &SpecialTokens,
    ) -> Result<Self> {
        added.retain(|token, _| !entries.contains_key(token));
        let Some(&largest) = entries.values().chain(added.values()).max() else {
            return Err(Error::Vocabulary("has no tokens".into()));
        };
        if largest > MAX_ID {
            return Err(Error::Vocabulary(format!("has the id {largest}, expected at most {MAX_ID}")));
        }
        let id_of = |role: &str, token: &str| {
            entries.get(token).or_else(|| added.get(token)).copied().ok_or_else(|| {
                let count = entries.len() + added.len();
                Error::Vocabulary(format!(
                    "lacks the {role} token {token:?}, expected it among {count} tokens"
                ))
            })
        };
        let unk = id_of("unknown", &special.unk)?;
        let cls = id_of("classification", &special.cls)?;
        let sep = id_of("separator", &special.sep)?;
        let pad = id_of("padding", &special.pad)?;

        let begin = entries.iter().map(|(token, &id)| (token.as_bytes(), id)).collect();
        let continuing = entries
            .iter()
            .filter_map(|(token, &id)| Some((token.strip_prefix(continuing_prefix)?.as_bytes(), id)))
            .collect();
        let trie = Trie::new(begin, continuing);

        let mut tokens: Vec<Option<String>> = vec![None; largest as usize + 1];
        for (token, &id) in entries.iter().chain(&added) {
            let place = &mut tokens[id as usize];
            if let Some(other) = place {
                let (a, b) = if &*other < token { (&*other, token) } else { (token, &*other) };
                return Err(Error::Vocabulary(format!(
                    "gives the id {id} to {a:?} and to {b:?}, expected one token"
                )));
            }
            *place = Some(token.clone());
        }
        Ok(Vocabulary {
            tokens,
            trie,
            added,
            continuing_prefix: continuing_prefix.to_owned(),
            unk,
            cls,
            sep,
            pad,
        })
    }

    /// The largest id plus one.
    pub fn size(&self) -> usize {
        self.tokens.len()
    }

    /// The token of an id.
    pub fn token(&self, id: u32) -> Option<&str> {
        self.tokens.get(id as usize)?.as_deref()
    }

    /// The id of a token.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.trie.get(Trie::BEGIN, token.as_bytes()).or_else(|| self.added.get(token).copied())
    }

    /// What marks the tokens that continue a word.
    pub fn continuing_prefix(&self) -> &str {
        &self.continuing_prefix
    }

    /// Id of the unknown token.
    pub fn unk(&self) -> u32 {
        self.unk
    }

    /// Id of the token that opens a window.
    pub fn cls(&self) -> u32 {
        self.cls
    }

    /// Id of the token that ends the question and the context.
    pub fn sep(&self) -> u32 {
        self.sep
    }

    /// Id of the padding token.
    pub fn pad(&self) -> u32 {
        self.pad
    }

    pub(crate) fn trie(&self) -> &Trie {
        &self.trie
    }
}
