"""Check a built site: it loads nothing from elsewhere, its own links hold, and it describes every public name.

Run as ``python docs/_ext/check_site.py build/docs``; prints each fault and exits 1 if there is any.
"""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import howgreen

LOADS = {("script", "src"), ("img", "src"), ("img", "srcset"), ("iframe", "src"), ("source", "src"), ("source", "srcset"),
         ("video", "src"), ("audio", "src"), ("embed", "src"), ("object", "data"), ("use", "href"), ("image", "href")}  # fmt: skip
OWN_FOLDERS = tuple(f"{folder}/" for folder in (Path(__file__).resolve().parents[2], Path.home()))
"""Folders of the computer that builds the site, which no reader wants to see."""
IDLE_LINKS = {"canonical", "next", "prev", "author", "license", "index", "search"}
"""Values of ``rel`` with which a <link> makes the browser fetch nothing."""


class _Page(HTMLParser):
    """Collect what one page loads, what it links to, and the anchors that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors.update(values[name] for name in ("id", "name") if name in values)
        self.loads += [value for name, value in values.items() if (tag, name) in LOADS]
        self.loads += re.findall(r"url\(['\"]?([^'\")]+)", values.get("style", ""))
        if tag == "link" and not IDLE_LINKS & set(values.get("rel", "").split()):
            self.loads.append(values.get("href", ""))
        if tag == "a":
            self.links.append(values.get("href", ""))
        self._in_style = tag == "style"

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.loads += css_loads(data)


def css_loads(text: str) -> list[str]:
    """Return the addresses that a style sheet loads."""
    return re.findall(r"url\(\s*['\"]?([^'\")]+)", text) + re.findall(r"@import\s+['\"]([^'\"]+)", text)


def is_elsewhere(address: str) -> bool:
    """Tell whether an address lies on another host; ``data:`` does not."""
    parts = urlsplit(address.strip())
    return bool(parts.netloc) or parts.scheme not in ("", "data")


def faults(site: Path) -> Iterator[str]:
    """Yield one line for each fault of the site."""
    pages = {path: _parse(path) for path in sorted(site.rglob("*.html")) if path.parent.name != "_static"}
    if not pages:
        yield f"{site}: no page"
    for path, page in pages.items():
        for address in page.loads:
            if is_elsewhere(address):
                yield f"{path.relative_to(site)} loads {address}"
            elif not address.startswith("data:") and not _target(path, address).exists():
                yield f"{path.relative_to(site)} loads {address}, which is missing"
        yield from (f"{path.relative_to(site)} links to {bad}" for bad in _broken(path, page, pages))
    for path in sorted(site.rglob("*.css")):
        for address in css_loads(path.read_text(encoding="utf-8")):
            if is_elsewhere(address):
                yield f"{path.relative_to(site)} loads {address}"
    for path in pages:
        text = path.read_text(encoding="utf-8")
        yield from (f"{path.relative_to(site)} names {own}" for own in OWN_FOLDERS if own in text)
    yield from (f"no page describes howgreen.{name}" for name in undocumented(site))


def undocumented(site: Path) -> list[str]:
    """Return the public names that the site's index of objects does not know."""
    known = inventory(site / "objects.inv")
    return [name for name in howgreen.__all__ if f"howgreen.{name}" not in known]


def inventory(path: Path) -> set[str]:
    """Return the names of the Python objects in Sphinx's index: four lines of header, then zlib."""
    lines = zlib.decompress(path.read_bytes().split(b"\n", 4)[4]).decode("utf-8").splitlines()
    return {line.split(" ")[0] for line in lines if line.split(" ")[1].startswith("py:")}


def _parse(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def _target(path: Path, address: str) -> Path:
    return (path.parent / unquote(urlsplit(address).path)).resolve()


def _broken(path: Path, page: _Page, pages: dict[Path, _Page]) -> Iterator[str]:
    """Yield links of a page to files or anchors of the site that do not exist."""
    for address in page.links:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc or not address:
            continue
        target = _target(path, address) if parts.path else path.resolve()
        found = {known.resolve(): other for known, other in pages.items()}.get(target)
        if not target.exists():
            yield f"{address}, which is missing"
        elif parts.fragment and found and unquote(parts.fragment) not in found.anchors:
            yield f"{address}, an anchor that is missing"


if __name__ == "__main__":
    found = list(faults(Path(sys.argv[1])))
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(1 if found else 0)
