//! Cut contexts into windows: two stride conventions, and the rule of maximum context.

use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result, Role};
use crate::text::check_size;
use crate::tokenizer::Tokenizer;
use crate::windows::inputs::{Context, ContextInput, encode_contexts, encode_questions};
use crate::windows::options::{Convention, WindowOptions};

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
        let contexts = encode_contexts(tokenizer, contexts, options.allow_empty)?;
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

    /// Apply Google's rule of maximum context: a token belongs to the window in which the smaller of its
    /// left and right context, plus 0.01 of the window's length, is greatest; the first of equals.
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
        // Neither the starts nor the ends of a question's windows decrease: those that hold the token are
        // neighbours.
        let all = self.windows_of(self.question[window] as usize);
        let begun = self.context_offset[all.clone()].partition_point(|&first| first as usize <= token);
        (all.start..all.start + begun)
            .rev()
            .map_while(|other| Some((other, score(other)?)))
            .all(|(other, theirs)| if other < window { theirs < own } else { theirs <= own })
    }

    /// Plan the windows of a question.
    fn plan_question(&mut self, index: usize, question: usize, options: &WindowOptions) -> Result<()> {
        if question == 0 && !options.allow_empty {
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

    /// Write the ids of all windows, as they are planned.
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
