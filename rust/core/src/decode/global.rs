//! One list of candidates over all windows of a question.

use super::{Answer, DecodeOptions, Decoded, Logits, WindowLogits, softmax};
use crate::error::Result;
use crate::windows::Windows;

/// A span of the context.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    score: f32,
    /// Bytes of the context.
    start: i32,
    end: i32,
    window: usize,
}

impl Candidate {
    /// Better score, then earlier start, then earlier end.
    fn precedes(&self, other: &Candidate) -> bool {
        self.score > other.score
            || self.score == other.score && (self.start, self.end) < (other.start, other.end)
    }
}

/// Keeps its buffers from question to question.
pub(super) struct Decoder {
    max_answer_length: usize,
    best: Best,
    /// The best score of any span that starts at a position.
    bounds: Vec<f32>,
    /// The same, to select from.
    selection: Vec<f32>,
}

/// The best distinct candidates, in order.
struct Best {
    capacity: usize,
    candidates: Vec<Candidate>,
}

impl Best {
    /// A score below this has no chance.
    fn threshold(&self) -> f32 {
        match self.candidates.last() {
            Some(last) if self.candidates.len() == self.capacity => last.score,
            _ => f32::NEG_INFINITY,
        }
    }

    fn offer(&mut self, candidate: Candidate) {
        if self.candidates.len() == self.capacity
            && self.candidates.last().is_some_and(|last| !candidate.precedes(last))
        {
            return;
        }
        let same = |other: &Candidate| (other.start, other.end) == (candidate.start, candidate.end);
        match self.candidates.iter().position(same) {
            Some(place) if self.candidates[place].score >= candidate.score => return,
            Some(place) => {
                self.candidates.remove(place);
            }
            None if self.candidates.len() == self.capacity => {
                self.candidates.pop();
            }
            None => {}
        }
        let place = self.candidates.partition_point(|other| other.precedes(&candidate));
        self.candidates.insert(place, candidate);
    }
}

impl Decoder {
    pub(super) fn new(options: &DecodeOptions) -> Decoder {
        Decoder {
            max_answer_length: options.max_answer_length,
            best: Best { capacity: options.n_best.max(options.top_k), candidates: Vec::new() },
            bounds: Vec::new(),
            selection: Vec::new(),
        }
    }

    pub(super) fn decode(
        &mut self,
        windows: &Windows,
        logits: &Logits<'_>,
        question: usize,
    ) -> Result<Decoded> {
        self.best.candidates.clear();
        let mut null_score = f32::INFINITY;
        for window in windows.windows_of(question) {
            let logits = logits.window(windows, window)?;
            null_score = null_score.min(logits.start[0] + logits.end[0]);
            self.offer_window(windows, window, question, logits);
        }
        let scores = self.best.candidates.iter().map(|candidate| candidate.score);
        let mut probabilities = softmax(std::iter::once(null_score).chain(scores));
        let null_probability = probabilities.next().unwrap_or(0.0);
        let answer = |(candidate, probability): (&Candidate, f32)| Answer {
            bytes: candidate.start as usize..candidate.end as usize,
            score: candidate.score,
            probability,
            window: candidate.window,
        };
        let answers = self.best.candidates.iter().zip(probabilities).map(answer).collect();
        Ok(Decoded { answers, null_score, null_probability })
    }

    /// Offer the spans of one window, those first that start where the best ones do: after them hardly
    /// any other start can still beat the threshold.
    fn offer_window(&mut self, windows: &Windows, window: usize, question: usize, logits: WindowLogits<'_>) {
        let positions = windows.context_positions(window);
        let (start, end) = (&logits.start[positions.clone()], &logits.end[positions]);
        let first = windows.context_offset[window] as usize;
        let offsets = &windows.contexts[question].byte_offsets()[first..first + start.len()];
        let length = self.max_answer_length.min(start.len());
        span_bounds(start, end, length, &mut self.bounds);
        let pivot = nth_greatest(&self.bounds, self.best.capacity, &mut self.selection);
        for promising in [true, false] {
            for (i, &bound) in self.bounds.iter().enumerate() {
                if (bound >= pivot) != promising || bound < self.best.threshold() {
                    continue;
                }
                for j in i..(i + length).min(end.len()) {
                    let score = start[i] + end[j];
                    if score >= self.best.threshold() {
                        let (start, end) = (offsets[i][0], offsets[j][1]);
                        self.best.offer(Candidate { score, start, end, window });
                    }
                }
            }
        }
    }
}

/// For each start, its logit plus the greatest end logit of the `length` positions from there on.
/// The sliding maximum doubles its reach in each pass (van Herk's idea without its blocks).
fn span_bounds(start: &[f32], end: &[f32], length: usize, bounds: &mut Vec<f32>) {
    bounds.clear();
    bounds.extend_from_slice(end);
    let mut reach = 1;
    while reach < length {
        let shift = reach.min(length - reach);
        for i in 0..bounds.len() - shift {
            bounds[i] = bounds[i].max(bounds[i + shift]);
        }
        reach += shift;
    }
    for (bound, start) in bounds.iter_mut().zip(start) {
        *bound += start;
    }
}

/// The n-th greatest of the values, or less than all when there are fewer.
fn nth_greatest(values: &[f32], n: usize, selection: &mut Vec<f32>) -> f32 {
    if values.len() <= n {
        return f32::NEG_INFINITY;
    }
    selection.clear();
    selection.extend_from_slice(values);
    *selection.select_nth_unstable_by(n - 1, |a, b| b.total_cmp(a)).1
}
