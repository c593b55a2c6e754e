//! One list of candidates over all windows of a question.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::{Answer, DecodeOptions, Decoded, Logits, WindowLogits, softmax};
use crate::error::Result;
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

impl Candidate {
    /// Better score, then earlier start, then earlier end, then earlier window.
    fn order(&self, other: &Candidate) -> Ordering {
        let place = |candidate: &Candidate| (candidate.start, candidate.end, candidate.window);
        other.score.partial_cmp(&self.score).unwrap_or(Ordering::Equal).then(place(self).cmp(&place(other)))
    }
}

/// Keeps its buffers from question to question.
pub(super) struct Decoder {
    top_k: usize,
    max_answer_length: usize,
    best: Best,
    /// The best score of any span that starts at a position, and a buffer of the same size.
    bounds: [Vec<f32>; 2],
}

/// The best distinct candidates: the first `sorted` in order, and some that are not yet sorted in.
struct Best {
    capacity: usize,
    candidates: Vec<Candidate>,
    sorted: usize,
    /// A score below this has no chance.
    threshold: f32,
    /// The candidates' scores, to select from.
    scores: Vec<f32>,
}

impl Best {
    fn clear(&mut self) {
        self.candidates.clear();
        self.sorted = 0;
        self.threshold = f32::NEG_INFINITY;
    }

    #[inline]
    fn push(&mut self, candidate: Candidate) {
        self.candidates.push(candidate);
        if self.candidates.len() >= 8 * self.capacity + 64 {
            self.sort();
        }
    }

    /// Sort the candidates, keep the best of each span and of those the best `capacity`.
    fn sort(&mut self) {
        if self.sorted == self.candidates.len() {
            return;
        }
        self.scores.clear();
        self.scores.extend(self.candidates.iter().map(|candidate| candidate.score));
        let floor = lower_bound(&self.scores, self.capacity);
        // Those that are dropped cannot be among the best, unless some of the others are the same span.
        let front = partition(&mut self.candidates, |candidate| candidate.score >= floor);
        self.candidates[..front].sort_unstable_by(Candidate::order);
        let mut kept = unique(&mut self.candidates, front, self.capacity);
        if kept < self.capacity && front < self.candidates.len() {
            self.candidates.sort_unstable_by(Candidate::order);
            kept = unique(&mut self.candidates, usize::MAX, self.capacity);
        }
        self.candidates.truncate(kept);
        self.sorted = kept;
        if let Some(last) = self.candidates.last()
            && kept == self.capacity
        {
            self.threshold = last.score;
        }
    }
}

/// Bring the candidates that fulfil a condition to the front and return their number.
fn partition(candidates: &mut [Candidate], condition: impl Fn(&Candidate) -> bool) -> usize {
    let mut front = 0;
    for i in 0..candidates.len() {
        if condition(&candidates[i]) {
            candidates.swap(front, i);
            front += 1;
        }
    }
    front
}

/// Bring the first of each span among the first `length` candidates, at most `capacity`, to the front
/// and return their number; no candidate is lost.
fn unique(candidates: &mut [Candidate], length: usize, capacity: usize) -> usize {
    // A few are compared one by one, which is quicker than hashing them.
    const FEW: usize = 64;
    let span = |candidate: &Candidate| (candidate.start, candidate.end);
    let mut many = HashSet::new();
    let mut kept = 0;
    for i in 0..candidates.len().min(length) {
        let new = span(&candidates[i]);
        let front = &candidates[..kept.min(FEW)];
        if kept < capacity && !front.iter().any(|other| span(other) == new) && !many.contains(&new) {
            if kept >= FEW {
                many.insert(new);
            }
            candidates.swap(kept, i);
            kept += 1;
        }
    }
    kept
}

impl Decoder {
    pub(super) fn new(options: &DecodeOptions) -> Decoder {
        let capacity = options.n_best.max(options.top_k);
        Decoder {
            top_k: options.top_k,
            max_answer_length: options.max_answer_length,
            best: Best {
                capacity,
                candidates: Vec::new(),
                sorted: 0,
                threshold: f32::NEG_INFINITY,
                scores: Vec::new(),
            },
            bounds: [Vec::new(), Vec::new()],
        }
    }

    pub(super) fn decode(
        &mut self,
        windows: &Windows,
        logits: &Logits<'_>,
        question: usize,
    ) -> Result<Decoded> {
        self.best.clear();
        let mut null_score = f32::INFINITY;
        for window in windows.windows_of(question) {
            let logits = logits.window(windows, window)?;
            null_score = null_score.min(logits.start[0] + logits.end[0]);
            self.collect(windows, window, question, logits);
        }
        let scores = self.best.candidates.iter().map(|candidate| candidate.score);
        let mut probabilities = softmax(std::iter::once(null_score).chain(scores));
        let null_probability = probabilities.next().unwrap_or(0.0);
        let bytes = windows.contexts[question].byte_offsets();
        let answer = |(candidate, probability): (&Candidate, f32)| Answer {
            characters: candidate.start..candidate.end,
            bytes: bytes[candidate.first as usize][0]..bytes[candidate.last as usize][1],
            score: candidate.score,
            probability,
            window: candidate.window as usize,
        };
        let answers = self.best.candidates.iter().take(self.top_k).zip(probabilities).map(answer).collect();
        Ok(Decoded { answers, null_score, null_probability })
    }

    /// Take the spans of one window in. Each start has a best span, so the n-th greatest of those
    /// bounds the n-th best span from below; few starts and spans reach it.
    fn collect(&mut self, windows: &Windows, window: usize, question: usize, logits: WindowLogits<'_>) {
        let positions = windows.context_positions(window);
        let (start, end) = (&logits.start[positions.clone()], &logits.end[positions]);
        let first = windows.context_offset[window] as usize;
        let offsets = &windows.contexts[question].offsets()[first..first + start.len()];
        let length = self.max_answer_length.min(start.len());
        span_bounds(start, end, length, &mut self.bounds);
        let mut floor = lower_bound(&self.bounds[0], self.best.capacity);
        loop {
            for (i, &bound) in self.bounds[0].iter().enumerate() {
                let least = floor.max(self.best.threshold);
                if bound < least {
                    continue;
                }
                for (j, &end) in end.iter().enumerate().skip(i).take(length) {
                    let score = start[i] + end;
                    if score >= least {
                        self.best.push(Candidate {
                            score,
                            start: offsets[i][0],
                            end: offsets[j][1],
                            first: (first + i) as u32,
                            last: (first + j) as u32,
                            window: window as u32,
                        });
                    }
                }
            }
            self.best.sort();
            // Tokens of one character have the same offsets: there may be fewer spans than starts.
            if floor == f32::NEG_INFINITY || self.best.candidates.len() == self.best.capacity {
                return;
            }
            floor = f32::NEG_INFINITY;
        }
    }
}

/// For each start, its logit plus the greatest end logit of the `length` positions from there on. The
/// sliding maximum doubles its reach in each pass, from one buffer to the other so that it vectorises.
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
fn lower_bound(values: &[f32], n: usize) -> f32 {
    if values.len() <= n {
        return f32::NEG_INFINITY;
    }
    let least = values.iter().fold(f32::INFINITY, |least, &value| if value < least { value } else { least });
    let most = values.iter().fold(f32::NEG_INFINITY, |most, &value| if value > most { value } else { most });
    let (mut low, mut high) = (least, most);
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
