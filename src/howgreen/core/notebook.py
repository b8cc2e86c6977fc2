"""How values show themselves in a notebook: a small table of escaped text, with a picture where there is one."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from howgreen.core.text import one_line

_BOX = "display:flex;gap:1em;align-items:flex-start;font-family:sans-serif"


def panel(title: str, rows: Iterable[tuple[str, str]], *, warnings: Iterable[str] = (), picture: str = "") -> str:
    """Make the HTML of a value: a heading, its facts, its warnings.

    Parameters
    ----------
    title, rows, warnings
        Text, which may be a stranger's: all of it is escaped.
    picture
        A ``data:`` address; none if empty.
    """
    cells = "".join(
        f'<tr><th style="text-align:left">{_safe(name)}</th><td style="text-align:left">{_safe(text)}</td></tr>'
        for name, text in rows
        if text
    )
    doubts = "".join(f'<p style="margin:.3em 0">⚠ {_safe(text)}</p>' for text in warnings)
    image = f'<img src="{escape(picture)}" alt="Map of the green share" style="max-height:16em">' if picture else ""
    return f'<div style="{_BOX}">{image}<div><b>{_safe(title)}</b><table>{cells}</table>{doubts}</div></div>'


def _safe(text: str) -> str:
    return escape(one_line(text))
