"""Small stand-ins with the layouts of much-used checkpoints load and answer.

The layouts, with their sources, are in ``tests/data/checkpoints/README.md``.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from checkpoint_layouts import LAYOUTS, PICKLES, Layout, resized
from checkpoints import Tensors
from safetensors.numpy import save_file
from spanjet import Answer, Reader, RuntimeConfig, Tokenizer
from spanjet.model import Model, load_model
from torch_files import TORCH, write_torch

TEXT = "The Bridge was built by an engineer in 1881. " * 40


def save_weights(directory: Path, tensors: Tensors, *, torch: bool) -> None:
    if torch:
        write_torch(directory / TORCH, tensors)
    else:
        save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})


def write(directory: Path, layout: Layout, *, torch: bool = False) -> Path:
    directory.mkdir()
    layout.write_tokenizer(directory)
    for name, content in layout.files.items():
        (directory / name).write_text(json.dumps(content))
    size = Tokenizer(directory).vocab_size
    if layout.added is not None:
        # A mask that no file mentions gets the id behind the vocabulary too.
        (directory / "added_tokens.json").write_text(json.dumps({layout.added: size - 1}))
        assert Tokenizer(directory).vocab_size == size
    config = {**layout.config, "vocab_size": size}
    if layout.padding is not None:
        config["pad_token_id"] = Tokenizer(directory).token_to_id(layout.padding)
    (directory / "config.json").write_text(json.dumps(config))
    save_weights(directory, dict(resized(layout, size)), torch=torch)
    return directory


def ask(model: Model) -> Answer:
    reader = Reader(model, runtime_config=RuntimeConfig(cache_dir=None))
    return reader.ask("Who built the bridge?", TEXT)


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_loads_and_answers(tmp_path: Path, name: str) -> None:
    """In the format of the main branch, and with the same answer in the other."""
    layout = LAYOUTS[name]
    both = [load_model(write(tmp_path / f"{torch}", layout, torch=torch)) for torch in (False, True)]
    loaded, other = reversed(both) if name in PICKLES else both
    assert loaded.architecture == layout.config["model_type"]
    assert loaded.max_length == layout.max_length
    assert [file.name for file in loaded.weights] == [TORCH if name in PICKLES else "model.safetensors"]
    answer = ask(loaded)
    assert answer.text
    assert TEXT[answer.start : answer.end] == answer.text
    assert ask(other) == answer


def test_padding_is_what_the_files_name(tmp_path: Path) -> None:
    """ModernBERT's vocabulary has the padding token of another tokenizer too, and first."""
    layout = LAYOUTS["ModernBERT-QnA-base-squad"]
    directory = write(tmp_path / "modern", layout)
    tokenizer = Tokenizer(directory)
    assert tokenizer.token_to_id("<|padding|>") == 1
    assert (
        tokenizer.pad_token_id == tokenizer.token_to_id("[PAD]") == load_model(directory).layout.pad_token_id
    )


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_the_class_names_the_family(tmp_path: Path, name: str) -> None:
    """As in the first configurations, which have no ``model_type``."""
    directory = write(tmp_path / name, LAYOUTS[name])
    path = directory / "config.json"
    config = json.loads(path.read_text())
    family = config.pop("model_type")
    path.write_text(json.dumps(config))
    assert load_model(directory).architecture == family
    path.write_text(json.dumps({**config, "architectures": ["T5ForQuestionAnswering"]}))
    with pytest.raises(ValueError, match=r'config\.json: "model_type" is missing, expected "albert" or'):
        load_model(directory)


@pytest.mark.parametrize(
    ("name", "keeps"),
    [
        ("electra_large_discriminator_squad2_512", False),
        ("bert-large-uncased-whole-word-masking-squad2", False),
        ("koelectra-base-v3-finetuned-korquad", True),
        ("distilbert-base-cased-distilled-squad", True),
    ],
)
def test_case(tmp_path: Path, name: str, keeps: bool) -> None:
    tokenizer = Tokenizer(write(tmp_path / name, LAYOUTS[name]))
    assert (tokenizer.encode("the").tokens == tokenizer.encode("THE").tokens) != keeps


def test_both_tokenizers_of_a_roberta_are_equal(tmp_path: Path) -> None:
    directory = write(tmp_path / "tiny", LAYOUTS["tinyroberta-squad2"])
    text = "The bridge of Öland was built in 1972."
    expected = Tokenizer(directory / "tokenizer.json").encode(text).ids
    assert np.array_equal(Tokenizer(directory / "vocab.json").encode(text).ids, expected)
