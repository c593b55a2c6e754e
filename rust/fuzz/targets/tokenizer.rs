//! Any text under any settings: the tokenizer's ids and offsets are those of the obvious way, cold and
//! from the cache, alone and beside other texts, and its offsets are places in the text.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use spanjet_core::reference::{encode, tokenizer};

#[derive(Debug, Arbitrary)]
struct Input {
    clean_text: bool,
    handle_chinese_chars: bool,
    strip_accents: bool,
    lowercase: bool,
    texts: Vec<String>,
}

fuzz_target!(|input: Input| {
    let tokenizer =
        tokenizer([input.clean_text, input.handle_chinese_chars, input.strip_accents, input.lowercase], 1);
    for _ in 0..2 {
        let Ok(encodings) = tokenizer.encode(input.texts.clone()) else { panic!("BERT's tokenizer refuses no text") };
        for (i, text) in input.texts.iter().enumerate() {
            let rows = encodings.rows(i);
            let (ids, byte_offsets) = encode(&tokenizer, text);
            assert_eq!(encodings.ids()[rows.clone()], ids);
            assert_eq!(encodings.byte_offsets()[rows.clone()], byte_offsets);
            for (characters, bytes) in encodings.offsets()[rows].iter().zip(&byte_offsets) {
                assert_eq!(bytes.map(|byte| text[..byte as usize].chars().count() as i32), *characters);
            }
        }
    }
});
