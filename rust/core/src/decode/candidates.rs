//! The best distinct spans of a question.

use std::collections::HashSet;

use crate::decode::simd::{LANES, lower_bound, reaching};

/// A span of the context.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    /// Its logit minus the null logit of its window, and less where it reaches over a sentence.
    pub(crate) margin: f32,
    /// Characters of the context.
    pub(crate) start: i32,
    pub(crate) end: i32,
    /// Tokens of the context.
    pub(crate) first: u32,
    pub(crate) last: u32,
    pub(crate) window: u32,
}

/// The best distinct candidates: the first `sorted` in order, and some that are not yet sorted in.
pub(crate) struct Candidates {
    pub(crate) capacity: usize,
    pub(crate) candidates: Vec<Candidate>,
    sorted: usize,
    /// A margin below this has no chance.
    pub(crate) threshold: f32,
    margins: Vec<f32>,
    keys: Vec<u64>,
    /// The candidates that stay, and their spans.
    kept: Vec<Candidate>,
    spans: Vec<u64>,
}

impl Candidates {
    pub(crate) fn new(capacity: usize) -> Candidates {
        Candidates {
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

    pub(crate) fn clear(&mut self, capacity: usize) {
        self.capacity = capacity;
        self.candidates.clear();
        self.sorted = 0;
        self.threshold = f32::NEG_INFINITY;
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, candidate: Candidate) {
        self.candidates.push(candidate);
        if self.candidates.len() >= self.capacity.saturating_mul(8).saturating_add(64) {
            self.sort();
        }
    }

    /// Sort the candidates, keep the best of each span and of those the best `capacity`.
    #[inline(always)]
    pub(crate) fn sort(&mut self) {
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

    /// Select the best candidates that reach `floor`, in order: greater margin, then earlier start, then earlier
    /// end, then earlier window.
    #[inline(always)]
    fn select(&mut self, floor: f32) {
        self.keys.clear();
        for from in (0..self.candidates.len()).step_by(LANES) {
            let found = reaching(0.0, &self.margins, from..self.candidates.len(), floor);
            let margins = &self.margins;
            self.keys
                .extend(found.map(|index| u64::from(descending_key(margins[index])) << 32 | index as u64));
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

/// Map a margin to a number that is the smaller, the greater a finite margin is; zeros are equal whatever
/// their sign.
#[inline(always)]
fn descending_key(margin: f32) -> u32 {
    let bits = (margin + 0.0).to_bits();
    if bits >> 31 == 0 { !bits & 0x7FFF_FFFF } else { bits }
}
