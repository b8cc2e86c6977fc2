"""Terminal output: lines free of control sequences from untrusted text, and JSON."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click

from howgreen.core.text import harmless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from howgreen.report import Destination
    from howgreen.report.figures import Document

_C1 = re.compile(r"[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def say(text: str, *, err: bool = False) -> None:
    """Print lines, with control characters removed."""
    click.echo(harmless(text), err=err)


def say_json(value: Any) -> None:
    """Print JSON, with control characters escaped, so that the values are unchanged."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    click.echo(_C1.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def say_answer(found: Document, lines: Sequence[str], target: Destination, topic: str, *, as_json: bool) -> None:
    """Print an answer, as JSON or as lines that end with the path of its page, or of the report it is a section of."""
    from howgreen import report

    if as_json:
        say_json(found.to_dict())
        return
    page = f"{topic}.html" if target.report is None else f"report.html#{topic}-title"
    say("\n".join([*lines, f"page: {report.address_of(target.folder, page)}"]))
