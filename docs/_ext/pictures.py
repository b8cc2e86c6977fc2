"""Take the pictures of the sample city anew: ``python docs/_ext/pictures.py [report] [layers]``.

The report's page and the models change from time to time. The city is synthetic, so anybody can make its pictures; that of the report
needs Debian's chromium.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import howgreen

IMAGES = Path(__file__).resolve().parents[1] / "img"
SIZE_PX = {"width": 1100, "height": 1500}
COLOURS = 128
"""A page has few colours: a palette keeps the file small."""


def take_report() -> Path:
    """Write ``sampleton_report.png``: what a reader sees first."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

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


# Class of the sample city's truth: WorldCover's code, and the place in CORINE's legend where it is the commonest of a block.
_CODES = {
    "tree": (10, 24), "shrub": (20, 29), "grass": (30, 18), "crop": (40, 12), "bare soil": (60, 12), "sand": (60, 30),
    "paved": (50, 2), "building": (50, 2), "rail": (50, 2), "water": (80, 41), "sea": (80, 44),
}  # fmt: skip
_BLOCK_PX = 50
"""Blocks of 500 m: about the least area that CORINE maps."""


def take_layers() -> Path:
    """Write ``layers_sampleton.png``: the sample city beside maps of its own truth, in the codes of WorldCover and CORINE."""
    import numpy as np
    import rasterio

    from howgreen.pipeline.compare_maps import LayerOptions

    result = howgreen.city("Sampleton")
    known = howgreen.sample.truth(Path(result.plan.source))
    with rasterio.open(known.classes_10m) as file:
        classes, profile = file.read(1), file.profile
    fine, wide = (np.zeros_like(classes) for _ in range(2))
    for name, code in known.classes.items():
        fine[classes == code], wide[classes == code] = _CODES[name]
    coarse = np.zeros_like(wide)
    for row in range(0, wide.shape[0], _BLOCK_PX):
        for column in range(0, wide.shape[1], _BLOCK_PX):
            block = (slice(row, row + _BLOCK_PX), slice(column, column + _BLOCK_PX))
            coarse[block] = np.bincount(wide[block].ravel()).argmax()
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for name, values in {"worldcover": fine, "corine": coarse}.items():
            paths[name] = str(Path(folder) / f"{name}.tif")
            with rasterio.open(paths[name], "w", **{**profile, "dtype": "uint8", "nodata": 0}) as file:
                file.write(values.astype("uint8"), 1)
        howgreen.layers(result, LayerOptions(**paths), out=Path(folder) / "out")
        return Path(shutil.copy(Path(folder) / "out" / "layers.png", IMAGES / "layers_sampleton.png"))


PICTURES = {"report": take_report, "layers": take_layers}

if __name__ == "__main__":
    for name in sys.argv[1:] or PICTURES:
        print(PICTURES[name]())
