//! Every tokenizer but BERT's: byte-level BPE, Unigram and the like, by the Hugging Face crate.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokenizers::Tokenizer;

use crate::encoding::Output;
use crate::error::Result;
use crate::vocab::{SpecialTokens, Vocabulary};

/// A tokenizer of the crate.
#[derive(Debug)]
pub struct Library {
    tokenizer: Tokenizer,
    vocabulary: Vocabulary,
}

impl Library {
    /// The crate's own tokenizer, from the content of a `tokenizer.json`; or what is wrong with it.
    pub(crate) fn parse(json: &str) -> std::result::Result<Tokenizer, String> {
        guarded(|| json.parse::<Tokenizer>())
    }

    /// Build from the crate's tokenizer.
    ///
    /// # Errors
    /// `Error::Vocabulary`, see `Vocabulary::listed`.
    pub(crate) fn new(
        mut tokenizer: Tokenizer,
        special: &SpecialTokens,
        match_special_tokens: bool,
    ) -> Result<Library> {
        let ids: HashMap<String, u32> = tokenizer.get_vocab(true);
        let vocabulary = Vocabulary::listed(ids, |id| tokenizer.id_to_token(id), special)?;
        tokenizer.set_encode_special_tokens(!match_special_tokens);
        tokenizer.with_padding(None);
        // Taking truncation away cannot fail.
        let _ = tokenizer.with_truncation(None);
        Ok(Library { tokenizer, vocabulary })
    }

    pub(crate) fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Tokens of one text, their offsets in characters; or why it has none.
    pub(crate) fn encode_text<const OFFSETS: bool>(
        &self,
        text: &str,
        output: &mut Output<OFFSETS>,
    ) -> std::result::Result<(), String> {
        let encoding = guarded(|| match (OFFSETS, text.is_ascii()) {
            (false, _) => self.tokenizer.encode_fast(text, false),
            // Bytes are characters here, and the crate is slow to count characters.
            (true, true) => self.tokenizer.encode(text, false),
            (true, false) => self.tokenizer.encode_char_offsets(text, false),
        })?;
        // Where a token stands for nothing, the crate may place it behind the text.
        let last = if OFFSETS { text.chars().count() } else { 0 };
        let place = |character: usize| character.min(last) as i32;
        for (&id, &(start, end)) in encoding.get_ids().iter().zip(encoding.get_offsets()) {
            output.push(1, [id as i32], || [[place(start), place(end.max(start))]]);
        }
        Ok(())
    }
}

/// The crate panics on some files and texts: that must not end more than the call.
fn guarded<T>(task: impl FnOnce() -> tokenizers::Result<T>) -> std::result::Result<T, String> {
    match catch_unwind(AssertUnwindSafe(task)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => Err(message(panic.as_ref()).to_owned()),
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("an unknown failure")
}
