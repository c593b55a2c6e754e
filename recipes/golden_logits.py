"""Reference logits of question-answering checkpoints, and the comparison with them.

The reference is the transformers package. Recording needs an environment of its own:

    python3 -m venv reference
    reference/bin/pip install torch==2.5.1 transformers==4.57.6 numpy onnx safetensors
    reference/bin/python -m recipes.golden_logits --make-tiny
    reference/bin/python -m recipes.golden_logits --make-architectures
    reference/bin/python -m recipes.golden_logits --record CHECKPOINT

``--make-tiny`` writes the random checkpoint ``tests/golden/tiny-bert`` and its logits,
``--make-architectures`` writes a smaller one of each architecture with its logits, an ONNX export, and
values of activation functions and of DeBERTa's and MPNet's buckets, all into ``tests/golden/architectures``;
``--record`` writes the logits of a real checkpoint, pruned or not, for windows of this repository's LICENSE.
The comparison needs spanjet alone, and fails when a logit differs by 1e-3 or more:

    python -m recipes.golden_logits --check CHECKPOINT
"""

# Each command imports what it needs, for no environment has it all.
# ruff: noqa: PLC0415, SIM905

import argparse
import runpy
import string
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipes.golden_variants import SMALL, VARIANTS

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
TINY = GOLDEN / "tiny-bert"
TINY_LOGITS = GOLDEN / "tiny-bert-logits.npz"
ARCHITECTURES = GOLDEN / "architectures"
RECORDED = GOLDEN / "bundled-reader-logits.npz"
LOADER = ROOT / "python" / "spanjet" / "compress" / "export" / "modeling_spanjet.py"

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OUTPUTS = ("start_logits", "end_logits")
TOLERANCE = 1e-3

WORDS = """the of and in to a was is for on as by with he that at from his it an were are which this be
had or first one their its new after but who not they have her she two been other when there all
during into school time may years more most only over city some world would where later up""".split()
ENDINGS = ["##s", "##ed", "##ing", "##er", "##ly", "##al", "##ion", "##en", "##es", "##or"]
QUESTIONS = (
    "Who grants a patent license?",
    "What must modified files carry?",
    "Which law governs the use of the trade names?",
    "When does the patent license end?",
    "What is a derivative work?",
)

ACTIVATIONS = """gelu gelu_python gelu_new gelu_pytorch_tanh gelu_python_tanh gelu_fast gelu_accurate
gelu_10 quick_gelu silu swish relu relu2 relu6 mish sigmoid tanh""".split()
# The ends of the names of the weights of layer normalisation, in small letters.
NORMS = ("layernorm.weight", "_norm.weight", "embeddings.norm.weight", "head.norm.weight")

Batch = dict[str, NDArray[np.int32]]


def make_tiny() -> None:
    """Write the random checkpoint, its tokenizer, and its logits with each activation."""
    import torch
    from transformers import BertConfig, BertForQuestionAnswering

    vocabulary = tiny_vocabulary()
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=384,
        attn_implementation="eager",
    )
    model = BertForQuestionAnswering(config).eval()
    with torch.no_grad():
        # Of the size that trained weights have; at the usual 0.02 all logits would be nearly equal.
        for name, tensor in model.named_parameters():
            tensor.normal_(1.0 if name.endswith("LayerNorm.weight") else 0.0, 0.2)
    model.save_pretrained(TINY, safe_serialization=True)
    save_tokenizer(vocabulary)
    batches = tiny_batches(len(vocabulary))
    arrays: dict[str, NDArray[Any]] = {}
    for activation in ("gelu", "gelu_new", "relu"):
        config.hidden_act = activation
        variant = BertForQuestionAnswering(config).eval()
        variant.load_state_dict(model.state_dict())
        arrays |= {f"{activation}/{key}": value for key, value in reference(variant, batches).items()}
    np.savez_compressed(TINY_LOGITS, **arrays)  # type: ignore[arg-type]


