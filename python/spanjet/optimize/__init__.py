"""A faster model out of a checkpoint, with its accuracy measured before and after."""

import spanjet.telemetry  # noqa: F401
