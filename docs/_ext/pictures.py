"""Take the pictures of the report anew: ``python docs/_ext/pictures.py``; needs Debian's chromium.

The report's page changes from time to time. The picture is of the synthetic sample city, so anybody can make it.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

import howgreen

IMAGES = Path(__file__).resolve().parents[1] / "img"
SIZE_PX = {"width": 1100, "height": 1500}
COLOURS = 128
"""A page has few colours: a palette keeps the file small."""


def take_report() -> Path:
    """Write ``sampleton_report.png``: what a reader sees first."""
    from PIL import Image

    target = IMAGES / "sampleton_report.png"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        report = Path(folder) / "report"
        howgreen.city("Sampleton").save(report)
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE_PX)
        page.goto((report / "report.html").as_uri())
        page.wait_for_timeout(1000)
        page.screenshot(path=str(target))
        browser.close()
    with Image.open(target) as picture:
        small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(target, optimize=True)
    return target


if __name__ == "__main__":
    print(take_report())
