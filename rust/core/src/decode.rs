//! Logits -> n-best spans and null scores.

mod global;
mod squad;

use std::ops::Range;

use multiversion::multiversion;

use crate::error::{Error, Result};
use crate::segment::Unit;
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
    /// Spans of each question at most, the null answer included.
    pub top_k: usize,
    /// Candidates that share the score.
    pub n_best: usize,
    /// Tokens of a span at most.
    pub max_answer_length: usize,
    /// The null answer comes first when the probability of an answer is below this, or there is no span.
    pub threshold: Option<f64>,
    /// What logits are worth.
    pub calibration: Calibration,
    /// Global: whether spans that overlap a better one are answers of their own.
    pub overlap: bool,
    /// Global: what an answer never cuts.
    pub unit: Unit,
}

/// How margins (a span's logit minus the null logit of its window) become probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// The probability of an answer is the logistic function of `slope` times the best margin
    pub slope: f32,
    /// plus this (Platt 1999).
    pub intercept: f32,
    /// Candidates share it by a softmax of their margins divided by this (Guo et al. 2017, arXiv 1706.04599).
    pub temperature: f32,
    /// Global: what a span that reaches from one sentence into another loses of its margin.
    pub sentence_margin: f32,
}

impl Default for Calibration {
    fn default() -> Calibration {
        Calibration { slope: 1.0, intercept: 0.0, temperature: 1.0, sentence_margin: 0.0 }
    }
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
struct Answer {
    characters: Range<i32>,
    bytes: Range<i32>,
    score: f32,
    logit: f32,
    null_logit: f32,
    /// -1: the null answer.
    window: i32,
}

/// What is known of a question's null answer.
#[derive(Debug, Clone, Copy)]
struct Null {
    logit: f32,
    /// The logarithm of the odds that there is an answer.
    odds: f64,
}

impl Null {
    /// The probability that there is an answer.
    #[inline(always)]
    fn answered(&self) -> f64 {
        logistic(self.odds)
    }

    /// The probability that there is none; exact where it is small, which 1 minus the other is not.
    #[inline(always)]
    fn no_answer(&self) -> f64 {
        logistic(-self.odds)
    }
}

#[inline(always)]
fn logistic(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}

/// The logits of one window, cut to its tokens.
#[derive(Debug, Clone, Copy)]
struct WindowLogits<'a> {
    start: &'a [f32],
    end: &'a [f32],
}

impl WindowLogits<'_> {
    /// Start logit plus end logit of the opening token.
    #[inline(always)]
    fn null(&self) -> f32 {
        self.start[0] + self.end[0]
    }
}

/// Sums of two logits below this are finite.
const MAX_LOGIT: f32 = 1e30;

/// Windows of one task: enough work to be worth a thread.
const TASK_WINDOWS: usize = 64;

/// Answers of a question that room is made for beforehand.
const ROWS: usize = 32;

/// The best answer spans of each question. The order of equal scores: global, earlier start, then
/// earlier end; squad, earlier window, then higher start logit, then higher end logit.
///
/// # Errors
/// `Error::Argument`, `Error::Shape`, `Error::Logit`.
pub fn decode(windows: &Windows, logits: &Logits<'_>, options: &DecodeOptions) -> Result<Spans> {
    options.check()?;
    logits.check(windows)?;
    let pool = windows.tokenizer.pool();
    let tasks = split_questions(windows, if pool.threads() > 1 { TASK_WINDOWS } else { usize::MAX });
    if let [task] = &tasks[..] {
        return decode_task(windows, logits, options, task.clone());
    }
    let mut spans = Ok(Spans::new(windows.contexts.len(), options));
    pool.map_in_order(
        tasks,
        |task| decode_task(windows, logits, options, task),
        |part| match (&mut spans, part) {
            (Ok(spans), Ok(part)) => spans.append(&part),
            (Ok(_), Err(error)) => spans = Err(error),
            (Err(_), _) => {}
        },
    );
    spans
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
        if let Some(threshold) = self.threshold
            && !(0.0..=1.0).contains(&threshold)
        {
            return Err(Error::argument("threshold", threshold, "a probability, 0 to 1, or None"));
        }
        self.calibration.check()
    }
}

