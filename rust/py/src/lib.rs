//! The Python module `spanjet._core`: it converts, `spanjet-core` works.

mod boundary;
mod decode;
mod encoding;
mod tokenizer;
mod windows;

use pyo3::prelude::*;

/// The Rust core: tokenizing, windows, features and answer-span decoding.
#[pymodule(gil_used = false)]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::decode::{Spans, decode, sentence};
    #[pymodule_export]
    use crate::encoding::{Encoding, Encodings};
    #[pymodule_export]
    use crate::tokenizer::Tokenizer;
    #[pymodule_export]
    use crate::windows::{Batch, Windows};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
