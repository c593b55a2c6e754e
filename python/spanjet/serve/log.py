"""Log requests and events as lines of JSON, in which no text of a request occurs."""

import json
import logging
import traceback
from datetime import datetime, timezone
from typing import Any

from spanjet.serve.guard import Served

__all__ = ["log_config", "log_served"]

ACCESS = "spanjet.serve.access"


class JsonLines(logging.Formatter):
    """Formatter of records as lines of JSON.

    Of an exception it has the class and where it happened, not the message, which may quote a text.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        time = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        fields: dict[str, Any] = {"time": time, "level": record.levelname.lower()}
        served = getattr(record, "served", None)
        if isinstance(served, Served):
            fields |= {**served._asdict(), "seconds": round(served.seconds, 6)}
        else:
            fields["message"] = record.getMessage().strip()
        if record.exc_info and record.exc_info[0] is not None:
            kind, _, stack = record.exc_info
            fields["exception"] = kind.__name__
            fields["stack"] = [line.strip() for line in traceback.format_tb(stack)]
        return json.dumps(fields)


def log_config(*, access_log: bool) -> dict[str, Any]:
    """Return the configuration of logging: requests on standard output, all else on standard error."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": JsonLines}},
        "handlers": {
            "requests": {
                "class": "logging.StreamHandler",
                "formatter": "lines",
                "stream": "ext://sys.stdout",
            },
            "events": {"class": "logging.StreamHandler", "formatter": "lines", "stream": "ext://sys.stderr"},
        },
        "loggers": {
            "py.warnings": {"handlers": ["events"], "propagate": False},
            "uvicorn": {"handlers": ["events"], "level": "INFO", "propagate": False},
            "spanjet.serve": {"handlers": ["events"], "level": "INFO", "propagate": False},
            ACCESS: {
                "handlers": ["requests"] if access_log else [],
                "level": "INFO" if access_log else "CRITICAL",
                "propagate": False,
            },
        },
    }


def log_served(served: Served) -> None:
    """Log a request."""
    logging.getLogger(ACCESS).info("request", extra={"served": served})
