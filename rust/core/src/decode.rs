//! Logits -> n-best spans and null scores.

mod global;
mod squad;

use std::ops::Range;

use crate::error::{Error, Result};
use crate::windows::Windows;

/// How candidates are chosen and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One list of candidates over all windows of a question.
    Global,
    /// Google's run_squad.py, as MLPerf uses it.
    Squad,
}

/// What `decode` returns of each question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecodeOptions {
    /// See `Mode`.
    pub mode: Mode,
    /// Spans of each question at most.
    pub top_k: usize,
    /// Candidates.
    pub n_best: usize,
    /// Tokens of a span at most.
    pub max_answer_length: usize,
    /// The null answer comes first when its score exceeds the best by more than this.
    pub null_threshold: Option<f32>,
}

/// The logits of all windows.
#[derive(Debug, Clone, Copy)]
pub struct Logits<'a> {
    /// Of the first token of an answer.
    pub start: &'a [f32],
    /// Of the last.
    pub end: &'a [f32],
    /// Columns of a window's row; None: ragged, as `Windows::ids`.
    pub length: Option<usize>,
}

/// Answer spans, best first; question i has the rows `indptr[i]..indptr[i + 1]`.
#[derive(Debug, Default)]
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
    /// Start logit plus end logit.
    pub score: Vec<f32>,
    /// Softmax of the scores.
    pub probability: Vec<f32>,
    /// The window that gave the span, or -1 for the null answer.
    pub window: Vec<i32>,
    /// Smallest sum of the logits of a question's opening tokens.
    pub null_score: Vec<f32>,
    /// The null answer's share of the softmax.
    pub null_probability: Vec<f32>,
}

/// An answer in its context.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    characters: Range<i32>,
    bytes: Range<i32>,
    score: f32,
    probability: f32,
    window: usize,
}

/// One question's answers.
#[derive(Debug)]
struct Decoded {
    answers: Vec<Answer>,
    null_score: f32,
    null_probability: f32,
}

/// The logits of one window, cut to its tokens.
#[derive(Debug, Clone, Copy)]
struct WindowLogits<'a> {
    start: &'a [f32],
    end: &'a [f32],
}

/// Sums of two logits below this are finite.
const MAX_LOGIT: f32 = 1e30;

/// Windows of one task: enough work to be worth a thread.
const TASK_WINDOWS: usize = 64;

/// The best answer spans of each question. The order of equal scores: global, earlier start, then
/// earlier end; squad, earlier window, then higher start logit, then higher end logit.
///
/// # Errors
/// `Error::Argument`, `Error::Shape`, `Error::Logit`.
pub fn decode(windows: &Windows, logits: &Logits<'_>, options: &DecodeOptions) -> Result<Spans> {
    options.check()?;
    logits.check(windows)?;
    let questions = windows.contexts.len();
    let pool = windows.tokenizer.pool();
    let tasks = split_questions(windows, if pool.threads() > 1 { TASK_WINDOWS } else { usize::MAX });
    let parts = pool.map(tasks, |task| decode_task(windows, logits, options, task));
    let mut spans = Spans { indptr: Vec::with_capacity(questions + 1), ..Spans::default() };
    spans.indptr.push(0);
    for part in parts {
        for decoded in part? {
            spans.push(decoded, options);
        }
    }
    Ok(spans)
}

impl DecodeOptions {
    fn check(&self) -> Result<()> {
        for (name, value) in
            [("top_k", self.top_k), ("n_best", self.n_best), ("max_answer_length", self.max_answer_length)]
        {
            if value == 0 {
                return Err(Error::argument(name, 0, "at least 1"));
            }
        }
        if self.mode == Mode::Squad && self.n_best < self.top_k {
            return Err(Error::argument(
                "n_best",
                self.n_best,
                format!("at least the top_k of {}", self.top_k),
            ));
        }
        match self.null_threshold {
            Some(threshold) if threshold.is_nan() => {
                Err(Error::argument("null_threshold", threshold, "a number"))
            }
            _ => Ok(()),
        }
    }
}

