"""Import OpenVINO with its telemetry disabled; all other modules import it from here.

`import openvino` sends telemetry unless the user has opted out: it writes to the home directory, forks a
process, and can delay the exit of the program by three seconds without a network. It does not if the package
``openvino_telemetry`` cannot be imported.
"""

import sys
from functools import cache

__all__ = ["PrePostProcessor", "ops", "ov", "shared_core"]

TELEMETRY = "openvino_telemetry"

_hidden = "openvino" not in sys.modules and TELEMETRY not in sys.modules
if _hidden:
    sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # makes its import fail
try:
    import openvino as ov
    import openvino.opset13 as ops
    from openvino.preprocess import PrePostProcessor
finally:
    if _hidden:
        del sys.modules[TELEMETRY]


@cache
def shared_core() -> ov.Core:
    """Return the core that reads and compiles all models of the process, and lives as long as it.

    A core's CPU plugin gives the thread that first compiles with it an alternate signal stack, on which
    Python's signal handlers run, and frees it with the core. If that happens in another thread, or before a
    later core is freed, the next signal ends the process with SIGSEGV.
    """
    return ov.Core()