def make_architectures(names: list[str]) -> None:
    """Write a small random checkpoint of each architecture with its logits, and the other golden values.

    Args:
        names: write only these checkpoints; empty: everything.
    """
    from transformers import AutoConfig, AutoModelForQuestionAnswering

    for seed, (name, (model_type, values)) in enumerate(VARIANTS.items()):
        if names and name not in names:
            continue
        config = AutoConfig.for_model(model_type, **{**SMALL, **values}, attn_implementation="eager")
        model = randomized(AutoModelForQuestionAnswering.from_config(config), seed)
        model.save_pretrained(ARCHITECTURES / name, safe_serialization=True)
        first = config.pad_token_id + 1 if "roberta" in name or name == "camembert" else 0
        first = 2 if model_type == "mpnet" else first
        types = getattr(config, "type_vocab_size", 0) > 1
        longest = config.max_position_embeddings - first
        batches = [
            pad(
                random_windows(lengths, config.vocab_size, seed),
                padding=config.pad_token_id,
                types=types,
            )
            for lengths in ((12, 12, 12), (16, 5, 1, 11), (1,), (longest, longest - 9))
        ]
        np.savez_compressed(ARCHITECTURES / name / "logits.npz", **reference(model, batches))  # type: ignore[arg-type]
    if names:
        return
    export_onnx(ARCHITECTURES / "electra")
    record_functions()


def randomized(model: Any, seed: int) -> Any:
    """The model, with weights of the size that trained ones have.

    At the usual 0.02 all logits would be nearly equal. Padding's word is zeros, as where it is not trained.
    """
    import torch

    torch.manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            tensor.normal_(1.0 if name.lower().endswith(NORMS) else 0.0, 0.2)
            if name.endswith(("word_embeddings.weight", "tok_embeddings.weight")):
                tensor[model.config.pad_token_id] = 0
    return model.eval()


