//! Sort the bytes of a text into word, space and punctuation, 64 at a time.

/// Bytes in one block; also the bits of a mask.
pub(crate) const BLOCK: usize = 64;

/// The classes of a block, bit i for byte i. Bytes of neither are ASCII punctuation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Classes {
    /// Part of a word: letters, digits, controls (taken out later) and bytes of other characters.
    pub(crate) word: u64,
    /// Blank, tab, line feed, carriage return.
    pub(crate) space: u64,
}

/// Classify a block.
#[inline(always)]
pub(crate) fn classify(block: &[u8; BLOCK]) -> Classes {
    // SAFETY: SSE2 is part of x86-64 itself.
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    return unsafe { sse2::classify(block) };
    #[cfg(not(target_arch = "x86_64"))]
    return portable::classify(block);
}

/// Set bit i if byte i of the block continues a character of several bytes.
#[inline(always)]
pub(crate) fn continuations(block: &[u8; BLOCK]) -> u64 {
    // SAFETY: SSE2 is part of x86-64 itself.
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    return unsafe { sse2::continuations(block) };
    #[cfg(not(target_arch = "x86_64"))]
    return portable::continuations(block);
}

/// Copy the bytes `text[at..]` into a block, blanks behind the end.
#[inline(always)]
pub(crate) fn block(text: &[u8], at: usize) -> [u8; BLOCK] {
    let rest = &text[at..];
    match rest.first_chunk::<BLOCK>() {
        Some(block) => *block,
        None => {
            let mut block = [b' '; BLOCK];
            block[..rest.len()].copy_from_slice(rest);
            block
        }
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    use super::{BLOCK, Classes};

    pub(super) fn classify(block: &[u8; BLOCK]) -> Classes {
        let mut classes = Classes { word: 0, space: 0 };
        for (i, byte) in block.iter().enumerate() {
            let space = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
            classes.space |= u64::from(space) << i;
            classes.word |= u64::from(!space && !byte.is_ascii_punctuation()) << i;
        }
        classes
    }

    pub(super) fn continuations(block: &[u8; BLOCK]) -> u64 {
        let is_continuation = |byte: &u8| u64::from(byte & 0xC0 == 0x80);
        block.iter().enumerate().fold(0, |mask, (i, byte)| mask | is_continuation(byte) << i)
    }
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_and_si128, _mm_andnot_si128, _mm_cmpeq_epi8, _mm_cmpgt_epi8, _mm_cmplt_epi8,
        _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };

    use super::{BLOCK, Classes};

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn classify(block: &[u8; BLOCK]) -> Classes {
        let mut classes = Classes { word: 0, space: 0 };
        for (i, bytes) in block.as_chunks::<16>().0.iter().enumerate() {
            let (word, space) = classify_16(u128::from_le_bytes(*bytes));
            classes.word |= u64::from(word) << (16 * i);
            classes.space |= u64::from(space) << (16 * i);
        }
        classes
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn continuations(block: &[u8; BLOCK]) -> u64 {
        let mut mask = 0;
        for (i, bytes) in block.as_chunks::<16>().0.iter().enumerate() {
            let bytes = u128::from_le_bytes(*bytes);
            let bytes = _mm_set_epi64x((bytes >> 64) as i64, bytes as i64);
            // As signed numbers, they are the least.
            let found = _mm_movemask_epi8(_mm_cmplt_epi8(bytes, _mm_set1_epi8(0xC0_u8 as i8)));
            mask |= u64::from(found as u16) << (16 * i);
        }
        mask
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn classify_16(bytes: u128) -> (u16, u16) {
        let bytes = _mm_set_epi64x((bytes >> 64) as i64, bytes as i64);
        let is = |byte: u8| _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte as i8));
        let between = |bytes: __m128i, low: u8, high: u8| {
            _mm_and_si128(
                _mm_cmpgt_epi8(bytes, _mm_set1_epi8(low as i8 - 1)),
                _mm_cmplt_epi8(bytes, _mm_set1_epi8(high as i8 + 1)),
            )
        };
        let space = _mm_or_si128(_mm_or_si128(is(b' '), is(b'\t')), _mm_or_si128(is(b'\n'), is(b'\r')));
        let letter = between(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), b'a', b'z');
        // As signed numbers, the bytes of other characters are below the controls.
        let control_or_other = _mm_andnot_si128(space, _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)));
        let word = _mm_or_si128(
            _mm_or_si128(letter, between(bytes, b'0', b'9')),
            _mm_or_si128(control_or_other, is(0x7F)),
        );
        (_mm_movemask_epi8(word) as u16, _mm_movemask_epi8(space) as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place_agrees_with_the_portable_form() {
        for shift in 0..=255_u8 {
            let block = std::array::from_fn(|i| shift.wrapping_add((i as u8).wrapping_mul(37)));
            assert_eq!(classify(&block), portable::classify(&block));
            assert_eq!(continuations(&block), portable::continuations(&block));
        }
    }
}
