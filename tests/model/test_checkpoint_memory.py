"""Loading a checkpoint takes little more memory than its weights."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import checkpoints
import numpy as np
import pytest
import torch_files

# Prints the peak memory before and after loading, in KiB. The peak of a process starts as its parent's, so
# it is written back to what is used now, where the kernel lets us.
SCRIPT = """
    import sys
    from pathlib import Path
    from spanjet.model import load_model

    def peak():
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))

    load_model(sys.argv[1])
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    loaded = load_model(sys.argv[2])
    print(before, peak())
"""


def bert_shapes(width: int, layers: int, vocabulary: int) -> dict[str, tuple[int, ...]]:
    """The tensors of a BERT checkpoint."""
    square, vector, units = (width, width), (width,), 4 * width
    shapes: dict[str, tuple[int, ...]] = {
        "bert.embeddings.word_embeddings.weight": (vocabulary, width),
        "bert.embeddings.position_embeddings.weight": (512, width),
        "bert.embeddings.token_type_embeddings.weight": (2, width),
        "bert.embeddings.LayerNorm.weight": vector,
        "bert.embeddings.LayerNorm.bias": vector,
    }
    parts: dict[str, tuple[int, ...]] = {
        **{f"attention.self.{part}": square for part in ("query", "key", "value")},
        "attention.output.dense": square,
        "attention.output.LayerNorm": vector,
        "intermediate.dense": (units, width),
        "output.dense": (width, units),
        "output.LayerNorm": vector,
    }
    for layer in range(layers):
        for part, shape in parts.items():
            name = f"bert.encoder.layer.{layer}.{part}"
            shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return {**shapes, "qa_outputs.weight": (2, width), "qa_outputs.bias": (2,)}


def write_bert(
    directory: Path, dtype: str, *, width: int, layers: int, heads: int, as_torch: bool = False
) -> int:
    """A BERT checkpoint of these sizes, all zeros; the bytes of its weights."""
    directory.mkdir()
    config = json.loads((checkpoints.TINY / "config.json").read_text())
    config |= {
        "vocab_size": 30522,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
        "max_position_embeddings": 512,
    }
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "vocab.txt").write_text("[PAD]\n")
    shapes = bert_shapes(width, layers, 30522)
    if not as_torch:
        return checkpoints.zeros(directory / checkpoints.WEIGHTS, shapes, dtype)
    form = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}[dtype]
    tensors = {name: np.zeros(shape, form) for name, shape in shapes.items()}
    torch_files.write_torch(directory / torch_files.TORCH, tensors)
    return sum(values.nbytes for values in tensors.values())


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize(("dtype", "most"), [("F32", 1.1), ("F16", 2.2), ("BF16", 2.2)])
@pytest.mark.parametrize("as_torch", [False, True])
def test_peak_of_bert_base(tmp_path: Path, dtype: str, most: float, as_torch: bool) -> None:
    """In float32 the file's pages alone; what is converted becomes float32, twice the size of the file."""
    size = write_bert(tmp_path / "base", dtype, width=768, layers=12, heads=12, as_torch=as_torch)
    assert size > (4 if dtype == "F32" else 2) * 108_000_000
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(checkpoints.TINY), str(tmp_path / "base")]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    before, after = map(int, output.split())
    assert 0.9 < (after - before) * 1024 / size < most
