"""Write the list of all modules at the end of ARCHITECTURE.md, each with the first sentence that it says of itself: ``python docs/_ext/modules.py``."""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOUSE = ROOT / "src" / "howgreen"
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- modules: written by docs/_ext/modules.py -->\n", "<!-- /modules -->\n"
ROOMS = (
    "cli", "web", "batch", "pipeline", "place", "imagery", "landcover", "measure", "estimate", "change", "compare", "people",
    "restoration", "trend", "report", "osm", "store", "net", "clouds", "core", "sample", "training",
)  # fmt: skip
"""From the top floor down, then the annexes."""


def modules(room: str) -> list[Path]:
    """List the modules of a room but for those that only gather names, or one step of a database's form each."""
    found = (HOUSE / room).rglob("*.py")
    return sorted(path for path in found if not path.name.startswith("__") and "versions" not in path.parts)


@cache
def sentence(path: Path) -> str:
    """Read the first sentence of what a module says of itself."""
    first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n\n")[0]
    return " ".join(first.split())


def listed() -> str:
    """Write the list, a part to unfold for each room."""
    parts = []
    for room in ROOMS:
        lines = [f"- `{path.relative_to(HOUSE / room).with_suffix('')}`: {sentence(path)}" for path in modules(room)]
        told = sentence(HOUSE / room / "__init__.py")
        parts.append(f"<details><summary><b>{room}</b>: {told}</summary>\n\n" + "\n".join(lines) + "\n\n</details>\n")
    return "\n".join(parts)


def page(text: str) -> str:
    """Return a text with its list of modules written anew."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{PAGE.name}: has no place for the list: {BEGIN.strip()} ... {END.strip()}")
    return f"{before}{BEGIN}\n{listed()}\n{END}{after}"


if __name__ == "__main__":
    written = page(PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(written, encoding="utf-8")
    sys.stdout.write(f"{PAGE.name}: {written.count(chr(10) + '- `')} modules\n")
