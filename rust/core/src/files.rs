//! Reads a tokenizer: `tokenizer.json`, `vocab.txt`, or `vocab.json` with `merges.txt`.

mod bert;
mod bpe;
mod outline;
mod pairs;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::library::Library;
use crate::pool::Pool;
use crate::tokenizer::{Engine, Tokenizer};

use outline::Outline;

const TOKENIZER: &str = "tokenizer.json";
const VOCABULARY: &str = "vocab.txt";
const BPE_VOCABULARY: &str = "vocab.json";
const MERGES: &str = "merges.txt";
const CONFIG: &str = "tokenizer_config.json";

/// Read a tokenizer from one of its files, or from the directory that holds it.
///
/// # Errors
/// `Error::Io`: a file is missing or cannot be read. `Error::File`: a file is malformed, or its
/// vocabulary cannot be used. `Error::Argument`: `threads`.
pub fn read_tokenizer(path: &Path, match_special_tokens: bool, threads: Option<usize>) -> Result<Tokenizer> {
    let pool = Pool::new(threads)?;
    let file = if path.is_dir() { find(path)? } else { path.to_owned() };
    let text = read(&file)?;
    let read = Reading { file: &file, text: &text, match_special_tokens };
    let is_json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let (engine, template) = if file.file_name().is_some_and(|name| name == BPE_VOCABULARY) {
        let text = bpe::tokenizer_file(&file, &text)?;
        read_outline(&Reading { text: &text, ..read }, pool.threads())?
    } else if is_json {
        read_outline(&read, pool.threads())?
    } else {
        bert::from_vocabulary(&read, pool.threads())?
    };
    let vocabulary = match &engine {
        Engine::Bert(bert) => &bert.wordpiece.vocabulary,
        Engine::Library(library) => library.vocabulary(),
    };
    let layout = template.layout(vocabulary).map_err(|error| read.in_file(error))?;
    Ok(Tokenizer::new(engine, layout, pool))
}

/// A file, its content, and how it is to be read.
#[derive(Clone, Copy)]
struct Reading<'a> {
    file: &'a Path,
    text: &'a str,
    match_special_tokens: bool,
}

impl Reading<'_> {
    /// The same error with the file that it is about.
    fn in_file(&self, error: Error) -> Error {
        match error {
            Error::Vocabulary(reason) => refuse(self.file, format!("the vocabulary {reason}")),
            other => other,
        }
    }
}

/// BERT's tokenizer on our own path, every other by the library.
fn read_outline(read: &Reading<'_>, threads: usize) -> Result<(Engine, pairs::Template)> {
    let outline: Outline = parse(read.file, read.text)?;
    if outline.is_bert() {
        return bert::from_tokenizer(read, &outline, threads);
    }
    outline.check(read.file)?;
    let tokenizer = Library::parse(read.text)
        .map_err(|reason| refuse(read.file, format!("is no tokenizer that can be read: {reason}")))?;
    let template = pairs::Template::parse(read.file, &outline.post_processor)?;
    let special = outline.special_tokens(|id| tokenizer.id_to_token(id));
    let library = Library::new(tokenizer, &special, read.match_special_tokens);
    Ok((Engine::Library(Box::new(library.map_err(|error| read.in_file(error))?)), template))
}

fn find(directory: &Path) -> Result<PathBuf> {
    let candidates = [TOKENIZER, VOCABULARY, BPE_VOCABULARY].map(|name| directory.join(name));
    candidates.into_iter().find(|file| file.is_file()).ok_or_else(|| Error::Io {
        path: directory.to_owned(),
        source: std::io::Error::new(
            std::io::ErrorKind::NotFound,
            format!(
                "holds no tokenizer, expected {TOKENIZER}, {VOCABULARY}, or {BPE_VOCABULARY} and {MERGES}"
            ),
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

/// The settings beside a vocabulary; the defaults where the file is missing.
fn config<T: DeserializeOwned + Default>(vocabulary: &Path) -> Result<T> {
    let path = vocabulary.with_file_name(CONFIG);
    if path.is_file() { parse(&path, &read(&path)?) } else { Ok(T::default()) }
}

/// A token in `tokenizer_config.json`: its text, or an object with its `content`.
#[derive(Deserialize)]
#[serde(untagged)]
enum TokenField {
    Text(String),
    Object { content: String },
}

impl TokenField {
    fn text_or(field: Option<TokenField>, default: &str) -> String {
        match field {
            Some(TokenField::Text(content) | TokenField::Object { content }) => content,
            None => default.to_owned(),
        }
    }
}
