//! Mode `hf`: the question-answering pipeline of Hugging Face's transformers 4.57, fault for fault.
//!
//! It leaves the order of equal products to the sort of the machine that it runs on; here the earlier span
//! comes first.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;

use crate::decode::logits::{Logits, WindowLogits};
use crate::decode::mode::{Decoder, Mode};
use crate::decode::options::DecodeOptions;
use crate::decode::spans::{Answer, Null};
use crate::decode::squad::descending;
use crate::error::{Error, Result};
use crate::text::Unit;
use crate::windows::{Context, Windows};

/// The question-answering pipeline of Hugging Face's transformers 4.57.
pub const HF: Mode = Mode::new::<Hf>("hf");

/// The logit of what may not be in an answer.
const MASKED: f32 = -10_000.0;

/// A blank in the tokens of byte-level BPE.
const BLANK: char = '\u{120}';

pub(super) struct Hf {
    top_k: usize,
    /// Spans of a window at most: some become the same words.
    spans_of_window: usize,
    max_answer_length: usize,
    words: bool,
    rank_null: bool,
    /// The probabilities of a window's positions.
    start: Vec<f32>,
    end: Vec<f32>,
    spans: Vec<Span>,
    /// The answers of the question, and their places by their texts in lower case.
    found: Vec<(f64, Answer)>,
    places: HashMap<String, usize>,
}

/// Positions of a window, the last included, and the product of their probabilities.
#[derive(Debug, Clone, Copy)]
struct Span {
    score: f32,
    first: usize,
    last: usize,
}

impl Span {
    fn order(&self, other: &Span) -> Ordering {
        let position = (self.first, self.last).cmp(&(other.first, other.last));
        descending(&self.score, &other.score).then(position)
    }
}

impl Decoder for Hf {
    fn check(options: &DecodeOptions) -> Result<()> {
        match options.threshold {
            None => Ok(()),
            Some(threshold) => {
                let expected = "None in mode hf, where handle_impossible_answer ranks the null answer";
                Err(Error::argument("threshold", threshold, expected))
            }
        }
    }

    fn new(options: &DecodeOptions) -> Hf {
        let words = options.unit == Unit::Word;
        let more = options.top_k.saturating_mul(2).saturating_add(10);
        Hf {
            top_k: options.top_k,
            spans_of_window: if words { more } else { options.top_k },
            max_answer_length: options.max_answer_length,
            words,
            rank_null: options.rank_null,
            start: Vec::new(),
            end: Vec::new(),
            spans: Vec::new(),
            found: Vec::new(),
            places: HashMap::new(),
        }
    }

    #[inline(always)]
    fn decode(
        &mut self,
        windows: &Windows,
        logits: &Logits<'_>,
        question: usize,
        answers: &mut Vec<Answer>,
    ) -> Result<Null> {
        self.found.clear();
        self.places.clear();
        let mut least = (f32::INFINITY, 0.0);
        for window in windows.windows_of(question) {
            let logits = logits.window(windows, window)?;
            self.normalize(windows, window, logits);
            let null_score = self.start[0] * self.end[0];
            if null_score < least.0 {
                least = (null_score, logits.null());
            }
            [self.start[0], self.end[0]] = [0.0; 2];
            self.select(windows.context_positions(window));
            self.merge(windows, window, question, logits);
        }
        let (no_answer, logit) = match windows.windows_of(question).is_empty() {
            true => (1.0, 0.0),
            false => (f64::from(least.0), least.1),
        };
        if self.rank_null {
            let null =
                Answer { characters: 0..0, bytes: 0..0, score: 0.0, logit, null_logit: logit, window: -1 };
            self.found.push((no_answer, null));
        }
        self.found.sort_by(|(a, _), (b, _)| descending(a, b));
        let best = self.found.drain(..).take(self.top_k);
        answers.extend(best.map(|(score, answer)| Answer { score: score as f32, ..answer }));
        Ok(Null { logit, answered: 1.0 - no_answer, no_answer })
    }
}

impl Hf {
    /// Turn the logits of a window into probabilities, by a softmax of the starts and one of the ends. The
    /// opening token takes part, also where it is typed in the question.
    #[inline(always)]
    fn normalize(&mut self, windows: &Windows, window: usize, logits: WindowLogits<'_>) {
        let context = windows.context_positions(window);
        let cls = windows.tokenizer.layout().cls();
        let ids = &windows.ids[windows.rows(window)];
        for (values, probabilities) in [(logits.start, &mut self.start), (logits.end, &mut self.end)] {
            probabilities.clear();
            probabilities.extend_from_slice(values);
            for position in (0..context.start).chain(context.end..values.len()) {
                if ids[position] != cls {
                    probabilities[position] = MASKED;
                }
            }
            let greatest = probabilities.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mut sum = 0.0_f64;
            for value in probabilities.iter_mut() {
                *value = (*value - greatest).exp();
                sum += f64::from(*value);
            }
            let sum = sum as f32;
            probabilities.iter_mut().for_each(|value| *value /= sum);
        }
    }

