"""Fuzz `spanjet serve` by its OpenAPI schema: no body makes it fail, and answers have their shape.

Needs schemathesis: make fuzz-serve.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

MODEL = Path(__file__).parents[1] / "golden" / "tiny-bert"

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "use_after_free",
)


def main() -> int:
    """Start a server, fuzz it, and end it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=1000, help="Examples of each route.")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    serve = ["serve", "--model", str(MODEL), "--port", "0", "--no-access-log", "--max-wait", "60"]
    command = [sys.executable, "-c", f"from spanjet.cli import app; app({serve!r})"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        url = next(
            event["message"].rpartition(" ")[2]
            for event in map(json.loads, server.stderr)
            if "starts at" in event["message"]
        )
        fuzz = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"]
        fuzz += ["--wait-for-schema", "60", "--checks", ",".join(CHECKS)]
        fuzz += ["--max-examples", str(options.examples), "--seed", str(options.seed)]
        code = subprocess.run(fuzz, check=False).returncode
        server.terminate()
        events = [json.loads(line) for line in server.stderr]
    failures = [event for event in events if event["level"] == "error"]
    print(*failures, sep="\n")
    return code or server.returncode or bool(failures)


if __name__ == "__main__":
    sys.exit(main())
