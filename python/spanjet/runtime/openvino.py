"""Import OpenVINO with its telemetry disabled; all other modules import ``ov`` and ``ops`` from here.

`import openvino` sends telemetry unless the user has opted out: it writes to the home directory, forks a
process, and can delay the exit of the program by three seconds without a network. It does not if the package
``openvino_telemetry`` cannot be imported.
"""

import sys

__all__ = ["PrePostProcessor", "ops", "ov"]

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
