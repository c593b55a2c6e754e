"""Import OpenVINO with its telemetry off; every other module takes ``ov`` and ``ops`` from here.

`import openvino` reports itself over the network unless the user has opted out: it writes to the home
directory, forks a process, and can hold up the end of the program for three seconds where the network
does not answer. It does without where the package ``openvino_telemetry`` cannot be imported.
"""

import sys

__all__ = ["PrePostProcessor", "ops", "ov"]

TELEMETRY = "openvino_telemetry"

_hidden = "openvino" not in sys.modules and TELEMETRY not in sys.modules
if _hidden:
    sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # which makes its import fail
try:
    import openvino as ov
    import openvino.opset13 as ops
    from openvino.preprocess import PrePostProcessor
finally:
    if _hidden:
        del sys.modules[TELEMETRY]
