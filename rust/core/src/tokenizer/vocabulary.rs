//! The vocabulary: tokens by id, ids by token, special tokens; validated when built.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::tokenizer::trie::Trie;

/// The special tokens that no sequence of a pair shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpecialTokens {
    /// Stands for a text that the vocabulary cannot spell; None: there is nothing of the kind.
    pub(crate) unk: Option<String>,
    /// Fills a batch's shorter rows.
    pub(crate) pad: String,
}

impl Default for SpecialTokens {
    fn default() -> Self {
        SpecialTokens { unk: Some("[UNK]".into()), pad: "[PAD]".into() }
    }
}

/// The tokens of a tokenizer.
#[derive(Debug)]
pub struct Vocabulary {
    /// Tokens by id; None where an id is not in use.
    tokens: Vec<Option<String>>,
    trie: Trie,
    /// Tokens that no word is made of.
    others: HashMap<String, u32>,
    continuing_prefix: String,
    unk: Option<u32>,
    pad: u32,
}

/// Ids above this would make the table of tokens absurdly large for the vocabulary's size.
pub(crate) const MAX_ID: u32 = 1 << 24;

impl Vocabulary {
    /// Build from the WordPieces and from the added tokens, each with its id. `continuing_prefix` marks
    /// the tokens that continue a word (`##`).
    ///
    /// # Errors
    /// `Error::Vocabulary`: no tokens, an id twice or out of range, a special token that is missing.
    pub(crate) fn new(
        entries: HashMap<String, u32>,
        mut added: HashMap<String, u32>,
        continuing_prefix: &str,
        special: &SpecialTokens,
    ) -> Result<Self> {
        added.retain(|token, _| !entries.contains_key(token));
        let mut tokens: Vec<Option<String>> = vec![None; size(entries.values().chain(added.values()))?];
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
        let begin = entries.iter().map(|(token, &id)| (token.as_bytes(), id)).collect();
        let continuing = entries
            .iter()
            .filter_map(|(token, &id)| Some((token.strip_prefix(continuing_prefix)?.as_bytes(), id)))
            .collect();
        let vocabulary = Vocabulary {
            tokens,
            trie: Trie::new(begin, continuing),
            others: added,
            continuing_prefix: continuing_prefix.to_owned(),
            unk: None,
            pad: 0,
        };
        vocabulary.with_special(special)
    }

    /// Build from the ids of tokens and the tokens of ids; one id may have several tokens.
    ///
    /// # Errors
    /// `Error::Vocabulary`: no tokens, an id out of range, a special token that is missing.
    pub(crate) fn listed(
        ids: HashMap<String, u32>,
        token: impl Fn(u32) -> Option<String>,
        special: &SpecialTokens,
    ) -> Result<Self> {
        let vocabulary = Vocabulary {
            tokens: (0..size(ids.values())? as u32).map(token).collect(),
            trie: Trie::new(Vec::new(), Vec::new()),
            others: ids,
            continuing_prefix: String::new(),
            unk: None,
            pad: 0,
        };
        vocabulary.with_special(special)
    }

    fn with_special(mut self, special: &SpecialTokens) -> Result<Self> {
        self.unk = special.unk.as_ref().map(|unk| self.special_id("unknown", unk)).transpose()?;
        self.pad = self.special_id("padding", &special.pad)?;
        Ok(self)
    }

    /// Look up the id of a token that must be there.
    ///
    /// # Errors
    /// `Error::Vocabulary`: it is not.
    pub(crate) fn special_id(&self, role: &str, token: &str) -> Result<u32> {
        self.id(token).ok_or_else(|| {
            let tokens = self.tokens.iter().flatten();
            let first: String = tokens.clone().next().map_or("", String::as_str).chars().take(40).collect();
            Error::Vocabulary(format!(
                "lacks the {role} token {token:?}, expected it among {} tokens, of which {first:?} is the first",
                tokens.count()
            ))
        })
    }

    /// The largest id plus one.
    pub fn size(&self) -> usize {
        self.tokens.len()
    }

    /// Look up the token of an id.
    pub fn token(&self, id: u32) -> Option<&str> {
        self.tokens.get(id as usize)?.as_deref()
    }

    /// Look up the id of a token.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.trie.get(Trie::BEGIN, token.as_bytes()).or_else(|| self.others.get(token).copied())
    }

    /// The mark of tokens that continue a word.
    pub(crate) fn continuing_prefix(&self) -> &str {
        &self.continuing_prefix
    }

    /// Id of the unknown token, if there is one.
    pub fn unk(&self) -> Option<u32> {
        self.unk
    }

    /// Id of the padding token.
    pub fn pad(&self) -> u32 {
        self.pad
    }

    pub(crate) fn trie(&self) -> &Trie {
        &self.trie
    }
}

/// The largest id plus one.
fn size<'a>(ids: impl Iterator<Item = &'a u32>) -> Result<usize> {
    match ids.max() {
        None => Err(Error::Vocabulary("has no tokens".into())),
        Some(largest) if *largest > MAX_ID => {
            Err(Error::Vocabulary(format!("has the id {largest}, expected at most {MAX_ID}")))
        }
        Some(largest) => Ok(*largest as usize + 1),
    }
}
