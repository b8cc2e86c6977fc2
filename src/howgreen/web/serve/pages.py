"""The API description as a page, without scripts or external resources."""

from __future__ import annotations

import json
from functools import lru_cache
from html import escape
from typing import Any

_HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>The interface of this server</title><link rel="stylesheet" href="/static/docs.css"><link rel="icon" href="/static/icon.svg"></head><body><main>
<h1>The interface of this server</h1><p>{about}</p><p>For programs: <a href="/api">OpenAPI</a>. For people: <a href="/">the page</a>.</p>
"""
_METHODS = ("get", "post", "delete")


def docs_page(schema: dict[str, Any]) -> str:
    """Render an OpenAPI description as a page."""
    return _page(json.dumps(schema, sort_keys=True))


@lru_cache(maxsize=1)
def _page(text: str) -> str:
    schema = json.loads(text)
    parts = [_HEAD.format(about=escape(schema["info"]["description"]))]
    groups: dict[str, list[str]] = {}
    for path, item in schema["paths"].items():
        for method in _METHODS:
            if method in item:
                groups.setdefault((item[method].get("tags") or ["other"])[0], []).append(
                    _operation(path, method, item[method])
                )
    parts += [f"<h2>{escape(name)}</h2>{''.join(listed)}" for name, listed in sorted(groups.items())]
    return "".join([*parts, "</main></body></html>"])


def _operation(path: str, method: str, told: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><th scope=row><code>{escape(one['name'])}</code></th><td>{escape(one['in'])}</td>"
        f"<td>{'needed' if one.get('required') else ''}</td><td>{escape(one.get('description') or '')} "
        f"<code>{escape(_short(one.get('schema', {})))}</code></td></tr>"
        for one in told.get("parameters", ())
    )
    table = f"<table><tbody>{rows}</tbody></table>" if rows else ""
    body = told.get("requestBody", {}).get("content", {})
    sent = f"<p>Body: {escape(', '.join(body))}</p>" if body else ""
    codes = ", ".join(escape(code) for code in told["responses"])
    return (
        f"<section><h3><code>{method.upper()} {escape(path)}</code></h3><p>{escape(told.get('description', ''))}</p>{sent}{table}"
        f"<p>Answers: {codes}</p></section>"
    )


def _short(schema: dict[str, Any]) -> str:
    kept = ("type", "enum", "default", "minimum", "maximum", "maxLength", "pattern", "anyOf")
    return json.dumps({key: value for key, value in schema.items() if key in kept}, ensure_ascii=False)[:160]
