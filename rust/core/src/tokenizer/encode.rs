//! Tokenize many texts into flat ids and offsets, in parallel.

use multiversion::multiversion;

use crate::error::{Error, Result, Role};
use crate::tokenizer::bert::Bert;
use crate::tokenizer::encodings::{Encodings, Texts};
use crate::tokenizer::huggingface::HuggingFace;
use crate::tokenizer::tokenizer::{Engine, Tokenizer};
use crate::tokenizer::tokens::Output;

/// Bytes of text below which another thread costs more than it saves; also the size of a task.
const TASK_BYTES: usize = 1 << 15;

/// The same for the Hugging Face crate, which takes 60 to 130 times as long on paragraphs of SQuAD.
const HUGGING_FACE_TASK_BYTES: usize = 1 << 10;

/// The tokens of neighbouring texts.
struct Part<const OFFSETS: bool> {
    output: Output<OFFSETS>,
    /// Where each text's tokens end.
    ends: Vec<usize>,
}

impl Tokenizer {
    /// Tokenize texts into ids and offsets. Each text is shorter than 2^31 bytes.
    ///
    /// # Errors
    /// `Error::Text`; BERT's tokenizer has none.
    pub fn encode(&self, texts: impl Texts + 'static) -> Result<Encodings> {
        let slices: Vec<&str> = (0..texts.count()).map(|i| texts.text(i)).collect();
        let Joined { output, indptr } = self.encode_joined::<true>(&slices)?;
        Ok(Encodings::new(self.origin().identity, Box::new(texts), output, indptr, self.takes_white_space()))
    }

    /// Tokenize texts into ids alone, and where each text's ids begin and the last end.
    ///
    /// # Errors
    /// As `encode`.
    pub fn encode_ids(&self, texts: &[&str]) -> Result<(Vec<i32>, Vec<i64>)> {
        let Joined { output, indptr } = self.encode_joined::<false>(texts)?;
        Ok((output.ids, indptr))
    }

    fn encode_joined<const OFFSETS: bool>(&self, texts: &[&str]) -> Result<Joined<OFFSETS>> {
        let size = match self.engine() {
            _ if self.pool().threads() == 1 => usize::MAX,
            Engine::Bert(_) => TASK_BYTES,
            Engine::HuggingFace(_) => HUGGING_FACE_TASK_BYTES,
        };
        let encode = |texts: &[&str]| match self.engine() {
            Engine::Bert(bert) => Ok(encode_part(bert, texts)),
            Engine::HuggingFace(huggingface) => encode_hugging_face(huggingface, texts),
        };
        let tasks = split_by_size(texts, size);
        if let [task] = tasks[..] {
            return encode(task).map(Joined::one);
        }
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        let mut joined = Ok(Joined::new(bytes / 4, texts.len()));
        self.pool().map_in_order(tasks, encode, |part| match (&mut joined, part) {
            (Ok(joined), Ok(part)) => joined.push(&part),
            (Ok(before), Err(error)) => joined = Err(error.after(before.indptr.len() - 1)),
            (Err(_), _) => {}
        });
        joined
    }
}

/// Parts joined one behind the other.
struct Joined<const OFFSETS: bool> {
    output: Output<OFFSETS>,
    indptr: Vec<i64>,
}

impl<const OFFSETS: bool> Joined<OFFSETS> {
    fn new(tokens: usize, texts: usize) -> Self {
        let mut indptr = Vec::with_capacity(texts + 1);
        indptr.push(0);
        Joined { output: Output::new(tokens), indptr }
    }

    fn one(part: Part<OFFSETS>) -> Self {
        let ends = part.ends.iter().map(|&end| end as i64);
        Joined { output: part.output, indptr: std::iter::once(0).chain(ends).collect() }
    }

    fn push(&mut self, part: &Part<OFFSETS>) {
        let before = self.output.len();
        self.indptr.extend(part.ends.iter().map(|&end| (before + end) as i64));
        self.output.ids.extend_from_slice(&part.output.ids);
        self.output.offsets.extend_from_slice(&part.output.offsets);
        self.output.sources.extend_from_slice(&part.output.sources);
        self.output.words.extend_from_slice(&part.output.words);
    }
}

/// Tokenize neighbouring texts on one thread. Its loops over bits and bytes are compiled twice:
/// for what every processor of the target can do, and for more.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2+lzcnt+popcnt"))]
fn encode_part<const OFFSETS: bool>(tokenizer: &Bert, texts: &[&str]) -> Part<OFFSETS> {
    encode_part_portably(tokenizer, texts)
}

#[inline(always)]
fn encode_part_portably<const OFFSETS: bool>(tokenizer: &Bert, texts: &[&str]) -> Part<OFFSETS> {
    let mut scratch = tokenizer.scratches.take();
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    let mut output = Output::<OFFSETS>::new(bytes / 4);
    let mut ends = Vec::with_capacity(texts.len());
    for text in texts {
        let first = output.len();
        tokenizer.encode_text(text, &mut scratch, &mut output);
        output.count_characters(first, text);
        ends.push(output.len());
    }
    tokenizer.scratches.give_back(scratch);
    Part { output, ends }
}

/// Tokenize neighbouring texts with the Hugging Face crate.
fn encode_hugging_face<const OFFSETS: bool>(
    huggingface: &HuggingFace,
    texts: &[&str],
) -> Result<Part<OFFSETS>> {
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    let mut output = Output::<OFFSETS>::new(bytes / 4);
    let mut ends = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        huggingface.encode_text(text, &mut output).map_err(|reason| Error::Text {
            role: Role::Text,
            index,
            reason,
        })?;
        ends.push(output.len());
    }
    Ok(Part { output, ends })
}

/// Group neighbouring texts into tasks of at least `bytes` bytes.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngSeed};

    use super::*;
    use crate::reference::{bert, tokenizer};

    proptest! {
        #![proptest_config(Config { rng_seed: RngSeed::Fixed(3), ..Config::default() })]

        #[test]
        fn both_forms_of_a_part_agree(texts in prop::collection::vec("([a-c]{1,30}|.{1,9}| |,){0,40}", 1..4)) {
            let tokenizer = bert([true; 4]);
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let (part, portable) =
                (encode_part::<true>(&tokenizer, &texts), encode_part_portably::<true>(&tokenizer, &texts));
            prop_assert_eq!(part.output.ids, portable.output.ids);
            prop_assert_eq!(part.output.offsets, portable.output.offsets);
            prop_assert_eq!(part.ends, portable.ends);
        }

        #[test]
        fn any_number_of_threads_gives_the_same(lengths in prop::collection::vec(0_usize..60_000, 1..12)) {
            let texts: Vec<String> = lengths.iter().map(|&length| "ab c, abc ".repeat(length / 10)).collect();
            let encode = |threads| tokenizer([true; 4], threads).encode(texts.clone()).unwrap();
            let [one, four] = [1, 4].map(encode);
            prop_assert_eq!(one.ids(), four.ids());
            prop_assert_eq!(one.offsets(), four.offsets());
            prop_assert_eq!(one.indptr(), four.indptr());
        }
    }
}
