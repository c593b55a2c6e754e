//! Any questions, contexts, window settings and logits: every context token is in a window, the answers
//! of mode `global` are those of brute force, those of the others lie in their contexts.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use spanjet_core::decode::{Calibration, DecodeOptions, GLOBAL, Logits, MODES, decode_spans};
use spanjet_core::reference::{answers, tokenizer};
use spanjet_core::text::Unit;
use spanjet_core::windows::{ContextInput, Convention, WindowOptions, Windows};

#[derive(Debug, Arbitrary)]
struct Input {
    pairs: Vec<(String, String)>,
    max_length: u8,
    doc_stride: u8,
    overlap: bool,
    max_question_length: Option<u8>,
    logits: Vec<i8>,
    mode: u8,
    allow_empty: bool,
    rank_null: bool,
    top_k: u8,
    n_best: u8,
    max_answer_length: u8,
    threshold: Option<u8>,
    sentence_margin: u8,
    overlap_answers: bool,
    words: bool,
}

fuzz_target!(|input: Input| {
    let tokenizer = std::sync::Arc::new(tokenizer([true; 4], 1));
    let options = WindowOptions {
        max_length: input.max_length.into(),
        doc_stride: input.doc_stride.into(),
        convention: if input.overlap { Convention::Overlap } else { Convention::Advance },
        max_question_length: input.max_question_length.map(usize::from),
        allow_empty: input.allow_empty,
    };
    let questions: Vec<&str> = input.pairs.iter().map(|(question, _)| question.as_str()).collect();
    let contexts = input.pairs.iter().map(|(_, context)| ContextInput::Text(context.clone())).collect();
    let Ok(windows) = Windows::new(&tokenizer, &questions, contexts, &options) else { return };
    for (question, context) in windows.contexts.iter().enumerate() {
        let mut covered = 0;
        for window in (0..windows.len()).filter(|&window| windows.question[window] as usize == question) {
            let first = windows.context_offset[window] as usize;
            assert!(first <= covered);
            covered = first + windows.rows(window).len() - windows.context_start[window] as usize - 1;
        }
        assert_eq!(covered, context.encodings.rows(context.index).len());
    }
    if input.logits.is_empty() {
        return;
    }
    let logit = |i: usize| f32::from(input.logits[i % input.logits.len()]) / 8.0;
    let start: Vec<f32> = (0..windows.ids.len()).map(logit).collect();
    let end: Vec<f32> = (0..windows.ids.len()).map(|i| logit(i * 7 + 3)).collect();
    let logits = Logits { start: &start, end: &end, length: None };
    let options = DecodeOptions {
        top_k: input.top_k.into(),
        n_best: input.n_best.into(),
        max_answer_length: input.max_answer_length.into(),
        threshold: input.threshold.map(|threshold| f64::from(threshold) / 255.0),
        calibration: Calibration {
            sentence_margin: f32::from(input.sentence_margin) / 8.0,
            ..Calibration::default()
        },
        overlap: input.overlap_answers,
        unit: if input.words { Unit::Word } else { Unit::Grapheme },
        rank_null: input.rank_null,
    };
    let mode = MODES[usize::from(input.mode) % MODES.len()];
    let Ok(found) = decode_spans(&windows, &logits, mode, &options) else { return };
    for question in 0..windows.contexts.len() {
        let rows = found.indptr[question] as usize..found.indptr[question + 1] as usize;
        assert!(rows.len() <= options.top_k);
        for i in rows.clone() {
            let text = windows.contexts[question].text();
            let bytes = found.byte_start[i] as usize..found.byte_end[i] as usize;
            assert_eq!(text[bytes].chars().count() as i32, found.end[i] - found.start[i]);
        }
        if mode == GLOBAL && options.threshold.is_none() {
            let found: Vec<_> = rows.map(|i| (found.score[i], [found.byte_start[i], found.byte_end[i]])).collect();
            assert_eq!(found, answers(&windows, &logits, question, &options));
        }
    }
});
