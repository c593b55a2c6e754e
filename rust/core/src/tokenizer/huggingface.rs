//! Tokenize with the Hugging Face crate: byte-level BPE, Unigram, every kind but BERT's.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokenizers::{
    ModelWrapper, NormalizedString, Normalizer, PostProcessor, PostProcessorWrapper, Tokenizer,
};

use crate::error::Result;
use crate::tokenizer::tokens::Output;
use crate::tokenizer::vocabulary::{SpecialTokens, Vocabulary};

/// A tokenizer of the crate.
#[derive(Debug)]
pub(crate) struct HuggingFace {
    tokenizer: Tokenizer,
    /// Taken out of the tokenizer: it may move offsets. It counts a space off each token that begins with
    /// one, also where the pre-tokenizer put that there, which leaves `msterdam` of `Amsterdam`.
    post_processor: Option<PostProcessorWrapper>,
    vocabulary: Vocabulary,
    /// Ids that no text may have.
    reserved: HashSet<u32>,
}

impl HuggingFace {
    /// Build the crate's own tokenizer from the content of a `tokenizer.json`; or what is wrong with it.
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
    ) -> Result<HuggingFace> {
        let ids: HashMap<String, u32> = tokenizer.get_vocab(true);
        let vocabulary = Vocabulary::listed(ids, |id| tokenizer.id_to_token(id), special)?;
        let mut reserved = HashSet::new();
        if !match_special_tokens {
            tokenizer.set_encode_special_tokens(true);
            let added = tokenizer.get_added_tokens_decoder();
            reserved.extend(added.iter().filter(|(_, token)| token.special).map(|(&id, _)| id));
        }
        tokenizer.with_padding(None);
        // Taking truncation away cannot fail.
        let _ = tokenizer.with_truncation(None);
        let post_processor = tokenizer.get_post_processor().cloned();
        tokenizer.with_post_processor(None::<PostProcessorWrapper>);
        Ok(HuggingFace { tokenizer, post_processor, vocabulary, reserved })
    }

    pub(crate) fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Whether the post-processor leaves the first token of a sequence one blank before its word.
    pub(crate) fn keeps_first_blank(&self) -> bool {
        fn keeps(post_processor: &PostProcessorWrapper) -> bool {
            match post_processor {
                PostProcessorWrapper::Roberta(settings) => settings.trim_offsets && settings.add_prefix_space,
                PostProcessorWrapper::ByteLevel(settings) => {
                    settings.trim_offsets && settings.add_prefix_space
                }
                PostProcessorWrapper::Sequence(parts) => {
                    AsRef::<[PostProcessorWrapper]>::as_ref(parts).iter().any(keeps)
                }
                _ => false,
            }
        }
        self.post_processor.as_ref().is_some_and(keeps)
    }

    pub(crate) fn model(&self) -> &'static str {
        match self.tokenizer.get_model() {
            ModelWrapper::BPE(_) => "BPE",
            ModelWrapper::WordPiece(_) => "WordPiece",
            ModelWrapper::WordLevel(_) => "WordLevel",
            ModelWrapper::Unigram(_) => "Unigram",
        }
    }

    /// Make the normal form of a text; the text itself where there is none.
    pub(crate) fn normalized(&self, text: &str) -> String {
        let mut normalized = NormalizedString::from(text);
        match self.tokenizer.get_normalizer() {
            Some(normalizer) if guarded(|| normalizer.normalize(&mut normalized)).is_ok() => {
                normalized.get().to_owned()
            }
            _ => text.to_owned(),
        }
    }

    /// Tokenize one text, with offsets in characters; or say why it has no tokens.
    ///
    /// Some models spell special tokens themselves: Unigram has them among its pieces. Where special tokens
    /// are plain text, such a piece is unknown, in which this differs from the crate.
    pub(crate) fn encode_text<const OFFSETS: bool>(
        &self,
        text: &str,
        output: &mut Output<OFFSETS>,
    ) -> std::result::Result<(), String> {
        // Where a token stands for nothing, the crate may place it behind the text.
        let last = if OFFSETS { text.chars().count() } else { 0 };
        let place = |&(start, end): &(usize, usize)| [start, end.max(start)].map(|at| at.min(last) as i32);
        let encoding = guarded(|| {
            let encoding = match (OFFSETS, text.is_ascii()) {
                (false, _) => return self.tokenizer.encode_fast(text, false),
                // Bytes are characters here, and the crate is slow to count characters.
                (true, true) => self.tokenizer.encode(text, false)?,
                (true, false) => self.tokenizer.encode_char_offsets(text, false)?,
            };
            output.sources.extend(encoding.get_offsets().iter().map(place));
            output
                .words
                .extend(encoding.get_word_ids().iter().map(|word| word.map_or(-1, |word| word as i32)));
            match &self.post_processor {
                Some(post_processor) => post_processor.process(encoding, None, false),
                None => Ok(encoding),
            }
        })?;
        for (&id, offset) in encoding.get_ids().iter().zip(encoding.get_offsets()) {
            let id = if self.reserved.contains(&id) { self.unknown(id)? } else { id };
            output.push(1, [id as i32], || [place(offset)]);
        }
        Ok(())
    }

    /// Replace a reserved token by the unknown one.
    fn unknown(&self, id: u32) -> std::result::Result<u32, String> {
        self.vocabulary.unk().ok_or_else(|| {
            let token = self.vocabulary.token(id).unwrap_or_default();
            format!("it spells the special token {token:?}, and there is no unknown token")
        })
    }
}

/// Catch a panic: the crate has some on files and texts, and they must not end more than the call.
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
