//! Slow and obvious forms of the tokenizer and of mode `global`, which tests and fuzzing compare with.

use std::collections::HashMap;

use crate::decode::{DecodeOptions, Logits};
use crate::pool::Pool;
use crate::text::{Bounds, sentence_starts};
use crate::tokenizer::PairLayout;
use crate::tokenizer::bert::Normalization;
use crate::tokenizer::bert::words;
use crate::tokenizer::bert::{Bert, Settings};
use crate::tokenizer::{Engine, Origin, Tokenizer};
use crate::tokenizer::{SpecialTokens, Vocabulary};
use crate::windows::Windows;

const WORDS: &str = "[PAD] [UNK] [CLS] [SEP] the a an b c un ##aff ##able ##a ##b ##c ##1 x1 é cafe ##é 漢 字 \
                     . , - ! ' \" $ = ᄒ ##ᅡ ##ᆫ я ##я при ##вет 2024 ##s word ##word";

/// Make BERT's layout.
pub(crate) fn layout() -> PairLayout {
    PairLayout { before: vec![2], between: vec![3], after: vec![3], types: [0, 0, 0, 1, 1] }
}

/// Make a small tokenizer that cleans, isolates ideographs, strips accents, lowers the case (in this order).
#[allow(clippy::unwrap_used)] // The vocabulary above is right.
pub fn tokenizer(normalization: [bool; 4], threads: usize) -> Tokenizer {
    let pool = Pool::new(Some(threads)).unwrap();
    Tokenizer::new(Origin::default(), Engine::Bert(Box::new(bert(normalization))), layout(), pool)
}

#[allow(clippy::unwrap_used)] // As above.
pub(crate) fn bert(normalization: [bool; 4]) -> Bert {
    let [clean_text, handle_chinese_chars, strip_accents, lowercase] = normalization;
    let settings = Settings {
        normalization: Normalization { clean_text, handle_chinese_chars, strip_accents, lowercase },
        max_characters: 20,
        added_tokens: Vec::new(),
        match_special_tokens: true,
    };
    Bert::new(vocabulary(), settings, 1).unwrap()
}

#[allow(clippy::unwrap_used)] // As above.
pub(crate) fn vocabulary() -> Vocabulary {
    let entries: HashMap<String, u32> =
        WORDS.split_whitespace().zip(0..).map(|(word, id)| (word.to_owned(), id)).collect();
    Vocabulary::new(entries, HashMap::new(), "##", &SpecialTokens::default()).unwrap()
}

/// Find the ids and byte offsets of a text without blocks, runs or cache: normalise all, split, look each word up.
pub fn encode(tokenizer: &Tokenizer, text: &str) -> (Vec<i32>, Vec<[i32; 2]>) {
    let (mut aligned, mut pieces) = (Vec::new(), Vec::new());
    if let Engine::Bert(bert) = tokenizer.engine() {
        bert.normalization.apply(text, &mut aligned);
        words(&aligned, |word| bert.wordpiece.pieces(word, &mut pieces));
    }
    pieces.iter().map(|piece| (piece.id as i32, [piece.start as i32, piece.end as i32])).unzip()
}

/// List every span of every window of a question as (margin, bytes): the greatest margin of equal spans, in the
/// order of mode `global`. The logits are ragged; spans are of whole units.
pub fn spans(
    windows: &Windows,
    logits: &Logits<'_>,
    question: usize,
    options: &DecodeOptions,
) -> Vec<(f32, [i32; 2])> {
    let mut best: HashMap<[i32; 2], f32> = HashMap::new();
    let context = &windows.contexts[question];
    let offsets = context.source_bytes();
    let bounds = Bounds::new(context.text(), options.unit);
    let sentences = sentence_starts(context.text());
    let sentence =
        |token: usize| sentences.iter().filter(|&&start| (start as i32) < offsets[token][1]).count();
    for window in windows.windows_of(question) {
        let rows = windows.rows(window);
        let positions = windows.context_positions(window);
        let token = |position: usize| windows.context_offset[window] as usize + position - positions.start;
        let null = logits.start[rows.start] + logits.end[rows.start];
        for start in positions.clone() {
            for end in start..positions.end.min(start + options.max_answer_length) {
                let mut margin = logits.start[rows.start + start] - null + logits.end[rows.start + end];
                if sentence(token(start)) != sentence(token(end)) {
                    margin -= options.calibration.sentence_margin;
                }
                let span = bounds.widen([offsets[token(start)][0], offsets[token(end)][1]]);
                let place = best.entry(span).or_insert(margin);
                *place = place.max(margin);
            }
        }
    }
    let mut spans: Vec<_> = best.into_iter().map(|(span, margin)| (margin + 0.0, span)).collect();
    spans.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    spans
}

/// Find the answers of mode `global` as (score, bytes): every span in turn, unless it overlaps one before it.
pub fn answers(
    windows: &Windows,
    logits: &Logits<'_>,
    question: usize,
    options: &DecodeOptions,
) -> Vec<(f32, [i32; 2])> {
    let spans = spans(windows, logits, question, options);
    let Some(&(greatest, _)) = spans.first() else {
        return Vec::new();
    };
    let calibration = options.calibration;
    let power =
        |margin: f32| ((f64::from(margin) - f64::from(greatest)) / f64::from(calibration.temperature)).exp();
    let sum: f64 = spans.iter().take(options.n_best).map(|&(margin, _)| power(margin)).sum();
    let odds = f64::from(calibration.slope) * f64::from(greatest) + f64::from(calibration.intercept);
    let answered = 1.0 / (1.0 + (-odds).exp());
    let mut found: Vec<(f32, [i32; 2])> = Vec::new();
    for (place, &(margin, [start, end])) in spans.iter().enumerate() {
        let share = if place < options.n_best { power(margin) / sum } else { 0.0 };
        if options.overlap || !found.iter().any(|(_, other)| start < other[1] && other[0] < end) {
            found.push(((answered * share) as f32, [start, end]));
        }
    }
    found.truncate(options.top_k);
    found
}
