"""What the package index shows: addresses of the repository, and a README that stands alone."""

import re
from pathlib import Path

import pytest
from pages import ROOT

from scripts import public_address
from scripts.public_address import absolute_links

ADDRESS = "https://host.example/owner/name"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("[a](docs/guide.md)", f"[a]({ADDRESS}/blob/v1.2.0/docs/guide.md)"),
        ("[a](docs/guide.md#part)", f"[a]({ADDRESS}/blob/v1.2.0/docs/guide.md#part)"),
        ("![a, [b] c](docs/a.svg)", f"![a, [b] c]({ADDRESS}/raw/v1.2.0/docs/a.svg)"),
        ("[a](https://other.example/x)", "[a](https://other.example/x)"),
        ("[a](#part)", "[a](#part)"),
        ("`reader[0](text)`, [a](LICENSE)", f"`reader[0](text)`, [a]({ADDRESS}/blob/v1.2.0/LICENSE)"),
    ],
)
def test_links_of_the_readme_become_absolute(link: str, expected: str) -> None:
    assert absolute_links(link, ADDRESS, "v1.2.0") == expected


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    for name in ("pyproject.toml", "README.md"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def test_metadata_and_readme_name_the_repository(copies: Path) -> None:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.11")
    public_address.main([ADDRESS, "v0.1.0"], root=copies)
    changed, before = (
        tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")) for root in (copies, ROOT)
    )
    urls = changed["project"].pop("urls")
    assert changed == before
    assert urls["Repository"] == ADDRESS
    assert set(urls) == {"Documentation", "Repository", "Issues", "Changelog"}
    readme = (copies / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", readme)
    assert len(targets) > 20
    assert all(target.startswith("https://") for target in targets)
    linked = [target.split("/v0.1.0/")[1].split("#")[0] for target in targets if target.startswith(ADDRESS)]
    assert all((ROOT / path).exists() for path in linked)
    assert len(readme.splitlines()) == len((ROOT / "README.md").read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["owner/name", "main"], "expected https://HOST/OWNER/NAME"),
        ([f"{ADDRESS}/", "main"], "expected https://HOST/OWNER/NAME"),
        ([ADDRESS, 'a"b'], "expected letters, digits"),
    ],
)
def test_bad_addresses_are_refused(
    arguments: list[str], message: str, copies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        public_address.main(arguments, root=copies)
    assert message in capsys.readouterr().err
    assert (copies / "README.md").read_bytes() == (ROOT / "README.md").read_bytes()


def test_addresses_are_not_written_twice(copies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    public_address.main([ADDRESS, "main"], root=copies)
    with pytest.raises(SystemExit):
        public_address.main([ADDRESS, "main"], root=copies)
    assert "already" in capsys.readouterr().err
