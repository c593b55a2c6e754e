"""The documentation site, without MkDocs: its pages, references and figures. `make docs` builds it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import spanjet
import yaml
from pages import ROOT
from spanjet.evaluate import evaluate, load_squad, measure_confidence

from scripts import risk_coverage
from scripts.command_reference import command_reference, commands
from scripts.figures import FIGURES, draw, read
from scripts.site_pages import PAGES_OUTSIDE, site_links

DOCS = ROOT / "docs"
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


def text_of(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def pages_of(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    entries = nav if isinstance(nav, list) else list(nav.values())
    return [page for entry in entries for page in pages_of(entry)]


def test_all_pages_are_in_the_navigation_once() -> None:
    own = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert sorted(pages_of(SITE["nav"])) == sorted(own | set(PAGES_OUTSIDE))
    assert not own & set(PAGES_OUTSIDE)
    assert all((ROOT / source).is_file() for source in PAGES_OUTSIDE.values())


def test_the_files_that_the_site_is_made_with_exist() -> None:
    (python,) = [
        each["mkdocstrings"]["handlers"]["python"] for each in SITE["plugins"] if "search" not in each
    ]
    files = [*SITE["hooks"], *python["options"]["extensions"], *(f"docs/{css}" for css in SITE["extra_css"])]
    assert len(files) > 2
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_the_site_loads_nothing_from_elsewhere() -> None:
    assert SITE["theme"]["font"] is False
    pictures = sorted((DOCS / "figures").glob("*.svg"))
    assert len(pictures) > len(FIGURES)
    for file in [DOCS / "site.css", *pictures]:
        addresses = re.findall(r"https?://[^\"'\s)]+", file.read_text(encoding="utf-8"))
        assert {address.split("/")[2] for address in addresses} <= {"www.w3.org"}, file.name


def test_the_reference_has_all_public_names_once() -> None:
    named = re.findall(r"^::: spanjet\.(\w+)$", text_of("api.md") + text_of("settings.md"), re.MULTILINE)
    assert sorted(named) == sorted(set(spanjet.__all__) - {"__version__"})


def test_the_reference_of_commands_has_all_commands_and_options() -> None:
    reference = command_reference()
    found = {path: command for path, command, _ in commands()}
    assert len(found) > 15
    assert re.findall(r"^##+ (.+)$", reference, re.MULTILINE) == list(found)
    sections = dict(zip(found, re.split(r"^##+ .+$", reference, flags=re.MULTILINE)[1:], strict=True))
    for path, command in found.items():
        for parameter in command.params:
            for option in parameter.opts:
                shown = option if option.startswith("-") else parameter.display_name_raw
                assert shown in sections[path], f"{path} {option}"


def test_tables_of_commands_are_whole() -> None:
    """What an option's help holds of Markdown does not end a cell or a row."""
    rows = [line for line in command_reference().splitlines() if line.startswith("|")]
    assert len(rows) > 200
    assert {row.count("|") for row in rows} == {3}
    assert [row for row in rows if re.search(r"[*`\[]|<(?!/?code>)", row)] == []


def test_the_page_of_commands_has_a_place_for_them() -> None:
    assert text_of("commands.md").count("<!-- the commands -->") == 1


def test_environment_variables_of_the_settings_are_read() -> None:
    variables = [
        name
        for row in re.findall(r"^\| (`[A-Z_]+`[^|]*)\|", text_of("settings.md"), re.MULTILINE)
        for name in re.findall(r"`([A-Z_]+)`", row)
    ]
    assert len(variables) > 4
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "python").rglob("*.py"))
    assert [name for name in variables if name not in sources] == []


