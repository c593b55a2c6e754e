//! The files that a tokenizer was read from, by which other processes and other tokenizers know it.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{self, Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use crate::error::{Error, Result};
use crate::tokenizer::load::read_tokenizer;
use crate::tokenizer::pair_layout::PairLayout;
use crate::tokenizer::tokenizer::Tokenizer;

/// Files beside a tokenizer's own that have a say in how it works.
const COMPANIONS: [&str; 4] =
    ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt"];

/// Tokenizers that were kept for others to share; those that nobody uses any more are gone.
static IN_USE: Mutex<Vec<Weak<Tokenizer>>> = Mutex::new(Vec::new());

/// All that is needed to read a tokenizer again.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The file or directory that was given; absolute.
    pub path: PathBuf,
    /// Whether special tokens typed in a text become those tokens.
    pub match_special_tokens: bool,
    /// Threads that were asked for; None: the CPUs that the process may run on.
    pub threads: Option<usize>,
    /// A digest of the files and of what they are read for: of equal ones, tokens are the same. It is the
    /// same in every process.
    pub identity: u64,
}

impl Origin {
    /// Describe a tokenizer whose `file` was read, and whose pairs have this layout.
    pub(crate) fn new(
        path: &Path,
        file: &Path,
        text: &str,
        layout: &PairLayout,
        match_special_tokens: bool,
        threads: Option<usize>,
    ) -> Result<Origin> {
        let mut hasher = DefaultHasher::new();
        // The layout of a vocabulary without settings depends on the model beside it.
        (file.file_name(), text, layout, match_special_tokens).hash(&mut hasher);
        for name in COMPANIONS {
            fs::read(file.with_file_name(name)).ok().hash(&mut hasher);
        }
        let path = path::absolute(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
        Ok(Origin { path, match_special_tokens, threads, identity: hasher.finish() })
    }
}

/// Share a tokenizer with [`read_again`] as long as it is in use.
pub fn share(tokenizer: Tokenizer) -> Arc<Tokenizer> {
    let tokenizer = Arc::new(tokenizer);
    // In a forked child the lock may be held by a thread that it does not have; sharing only saves time.
    if let Ok(mut all) = IN_USE.try_lock() {
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&tokenizer));
    }
    tokenizer
}

/// Find a tokenizer in use that makes the same tokens, or else read it.
///
/// # Errors
/// As [`read_tokenizer`]; or `Error::File`: its files have changed.
pub fn read_again(origin: &Origin) -> Result<Arc<Tokenizer>> {
    let find = |all: &Vec<Weak<Tokenizer>>| {
        all.iter().filter_map(Weak::upgrade).find(|other| other.origin().identity == origin.identity)
    };
    match IN_USE.try_lock().ok().and_then(|all| find(&all)) {
        Some(tokenizer) => Ok(tokenizer),
        None => {
            let (tokenizer, _) = read_tokenizer(&origin.path, origin.match_special_tokens, origin.threads)?;
            if tokenizer.origin().identity != origin.identity {
                let reason = "it, or a file beside it, is not what it was when the encoding was pickled";
                return Err(Error::File { path: origin.path.clone(), reason: reason.to_owned() });
            }
            Ok(share(tokenizer))
        }
    }
}
