"""The site loads nothing from elsewhere, its links hold; and the checker that says so sees each fault."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import check_site
import pytest

import howgreen

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SITE = Path(__file__).resolve().parents[2] / "build" / "docs"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A site of one page that has no fault."""
    rows = "".join(f"howgreen.{name} py:function 1 api.html#$ -\n" for name in howgreen.__all__)
    (tmp_path / "objects.inv").write_bytes(b"# 2\n# p\n# v\n# zlib\n" + zlib.compress(rows.encode()))
    (tmp_path / "own.js").write_text("", encoding="utf-8")
    page(tmp_path, '<script src="own.js?v=1"></script><p id="a">A</p><a href="#a">a</a> <a href="https://a.org">b</a>')
    return tmp_path


def page(folder: Path, body: str) -> None:
    (folder / "index.html").write_text(f"<html><body>{body}</body></html>", encoding="utf-8")


def test_a_good_site_has_no_fault(small: Path):
    assert list(check_site.faults(small)) == []


@pytest.mark.parametrize(
    "body",
    [
        '<script src="https://cdn.example.org/a.js"></script>',
        '<script src="//cdn.example.org/a.js"></script>',
        '<link rel="stylesheet" href="https://fonts.example.org/a.css">',
        '<link rel="preconnect" href="https://fonts.example.org">',
        '<img src="http://example.org/a.png">',
        "<style>@font-face {src: url(https://fonts.example.org/a.woff2)}</style>",
        '<style>@import "https://fonts.example.org/a.css";</style>',
        '<div style="background: url(https://example.org/a.png)"></div>',
        '<img src="missing.png">',
        '<a href="missing.html">a</a>',
        '<a href="#nowhere">a</a>',
        f"<p>{Path.home()}/.cache/howgreen</p>",
    ],
)
def test_each_fault_is_found(small: Path, body: str):
    page(small, body)
    assert len(list(check_site.faults(small))) == 1


def test_a_style_sheet_that_loads_from_elsewhere_is_found(small: Path):
    (small / "a.css").write_text("a {background: url('https://example.org/a.png')}", encoding="utf-8")
    assert list(check_site.faults(small)) == ["a.css loads https://example.org/a.png"]


def test_a_public_name_without_a_page_is_found(small: Path):
    (small / "objects.inv").write_bytes(
        b"# 2\n# p\n# v\n# zlib\n" + zlib.compress(b"howgreen.city py:function 1 a -\n")
    )
    assert "no page describes howgreen.plan" in list(check_site.faults(small))


@pytest.fixture
def site() -> Path:
    if not (SITE / "index.html").exists():
        pytest.skip("the site is not built: make docs")
    return SITE


def test_the_built_site_has_no_fault(site: Path):
    assert list(check_site.faults(site)) == []


@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 390])
def test_a_browser_asks_nobody_and_no_page_is_wider_than_the_screen(site: Path, browser: Browser, width: int):
    asked: list[str] = []
    faults: list[str] = []
    view = browser.new_page(viewport={"width": width, "height": 900})
    view.on("request", lambda request: asked.append(request.url))
    view.on("pageerror", lambda error: faults.append(str(error)))
    for path in sorted(site.rglob("*.html")):
        if path.parent.name == "_static":
            continue
        view.goto(path.as_uri())
        if view.evaluate("document.documentElement.scrollWidth") > width:
            faults.append(f"{path.relative_to(site)} is wider than {width} px")
    view.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert faults == []
