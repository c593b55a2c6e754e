//! Mode `squad`: Google's run_squad.py (`write_predictions`), as MLPerf uses it.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::ops::Range;

use crate::decode::final_text::{Projected, project, spell};
use crate::decode::logits::{Logits, WindowLogits};
use crate::decode::mode::{Decoder, Mode};
use crate::decode::options::{Calibration, DecodeOptions};
use crate::decode::spans::{Answer, Null};
use crate::error::{Error, Result};
use crate::text::character_range;
use crate::text::whole_graphemes;
use crate::tokenizer::Tokenizer;
use crate::windows::{Context, Windows};

/// A pair of context tokens.
#[derive(Debug, Clone, Copy)]
struct TokenPair {
    /// The sum in double precision, as run_squad.py has it.
    logit: f64,
    first: usize,
    last: usize,
    window: usize,
}

/// Google's run_squad.py, as MLPerf uses it.
pub const SQUAD: Mode = Mode::new::<Squad>("squad");

struct Squad {
    n_best: usize,
    max_answer_length: usize,
    calibration: Calibration,
}

impl Decoder for Squad {
    fn check(options: &DecodeOptions) -> Result<()> {
        let (n_best, top_k) = (options.n_best, options.top_k);
        if n_best < top_k {
            return Err(Error::argument("n_best", n_best, format!("at least the top_k of {top_k}")));
        }
        Ok(())
    }

    fn new(options: &DecodeOptions) -> Squad {
        Squad {
            n_best: options.n_best,
            max_answer_length: options.max_answer_length,
            calibration: options.calibration,
        }
    }

    fn decode(
        &mut self,
        windows: &Windows,
        logits: &Logits<'_>,
        question: usize,
        answers: &mut Vec<Answer>,
    ) -> Result<Null> {
        let mut candidates = Vec::new();
        let mut null_logit = f32::INFINITY;
        for window in windows.windows_of(question) {
            let logits = logits.window(windows, window)?;
            null_logit = null_logit.min(logits.null());
            self.collect(windows, window, logits, &mut candidates);
        }
        candidates.sort_by(|a, b| descending(&a.logit, &b.logit));
        let chosen = self.choose(windows, question, &candidates);
        let margins = chosen.iter().map(|(candidate, _)| (candidate.logit - f64::from(null_logit)) as f32);
        let odds = margins.clone().next().map_or(f64::NEG_INFINITY, |margin| self.calibration.odds(margin));
        let null = Null::from_odds(null_logit, odds);
        let mut shares = Vec::new();
        self.calibration.shares(margins, &mut shares);
        let text = windows.contexts[question].text();
        answers.extend(chosen.iter().zip(shares).map(|((candidate, bytes), share)| Answer {
            characters: character_range(text, bytes.clone()),
            bytes: bytes.start as i32..bytes.end as i32,
            score: (null.answered * share) as f32,
            logit: candidate.logit as f32,
            null_logit,
            window: candidate.window as i32,
        }));
        Ok(null)
    }
}

impl Squad {
    /// Collect the candidates of one window, in the order of its best starts and ends.
    fn collect(
        &self,
        windows: &Windows,
        window: usize,
        logits: WindowLogits<'_>,
        candidates: &mut Vec<TokenPair>,
    ) {
        let positions = windows.context_positions(window);
        let first = windows.context_offset[window] as usize;
        let token = |position: usize| first + position - positions.start;
        let ends = greatest(logits.end, self.n_best);
        for start in greatest(logits.start, self.n_best) {
            if !positions.contains(&start) || !windows.is_max_context(window, token(start)) {
                continue;
            }
            let last = (start + self.max_answer_length).min(positions.end);
            for &end in ends.iter().filter(|&&end| (start..last).contains(&end)) {
                let logit = f64::from(logits.start[start]) + f64::from(logits.end[end]);
                candidates.push(TokenPair { logit, first: token(start), last: token(end), window });
            }
        }
    }

    /// Choose the n best candidates with different texts, and their bytes in the context.
    fn choose(
        &self,
        windows: &Windows,
        question: usize,
        candidates: &[TokenPair],
    ) -> Vec<(TokenPair, Range<usize>)> {
        let context = &windows.contexts[question];
        let mut chosen = Vec::new();
        let mut seen = HashSet::new();
        for &candidate in candidates {
            if chosen.len() == self.n_best {
                break;
            }
            let answer = text_of(context, candidate.first, candidate.last, &windows.tokenizer);
            if !answer.bytes.is_empty() && seen.insert(answer.text) {
                let bytes = whole_graphemes(context.text(), answer.bytes);
                if chosen.iter().all(|(_, other)| *other != bytes) {
                    chosen.push((candidate, bytes));
                }
            }
        }
        chosen
    }
}

/// Find the answer from context token `start` to token `end`. Projecting is made for BERT's normalisation; the
/// tokens of other tokenizers cover their text as it stands.
fn text_of(context: &Context, start: usize, end: usize, tokenizer: &Tokenizer) -> Projected {
    let bytes = context.answer_bytes(start, end);
    let Some(normalization) = tokenizer.normalization() else {
        return Projected { text: context.text()[bytes.clone()].to_owned(), bytes };
    };
    let vocabulary = tokenizer.vocabulary();
    let ids = &context.ids()[start..=end];
    let pieces = ids.iter().map(|&id| vocabulary.token(id as u32).unwrap_or_default());
    let spelling = spell(pieces, vocabulary.continuing_prefix());
    project(context.text(), bytes, &spelling, normalization)
}

/// Order the greater of two finite numbers first; zeros are equal whatever their sign.
pub(super) fn descending<T: PartialOrd>(a: &T, b: &T) -> Ordering {
    b.partial_cmp(a).unwrap_or(Ordering::Equal)
}

/// Find the indices of the n greatest values, greatest first, equal ones in their order.
fn greatest(values: &[f32], n: usize) -> Vec<usize> {
    let order = |&a: &usize, &b: &usize| descending(&values[a], &values[b]).then(a.cmp(&b));
    let mut indices: Vec<usize> = (0..values.len()).collect();
    if n < indices.len() {
        indices.select_nth_unstable_by(n - 1, order);
        indices.truncate(n);
    }
    indices.sort_unstable_by(order);
    indices
}
