//! Read the files of a tokenizer, and say what is wrong with them.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

pub(super) const CONFIG: &str = "tokenizer_config.json";
pub(super) const MODEL: &str = "config.json";

/// A file, its content, and how it is to be read.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
    pub(super) match_special_tokens: bool,
}

impl Source<'_> {
    /// Make the same error with the file that it is about.
    pub(super) fn in_file(&self, error: Error) -> Error {
        match error {
            Error::Vocabulary(reason) => refuse(self.file, format!("the vocabulary {reason}")),
            other => other,
        }
    }
}

pub(super) fn read(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let text = String::from_utf8(bytes).map_err(|error| match error.as_bytes() {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => refuse(path, "is UTF-16, expected UTF-8"),
        _ => {
            let at = error.utf8_error().valid_up_to();
            refuse(path, format!("is not UTF-8 at byte {at}, expected a text file in UTF-8"))
        }
    })?;
    match mistake(&text) {
        Some(reason) => Err(refuse(path, reason)),
        None => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
    }
}

/// Read the content of a file that is no text.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    match std::str::from_utf8(&bytes).ok().and_then(mistake) {
        Some(reason) => Err(refuse(path, reason)),
        None => Ok(bytes),
    }
}

/// What came in place of the file, if something did: downloads fail in these ways.
fn mistake(text: &str) -> Option<&'static str> {
    let begins = |with: &str| text.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    if text.trim().is_empty() {
        Some("is empty")
    } else if begins("version https://git-lfs.github.com/") {
        Some("is a Git LFS pointer, expected the file itself: fetch it with `git lfs pull`")
    } else if begins("<!doctype") || begins("<html") {
        Some("is a web page, expected the file itself: download it again")
    } else {
        None
    }
}

pub(super) fn refuse(path: &Path, reason: impl Into<String>) -> Error {
    Error::File { path: path.to_owned(), reason: reason.into() }
}

pub(super) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| refuse(path, format!("is not what was expected: {error}")))
}

/// Read a file beside the tokenizer's; the defaults where it is missing.
pub(super) fn beside<T: DeserializeOwned + Default>(file: &Path, name: &str) -> Result<T> {
    let path = file.with_file_name(name);
    if path.is_file() { parse(&path, &read(&path)?) } else { Ok(T::default()) }
}

/// Read what family of models the configuration beside a tokenizer names.
pub(super) fn model_type(file: &Path) -> Result<Option<String>> {
    #[derive(Deserialize, Default)]
    #[serde(expecting = "an object with the model's settings")]
    struct Model {
        model_type: Option<String>,
    }
    Ok(beside::<Model>(file, MODEL)?.model_type)
}
