//! Notice where `tokenizer_config.json` lowers the case or strips accents otherwise than `tokenizer.json`.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::Result;
use crate::tokenizer::load::source::{CONFIG, beside};
use crate::tokenizer::tokenizer::Engine;

/// A setting on which the two files disagree; the tokenizer does as `tokenizer.json` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// The `tokenizer.json`.
    pub file: PathBuf,
    /// The `tokenizer_config.json`.
    pub config: PathBuf,
    /// `lower-case texts` or `strip accents`.
    pub deed: &'static str,
    /// Whether the former says to do it; the latter says the contrary.
    pub done: bool,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Disagreement { file, config, deed, done } = self;
        let (one, other) = if *done { ("to", "not to") } else { ("not to", "to") };
        let (file, config) = (file.display(), config.display());
        write!(
            f,
            "{file}: says {one} {deed}, {config} says {other}; the former is followed, expected the two to agree"
        )
    }
}

/// The settings of `tokenizer_config.json`.
#[derive(Deserialize, Default)]
#[serde(expecting = "an object with the tokenizer's settings")]
struct ConfigFile {
    do_lower_case: Option<bool>,
    strip_accents: Option<bool>,
}

/// Compare a tokenizer with the settings beside its file.
///
/// # Errors
/// `Error::Io`, `Error::File`: the settings cannot be read.
pub(super) fn compare(file: &Path, engine: &Engine) -> Result<Vec<Disagreement>> {
    let config: ConfigFile = beside(file, CONFIG)?;
    let (lowercase, strip_accents) = match engine {
        Engine::Bert(bert) => (bert.normalization.lowercase, bert.normalization.strip_accents),
        Engine::HuggingFace(huggingface) => {
            let normal = huggingface.normalized("AÉ");
            (!normal.contains('A'), !normal.contains(['é', 'É', '\u{301}']))
        }
    };
    // BERT's settings strip accents where they lower the case, unless they say otherwise.
    let accents = config.strip_accents.or(match engine {
        Engine::Bert(_) => config.do_lower_case,
        Engine::HuggingFace(_) => None,
    });
    let deeds =
        [("lower-case texts", lowercase, config.do_lower_case), ("strip accents", strip_accents, accents)];
    let config = file.with_file_name(CONFIG);
    Ok(deeds
        .into_iter()
        .filter(|(_, done, said)| said.is_some_and(|said| said != *done))
        .map(|(deed, done, _)| Disagreement { file: file.to_owned(), config: config.clone(), deed, done })
        .collect())
}
