//! One list of candidates over all windows of a question.

use std::collections::HashSet;
use std::ops::Range;

use super::{Answer, DecodeOptions, Logits, Null, WindowLogits, softmax};
use crate::error::Result;
use crate::mask::{self, LANES};
use crate::windows::Windows;

/// A span of the context.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    score: f32,
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
    max_answer_length: usize,
    best: Best,
    /// The best score of any span that starts at a position, and a buffer of the same size.
    bounds: [Vec<f32>; 2],
    /// The end logits of the context's positions, and as many more as a mask has bits.
    ends: Vec<f32>,
    powers: Vec<f64>,
}

/// The best distinct candidates: the first `sorted` in order, and some that are not yet sorted in.
struct Best {
    capacity: usize,
    candidates: Vec<Candidate>,
    sorted: usize,
    /// A score below this has no chance.
    threshold: f32,
    scores: Vec<f32>,
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
            scores: Vec::new(),
            keys: Vec::new(),
            kept: Vec::new(),
            spans: Vec::new(),
        }
    }

    fn clear(&mut self) {
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
        self.scores.clear();
        self.scores.extend(self.candidates.iter().map(|candidate| candidate.score));
        let floor = lower_bound(&self.scores, self.capacity);
        self.scores.resize(self.candidates.len() + LANES, f32::NEG_INFINITY);
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
            self.threshold = last.score;
        }
    }

    /// The best candidates that reach `floor`, in order: better score, then earlier start, then earlier
    /// end, then earlier window.
    #[inline(always)]
    fn select(&mut self, floor: f32) {
        self.keys.clear();
        for from in (0..self.candidates.len()).step_by(LANES) {
            let found = reaching(0.0, &self.scores, from..self.candidates.len(), floor);
            let scores = &self.scores;
            self.keys.extend(found.map(|index| u64::from(descending(scores[index])) << 32 | index as u64));
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

/// A number that is the smaller, the greater a finite score is; zeros are equal whatever their sign.
#[inline(always)]
fn descending(score: f32) -> u32 {
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 0 { !bits & 0x7FFF_FFFF } else { bits }
}

impl Decoder {
    pub(super) fn new(options: &DecodeOptions) -> Decoder {
        Decoder {
            top_k: options.top_k,
            max_answer_length: options.max_answer_length,
            best: Best::new(options.n_best.max(options.top_k)),
            bounds: [Vec::new(), Vec::new()],
            ends: Vec::new(),
            powers: Vec::new(),
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
        self.best.clear();
        let mut null_score = f32::INFINITY;
        for window in windows.windows_of(question) {
            let logits = logits.window(windows, window)?;
            null_score = null_score.min(logits.start[0] + logits.end[0]);
            self.collect(windows, window, question, logits);
        }
        let candidates = &self.best.candidates;
        let scores = candidates.iter().map(|candidate| candidate.score);
        let mut probabilities = softmax(std::iter::once(null_score).chain(scores), &mut self.powers);
        let null_probability = probabilities.next().unwrap_or(0.0);
        let context = &windows.contexts[question];
        let answer = |(candidate, probability): (&Candidate, f32)| {
            let bytes = context.answer_bytes(candidate.first as usize, candidate.last as usize);
            Answer {
                characters: candidate.start..candidate.end,
                bytes: bytes.start as i32..bytes.end as i32,
                score: candidate.score,
                probability,
                window: candidate.window as i32,
            }
        };
        answers.extend(candidates.iter().take(self.top_k).zip(probabilities).map(answer));
        Ok(Null { score: null_score, probability: null_probability })
    }

    /// Take the spans of one window in. Each start has a best span, so the n-th greatest of those
    /// bounds the n-th best span from below; few starts and spans reach it.
    #[inline(always)]
    fn collect(&mut self, windows: &Windows, window: usize, question: usize, logits: WindowLogits<'_>) {
        let positions = windows.context_positions(window);
        let (start, end) = (&logits.start[positions.clone()], &logits.end[positions]);
        let first = windows.context_offset[window] as usize;
        let offsets = &windows.contexts[question].answer_offsets()[first..first + start.len()];
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
                            let candidate = Candidate {
                                score: start[i] + end[j],
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
