//! Errors as small typed values; the text is made when it is shown.

use std::fmt;
use std::path::PathBuf;

/// The result of everything that can fail in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// The input that an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The question.
    Question,
    /// The context that holds the answer.
    Context,
    /// A text that is not known to be either.
    Text,
    /// The only text of a call.
    OnlyText,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Question => "question",
            Role::Context => "context",
            Role::Text => "text",
            Role::OnlyText => "the text",
        })
    }
}

/// Name a text by its role and index; an only one has no index.
fn place(role: Role, index: usize) -> String {
    if role == Role::OnlyText { role.to_string() } else { format!("{role} {index}") }
}

/// Everything that the core refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason that the operating system gives.
        source: std::io::Error,
    },
    /// A file can be read, but not used.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The finding, and the expectation.
        reason: String,
    },
    /// A vocabulary cannot be used.
    #[error("vocabulary: {0}")]
    Vocabulary(String),
    /// An argument is out of its range.
    #[error("{name} is {found}, expected {expected}")]
    Argument {
        /// The argument's name.
        name: &'static str,
        /// Its value.
        found: String,
        /// The values that it may have.
        expected: String,
    },
    /// There are not as many questions as contexts.
    #[error("{questions} questions but {contexts} contexts, expected one context for each question")]
    Pairs {
        /// Number of questions.
        questions: usize,
        /// Number of contexts.
        contexts: usize,
    },
    /// A text has no tokens.
    #[error("{} is empty: it has no tokens, expected some text", place(*role, *index))]
    Empty {
        /// Question or context.
        role: Role,
        /// Index of the text.
        index: usize,
    },
    /// A text is too long for 32-bit offsets.
    #[error("{} has {bytes} bytes, expected at most {max}", place(*role, *index), max = i32::MAX)]
    TooLong {
        /// Question or context.
        role: Role,
        /// Index of the text.
        index: usize,
        /// Its length.
        bytes: usize,
    },
    /// A text that the tokenizer cannot make tokens of.
    #[error("{} cannot be tokenized: {reason}", place(*role, *index))]
    Text {
        /// Question, context or other text.
        role: Role,
        /// Index of the text.
        index: usize,
        /// The reason that the tokenizer gives.
        reason: String,
    },
    /// The question leaves no room for the context.
    #[error(
        "question {index} leaves no room: max_length {max_length} - {question} question tokens - \
         {special} special tokens = {room} context tokens a window, expected {expected}"
    )]
    NoRoom {
        /// Index of the question.
        index: usize,
        /// Tokens of a window.
        max_length: usize,
        /// Tokens of the question.
        question: usize,
        /// Tokens that are neither of the question nor of the context.
        special: usize,
        /// Context tokens that fit, negative when even the question does not.
        room: i64,
        /// The least that would do.
        expected: String,
    },
    /// An encoding comes from another tokenizer.
    #[error("context {index} was encoded by another tokenizer, expected an encoding of this one")]
    ForeignEncoding {
        /// Index of the context.
        index: usize,
    },
    /// A row that does not exist.
    #[error("rows[{position}] is {row}, {}", match windows {
        0 => "but there are no windows".to_owned(),
        _ => format!("expected a window index from 0 to {}", windows - 1),
    })]
    Row {
        /// Position in the list of rows.
        position: usize,
        /// The row asked for.
        row: i64,
        /// Number of windows.
        windows: usize,
    },
    /// There is no memory for a batch.
    #[error("no memory for a batch of {rows} rows of {length} tokens, expected a smaller one")]
    Memory {
        /// Rows of the batch.
        rows: usize,
        /// Columns of the batch.
        length: usize,
    },
    /// A buffer does not have the shape that the windows call for.
    #[error("{name} has the shape {found}, expected {expected}")]
    Shape {
        /// The buffer's name.
        name: &'static str,
        /// Its shape.
        found: String,
        /// The shape that fits.
        expected: String,
    },
    /// A window is longer than the rows of a batch.
    #[error("window {window} has {tokens} tokens, more than the length {length}")]
    WindowTooLong {
        /// Index of the window.
        window: usize,
        /// Its length.
        tokens: usize,
        /// Columns of the batch.
        length: usize,
    },
    /// A logit is NaN, infinite or absurdly large.
    #[error(
        "{name} of window {window} at position {position} is {value}, expected a number from -1e30 to 1e30"
    )]
    Logit {
        /// Start or end logits.
        name: &'static str,
        /// Index of the window.
        window: usize,
        /// Position in the window.
        position: usize,
        /// The value.
        value: f32,
    },
}

impl Error {
    /// Add the number of the texts before it to the index of a text.
    pub(crate) fn after(self, texts: usize) -> Error {
        match self {
            Error::Text { role, index, reason } => Error::Text { role, index: texts + index, reason },
            other => other,
        }
    }

    /// Say what a text is.
    pub fn of(self, role: Role) -> Error {
        match self {
            Error::Text { index, reason, .. } => Error::Text { role, index, reason },
            other => other,
        }
    }

    pub(crate) fn argument(
        name: &'static str,
        found: impl fmt::Display,
        expected: impl Into<String>,
    ) -> Error {
        Error::Argument { name, found: found.to_string(), expected: expected.into() }
    }
}
