//! The trait that a mode of decoding implements, and its type-erased form, which users choose by name.

use std::fmt;
use std::ops::Range;

use multiversion::multiversion;

use crate::decode::logits::Logits;
use crate::decode::options::DecodeOptions;
use crate::decode::spans::{Answer, Null, Spans};
use crate::error::Result;
use crate::windows::Windows;

/// Chooses and compares candidates; keeps its buffers from question to question.
pub(crate) trait Decoder {
    /// Refuse options that do not fit this mode.
    fn check(_options: &DecodeOptions) -> Result<()> {
        Ok(())
    }

    /// Compute, on all threads, what the tasks share.
    fn prepare(_windows: &Windows, _options: &DecodeOptions) {}

    fn new(options: &DecodeOptions) -> Self;

    /// Append the answers to a question, best first.
    fn decode(
        &mut self,
        windows: &Windows,
        logits: &Logits<'_>,
        question: usize,
        answers: &mut Vec<Answer>,
    ) -> Result<Null>;
}

type Task = fn(&Windows, &Logits<'_>, &DecodeOptions, Range<usize>) -> Result<Spans>;

/// A mode of decoding, by its name.
#[derive(Clone, Copy)]
pub struct Mode {
    name: &'static str,
    pub(crate) check: fn(&DecodeOptions) -> Result<()>,
    /// Compute, on all threads, what the tasks share.
    pub(crate) prepare: fn(&Windows, &DecodeOptions),
    /// Decode neighbouring questions on one thread.
    pub(crate) task: Task,
}

impl Mode {
    pub(crate) const fn new<D: Decoder>(name: &'static str) -> Mode {
        Mode { name, check: D::check, prepare: D::prepare, task: decode_task::<D> }
    }

    /// The name that users choose it by.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl PartialEq for Mode {
    fn eq(&self, other: &Mode) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Decode neighbouring questions on one thread. Its loops over logits are compiled twice: for
/// what every processor of the target can do, and for more.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2+lzcnt+popcnt"))]
fn decode_task<D: Decoder>(
    windows: &Windows,
    logits: &Logits<'_>,
    options: &DecodeOptions,
    questions: Range<usize>,
) -> Result<Spans> {
    decode_task_portably::<D>(windows, logits, options, questions)
}

#[inline(always)]
pub(crate) fn decode_task_portably<D: Decoder>(
    windows: &Windows,
    logits: &Logits<'_>,
    options: &DecodeOptions,
    questions: Range<usize>,
) -> Result<Spans> {
    let mut decoder = D::new(options);
    let mut spans = Spans::new(questions.len(), options);
    let mut answers = Vec::new();
    for question in questions {
        answers.clear();
        let null = decoder.decode(windows, logits, question, &mut answers)?;
        spans.push(&answers, null, options);
    }
    Ok(spans)
}
