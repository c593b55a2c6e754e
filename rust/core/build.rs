//! Writes the character property table: one byte of flags for every code point, in two stages.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

use unicode_categories::UnicodeCategories as _;
use unicode_normalization_alignments::char::{canonical_combining_class, decompose_canonical};

const BLOCK: usize = 256;

/// CJK ideographs as BERT's `tokenize_chinese_chars` defines them: a list of blocks, not a script.
fn is_cjk(code: u32) -> bool {
    matches!(code,
        0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x2A6DF
        | 0x2A700..=0x2B73F | 0x2B740..=0x2B81F | 0x2B920..=0x2CEAF | 0x2F800..=0x2FA1F)
}

fn is_control(c: char) -> bool {
    !matches!(c, '\t' | '\n' | '\r')
        && (c.is_other_control() || c.is_other_format() || c.is_other_private_use())
}

fn decomposes(c: char) -> bool {
    let mut same = canonical_combining_class(c) == 0;
    decompose_canonical(c, |d| same &= d == c);
    !same
}

/// The bits are named in `src/tokenizer/bert/character.rs`.
fn flags(code: u32) -> u8 {
    let Some(c) = char::from_u32(code) else {
        return 0;
    };
    let bits = [
        c.is_whitespace(),
        c == '\0' || c == '\u{FFFD}' || is_control(c),
        is_cjk(code),
        c.is_ascii_punctuation() || c.is_punctuation(),
        c.is_mark_nonspacing(),
        decomposes(c),
        !c.to_lowercase().eq([c]),
    ];
    bits.iter().enumerate().fold(0, |all, (i, &bit)| all | (u8::from(bit) << i))
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let table: Vec<u8> = (0..=u32::from(char::MAX)).map(flags).collect();
    let mut blocks: Vec<&[u8]> = Vec::new();
    let mut seen: HashMap<&[u8], usize> = HashMap::new();
    let mut index = Vec::new();
    for block in table.chunks(BLOCK) {
        let next = blocks.len();
        let position = *seen.entry(block).or_insert(next);
        if position == next {
            blocks.push(block);
        }
        index.push(u8::try_from(position)?);
    }
    let source = format!(
        "static INDEX: [u8; {}] = {index:?};\nstatic BLOCKS: [[u8; {BLOCK}]; {}] = {blocks:?};\n",
        index.len(),
        blocks.len()
    );
    let directory = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set: run this by cargo")?;
    fs::write(PathBuf::from(directory).join("character_table.rs"), source)?;
    Ok(())
}
