"""A page as PDF: the same HTML, rendered offline by WeasyPrint with the page's own print styles."""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from howgreen.core.errors import MissingExtraError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DRAWING = re.compile(r"<svg\b[^>]*>")
REPORT_PDF = "report.pdf"
TEXT = "the page as PDF, to print and to send"


def check_pdf() -> None:
    """Refuse, before any long work, a computer that cannot make a PDF.

    Raises
    ------
    MissingExtraError, OutputError
        The extra, or a system library it needs, is missing.
    """
    try:
        import weasyprint  # noqa: F401 (whether it can be loaded)
    except ImportError as error:
        raise MissingExtraError("--pdf", "pdf") from error
    except OSError as error:
        raise OutputError(
            "--pdf: WeasyPrint does not find Pango, which draws its letters; install it (Debian: apt install libpango-1.0-0 "
            "libpangoft2-1.0-0; macOS: brew install pango), or print report.html from a browser"
        ) from error


def write_pdf(html: str, path: Path) -> None:
    """Write a page as PDF/UA: tagged, with its title and its language."""
    check_pdf()
    from weasyprint import HTML
    from weasyprint.urls import URLFetcher

    inside = URLFetcher(allowed_protocols=("data",))  # only data inside the page; nothing else is fetched
    with _quiet():
        page = HTML(string=_styled(html), url_fetcher=inside, media_type="print")
        page.write_pdf(path, pdf_variant="pdf/ua-1")


def _styled(html: str) -> str:
    """Add the style for WeasyPrint, and to each drawing the styles that a browser inherits from the page."""
    from howgreen.report._templates import text_of

    style = f"<style>{text_of('pdf_svg.css')}</style>"
    html = html.replace("</head>", f"<style>{text_of('pdf.css')}</style></head>", 1)
    return _DRAWING.sub(lambda found: f"{found[0]}{style}", html)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence WeasyPrint's warnings about screen styles."""
    names = ("weasyprint", "fontTools")
    levels = {name: logging.getLogger(name).level for name in names}
    try:
        for name in names:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
