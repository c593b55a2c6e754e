//! Question + context -> windows; the two stride conventions; the max-context rule.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use crate::encoding::Encodings;
use crate::error::{Error, Result, Role};
use crate::tokenizer::Tokenizer;

/// What the stride between the windows of one context means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// The next window starts `doc_stride` tokens later (Google's run_squad.py, MLPerf).
    Advance,
    /// Neighbouring windows share `doc_stride` tokens (Hugging Face).
    Overlap,
}

/// How contexts are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowOptions {
    /// Tokens of a window at most, special tokens included.
    pub max_length: usize,
    /// See `Convention`.
    pub doc_stride: usize,
    /// What `doc_stride` means.
    pub convention: Convention,
    /// A longer question is cut to this many tokens.
    pub max_question_length: Option<usize>,
}

/// One context: a text of some encodings.
#[derive(Debug, Clone)]
pub struct Context {
    /// Texts that were encoded together.
    pub encodings: Arc<Encodings>,
    /// Which of them.
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

    pub(crate) fn byte_offsets(&self) -> &[[i32; 2]] {
        &self.encodings.byte_offsets()[self.encodings.rows(self.index)]
    }

    /// The bytes of the answer from token `first` to token `last`; empty where it is only white space.
    pub(crate) fn answer_bytes(&self, first: usize, last: usize) -> Range<usize> {
        let offsets = self.byte_offsets();
        let (start, end) = (offsets[first][0] as usize, offsets[last][1] as usize);
        if !self.encodings.takes_white_space() {
            return start..end;
        }
        let text = self.text().get(start..end).unwrap_or_default();
        let start = end - text.trim_start().len();
        start..end.min(start + text.trim().len())
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

/// A question and a part of its context each, in the tokenizer's layout of pairs; ragged.
#[derive(Debug)]
pub struct Windows {
    pub(crate) tokenizer: Arc<Tokenizer>,
    /// All windows' ids, one after the other.
    pub ids: Vec<i32>,
    /// Where each window begins in `ids`, and where the last ends.
    pub indptr: Vec<i64>,
    /// Each window's question.
    pub question: Vec<i32>,
    /// Position in the window where the context begins.
    pub context_start: Vec<i32>,
    /// The window's first context token among the context's tokens.
    pub context_offset: Vec<i32>,
    /// Each question's context.
    pub contexts: Vec<Context>,
    /// Tokens of each question before it was cut.
    pub question_length: Vec<i32>,
    /// Where each question's windows begin, and where the last end.
    pub(crate) question_windows: Vec<usize>,
}

impl Windows {
    /// Cut contexts into windows. A text that occurs more than once is tokenized once.
    ///
    /// # Errors
    /// `Error::Pairs`, `Error::Empty`, `Error::TooLong`, `Error::NoRoom`, `Error::ForeignEncoding`,
    /// `Error::Argument`, `Error::Text`.
    pub fn new(
        tokenizer: &Arc<Tokenizer>,
        questions: &[&str],
        contexts: Vec<ContextInput<impl AsRef<str> + Send + Sync + 'static>>,
        options: &WindowOptions,
    ) -> Result<Windows> {
        let special = tokenizer.layout().special();
        options.check(special)?;
        if questions.len() != contexts.len() {
            return Err(Error::Pairs { questions: questions.len(), contexts: contexts.len() });
        }
        for (index, question) in questions.iter().enumerate() {
            check_size(Role::Question, index, question)?;
        }
        let contexts = encode_contexts(tokenizer, contexts)?;
        let most = options.max_question_length.unwrap_or(usize::MAX);
        let (question_ids, bounds) = encode_questions(tokenizer, questions, most)?;
        let question = |index: usize| &question_ids[bounds[index] as usize..bounds[index + 1] as usize];
        let mut windows = Windows {
            tokenizer: Arc::clone(tokenizer),
            ids: Vec::new(),
            indptr: vec![0],
            question: Vec::new(),
            context_start: Vec::new(),
            context_offset: Vec::new(),
            contexts,
            question_length: (0..questions.len()).map(|index| question(index).len() as i32).collect(),
            question_windows: vec![0],
        };
        for index in 0..questions.len() {
            windows.plan_question(index, question(index).len(), options)?;
        }
        windows.ids = windows.fill(question);
        Ok(windows)
    }

    /// Number of windows.
    pub fn len(&self) -> usize {
        self.question.len()
    }

    /// Whether there are no windows.
    pub fn is_empty(&self) -> bool {
        self.question.is_empty()
    }

    /// Tokens of window `index`, which must exist.
    pub fn rows(&self, index: usize) -> Range<usize> {
        self.indptr[index] as usize..self.indptr[index + 1] as usize
    }

    /// Tokens of the longest window.
    pub fn longest(&self) -> usize {
        self.indptr.windows(2).map(|pair| (pair[1] - pair[0]) as usize).max().unwrap_or(0)
    }

    /// Positions of the context in window `index`, which must exist.
    pub(crate) fn context_positions(&self, index: usize) -> Range<usize> {
        let context_start = self.context_start[index] as usize;
        self.tokenizer.layout().context_positions(context_start, self.rows(index).len())
    }

    /// The windows of question `index`, which must exist.
    pub(crate) fn windows_of(&self, index: usize) -> Range<usize> {
        self.question_windows[index]..self.question_windows[index + 1]
    }

    /// Google's rule: a token belongs to the window in which the smaller of its left and right context,
    /// plus 0.01 of the window's length, is greatest; the first of equals.
    pub(crate) fn is_max_context(&self, window: usize, token: usize) -> bool {
        let score = |index: usize| {
            let first = self.context_offset[index] as usize;
            let length = self.context_positions(index).len();
            let inside = (first..first + length).contains(&token);
            inside.then(|| (token - first).min(first + length - 1 - token) as f64 + 0.01 * length as f64)
        };
        let Some(own) = score(window) else {
            return false;
        };
        self.windows_of(self.question[window] as usize).all(|other| match score(other) {
            Some(theirs) if other < window => theirs < own,
            Some(theirs) => theirs <= own,
            None => true,
        })
    }

    /// Say which tokens each window of a question has.
    fn plan_question(&mut self, index: usize, question: usize, options: &WindowOptions) -> Result<()> {
        if question == 0 {
            return Err(Error::Empty { role: Role::Question, index });
        }
        let question = question.min(options.max_question_length.unwrap_or(usize::MAX));
        let tokens = self.contexts[index].ids().len();
        let layout = self.tokenizer.layout();
        let (special, context_start) = (layout.special(), layout.context_start(question));
        let room = options.room(index, question, tokens, special)?;
        let step = match options.convention {
            Convention::Advance => options.doc_stride.min(room),
            Convention::Overlap => room - options.doc_stride.min(room - 1),
        };
        let mut end = self.indptr.last().map_or(0, |&end| end as usize);
        let mut first = 0;
        loop {
            let last = tokens.min(first + room);
            end += question + last - first + special;
            self.indptr.push(end as i64);
            self.question.push(index as i32);
            self.context_start.push(context_start as i32);
            self.context_offset.push(first as i32);
            if last == tokens {
                break;
            }
            first += step;
        }
        self.question_windows.push(self.question.len());
        Ok(())
    }

    /// The ids of all windows, as they are planned.
    fn fill<'q>(&self, question: impl Fn(usize) -> &'q [i32] + Sync) -> Vec<i32> {
        let layout = self.tokenizer.layout();
        let mut ids = vec![0; self.indptr.last().map_or(0, |&end| end as usize)];
        let end = |window: usize| self.indptr[window + 1] as usize;
        self.tokenizer.pool().fill_rows(&mut ids, self.len(), end, |window, row| {
            let index = self.question[window] as usize;
            let start = self.context_start[window] as usize;
            let first = self.context_offset[window] as usize;
            let length = layout.context_positions(start, row.len()).len();
            let context = &self.contexts[index].ids()[first..first + length];
            layout.write_ids(question(index), context, start, row);
        });
        ids
    }
}

impl WindowOptions {
    fn check(&self, special: usize) -> Result<()> {
        if self.max_length <= special {
            return Err(Error::argument(
                "max_length",
                self.max_length,
                format!("at least {}: {special} special tokens and one of the context", special + 1),
            ));
        }
        if self.doc_stride == 0 && self.convention == Convention::Advance {
            return Err(Error::argument("doc_stride", 0, "at least 1"));
        }
        if self.max_question_length == Some(0) {
            return Err(Error::argument("max_question_length", 0, "at least 1, or None"));
        }
        Ok(())
    }

