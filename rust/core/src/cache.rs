//! A bounded table of words and their pieces.

use crate::wordpiece::Piece;

/// A word is at most this long to have a place in the table.
pub(crate) const MAX_WORD: usize = 16;
/// Pieces of one entry at most.
pub(crate) const MAX_PIECES: usize = 3;
/// log2 of the number of entries; 32 bytes each.
const BITS: u32 = 16;

/// The source bytes of a word, zero behind its end, and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    bytes: u128,
    length: u32,
}

impl Key {
    /// The key of `text[start..start + length]`; `length` is from 1 to `MAX_WORD`.
    #[inline(always)]
    pub(crate) fn new(text: &[u8], start: usize, length: usize) -> Key {
        let text = &text[start..];
        let bytes = match text.first_chunk::<MAX_WORD>() {
            Some(bytes) => u128::from_le_bytes(*bytes),
            None => {
                let mut bytes = [0; MAX_WORD];
                bytes[..text.len()].copy_from_slice(text);
                u128::from_le_bytes(bytes)
            }
        };
        Key {
            bytes: bytes & MASKS[length],
            length: length as u32,
        }
    }

    /// The first of the two entries that may hold the word.
    #[inline(always)]
    fn bucket(self) -> usize {
        let low = self.bytes as u64 ^ 0x9E37_79B9_7F4A_7C15;
        let high = (self.bytes >> 64) as u64 ^ 0xD1B5_4A32_D192_ED03;
        let product = u128::from(low) * u128::from(high.wrapping_add(u64::from(self.length)));
        let hash = (product as u64) ^ ((product >> 64) as u64);
        (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - BITS)) as usize & !1
    }
}

const MASKS: [u128; MAX_WORD + 1] = {
    let mut masks = [u128::MAX; MAX_WORD + 1];
    let mut length = 0;
    while length < MAX_WORD {
        masks[length] = (1 << (8 * length)) - 1;
        length += 1;
    }
    masks
};

/// The pieces of one word. `shape` packs the word's length (5 bits), the number of pieces (2 bits)
/// and for each piece its first and last byte in the word (4 bits each). Length 0: no entry.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(32))]
pub(crate) struct Entry {
    bytes: u128,
    pub(crate) ids: [i32; MAX_PIECES],
    shape: u32,
}

impl Entry {
    /// None when the pieces do not fit.
    pub(crate) fn new(key: Key, pieces: &[Piece], offset: u32) -> Option<Entry> {
        let mut entry = Entry {
            bytes: key.bytes,
            ids: [0; MAX_PIECES],
            shape: key.length,
        };
        if pieces.len() > MAX_PIECES {
            return None;
        }
        entry.shape |= (pieces.len() as u32) << 5;
        for (i, piece) in pieces.iter().enumerate() {
            entry.ids[i] = piece.id as i32;
            let (first, last) = (piece.start - offset, piece.end - offset - 1);
            entry.shape |= (first | last << 4) << (7 + 8 * i);
        }
        Some(entry)
    }

    #[inline(always)]
    fn holds(&self, key: Key) -> bool {
        self.bytes == key.bytes && self.shape & 0x1F == key.length
    }

    /// Number of pieces.
    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        (self.shape >> 5 & 3) as usize
    }

    /// Source of each piece, for a word that begins at byte `start`.
    #[inline(always)]
    pub(crate) fn offsets(&self, start: i32) -> [[i32; 2]; MAX_PIECES] {
        std::array::from_fn(|i| {
            let place = self.shape >> (7 + 8 * i);
            [
                start + (place & 15) as i32,
                start + (place >> 4 & 15) as i32 + 1,
            ]
        })
    }
}

/// A table of `ENTRIES` words. A new word takes the first place of its pair; the one that was there
/// moves to the second, whose word is forgotten.
#[derive(Debug)]
pub(crate) struct WordCache {
    entries: Box<[Entry]>,
}

impl WordCache {
    /// Words that a table holds at most.
    pub(crate) const ENTRIES: usize = 1 << BITS;

    pub(crate) fn new() -> WordCache {
        WordCache {
            entries: vec![Entry::default(); WordCache::ENTRIES].into_boxed_slice(),
        }
    }

    #[inline(always)]
    pub(crate) fn get(&self, key: Key) -> Option<&Entry> {
        let bucket = key.bucket();
        let first = &self.entries[bucket];
        if first.holds(key) {
            return Some(first);
        }
        let second = &self.entries[bucket + 1];
        second.holds(key).then_some(second)
    }

    pub(crate) fn insert(&mut self, key: Key, entry: Entry) {
        let bucket = key.bucket();
        self.entries[bucket + 1] = self.entries[bucket];
        self.entries[bucket] = entry;
    }
}
