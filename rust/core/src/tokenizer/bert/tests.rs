//! The fast path equals the obvious one: normalise the whole text, split it, look every word up.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use crate::pool::Pool;
use crate::reference::{encode, layout, tokenizer, vocabulary};
use crate::tokenizer::bert::scratch::Scratches;
use crate::tokenizer::bert::word_cache::WordCache;
use crate::tokenizer::bert::{AddedToken, Bert, Normalization, Settings};
use crate::tokenizer::origin::Origin;
use crate::tokenizer::tokenizer::{Engine, Tokenizer};

fn scratches(tokenizer: &Tokenizer) -> &Scratches {
    match tokenizer.engine() {
        Engine::Bert(bert) => &bert.scratches,
        Engine::HuggingFace(_) => panic!("the obvious tokenizer is BERT's"),
    }
}

fn with_added(added_tokens: Vec<AddedToken>) -> Tokenizer {
    let normalization =
        Normalization { clean_text: true, handle_chinese_chars: true, strip_accents: true, lowercase: true };
    let settings = Settings { normalization, max_characters: 20, added_tokens, match_special_tokens: true };
    let bert = Bert::new(vocabulary(), settings, 1).unwrap();
    Tokenizer::new(Origin::default(), Engine::Bert(Box::new(bert)), layout(), Pool::new(Some(1)).unwrap())
}

fn added(content: &str, id: u32) -> AddedToken {
    let (special, single_word, lstrip, rstrip, normalized) = (true, false, false, false, false);
    AddedToken { content: content.into(), id, special, single_word, lstrip, rstrip, normalized }
}

fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[a-c]{1,6}",
        2 => "(the|unaffable|cafe\u{301}s|x1|привет|한국|漢字|2024|word){1,3}",
        2 => "[ \t\n\r\u{A0}\u{3000}\u{85}\u{B}]{1,3}",
        2 => "[.,!'\"$=+<>|~^`-]{1,3}",
        1 => "[\u{0}\u{AD}\u{200B}\u{FFFD}\u{7F}\u{301}\u{338}\u{1D165}\u{1D16D}\u{302E}]{1,3}",
        1 => "\\PC{1,8}",
        1 => "[a-z0-9]{15,120}",
        1 => ".{1,4}",
    ];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(Config { cases: 2000, rng_seed: RngSeed::Fixed(1), ..Config::default() })]

    #[test]
    fn fast_equals_obvious(normalization in any::<[bool; 4]>(), texts in prop::collection::vec(text(), 1..4)) {
        let tokenizer = tokenizer(normalization, 1);
        // The second time everything comes from the cache.
        for _ in 0..2 {
            let encodings = tokenizer.encode(texts.clone()).unwrap();
            for (i, text) in texts.iter().enumerate() {
                let (ids, offsets) = encode(&tokenizer, text);
                prop_assert_eq!(&encodings.ids()[encodings.rows(i)], &ids[..]);
                prop_assert_eq!(&encodings.byte_offsets()[encodings.rows(i)], &offsets[..]);
            }
        }
    }

    #[test]
    fn character_offsets_count_characters(text in text()) {
        let tokenizer = tokenizer([true; 4], 1);
        let encodings = tokenizer.encode(vec!["é ".to_owned(), text.clone()]).unwrap();
        let rows = encodings.rows(1);
        for (bytes, characters) in encodings.byte_offsets()[rows.clone()].iter().zip(&encodings.offsets()[rows]) {
            prop_assert_eq!(bytes.map(|byte| text[..byte as usize].chars().count() as i32), *characters);
        }
    }
}

#[test]
fn threads_do_not_change_the_result() {
    let texts: Vec<String> =
        (0..3000).map(|i| format!("the unaffable {i} word, café {}", "a b ".repeat(i % 40))).collect();
    let [one, many] = [1, 4].map(|threads| tokenizer([true; 4], threads).encode(texts.clone()).unwrap());
    assert_eq!(one.ids(), many.ids());
    assert_eq!(one.byte_offsets(), many.byte_offsets());
    assert_eq!(one.indptr(), many.indptr());
}

#[test]
fn the_cache_forgets_and_stays_right() {
    let tokenizer = tokenizer([true; 4], 1);
    let words: Vec<String> = (0..2 * WordCache::MAX_WORDS).map(|i| format!("a{i}b")).collect();
    let encodings = tokenizer.encode(words.clone()).unwrap();
    for (i, word) in words.iter().enumerate().step_by(997) {
        assert_eq!(encodings.ids()[encodings.rows(i)], encode(&tokenizer, word).0);
    }
    assert_eq!(scratches(&tokenizer).kept(), 1);
}

#[test]
fn added_tokens_take_their_spaces_and_normal_forms() {
    let strip = AddedToken { lstrip: true, rstrip: true, ..added("[X]", 7) };
    let normal = AddedToken { normalized: true, special: false, single_word: true, ..added("Café", 9) };
    let tokenizer = with_added(vec![added("[SEP]", 3), strip, normal]);
    let encodings = tokenizer.encode(vec!["a  [X] [SEP]cafe CAFE\u{301} b"]).unwrap();
    assert_eq!(encodings.ids(), [5, 7, 3, 9, 9, 7]);
    assert_eq!(encodings.byte_offsets(), [[0, 1], [1, 7], [7, 12], [12, 16], [17, 21], [24, 25]]);
}

#[test]
fn added_tokens_may_share_white_space() {
    let strip = AddedToken { normalized: true, special: false, rstrip: true, ..added("漢", 7) };
    let encodings = with_added(vec![strip]).encode(vec!["漢漢 a漢"]).unwrap();
    assert_eq!(encodings.ids(), [7, 7, 5, 7]);
    assert_eq!(encodings.offsets(), [[0, 2], [1, 3], [3, 4], [4, 5]]);
}

#[test]
fn no_text_and_empty_texts() {
    let tokenizer = tokenizer([true; 4], 2);
    assert!(tokenizer.encode(Vec::<String>::new()).unwrap().is_empty());
    assert_eq!(tokenizer.encode(vec!["", " ", ""]).unwrap().indptr(), [0, 0, 0, 0]);
}

#[test]
fn no_more_caches_are_kept_than_calls_can_run_at_once() {
    let tokenizer = tokenizer([true; 4], 2);
    let texts: Vec<String> = (0..64).map(|i| format!("{i} un ").repeat(1 << 13)).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 * scratches(&tokenizer).len() {
            scope.spawn(|| {
                (0..8).for_each(|_| assert_eq!(tokenizer.encode(texts.clone()).unwrap().len(), texts.len()))
            });
        }
    });
    assert!((1..=scratches(&tokenizer).len()).contains(&scratches(&tokenizer).kept()));
}
