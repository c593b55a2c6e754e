"""Imports OpenVINO without its telemetry; to be imported before anything that imports OpenVINO.

`import openvino` reports itself over the network unless the user has opted out: it writes to the home
directory, forks a process, and can hold up the end of the program for three seconds where the network
does not answer. It does without where the package ``openvino_telemetry`` cannot be imported.
"""

import sys

__all__: list[str] = []

NAME = "openvino_telemetry"

if "openvino" not in sys.modules and NAME not in sys.modules:
    sys.modules[NAME] = None  # type: ignore[assignment]  # which makes its import fail
    try:
        import openvino  # noqa: F401
    finally:
        del sys.modules[NAME]
