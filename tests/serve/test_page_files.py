"""The files of the page without a browser; what they do in one is tested by `make test-page`."""

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from html_pages import Page
from spanjet import Reader
from spanjet.serve.app import create_app
from spanjet.serve.config import ServeConfig
from spanjet.serve.routes.page import CONTENT_SECURITY_POLICY, STATIC, add_page

FILES = {path.name: path.read_text(encoding="utf-8") for path in sorted(STATIC.iterdir())}
HTML = Page(FILES["index.html"])
SCRIPTS = {name: text for name, text in FILES.items() if name.endswith(".js")}
TOKEN = "open-sesame"  # noqa: S105  (of the test's own server)
STYLES = {name: text for name, text in FILES.items() if name.endswith(".css")}


def test_the_files_are_in_the_package() -> None:
    assert (files("spanjet.serve") / "static" / "index.html").is_file()
    assert {Path(name).suffix for name in FILES} == {".html", ".js", ".css", ".svg"}
    assert len(SCRIPTS) > 5


def test_nothing_external_is_referred_to() -> None:
    for name, text in FILES.items():
        addresses = set(
            re.findall(r"(?:\w+:)?//[\w.]+[^\s\"')]*", text if name not in SCRIPTS else code(text))
        )
        assert addresses <= {"http://www.w3.org/2000/svg"}, name
        assert not re.search(r"@import|url\(", text), name


def code(script: str) -> str:
    """A script without its comments."""
    return re.sub(r"(?m)^\s*(//|/\*\*|\*).*$|\s// .*$", "", script)


def references() -> Iterator[str]:
    for _, attributes in HTML.tags:
        yield from (attributes[name] or "" for name in ("src", "href") if name in attributes)


def test_everything_that_is_referred_to_is_there() -> None:
    linked = {reference for reference in references() if not reference.startswith("#")}
    assert linked == {"docs", "static/icon.svg", "static/page.js", *(f"static/{name}" for name in STYLES)}
    imported = {
        name for text in SCRIPTS.values() for name in re.findall(r'from "\./([\w.-]+)";|import\("', text)
    }
    assert imported == set(SCRIPTS) - {"page.js"}
    ids = {attributes["id"] for _, attributes in HTML.tags if "id" in attributes}
    fragments = {reference[1:] for reference in references() if reference.startswith("#")}
    assert fragments <= ids
    named = {name for text in SCRIPTS.values() for name in re.findall(r'(?:byId|ById)\("([\w-]+)"\)', text)}
    assert len(named) > 20
    assert named <= ids


def test_nothing_is_inline() -> None:
    """The policy would block it; and a script never makes elements out of text."""
    assert HTML.open == []
    assert "style" not in {tag for tag, _ in HTML.tags}
    assert all("src" in attributes for tag, attributes in HTML.tags if tag == "script")
    inline = [
        name for _, attributes in HTML.tags for name in attributes if name.startswith("on") or name == "style"
    ]
    assert inline == []
    for name, text in SCRIPTS.items():
        found = re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|setHTML|document\.write|DOMParser|eval\(|Function\("
            r"|javascript:|srcdoc|setAttribute\(\"(?:on|style)",
            text,
        )
        assert found is None, name


def test_every_control_has_a_label() -> None:
    labelled = {attributes["for"] for tag, attributes in HTML.tags if tag == "label" and "for" in attributes}
    for tag, attributes in HTML.tags:
        if tag in ("input", "select", "textarea") and not {"hidden", "aria-label"} & set(attributes):
            assert attributes["id"] in labelled | {"unlikely"}, attributes  # which is inside of its label


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI(docs_url=None, redoc_url=None)
    add_page(app)
    return TestClient(app)


@pytest.mark.parametrize("name", FILES)
def test_files_are_sent_with_the_policy(client: TestClient, name: str) -> None:
    path = "/" if name == "index.html" else f"/static/{name}"
    response = client.get(path)
    assert response.status_code == 200
    assert response.text == FILES[name]
    kinds = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    assert response.headers["content-type"].split(";")[0] == kinds[Path(name).suffix]
    assert response.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert response.headers["cache-control"] == "no-cache"
    assert client.head(path).status_code == 200


def test_unchanged_files_are_not_sent_again(client: TestClient) -> None:
    first = client.get("/static/page.js")
    again = client.get("/static/page.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


@pytest.mark.parametrize(
    "path", ["/static/", "/static/absent.js", "/static/../page.py", "/static/%2e%2e/page.py"]
)
def test_nothing_else_is_sent(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_policy_allows_nothing_but_this_server() -> None:
    directives = dict(directive.split(" ", 1) for directive in CONTENT_SECURITY_POLICY.split("; "))
    assert directives.pop("default-src") == "'none'"
    assert {name for name, value in directives.items() if value == "'self'"} == {
        "script-src",
        "style-src",
        "connect-src",
        "img-src",
    }
    assert {value for value in directives.values() if value != "'self'"} == {"'none'"}
    assert {"base-uri", "form-action", "frame-ancestors"} <= set(directives)


def test_the_page_needs_no_token(reader: Reader) -> None:
    """It asks for the one that the API needs."""
    with TestClient(create_app(ServeConfig(token=TOKEN), reader)) as client:
        assert client.get("/").text == FILES["index.html"]
        assert client.get("/static/page.js").headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert client.get("/").headers["x-content-type-options"] == "nosniff"
        assert client.get("/static/../v1/documents/x").status_code == 401
        assert client.post("/", json={}).status_code == 401
        assert client.post("/static/page.js").status_code == 401
        body = {"question": "who?", "passages": ["paris built it"]}
        assert client.post("/v1/search", json=body).status_code == 401
