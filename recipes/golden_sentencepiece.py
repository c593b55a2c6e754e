"""Train small SentencePiece models of each family, and record transformers' tokens of texts.

Training and recording need an environment of their own:

    python3 -m venv reference
    reference/bin/pip install transformers==4.57.6 sentencepiece==0.2.1 protobuf tokenizers
    reference/bin/python recipes/golden_sentencepiece.py

It writes into ``tests/golden/sentencepiece`` a model of about 400 pieces for each family as its checkpoints
keep it, and ``tokens.json``: ids and offsets of texts by transformers' conversion, with some settings, each
with and without the precompiled normalisation of ``tests/data/tokenizers/charsmap``.
"""

import io
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden" / "sentencepiece"
sys.path.insert(0, str(ROOT / "tests" / "support"))
import sentencepiece_files  # noqa: E402  (of the tests' support)
import texts  # noqa: E402  (of the tests' support)
import trained_tokenizers  # noqa: E402  (of the tests' support)

# What each family's model was trained with, as far as ids depend on it.
TRAINING: dict[str, dict[str, Any]] = {
    "albert": {
        "pad_id": 0,
        "unk_id": 1,
        "bos_id": -1,
        "eos_id": -1,
        "pad_piece": "<pad>",
        "unk_piece": "<unk>",
        "control_symbols": ["[CLS]", "[SEP]"],
        "user_defined_symbols": ["[MASK]", "(", ")", "-"],
    },
    "camembert": {"unk_id": 0, "bos_id": 1, "eos_id": 2},
    "deberta-v2": {
        "pad_id": 0,
        "bos_id": 1,
        "eos_id": 2,
        "unk_id": 3,
        "pad_piece": "[PAD]",
        "bos_piece": "[CLS]",
        "eos_piece": "[SEP]",
        "unk_piece": "[UNK]",
    },
    "xlm-roberta": {"unk_id": 0, "bos_id": 1, "eos_id": 2},
}
SPECIAL = ("[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "<s>", "</s>", "<unk>", "<pad>", "<mask>")


def train(family: str) -> None:
    """Write the model of a family, without normalisation."""
    import sentencepiece  # noqa: PLC0415  (of the environment that records)

    directory = GOLDEN / family
    directory.mkdir(parents=True, exist_ok=True)
    model = directory / sentencepiece_files.NAMES[family]
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text.replace("\n", " ")[:2000] for text in trained_tokenizers.corpus()]),
        model_writer=written,  # a file's path would stand in the model
        vocab_size=400,
        hard_vocab_limit=False,
        character_coverage=0.98,
        normalization_rule_name="identity",
        num_threads=1,
        minloglevel=2,
        **TRAINING[family],
    )
    model.write_bytes(written.getvalue())


def record(family: str, settings: dict[str, Any], *, normalised: bool, chosen: list[str]) -> list[Any]:
    """Tokenize texts with transformers; ids and offsets of each."""
    import transformers  # noqa: PLC0415  (of the environment that records)

    with tempfile.TemporaryDirectory() as place:
        directory = sentencepiece_files.write(Path(place) / family, family, settings, normalised=normalised)
        tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
        pair = tokenizer("a", "b")
        found = [tokenizer(one, add_special_tokens=False, return_offsets_mapping=True) for one in chosen]
    return [pair["input_ids"], [[one["input_ids"], one["offset_mapping"]] for one in found]]


def main() -> None:
    """Write everything."""
    shutil.rmtree(GOLDEN, ignore_errors=True)
    for family in TRAINING:
        train(family)
    chosen = [one[:300] for one in trained_tokenizers.corpus()[::12]] + texts.random_texts(40, seed=7)
    chosen = [one for one in chosen if not any(token in one for token in SPECIAL)]
    cases = [
        [family, settings, normalised, *record(family, settings, normalised=normalised, chosen=chosen)]
        for family, settings in sentencepiece_files.CASES
        for normalised in (False, True)
    ]
    text = json.dumps({"texts": chosen, "cases": cases}, ensure_ascii=True, separators=(",", ":"))
    (GOLDEN / "tokens.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
