//! Text before it is tokenized: classes of bytes, offsets, graphemes, words and sentences.

mod bounds;
mod byte_classes;
mod offsets;
mod sentences;

pub use bounds::Unit;
pub(crate) use bounds::{Bounds, whole_graphemes};
pub(crate) use byte_classes::{BLOCK, block, classify};
pub use offsets::{Offset, check_size};
pub(crate) use offsets::{Trimmer, character_range, to_bytes, to_characters};
pub use sentences::sentence_around;
pub(crate) use sentences::sentence_starts;
