//! Many texts -> flat ids and offsets, in parallel.

use crate::encoding::{Encodings, Offset, Output, Texts};
use crate::tokenizer::Tokenizer;

/// Bytes of text below which another thread costs more than it saves; also the size of a task.
const TASK_BYTES: usize = 1 << 15;

/// The tokens of neighbouring texts.
pub(crate) struct Part {
    pub(crate) ids: Vec<i32>,
    /// Empty when nobody asked for them.
    offsets: Vec<Offset>,
    /// Where each text's tokens end.
    ends: Vec<usize>,
}

impl Part {
    /// The ids of each text.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &[i32]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.ids[start..end])
    }
}

impl Tokenizer {
    /// Ids and offsets of texts. Each text is shorter than 2^31 bytes.
    pub fn encode(&self, texts: impl Texts + 'static) -> Encodings {
        let slices: Vec<&str> = (0..texts.count()).map(|i| texts.text(i)).collect();
        let (ids, offsets, indptr) = self.join(self.encode_parts::<true>(&slices));
        Encodings::new(self.identity(), Box::new(texts), ids, offsets, indptr)
    }

    /// Ids of texts, and where each text's ids begin and the last end.
    pub fn encode_ids(&self, texts: &[&str]) -> (Vec<i32>, Vec<i64>) {
        let (ids, _, indptr) = self.join(self.encode_parts::<false>(texts));
        (ids, indptr)
    }

    /// The tokens of texts, in parts that were made in parallel.
    pub(crate) fn encode_parts<const OFFSETS: bool>(&self, texts: &[&str]) -> Vec<Part> {
        let size = if self.pool().threads() > 1 { TASK_BYTES } else { usize::MAX };
        self.pool().map(split_by_size(texts, size), |texts| self.encode_part::<OFFSETS>(texts))
    }

    fn encode_part<const OFFSETS: bool>(&self, texts: &[&str]) -> Part {
        let mut scratch = self.take_scratch();
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        let mut output = Output::<OFFSETS>::new(bytes / 4);
        let ends = texts.iter().map(|text| {
            let first = output.len();
            self.encode_text(text, &mut scratch, &mut output);
            output.count_characters(first, text);
            output.len()
        });
        let ends = ends.collect();
        self.return_scratch(scratch);
        let (ids, offsets) = output.finish();
        Part { ids, offsets, ends }
    }

    /// Put parts one behind the other: a single one as it is, several copied in parallel.
    fn join(&self, mut parts: Vec<Part>) -> (Vec<i32>, Vec<Offset>, Vec<i64>) {
        let mut indptr = Vec::with_capacity(1 + parts.iter().map(|part| part.ends.len()).sum::<usize>());
        indptr.push(0);
        let mut total = 0;
        for part in &parts {
            indptr.extend(part.ends.iter().map(|&end| (total + end) as i64));
            total += part.ids.len();
        }
        if parts.len() <= 1 {
            let (ids, offsets) = parts.pop().map(|part| (part.ids, part.offsets)).unwrap_or_default();
            return (ids, offsets, indptr);
        }
        let mut ids = vec![0; total];
        let mut offsets = vec![[0; 2]; parts.iter().map(|part| part.offsets.len()).sum()];
        let (mut free_ids, mut free_offsets) = (&mut ids[..], &mut offsets[..]);
        let mut copies = Vec::with_capacity(parts.len());
        for part in parts {
            let (own_ids, later_ids) = free_ids.split_at_mut(part.ids.len());
            let (own_offsets, later_offsets) = free_offsets.split_at_mut(part.offsets.len());
            (free_ids, free_offsets) = (later_ids, later_offsets);
            copies.push((own_ids, own_offsets, part));
        }
        self.pool().map(copies, |(ids, offsets, part)| {
            ids.copy_from_slice(&part.ids);
            offsets.copy_from_slice(&part.offsets);
        });
        (ids, offsets, indptr)
    }
}

/// Neighbouring texts in groups of at least `bytes` bytes.
fn split_by_size<'a, 't>(texts: &'a [&'t str], bytes: usize) -> Vec<&'a [&'t str]> {
    let mut groups = Vec::new();
    let (mut begin, mut size) = (0, 0);
    for (i, text) in texts.iter().enumerate() {
        size += text.len();
        if size >= bytes {
            groups.push(&texts[begin..=i]);
            (begin, size) = (i + 1, 0);
        }
    }
    if begin < texts.len() {
        groups.push(&texts[begin..]);
    }
    groups
}
