//! One list of candidates over all windows of a question.

use std::collections::HashSet;
use std::ops::Range;

use super::{Answer, Calibration, DecodeOptions, Logits, Null, WindowLogits};
use crate::encoding::AnswerOffsets;
use crate::error::Result;
use crate::mask::{self, LANES};
use crate::segment::Unit;
use crate::windows::Windows;

/// A span of the context.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    /// Its logit minus the null logit of its window, and less where it reaches over a sentence.
    margin: f32,
    /// Characters of the context.
    start: i32,
    end: i32,
    /// Tokens of the context.
    first: u32,
    last: u32,
    window: u32,
}

/// Keeps its buffers from question to question.
pub(super) struct Decoder {
    top_k: usize,
    n_best: usize,
    max_answer_length: usize,
    calibration: Calibration,
    overlap: bool,
    unit: Unit,
    best: Best,
    /// Places in `best` of the answers.
    kept: Vec<usize>,
    /// The greatest margin of any span that starts at a position, and a buffer of the same size.
    bounds: [Vec<f32>; 2],
    /// The start logits of the context's positions, less the null logit.
    starts: Vec<f32>,
    /// Their end logits, and as many more as a mask has bits.
    ends: Vec<f32>,
    shares: Vec<f64>,
}

/// The best distinct candidates: the first `sorted` in order, and some that are not yet sorted in.
struct Best {
    capacity: usize,
    candidates: Vec<Candidate>,
    sorted: usize,
    /// A margin below this has no chance.
    threshold: f32,
    margins: Vec<f32>,
    keys: Vec<u64>,
    /// The candidates that stay, and their spans.
    kept: Vec<Candidate>,
    spans: Vec<u64>,
}

impl Best {
    fn new(capacity: usize) -> Best {
        Best {
            capacity,
            candidates: Vec::new(),
            sorted: 0,
            threshold: f32::NEG_INFINITY,
            margins: Vec::new(),
            keys: Vec::new(),
            kept: Vec::new(),
            spans: Vec::new(),
        }
    }

    fn clear(&mut self, capacity: usize) {
        self.capacity = capacity;
        self.candidates.clear();
        self.sorted = 0;
        self.threshold = f32::NEG_INFINITY;
    }

    #[inline(always)]
    fn push(&mut self, candidate: Candidate) {
        self.candidates.push(candidate);
        if self.candidates.len() >= 8 * self.capacity + 64 {
            self.sort();
        }
    }

    /// Sort the candidates, keep the best of each span and of those the best `capacity`.
    #[inline(always)]
    fn sort(&mut self) {
        if self.sorted == self.candidates.len() {
            return;
        }
        self.margins.clear();
        self.margins.extend(self.candidates.iter().map(|candidate| candidate.margin));
        let floor = lower_bound(&self.margins, self.capacity);
        self.margins.resize(self.candidates.len() + LANES, f32::NEG_INFINITY);
        self.select(floor);
        // Those below the floor are needed only where several of the others are the same span.
        if self.kept.len() < self.capacity && floor > f32::NEG_INFINITY {
            self.select(f32::NEG_INFINITY);
        }
        std::mem::swap(&mut self.candidates, &mut self.kept);
        self.sorted = self.candidates.len();
        if let Some(last) = self.candidates.last()
            && self.sorted == self.capacity
        {
            self.threshold = last.margin;
        }
    }

    /// The best candidates that reach `floor`, in order: greater margin, then earlier start, then earlier
    /// end, then earlier window.
    #[inline(always)]
    fn select(&mut self, floor: f32) {
        self.keys.clear();
        for from in (0..self.candidates.len()).step_by(LANES) {
            let found = reaching(0.0, &self.margins, from..self.candidates.len(), floor);
            let margins = &self.margins;
            self.keys.extend(found.map(|index| u64::from(descending(margins[index])) << 32 | index as u64));
        }
        self.keys.sort_unstable();
        let candidates = &self.candidates;
        let candidate = |key: u64| &candidates[key as u32 as usize];
        for equals in self.keys.chunk_by_mut(|a, b| a >> 32 == b >> 32) {
            if equals.len() > 1 {
                equals.sort_unstable_by_key(|&key| {
                    let Candidate { start, end, window, .. } = *candidate(key);
                    (start, end, window)
                });
            }
        }
        self.kept.clear();
        self.spans.clear();
        // A few are compared one by one, which is quicker than hashing them.
        const FEW: usize = 64;
        let mut many = HashSet::new();
        for &key in &self.keys {
            let candidate = candidate(key);
            let span = u64::from(candidate.start as u32) << 32 | u64::from(candidate.end as u32);
            let is_new = if self.kept.len() < FEW {
                // Without an early exit the loop is a few vector instructions.
                !self.spans.iter().fold(false, |seen, &other| seen | (other == span))
            } else {
                if many.is_empty() {
                    many.extend(self.spans.iter().copied());
                }
                many.insert(span)
            };
            if is_new {
                self.kept.push(*candidate);
                self.spans.push(span);
                if self.kept.len() == self.capacity {
                    break;
                }
            }
        }
    }
}