impl Calibration {
    fn check(&self) -> Result<()> {
        for (name, value, least) in [
            ("slope", self.slope, 0.0),
            ("intercept", self.intercept, f32::MIN),
            ("temperature", self.temperature, f32::MIN_POSITIVE),
            ("sentence_margin", self.sentence_margin, 0.0),
        ] {
            if !(value.is_finite() && value >= least) {
                let expected = match name {
                    "intercept" => "a finite number",
                    "temperature" => "a finite number greater than 0",
                    _ => "a finite number of at least 0",
                };
                return Err(Error::argument(name, value, expected));
            }
        }
        Ok(())
    }

    /// The logarithm of the odds that a context whose best span has this margin holds the answer.
    #[inline(always)]
    fn odds(&self, margin: f32) -> f64 {
        f64::from(self.slope) * f64::from(margin) + f64::from(self.intercept)
    }

    /// The softmax of margins over the temperature, in double precision.
    #[inline(always)]
    fn shares(&self, margins: impl Iterator<Item = f32> + Clone, shares: &mut Vec<f64>) {
        let greatest = margins.clone().fold(f32::NEG_INFINITY, f32::max);
        let temperature = f64::from(self.temperature);
        shares.clear();
        shares.extend(margins.map(|margin| ((f64::from(margin) - f64::from(greatest)) / temperature).exp()));
        let sum: f64 = shares.iter().sum();
        shares.iter_mut().for_each(|share| *share /= sum);
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

    /// The logits of one window.
    #[inline(always)]
    fn rows(&self, windows: &Windows, window: usize) -> WindowLogits<'a> {
        let tokens = windows.rows(window);
        let rows = match self.length {
            None => tokens,
            Some(length) => window * length..window * length + tokens.len(),
        };
        WindowLogits { start: &self.start[rows.clone()], end: &self.end[rows] }
    }

    /// The logits of one window, which are all finite and not absurd.
    #[inline(always)]
    fn window(&self, windows: &Windows, window: usize) -> Result<WindowLogits<'a>> {
        let logits = self.rows(windows, window);
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

/// The answers to neighbouring questions, by one thread. Its loops over logits are compiled twice: for
/// what every processor of the target can do, and for more.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2+lzcnt+popcnt"))]
fn decode_task(
    windows: &Windows,
    logits: &Logits<'_>,
    options: &DecodeOptions,
    questions: Range<usize>,
) -> Result<Spans> {
    decode_task_portably(windows, logits, options, questions)
}

#[inline(always)]
fn decode_task_portably(
    windows: &Windows,
    logits: &Logits<'_>,
    options: &DecodeOptions,
    questions: Range<usize>,
) -> Result<Spans> {
    let mut decoder = match options.mode {
        Mode::Global => Decoder::Global(Box::new(global::Decoder::new(options))),
        Mode::Squad => Decoder::Squad(squad::Decoder::new(options)),
    };
    let mut spans = Spans::new(questions.len(), options);
    let mut answers = Vec::new();
    for question in questions {
        answers.clear();
        let null = match &mut decoder {
            Decoder::Global(decoder) => decoder.decode(windows, logits, question, &mut answers)?,
            Decoder::Squad(decoder) => decoder.decode(windows, logits, question, &mut answers)?,
        };
        spans.push(&answers, null, options);
    }
    Ok(spans)
}

enum Decoder {
    Global(Box<global::Decoder>),
    Squad(squad::Decoder),
}

impl Spans {
    /// Of no question yet, with room for some.
    fn new(questions: usize, options: &DecodeOptions) -> Spans {
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
    fn push(&mut self, answers: &[Answer], null: Null, options: &DecodeOptions) {
        let no_answer = null.no_answer() as f32;
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
    fn append(&mut self, part: &Spans) {
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

#[cfg(test)]
mod tests;
