//! Normalise text as BERT does, aligned to the source text.

use unicode_normalization_alignments::char::{canonical_combining_class, decompose_canonical};

use crate::tokenizer::bert::character::Properties;

/// The steps of the normaliser; the names are those of the Hugging Face `BertNormalizer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Normalization {
    /// Take control characters out and make every white space a blank.
    pub(crate) clean_text: bool,
    /// Make each CJK ideograph a word of its own.
    pub(crate) handle_chinese_chars: bool,
    /// Decompose canonically and take nonspacing marks out.
    pub(crate) strip_accents: bool,
    /// Lower the case.
    pub(crate) lowercase: bool,
}

/// A character of the normalised text and the bytes of the source that it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aligned {
    pub(crate) char: char,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Normalization {
    /// Append the normal form of `text` to `output`; offsets are relative to `text`.
    ///
    /// Normal forms do not look across ASCII characters, so a text may be cut before and after any.
    pub(crate) fn apply(&self, text: &str, output: &mut Vec<Aligned>) {
        let before = output.len();
        for (start, char) in text.char_indices() {
            let properties = Properties::of(char);
            let source = Aligned { char, start: start as u32, end: (start + char.len_utf8()) as u32 };
            if properties.is_plain() {
                output.push(source);
            } else if !self.apply_one(source, properties, output) {
                output.truncate(before);
                return self.apply_reordering(text, output);
            }
        }
    }

    /// Write the normal form of one character; false when a mark stays that reordering may move.
    #[inline]
    fn apply_one(&self, source: Aligned, properties: Properties, output: &mut Vec<Aligned>) -> bool {
        let Some(cleaned) = self.clean(source, properties) else {
            return true;
        };
        let isolated = self.handle_chinese_chars && properties.is_cjk();
        if isolated {
            output.push(Aligned { char: ' ', ..source });
        }
        let mut in_order = true;
        if self.strip_accents && properties.decomposes() {
            decompose_canonical(cleaned.char, |char| {
                if Properties::of(char).is_nonspacing_mark() {
                    return;
                }
                in_order &= canonical_combining_class(char) == 0;
                self.lower(Aligned { char, ..cleaned }, output);
            });
        } else if !(self.strip_accents && properties.is_nonspacing_mark()) {
            self.lower(cleaned, output);
        }
        if isolated {
            output.push(Aligned { char: ' ', ..source });
        }
        in_order
    }

    #[inline]
    fn clean(&self, source: Aligned, properties: Properties) -> Option<Aligned> {
        if !self.clean_text {
            Some(source)
        } else if properties.is_removed() {
            None
        } else if properties.is_whitespace() {
            Some(Aligned { char: ' ', ..source })
        } else {
            Some(source)
        }
    }

    #[inline]
    fn lower(&self, source: Aligned, output: &mut Vec<Aligned>) {
        if self.lowercase && Properties::of(source.char).lowercases() {
            output.extend(source.char.to_lowercase().map(|char| Aligned { char, ..source }));
        } else {
            output.push(source);
        }
    }

    /// Apply the general form, for texts with marks that are reordered and stay (spacing marks that have a
    /// combining class). A decomposed character goes by its place: reordering moves the characters,
    /// while the sources stay in the order of the text.
    fn apply_reordering(&self, text: &str, output: &mut Vec<Aligned>) {
        let mut sources = Vec::new();
        let mut decomposed: Vec<(u8, char, bool)> = Vec::new();
        for (start, char) in text.char_indices() {
            let properties = Properties::of(char);
            let source = Aligned { char, start: start as u32, end: (start + char.len_utf8()) as u32 };
            let Some(cleaned) = self.clean(source, properties) else {
                continue;
            };
            sources.push(source);
            let isolated = self.handle_chinese_chars && properties.is_cjk();
            let mut first = true;
            let mut push = |char| {
                decomposed.push((canonical_combining_class(char), char, first));
                first = false;
            };
            if isolated {
                push(' ');
            }
            decompose_canonical(cleaned.char, &mut push);
            if isolated {
                push(' ');
            }
        }
        for marks in decomposed.chunk_by_mut(|a, b| a.0 != 0 && b.0 != 0) {
            marks.sort_by_key(|&(class, ..)| class);
        }
        let mut seen = 0_usize;
        for (_, char, first) in decomposed {
            seen += usize::from(first);
            let Some(&source) = sources.get(seen.saturating_sub(1)) else {
                continue;
            };
            if !Properties::of(char).is_nonspacing_mark() {
                self.lower(Aligned { char, ..source }, output);
            }
        }
    }
}