/// A number that is the smaller, the greater a finite margin is; zeros are equal whatever their sign.
#[inline(always)]
fn descending(margin: f32) -> u32 {
    let bits = (margin + 0.0).to_bits();
    if bits >> 31 == 0 { !bits & 0x7FFF_FFFF } else { bits }
}

/// Candidates that are looked at for each answer that is asked for, at first: few of them stand apart.
const CANDIDATES_OF_AN_ANSWER: usize = 16;

impl Decoder {
    pub(super) fn new(options: &DecodeOptions) -> Decoder {
        Decoder {
            top_k: options.top_k,
            n_best: options.n_best,
            max_answer_length: options.max_answer_length,
            calibration: options.calibration,
            overlap: options.overlap,
            unit: options.unit,
            best: Best::new(options.n_best),
            kept: Vec::new(),
            bounds: [Vec::new(), Vec::new()],
            starts: Vec::new(),
            ends: Vec::new(),
            shares: Vec::new(),
        }
    }

    /// Put the answers to a question into `answers`.
    #[inline(always)]
    pub(super) fn decode(
        &mut self,
        windows: &Windows,
        logits: &Logits<'_>,
        question: usize,
        answers: &mut Vec<Answer>,
    ) -> Result<Null> {
        let context = &windows.contexts[question];
        let offsets = context.encodings.answer_offsets(self.unit);
        let first_row = context.encodings.rows(context.index).start;
        let each = if self.overlap || self.top_k == 1 { 1 } else { CANDIDATES_OF_AN_ANSWER };
        let mut capacity = self.n_best.max(self.top_k.saturating_mul(each));
        loop {
            self.best.clear(capacity);
            for window in windows.windows_of(question) {
                let logits = logits.window(windows, window)?;
                self.collect(windows, window, question, offsets, logits);
            }
            self.choose();
            if self.kept.len() >= self.top_k || self.best.candidates.len() < capacity {
                break;
            }
            capacity = capacity.saturating_mul(4);
        }
        let null_logit = |window: usize| logits.rows(windows, window).null();
        let Some(best) = self.best.candidates.first() else {
            let logit = windows.windows_of(question).map(null_logit).fold(f32::INFINITY, f32::min);
            return Ok(Null { logit, odds: f64::NEG_INFINITY });
        };
        let odds = self.calibration.odds(best.margin);
        let null = Null { logit: null_logit(best.window as usize), odds };
        for &place in &self.kept {
            let share = self.shares.get(place).copied().unwrap_or(0.0);
            let Candidate { start, end, first, last, window, .. } = self.best.candidates[place];
            let logits = logits.rows(windows, window as usize);
            let shift = windows.context_start[window as usize] - windows.context_offset[window as usize];
            let position = |token: u32| (token as i32 + shift) as usize;
            let row = |token: u32| first_row + token as usize;
            answers.push(Answer {
                characters: start..end,
                bytes: offsets.bytes()[row(first)][0]..offsets.bytes()[row(last)][1],
                score: (null.answered() * share) as f32,
                logit: logits.start[position(first)] + logits.end[position(last)],
                null_logit: logits.null(),
                window: window as i32,
            });
        }
        Ok(null)
    }

    /// Share the probability of an answer among the first `n_best` candidates, and keep those that are
    /// answers. One that overlaps a better one is none, but has its share: with the sum of all in its place a
    /// score says less of whether exactly this span is right (log loss on held-out questions 0.409 against
    /// 0.334, exact match of the better half 87.6 against 91.9 %).
    #[inline(always)]
    fn choose(&mut self) {
        let candidates = &self.best.candidates;
        let margins = candidates.iter().take(self.n_best).map(|candidate| candidate.margin);
        self.calibration.shares(margins, &mut self.shares);
        self.kept.clear();
        for (place, candidate) in candidates.iter().enumerate() {
            let overlaps = |&other: &usize| {
                let other = candidates[other];
                other.start < candidate.end && candidate.start < other.end
            };
            if self.overlap || !self.kept.iter().any(overlaps) {
                self.kept.push(place);
                if self.kept.len() == self.top_k {
                    break;
                }
            }
        }
    }

