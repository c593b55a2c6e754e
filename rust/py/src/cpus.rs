//! `usable_cpus`.

use std::path::PathBuf;

use pyo3::prelude::*;
use spanjet_core::usable_cpus as count;

use crate::boundary::run;

/// Count the CPUs that this process may use, at least 1.
///
/// They are those that it may run on (its affinity), or fewer where its control group has the time of
/// fewer, as containers do (``cpu.max``, or ``cpu.cfs_quota_us`` of version 1); a part of one counts as one.
///
/// Args:
///     root: the directory whose ``proc`` and ``sys`` tell it.
///
/// Example:
///     >>> import spanjet._core
///     >>> spanjet._core.usable_cpus() >= 1
///     True
#[pyfunction]
#[pyo3(signature = (root = PathBuf::from("/")), text_signature = "(root='/')")]
pub(crate) fn usable_cpus(py: Python<'_>, root: PathBuf) -> PyResult<usize> {
    run(py, || Ok(count(&root)))
}
