"""Wrap the paragraphs of Markdown files that have a line of more than 120 characters: ``python docs/_ext/wrap.py FILE...``.

Tables, headings, pictures, code and directives stay as they are, and so do paragraphs whose lines are short enough.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

LONGEST = 120
_AS_IT_IS = ("|", "#", "!", "```", ":", "<!", "    ")
_START = re.compile(r"\s*(?:[-*]|\d+\.)\s+|> |\s*")


def wrap(text: str) -> str:
    """Return the text with its long paragraphs wrapped."""
    done: list[str] = []
    paragraph: list[str] = []
    in_code = False
    for line in [*text.split("\n"), ""]:
        in_code ^= (is_fence := line.lstrip().startswith("```"))
        as_it_is = in_code or is_fence or not line.strip() or line.startswith(_AS_IT_IS)
        if as_it_is or re.match(r"\s*(?:[-*]|\d+\.)\s", line) or _quoted(line) != _quoted(*paragraph[:1] or [line]):
            done += _wrapped(paragraph)
            paragraph = []
        if as_it_is:
            done.append(line)
        else:
            paragraph.append(line)
    return "\n".join(done[:-1])


def _quoted(line: str) -> bool:
    return line.startswith(">")


def _wrapped(lines: list[str]) -> list[str]:
    if not lines or max(map(len, lines)) <= LONGEST:
        return lines
    start = _START.match(lines[0])
    first = start[0] if start else ""
    words = [lines[0].removeprefix(first), *(line.removeprefix(">").strip() for line in lines[1:])]
    return textwrap.wrap(
        " ".join(words), LONGEST - 2, initial_indent=first, subsequent_indent=first if first == "> " else " " * len(first),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        before = path.read_text(encoding="utf-8")
        if (after := wrap(before)) != before:
            path.write_text(after, encoding="utf-8")
            print(f"{path}: wrapped")
