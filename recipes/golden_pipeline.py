"""Answers of the question-answering pipeline of transformers 4.57, for the tests of mode `hf`.

It needs an environment of its own:

    python3 -m venv reference
    reference/bin/pip install torch==2.5.1 transformers==4.57.6 numpy tokenizers
    reference/bin/python recipes/golden_pipeline.py

It writes into ``tests/golden/pipeline`` small random checkpoints of four families, each with a tokenizer; the
answers of transformers' pipeline to the calls of ``tests/support/pipeline_cases.py``; and for each tokenizer
random logits with what its post-processing makes of them.
"""

import json
import shutil
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

import pipeline_cases  # noqa: E402  (of the tests' support)
import trained_tokenizers  # noqa: E402  (of the tests' support)

GOLDEN = ROOT / "tests" / "golden" / "pipeline"
CASES = 96
LOGIT_CASES = 24

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 400,
}
FAMILIES = {
    # Name: model type, kind of tokenizer, settings.
    "bert": ("bert", None, {}),
    "roberta": ("roberta", "byte-level", {"type_vocab_size": 1, "pad_token_id": 1}),
    "roberta-of-words": ("roberta", "byte-level-of-words", {"type_vocab_size": 1, "pad_token_id": 1}),
    "xlm-roberta": ("xlm-roberta", "unigram", {"type_vocab_size": 1, "pad_token_id": 1}),
}
INPUTS = ["input_ids", "attention_mask", "token_type_ids"]
NAMES = ("cls", "sep", "pad", "unk", "mask")
SPECIAL = {
    "bert": ("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"),
    "roberta": ("<s>", "</s>", "<pad>", "<unk>", "<mask>"),
}


def write_checkpoint(name: str) -> Path:
    """Write the random checkpoint of a family with its tokenizer."""
    family, kind, settings = FAMILIES[name]
    directory = GOLDEN / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    if kind is None:
        source = ROOT / "tests" / "golden" / "tiny-bert" / "tokenizer.json"
        shutil.copyfile(source, directory / "tokenizer.json")
    else:
        trained_tokenizers.write(directory, kind)
    tokens = SPECIAL["bert" if family == "bert" else "roberta"]
    special = {f"{name}_token": token for name, token in zip(NAMES, tokens, strict=True)}
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(directory / "tokenizer.json"),
        model_max_length=384,
        model_input_names=INPUTS[: 3 if family == "bert" else 2],
        **special,
    )
    tokenizer.save_pretrained(directory)
    torch.manual_seed(len(name))
    config = transformers.AutoConfig.for_model(family, vocab_size=len(tokenizer), **SIZES, **settings)
    model = transformers.AutoModelForQuestionAnswering.from_config(config).eval()
    with torch.no_grad():
        # Logits as far apart as those of a trained model.
        model.qa_outputs.weight *= 60
    model.save_pretrained(directory)
    return directory


def answers(result: Any) -> Any:
    """Answers without their texts, which their offsets give."""
    if pipeline_cases.is_error(result):
        return result
    rows = [[round(a["score"], 7), a["start"], a["end"]] for a in pipeline_cases.as_list(result)]
    return rows[0] if isinstance(result, dict) else rows


def record(name: str) -> None:
    """Record the answers, and the post-processing of random logits."""
    directory = write_checkpoint(name)
    qa = transformers.pipeline("question-answering", str(directory), device=-1)
    cases = pipeline_cases.cases(CASES, seed=len(name))
    found = [answers(pipeline_cases.ask(qa, case)) for case in cases]
    forms = {form: pipeline_cases.call(qa, form) for form in pipeline_cases.FORMS}
    logits, decoded = random_logits(qa, name)
    np.savez_compressed(directory / "logits.npz", **logits)
    content = {"answers": found, "forms": forms, "decoded": decoded}
    (directory / "answers.json").write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")


def random_logits(qa: Any, name: str) -> tuple[dict[str, Any], list[Any]]:
    """Random logits of windows, and the answers that the pipeline's post-processing makes of them."""
    rng = np.random.default_rng(len(name))
    logits: dict[str, Any] = {}
    decoded = []
    for index, case in enumerate(pipeline_cases.cases(LOGIT_CASES, seed=1000 + len(name), longest=500)):
        before, _, after = qa._sanitize_parameters(**case.options)
        windows = pipeline_cases.outcome(partial(preprocess, qa, case, before))
        if pipeline_cases.is_error(windows):
            logits[str(index)] = np.zeros((2, 0), np.float32)
            decoded.append(windows)
            continue
        both = []
        for window in windows:
            length = window["input_ids"].shape[1]
            values = rng.normal(0, 3, (2, length)).astype(np.float32)
            both.append(values)
            rows = torch.tensor(values)
            window["start"], window["end"] = rows[:1], rows[1:]
        logits[str(index)] = np.concatenate(both, axis=1)
        decoded.append(answers(qa.postprocess(windows, **after)))
    return logits, decoded


def preprocess(qa: Any, case: pipeline_cases.Case, options: dict[str, Any]) -> list[Any]:
    """The windows of a case."""
    return [*qa.preprocess({"question": case.question, "context": case.context}, **options)]


def main() -> None:
    """Record everything."""
    warnings.simplefilter("ignore")
    for name in FAMILIES:
        record(name)
        print(name, sum(path.stat().st_size for path in (GOLDEN / name).iterdir()), "bytes")


if __name__ == "__main__":
    main()
