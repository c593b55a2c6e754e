"""The benchmark of all families, with small ones."""

import json
import sys
from pathlib import Path

import pytest
from spanjet.model.graph.architectures import ARCHITECTURES

sys.path.insert(0, str(Path(__file__).parents[2]))

from benches import families

SMALL = {
    "vocab_size": 1200,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 140,
}


def test_every_architecture_has_a_line() -> None:
    """CamemBERT and XLM-RoBERTa are RoBERTas."""
    known = {model_type for model_type, _ in families.FAMILIES.values()}
    assert known == set(ARCHITECTURES) - {"camembert", "xlm-roberta"}


def test_all_but_mobilebert_are_of_berts_size() -> None:
    for model_type, values in families.FAMILIES.values():
        sizes = {**families.BASE, **values}
        same = (sizes["hidden_size"], sizes["num_hidden_layers"], sizes.get("n_layers", 12)) == (768, 12, 12)
        assert same == (model_type != "mobilebert")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "families.json"
    options = ["--family", "ALBERT", "--family", "ERNIE", "--rounds", "2", "--rows", "2", "--length", "16"]
    assert families.main([*options, "--samples", "1", "--json", str(path)], SMALL) == 0
    content = json.loads(path.read_text())
    assert [line["family"] for line in content["families"]] == ["ALBERT", "ERNIE"]
    for line in content["families"]:
        for precision in ("float32", "int8"):
            spread = line[precision]
            assert 0 < spread["low"] <= spread["median"] <= spread["high"]
    assert content["about"]["rounds"] == 2
    assert "ALBERT" in capsys.readouterr().out


def test_wrong_options() -> None:
    with pytest.raises(SystemExit):
        families.main(["--rounds", "0"])
