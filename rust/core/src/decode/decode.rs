//! Decode logits into the best answer spans of each question, in parallel.

use std::ops::Range;

use crate::decode::logits::Logits;
use crate::decode::mode::Mode;
use crate::decode::options::DecodeOptions;
use crate::decode::spans::Spans;
use crate::error::Result;
use crate::windows::Windows;

/// Windows of one task: enough work to be worth a thread.
const TASK_WINDOWS: usize = 64;

/// Find the best answer spans of each question. The order of equal scores: global, earlier start, then
/// earlier end; squad, earlier window, then higher start logit, then higher end logit.
///
/// # Errors
/// `Error::Argument`, `Error::Shape`, `Error::Logit`.
pub fn decode_spans(
    windows: &Windows,
    logits: &Logits<'_>,
    mode: Mode,
    options: &DecodeOptions,
) -> Result<Spans> {
    options.check()?;
    (mode.check)(options)?;
    logits.check(windows)?;
    let pool = windows.tokenizer.pool();
    let tasks = split_questions(windows, if pool.threads() > 1 { TASK_WINDOWS } else { usize::MAX });
    if let [task] = &tasks[..] {
        return (mode.task)(windows, logits, options, task.clone());
    }
    (mode.prepare)(windows, options);
    let mut spans = Ok(Spans::new(windows.contexts.len(), options));
    pool.map_in_order(
        tasks,
        |task| (mode.task)(windows, logits, options, task),
        |part| match (&mut spans, part) {
            (Ok(spans), Ok(part)) => spans.append(&part),
            (Ok(_), Err(error)) => spans = Err(error),
            (Err(_), _) => {}
        },
    );
    spans
}

/// Split the questions into groups of neighbours of at least `size` windows.
fn split_questions(windows: &Windows, size: usize) -> Vec<Range<usize>> {
    let questions = windows.contexts.len();
    let mut tasks = Vec::new();
    let mut begin = 0;
    for question in 0..questions {
        let count = windows.windows_of(question).end - windows.windows_of(begin).start;
        if count >= size || question + 1 == questions {
            tasks.push(begin..question + 1);
            begin = question + 1;
        }
    }
    tasks
}
