"""Measure the risk-coverage curve of a reader: ``python -m scripts.risk_coverage DATA --out curve.json``.

The file is small: the curve at 50 coverages, with the command, the data's digest, the model and the versions.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import spanjet
from spanjet.evaluate import evaluate, load_squad, measure_confidence
from spanjet.measure.environment import describe_environment

POINTS = 50


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer the questions of a SQuAD file and write the curve.

    Args:
        arguments: arguments of the command; None: those of the program.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="SQuAD v1.1 or v2.0 file")
    parser.add_argument("--model", help="model directory, checkpoint or hub id; default: the bundled model")
    parser.add_argument("--limit", type=int, help="ask only the first questions, this many")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    options = parser.parse_args(arguments)

    reader = spanjet.Reader(options.model)
    dataset = load_squad(options.data)
    evaluation = evaluate(reader, dataset, limit=options.limit)
    confidence = measure_confidence(dataset, evaluation)
    shares = [round(number / POINTS, 2) for number in range(1, POINTS + 1)]
    machine = describe_environment()
    given = "" if options.model is None else f" --model {options.model}"
    limited = "" if options.limit is None else f" --limit {options.limit}"
    result = {
        "command": f"python -m scripts.risk_coverage {options.data.name}{given}{limited}",
        "data": {
            "name": options.data.name,
            "sha256": hashlib.sha256(options.data.read_bytes()).hexdigest(),
            "questions": len(evaluation.spans),
        },
        "model": reader.model.path.name,
        "machine": {
            name: machine[name] for name in ("processor", "spanjet", "openvino", "python") if name in machine
        },
        "area": round(confidence.exact.area, 4),
        "ece": round(confidence.bins.error, 4),
        "coverage": shares,
        "exact_match": [round(100 * confidence.exact.at(share), 2) for share in shares],
        "f1": [round(100 * confidence.f1.at(share), 2) for share in shares],
    }
    options.out.write_text(f"{json.dumps(result, indent=2)}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
