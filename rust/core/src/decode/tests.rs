//! Decoding and windows against brute force.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use crate::decode::mode::decode_task_portably;
use crate::decode::*;
use crate::error::Result;
use crate::reference::{answers, tokenizer};
use crate::text::Unit;
use crate::windows::{ContextInput, Convention, WindowOptions, Windows};

fn windows(contexts: &[String], options: &WindowOptions) -> Result<Windows> {
    let questions: Vec<&str> = contexts.iter().map(|_| "a b").collect();
    let contexts: Vec<_> = contexts.iter().map(|context| ContextInput::Text(context.clone())).collect();
    Windows::new(&Arc::new(tokenizer([true; 4], 2)), &questions, contexts, options)
}

fn plain() -> DecodeOptions {
    DecodeOptions {
        top_k: 1,
        n_best: 5,
        max_answer_length: 30,
        threshold: None,
        calibration: Calibration::default(),
        overlap: false,
        unit: Unit::Word,
        rank_null: false,
    }
}

fn contexts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("(a|b|ab|c|한|\\.|é)( ?(a|b|abb|c|\\.|xy|한|e\u{301}|\\. An|'s)){0,40}", 1..6)
}

proptest! {
    #![proptest_config(Config { cases: 600, rng_seed: RngSeed::Fixed(2), ..Config::default() })]

    #[test]
    fn global_equals_brute_force(
        contexts in contexts(),
        levels in prop::collection::vec(-8_i8..8, 64),
        max_length in prop_oneof![Just(24_usize), Just(120)],
        max_answer_length in prop_oneof![1_usize..12, 30_usize..100],
        top_k in 1_usize..9,
        n_best in 1_usize..9,
        doc_stride in 1_usize..20,
        [overlap, words] in any::<[bool; 2]>(),
        sentence_margin in prop_oneof![Just(0.0_f32), Just(1.5)],
    ) {
        let options =
            WindowOptions { max_length, doc_stride, convention: Convention::Advance, max_question_length: None, allow_empty: false };
        let windows = windows(&contexts, &options)?;
        // Few levels: many ties.
        let logit = |i: usize, step: usize| f32::from(levels[i * step % levels.len()]) / 4.0;
        let start: Vec<f32> = (0..windows.ids.len()).map(|i| logit(i, 1)).collect();
        let end: Vec<f32> = (0..windows.ids.len()).map(|i| logit(i + 7, 3)).collect();
        let logits = Logits { start: &start, end: &end, length: None };
        let options = DecodeOptions {
            top_k,
            n_best,
            max_answer_length,
            calibration: Calibration { slope: 0.5, intercept: -0.25, temperature: 2.0, sentence_margin },
            overlap,
            unit: if words { Unit::Word } else { Unit::Grapheme },
            ..plain()
        };
        let decoded = decode_spans(&windows, &logits, GLOBAL, &options)?;
        let portable = decode_task_portably::<global::Global>(&windows, &logits, &options, 0..contexts.len())?;
        prop_assert_eq!(&decoded, &portable);
        for question in 0..contexts.len() {
            let rows = decoded.indptr[question] as usize..decoded.indptr[question + 1] as usize;
            let found: Vec<_> =
                rows.map(|i| (decoded.score[i], [decoded.byte_start[i], decoded.byte_end[i]])).collect();
            let expected = answers(&windows, &logits, question, &options);
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn every_context_token_is_in_a_window_and_in_one_of_maximum_context(
        contexts in contexts(),
        doc_stride in 1_usize..15,
        advance in any::<bool>(),
    ) {
        let convention = if advance { Convention::Advance } else { Convention::Overlap };
        let options = WindowOptions { max_length: 21, doc_stride, convention, max_question_length: Some(2), allow_empty: false };
        let windows = windows(&contexts, &options)?;
        for (question, context) in windows.contexts.iter().enumerate() {
            for token in 0..context.ids().len() {
                let holders = windows.windows_of(question).filter(|&window| {
                    let first = windows.context_offset[window] as usize;
                    (first..first + windows.context_positions(window).len()).contains(&token)
                });
                prop_assert!(holders.count() > 0);
                let best = windows.windows_of(question).filter(|&window| windows.is_max_context(window, token));
                prop_assert_eq!(best.count(), 1);
            }
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 200, rng_seed: RngSeed::Fixed(4), ..Config::default() })]

    #[test]
    fn hf_is_what_its_definition_says(
        contexts in contexts(),
        levels in prop::collection::vec(-400_i16..400, 97),
        max_length in prop_oneof![Just(24_usize), Just(120)],
        max_answer_length in prop_oneof![1_usize..12, 30_usize..100],
        top_k in 1_usize..9,
        rank_null in any::<bool>(),
    ) {
        let convention = Convention::Overlap;
        let options = WindowOptions {
            max_length, doc_stride: 5, convention, max_question_length: None, allow_empty: false,
        };
        let windows = windows(&contexts, &options)?;
        // All different, and so are their sums: no ties.
        let logit = |i: usize, step: usize| {
            f32::from(levels[i * step % levels.len()]) / 64.0 + (i as f32 * 0.618).sin() / 50.0
        };
        let start: Vec<f32> = (0..windows.ids.len()).map(|i| logit(i, 1)).collect();
        let end: Vec<f32> = (0..windows.ids.len()).map(|i| logit(i + 7, 3)).collect();
        let logits = Logits { start: &start, end: &end, length: None };
        let options =
            DecodeOptions { top_k, max_answer_length, unit: Unit::Grapheme, rank_null, ..plain() };
        let decoded = decode_spans(&windows, &logits, HF, &options)?;
        let portable = decode_task_portably::<hf::Hf>(&windows, &logits, &options, 0..contexts.len())?;
        prop_assert_eq!(&decoded, &portable);
        for question in 0..contexts.len() {
            let rows = decoded.indptr[question] as usize..decoded.indptr[question + 1] as usize;
            let found: Vec<_> = rows.map(|i| (decoded.score[i], decoded.byte_start[i], decoded.byte_end[i])).collect();
            let expected = hf_answers(&windows, &logits, question, &options);
            prop_assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                prop_assert!((f64::from(found.0) - expected.0).abs() < 1e-5, "{:?} {:?}", found, expected);
                prop_assert!(
                    (found.1, found.2) == (expected.1, expected.2) || expected.0 < 1e-5,
                    "{:?} {:?}", found, expected
                );
            }
        }
    }
}

