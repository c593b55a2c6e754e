//! `processor_name` and `instruction_sets`.

use pyo3::prelude::*;

use crate::boundary::run;

/// Return the name that the processor gives itself; None where it gives none (not x86).
///
/// Example:
///     >>> import spanjet._core
///     >>> isinstance(spanjet._core.processor_name(), (str, type(None)))
///     True
#[pyfunction]
pub(crate) fn processor_name(py: Python<'_>) -> PyResult<Option<String>> {
    run(py, || Ok(spanjet_core::processor_name()))
}

/// Return the usable instruction sets that decide how fast inference is, by Linux's names.
///
/// Those of x86 are ``sse4_1``, ``avx2``, ``avx_vnni``, ``avx512f``, ``avx512_vnni``, ``avx512_bf16``,
/// ``amx_int8`` and ``amx_bf16``; those of AArch64 ``asimd``, ``asimddp``, ``i8mm`` and ``bf16``.
///
/// Example:
///     >>> import spanjet._core
///     >>> isinstance(spanjet._core.instruction_sets(), list)
///     True
#[pyfunction]
pub(crate) fn instruction_sets(py: Python<'_>) -> PyResult<Vec<&'static str>> {
    run(py, || Ok(spanjet_core::instruction_sets()))
}
