//! The answer spans of many questions, as columns.

use std::ops::Range;

use crate::decode::options::DecodeOptions;

/// Answers of a question that room is made for beforehand.
const ROWS: usize = 32;

/// Answer spans, best first; question i has the rows `indptr[i]..indptr[i + 1]`.
#[derive(Debug, PartialEq)]
pub struct Spans {
    /// Where each question's spans begin.
    pub indptr: Vec<i64>,
    /// First character in the context.
    pub start: Vec<i32>,
    /// Character after the last one.
    pub end: Vec<i32>,
    /// First byte.
    pub byte_start: Vec<i32>,
    /// Byte after the last one.
    pub byte_end: Vec<i32>,
    /// The calibrated share of the span; of the null answer `no_answer`.
    pub score: Vec<f32>,
    /// Start logit plus end logit.
    pub logit: Vec<f32>,
    /// The same of the opening token, in the window that gave the span (squad: the smallest of all windows).
    pub null_logit: Vec<f32>,
    /// The window that gave the span, or -1 for the null answer.
    pub window: Vec<i32>,
    /// Of each question, the probability that its context does not answer it.
    pub no_answer: Vec<f32>,
}

/// An answer in its context.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) characters: Range<i32>,
    pub(crate) bytes: Range<i32>,
    pub(crate) score: f32,
    pub(crate) logit: f32,
    pub(crate) null_logit: f32,
    /// -1: the null answer.
    pub(crate) window: i32,
}

/// A question's null answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Null {
    pub(crate) logit: f32,
    /// The probability that there is an answer.
    pub(crate) answered: f64,
    /// The probability that there is none; exact where it is small, which 1 minus the other is not.
    pub(crate) no_answer: f64,
}

impl Null {
    /// Build from the logarithm of the odds that there is an answer.
    #[inline(always)]
    pub(crate) fn from_odds(logit: f32, odds: f64) -> Null {
        Null { logit, answered: logistic(odds), no_answer: logistic(-odds) }
    }
}

#[inline(always)]
fn logistic(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}

impl Spans {
    /// Make room for the answers to some questions.
    pub(crate) fn new(questions: usize, options: &DecodeOptions) -> Spans {
        let rows = questions * options.top_k.min(ROWS);
        let mut indptr = Vec::with_capacity(questions + 1);
        indptr.push(0);
        Spans {
            indptr,
            start: Vec::with_capacity(rows),
            end: Vec::with_capacity(rows),
            byte_start: Vec::with_capacity(rows),
            byte_end: Vec::with_capacity(rows),
            score: Vec::with_capacity(rows),
            logit: Vec::with_capacity(rows),
            null_logit: Vec::with_capacity(rows),
            window: Vec::with_capacity(rows),
            no_answer: Vec::with_capacity(questions),
        }
    }

    /// Add a question's answers.
    #[inline(always)]
    pub(crate) fn push(&mut self, answers: &[Answer], null: Null, options: &DecodeOptions) {
        let no_answer = null.no_answer as f32;
        let null_wins = answers.is_empty()
            || options.threshold.is_some_and(|threshold| 1.0 - f64::from(no_answer) < threshold);
        if null_wins {
            self.push_rows(&[Answer {
                characters: 0..0,
                bytes: 0..0,
                score: no_answer,
                logit: null.logit,
                null_logit: null.logit,
                window: -1,
            }]);
        }
        self.push_rows(&answers[..answers.len().min(options.top_k - usize::from(null_wins))]);
        self.indptr.push(self.start.len() as i64);
        self.no_answer.push(no_answer);
    }

    #[inline(always)]
    fn push_rows(&mut self, answers: &[Answer]) {
        self.start.extend(answers.iter().map(|answer| answer.characters.start));
        self.end.extend(answers.iter().map(|answer| answer.characters.end));
        self.byte_start.extend(answers.iter().map(|answer| answer.bytes.start));
        self.byte_end.extend(answers.iter().map(|answer| answer.bytes.end));
        self.score.extend(answers.iter().map(|answer| answer.score));
        self.logit.extend(answers.iter().map(|answer| answer.logit));
        self.null_logit.extend(answers.iter().map(|answer| answer.null_logit));
        self.window.extend(answers.iter().map(|answer| answer.window));
    }

    /// Add the questions of another part.
    pub(crate) fn append(&mut self, part: &Spans) {
        let rows = self.start.len() as i64;
        self.indptr.extend(part.indptr[1..].iter().map(|end| rows + end));
        self.start.extend_from_slice(&part.start);
        self.end.extend_from_slice(&part.end);
        self.byte_start.extend_from_slice(&part.byte_start);
        self.byte_end.extend_from_slice(&part.byte_end);
        self.score.extend_from_slice(&part.score);
        self.logit.extend_from_slice(&part.logit);
        self.null_logit.extend_from_slice(&part.null_logit);
        self.window.extend_from_slice(&part.window);
        self.no_answer.extend_from_slice(&part.no_answer);
    }
}
