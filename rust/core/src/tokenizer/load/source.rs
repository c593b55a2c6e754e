//! Read the files of a tokenizer, and say what is wrong with them.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

const CONFIG: &str = "tokenizer_config.json";

/// A file, its content, and how it is to be read.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
    pub(super) match_special_tokens: bool,
}

impl Source<'_> {
    /// The same error with the file that it is about.
    pub(super) fn in_file(&self, error: Error) -> Error {
        match error {
            Error::Vocabulary(reason) => refuse(self.file, format!("the vocabulary {reason}")),
            other => other,
        }
    }
}

pub(super) fn read(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        refuse(path, format!("is not UTF-8 at byte {}", error.utf8_error().valid_up_to()))
    })?;
    if text.trim().is_empty() { Err(refuse(path, "is empty")) } else { Ok(text) }
}

pub(super) fn refuse(path: &Path, reason: impl Into<String>) -> Error {
    Error::File { path: path.to_owned(), reason: reason.into() }
}

pub(super) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| refuse(path, format!("is not what was expected: {error}")))
}

/// The settings beside a vocabulary; the defaults where the file is missing.
pub(super) fn config<T: DeserializeOwned + Default>(vocabulary: &Path) -> Result<T> {
    let path = vocabulary.with_file_name(CONFIG);
    if path.is_file() { parse(&path, &read(&path)?) } else { Ok(T::default()) }
}

/// A token in `tokenizer_config.json`: its text, or an object with its `content`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum TokenField {
    Text(String),
    Object { content: String },
}

impl TokenField {
    pub(super) fn text_or(field: Option<TokenField>, default: &str) -> String {
        match field {
            Some(TokenField::Text(content) | TokenField::Object { content }) => content,
            None => default.to_owned(),
        }
    }
}
