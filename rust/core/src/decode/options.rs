//! The settings of decoding, and how margins become probabilities.

use crate::error::{Error, Result};
use crate::text::Unit;

/// The settings of every mode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecodeOptions {
    /// Spans of each question at most, the null answer included.
    pub top_k: usize,
    /// Candidates that share the score.
    pub n_best: usize,
    /// Tokens of a span at most.
    pub max_answer_length: usize,
    /// The null answer comes first when the probability of an answer is below this, or there is no span.
    pub threshold: Option<f64>,
    /// Turns margins into probabilities.
    pub calibration: Calibration,
    /// Global: whether spans that overlap a better one are answers of their own.
    pub overlap: bool,
    /// Global and hf: the unit of which answers consist; in hf, words are the tokenizer's.
    pub unit: Unit,
    /// Hf: the null answer is one of the answers, by its score.
    pub rank_null: bool,
}

/// Turns margins (a span's logit minus the null logit of its window) into probabilities.
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

impl DecodeOptions {
    pub(crate) fn check(&self) -> Result<()> {
        for (name, value) in
            [("top_k", self.top_k), ("n_best", self.n_best), ("max_answer_length", self.max_answer_length)]
        {
            if value == 0 {
                return Err(Error::argument(name, 0, "at least 1"));
            }
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
    pub(crate) fn check(&self) -> Result<()> {
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

    /// Compute the logarithm of the odds that a context whose best span has this margin holds the answer.
    #[inline(always)]
    pub(crate) fn odds(&self, margin: f32) -> f64 {
        f64::from(self.slope) * f64::from(margin) + f64::from(self.intercept)
    }

    /// Compute the softmax of margins over the temperature, in double precision.
    #[inline(always)]
    pub(crate) fn shares(&self, margins: impl Iterator<Item = f32> + Clone, shares: &mut Vec<f64>) {
        let greatest = margins.clone().fold(f32::NEG_INFINITY, f32::max);
        let temperature = f64::from(self.temperature);
        shares.clear();
        shares.extend(margins.map(|margin| ((f64::from(margin) - f64::from(greatest)) / temperature).exp()));
        let sum: f64 = shares.iter().sum();
        shares.iter_mut().for_each(|share| *share /= sum);
    }
}
