"""What goes to the terminal: lines that no stranger's text can make it obey, and JSON."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click

from howgreen.core.text import harmless

if TYPE_CHECKING:
    from howgreen.report import Destination

_C1 = re.compile(r"[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def say(text: str, *, err: bool = False) -> None:
    """Print lines, control characters taken out."""
    click.echo(harmless(text), err=err)


def say_json(value: Any) -> None:
    """Print JSON, control characters escaped: the values stay what they are."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    click.echo(_C1.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def page_line(target: Destination, topic: str) -> str:
    """Say where the page of an answer lies, or the report that it is a section of."""
    from howgreen import report

    page = f"{topic}.html" if target.report is None else f"report.html#{topic}-title"
    return f"page: {report.address_of(target.folder, page)}"