    /// Select the best spans of a window, best first. Where it has too few, some without any probability
    /// follow: those from the opening token on.
    #[inline(always)]
    fn select(&mut self, context: Range<usize>) {
        let most = self.spans_of_window;
        self.spans.clear();
        let greatest_end = self.end[..context.end].iter().copied().fold(0.0, f32::max);
        let mut floor = 0.0;
        // From the question on, where an opening token may be typed; what is masked has no probability.
        for first in 1..context.end {
            let start = self.start[first];
            if start * greatest_end <= floor {
                continue;
            }
            let behind = context.end.min(first.saturating_add(self.max_answer_length));
            for last in first..behind {
                let score = start * self.end[last];
                if score > floor {
                    self.spans.push(Span { score, first, last });
                }
            }
            if self.spans.len() / 2 >= most {
                self.spans.select_nth_unstable_by(most - 1, Span::order);
                self.spans.truncate(most);
                floor = self.spans[most - 1].score;
            }
        }
        self.spans.sort_unstable_by(Span::order);
        self.spans.truncate(most);
        let missing = (most - self.spans.len()).min(self.start.len());
        let nothing = (0..missing).filter(|&last| last == 0 || context.contains(&last));
        self.spans.extend(nothing.map(|last| Span { score: 0.0, first: 0, last }));
    }

    /// Add the selected spans of a window to the answers; equal texts are one answer, of the sum of their
    /// scores.
    fn merge(&mut self, windows: &Windows, window: usize, question: usize, logits: WindowLogits<'_>) {
        let context = &windows.contexts[question];
        let from = windows.context_positions(window).start;
        // A span from an opening token that is typed in the question stands for no text of the context.
        for span in self.spans.iter().filter(|span| span.first == 0 || span.first >= from) {
            let Place { characters, bytes } = place(windows, window, context, span, self.words);
            let text = context.text().get(bytes.start as usize..bytes.end as usize).unwrap_or_default();
            let next = self.found.len();
            let index = *self.places.entry(text.to_lowercase()).or_insert(next);
            if index < next {
                self.found[index].0 += f64::from(span.score);
                continue;
            }
            let answer = Answer {
                characters,
                bytes,
                score: 0.0,
                logit: logits.start[span.first] + logits.end[span.last],
                null_logit: logits.null(),
                window: window as i32,
            };
            self.found.push((f64::from(span.score), answer));
        }
    }
}

/// Offsets of an answer in its context.
struct Place {
    characters: Range<i32>,
    bytes: Range<i32>,
}

/// Find the offsets of a span, widened to the tokenizer's words as far as they are in the window.
fn place(windows: &Windows, window: usize, context: &Context, span: &Span, words: bool) -> Place {
    let encodings = &context.encodings;
    let positions = windows.context_positions(window);
    let rows = encodings.rows(context.index);
    let window_start = rows.start + windows.context_offset[window] as usize;
    let window_end = window_start + positions.len();
    let row = |position: usize| window_start + position - positions.start;
    let ends = |row: usize| (encodings.offsets()[row][1], encodings.byte_offsets()[row][1]);
    if span.first == 0 {
        let (end, byte_end) = if span.last == 0 { (0, 0) } else { ends(row(span.last)) };
        return Place { characters: 0..end, bytes: 0..byte_end };
    }
    let (mut first, mut last) = (row(span.first), row(span.last));
    let has_word = |row: usize| encodings.words().is_none_or(|words| words[row] >= 0);
    if words && has_word(first) && has_word(last) {
        while first > window_start && continues_word(windows, context, first) {
            first -= 1;
        }
        while last + 1 < window_end && continues_word(windows, context, last + 1) {
            last += 1;
        }
    }
    let (mut start, mut byte_start) = (encodings.offsets()[first][0], encodings.byte_offsets()[first][0]);
    let (mut end, mut byte_end) = ends(last);
    // The blank of a sequence's first word is counted off once for each sequence, and a window is one.
    if first == window_start && window_start > rows.start && windows.tokenizer.keeps_first_blank() {
        let source = encodings.source_bytes()[first][0];
        let before = context.text().get(source as usize..byte_start as usize).unwrap_or_default();
        if let Some(blank) = before.chars().next_back() {
            (start, byte_start) = (start - 1, byte_start - blank.len_utf8() as i32);
            // A token of blanks alone remains without text.
            if first == last && token(windows, context, first).chars().all(|char| char == BLANK) {
                (end, byte_end) = (start, byte_start);
            }
        }
    }
    Place { characters: start..end, bytes: byte_start..byte_end }
}

/// Whether a token belongs to the word of the one before it.
fn continues_word(windows: &Windows, context: &Context, row: usize) -> bool {
    if let Some(words) = context.encodings.words() {
        return words[row] == words[row - 1];
    }
    let prefix = windows.tokenizer.vocabulary().continuing_prefix();
    let rest = token(windows, context, row).strip_prefix(prefix);
    !prefix.is_empty() && rest.is_some_and(|rest| !rest.is_empty())
}

/// Look up the token of a row in the vocabulary.
fn token<'a>(windows: &'a Windows, context: &Context, row: usize) -> &'a str {
    windows.tokenizer.vocabulary().token(context.encodings.ids()[row] as u32).unwrap_or_default()
}
