//! Tokenize questions and contexts, each distinct text once.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use crate::error::{Error, Result, Role};
use crate::text::{Trimmer, check_size};
use crate::tokenizer::Encodings;
use crate::tokenizer::Tokenizer;

/// One context: a text of some encodings.
#[derive(Debug, Clone)]
pub struct Context {
    /// Texts that were encoded together.
    pub encodings: Arc<Encodings>,
    /// Its place among them.
    pub index: usize,
}

impl Context {
    /// The text.
    pub fn text(&self) -> &str {
        self.encodings.text(self.index)
    }

    pub(crate) fn ids(&self) -> &[i32] {
        &self.encodings.ids()[self.encodings.rows(self.index)]
    }

    pub(crate) fn source_bytes(&self) -> &[[i32; 2]] {
        &self.encodings.source_bytes()[self.encodings.rows(self.index)]
    }

    /// Find the bytes of the answer from token `first` to token `last`; empty where it is only white space.
    pub(crate) fn answer_bytes(&self, first: usize, last: usize) -> Range<usize> {
        let offsets = self.source_bytes();
        let (start, end) = (offsets[first][0] as usize, offsets[last][1] as usize);
        if !self.encodings.takes_white_space() {
            return start..end;
        }
        let [start, trimmed] =
            Trimmer::new(self.text()).trim([start as i32, end as i32]).map(|byte| byte as usize);
        start.min(end)..trimmed.clamp(start.min(end), end)
    }
}

/// A context as the caller has it.
#[derive(Debug, Clone)]
pub enum ContextInput<T> {
    /// A text that is to be tokenized.
    Text(T),
    /// A text that is tokenized already.
    Encoded(Context),
}

/// Tokenize all questions: ids, and where each begins. White space uses up nothing of a question that is
/// cut: where it has tokens of its own, one blank stays in place of more.
pub(crate) fn encode_questions(
    tokenizer: &Tokenizer,
    questions: &[&str],
    most: usize,
) -> Result<(Vec<i32>, Vec<i64>)> {
    let encode =
        |questions: &[&str]| tokenizer.encode_ids(questions).map_err(|error| error.of(Role::Question));
    let encoded = encode(questions)?;
    let is_long = |index: usize| (encoded.1[index + 1] - encoded.1[index]) as usize > most;
    if !(0..questions.len()).any(is_long) {
        return Ok(encoded);
    }
    let squeezed: Vec<Cow<'_, str>> = questions
        .iter()
        .enumerate()
        .map(|(index, &question)| match is_long(index) {
            true => question.split_whitespace().collect::<Vec<_>>().join(" ").into(),
            false => question.into(),
        })
        .collect();
    encode(&squeezed.iter().map(AsRef::as_ref).collect::<Vec<_>>())
}

/// Tokenize the contexts that are texts, together.
pub(crate) fn encode_contexts<T: AsRef<str> + Send + Sync + 'static>(
    tokenizer: &Tokenizer,
    inputs: Vec<ContextInput<T>>,
    allow_empty: bool,
) -> Result<Vec<Context>> {
    let texts = inputs.iter().map(|input| match input {
        ContextInput::Text(text) => Some(text.as_ref()),
        ContextInput::Encoded(_) => None,
    });
    let places = distinct(texts)?;
    let mut texts = Vec::new();
    let mut encoded = Vec::with_capacity(inputs.len());
    for (index, (input, &place)) in inputs.into_iter().zip(&places).enumerate() {
        encoded.push(match input {
            ContextInput::Text(text) => {
                if place == texts.len() {
                    texts.push(text);
                }
                None
            }
            ContextInput::Encoded(context) if tokenizer.made(&context.encodings) => Some(context),
            ContextInput::Encoded(_) => return Err(Error::ForeignEncoding { index }),
        });
    }
    let encodings = Arc::new(tokenizer.encode(texts).map_err(|error| in_first(error, &encoded, &places))?);
    let context = |(index, (context, place)): (usize, (Option<Context>, usize))| {
        let context = context.unwrap_or_else(|| Context { encodings: Arc::clone(&encodings), index: place });
        if context.ids().is_empty() && !allow_empty {
            return Err(Error::Empty { role: Role::Context, index });
        }
        Ok(context)
    };
    encoded.into_iter().zip(places).enumerate().map(context).collect()
}

/// Make the same error with the index of the first context that is the text.
fn in_first(error: Error, encoded: &[Option<Context>], places: &[usize]) -> Error {
    let Error::Text { index: place, reason, .. } = error else {
        return error;
    };
    let mut contexts = encoded.iter().zip(places);
    let index = contexts.position(|(encoded, &other)| encoded.is_none() && other == place).unwrap_or(place);
    Error::Text { role: Role::Context, index, reason }
}

/// Find each text's place among the distinct ones, in the order in which they first occur; 0 for None.
fn distinct<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Result<Vec<usize>> {
    let mut by_text: HashMap<&str, usize> = HashMap::new();
    // Callers mostly repeat the very same text; its address is quicker to compare than its bytes.
    let mut by_address: HashMap<(*const u8, usize), usize> = HashMap::new();
    let mut places = Vec::new();
    for (index, text) in texts.enumerate() {
        let Some(text) = text else {
            places.push(0);
            continue;
        };
        check_size(Role::Context, index, text)?;
        places.push(*by_address.entry((text.as_ptr(), text.len())).or_insert_with(|| {
            let next = by_text.len();
            *by_text.entry(text).or_insert(next)
        }));
    }
    Ok(places)
}
