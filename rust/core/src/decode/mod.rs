//! Logits to answer spans. A mode is one file with a `Decoder`: its module and its name below.

mod candidates;
mod decode;
mod final_text;
mod global;
mod hf;
mod logits;
mod mode;
mod options;
mod ranking;
mod simd;
mod spans;
mod squad;
#[cfg(test)]
mod tests;

pub use decode::decode_spans;
pub use global::GLOBAL;
pub use hf::HF;
pub use logits::Logits;
pub use mode::Mode;
pub use options::{Calibration, DecodeOptions};
pub use ranking::{Ranking, rank_windows};
pub use spans::Spans;
pub use squad::SQUAD;

/// Every mode.
pub const MODES: &[Mode] = &[GLOBAL, SQUAD, HF];
