"""Show the OpenAPI schema as a page that needs no script and nothing from elsewhere."""

import base64
import hashlib
import json
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi.responses import HTMLResponse

__all__ = ["reference_page"]

STYLE = """
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; }
code, pre { font: 0.9rem/1.4 ui-monospace, monospace; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid; border-radius: 0.25rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.75rem 0.25rem 0; }
:root { color-scheme: light dark; }
"""

DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

POLICY = f"default-src 'none'; frame-ancestors 'none'; style-src 'sha256-{DIGEST}'"


def reference_page(schema: dict[str, Any]) -> HTMLResponse:
    """Make the page of an OpenAPI schema."""
    title = f"{escape(schema['info']['title'])} {escape(schema['info']['version'])}"
    body = "\n".join(_sections(schema))
    content = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n{body}\n</body></html>\n"
    )
    return HTMLResponse(content, headers={"content-security-policy": POLICY})


def _sections(schema: dict[str, Any]) -> Iterator[str]:
    yield f"<p>{escape(schema['info']['description'])}</p>"
    yield '<p>For programs: <a href="/openapi.json">openapi.json</a></p>'
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
            yield f"<p>{escape(operation.get('description') or operation['summary'])}</p>"
            yield from _operation(operation)
    yield "<h2>Bodies</h2>"
    for name, model in schema["components"]["schemas"].items():
        if not name.startswith(("HTTPValidation", "Validation")):
            yield from _model(name, model)


def _operation(operation: dict[str, Any]) -> Iterator[str]:
    if "requestBody" in operation:
        yield f"<p>Body: {_kind(operation['requestBody']['content']['application/json']['schema'])}</p>"
    rows = []
    for status, response in operation["responses"].items():
        kind = _kind(response.get("content", {}).get("application/json", {}).get("schema", {}))
        rows.append(f"<tr><td>{status}</td><td>{escape(response['description'])}</td><td>{kind}</td></tr>")
    yield f"<table>{''.join(rows)}</table>"


def _model(name: str, model: dict[str, Any]) -> Iterator[str]:
    yield f'<h3 id="{escape(name)}"><code>{escape(name)}</code></h3>'
    yield f"<p>{escape(model.get('description', ''))}</p>"
    required = model.get("required", [])
    rows = []
    for field, kind in model.get("properties", {}).items():
        need = "required" if field in required else f"default {escape(json.dumps(kind.get('default')))}"
        text = escape(kind.get("description", ""))
        rows.append(
            f"<tr><td><code>{escape(field)}</code></td><td>{_kind(kind)}</td><td>{need}</td><td>{text}</td></tr>"
        )
    yield f"<table>{''.join(rows)}</table>"


def _kind(schema: dict[str, Any]) -> str:
    """Describe a type, with a link to the body that it is."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if "const" in schema:
        return f"<code>{escape(json.dumps(schema['const']))}</code>"
    limits = ", ".join(
        f"{word} {schema[name]}"
        for name, word in (("minimum", "from"), ("maximum", "to"), ("exclusiveMinimum", "above"))
        if name in schema
    )
    return escape(f"{schema.get('type', 'any')} {limits}".strip())