def test_versions_are_those_of_the_package() -> None:
    """The oldest versions are the bounds of pyproject.toml, without those of other people's pipelines."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    requirements = project[project.index("\ndependencies = [") : project.index("\nhaystack = [")]
    allowed = dict(re.findall(r'"([A-Za-z0-9_-]+)>=([0-9.]+)', requirements))
    allowed |= dict(re.findall(r'requires-(python) = ">=([0-9.]+)"', project))
    shown: dict[str, str] = {}
    for row in re.findall(r"^\| (.+?) \| (.+?) \|", text_of("versions.md"), re.MULTILINE):
        names = re.sub(r" \(.*\)", "", row[0]).lower().replace("loadgen", "mlcommons-loadgen").split(", ")
        shown |= dict(zip(names, re.findall(r"\d+(?:\.\d+)+", row[1]), strict=False))
    assert len(allowed) >= 19
    for name, bound in allowed.items():
        assert re.fullmatch(rf"{re.escape(bound)}(\.0)*", shown[name.lower()]), name
    assert f"version: {spanjet.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_keys_of_the_bundled_card_are_explained() -> None:
    listed = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]*)\|", text_of("cards.md"), re.MULTILINE)))
    card = spanjet.load_model(spanjet.Reader().model.path).card
    assert card is not None
    assert [key for key in card if key not in listed] == []


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("evaluation.md", "[r](../recipes/README.md#x)", "[r](recipes.md#x)"),
        ("recipes.md", "[e](../docs/evaluation.md)", "[e](evaluation.md)"),
        ("security-policy.md", "[s](docs/security.md)", "[s](security.md)"),
        ("security.md", "[s](../SECURITY.md)", "[s](security-policy.md)"),
        ("guide.md", "[s](scores.md#no-answer)", "[s](scores.md#no-answer)"),
        ("guide.md", "[here](#settings)", "[here](#settings)"),
        ("contributing.md", "the [Licence](LICENSE)", "the Licence"),
        ("guide.md", "[a](https://arxiv.org/abs/1)", "[a](https://arxiv.org/abs/1)"),
        ("guide.md", "![front](figures/front.svg)", "![front](figures/front.svg)"),
    ],
)
def test_links_are_adapted_to_the_site(page: str, link: str, expected: str) -> None:
    assert site_links(link, page) == expected


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_figures_are_drawn_from_their_numbers(name: str) -> None:
    """The committed picture describes the numbers of its JSON file in words: `make figures` was run."""
    caption = FIGURES[name](name, read(name)).caption
    for svg in (draw(name), (DOCS / "figures" / f"{name}.svg").read_text(encoding="utf-8")):
        assert f'<desc id="{name}-words">{caption}</desc>' in svg
        assert "prefers-color-scheme: dark" in svg


def rows_of(page: str) -> list[tuple[str, set[str]]]:
    """The rows of a page's tables, and the numbers in them."""
    rows = [line for line in text_of(page).splitlines() if line.startswith("|")]
    return [(row.lower(), set(re.findall(r"\d[\d.]*", row))) for row in rows]


@pytest.mark.parametrize("name", ["engines", "front", "tokenizing"])
def test_figures_show_the_numbers_of_their_pages(name: str) -> None:
    """A table that is measured anew is drawn anew: `make figures`."""
    data = read(name)
    wanted = [
        (bar["name"].lower().replace(", with", ",").split(), [bar["value"]]) for bar in data.get("bars", [])
    ]
    wanted += [([point["options"]], [point["f1"], point["speed"]]) for point in data.get("points", [])]
    assert len(wanted) > 4
    rows = rows_of(data["page"])
    for words, values in wanted:
        found = [numbers for row, numbers in rows if all(word.strip(",") in row for word in words)]
        shown = [all({f"{value}", f"{value:g}"} & numbers for value in values) for numbers in found]
        assert any(shown), f"{words}: {values}"


@pytest.mark.parametrize("page", ["benchmarks.md", "evaluation.md"])
def test_accuracy_is_what_was_measured(page: str) -> None:
    measured = json.loads((ROOT / "benches/measured/eval.json").read_text(encoding="utf-8"))
    rows = rows_of(page)
    for run in measured["runs"]:
        scores = run["result"]
        other = next(scores[name] for name in ("right_passage", "exact_match", "exact") if name in scores)
        wanted = {f"{scores['f1']:.2f}", f"{other:.2f}"}
        assert any(wanted <= numbers for _, numbers in rows), run["arguments"]
    assert len(measured["runs"]) == 4


def test_the_measured_curve_is_whole() -> None:
    data = json.loads((DOCS / "figures" / "risk-coverage.json").read_text(encoding="utf-8"))
    assert data["coverage"][-1] == 1
    assert len(data["coverage"]) == len(data["exact_match"]) == len(data["f1"]) == 50
    assert all(exact <= f1 for exact, f1 in zip(data["exact_match"], data["f1"], strict=True))


def test_the_curve_is_measured_as_eval_does(tmp_path: Path) -> None:
    out, data = tmp_path / "curve.json", ROOT / "tests/data/squad/v1.1.json"
    risk_coverage.main([str(data), "--out", str(out)])
    curve = json.loads(out.read_text(encoding="utf-8"))
    dataset = load_squad(data)
    found = evaluate(spanjet.Reader(), dataset)
    scores = found.scores.as_dict()
    assert curve["data"]["questions"] == len(dataset) > 0
    assert curve["exact_match"][-1] == pytest.approx(scores["exact_match"], abs=0.01)
    assert curve["f1"][-1] == pytest.approx(scores["f1"], abs=0.01)
    assert curve["area"] == pytest.approx(measure_confidence(dataset, found).as_dict()["aurc"], abs=1e-4)


def test_all_figures_are_shown() -> None:
    shown = {
        name
        for page in DOCS.glob("*.md")
        for name in re.findall(r"\]\(figures/([\w-]+)\.svg\)", text_of(page.name))
    }
    assert shown == {path.stem for path in (DOCS / "figures").glob("*.svg")}