impl<'a> Logits<'a> {
    fn check(&self, windows: &Windows) -> Result<()> {
        for (name, values) in [("start_logits", self.start), ("end_logits", self.end)] {
            let (expected, fits) = match self.length {
                None => (format!("({},)", windows.ids.len()), values.len() == windows.ids.len()),
                Some(length) => (
                    format!("({}, {} or more)", windows.len(), windows.longest()),
                    length >= windows.longest() && values.len() == windows.len().saturating_mul(length),
                ),
            };
            if !fits {
                let found = match self.length {
                    None => format!("({},)", values.len()),
                    Some(length) => format!("({}, {length})", values.len().checked_div(length).unwrap_or(0)),
                };
                return Err(Error::Shape { name, found, expected });
            }
        }
        Ok(())
    }

    /// The logits of one window, which are all finite and not absurd.
    fn window(&self, windows: &Windows, window: usize) -> Result<WindowLogits<'a>> {
        let tokens = windows.rows(window);
        let rows = match self.length {
            None => tokens,
            Some(length) => window * length..window * length + tokens.len(),
        };
        let logits = WindowLogits { start: &self.start[rows.clone()], end: &self.end[rows] };
        for (name, values) in [("start_logits", logits.start), ("end_logits", logits.end)] {
            let fits = |value: &f32| value.abs() <= MAX_LOGIT;
            // Without an early exit the loop is a few vector instructions.
            if !values.iter().fold(true, |all, value| all & fits(value)) {
                let position = values.iter().position(|value| !fits(value)).unwrap_or(0);
                return Err(Error::Logit { name, window, position, value: values[position] });
            }
        }
        Ok(logits)
    }
}

/// Neighbouring questions in groups of at least `size` windows.
fn split_questions(windows: &Windows, size: usize) -> Vec<Range<usize>> {
    let questions = windows.contexts.len();
    let mut tasks = Vec::new();
    let mut begin = 0;
    for question in 0..questions {
        let count = windows.windows_of(question).end - windows.windows_of(begin).start;
        if count >= size || question + 1 == questions {
            tasks.push(begin..question + 1);
            begin = question + 1;
        }
    }
    tasks
}

fn decode_task(
    windows: &Windows,
    logits: &Logits<'_>,
    options: &DecodeOptions,
    questions: Range<usize>,
) -> Result<Vec<Decoded>> {
    let mut decoder = match options.mode {
        Mode::Global => Decoder::Global(global::Decoder::new(options)),
        Mode::Squad => Decoder::Squad(squad::Decoder::new(options)),
    };
    questions
        .map(|question| match &mut decoder {
            Decoder::Global(decoder) => decoder.decode(windows, logits, question),
            Decoder::Squad(decoder) => decoder.decode(windows, logits, question),
        })
        .collect()
}

enum Decoder {
    Global(global::Decoder),
    Squad(squad::Decoder),
}

impl Spans {
    fn push(&mut self, decoded: Decoded, options: &DecodeOptions) {
        let Decoded { answers, null_score, null_probability } = decoded;
        let best = answers.first().map_or(f32::NEG_INFINITY, |answer| answer.score);
        let null_wins = options.null_threshold.is_some_and(|threshold| null_score - best > threshold);
        if null_wins {
            self.push_row(0..0, 0..0, null_score, null_probability, -1);
        }
        for answer in answers.into_iter().take(options.top_k - usize::from(null_wins)) {
            let Answer { characters, bytes, score, probability, window } = answer;
            self.push_row(characters, bytes, score, probability, window as i32);
        }
        self.indptr.push(self.start.len() as i64);
        self.null_score.push(null_score);
        self.null_probability.push(null_probability);
    }

    fn push_row(
        &mut self,
        characters: Range<i32>,
        bytes: Range<i32>,
        score: f32,
        probability: f32,
        window: i32,
    ) {
        self.start.push(characters.start);
        self.end.push(characters.end);
        self.byte_start.push(bytes.start);
        self.byte_end.push(bytes.end);
        self.score.push(score);
        self.probability.push(probability);
        self.window.push(window);
    }
}

/// The softmax of scores, computed in double precision.
fn softmax(scores: impl Iterator<Item = f32> + Clone) -> impl Iterator<Item = f32> {
    let greatest = scores.clone().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = scores.map(|score| (f64::from(score) - f64::from(greatest)).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(move |power| (power / sum) as f32)
}

#[cfg(test)]
mod tests;
