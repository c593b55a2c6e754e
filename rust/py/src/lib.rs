//! The Python module `spanjet._core`: it converts, `spanjet-core` works.

mod arguments;
mod arrays;
mod boundary;
mod cpus;
mod decode;
mod encodings;
mod processor;
mod text;
mod tokenizer;
mod windows;

use pyo3::prelude::*;

/// Tokenize text, cut it into windows, pad batches and decode answer spans.
///
/// Every array is owned by Rust and handed to NumPy without a copy; it stays valid after the object
/// that it came from is gone. Arrays that belong to an object (``Encoding.ids``, ``Windows.ids`` …)
/// are read-only views; those of a `Batch`, of `Spans` and of functions are writable. The interpreter is
/// released while the core works, and all classes are immutable and safe to share between threads.
#[pymodule(gil_used = false)]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::cpus::usable_cpus;
    #[pymodule_export]
    use crate::decode::{Spans, decode_spans, rank_windows};
    #[pymodule_export]
    use crate::encodings::{Encoding, Encodings};
    #[pymodule_export]
    use crate::processor::{instruction_sets, processor_name};
    #[pymodule_export]
    use crate::text::sentence;
    #[pymodule_export]
    use crate::tokenizer::Tokenizer;
    #[pymodule_export]
    use crate::windows::{Batch, Windows};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("DECODE_MODES", crate::decode::modes(module.py())?)
    }
}
