//! A bounded table of words and their pieces.

use crate::tokenizer::bert::wordpiece::Piece;

/// A word is at most this long to have a place in the table.
pub(crate) const MAX_WORD: usize = 16;
/// Pieces of one entry at most.
pub(crate) const MAX_PIECES: usize = 3;
/// log2 of the number of entries; 32 bytes each.
const BITS: u32 = 16;
/// Entries that may hold a word: a limit for texts whose words were chosen to have equal hashes.
const PROBES: usize = 32;

/// The source bytes of a word, zero after its end, and its length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Key {
    bytes: u128,
    length: u32,
    /// The first entry that may hold the word.
    bucket: u32,
}

impl Key {
    /// Make the key of `text[start..start + length]`, of which only the first `MAX_WORD` bytes count; the
    /// length is at least 1.
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
        let bytes = bytes & MASKS[length.min(MAX_WORD)];
        Key { bytes, length: length as u32, bucket: bucket(bytes, length as u64) }
    }

    /// List the entries that may hold the word, in the order in which they are looked at.
    #[inline(always)]
    fn places(self) -> impl Iterator<Item = usize> {
        (0..PROBES).map(move |step| (self.bucket as usize + step) % WordCache::ENTRIES)
    }
}

#[inline(always)]
fn bucket(bytes: u128, length: u64) -> u32 {
    let low = bytes as u64 ^ 0x9E37_79B9_7F4A_7C15;
    let high = ((bytes >> 64) as u64 ^ 0xD1B5_4A32_D192_ED03).wrapping_add(length);
    let product = u128::from(low) * u128::from(high);
    let hash = (product as u64) ^ ((product >> 64) as u64);
    (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - BITS)) as u32
}

const OVERFLOWS: u32 = 1 << 31;

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
/// and for each piece its first and last byte in the word (4 bits each). Length 0: no entry. With the
/// topmost bit, the pieces are in the table's overflow: `ids` are their place and number.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(32))]
pub(crate) struct Entry {
    bytes: u128,
    pub(crate) ids: [i32; MAX_PIECES],
    shape: u32,
}

impl Entry {
    fn new(key: Key, pieces: &[Piece], offset: u32) -> Entry {
        let mut entry = Entry { bytes: key.bytes, ids: [0; MAX_PIECES], shape: key.length };
        entry.shape |= (pieces.len() as u32) << 5;
        for (i, piece) in pieces.iter().enumerate() {
            entry.ids[i] = piece.id as i32;
            let (first, last) = (piece.start - offset, piece.end - offset - 1);
            entry.shape |= (first | last << 4) << (7 + 8 * i);
        }
        entry
    }

    /// Whether the pieces are in the overflow.
    #[inline(always)]
    pub(crate) fn overflows(&self) -> bool {
        self.shape & OVERFLOWS != 0
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

    /// Source of piece i, for a word that begins at byte `start`.
    #[inline(always)]
    pub(crate) fn offset(&self, i: usize, start: i32) -> [i32; 2] {
        let place = self.shape >> (7 + 8 * i);
        [start + (place & 15) as i32, start + (place >> 4 & 15) as i32 + 1]
    }
}

/// An open table with linear probing over a few entries, at most half full: when it is, it starts again
/// empty.
#[derive(Debug)]
pub(crate) struct WordCache {
    entries: Box<[Entry]>,
    words: usize,
    /// Pieces of words that have more than an entry holds, relative to their words.
    overflow: Vec<Piece>,
}

impl WordCache {
    const ENTRIES: usize = 1 << BITS;
    /// Words that the table holds at most.
    pub(crate) const MAX_WORDS: usize = WordCache::ENTRIES / 2;
    /// Pieces of the overflow at most; when it is full, the table starts again too.
    pub(crate) const MAX_OVERFLOW: usize = 1 << 16;

    pub(crate) fn new() -> WordCache {
        let entries = vec![Entry::default(); WordCache::ENTRIES].into_boxed_slice();
        WordCache { entries, words: 0, overflow: Vec::new() }
    }

    /// Begin to load the entries that may hold the word.
    #[inline(always)]
    pub(crate) fn prefetch(&self, key: Key) {
        prefetch(&self.entries[key.bucket as usize]);
    }