    /// Take the spans of one window in. Each start has a best span, so the n-th greatest of those
    /// bounds the n-th best span from below; few starts and spans reach it.
    #[inline(always)]
    fn collect(
        &mut self,
        windows: &Windows,
        window: usize,
        question: usize,
        offsets: &AnswerOffsets,
        logits: WindowLogits<'_>,
    ) {
        let context = &windows.contexts[question];
        let positions = windows.context_positions(window);
        let null_logit = logits.null();
        let (start, end) = (&logits.start[positions.clone()], &logits.end[positions]);
        self.starts.clear();
        self.starts.extend(start.iter().map(|logit| logit - null_logit));
        let start = &self.starts[..];
        let first = windows.context_offset[window] as usize;
        let row = context.encodings.rows(context.index).start + first;
        let rows = row..row + start.len();
        let offsets = &offsets.characters()[rows.clone()];
        let cost = self.calibration.sentence_margin;
        let sentences = if cost > 0.0 { &context.encodings.sentences()[rows] } else { &[] };
        let length = self.max_answer_length.min(start.len());
        span_bounds(start, end, length, &mut self.bounds);
        let mut floor = lower_bound(&self.bounds[0], self.best.capacity);
        let bounds = &mut self.bounds[0];
        bounds.resize(start.len() + LANES, f32::NEG_INFINITY);
        self.ends.clear();
        self.ends.extend_from_slice(end);
        self.ends.resize(end.len() + LANES, f32::NEG_INFINITY);
        loop {
            for from in (0..start.len()).step_by(LANES) {
                let least = floor.max(self.best.threshold);
                for i in reaching(0.0, bounds, from..start.len(), least) {
                    let behind = end.len().min(i + length);
                    for from in (i..behind).step_by(LANES) {
                        for j in reaching(start[i], &self.ends, from..behind, least) {
                            let mut margin = start[i] + end[j];
                            if cost > 0.0 && sentences[i] != sentences[j] {
                                margin -= cost;
                            }
                            let candidate = Candidate {
                                margin,
                                start: offsets[i][0],
                                end: offsets[j][1],
                                first: (first + i) as u32,
                                last: (first + j) as u32,
                                window: window as u32,
                            };
                            // Otherwise it is only white space.
                            if candidate.start < candidate.end {
                                self.best.push(candidate);
                            }
                        }
                    }
                }
            }
            self.best.sort();
            // Tokens of one character have the same offsets, and some are only white space: there may be
            // fewer spans than starts, and worse ones of other windows in their place.
            if self.best.threshold >= floor {
                return;
            }
            floor = f32::NEG_INFINITY;
        }
    }
}

/// Which of the first `LANES` values of a range are at least `least` when `summand` is added. As many
/// values stand behind the range, whatever they are.
#[inline(always)]
fn reaching(summand: f32, values: &[f32], range: Range<usize>, least: f32) -> impl Iterator<Item = usize> {
    let block = values[range.start..].first_chunk().unwrap_or(&[f32::NEG_INFINITY; LANES]);
    let mut found = mask::reaching(summand, block, least);
    if range.len() < LANES {
        found &= (1 << range.len()) - 1;
    }
    std::iter::from_fn(move || {
        let bit = found.trailing_zeros() as usize;
        found &= found.wrapping_sub(1);
        (bit < LANES).then_some(range.start + bit)
    })
}

/// For each start, its logit plus the greatest end logit of the `length` positions from there on. The
/// sliding maximum doubles its reach in each pass, from one buffer to the other so that it vectorises.
#[inline(always)]
fn span_bounds(start: &[f32], end: &[f32], length: usize, [bounds, other]: &mut [Vec<f32>; 2]) {
    bounds.clear();
    bounds.extend_from_slice(end);
    let mut reach = 1;
    while reach < length {
        let shift = reach.min(length - reach);
        other.clear();
        let both = bounds.iter().zip(&bounds[shift..]);
        other.extend(both.map(|(&near, &far)| if far > near { far } else { near }));
        other.extend_from_slice(&bounds[bounds.len() - shift..]);
        std::mem::swap(bounds, other);
        reach += shift;
    }
    for (bound, start) in bounds.iter_mut().zip(start) {
        *bound += start;
    }
}

/// A value that at least n of the values reach, and hardly more do: bisection, whose
/// counting passes are a few vector instructions each. Less than all when there are not n.
#[inline(always)]
fn lower_bound(values: &[f32], n: usize) -> f32 {
    if values.len() <= n {
        return f32::NEG_INFINITY;
    }
    let (mut low, mut high) = extremes(values);
    for _ in 0..12 {
        let middle = low + (high - low) / 2.0;
        let reached = values.iter().map(|&value| u32::from(value >= middle)).sum::<u32>() as usize;
        if reached >= n {
            low = middle;
            if reached <= n + n / 4 {
                break;
            }
        } else {
            high = middle;
        }
    }
    low
}

/// The least and the greatest value.
#[inline(always)]
fn extremes(values: &[f32]) -> (f32, f32) {
    // Each lane has its own, so that the loop is a few vector instructions.
    let least = |a: f32, b: f32| if b < a { b } else { a };
    let most = |a: f32, b: f32| if b > a { b } else { a };
    let mut lows = [f32::INFINITY; LANES];
    let mut highs = [f32::NEG_INFINITY; LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        lows = std::array::from_fn(|lane| least(lows[lane], block[lane]));
        highs = std::array::from_fn(|lane| most(highs[lane], block[lane]));
    }
    let low = lows.iter().chain(rest).copied().fold(f32::INFINITY, least);
    (low, highs.iter().chain(rest).copied().fold(f32::NEG_INFINITY, most))
}