/// Answer in mode `hf` as it is defined: all products of a window, sorted; bytes of whole tokens.
fn hf_answers(
    windows: &Windows,
    logits: &Logits<'_>,
    question: usize,
    options: &DecodeOptions,
) -> Vec<(f64, i32, i32)> {
    let text = windows.contexts[question].text();
    let offsets = windows.contexts[question].encodings.byte_offsets();
    let rows = windows.contexts[question].encodings.rows(windows.contexts[question].index);
    let mut answers: Vec<(f64, i32, i32)> = Vec::new();
    let mut null = f64::INFINITY;
    for window in windows.windows_of(question) {
        let positions = windows.context_positions(window);
        let place = |position: usize| {
            let token = windows.context_offset[window] as usize + position - positions.start;
            offsets[rows.start + token]
        };
        let softmax = |values: &[f32]| -> Vec<f64> {
            let exps: Vec<f64> = values
                .iter()
                .enumerate()
                .map(|(position, &value)| {
                    if position == 0 || positions.contains(&position) { f64::from(value).exp() } else { 0.0 }
                })
                .collect();
            let sum: f64 = exps.iter().sum();
            exps.iter().map(|exp| exp / sum).collect()
        };
        let both = logits.rows(windows, window);
        let (start, end) = (softmax(both.start), softmax(both.end));
        null = null.min(start[0] * end[0]);
        let mut spans = vec![(0.0, 0, 0)];
        for first in positions.clone() {
            let behind = positions.end.min(first + options.max_answer_length);
            for (last, end) in end.iter().enumerate().take(behind).skip(first) {
                spans.push((start[first] * end, first, last));
            }
        }
        spans.sort_by(|a, b| b.0.total_cmp(&a.0));
        // Those without any probability start with the opening token, whose place is the text's beginning.
        let found = spans.len() - 1;
        let nothing = (0..options.top_k.saturating_sub(found).min(start.len()))
            .filter(|last| *last == 0 || positions.contains(last));
        spans.truncate(found);
        spans.extend(nothing.map(|last| (0.0, 0, last)));
        for &(score, first, last) in spans.iter().take(options.top_k) {
            let begin = if first == 0 { 0 } else { place(first)[0] };
            let behind = if last == 0 { 0 } else { place(last)[1] };
            let lower = |begin: i32, behind: i32| text[begin as usize..behind as usize].to_lowercase();
            match answers.iter_mut().find(|(_, b, e)| lower(*b, *e) == lower(begin, behind)) {
                Some(answer) => answer.0 += score,
                None => answers.push((score, begin, behind)),
            }
        }
    }
    if options.rank_null {
        answers.push((null, 0, 0));
    }
    answers.sort_by(|a, b| b.0.total_cmp(&a.0));
    answers.truncate(options.top_k);
    answers
}

#[test]
fn no_room_states_the_numbers() {
    let options = |max_length, doc_stride, convention| WindowOptions {
        max_length,
        doc_stride,
        convention,
        max_question_length: None,
        allow_empty: false,
    };
    let context = ["a b c a b c".to_owned()];
    let text = |options| windows(&context, &options).unwrap_err().to_string();
    assert!(text(options(5, 1, Convention::Advance)).ends_with(
        "5 - 2 question tokens - 3 special tokens = 0 context tokens a window, expected at least 1"
    ));
    assert!(
        text(options(8, 3, Convention::Overlap)).contains("window, expected more than the doc_stride of 3")
    );
    assert!(windows(&context, &options(11, 9, Convention::Overlap)).is_ok());
}

#[test]
fn a_logit_that_is_not_finite_has_a_place() {
    let options = WindowOptions {
        max_length: 10,
        doc_stride: 2,
        convention: Convention::Advance,
        max_question_length: None,
        allow_empty: false,
    };
    let windows = windows(&["a b c a b c".to_owned()], &options).unwrap();
    let length = windows.longest() + 1;
    let start = vec![0.0; windows.len() * length];
    let mut end = start.clone();
    end[length + 3] = f32::NAN;
    end[length - 1] = f32::NAN; // padding
    let logits = Logits { start: &start, end: &end, length: Some(length) };
    for mode in MODES.iter().copied() {
        let text = decode_spans(&windows, &logits, mode, &plain()).unwrap_err().to_string();
        assert!(text.contains("end_logits of window 1 at position 3 is NaN"), "{text}");
    }
}