    #[inline(always)]
    pub(crate) fn get(&self, key: Key) -> Option<&Entry> {
        for place in key.places() {
            let entry = &self.entries[place];
            if entry.holds(key) {
                return Some(entry);
            }
            if entry.shape == 0 {
                break;
            }
        }
        None
    }

    /// The pieces of an entry that overflows, relative to its word.
    pub(crate) fn overflow(&self, entry: &Entry) -> &[Piece] {
        let first = entry.ids[0] as usize;
        &self.overflow[first..first + entry.ids[1] as usize]
    }

    /// Remember the pieces of a word that begins at byte `offset` and is not in the table.
    pub(crate) fn insert(&mut self, key: Key, pieces: &[Piece], offset: u32) {
        let fits = pieces.len() <= MAX_PIECES;
        if self.words == WordCache::MAX_WORDS
            || !fits && self.overflow.len() + pieces.len() > WordCache::MAX_OVERFLOW
        {
            self.entries.fill(Entry::default());
            self.overflow.clear();
            self.words = 0;
        }
        let entry = if fits {
            Entry::new(key, pieces, offset)
        } else {
            let ids = [self.overflow.len() as i32, pieces.len() as i32, 0];
            let relative =
                |piece: &Piece| Piece { start: piece.start - offset, end: piece.end - offset, ..*piece };
            self.overflow.extend(pieces.iter().map(relative));
            Entry { bytes: key.bytes, ids, shape: key.length | OVERFLOWS }
        };
        let free = key.places().find(|&place| self.entries[place].shape == 0);
        self.words += usize::from(free.is_some());
        // Words that were made to meet in one place push each other out.
        self.entries[free.unwrap_or(key.bucket as usize)] = entry;
    }
}

/// Ask for the cache line of a value that will be read soon.
#[inline(always)]
fn prefetch<T>(value: &T) {
    // SAFETY: a hint that cannot fault, on the address of a live value.
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    unsafe {
        std::arch::x86_64::_mm_prefetch(std::ptr::from_ref(value).cast(), std::arch::x86_64::_MM_HINT_T0);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(word: &str) -> Key {
        Key::new(word.as_bytes(), 0, word.len())
    }

    #[test]
    fn words_differ_by_length_and_by_bytes_behind_them() {
        let mut cache = WordCache::new();
        cache.insert(Key::new(b"abc", 0, 2), &[Piece { id: 1, start: 0, end: 2 }], 0);
        assert_eq!(cache.get(key("ab")).map(|entry| entry.ids[0]), Some(1));
        assert!(cache.get(key("ab\0")).is_none());
        assert!(cache.get(key("a")).is_none());
    }

    #[test]
    fn words_of_one_place_are_found_in_a_few_steps() {
        let mut cache = WordCache::new();
        let colliding = (0..).map(|i| format!("{i:08}")).filter(|word| key(word).bucket == 7);
        for (id, word) in (0..).zip(colliding.take(3 * PROBES)) {
            cache.insert(key(&word), &[Piece { id, start: 0, end: 8 }], 0);
            assert_eq!(cache.get(key(&word)).map(|entry| entry.ids[0]), Some(id as i32));
        }
        assert_eq!(cache.words, PROBES);
        assert!(cache.get(key("other")).is_none());
    }

    #[test]
    fn memory_is_bounded_whatever_the_words_are() {
        let mut cache = WordCache::new();
        let pieces: Vec<Piece> = (0..9).map(|i| Piece { id: i, start: i, end: i + 1 }).collect();
        for i in 0..3 * WordCache::MAX_WORDS {
            let word = format!("{i:09}");
            let count = if i % 5 == 0 { 9 } else { 2 };
            cache.insert(key(&word), &pieces[..count], 0);
            assert!(cache.words <= WordCache::MAX_WORDS);
            assert!(cache.overflow.len() <= WordCache::MAX_OVERFLOW);
            let entry = cache.get(key(&word)).unwrap();
            assert_eq!(entry.overflows(), count == 9);
            if count == 9 {
                assert_eq!(cache.overflow(entry), pieces);
            } else {
                assert_eq!((entry.count(), entry.offset(1, 0)), (2, [1, 2]));
            }
        }
        assert_eq!(cache.entries.len(), WordCache::ENTRIES);
    }
}