def random_windows(lengths: tuple[int, ...], vocab_size: int, seed: int) -> list[tuple[list[int], int]]:
    """Random ids of these lengths, none of them special, and where the second part begins."""
    random = np.random.default_rng(seed)
    rows = [random.integers(5, vocab_size, length).tolist() for length in lengths]
    return [(row, len(row) // 3) for row in rows]


def export_onnx(checkpoint: Path) -> None:
    """Write ``model.onnx`` beside a checkpoint's logits, in a directory of its own."""
    import torch
    from transformers import AutoModelForQuestionAnswering

    model = AutoModelForQuestionAnswering.from_pretrained(checkpoint, attn_implementation="eager").eval()
    model.config.return_dict = False
    target = checkpoint.with_name(f"{checkpoint.name}-onnx")
    target.mkdir(exist_ok=True)
    example = tuple(torch.ones(2, 7, dtype=torch.long) for _ in INPUTS)
    axes = {name: {0: "rows", 1: "length"} for name in (*INPUTS, *OUTPUTS)}
    torch.onnx.export(
        model, example, target / "model.onnx", input_names=INPUTS, output_names=OUTPUTS, dynamic_axes=axes
    )
    (target / "config.json").write_bytes((checkpoint / "config.json").read_bytes())


def record_functions() -> None:
    """Write values of activation functions, and the buckets of distances, DeBERTa's for some settings."""
    import torch
    from transformers.activations import ACT2FN
    from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    points = torch.linspace(-12, 12, 193)
    values = {name: ACT2FN[name](points).numpy() for name in ACTIVATIONS}
    np.savez_compressed(ARCHITECTURES / "activations.npz", points=points.numpy(), **values)
    distances = torch.arange(-600, 601)
    buckets = {
        f"{count}/{most}": make_log_bucket_position(distances, count, most).numpy().astype(np.int16)
        for count, most in ((256, 512), (320, 1024), (8, 40), (2, 5), (7, 24))
    }
    np.savez_compressed(ARCHITECTURES / "buckets.npz", distances=distances.numpy(), **buckets)
    halves = MPNetEncoder.relative_position_bucket(distances, num_buckets=32, max_distance=128)
    arrays = {"distances": distances.numpy(), "32/128": halves.numpy().astype(np.int16)}
    np.savez_compressed(ARCHITECTURES / "bias-buckets.npz", **arrays)


def tiny_vocabulary() -> list[str]:
    """Special tokens, all letters and digits, some words: any English text has tokens."""
    characters = string.ascii_lowercase + string.digits
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    continued = [f"##{one}" for one in characters]
    return list(dict.fromkeys([*special, *".,?!'\"()-$%", *characters, *continued, *WORDS, *ENDINGS]))


def save_tokenizer(vocabulary: list[str]) -> None:
    """Write ``vocab.txt``, ``tokenizer.json`` and ``tokenizer_config.json``."""
    from transformers import BertTokenizerFast

    (TINY / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    BertTokenizerFast(vocab_file=str(TINY / "vocab.txt"), do_lower_case=True).save_pretrained(TINY)
    (TINY / "special_tokens_map.json").unlink()


def tiny_batches(vocab_size: int) -> list[Batch]:
    """Random ids: without padding, with padding, one token, and as long as the model takes."""
    random = np.random.default_rng(0)
    batches = []
    for lengths in ((20, 20, 20), (24, 7, 1, 16), (1,), (384, 300)):
        rows = [random.integers(5, vocab_size, length).tolist() for length in lengths]
        batches.append(pad([(row, len(row) // 3) for row in rows]))
    return batches


def record(checkpoint: Path) -> None:
    """Write the logits of a checkpoint for windows of the LICENSE: three long ones, five short ones."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")

    def window(question: str, part: str, length: int) -> tuple[list[int], int]:
        ids = tokenizer.encode(question, part).ids
        return [*ids[: length - 1], ids[-1]], len(tokenizer.encode(question).ids)

    long = [window(QUESTIONS[index], text[3000 * index :], 384) for index in range(3)]
    starts_and_lengths = ((900, 40), (1700, 64), (2500, 111), (4200, 17), (6000, 200))
    short = [
        window(question, text[start:], length)
        for question, (start, length) in zip(QUESTIONS, starts_and_lengths, strict=True)
    ]
    model = runpy.run_path(str(LOADER))["load"](checkpoint).float().eval()
    padding, types = model.config.pad_token_id, model.config.model_type == "bert"
    batches = [pad(rows, padding=padding, types=types) for rows in (long, short)]
    np.savez_compressed(RECORDED, **reference(model, batches))  # type: ignore[arg-type]


def pad(windows: list[tuple[list[int], int]], *, padding: int = 0, types: bool = True) -> Batch:
    """Model inputs of windows, each with the position where its second part begins."""
    shape = (len(windows), max(len(ids) for ids, _ in windows))
    batch = {name: np.zeros(shape, np.int32) for name in INPUTS}
    batch["input_ids"][:] = padding
    for row, (ids, second) in enumerate(windows):
        batch["input_ids"][row, : len(ids)] = ids
        batch["attention_mask"][row, : len(ids)] = 1
        batch["token_type_ids"][row, second : len(ids)] = 1
    if not types:
        del batch["token_type_ids"]
    return batch


def reference(model: Any, batches: list[Batch]) -> dict[str, NDArray[Any]]:
    """Inputs and logits of all batches, by ``index/name``."""
    import torch

    arrays: dict[str, NDArray[Any]] = {}
    for index, batch in enumerate(batches):
        with torch.no_grad():
            logits = model(**{name: torch.from_numpy(array).long() for name, array in batch.items()})
        arrays |= {f"{index}/{name}": array.astype(np.int16) for name, array in batch.items()}
        arrays |= {f"{index}/{name}": logits[name].numpy() for name in OUTPUTS}
    return arrays


def largest_difference(checkpoint: Path, golden: Path) -> float:
    """Largest difference of a float32 logit of a token from the recorded one."""
    from spanjet.model import load_model
    from spanjet.runtime.openvino import shared_core

    compiled = shared_core().compile_model(
        load_model(checkpoint).model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    largest = 0.0
    with np.load(golden) as arrays:
        for index in sorted({key.split("/")[0] for key in arrays}):
            names = [name for name in INPUTS if f"{index}/{name}" in arrays]
            inputs = {name: arrays[f"{index}/{name}"].astype(np.int32) for name in names}
            logits = compiled(inputs)
            tokens = inputs["attention_mask"] == 1
            for name in OUTPUTS:
                difference = np.abs(logits[name] - arrays[f"{index}/{name}"])[tokens]
                largest = max(largest, float(difference.max()))
    return largest


def main() -> int:
    """Run one command; the exit status says whether the logits agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    command = parser.add_mutually_exclusive_group(required=True)
    command.add_argument("--make-tiny", action="store_true", help="write a random checkpoint and its logits")
    command.add_argument(
        "--make-architectures",
        nargs="*",
        metavar="NAME",
        help="the same for each architecture, or some of them",
    )
    command.add_argument("--record", type=Path, metavar="CHECKPOINT", help="write a checkpoint's logits")
    command.add_argument("--check", type=Path, metavar="CHECKPOINT", help="compare with the recorded logits")
    arguments = parser.parse_args()
    if arguments.make_tiny:
        make_tiny()
    elif arguments.make_architectures is not None:
        make_architectures(arguments.make_architectures)
    elif arguments.record:
        record(arguments.record)
    else:
        difference = largest_difference(arguments.check, RECORDED)
        sys.stdout.write(f"largest difference {difference:.2e}, allowed {TOLERANCE:.0e}\n")
        return int(not difference < TOLERANCE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
