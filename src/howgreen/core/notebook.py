"""Display of values in a notebook: a small table of escaped text, with a picture if there is one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

from howgreen.core.text import one_line

_BOX = "display:flex;gap:1em;align-items:flex-start;font-family:sans-serif"


def panel(title: str, rows: Iterable[tuple[str, str]], *, warnings: Iterable[str] = (), picture: str = "") -> str:
    """Make the HTML of a value: a heading, its facts, its warnings.

    Parameters
    ----------
    title, rows, warnings
        Untrusted text: all of it is escaped.
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


_EVERY_S = 0.2
"""Least seconds between redraws: each one is a message to the browser."""


def bars() -> Callable[[str, int, int], None] | None:
    """Make progress bars in a notebook, None elsewhere: the default progress of long work."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython import display as shown

    stages: dict[str, tuple[int, int]] = {}
    handle: Any = shown.display(shown.HTML(""), display_id=True)
    drawn = 0.0

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal drawn
        stages[stage] = done, total
        now = time.monotonic()
        if now - drawn >= _EVERY_S or done == total:
            drawn = now
            handle.update(shown.HTML("".join(_bar(name, *steps) for name, steps in stages.items())))

    return tell


def _bar(stage: str, done: int, total: int) -> str:
    name = _safe(stage)
    return (
        f'<div style="font-family:sans-serif"><progress value="{done}" max="{max(total, 1)}" aria-label="{name}"></progress> '
        f"{name}: {done} of {total}</div>"
    )
