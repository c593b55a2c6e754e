//! Load a tokenizer of any kind from its files.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::pool::Pool;
use crate::tokenizer::huggingface::HuggingFace;
use crate::tokenizer::load::bpe::MERGES;
use crate::tokenizer::load::casing::{Disagreement, compare};
use crate::tokenizer::load::outline::Outline;
use crate::tokenizer::load::post_processor::Template;
use crate::tokenizer::load::source::{Source, parse, read, refuse};
use crate::tokenizer::load::special_tokens::stated_padding;
use crate::tokenizer::load::{bert, bpe, sentencepiece};
use crate::tokenizer::origin::Origin;
use crate::tokenizer::tokenizer::{Engine, Tokenizer};

const TOKENIZER: &str = "tokenizer.json";
const VOCABULARY: &str = "vocab.txt";
const BPE_VOCABULARY: &str = "vocab.json";

/// Read a tokenizer from one of its files, or from the directory that holds it; and find where these disagree.
///
/// # Errors
/// `Error::Io`: a file is missing or cannot be read. `Error::File`: a file is malformed, or its
/// vocabulary cannot be used. `Error::Argument`: `threads`.
pub fn read_tokenizer(
    path: &Path,
    match_special_tokens: bool,
    threads: Option<usize>,
) -> Result<(Tokenizer, Vec<Disagreement>)> {
    let pool = Pool::new(threads)?;
    let file = if path.is_dir() { find(path)? } else { path.to_owned() };
    let is_pieces = file.extension().is_some_and(|extension| extension == "model");
    let text = if is_pieces { sentencepiece::tokenizer_file(&file)? } else { read(&file)? };
    let source = Source { file: &file, text: &text, match_special_tokens };
    let is_json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let mut disagreements = Vec::new();
    let (engine, template) = if file.file_name().is_some_and(|name| name == BPE_VOCABULARY) {
        let text = bpe::tokenizer_file(&file, &text)?;
        read_outline(&Source { text: &text, ..source }, pool.threads())?
    } else if is_pieces {
        read_outline(&source, pool.threads())?
    } else if is_json {
        let (engine, template) = read_outline(&source, pool.threads())?;
        disagreements = compare(&file, &engine)?;
        (engine, template)
    } else {
        bert::from_vocabulary(&source, pool.threads())?
    };
    let layout = template.layout(engine.vocabulary()).map_err(|error| source.in_file(error))?;
    let origin = Origin::new(path, &file, &text, &layout, match_special_tokens, threads)?;
    Ok((Tokenizer::new(origin, engine, layout, pool), disagreements))
}

/// Read a `tokenizer.json`: BERT's for our own path, any other for the Hugging Face crate.
fn read_outline(source: &Source<'_>, threads: usize) -> Result<(Engine, Template)> {
    let outline: Outline = parse(source.file, source.text)?;
    if outline.is_bert() {
        return bert::from_tokenizer(source, &outline, threads);
    }
    outline.check(source.file)?;
    let tokenizer = HuggingFace::parse(source.text).map_err(|reason| {
        refuse(source.file, format!("is no tokenizer that can be read: {}", plain(&reason)))
    })?;
    let template = Template::parse(source.file, &outline.post_processor)?;
    let special = outline.special_tokens(
        stated_padding(source.file)?,
        |token| tokenizer.token_to_id(token),
        |id| tokenizer.id_to_token(id),
    );
    let huggingface = HuggingFace::new(tokenizer, &special, source.match_special_tokens);
    Ok((Engine::HuggingFace(Box::new(huggingface.map_err(|error| source.in_file(error))?)), template))
}

/// Say the crate's reason in terms of the file, where it names a type of its own.
fn plain(reason: &str) -> String {
    const TYPES: [(&str, &str); 5] = [
        ("Model", "model"),
        ("Normalizer", "normalizer"),
        ("PreTokenizer", "pre_tokenizer"),
        ("PostProcessor", "post_processor"),
        ("Decoder", "decoder"),
    ];
    let Some((_, found)) = reason.split_once("untagged enum ") else {
        return reason.to_owned();
    };
    let part = TYPES.iter().find(|(name, _)| found.starts_with(name)).map_or("part", |(_, part)| part);
    format!("its {part} is of no type that is known, or lacks a setting")
}

/// Find the tokenizer of a directory.
fn find(directory: &Path) -> Result<PathBuf> {
    let names = [TOKENIZER, VOCABULARY, BPE_VOCABULARY].into_iter().chain(sentencepiece::MODELS);
    names.map(|name| directory.join(name)).find(|file| file.is_file()).ok_or_else(|| Error::Io {
        path: directory.to_owned(),
        source: std::io::Error::new(
            std::io::ErrorKind::NotFound,
            format!(
                "holds no tokenizer, expected {TOKENIZER}, {VOCABULARY}, {BPE_VOCABULARY} and {MERGES}, or {}",
                sentencepiece::MODELS.join(", ")
            ),
        ),
    })
}