    /// Context tokens that fit into a window.
    fn room(&self, index: usize, question: usize, context: usize, special: usize) -> Result<usize> {
        let room = self.max_length.saturating_sub(question + special);
        let expected = match self.convention {
            Convention::Overlap if room > 0 && context > room && self.doc_stride >= room => {
                format!("more than the doc_stride of {}, which neighbouring windows share", self.doc_stride)
            }
            _ if room == 0 => "at least 1".to_owned(),
            _ => return Ok(room),
        };
        let missing = self.max_length as i64 - question as i64 - special as i64;
        Err(Error::NoRoom { index, max_length: self.max_length, question, special, room: missing, expected })
    }
}

/// Offsets are 32-bit integers.
///
/// # Errors
/// `Error::TooLong`.
pub fn check_size(role: Role, index: usize, text: &str) -> Result<()> {
    if text.len() > i32::MAX as usize {
        return Err(Error::TooLong { role, index, bytes: text.len() });
    }
    Ok(())
}

/// Ids of all questions, and where each begins. White space uses up nothing of a question that is cut: where
/// it has tokens of its own, one blank stays in place of more.
fn encode_questions(tokenizer: &Tokenizer, questions: &[&str], most: usize) -> Result<(Vec<i32>, Vec<i64>)> {
    let encoded = tokenizer.encode_ids(questions)?;
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
    tokenizer.encode_ids(&squeezed.iter().map(AsRef::as_ref).collect::<Vec<_>>())
}

fn encode_contexts<T: AsRef<str> + Send + Sync + 'static>(
    tokenizer: &Tokenizer,
    inputs: Vec<ContextInput<T>>,
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
        if context.ids().is_empty() {
            return Err(Error::Empty { role: Role::Context, index });
        }
        Ok(context)
    };
    encoded.into_iter().zip(places).enumerate().map(context).collect()
}

/// The same error with the index of the first context that is the text.
fn in_first(error: Error, encoded: &[Option<Context>], places: &[usize]) -> Error {
    let Error::Text { index: place, reason } = error else {
        return error;
    };
    let mut contexts = encoded.iter().zip(places);
    let index = contexts.position(|(encoded, &other)| encoded.is_none() && other == place).unwrap_or(place);
    Error::Text { index, reason }
}

/// For each text its place among the distinct ones, in the order in which they first occur; 0 for None.
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
