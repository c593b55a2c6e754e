"""Divide a SQuAD-layout training file into articles to train on and articles that are held out.

    python -m recipes.split train-v2.0.json --train train.json --held-out held-out.json

Nothing is trained on the articles of ``held_out_articles.json``: calibration, thresholds, floors and every
choice are made on them.
"""

import argparse
import json
from pathlib import Path
from typing import Any

HELD_OUT_ARTICLES = Path(__file__).parent / "held_out_articles.json"


def held_out_titles() -> frozenset[str]:
    """Read the titles of the articles that nothing is trained on."""
    return frozenset(json.loads(HELD_OUT_ARTICLES.read_text(encoding="utf-8"))["titles"])


def split(squad: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide the articles of a SQuAD-layout object.

    Pairs whose answer was only aligned by its words (``"match": "aligned-only"``) are left out of both.

    Returns:
        The articles to train on, and those that are held out.

    Raises:
        ValueError: one of the two would be empty.
    """
    titles = held_out_titles()
    parts: tuple[list[Any], list[Any]] = ([], [])
    for article in squad["data"]:
        paragraphs = [
            {**paragraph, "qas": [pair for pair in paragraph["qas"] if pair.get("match") != "aligned-only"]}
            for paragraph in article["paragraphs"]
        ]
        parts[article["title"] in titles].append({**article, "paragraphs": paragraphs})
    for name, part in zip(("to train on", "that are held out"), parts, strict=True):
        if not part:
            raise ValueError(f"the file has no articles {name}; expected SQuAD's training set")
    train, held_out = ({**squad, "data": part} for part in parts)
    return train, held_out


def main() -> None:
    """Write both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("squad", type=Path, help="SQuAD v1.1 or v2.0 training file")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--held-out", type=Path, required=True)
    options = parser.parse_args()
    parts = split(json.loads(options.squad.read_text(encoding="utf-8")))
    for path, part in zip((options.train, options.held_out), parts, strict=True):
        path.write_text(json.dumps(part, ensure_ascii=False), encoding="utf-8")
        questions = sum(len(paragraph["qas"]) for a in part["data"] for paragraph in a["paragraphs"])
        print(f"{path}: {len(part['data'])} articles, {questions} questions")


if __name__ == "__main__":
    main()
