//! Properties of characters, as BERT's tokenizer sees them.

include!(concat!(env!("OUT_DIR"), "/character_table.rs"));

/// Flags of one character; the bits are set by `build.rs`.
#[derive(Clone, Copy)]
pub(crate) struct Properties(u8);

impl Properties {
    const WHITESPACE: u8 = 1 << 0;
    const REMOVED: u8 = 1 << 1;
    const CJK: u8 = 1 << 2;
    const PUNCTUATION: u8 = 1 << 3;
    const NONSPACING_MARK: u8 = 1 << 4;
    const DECOMPOSES: u8 = 1 << 5;
    const LOWERCASES: u8 = 1 << 6;

    #[inline]
    pub(crate) fn of(c: char) -> Properties {
        let code = c as usize;
        // A block index is below the number of blocks by construction, and a char is below 0x110000.
        Properties(BLOCKS[usize::from(INDEX[code >> 8])][code & 0xFF])
    }

    /// No property at all: the character stands for itself inside a word.
    #[inline]
    pub(crate) fn is_plain(self) -> bool {
        self.0 == 0
    }

    /// Unicode white space.
    #[inline]
    pub(crate) fn is_whitespace(self) -> bool {
        self.0 & Properties::WHITESPACE != 0
    }

    /// Taken out by `clean_text`: controls, formats, private use, U+0000 and U+FFFD.
    #[inline]
    pub(crate) fn is_removed(self) -> bool {
        self.0 & Properties::REMOVED != 0
    }

    /// An ideograph that `handle_chinese_chars` makes a word of its own.
    #[inline]
    pub(crate) fn is_cjk(self) -> bool {
        self.0 & Properties::CJK != 0
    }

    /// Unicode punctuation, or any ASCII character that is neither letter, digit, space nor control.
    #[inline]
    pub(crate) fn is_punctuation(self) -> bool {
        self.0 & Properties::PUNCTUATION != 0
    }

    /// A nonspacing mark (Mn), which `strip_accents` takes out.
    #[inline]
    pub(crate) fn is_nonspacing_mark(self) -> bool {
        self.0 & Properties::NONSPACING_MARK != 0
    }

    /// Canonical decomposition changes it, or it has a combining class and may be reordered.
    #[inline]
    pub(crate) fn decomposes(self) -> bool {
        self.0 & Properties::DECOMPOSES != 0
    }

    /// Its lower-case form is another.
    #[inline]
    pub(crate) fn lowercases(self) -> bool {
        self.0 & Properties::LOWERCASES != 0
    }
}
